"""A part of a batch, and what it has to know of the others.

Workers send the parts of a batch through copies of a network side by side. Almost no layer has to
know of that: a sample's output depends on that sample alone. Two kinds do. What draws at random
shall draw for a sample what it would have drawn with the whole batch together; and statistics over
the batch may be wanted over all of it. Both ask `current_micro_batch`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from chainrule.parameter import Array


class MicroBatch:
    """Some rows of a batch, while the others run through a network elsewhere.

    Parameters
    ----------
    first, count : int
        Where these rows begin in the batch, and how many they are.
    batch : int
        How many rows the whole batch has.

    Attributes
    ----------
    together : bool
        Whether layers look at all parts together, so that gradients flow between these.
    """

    together = False

    def __init__(self, first: int, count: int, batch: int) -> None:
        self.first = first
        self.count = count
        self.batch = batch

    @property
    def rows(self) -> slice:
        """Which of the batch's rows these are."""
        return slice(self.first, self.first + self.count)

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        """Return the sum of each of these over all parts that belong together.

        Here that is this part alone: statistics are by part, unless `Trainer` is asked for those
        of the whole batch (a subclass).
        """
        return numbers

    def largest(self, array: Array) -> Array:
        """Return the largest of each entry over all parts that belong together."""
        return array


WHOLE = MicroBatch(0, 0, 0)
"""What passes where no batch was split."""

current_micro_batch: ContextVar[MicroBatch] = ContextVar("current_micro_batch", default=WHOLE)
"""The part that is on its way through a network in this thread."""
