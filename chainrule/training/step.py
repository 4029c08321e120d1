"""One step of training: a batch becomes gradients, and gradients become a move of the parameters.

A batch may go through in parts. The mean over the whole is the parts' means, each weighed by what
the part counts, and so is its gradient: one sum over parts, wherever they are computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.sources import Batch, batch_bounds
from chainrule.errors import InputError
from chainrule.loss_functions import Loss
from chainrule.nested import Nested, arrays_of, concatenate, first_array, take
from chainrule.network import Network
from chainrule.optimizers import Optimizer, clip_by_global_norm, gradient_norm

SAFE = 1e18
"""Up to here a gradient's norm, and the step it asks for, may be squared within float32."""


class StepFailed(ArithmeticError):
    """A step met NaN or infinity and did not happen.

    Attributes
    ----------
    stage : str
        Where it was met first: ``"forward"``, ``"loss"``, ``"backward"`` or ``"update"``.
    """

    def __init__(self, stage: str) -> None:
        super().__init__(f"NaN or infinity in the stage {stage!r} of a training step.")
        self.stage = stage


@dataclass(frozen=True)
class StepResult:
    """What a step tells: the batch's loss, the gradient's norm before clipping, and the rest."""

    loss: float
    gradient_norm: float
    learning_rate: float
    y_pred: Nested


def take_step(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    batch: Batch,
    clip_norm: float | None = None,
    micro_batch_size: int | None = None,
) -> StepResult:
    """Move the parameters once, by the gradient of one batch: the whole step.

    Raises
    ------
    StepFailed
        Something was NaN or infinite. The parameters are those from before the step, unless an
        optimizer made it of finite gradients that were small.
    """
    with np.errstate(all="ignore"):  # what overflows is found here, and told as it should
        value, y_pred = set_gradients(network, loss, list(parts(batch, micro_batch_size)))
        norm = clipped(network, clip_norm)
        rate = optimizer.current_learning_rate()
        move(network, optimizer, norm if clip_norm is None else min(norm, clip_norm), rate)
    return StepResult(value, norm, rate, y_pred)


# ---------------------------------------------------------------- a batch, in parts


def parts(batch: Batch, size: int | None) -> Iterator[Batch]:
    """Yield the batch in parts of this many samples; whole without a size.

    A single sample that is left over joins the part before it.
    """
    x, y, weight = batch
    count = len(first_array(x))
    if size is None or count <= size:
        yield batch
        return
    for start, stop in itertools.pairwise(batch_bounds(count, size).tolist()):
        rows = slice(start, stop)
        yield take(x, rows), take(y, rows), None if weight is None else weight[rows]


def set_gradients(network: Network, loss: Loss, batch: Sequence[Batch]) -> tuple[float, Nested]:
    """Set the gradients of the mean loss over all parts; return that loss and the predictions."""
    if len(batch) == 1:
        x, y, weight = batch[0]
        y_pred = network.forward(x)
        return set_gradients_of_part(network, loss, y, y_pred, weight), y_pred
    gradient = np.zeros_like(network.flat.grads)
    whole, mean, predictions = 0.0, 0.0, []
    for x, y, weight in batch:
        y_pred = network.forward(x)
        predictions.append(y_pred)
        counts = loss.total_weight(y, y_pred, weight)
        if counts > 0:
            value = set_gradients_of_part(network, loss, y, y_pred, weight)
            whole += counts
            share = counts / whole  # means that move on: no sum that large weights could overflow
            mean += share * (value - mean)
            gradient += share * (network.flat.grads - gradient)
    if whole == 0:
        raise InputError("All weights of this batch are 0; at least one sample has to count.")
    network.flat.grads[...] = gradient
    return mean, concatenate(predictions)


def set_gradients_of_part(
    network: Network, loss: Loss, y: Nested, y_pred: Nested, weight: Any
) -> float:
    """Set the gradients for these predictions; return their mean loss."""
    try:
        value, dy = loss.value_and_gradient(y, y_pred, weight)
    except InputError:
        if not all(all_finite(array) for array in arrays_of(y_pred)):
            raise StepFailed("forward") from None
        raise
    if not math.isfinite(value):
        raise StepFailed("loss")
    network.backward_parameters(dy)
    return value


# ---------------------------------------------------------------- the move


def clipped(network: Network, clip_norm: float | None) -> float:
    """Scale the gradients down to `clip_norm` if they are larger; return their norm before."""
    try:
        if clip_norm is None:
            return gradient_norm(network)
        return clip_by_global_norm(network, clip_norm)
    except InputError:
        raise StepFailed("backward") from None


def move(network: Network, optimizer: Optimizer, norm: float, rate: float) -> None:
    """Let the optimizer take its step, and undo it if something is not finite afterwards.

    Undoing takes a copy. A step that is too small to overflow goes without.
    """
    values = network.flat.values
    risky = not norm * max(rate, 1.0) < SAFE
    before = (values.copy(), optimizer.state()) if risky else None
    optimizer.step(network)
    finite = all_finite(values)
    if before is not None:
        finite = finite and all(all_finite(v) for v in optimizer.state_vectors.values())
        if not finite:
            values[...] = before[0]
            optimizer.load_state(before[1])
    if not finite:
        raise StepFailed("update")
