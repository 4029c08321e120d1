"""workers="auto": the first steps are taken in both ways, and the faster one is kept.

They are steps of the training like all others. What is compared is the time a sample, since batches
may differ.
"""

from __future__ import annotations

import statistics

from chainrule.training.parts import InTurn, Way
from chainrule.training.team import Team

WARM_UP_STEPS, WARM_UP_SECONDS = 2, 0.05
"""What is not counted of each way: caches fill, and BLAS's own threads, after their last work,
keep a processor busy for about 30 ms. A network that has learned all within that time never has
another worker."""

STEPS = 8
"""How many are timed of each way; their median counts."""


class Pace:
    """Which way is faster: one worker, or the team.

    Parameters
    ----------
    alone, team : InTurn and Team
        The two ways, tried in this order.

    Attributes
    ----------
    way : Way
        How the coming step is to be taken.
    decided : bool
        Whether that stays so.
    """

    def __init__(self, alone: InTurn, team: Team) -> None:
        self.alone, self.team = alone, team
        self.decided = False
        self.seconds: list[float] = []
        """A sample, in one thread and in the team."""
        self._begin(alone)

    def _begin(self, way: Way) -> None:
        self.way = way
        if way is self.team:
            self.team.threads.hold_blas_back()
        else:
            self.team.threads.let_blas_go()
        self._steps, self._elapsed = 0, 0.0
        self._timed: list[float] = []

    @property
    def workers(self) -> int:
        """How many workers the present way has."""
        return self.team.threads.count if self.way is self.team else 1

    def note(self, seconds: float, samples: int) -> None:
        """Take in how long a step took; the way may be another one afterwards."""
        self._steps += 1
        self._elapsed += seconds
        if self._steps <= WARM_UP_STEPS or self._elapsed - seconds < WARM_UP_SECONDS:
            return
        self._timed.append(seconds / samples)
        if len(self._timed) < STEPS:
            return
        self.seconds.append(statistics.median(self._timed))
        if self.way is self.alone:
            self._begin(self.team)
        else:
            self.decided = True
            if self.seconds[0] <= self.seconds[1]:
                self._begin(self.alone)

    def in_words(self, batch_size: int) -> str:
        """Return what was found, for steps of so many samples."""
        alone, team = (1000 * seconds * batch_size for seconds in self.seconds)
        return (
            f"a step took {team:.3g} ms with {self.team.threads.count} workers and {alone:.3g} ms "
            f"with one; going on with {self.workers}"
        )
