"""MicroBatches: a batch in parts, one after the other, with their gradients accumulated.

The same step with less memory: only one part's activations are kept at a time. PyTorch's name for
it is gradient accumulation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from chainrule.data.samples import Batch, batch_bounds, rows_of
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.parallel.strategy import (
    PassResult,
    Strategy,
    WeightedMean,
    forward_backward,
    move_towards,
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

    def set_gradients(self, network: Network, loss: Loss, batch: Batch) -> PassResult:
        return accumulate(
            network,
            slice(0, len(first_array(batch[0]))),
            self.micro_batch_size,
            lambda rows: forward_backward(network, loss, rows_of(batch, rows)),
        )


def accumulate(
    network: Network, rows: slice, size: int | None, send: Callable[[slice], PassResult]
) -> PassResult:
    """Send rows through a network in parts of `size`; set the gradients of their mean loss.

    A single row that is left over joins the part before it. Without a size there is one part.
    """
    bounds = rows.start + batch_bounds(rows.stop - rows.start, size or rows.stop - rows.start)
    parts = [slice(*ends) for ends in itertools.pairwise(bounds.tolist())]
    if len(parts) == 1:
        return send(parts[0])
    mean, gradient = WeightedMean(), np.zeros_like(network.flat.grads)
    predictions: list[PyTree] = []
    for part in parts:
        result = send(part)
        move_towards(gradient, network.flat.grads, mean.add(result.weight, result.loss))
        predictions += result.predictions
    network.set_gradients(gradient)
    return PassResult(mean.weight, mean.loss, predictions)
