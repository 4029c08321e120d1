"""Communicator: how processes that train one network together exchange values, over MPI.

Every exchange begins in the same way, whatever it is about: each rank tells all others that it is
well and where it is (`Communicator.exchange`). A rank that has failed says so instead, wherever the
others are. So an error on one rank is an error on all of them, reported with the rank and the
cause, and no rank waits for one that will not come. What cannot be reported in this way (a second
Ctrl-C, an error within MPI) ends the whole job by `Abort`; a rank that is killed is noticed by
`mpiexec`, which ends the others.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from chainrule.checks import check_range
from chainrule.checks.extras import require
from chainrule.errors import ConfigurationError, RankError
from chainrule.parallel.waiting import WaitedTooLong, Waiting, name_ranks
from chainrule.parameter import Array

Thing = TypeVar("Thing")

EXTRA = "mpi"

NUMBERS = 4
"""How many numbers a rank may bring to an exchange."""

PLACES = (
    "at the start of fit",
    "in the settings",
    "in a layer's forward or backward pass",
    "in a step",
    "after a step",
    "at the end of an epoch",
    "in the validation",
    "at the end of fit",
)
"""Where a rank may be, in the order of a training."""

START, SETTINGS, LAYER, STEP, AFTER_STEP, EPOCH, VALIDATION, END = PLACES


class Communicator:
    """The processes (ranks) of an MPI communicator.

    Give `Trainer` one instead of the communicator of MPI to say how long ranks wait for each other.

    Parameters
    ----------
    mpi : mpi4py.MPI.Intracomm
        Which processes belong together, such as ``MPI.COMM_WORLD``.
    warn_after : float
        After how many seconds ranks that wait say, on standard error, which ranks have not come and
        to which place; again after twice as many, and so on.
    timeout : float, optional
        After how many seconds of waiting they end the whole job, with exit status 1. None waits for
        as long as it takes: the first rank may be busy with a long validation or a callback.

    Attributes
    ----------
    rank, world_size : int
        Which process this is, and how many there are.
    failed : bool
        Whether a rank has failed and all know it. From then on nothing is exchanged.

    Raises
    ------
    ConfigurationError
        `mpi` is no communicator of mpi4py, or a number of seconds is not above 0.

    Examples
    --------
    >>> from mpi4py import MPI  # doctest: +SKIP
    >>> trainer = Trainer(
    ...     network, loss, optimizer, communicator=Communicator(MPI.COMM_WORLD, timeout=600)
    ... )  # doctest: +SKIP
    """

    def __init__(self, mpi: Any, warn_after: float = 30.0, timeout: float | None = None) -> None:
        MPI = require("mpi4py.MPI", EXTRA, "Communicator")
        if not isinstance(mpi, MPI.Intracomm) or mpi == MPI.COMM_NULL:
            raise ConfigurationError(
                "communicator must be one of mpi4py, such as MPI.COMM_WORLD after `from mpi4py "
                f"import MPI`; got {mpi!r}."
            )
        self.mpi = mpi
        self.warn_after = check_range("warn_after", warn_after, inclusive=False)
        self.timeout = None
        if timeout is not None:
            self.timeout = check_range("timeout", timeout, inclusive=False)
        self.rank, self.world_size = mpi.Get_rank(), mpi.Get_size()
        self.failed = False
        self._waiting = Waiting(mpi, self.warn_after, self.timeout)
        if self.world_size > 1:
            _abort_on_uncaught_errors(mpi)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Report an error within the block to all ranks."""
        self.failed = False
        try:
            yield
            self.exchange(END)
        except KeyboardInterrupt as error:  # there may be no time left
            self._abort(error)
            raise
        except BaseException as error:
            self.report(error)
            raise

    def report(self, error: BaseException) -> None:
        """Report an error to all other ranks, unless they know."""
        if self.failed:
            return
        self.failed = True
        text = "".join(traceback.format_exception(error)).rstrip()
        error.add_note(f"That was on rank {self.rank} of {self.world_size}.")
        packed = text.encode()
        with self._aborting():
            heads = self._heads(None, [len(packed)])
            self._allgather_bytes(packed, _lengths_of_reports(heads), END)

    def exchange(self, place: str, *numbers: float) -> Array:
        """Return the numbers of every rank, (ranks, `NUMBERS`), once all have come here."""
        with self._aborting():
            heads = self._heads(place, numbers)
            reports = []
            if heads[:, 0].any():
                reports = self._allgather_bytes(b"", _lengths_of_reports(heads), place)
        if reports:
            self.failed = True
            raise rank_error([report.decode() for report in reports])
        places = [PLACES[int(number)] for number in heads[:, 1]]
        if len(set(places)) > 1:
            self.failed = True  # all ranks see it, and raise the same error
            raise ConfigurationError(
                f"The ranks are not at the same place: {_by_rank(places)}. All of them must run "
                "the same code, on the same number of batches."
            )
        return heads[:, 2:]

    def _heads(self, place: str | None, numbers: Sequence[float]) -> Array:
        """Exchange whether each rank is well (0), where it is, and its numbers."""
        own = np.zeros(2 + NUMBERS)
        own[:2] = place is None, PLACES.index(place or START)
        own[2 : 2 + len(numbers)] = numbers
        heads = np.empty((self.world_size, len(own)))
        self._waiting.wait(self.mpi.Iallgather(own, heads), place or END)
        return heads

    def allgather(self, place: str, thing: Thing) -> list[Thing]:
        """Return the things of all ranks, in their order."""
        packed = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)  # here it may still fail alone
        lengths = self.exchange(place, len(packed))[:, 0]
        with self._aborting():
            return [pickle.loads(each) for each in self._allgather_bytes(packed, lengths, place)]

    def _allgather_bytes(self, packed: bytes, lengths: Array, place: str) -> list[bytes]:
        ends = np.cumsum(lengths, dtype=np.int64)
        received = np.empty(ends[-1], np.uint8)
        own = np.frombuffer(packed, np.uint8)
        counts = lengths.astype(np.int64).tolist()
        self._waiting.wait(self.mpi.Iallgatherv(own, [received, counts]), place)
        return [part.tobytes() for part in np.split(received, ends[:-1])]

    def gather(self, place: str, thing: Thing) -> list[Thing]:
        """Return the things of all ranks on the first rank, and nothing on the others."""
        packed = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        lengths = self.exchange(place, len(packed))[:, 0].astype(np.int64)
        received = None if self.rank else np.empty(lengths.sum(), np.uint8)
        own = np.frombuffer(packed, np.uint8)
        with self._aborting():
            target = None if received is None else [received, lengths.tolist()]
            self._waiting.wait(self.mpi.Igatherv(own, target), place)
            parts = [] if received is None else np.split(received, np.cumsum(lengths)[:-1])
            return [pickle.loads(part.data) for part in parts]

    def broadcast(self, place: str, compute: Callable[[], Thing]) -> Thing:
        """Return, on all ranks, what the first rank computes."""
        packed = b"" if self.rank else pickle.dumps(compute(), pickle.HIGHEST_PROTOCOL)
        length = int(self.exchange(place, len(packed))[0, 0])
        shared = np.empty(length, np.uint8) if self.rank else np.frombuffer(packed, np.uint8)
        with self._aborting():
            self._waiting.wait(self.mpi.Ibcast(shared), place)
            return pickle.loads(shared.data)

    def allreduce(self, place: str, vector: Array) -> None:
        """Sum a vector over all ranks, in place, right after an `exchange`."""
        in_place = require("mpi4py.MPI", EXTRA, "It").IN_PLACE
        with self._aborting():
            self._waiting.wait(self.mpi.Iallreduce(in_place, vector), place)

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """End the whole job on an error that can no longer be reported to the others."""
        try:
            yield
        except BaseException as error:
            self._abort(error)
            raise

    def _abort(self, error: BaseException) -> None:
        text = str(error)
        if not isinstance(error, WaitedTooLong):
            text = "".join(traceback.format_exception(error)).rstrip()
        _abort(self.mpi, f"Rank {self.rank} of {self.world_size} ends the job:\n{text}")

    def processes(self) -> str:
        """Return in words which process each rank is; `mpiexec` names a killed one by its ID."""
        places = self.allgather(START, (os.getpid(), platform.node()))
        each = [f"rank {rank} is process {pid} on {at}" for rank, (pid, at) in enumerate(places)]
        return f"{self.world_size} ranks: {', '.join(each)}"

    def refuse_differences(self, settings: Mapping[str, Any]) -> None:
        """Raise ConfigurationError, on all ranks, unless all have the same settings."""
        of_each = self.allgather(SETTINGS, {name: repr(value) for name, value in settings.items()})
        lines = []
        for name in dict.fromkeys(name for settings in of_each for name in settings):
            values = [settings.get(name, "nothing") for settings in of_each]
            if len(set(values)) > 1:
                lines.append(f"  {name}: {_by_rank([_short(value) for value in values])}")
        if lines:
            raise ConfigurationError(
                "The ranks are not about to do the same training:\n" + "\n".join(lines) + "\nGive "
                "all of them the same program, the same whole data (each takes its own rows of "
                "each batch) and the same settings."
            )


def as_communicator(mpi: Any) -> Communicator | None:
    """Return the communicator that `Trainer` is given; None for a single process."""
    if mpi is None:
        return None
    communicator = mpi if isinstance(mpi, Communicator) else Communicator(mpi)
    return communicator if communicator.world_size > 1 else None


def _lengths_of_reports(heads: Array) -> Array:
    """Return how long the report of each rank is: 0 of those that are well."""
    return np.where(heads[:, 0], heads[:, 2], 0)


def rank_error(reports: Sequence[str]) -> RankError:
    """Return the error for the ranks that did not fail: which ones did, and why."""
    failed = tuple(rank for rank, text in enumerate(reports) if text)
    each = [f"Rank {rank} of {len(reports)} failed:\n{reports[rank]}" for rank in failed]
    return RankError("\n".join([*each, "So this rank stopped too."]), failed)


def _by_rank(values: Sequence[str]) -> str:
    """Return in words which ranks have which value: "a on rank 0, b on ranks 1 and 2"."""
    words = []
    for value in dict.fromkeys(values):
        who = [rank for rank, other in enumerate(values) if other == value]
        words.append(f"{value} on {name_ranks(who)}")
    return ", ".join(words)


def _short(text: str, longest: int = 300) -> str:
    return text if len(text) <= longest else text[:longest] + " ..."


# ---------------------------------------------------------------- the end of a job

_communicators: list[Any] = []
"""Whose ranks wait for this one: those of the first `Communicator`."""


def _abort_on_uncaught_errors(mpi: Any) -> None:
    """Let an error that nobody catches end the whole job, after it was printed.

    Otherwise Python would wait for the other ranks at its exit, and these for it, for ever. A
    program started by ``python -m mpi4py`` has this from its first line on.
    """
    if not _communicators:
        before = sys.excepthook

        def hook(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            before(kind, error, trace)
            _abort(_communicators[0], "")

        sys.excepthook = hook
        _communicators.append(mpi)


def _abort(mpi: Any, words: str) -> None:
    """End all ranks, after printing these words."""
    if words:
        print(words, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(0.2)  # until what was printed has arrived
    mpi.Abort(1)
