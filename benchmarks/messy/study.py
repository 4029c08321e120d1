"""One mess of one table: what the command makes of it.

A quarter of the rows are for testing; they are clean, but for their spelling. What is trained on
the messy other rows has to be as good on them as what is trained on clean rows, within two points,
or the command has to refuse the file with one sentence and an exit code. Where odd cells take the
place of numbers, as good as what is trained on rows in which these cells are empty: the numbers are
gone for good.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.messy.kinds import KINDS, Kind, Table, quoted
from chainrule.command import main

QUICK = ("--epochs", "40", "--members", "4", "--hidden", "32,32", "--quiet", "--no-importance")
WITHIN = 0.02
"""How much worse a score may be: accuracy, or R²."""


@dataclass(frozen=True)
class Outcome:
    """What came of it: "the same", "refused" or "LOST", the score and what was said."""

    table: str
    kind: str
    verdict: str
    score: float | None
    said: str


def real_tables() -> Iterator[tuple[str, Table, str]]:
    """Yield three of scikit-learn's tables, in another order, with the scores' names."""
    from sklearn import datasets

    for name, load, column, score in (
        ("wine", datasets.load_wine, "flavanoids", "accuracy"),
        ("cancer", datasets.load_breast_cancer, "worst perimeter", "accuracy"),
        ("diabetes", datasets.load_diabetes, "bmi", "r2"),
    ):
        data = load(as_frame=True)
        frame = data.frame[[column, *[c for c in data.frame if c != column][:4], "target"]]
        frame = frame.sample(frac=1, random_state=0)
        header = [str(c).replace("/", " per ") for c in frame]
        rows = [[repr(float(value)) for value in row] for row in frame.to_numpy()]
        place = header.index(column)
        scale = 3000 / np.ptp(frame[column].to_numpy())  # thousands, and negative numbers
        for row in rows:
            row[place] = f"{(float(row[place]) - frame[column].mean()) * scale + 1000:.3f}"
            if score == "accuracy":
                row[-1] = f"kind {row[-1][0]}"
        yield name, Table(header, rows, place, len(header) - 1), score


def run(table: Table, score: str, kind: Kind, folder: Path) -> tuple[float | None, str]:
    """Train on the messy table and measure on clean rows; return the score and what was said."""
    spelled = [[*row] for row in table.rows]
    for row in spelled:
        row[table.column] = kind.spell(row[table.column])
    cut = len(spelled) * 3 // 4
    train, test = spelled[:cut], spelled[cut:]
    for place, text in enumerate(kind.odd):
        train[11 + 17 * place] = [*train[11 + 17 * place]]
        train[11 + 17 * place][table.column] = quoted(text)
    (folder / "train.csv").write_bytes(kind.change(replace(table, rows=train)))
    (folder / "test.csv").write_text(replace(table, rows=test).written(), "utf-8")
    model, target = str(folder / "m.npz"), table.header[table.target]
    options = ("--target", target, "-o", model, "--json", *QUICK, *kind.options)
    status, out, said = called("train", str(folder / "train.csv"), *options)
    if status:
        return None, said
    notes = "; ".join(json.loads(out)["notes"])
    again = ("--separator", ",", "--skip-rows", "0", "--encoding", "utf-8", "--json", "--quiet")
    status, out, said = called("evaluate", model, str(folder / "test.csv"), *again)
    if status:
        return None, f"evaluate: {said}"
    return float(json.loads(out)["scores"][score]), notes


def measured(table: Table, score: str, kind: Kind, folder: Path) -> float:
    """Return the score of a table that must not be refused."""
    found, said = run(table, score, kind, folder)
    if found is None:
        raise SystemExit(f"A clean table was refused: {said}")
    return found


def called(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit status and what it printed."""
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = main(list(arguments))
    texts = []
    for stream in (out, error):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return status, *texts


def outcomes(only: str, folder: Path) -> Iterator[Outcome]:
    """Yield what came of each kind of mess in each table."""
    for name, table, score in real_tables():
        clean = measured(table, score, KINDS["clean"], folder)
        for kind, mess in KINDS.items():
            if only in kind:
                found, said = run(table, score, mess, folder)
                wanted = clean
                if mess.odd:
                    empty = replace(mess, odd=("",) * len(mess.odd))
                    wanted = min(clean, measured(table, score, empty, folder))
                verdict = "refused" if found is None else "LOST"
                if found is None and (said.count("\n") != 1 or "bug in chainrule" in said):
                    verdict = "LOST"
                if found is not None and found >= wanted - WITHIN:
                    verdict = "the same"
                yield Outcome(name, kind, verdict, found, said.strip())
