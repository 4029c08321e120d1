"""The results file: JSON lines, a record for each table, split and method.

A record has `table`, `split`, `method` and `status`: "ok", "out of time" or "failed". If "ok", also
`scores`, and seconds of processor and wall time for `fit` and `predict`. A later record of the
same three takes the place of an earlier one. Lines are only added, so that a run that is killed
loses at most the fit it was at, and two may write at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Key = tuple[str, int, str]


def key_of(record: Record) -> Key:
    return record["table"], record["split"], record["method"]


def append(file: Path, record: Record) -> None:
    """Append a line; a line that an interrupted run left unfinished is ended first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record) + "\n"
    with file.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                line = "\n" + line
        stream.write(line.encode())


def read(file: Path) -> dict[Key, Record]:
    """Return the latest record of each fit; unfinished lines are skipped."""
    found: dict[Key, Record] = {}
    if not file.exists():
        return found
    for line in file.read_text("utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[key_of(record)] = record
    return found
