"""How it is measured: every side in a process of its own, taking turns."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.speed.sides import FLOOR, OURS, ROOT, Side
from benchmarks.speed.work import Job, Skip, Work

TURN = 0.1
"""Seconds that a turn takes, at least, unless told otherwise: passes are repeated until then."""

PAUSE = 0.05
"""Seconds between turns. The threads of OpenBLAS keep looking for work for about 30 ms."""

START = 60.0
"""Seconds that processes may take until the first of them has come to the door."""

WARM_UP = 2
"""Passes before the first turn: compilation, first touch of memory."""


@dataclass
class Measured:
    """What was found for one row: seconds per unit, by side and round, and what else there is."""

    work: Work
    seconds: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    """The process's peak, in bytes."""
    notes: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Mapping[str, float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def median(self, side: str) -> float:
        return statistics.median(self.seconds[side])

    def ratio(self, side: str) -> float:
        """Return how many times our time this side takes: the median over rounds."""
        pairs = zip(self.seconds[side], self.seconds[OURS.name], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def figure(self, name: str) -> float | None:
        """Return what our side measured under this name, or by how much it exceeds the floor."""
        if name == "seconds_beyond_floor" and self.seconds.keys() >= {OURS.name, FLOOR.name}:
            return self.median(OURS.name) - self.median(FLOOR.name)
        return self.figures.get(OURS.name, {}).get(name)


def measure(work: Work, sides: Iterable[Side], rounds: int, least: float = TURN) -> Measured:
    """Let the sides take turns at this work; each goes first, last and between as often.

    Ours has to be among them, as the first. Where it cannot do the work, nothing is measured.
    """
    measured = Measured(work)
    with contextlib.ExitStack() as stack:
        ready: dict[str, Runner] = {}
        for side in sides:
            try:
                runner = stack.enter_context(contextlib.closing(runner_for(side, work)))
                job = runner.prepare()
            except Skip as reason:
                measured.skipped[side.name] = str(reason)
                if side is OURS:
                    break
                continue
            ready[side.name] = runner
            measured.seconds[side.name] = []
            measured.figures[side.name] = job.figures
            measured.notes[side.name] = job.note
        names = list(ready)
        for number in range(rounds):
            first = number % max(1, len(names))
            for name in names[first:] + names[:first]:
                measured.seconds[name].append(ready[name].turn(least))
                time.sleep(PAUSE)
        for name, runner in ready.items():
            memory = runner.peak_memory()
            if memory is not None:
                measured.memory[name] = memory
    return measured


class Runner(Protocol):
    """What takes turns: a process that stays, or a command that is run anew each time."""

    def prepare(self) -> Job: ...
    def turn(self, least: float) -> float: ...
    def peak_memory(self) -> int | None: ...
    def close(self) -> None: ...


def runner_for(side: Side, work: Work) -> Runner:
    if not side.installed:
        raise Skip(f"{side.package} is not installed")
    command = side.command(work)
    if command is not None:
        return Command(command)
    return OverMPI(side, work) if side.ranks else Worker(side, work)


# ---------------------------------------------------------------- a process that stays


class Worker:
    """A process that has a job ready and runs it when asked."""

    def __init__(self, side: Side, work: Work) -> None:
        context = multiprocessing.get_context("spawn")  # a fresh interpreter
        self.line, far_end = context.Pipe()
        self.process = context.Process(target=serve, args=(far_end, side, work), daemon=True)
        self.process.start()
        far_end.close()

    def prepare(self) -> Job:
        return self._answer()

    def turn(self, least: float) -> float:
        self.line.send(least)
        return self._answer()

    def peak_memory(self) -> int | None:
        self.line.send("memory")
        return self._answer()

    def close(self) -> None:
        self.line.close()
        self._wait()

    def _wait(self) -> None:
        self.process.join()

    def _answer(self) -> Any:
        answer = self.line.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


class OverMPI(Worker):
    """Processes that `mpiexec` starts; the first rank answers, the others follow it."""

    def __init__(self, side: Side, work: Work) -> None:
        if shutil.which("mpiexec") is None:
            raise Skip("mpiexec is not installed")
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
            address = str(Path(folder, "door"))
            door.bind(address)
            door.listen()
            door.settimeout(START)
            program = [sys.executable, "-m", "mpi4py", "-m", "benchmarks.speed.over_mpi", address]
            self.processes = subprocess.Popen(
                ["mpiexec", "-n", str(side.ranks), *program],
                cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                came, _ = door.accept()
            except TimeoutError:
                self.processes.terminate()
                raise Skip("mpiexec did not start its processes") from None
        came.setblocking(True)
        self.line = multiprocessing.connection.Connection(came.detach())
        self.line.send((side, work))

    def _wait(self) -> None:
        self.processes.wait()


def make_job(side: Side, work: Work) -> Job:
    """Return this side's job for this work; raise Skip where it has none."""
    module = importlib.import_module(f"benchmarks.speed.{side.file}")
    make = getattr(module, side.jobs).get(work.kind)
    if make is None:
        raise Skip(f"no {work.kind} of {side.title}")
    return make(work)


def serve(line: Any, side: Side, work: Work, make: Callable[[Side, Work], Job] = make_job) -> None:
    """Make the job ready, then answer "memory", or a turn's seconds, until the line is closed."""
    try:
        job = make(side, work)
        for _ in range(WARM_UP):
            job.run()
    except Skip as reason:
        line.send(reason)
        return
    except Exception as error:  # told in the table; the other rows go on
        line.send(Skip(f"it failed: {type(error).__name__}: {error}"))
        return
    line.send(Job(None, job.units, job.note, job.figures))
    with contextlib.suppress(EOFError):
        while question := line.recv():
            line.send(peak_memory() if question == "memory" else turn(job, question))


def turn(job: Job, least: float) -> float:
    """Run passes for at least this long; return the seconds per unit."""
    passes, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < least or not passes:
        job.run()
        passes += 1
    return elapsed / (passes * job.units)


def peak_memory() -> int | None:
    """Return this process's peak of resident memory in bytes, where Linux tells it."""
    return memory_of_process().get("VmHWM")


def memory_of_process() -> dict[str, int]:
    """Return what Linux tells of this process's memory, in bytes, by its names; else nothing."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        rows = (row.split() for row in status)
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1:] == ["kB"]}
    return {}


# ---------------------------------------------------------------- a command, run anew


PEAK_OF_CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


class Command:
    """A command whose whole run is timed, unless it prints its own time in seconds."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def prepare(self) -> Job:
        self.turn(TURN)
        return Job(None, 1)

    def turn(self, least: float) -> float:
        start = time.perf_counter()
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self.command, cwd=ROOT, env=environment(), stdout=pipe, stderr=pipe, text=True
        ) as process:
            output, errors = process.communicate()
        elapsed = time.perf_counter() - start
        if process.returncode:
            raise Skip(f"it failed: {errors.strip().splitlines()[-1]}")
        return float(output) if self.command[1] == "-c" else elapsed

    def peak_memory(self) -> int | None:
        """Run once more, as a child of a child: what that one tells is of this command alone."""
        asked = subprocess.run(
            [sys.executable, "-c", PEAK_OF_CHILD, *self.command],
            cwd=ROOT, env=environment(), capture_output=True, text=True,
        )  # fmt: skip
        return int(asked.stdout) * 1024 if asked.returncode == 0 else None

    def close(self) -> None:
        pass


def environment() -> dict[str, str]:
    """Return the environment for a script: this checkout's chainrule is found first.

    Python may keep what it has compiled, so that ours, like what pip installs, is compiled once.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": path}
