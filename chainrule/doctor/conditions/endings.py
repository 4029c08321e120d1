"""How a network ends: which layers stand before each output that has a loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from chainrule.layers import (
    BatchNorm,
    GroupNorm,
    HardSigmoid,
    LayerNorm,
    ReLU,
    RMSNorm,
    Sigmoid,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from chainrule.layers.graph import Graph
from chainrule.loss_functions import (
    Huber,
    Loss,
    LossPerOutput,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
)
from chainrule.module import Module
from chainrule.network import Network, in_a_row
from chainrule.parameter import Array
from chainrule.pytree import by_name

RANGES: dict[type[Module], tuple[float, float]] = {
    Sigmoid: (0, 1),
    HardSigmoid: (0, 1),
    Softmax: (0, 1),
    Tanh: (-1, 1),
    Softsign: (-1, 1),
    ReLU: (0, math.inf),
    Softplus: (0, math.inf),
}
"""Between which numbers the outputs of these lie."""

REGRESSION = (MeanSquaredError, MeanAbsoluteError, Huber, Quantile)
NORMALIZATIONS = (BatchNorm, LayerNorm, GroupNorm, RMSNorm)


def outputs(
    network: Network, loss: Loss, y: Any
) -> Iterator[tuple[list[Module], Loss, Array | None]]:
    """Yield, for each output that has a loss: the layers before it, the loss, the targets."""
    body = network.body
    if not isinstance(loss, LossPerOutput):
        if not isinstance(body, Graph):
            yield in_a_row(body), loss, y
    elif isinstance(body, Graph):
        names = list(loss.losses_by_output)
        targets = by_name(y, names, "The targets") if y is not None else {}
        for name, part in loss.losses_by_output.items():
            if name in body.nodes:
                yield in_a_row(body.nodes[name].module), part, targets.get(name)


def first_layer(network: Network) -> Module:
    """Return the layer that the input comes to; of a graph, the graph."""
    body = network.body
    return body if isinstance(body, Graph) else in_a_row(body)[0]
