"""What is left to run, in which order, and running it: one fit at a time."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from benchmarks.tables import records
from benchmarks.tables.methods import Method
from benchmarks.tables.records import Key, Record
from benchmarks.tables.table import Facts
from benchmarks.tables.worker import work

SPLITS = 2
LIMIT = 3600.0
"""Seconds of processor time for one fit."""
PATIENCE = 20
"""The limit of wall time is this many times that of processor time, in case a fit hangs."""
ONE_THREAD = {
    f"{pool}_NUM_THREADS": "1" for pool in ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
} | {"LOKY_MAX_CPU_COUNT": "1"}
LOADED = ["benchmarks.tables.worker", "sklearn.ensemble", "sklearn.neural_network"]
COSTLY = 10
"""Methods of this cost or more run last, and first on the judging tables."""


def order(methods: Iterable[Method], tables: Iterable[Facts], splits: int) -> list[Key]:
    """Return every fit in an order that makes the most of a limited time.

    Cheap methods come first, one after the other, small tables before large ones. Then come the
    costly ones together, by the approximate cost of a fit; a choosing table counts as if it cost
    four times as much. All splits of a table stay together.
    """

    def weight(pair: tuple[Method, Facts]) -> tuple[float, float]:
        method, facts = pair
        if method.cost < COSTLY:
            return method.cost, facts.rows
        return COSTLY, method.cost * facts.rows * (1 if facts.half == "judging" else 4)

    tables = list(tables)
    pairs = sorted(((method, facts) for method in methods for facts in tables), key=weight)
    return [(facts.name, split, method.name) for method, facts in pairs for split in range(splits)]


def left_to_do(fits: list[Key], done: dict[Key, Record], again: Iterable[str] = ()) -> list[Key]:
    """Return the fits without a record, and those whose status is to be repeated."""
    again = set(again)
    return [fit for fit in fits if fit not in done or done[fit]["status"] in again]


def one(cache: Path, fit: Key, limit: float) -> Record:
    """Run a fit in its own process and return its record, whatever happens to it.

    Processes are forked from a server that has loaded the common packages, which saves seconds.
    """
    table, split, method = fit
    record: Record = {"table": table, "split": split, "method": method, "limit": limit}
    os.environ.update(ONE_THREAD)  # read by the libraries when the server loads them
    context = get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "measured.json"
        process = context.Process(target=work, args=(cache, fit, limit, into))
        process.start()
        process.join(PATIENCE * limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            return record | {"status": "out of time"}
        if process.exitcode == -signal.SIGXCPU:
            return record | {"status": "out of time"}
        if process.exitcode:
            return record | {"status": "failed", "error": f"exit status {process.exitcode}"}
        return record | json.loads(into.read_text("utf-8"))


def run(
    cache: Path,
    fits: list[Key],
    limit: float,
    again: Iterable[str] = (),
    tell: Callable[[str], None] = print,
) -> None:
    """Run what is left. Another process may run the same fits, or others, at the same time."""
    file = cache / "results.jsonl"
    waiting = left_to_do(fits, records.read(file), again)
    began = time.time()
    for number, fit in enumerate(waiting, 1):
        if not left_to_do([fit], records.read(file), again):
            continue  # another process has done it
        record = one(cache, fit, limit) | {"ended": round(time.time())}
        records.append(file, record)
        tell(f"{number}/{len(waiting)} {time.time() - began:7.0f} s  {in_short(record)}")


def in_short(record: Record) -> str:
    """Return a record on one line."""
    start = f"{record['method']:<20} {record['table']:<14} {record['split']}  "
    if record["status"] != "ok":
        lines = record.get("error", "").strip().splitlines()
        return start + record["status"] + (f": {lines[-1]}" if lines else "")
    figures = " ".join(f"{name} {value:.4f}" for name, value in record["scores"].items())
    return (
        f"{start}{figures}  fit {record['fit']['cpu']:.2f} s cpu {record['fit']['wall']:.2f} wall"
    )


def installed(method: Method) -> bool:
    """Return whether the package of a method is installed."""
    module = {"scikit-learn": "sklearn"}.get(method.package, method.package)
    return find_spec(module) is not None
