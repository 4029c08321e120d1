"""One step of training: a batch gives gradients, and the gradients move the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.checks import all_finite, is_own
from chainrule.data.samples import Batch
from chainrule.errors import InputError
from chainrule.loss_functions import Loss
from chainrule.module import named_generators
from chainrule.network import Network
from chainrule.optimizers import Optimizer, clip_by_global_norm, gradient_norm
from chainrule.optimizers.base import Spread
from chainrule.parallel.strategy import PassResult, StepFailed, Strategy

SAFE = 1e18
"""Up to here a gradient's norm, and the step that follows from it, may be squared in float32."""

IN_ONE_GO = Strategy()


@dataclass(frozen=True)
class StepResult(PassResult):
    """The result of a step: the pass, the gradient's norm before clipping, the learning rate.

    Of a first step there may be notes on the optimizer.
    """

    gradient_norm: float
    learning_rate: float
    notes: tuple[str, ...] = ()


def take_step(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    batch: Batch,
    clip_norm: float | None = None,
    strategy: Strategy = IN_ONE_GO,
    first: bool = False,
) -> StepResult:
    """Move the parameters once, by the gradient of one batch: the whole step.

    After the `first` one it is noted if the optimizer moves nothing.

    Raises
    ------
    StepFailed
        Something was NaN or infinite. The parameters are those from before the step, unless an
        optimizer made them so from finite gradients that were small.
    """
    with np.errstate(all="ignore"):  # an overflow is found below, and reported as it should be
        again = _repeated(network, loss, batch, strategy) if optimizer.needs_closure else None
        result = strategy.set_gradients(network, loss, batch)
        if not result.counts:
            raise InputError("All weights of this batch are 0; at least one sample has to count.")
        norm = _clip(network, clip_norm)
        rate = optimizer.current_learning_rate()
        reach = norm if clip_norm is None else min(norm, clip_norm)
        before = network.flat.values.copy() if first else None
        if again is None:
            _move(network, optimizer, reach, rate, strategy.spread)
        else:
            optimizer.step(network, again, loss=result.loss)  # type: ignore[call-arg, arg-type]
    notes: tuple[str, ...] = ()
    if before is not None and norm and rate:
        if np.array_equal(before, network.flat.values):
            notes = (_moved_nothing(optimizer),)
        elif is_own(optimizer):
            notes = _memory_unused(optimizer)
    return StepResult(result.weight, result.means, result.predictions, norm, rate, notes)


def _moved_nothing(optimizer: Optimizer) -> str:
    """Return what to say of an optimizer whose first step moved nothing."""
    why = "is the learning rate too small, or is everything frozen?"
    if is_own(optimizer):
        why = (
            "update_rule must write into w, as in w -= ..., while w = w - ... makes a new array, "
            "which nobody sees; check_optimizer(optimizer) shows more"
        )
    name = type(optimizer).__name__
    return f"the first step of {name} moved nothing, though the gradient is not 0: {why}"


def _memory_unused(optimizer: Optimizer) -> tuple[str, ...]:
    """Return a note where vectors of an optimizer's memory are still 0 after its first step."""
    still = [name for name, vector in optimizer.state_vectors.items() if not vector.any()]
    if not still:
        return ()
    return (
        f"the memory {', '.join(still)} of {type(optimizer).__name__} is still 0 after its first "
        "step: update_rule must write into it, as in v *= ... and v += ..., while v = ... makes a "
        "new array; check_optimizer(optimizer) shows more",
    )


def _clip(network: Network, clip_norm: float | None) -> float:
    """Scale the gradients down to `clip_norm` if they are larger; return their norm before."""
    try:
        if clip_norm is None:
            return gradient_norm(network)
        return clip_by_global_norm(network, clip_norm)
    except InputError:
        raise StepFailed("backward") from None


def _repeated(
    network: Network, loss: Loss, batch: Batch, strategy: Strategy
) -> Callable[[], float]:
    """Return a function that sends the batch through the network again, at other values.

    Each pass draws the same random numbers and starts from the same running statistics, so that
    the loss is a function of the values alone.
    """
    generators = named_generators(network).values()
    states = [generator.bit_generator.state for generator in generators]
    buffers = [(buffer, buffer.value.copy()) for buffer in network.named_buffers().values()]

    def again() -> float:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        for buffer, value in buffers:
            buffer.value = value
        return strategy.set_gradients(network, loss, batch).loss

    return again


def _move(
    network: Network, optimizer: Optimizer, norm: float, rate: float, spread: Spread | None
) -> None:
    """Let the optimizer take its step, and undo it if something is not finite afterwards.

    Undoing takes a copy. A step that is too small to overflow does without.
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
