"""What is likely to go wrong with this network, this loss and these data; each told in one line.

An error where training cannot work, a note where it may: they stand in `History.notes`, and in
front of the first line of progress.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.data.sources import ArraySource, Source
from chainrule.errors import ConfigurationError
from chainrule.layers import (
    BatchNorm,
    GroupNorm,
    HardSigmoid,
    LayerNorm,
    ReLU,
    RMSNorm,
    Sequential,
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
from chainrule.nested import by_name
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.training.history import History
from chainrule.training.monitor import default_monitor

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

WILD = 100.0
"""From this size on, inputs are said to be large: weights are drawn for inputs of about 1."""

WILD_RATIO = 1000.0
"""From here on two columns are said to be of different size."""

ROWS, MOST_BYTES = 1000, 1 << 20
"""How many samples are looked at for that, at most."""


def advice(network: Network, loss: Loss, source: Source) -> list[str]:
    """Return the notes; raise ConfigurationError where training cannot work."""
    y = source.y if isinstance(source, ArraySource) else None
    notes: list[str] = []
    for ending, its_loss, target in outputs(network, loss, y):
        notes += about_the_ending(ending, its_loss)
        if target is not None and isinstance(its_loss, REGRESSION):
            notes += about_the_range(ending[-1], target)
    if isinstance(source, ArraySource):
        notes += about_the_inputs(network, source)
    return list(dict.fromkeys(notes))


# ---------------------------------------------------------------- the network's end


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


def in_a_row(module: Module) -> list[Module]:
    """Return the layers that stand one after the other in a module."""
    if isinstance(module, Sequential):
        return [layer for part in module.layers for layer in in_a_row(part)] or [module]
    return [module]


def about_the_ending(layers: list[Module], loss: Loss) -> Iterator[str]:
    """Yield what to say of a softmax (or sigmoid) that is taken twice."""
    last = layers[-1]
    name = type(last).__name__
    if isinstance(last, Softmax | Sigmoid) and getattr(loss, "from_logits", False):
        yield (
            f"the network ends in {name} and the loss has from_logits=True, so {name.lower()} is "
            "taken twice: leave out one of the two"
        )
    if len(layers) > 1 and isinstance(last, Softmax) and isinstance(layers[-2], Softmax):
        yield "the network ends in two Softmax, one after the other: leave out one of the two"


def about_the_range(last: Module, y: Array) -> Iterator[str]:
    """Yield what to say of targets that the last layer cannot give; refuse if it can give none."""
    low, high = RANGES.get(type(last), (-math.inf, math.inf))
    outside = (y < low) | (y > high)
    if not outside.any():
        return
    name = type(last).__name__
    told = (
        f"y goes from {y.min():g} to {y.max():g}, and the network ends in {name}, whose output "
        f"lies from {low:g} to {high:g}"
    )
    if outside.all():
        raise ConfigurationError(
            f"This cannot be learned: {told}. End a regression in a Linear layer: "
            "Network([Linear(10, 32), ReLU(), Linear(32, 1)])."
        )
    yield f"{told}: {outside.mean():.0%} of the targets cannot be reached"


# ---------------------------------------------------------------- the data


def about_the_inputs(network: Network, source: ArraySource) -> Iterator[str]:
    """Yield what to say of inputs of wild scale."""
    X = source.X
    if not isinstance(X, np.ndarray) or set(network.input_kinds().values()) != {"floats"}:
        return
    first = in_a_row(network.body)[0] if not isinstance(network.body, Graph) else network.body
    if isinstance(first, NORMALIZATIONS):
        return
    count = max(2, min(ROWS, len(source.rows), MOST_BYTES // max(1, X[0].nbytes)))
    places = np.linspace(0, len(source.rows) - 1, count).astype(np.intp)
    x = X.take(source.rows[places], axis=0).astype(np.float64)
    largest = np.abs(x).max()
    with np.errstate(all="ignore"):  # of huge numbers, which are told below
        std = x.std(axis=0) if x.ndim == 2 else np.empty(0)
    varying = np.flatnonzero(std > 0)
    cure = "Standardizer().fit(X_train) brings all columns to size 1"
    if x.ndim > 2:
        cure = f"divide them by {largest:g}"
    if largest > WILD:
        yield f"X holds numbers up to {largest:.4g}; networks learn best from about 1: {cure}"
    elif len(varying) and std[varying].max() > WILD_RATIO * std[varying].min():
        wide, narrow = varying[std[varying].argmax()], varying[std[varying].argmin()]
        yield (
            f"X's columns differ in size: column {wide} has the standard deviation "
            f"{std[wide]:.3g}, column {narrow} {std[narrow]:.3g}: {cure}"
        )


# ---------------------------------------------------------------- the end of training

STILL_FALLING = 0.01
"""By which part the loss has fallen over the last tenth of the epochs, if it is still falling."""


def note_on_the_end(history: History, epochs: int) -> None:
    """Note that the loss was still falling when the epochs were over."""
    if len(history) < max(2, epochs) or history.stop_reason:
        return
    name = default_monitor(history.epochs)
    column = history.epochs[name]
    back = max(1, len(column) // 10)
    before, last = column[-1 - back], column[-1]
    fall = before - last
    if last == min(column) and fall > max(STILL_FALLING * abs(before), 1e-4):
        history.notes.append(
            f"{name} was still falling at the end, from {before:.4g} to {last:.4g} in the last "
            f"{f'{back} epochs' if back > 1 else 'epoch'}: more epochs may help"
        )
