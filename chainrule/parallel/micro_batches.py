"""MicroBatches: a batch in parts, one after the other, with their gradients accumulated.

The same step with less memory: only one part's activations are kept at a time. PyTorch's name for
it is gradient accumulation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.data.samples import Batch, batch_bounds, rows_of
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.parallel.strategy import (
    PassResult,
    Strategy,
    WeightedMean,
    Whole,
    forward_backward,
    weight_of_whole,
)
from chainrule.pytree import PyTree, first_array


class MicroBatches(Strategy):
    """Send each batch through the network in parts.

    Parameters
    ----------
    micro_batch_size : int
        Samples per part.
    """

    def __init__(self, micro_batch_size: int) -> None:
        self.micro_batch_size = micro_batch_size

    def set_gradients(
        self, network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
    ) -> PassResult:
        rows = slice(0, len(first_array(batch[0])))
        parts = parts_of(rows, self.micro_batch_size)
        if len(parts) > 1 and whole is None:
            whole = weight_of_whole(loss, batch)
        return accumulate(
            network,
            parts,
            lambda part: forward_backward(network, loss, rows_of(batch, part), whole),
        )


def parts_of(rows: slice, size: int | None) -> list[slice]:
    """Return rows in parts of `size`; without a size there is one.

    A single row that is left over joins the part before it.
    """
    count = rows.stop - rows.start
    bounds = rows.start + batch_bounds(count, size or count)
    return [slice(*ends) for ends in itertools.pairwise(bounds.tolist())]


def accumulate(
    network: Network, parts: Sequence[slice], send: Callable[[slice], PassResult]
) -> PassResult:
    """Send parts through the network one after the other; sum what they add to the gradients."""
    if len(parts) == 1:
        return send(parts[0])
    mean, gradient = WeightedMean(), np.zeros_like(network.flat.grads)
    predictions: list[PyTree] = []
    for part in parts:
        result = send(part)
        mean.add(result.weight, result.means)
        if result.counts:
            gradient += network.flat.grads
        predictions += result.predictions
    network.set_gradients(gradient)
    return PassResult(mean.weight, mean.means, predictions)
