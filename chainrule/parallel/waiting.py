"""Waiting for other processes, and saying which ones have not come.

MPI waits in silence, for ever. Here a rank that has waited for a while sends the others a note each
second: "I am waiting". Those from which no note comes are the ones that are waited for. The notes
are read by ranks that wait, too, so a rank that is busy pays nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

NOTE = 25_711
"""The tag of the notes; a program's own messages should have another."""

NOTES_BEFORE_WARNING = 8
"""How many notes a rank sends before it says for which ranks it waits; at least one a second."""

FRESH = 3
"""A rank is waiting if a note came within so many intervals between notes."""

give_way = getattr(os, "sched_yield", lambda: time.sleep(0))
"""Let another process have the processor, as MPI's own waiting does."""


class WaitedTooLong(TimeoutError):
    """A rank has not come within the time-out."""


class Waiting:
    """Waits for requests of MPI, and says for which ranks.

    Parameters
    ----------
    mpi : mpi4py.MPI.Intracomm
        Whose ranks wait for each other.
    warn_after : float
        After how many seconds it says so; again after twice as many, and so on.
    timeout : float, optional
        After how many seconds it gives up.
    """

    def __init__(self, mpi: Any, warn_after: float, timeout: float | None) -> None:
        self.mpi, self.warn_after, self.timeout = mpi, warn_after, timeout
        self.rank, self.world_size = mpi.Get_rank(), mpi.Get_size()
        self.interval = min(1.0, min(warn_after, timeout or warn_after) / NOTES_BEFORE_WARNING)
        self._sent: list[tuple[Any, Any]] = []

    def wait(self, request: Any, place: str) -> None:
        """Return when the request is done.

        Raises
        ------
        WaitedTooLong
            It was not, within the time-out.
        """
        self._read_notes()  # they are from earlier waits
        start, warned = time.monotonic(), False
        next_note, next_warning = self.interval, self.warn_after
        heard: dict[int, tuple[float, float]] = {}  # by rank: when its note came, how long it waits
        while not request.Test():
            give_way()
            waited = time.monotonic() - start
            if waited < next_note:
                continue
            next_note = waited + self.interval
            self._send_notes(waited)
            heard |= {rank: (waited, its) for rank, its in self._read_notes().items()}
            oldest = waited - FRESH * self.interval
            waits = {rank: its for rank, (when, its) in heard.items() if when >= oldest}
            if self.timeout is not None and waited >= self.timeout:
                raise WaitedTooLong(self._describe(waited, place, waits))
            if waited >= next_warning:
                next_warning = 2 * waited
                if self._is_speaker(waited, waits):
                    warned = True
                    _say(self._describe(waited, place, waits) + " Still waiting.")
        if warned:
            _say(f"All ranks have come, after {time.monotonic() - start:.0f} s.")

    def _send_notes(self, waited: float) -> None:
        self._sent = [(sent, note) for sent, note in self._sent if not sent.Test()]
        note = np.array([self.rank, waited])
        others = [rank for rank in range(self.world_size) if rank != self.rank]
        self._sent += [(self.mpi.Isend(note, rank, NOTE), note) for rank in others]

    def _read_notes(self) -> dict[int, float]:
        """Return the ranks from which notes have come, and how long they have waited."""
        heard, note = {}, np.empty(2)
        while (message := self.mpi.Improbe(tag=NOTE)) is not None:
            message.Recv(note)
            heard[int(note[0])] = float(note[1])
        return heard

    def _is_speaker(self, waited: float, waits: dict[int, float]) -> bool:
        """Return whether this rank has waited longest; of several that have, the first speaks."""
        close = 2 * self.interval
        return not any(
            its > waited + close or (rank < self.rank and its > waited - close)
            for rank, its in waits.items()
        )

    def _describe(self, waited: float, place: str, waits: dict[int, float]) -> str:
        present = sorted({self.rank, *waits})
        missing = [rank for rank in range(self.world_size) if rank not in present]
        if not missing:
            return (
                f"All {self.world_size} ranks have waited {waited:.0f} s for each other, rank "
                f"{self.rank} {place}. They do not run the same code."
            )
        have, have_not = ("has" if len(some) == 1 else "have" for some in (present, missing))
        words = (
            f"{name_ranks(present)} of {self.world_size} {have} waited {waited:.0f} s, {place}, "
            f"for {name_ranks(missing)}, which {have_not} not come. Busy, stopped, or elsewhere in "
            "the program? If there was an error, its traceback is printed above; in a program "
            "started by `python -m mpi4py` it ends all ranks."
        )
        return words[0].upper() + words[1:]


def name_ranks(ranks: Sequence[int]) -> str:
    """Return "rank 3", or "ranks 0, 1 and 2"."""
    *others, last = map(str, ranks)
    return f"ranks {', '.join(others)} and {last}" if others else f"rank {last}"


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
