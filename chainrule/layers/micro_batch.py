"""A part of a batch, and what layers need to know of the other parts.

Workers run the parts of a batch through copies of a network in parallel. Almost no layer needs to
know of that: the output for a sample depends on that sample alone. Two kinds of layers do. Random
draws for a sample must be those that the whole batch would have got, and statistics over the batch
may be wanted over all of it. Both ask `current_micro_batch`.
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
        The index of the first of these rows in the batch, and their number.
    batch : int
        The number of rows of the whole batch.

    Attributes
    ----------
    together : bool
        Whether layers compute statistics over all parts, so that gradients flow between parts.
    """

    together = False

    def __init__(self, first: int, count: int, batch: int) -> None:
        self.first = first
        self.count = count
        self.batch = batch

    @property
    def rows(self) -> slice:
        """The rows of the batch that these are."""
        return slice(self.first, self.first + self.count)

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        """Return the sum of each of these over all parts that belong together.

        Here that is this part alone. A subclass sums over the whole batch, if `Trainer` is asked
        for statistics of the whole batch.
        """
        return numbers

    def largest(self, array: Array) -> Array:
        """Return the elementwise maximum over all parts that belong together."""
        return array


WHOLE = MicroBatch(0, 0, 0)
"""The current micro-batch while no batch is split."""

current_micro_batch: ContextVar[MicroBatch] = ContextVar("current_micro_batch", default=WHOLE)
"""The part that is going through a network in this thread."""
