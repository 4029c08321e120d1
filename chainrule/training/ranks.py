"""Ranks: processes that train one network together, and how they talk, over MPI.

Every talk begins in the same way, whatever it is about: each rank tells all others that it is well
and where it stands (`Ranks.agree`). A rank that has failed says so instead, wherever the others
are; so an error on one rank is an error on all of them, told with the rank and its cause, and
nobody waits for whom it has met. What cannot be told that way (Ctrl-C twice, an error within MPI)
ends the whole job by `Abort`; a rank that is killed is noticed by `mpiexec`, which ends the others.
"""

from __future__ import annotations

import os
import pickle
import platform
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from chainrule.checks.extras import require
from chainrule.errors import ConfigurationError, RankError
from chainrule.parameter import Array

Thing = TypeVar("Thing")

EXTRA = "mpi"

NUMBERS = 4
"""How many numbers a rank may tell when all agree."""

PLACES = (
    "at the beginning of fit",
    "in the data's settings",
    "in the passage through a layer",
    "in a step",
    "after a step",
    "at the end of an epoch",
    "in the validation",
    "at the end of fit",
)
"""Where a rank may stand, in the order of a training."""

BEGIN, SETTINGS, LAYER, STEP, AFTER_STEP, EPOCH, MEASURING, END = PLACES


class Alone:
    """What one process is: the first and only rank, which agrees with itself."""

    rank, count = 0, 1
    failed = False

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes, shows and measures."""
        return self.rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Tell all ranks what goes wrong within the block."""
        yield

    def agree(self, place: str, *numbers: float) -> Array:
        """Return the numbers that each rank has brought, (ranks, `NUMBERS`), once all have come."""
        return np.array([[*numbers, *[0.0] * (NUMBERS - len(numbers))]])

    def all_of(self, place: str, thing: Thing) -> list[Thing]:
        """Return what each rank has brought, in their order."""
        return [thing]

    def to_first(self, place: str, thing: Thing) -> list[Thing]:
        """Return, on the first rank, what each has brought; nothing on the others."""
        return [thing]

    def from_first(self, place: str, function: Callable[[], Thing]) -> Thing:
        """Return what the function gives on the first rank, which alone calls it."""
        return function()

    def tell(self, error: BaseException) -> None:
        """Tell all others of an error, unless they know."""


class Ranks(Alone):
    """The ranks of a communicator.

    Parameters
    ----------
    communicator : mpi4py.MPI.Intracomm
        Who belongs together.

    Attributes
    ----------
    rank, count : int
        Which one this is, and how many there are.
    failed : bool
        Whether one of them has failed and all know it. From then on nothing is said any more.
    """

    def __init__(self, communicator: Any) -> None:
        self.communicator = communicator
        self.rank, self.count = communicator.Get_rank(), communicator.Get_size()
        self.failed = False
        abort_where_nobody_catches(communicator)

    @contextmanager
    def together(self) -> Iterator[None]:
        self.failed = False
        try:
            yield
            self.agree(END)
        except KeyboardInterrupt as error:  # there may be no time left
            self._abort(error)
            raise
        except BaseException as error:
            self.tell(error)
            raise

    def tell(self, error: BaseException) -> None:
        if self.failed:
            return
        self.failed = True
        told = "".join(traceback.format_exception(error)).rstrip()
        error.add_note(f"That was on rank {self.rank} of {self.count}.")
        with self._no_way_back():
            self._heads(None, [0.0] * NUMBERS)
            self.communicator.allgather(told)

    def agree(self, place: str, *numbers: float) -> Array:
        with self._no_way_back():
            heads = self._heads(place, [*numbers, *[0.0] * (NUMBERS - len(numbers))])
            told = self.communicator.allgather("") if heads[:, 0].any() else []
        if told:
            self.failed = True
            raise rank_error(told)
        places = [PLACES[int(number)] for number in heads[:, 1]]
        if len(set(places)) > 1:
            self.failed = True  # all of them see it, and raise the same
            raise ConfigurationError(
                f"The ranks are not at the same place: {_by_rank(places)}. All of them must run "
                "the same code, on batches that are equal in number."
            )
        return heads[:, 2:]

    def _heads(self, place: str | None, numbers: Sequence[float]) -> Array:
        """Exchange whether each rank is well (0), where it is, and its numbers."""
        own = np.array([place is None, PLACES.index(place or BEGIN), *numbers], np.float64)
        heads = np.empty((self.count, len(own)))
        self.communicator.Allgather(own, heads)
        return heads

    def all_of(self, place: str, thing: Thing) -> list[Thing]:
        packed = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)  # here it may still fail alone
        self.agree(place)
        with self._no_way_back():
            return [pickle.loads(each) for each in self.communicator.allgather(packed)]

    def to_first(self, place: str, thing: Thing) -> list[Thing]:
        packed = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        self.agree(place)
        with self._no_way_back():
            return [pickle.loads(each) for each in self.communicator.gather(packed) or ()]

    def from_first(self, place: str, function: Callable[[], Thing]) -> Thing:
        packed = pickle.dumps(function(), pickle.HIGHEST_PROTOCOL) if self.first else None
        self.agree(place)
        with self._no_way_back():
            return pickle.loads(self.communicator.bcast(packed))

    def add_up(self, vector: Array) -> None:
        """Let the vector be the sum of all ranks' ones, the same on each, right after `agree`."""
        with self._no_way_back():
            self.communicator.Allreduce(require("mpi4py.MPI", EXTRA, "It").IN_PLACE, vector)

    @contextmanager
    def _no_way_back(self) -> Iterator[None]:
        """End the whole job if something fails where the others cannot be told any more."""
        try:
            yield
        except BaseException as error:
            self._abort(error)
            raise

    def _abort(self, error: BaseException) -> None:
        told = "".join(traceback.format_exception(error)).rstrip()
        abort(self.communicator, f"Rank {self.rank} of {self.count} ends the job:\n{told}")


def rank_error(told: Sequence[str]) -> RankError:
    """Return the error for the ranks that did not fail: which ones did, and why."""
    failed = tuple(rank for rank, text in enumerate(told) if text)
    each = [f"Rank {rank} of {len(told)} failed:\n{told[rank]}" for rank in failed]
    return RankError("\n".join([*each, "So this rank stopped too."]), failed)


# ---------------------------------------------------------------- at the door


def as_ranks(communicator: Any) -> Alone:
    """Return the ranks of what `Trainer` is given; one alone is like none."""
    if communicator is None:
        return Alone()
    MPI = require("mpi4py.MPI", EXTRA, "Trainer(communicator=...)")
    if not isinstance(communicator, MPI.Intracomm) or communicator == MPI.COMM_NULL:
        raise ConfigurationError(
            "communicator must be one of mpi4py, such as MPI.COMM_WORLD after `from mpi4py import "
            f"MPI`; got {communicator!r}."
        )
    return Ranks(communicator) if communicator.Get_size() > 1 else Alone()


def versions() -> dict[str, str]:
    """Return what has to be the same program on all ranks."""
    return {
        "the version of chainrule": sys.modules["chainrule"].__version__,
        "the version of numpy": np.__version__,
        "the version of python": platform.python_version(),
    }


def refuse_differences(ranks: Alone, settings: Mapping[str, Any]) -> None:
    """Raise ConfigurationError, on all ranks, where these settings are not the same on all."""
    of_each = ranks.all_of(SETTINGS, {name: repr(value) for name, value in settings.items()})
    names = list(dict.fromkeys(name for settings in of_each for name in settings))
    lines = []
    for name in names:
        values = [settings.get(name, "nothing") for settings in of_each]
        if len(set(values)) > 1:
            lines.append(f"  {name}: {_by_rank([_short(value) for value in values])}")
    if lines:
        raise ConfigurationError(
            "The ranks are not about to do the same training:\n" + "\n".join(lines) + "\nGive all "
            "of them the same program, the same whole data (each takes its own rows of each batch) "
            "and the same settings."
        )


def _by_rank(values: Sequence[str]) -> str:
    """Return in words who has which value: "a on rank 0, b on ranks 1 and 2"."""
    words = []
    for value in dict.fromkeys(values):
        who = [str(rank) for rank, other in enumerate(values) if other == value]
        several = "ranks " + ", ".join(who[:-1]) + " and " if len(who) > 1 else "rank "
        words.append(f"{value} on {several}{who[-1]}")
    return ", ".join(words)


def _short(text: str, longest: int = 300) -> str:
    return text if len(text) <= longest else text[:longest] + " ..."


def where_each_runs(ranks: Alone) -> str:
    """Return in words which process each rank is; `mpiexec` names a killed one by its number."""
    places = ranks.all_of(BEGIN, (os.getpid(), socket.gethostname()))
    each = [f"rank {rank} is process {pid} on {host}" for rank, (pid, host) in enumerate(places)]
    return f"{ranks.count} ranks: {', '.join(each)}"


# ---------------------------------------------------------------- the end of a job

_communicators: list[Any] = []
"""Whose ranks wait for this one: those of the first `Ranks`."""


def abort_where_nobody_catches(communicator: Any) -> None:
    """Let an error that nobody catches end the whole job, after it was printed.

    Python would wait at its exit for the other ranks, and these for it, for ever. A program that
    is started by ``python -m mpi4py`` has that from its first line on.
    """
    if not _communicators:
        before = sys.excepthook

        def hook(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            before(kind, error, trace)
            abort(_communicators[0], "")

        sys.excepthook = hook
        _communicators.append(communicator)


def abort(communicator: Any, words: str) -> None:
    """End all ranks, after these words."""
    if words:
        print(words, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(0.2)  # until what was printed has arrived
    communicator.Abort(1)
