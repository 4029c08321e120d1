"""A batch in parts, and the one sum over them.

The mean over a batch is the mean of its parts' means, each weighed by what the part counts, and so
is its gradient. So a part goes through a network, wherever that is (`passed_through`), and its mean
gradient joins those of the others in the flat vector (`Mean`). Three ways to run that: one part
after the other, for less memory (`InTurn`); side by side in threads (`team.py`); and on several
machines, whose parts are batches of their own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch, batch_bounds, rows_of
from chainrule.errors import InputError
from chainrule.layers.micro_batch import current_micro_batch
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers.base import Spread
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, tree_leaves, tree_map


class StepFailed(ArithmeticError):
    """A step met NaN or infinity and did not happen.

    Attributes
    ----------
    stage : str
        Where it was met first: ``"forward"``, ``"loss"``, ``"backward"`` or ``"update"``.
    network, batch : Network and tuple, or None
        In which replica, and with which part of the batch, where it was met in a part.
    """

    def __init__(
        self, stage: str, network: Network | None = None, batch: Batch | None = None
    ) -> None:
        super().__init__(f"NaN or infinity in the stage {stage!r} of a training step.")
        self.stage = stage
        self.network, self.batch = network, batch


@dataclass(frozen=True)
class Passed:
    """What went through a network and back; the mean gradient stands in its flat vector.

    Attributes
    ----------
    counts : float
        What the mean was divided by: how much this counts among others.
    loss : float
        The mean loss.
    predictions : sequence of arrays, or of dicts of arrays
        The predictions of each part, in the order of the samples.
    """

    counts: float
    loss: float
    predictions: Sequence[PyTree]


class Way(Protocol):
    """One of the ways to send a batch through a network."""

    def set_gradients(self, network: Network, loss: Loss, batch: Batch) -> Passed:
        """Set the gradients of the batch's mean loss."""
        ...

    @property
    def spread(self) -> Spread | None:
        """What shares out work on the flat vectors; None where one thread does it."""
        ...


# ---------------------------------------------------------------- a part, and the sum over parts


def passed_through(network: Network, loss: Loss, batch: Batch) -> Passed:
    """Send a part forward and back: set the gradients of its mean loss.

    A part that counts for nothing leaves the gradients as they are.
    """
    x, y, weight = batch
    y_pred = network.forward(x)
    try:
        counts = loss.total_weight(y, y_pred, weight)
        value, dy = loss.value_and_gradient(y, y_pred, weight) if counts else (0.0, None)
    except InputError:
        if not all(all_finite(array) for array in tree_leaves(y_pred)):
            raise StepFailed("forward", network, batch) from None
        raise
    if not math.isfinite(value):
        raise StepFailed("loss", network, batch)
    if current_micro_batch.get().together:
        dy = share_of_the_whole(counts, y_pred, dy)
    if dy is not None:
        network.backward_parameters(dy)
    return Passed(counts, value, [y_pred])


def share_of_the_whole(counts: float, y_pred: PyTree, dy: PyTree | None) -> PyTree:
    """Return what the gradient at the output is of the whole batch's loss, instead of the part's.

    Where layers tie the parts together, gradients flow from one to the other, also to a part that
    itself counts for nothing; so they have to be weighed before the way back, not after it.
    """
    (whole,) = current_micro_batch.get().sum(counts)
    if dy is None:
        return tree_map(np.zeros_like, y_pred)
    return tree_map(lambda array: array * array.dtype.type(counts / whole), dy)


class Mean:
    """A mean that moves on with each part: there is no sum that large weights could overflow.

    Attributes
    ----------
    counts, loss : float
        Those of all parts so far.
    """

    def __init__(self) -> None:
        self.counts = self.loss = 0.0

    def take_in(self, part: Passed) -> float:
        """Let the loss follow; return the part's share in the mean, for `follow`."""
        if part.counts == 0:
            return 0.0
        self.counts += part.counts
        share = part.counts / self.counts
        self.loss += share * (part.loss - self.loss)
        return share


def follow(mean: Array, gradient: Array, share: float) -> None:
    """Let the mean gradient follow, in place: mean ← mean + share · (gradient - mean)."""
    if share == 1:  # nothing has counted before, and what stands there is no gradient
        mean[...] = gradient
    elif share:
        mean += share * (gradient - mean)


# ---------------------------------------------------------------- one part after the other


class InTurn:
    """One part after the other; the whole batch at once without a size.

    Parameters
    ----------
    micro_batch_size : int, optional
        How many samples a part has.
    """

    spread: Spread | None = None

    def __init__(self, micro_batch_size: int | None = None) -> None:
        self.micro_batch_size = micro_batch_size

    def set_gradients(self, network: Network, loss: Loss, batch: Batch) -> Passed:
        """Set the gradients of the batch's mean loss."""
        if self.micro_batch_size is None:
            return passed_through(network, loss, batch)
        return in_turn(
            network,
            slice(0, len(first_array(batch[0]))),
            self.micro_batch_size,
            lambda rows: passed_through(network, loss, rows_of(batch, rows)),
        )


def in_turn(
    network: Network, rows: slice, size: int | None, send: Callable[[slice], Passed]
) -> Passed:
    """Send rows through a network in parts of this size; set the gradients of their mean loss.

    A single row that is left over joins the part before it.
    """
    bounds = rows.start + batch_bounds(rows.stop - rows.start, size or rows.stop - rows.start)
    parts = [slice(*ends) for ends in itertools.pairwise(bounds.tolist())]
    if len(parts) == 1:
        return send(parts[0])
    mean, gradient = Mean(), np.zeros_like(network.flat.grads)
    predictions: list[PyTree] = []
    for part in parts:
        passed = send(part)
        follow(gradient, network.flat.grads, mean.take_in(passed))
        predictions += passed.predictions
    network.set_gradients(gradient)
    return Passed(mean.counts, mean.loss, predictions)
