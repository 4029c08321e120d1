"""One step of training: a batch becomes gradients, and gradients a move of the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch
from chainrule.errors import InputError
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer, clip_by_global_norm, gradient_norm
from chainrule.optimizers.base import Spread
from chainrule.training.parts import InTurn, Passed, StepFailed, Way

SAFE = 1e18
"""Up to here a gradient's norm, and the step it asks for, may be squared within float32."""

AT_ONCE = InTurn()


@dataclass(frozen=True)
class StepResult(Passed):
    """What a step tells besides what passed: the gradient's norm before clipping, and the rate."""

    gradient_norm: float
    learning_rate: float


def take_step(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    batch: Batch,
    clip_norm: float | None = None,
    way: Way = AT_ONCE,
) -> StepResult:
    """Move the parameters once, by the gradient of one batch: the whole step.

    Raises
    ------
    StepFailed
        Something was NaN or infinite. The parameters are those from before the step, unless an
        optimizer made it of finite gradients that were small.
    """
    with np.errstate(all="ignore"):  # what overflows is found here, and told as it should
        passed = way.set_gradients(network, loss, batch)
        if passed.counts == 0:
            raise InputError("All weights of this batch are 0; at least one sample has to count.")
        norm = clipped(network, clip_norm)
        rate = optimizer.current_learning_rate()
        reach = norm if clip_norm is None else min(norm, clip_norm)
        move(network, optimizer, reach, rate, way.spread)
    return StepResult(passed.counts, passed.loss, passed.predictions, norm, rate)


def clipped(network: Network, clip_norm: float | None) -> float:
    """Scale the gradients down to `clip_norm` if they are larger; return their norm before."""
    try:
        if clip_norm is None:
            return gradient_norm(network)
        return clip_by_global_norm(network, clip_norm)
    except InputError:
        raise StepFailed("backward") from None


def move(
    network: Network, optimizer: Optimizer, norm: float, rate: float, spread: Spread | None
) -> None:
    """Let the optimizer take its step, and undo it if something is not finite afterwards.

    Undoing takes a copy. A step that is too small to overflow goes without.
    """
    values = network.flat.values
    risky = not norm * max(rate, 1.0) < SAFE
    before = (values.copy(), optimizer.state()) if risky else None
    if spread is None or type(optimizer).step is not Optimizer.step:
        optimizer.step(network)
    else:
        optimizer.step(network, spread=spread)
    finite = all_finite(values)
    if before is not None:
        finite = finite and all(all_finite(v) for v in optimizer.state_vectors.values())
        if not finite:
            values[...] = before[0]
            optimizer.load_state(before[1])
    if not finite:
        raise StepFailed("update")
