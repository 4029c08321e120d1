"""One changed file, given to a reader: the outcome, the time and the memory."""

from __future__ import annotations

import collections
import random
import re
import signal
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.readers import Reader

MOST_SECONDS = 1.0
"""The limit of processor time, which does not depend on how busy the machine is."""

HANGS = 60
"""Seconds by the clock after which a case is stopped."""

MOST_TIMES_THE_FILE = 10

LEAST_MEMORY = 16 << 20
"""Bytes of memory that any file may take: a network of three layers is a file of 2 kB."""


@dataclass
class Outcome:
    """The outcome of reading one file.

    Attributes
    ----------
    kind : str
        ``"loaded"``, or the name of the error.
    fault : str
        What went wrong; empty if nothing did.
    """

    kind: str
    fault: str
    seconds: float
    memory: int
    size: int


class Fuzzer:
    """Gives changed files to a reader. A case is determined by its reader, seed and number.

    Parameters
    ----------
    name : str
        The reader's name.
    reader : Reader
        The reader.
    seed : int
        The seed of all cases.
    folder : Path
        The folder that files are written to.
    """

    def __init__(self, name: str, reader: Reader, seed: int, folder: Path) -> None:
        self.name, self.reader, self.seed, self.folder = name, reader, seed, folder
        self.good = reader.good(folder)
        self.path = folder / "case"
        self.meter = Meter()

    def content(self, number: int) -> bytes:
        """Return the file of one case."""
        rng = random.Random(f"{self.name} {self.seed} {number}")
        data = rng.choice(self.good)
        data = rng.choice(self.reader.changes)(data, rng)
        if rng.random() < 0.05:
            data = self.reader.changes[0](data, rng)  # and change some bytes as well
        return data

    def run(self, number: int) -> Outcome:
        """Read the file of one case."""
        data = self.content(number)
        self.path.write_bytes(data)
        self.meter.start()
        start = time.process_time()
        kind, fault = self._read()
        seconds = time.process_time() - start
        memory = self.meter.stop()
        if seconds > MOST_SECONDS:
            fault = fault or f"it took {seconds:.1f} s"
        if memory > max(LEAST_MEMORY, MOST_TIMES_THE_FILE * len(data)):
            fault = fault or f"it took {memory / 1e6:.0f} MB for a file of {len(data)} bytes"
        return Outcome(kind, fault, seconds, memory, len(data))

    def _read(self) -> tuple[str, str]:
        try:
            with alarm(HANGS):
                self.reader.read(self.path)
        except Hangs:
            return "Hangs", f"it does not come back within {HANGS} s"
        except self.reader.errors as error:
            short = len(str(error)) < 2000
            return type(error).__name__, "" if short else "its message is endless"
        except Exception as error:
            return type(error).__name__, f"{type(error).__name__}: {str(error)[:200]}"
        return "loaded", ""


class Hangs(BaseException):
    """Raised in the middle of reading; not an Exception, so that no reader catches it."""


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise Hangs if the block takes longer, on systems that have alarms."""

    def ring(*_: object) -> None:
        raise Hangs

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Meter:
    """Measures the peak of additional memory between `start` and `stop`.

    On Linux it reads the high-water mark of the process, which costs nothing, but misses memory
    that the process had freed and kept. Elsewhere it uses tracemalloc, which makes everything four
    times slower.
    """

    def __init__(self) -> None:
        self.marks = RESET.exists()
        if not self.marks:
            tracemalloc.start()
        self.held = 0

    def start(self) -> None:
        """Start measuring."""
        if self.marks:
            RESET.write_text("5")  # resets the mark to the current memory
        else:
            tracemalloc.reset_peak()
        self.held = self._most()

    def stop(self) -> int:
        """Return the peak of additional memory in bytes."""
        return max(0, self._most() - self.held)

    def _most(self) -> int:
        if not self.marks:
            return tracemalloc.get_traced_memory()[1]
        found = re.search(r"VmHWM:\s*([0-9]+) kB", STATUS.read_text())
        return int(found[1]) * 1024 if found else 0


RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass
class Summary:
    """The outcomes of many cases."""

    kinds: collections.Counter[str]
    faults: list[tuple[int, str]]
    seconds: float
    slowest: float
    memory: int

    @property
    def inputs(self) -> int:
        """The number of cases."""
        return sum(self.kinds.values())


def run_many(fuzzer: Fuzzer, numbers: range, most_faults: int = 20) -> Summary:
    """Run many cases; stop after `most_faults` faults."""
    summary = Summary(collections.Counter(), [], 0.0, 0.0, 0)
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in numbers:
            outcome = fuzzer.run(number)
            summary.kinds[outcome.kind] += 1
            summary.slowest = max(summary.slowest, outcome.seconds)
            summary.memory = max(summary.memory, outcome.memory)
            if outcome.fault:
                summary.faults.append((number, outcome.fault))
                if len(summary.faults) == most_faults:
                    break
    summary.seconds = time.monotonic() - start
    return summary
