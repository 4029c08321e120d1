"""`chainrule predict` for a folder: its tables predicted in parallel into another folder."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker

import click
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from chainrule.command.error_message import error_message
from chainrule.command.models.predictor import Predictor
from chainrule.command.progress import FileBar
from chainrule.command.reports.phrases import counted
from chainrule.command.tables.writer import COMPRESSIONS, SEPARATORS, check_output, check_writable
from chainrule.errors import InputError
from chainrule.storage.atomic import remove_leftovers

COMPRESSED = (*COMPRESSIONS, ".zst", ".zip")
"""The extensions of compressed tables; the last two are only read, never written."""

KILLED = "its process was killed; if memory is short, give fewer --jobs."


@dataclass(frozen=True)
class Job:
    """A table of the folder, where its predictions go, and its size in bytes."""

    table: str
    output: str
    size: int


@dataclass(frozen=True)
class JobResult:
    """What became of a table: its rows, the warnings, and the error, if any."""

    job: Job
    rows: int = 0
    warnings: Sequence[str] = ()
    error: str = ""


def predict_folder(
    predictor: Predictor, model: str, folder: str, output: str, jobs: int, *, quiet: bool
) -> int:
    """Write a file of predictions for each table of a folder; return the exit code.

    Parameters
    ----------
    model : str
        The model's file, which must not be overwritten.
    jobs : int
        The number of processes; -1 for one per processor.
    """
    tables, others = list_tables(folder)
    if not tables:
        raise InputError(f"{folder} has no table; its name would end in {', '.join(SEPARATORS)}.")
    plan = plan_jobs(folder, tables, output, model)
    if others:
        click.echo(f"chainrule: skipped, not tables by name: {', '.join(others)}", err=True)
    results = []
    with output_folder(output), FileBar(sum(job.size for job in plan), quiet=quiet) as bar:
        for result in run_jobs(predictor, plan, jobs):
            results.append(result)
            table = result.job.table
            for warning in result.warnings:
                bar.message(f"chainrule: warning: {table}: {warning}")
            if result.error:
                where = "" if table in result.error else f"{table}: "
                bar.message(f"chainrule: {where}{result.error}")
            done = sum(result.job.size for result in results)
            bar.show(done, sum(result.rows for result in results))
    return _summarize(results, output, quiet)


def _summarize(results: Sequence[JobResult], output: str, quiet: bool) -> int:
    """Print how many tables were predicted; return the exit code."""
    failed = sorted(os.path.basename(result.job.table) for result in results if result.error)
    rows = counted(sum(result.rows for result in results), "row")
    tables = counted(len(results), "table")
    if failed:
        others = f"; the others, {rows}, are in {output}" * (len(failed) < len(results))
        names = ", ".join(failed)
        line = f"chainrule: {len(failed)} of {tables} could not be predicted: {names}{others}."
        click.echo(line, err=True)
    elif not quiet:
        click.echo(f"Predicted {rows} of {tables} in {output}", err=True)
    return int(bool(failed))


# ---------------------------------------------------------------- which files


def list_tables(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the tables in a folder, and of everything else but hidden files."""
    tables, others = [], []
    for name in sorted(name for name in os.listdir(folder) if not name.startswith(".")):
        path = os.path.join(folder, name)
        extension = os.path.splitext(_uncompressed(name))[1].lower()
        if os.path.isfile(path) and extension in SEPARATORS:
            tables.append(name)
        else:
            others.append(f"{name}{os.sep}" if os.path.isdir(path) else name)
    return tables, others


def _uncompressed(name: str) -> str:
    stem, extension = os.path.splitext(name)
    return stem if extension.lower() in COMPRESSED else name


def output_name(name: str) -> str:
    """Return the name of a table's predictions: its own if that kind can be written.

    Parquet has its own compression, and .zst and .zip are not written.

    >>> output_name("a.csv"), output_name("a.csv.gz"), output_name("a.csv.zip")
    ('a.csv', 'a.csv.gz', 'a.csv')
    """
    stem, extension = os.path.splitext(name)
    same = extension.lower() in COMPRESSIONS and not stem.lower().endswith(".parquet")
    return name if same else _uncompressed(name)


def plan_jobs(folder: str, tables: Sequence[str], output: str, model: str) -> list[Job]:
    """Return a job for each table, the largest first, so that all processes end together.

    Raises
    ------
    InputError
        The output is not another folder, or two tables or an input would be overwritten.
    """
    source, destination = os.path.realpath(folder), os.path.realpath(output)
    if output == "-" or is_no_folder(output) or source == destination:
        raise InputError(f"{folder} is a folder, so --output must be another one; got {output}.")
    jobs: dict[str, Job] = {}
    inputs = {os.path.realpath(model), *(os.path.realpath(f"{folder}/{name}") for name in tables)}
    for name in tables:
        table, path = os.path.join(folder, name), os.path.join(output, output_name(name))
        if path in jobs:
            raise InputError(
                f"{jobs[path].table} and {table} would both be predicted in {path}; rename one."
            )
        if os.path.realpath(path) in inputs:
            raise InputError(f"{path} is also an input; give another --output.")
        jobs[path] = Job(table, path, os.path.getsize(table))
    return sorted(jobs.values(), key=lambda job: -job.size)


def is_no_folder(path: str) -> bool:
    """Whether something has this name that is no folder."""
    return os.path.exists(path) and not os.path.isdir(path)


@contextlib.contextmanager
def output_folder(output: str) -> Iterator[None]:
    """Create the folder if necessary, and remove it again if nothing was written to it."""
    new = not os.path.exists(output)
    try:  # from here on, since Ctrl-C may come right after the folder was created
        if new:
            check_output(os.path.abspath(output), "--output")
            os.mkdir(output)
        check_writable(output, f"--output {output}")
        yield
    finally:
        if new:
            with contextlib.suppress(OSError):  # not empty, or not created
                os.rmdir(output)


# ---------------------------------------------------------------- in parallel


def run_jobs(predictor: Predictor, jobs: Sequence[Job], processes: int) -> Iterator[JobResult]:
    """Yield each job's result as soon as it is finished, whatever happens to its process.

    If one process is killed, for example because memory is short, joblib ends the others too. Each
    job that was lost is then run once more on its own.
    """
    waiting = list(jobs)
    try:
        for result in _in_parallel(predictor, jobs, processes):
            waiting.remove(result.job)
            yield result
    except TerminatedWorkerError:
        for job in waiting:
            try:
                yield from _in_parallel(predictor, [job], 2)  # 2: not in this process
            except TerminatedWorkerError:
                yield JobResult(job, error=KILLED)
    finally:
        if processes != 1:
            get_reusable_executor().shutdown()
        for job in waiting:
            remove_leftovers(job.output)  # the temporary files of processes that were killed


def _in_parallel(predictor: Predictor, jobs: Sequence[Job], processes: int) -> Iterator[JobResult]:
    parent = os.getpid()
    # Other processes compute too, so each has a single BLAS thread.
    with parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=5):
        parallel = Parallel(
            processes,
            return_as="generator_unordered",
            batch_size=1,
            max_nbytes=None,  # no arrays in temporary files
        )
        with _ctrl_c_blocked():
            results = parallel(delayed(_run)(predictor, job, parent) for job in jobs)
        yield from results


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(predictor: Predictor, job: Job, parent: int) -> JobResult:
    """Predict a table; return the error as a sentence if it fails."""

    def on_progress(position: int, rows: int) -> None:
        if parent not in (os.getpid(), os.getppid()):  # the parent was killed
            raise SystemExit

    try:
        return JobResult(job, *predictor.predict(job.table, job.output, on_progress))
    except Exception as error:
        if os.environ.get("CHAINRULE_TRACEBACK"):
            traceback.print_exc()
        return JobResult(job, error=error_message(error))
