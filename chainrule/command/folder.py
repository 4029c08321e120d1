"""A folder of tables, predicted side by side into another folder."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from chainrule.checks.extras import require
from chainrule.command.application import sentence
from chainrule.command.interruption import cleaned_up_if_interrupted
from chainrule.command.model import Model
from chainrule.command.processes import Processes
from chainrule.command.progress import FileBar
from chainrule.command.scoring import Request, write_predictions
from chainrule.command.tables import Source
from chainrule.command.writing import COMPRESSIONS, KINDS, Predictions
from chainrule.diagnosis.machine import cores
from chainrule.errors import InputError

COMPRESSED = (*COMPRESSIONS, ".zst", ".zip")
"""How the names of compressed tables end; the last two can be read, and not written."""

LOST = "Its process was ended from outside; where memory is short, give fewer --jobs."


@dataclass(frozen=True)
class Task:
    """A table of the folder: its place among the others, its file, bytes, and where it goes."""

    place: int
    table: str
    output: str
    size: int


@dataclass(frozen=True)
class Outcome:
    """What became of a table: its rows, what was odd in it, and what went wrong, if anything."""

    rows: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""


def predict_folder(
    path: str,
    model: Model,
    request: Request,
    folder: str,
    output: str,
    jobs: int,
    *,
    quiet: bool,
) -> int:
    """Write a file of predictions for each table of a folder; return the exit code.

    Parameters
    ----------
    path : str
        The model's file.
    jobs : int
        How many tables at a time; -1 for as many as there are processors.
    """
    tables, others = tables_in(folder)
    if not tables:
        raise InputError(f"{folder} holds no table, whose name would end in {', '.join(KINDS)}.")
    check_outside(output, folder)
    tasks = tasks_of(folder, tables, output)
    check_apart(tasks, path)
    if others:
        click.echo(f"chainrule: left out, being no tables by name: {', '.join(others)}", err=True)
    with cleaned_up_if_interrupted(), output_folder(output):
        outcomes = _predict_all(model, request, tasks, cores() if jobs == -1 else jobs, quiet)
    return _summary(tasks, outcomes, output, quiet)


def _predict_all(
    model: Model, request: Request, tasks: Sequence[Task], jobs: int, quiet: bool
) -> dict[Task, Outcome]:
    """Predict all tables, and tell what there is to tell as soon as one is done."""
    outcomes: dict[Task, Outcome] = {}
    # Of each table the bytes read and the rows predicted, which its process alone writes.
    so_far = multiprocessing.get_context("spawn").RawArray("q", 2 * len(tasks))

    def note(task: Task, outcome: Outcome) -> None:
        outcomes[task] = outcome
        so_far[2 * task.place] = task.size
        for line in _lines(task, outcome):
            bar.write(line)

    def show() -> None:
        bar.update(sum(so_far[::2]), sum(so_far[1::2]))

    with FileBar(sum(task.size for task in tasks), quiet=quiet) as bar:
        processes = Processes(_begin, (model, request, so_far), _predict, note, show)
        largest_first = sorted(tasks, key=lambda task: -task.size)  # so that all end together
        for task in processes.run(largest_first, jobs):
            note(task, Outcome(error=LOST))
    return outcomes


def _lines(task: Task, outcome: Outcome) -> Iterator[str]:
    """Yield what is odd and what went wrong; the table's name stands in each."""
    for warning in outcome.warnings:
        yield f"chainrule: warning: {task.table}: {warning}"
    if outcome.error:
        named = "" if task.table in outcome.error else f"{task.table}: "
        yield f"chainrule: {named}{outcome.error}"


def _summary(tasks: Sequence[Task], outcomes: dict[Task, Outcome], output: str, quiet: bool) -> int:
    """Say what was done and what was not; return the exit code."""
    failed = [os.path.basename(task.table) for task in tasks if outcomes[task].error]
    rows, done = sum(outcome.rows for outcome in outcomes.values()), len(tasks) - len(failed)
    tables = "1 table" if len(tasks) == 1 else f"{len(tasks):,} tables"
    if failed:
        others = f"; the others, {rows:,} rows, are in {output}" if done else ""
        click.echo(
            f"chainrule: {len(failed)} of {tables} could not be predicted: {', '.join(failed)}"
            f"{others}.",
            err=True,
        )
        return 1
    if not quiet:
        are = "row is" if rows == 1 else "rows are"
        click.echo(f"{rows:,} {are} predicted, of {tables}, in {output}", err=True)
    return 0


# ---------------------------------------------------------------- what is read, and where it goes


def tables_in(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the tables in a folder, and what else there is; nothing hidden."""
    tables, others = [], []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isfile(path) and os.path.splitext(_uncompressed(name))[1].lower() in KINDS:
            tables.append(name)
        else:
            others.append(f"{name}{os.sep}" if os.path.isdir(path) else name)
    return tables, others


def _uncompressed(name: str) -> str:
    """Return the name of a file as it is without compression."""
    stem, end = os.path.splitext(name)
    return stem if end.lower() in COMPRESSED else name


def output_name(name: str) -> str:
    """Return the name of a table's predictions: its own, or how it is without compression.

    Predictions are not written as .zst or .zip, and Parquet compresses by itself.

    >>> output_name("a.csv"), output_name("a.csv.gz"), output_name("a.csv.zip")
    ('a.csv', 'a.csv.gz', 'a.csv')
    """
    stem = _uncompressed(name)
    end = os.path.splitext(name)[1].lower()
    return name if end in COMPRESSIONS and not stem.lower().endswith(".parquet") else stem


def tasks_of(folder: str, tables: Sequence[str], output: str) -> list[Task]:
    """Return what is to be done; refuse two tables that would be written to the same file."""
    tasks: dict[str, Task] = {}
    for place, name in enumerate(tables):
        table, goes_to = os.path.join(folder, name), os.path.join(output, output_name(name))
        if goes_to in tasks:
            raise InputError(
                f"{tasks[goes_to].table} and {table} would both be predicted in {goes_to}; rename "
                "one of them."
            )
        tasks[goes_to] = Task(place, table, goes_to, os.path.getsize(table))
    return list(tasks.values())


# ---------------------------------------------------------------- the output folder


def check_outside(output: str, folder: str) -> None:
    """Refuse what is no other folder than the one that is read."""
    if output == "-":
        raise InputError(
            f"{folder} is a folder: give a second one with --output, for its tables' predictions."
        )
    if os.path.exists(output) and not os.path.isdir(output):
        raise InputError(
            f"--output {output} is a file; {folder} is a folder and needs another one."
        )
    if os.path.exists(output) and os.path.samefile(output, folder):
        raise InputError(f"--output {output} is the folder that is read; give another one.")


def check_apart(tasks: Sequence[Task], path: str) -> None:
    """Refuse to write over a table that is read, or over the model."""
    read = {_identity(path), *(_identity(task.table) for task in tasks)}
    for task in tasks:
        if os.path.exists(task.output) and _identity(task.output) in read:
            raise InputError(f"{task.output} is a file that is read; give another --output.")


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def output_folder(output: str) -> Iterator[None]:
    """Make the folder where there is none, and take it away again where nothing came into it."""
    made = not os.path.exists(output)
    try:
        if made:
            os.mkdir(output)
        with tempfile.TemporaryFile(dir=output):
            pass
    except FileNotFoundError:
        parent = os.path.dirname(os.path.abspath(output))
        raise InputError(
            f"The folder {parent} for --output does not exist; create it first."
        ) from None
    except OSError as error:
        raise InputError(f"--output {output} cannot be written: {error.strerror}.") from None
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(output)


# ---------------------------------------------------------------- in each process

_given: tuple[Model, Request, Any]


def _begin(model: Model, request: Request, so_far: Any) -> None:
    """Keep what all tables need. BLAS has one thread, since the other processes compute too."""
    global _given
    _given = model, request, so_far
    require("threadpoolctl", "cli", "Predicting a folder").threadpool_limits(1, "blas")


def _predict(task: Task) -> Outcome:
    """Predict a table; whatever goes wrong is told in a sentence."""
    model, request, so_far = _given

    def progress(position: int, rows: int) -> None:
        so_far[2 * task.place], so_far[2 * task.place + 1] = position, rows

    try:
        predictions = Predictions(task.output)
        with Source(task.table, request.form) as source:
            rows, findings = write_predictions(model, request, source, predictions, progress)
    except Exception as error:
        if os.environ.get("CHAINRULE_TRACEBACK"):
            traceback.print_exc()
        return Outcome(error=sentence(error))
    return Outcome(rows, tuple(findings.lines()))
