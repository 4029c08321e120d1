"""The way to send a batch through a network on several ranks, each of which has its own rows.

What a rank's team makes of its rows is again a mean gradient in the flat vector and what it counts.
One sum over the ranks, an allreduce, makes the batch's of them: the same bits on all, so all take
the same step.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from chainrule.data.samples import Batch, rows_of
from chainrule.data.sources import Source
from chainrule.errors import InputError
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers.base import Spread
from chainrule.parameter import Array
from chainrule.pytree import PyTree, concatenate, first_array
from chainrule.training.parts import Mean, Passed, StepFailed, follow
from chainrule.training.ranks import AFTER_STEP, LAYER, STEP, Alone, Ranks
from chainrule.training.team import LEAST, Team, buffers_of, shared_out


class OverRanks:
    """The way to send a batch through a network on several ranks.

    The rank's rows, and where they stand in the batch, are `current_micro_batch`; a batch that is
    too small to be shared out goes through every rank whole.

    Parameters
    ----------
    ranks : Ranks
        Who takes part.
    team : Team
        The way that the rank's own rows take; of one thread or several.
    """

    def __init__(self, ranks: Ranks, team: Team) -> None:
        self.ranks = ranks
        self.team = team
        buffers = buffers_of(team.networks[0])
        self._buffers = [buffer for buffer in buffers if buffer.value.dtype.kind == "f"]

    def set_gradients(self, network: Network, loss: Loss, batch: Batch) -> Passed:
        """Set the gradients of the whole batch's mean loss; the predictions are the rank's own."""
        part = current_micro_batch.get()
        before = [buffer.value.copy() for buffer in self._buffers]
        try:
            passed = self.team.set_gradients(network, loss, batch)
        except (InputError, StepFailed) as error:
            self.ranks.tell(error)
            raise
        whole = part is WHOLE
        rows = len(first_array(batch[0])) if whole else part.batch
        told = self.ranks.agree(STEP, passed.counts, passed.loss, rows)
        refuse_other_lengths(self.ranks, told[:, 2])
        mean = Mean()
        for counts, value, *_ in told.tolist():
            mean.take_in(Passed(counts, value, []))
        if mean.counts:
            own = 1 / self.ranks.count if whole else passed.counts / mean.counts
            self._add_up(network, own, part.together)
        self._bring_buffers_together(before, part)
        counts = passed.counts if whole else mean.counts
        return Passed(counts, mean.loss, passed.predictions)

    def _add_up(self, network: Network, share: float, weighed: bool) -> None:
        """Let the flat vector be the mean gradient over all ranks."""
        gradient = network.flat.grads
        if not weighed:  # else it was on the way back
            if share:
                gradient *= gradient.dtype.type(share)
            else:  # whatever stands there
                gradient[...] = 0
        self.ranks.add_up(gradient)
        network.set_gradients(gradient)

    def _bring_buffers_together(self, before: Sequence[Array], part: MicroBatch) -> None:
        """Let buffers that the step has changed be their mean over the ranks, by samples."""
        if not self._buffers:
            return
        changed = {
            place: buffer.value
            for place, (buffer, old) in enumerate(zip(self._buffers, before, strict=True))
            if not np.array_equal(buffer.value, old)
        }
        of_each = self.ranks.all_of(AFTER_STEP, (part.count, changed))
        for place in sorted({place for _, changed in of_each for place in changed}):
            values = [changed.get(place, before[place]) for _, changed in of_each]
            mean, samples = values[0], of_each[0][0]
            for (count, _), value in zip(of_each[1:], values[1:], strict=True):
                samples += count
                if part is not WHOLE and not np.array_equal(mean, value):
                    follow(mean, value, count / samples)
            self._buffers[place].value = mean

    @property
    def spread(self) -> Spread | None:
        """What shares out the optimizer's step over the rank's threads."""
        return self.team.spread


def refuse_other_lengths(ranks: Alone, lengths: Array) -> None:
    """Raise InputError, on all ranks, unless all are at a batch of the same length."""
    if len(set(lengths.tolist())) > 1:
        told = ", ".join(f"{int(n)} samples on rank {rank}" for rank, n in enumerate(lengths))
        raise InputError(
            f"The ranks are at different batches: {told}. An iterable of batches must yield the "
            "same ones, in the same order, on all ranks; each takes its own rows of them."
        )


class RankPart(MicroBatch):
    """The rows of a rank, where layers take their statistics over all ranks."""

    together = True

    def __init__(self, first: int, count: int, batch: int, ranks: Alone) -> None:
        super().__init__(first, count, batch)
        self.ranks = ranks

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        brought = self.ranks.all_of(LAYER, numbers)
        return tuple(reduce(operator.add, each) for each in zip(*brought, strict=True))

    def largest(self, array: Array) -> Array:
        return reduce(np.maximum, self.ranks.all_of(LAYER, array))


# ---------------------------------------------------------------- who takes which rows


def part_of_rank(ranks: Alone, samples: int, together: bool = False) -> MicroBatch:
    """Return which rows of a batch are this rank's; `WHOLE` where a batch is not shared out."""
    if ranks.count == 1:
        return WHOLE
    shares = shared_out(samples, ranks.count, LEAST)
    if len(shares) < ranks.count:
        return WHOLE
    rows = shares[ranks.rank]
    count = rows.stop - rows.start
    if together:
        return RankPart(rows.start, count, samples, ranks)
    return MicroBatch(rows.start, count, samples)


def parts_of_batches(
    ranks: Alone,
    source: Source,
    order: Array,
    start: int,
    epoch: int,
    together: bool = False,
    change: Callable[[PyTree], PyTree] | None = None,
) -> Iterator[tuple[MicroBatch, Batch, Callable[[], Batch]]]:
    """Yield this rank's part of each batch of an epoch, and what gives the whole of it.

    The first is the batch with the number `start`. Of arrays nothing but this rank's rows is taken.
    Where `change` augments the batches, which may draw at random, every rank changes the whole of
    each, so that all draw the same.
    """
    if ranks.count > 1 and change is None:
        part = WHOLE

        def rows(samples: int) -> slice:
            nonlocal part
            part = part_of_rank(ranks, samples, together)
            return slice(None) if part is WHOLE else part.rows

        for batch, whole in source.shares(order, start, epoch, rows):
            yield part, batch, whole
        return
    for x, y, weight in source.batches(order, start, epoch):
        changed = (x if change is None else change(x)), y, weight
        part = part_of_rank(ranks, len(first_array(y)), together)
        own = changed if part is WHOLE else rows_of(changed, part.rows)
        yield part, own, partial(_same, changed)


def _same(batch: Batch) -> Batch:
    return batch


Turn = tuple[list[tuple[int, Batch]], Callable[[int], Batch]]


def turns(ranks: Alone, source: Source, at_a_time: int) -> Iterator[Turn]:
    """Yield again and again which batches, with their numbers, this rank predicts next.

    On all ranks together they are the source's, in their order; there are as many turns on each.
    With them comes what gives any batch of the turn by its number.
    """
    order, group = source.order(None), at_a_time * ranks.count
    own = slice(ranks.rank * at_a_time, (ranks.rank + 1) * at_a_time)
    numbered = enumerate(source.batches(order))
    while taken := list(itertools.islice(numbered, group)):
        yield taken[own], dict(taken).__getitem__


def brought_together(
    ranks: Alone, y: PyTree, predictions: Sequence[PyTree]
) -> tuple[PyTree, Sequence[PyTree]] | None:
    """Return a batch's targets and its parts' predictions, on the first rank; None on others."""
    of_each = ranks.to_first(AFTER_STEP, (y, predictions))
    if not of_each:
        return None
    truths, parts = zip(*of_each, strict=True)
    return concatenate(truths), list(itertools.chain(*parts))
