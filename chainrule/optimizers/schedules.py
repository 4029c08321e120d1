"""Schedules: the learning rate as a function of the step, counted from 0.

A schedule is given to the optimizer, ``Adam(CosineDecay(0.01, steps=1000))``, and has no state.
One that has an end stays there. Any other function from a step to a number is a schedule, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

from chainrule.checks import check_function, check_range, check_whole, check_whole_numbers
from chainrule.checks.habits import SCHEDULE_OPTIONS, GivesAdvice
from chainrule.errors import ConfigurationError
from chainrule.optimizers.base import LearningRate, check_learning_rate

__all__ = [
    "ConstantLR",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "LinearLR",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "PolynomialDecay",
    "StepDecay",
]

check_positive = partial(check_range, inclusive=False)

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(["initial", "highest", "power", "start_factor"], check_positive),
    **dict.fromkeys(["start_divisor", "final_divisor"], check_positive),
    **dict.fromkeys(["factor", "final", "start", "end_factor", "lowest"], check_range),
    **dict.fromkeys(["steps", "every", "growth", "total_iters"], check_whole),
    "schedule": lambda name, value: check_function(value, f"{name} must be a function of the step"),
    "milestones": check_whole_numbers,
    "then": check_learning_rate,
    "warmup": partial(check_range, high=1),
}
"""How each option is checked, by its name."""


class Schedule(GivesAdvice):
    """The base class of the schedules here: checks every option by its name."""

    option_advice = SCHEDULE_OPTIONS
    positional_advice = "takes {count} arguments by position, the others by name: {names}."

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            CHECKS[name](name, value)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """initial · factor ^ ⌊step / every⌋: a drop every so many steps.

    Parameters
    ----------
    initial : float
        The learning rate at step 0.
    every : int
        The number of steps between two drops.
    factor : float
        What the learning rate is multiplied by at each drop.

    Examples
    --------
    >>> schedule = StepDecay(8.0, every=2, factor=0.5)
    >>> [schedule(step) for step in range(6)]
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """

    initial: float
    every: int
    _: KW_ONLY
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        return self.initial * self.factor ** (step // self.every)


@dataclass(frozen=True)
class MultiStepDecay(Schedule):
    """initial · factor ^ (the number of milestones reached): a drop at each of these steps.

    Parameters
    ----------
    initial : float
        The learning rate at step 0.
    milestones : sequence of int
        The steps of the drops, rising.
    factor : float
        What the learning rate is multiplied by at each drop.

    Examples
    --------
    >>> schedule = MultiStepDecay(8.0, [1, 4], factor=0.5)
    >>> [schedule(step) for step in range(6)]
    [8.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    """

    initial: float
    milestones: Sequence[int]
    _: KW_ONLY
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(later <= step for step, later in itertools.pairwise(self.milestones)):
            raise ConfigurationError(f"milestones must rise, got {self.milestones!r}.")

    def __call__(self, step: int) -> float:
        return self.initial * self.factor ** sum(step >= reached for reached in self.milestones)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """initial · factor ^ step.

    Parameters
    ----------
    initial : float
        The learning rate at step 0.
    factor : float
        What the learning rate is multiplied by at each step.

    Examples
    --------
    >>> schedule = ExponentialDecay(8.0, 0.5)
    >>> [schedule(step) for step in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """

    initial: float
    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("factor", self.factor)

    def __call__(self, step: int) -> float:
        return self.initial * self.factor**step


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """final + (initial - final) · (1 - step / steps) ^ power; a straight line for power 1.

    Parameters
    ----------
    initial, final : float
        The learning rate at step 0, and from step `steps` on.
    steps : int
        The length of the decay.
    power : float
        The exponent.

    Examples
    --------
    >>> schedule = PolynomialDecay(1.0, steps=4)
    >>> [schedule(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    initial: float
    steps: int
    _: KW_ONLY
    power: float = 1.0
    final: float = 0.0

    def __call__(self, step: int) -> float:
        left = 1 - min(step, self.steps) / self.steps
        return self.final + (self.initial - self.final) * left**self.power


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """final + (initial - final) · (1 + cos(π · step / steps)) / 2: half a wave, from top to bottom.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Parameters
    ----------
    initial, final : float
        The learning rate at step 0, and from step `steps` on.
    steps : int
        The length of the decay.

    Examples
    --------
    >>> schedule = CosineDecay(3.0, steps=2, final=1.0)
    >>> [schedule(step) for step in range(4)]
    [3.0, 2.0, 1.0, 1.0]
    """

    initial: float
    steps: int
    _: KW_ONLY
    final: float = 0.0

    def __call__(self, step: int) -> float:
        return cosine(self.initial, self.final, min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """CosineDecay again and again, each `growth` times as long as the one before.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Parameters
    ----------
    initial, final : float
        The learning rate at the start of each decay, and what it approaches.
    steps : int
        The length of the first decay.
    growth : int
        The ratio of the lengths of two successive decays.

    Examples
    --------
    >>> schedule = CosineRestarts(1.0, steps=2)
    >>> [schedule(step) for step in range(5)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    initial: float
    steps: int
    _: KW_ONLY
    growth: int = 1
    final: float = 0.0

    def __call__(self, step: int) -> float:
        length = self.steps
        if self.growth == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.growth
        return cosine(self.initial, self.final, step / length)


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """A straight line of `steps` steps up to where another schedule starts; then that one.

    With r for `then`: (start + (1 - start) · step / steps) · r(0), then r(step - steps).

    Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2.

    Parameters
    ----------
    steps : int
        The length of the warm-up.
    then : float or callable
        The learning rate afterwards: a number, or a schedule, which starts at its own step 0.
    start : float
        The fraction of r(0) to start with.

    Examples
    --------
    >>> schedule = LinearWarmup(2, StepDecay(8.0, 2, factor=0.5), start=0.5)
    >>> [schedule(step) for step in range(6)]
    [4.0, 6.0, 8.0, 8.0, 4.0, 4.0]
    """

    steps: int
    then: LearningRate
    _: KW_ONLY
    start: float = 0.1

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps) if callable(self.then) else self.then
        first = self.then(0) if callable(self.then) else self.then
        return first * (self.start + (1 - self.start) * step / self.steps)


@dataclass(frozen=True)
class LinearLR(Schedule):
    """initial · (start_factor + (end_factor - start_factor) · step / total_iters): a straight line.

    From step `total_iters` on it stays at initial · end_factor. PyTorch's, with its names and
    defaults; `LinearWarmup` goes on with another schedule.

    Parameters
    ----------
    initial : float
        The learning rate that the factors multiply.
    total_iters : int
        The length of the line.
    start_factor, end_factor : float
        The factors at step 0, and from step `total_iters` on.

    Examples
    --------
    >>> schedule = LinearLR(8.0, 4, start_factor=1.0, end_factor=0.5)
    >>> [schedule(step) for step in range(6)]
    [8.0, 7.0, 6.0, 5.0, 4.0, 4.0]
    """

    initial: float
    total_iters: int = 5
    _: KW_ONLY
    start_factor: float = 1 / 3
    end_factor: float = 1.0

    def __call__(self, step: int) -> float:
        fraction = min(step, self.total_iters) / self.total_iters
        return self.initial * (self.start_factor + (self.end_factor - self.start_factor) * fraction)


@dataclass(frozen=True)
class ConstantLR(Schedule):
    """initial · factor for the first `total_iters` steps, then initial.

    PyTorch's, with its names and defaults. `LinearWarmup` rises instead, and goes on with another
    schedule.

    Parameters
    ----------
    initial : float
        The learning rate afterwards.
    total_iters : int
        For how many steps it is multiplied.
    factor : float
        By what.

    Examples
    --------
    >>> schedule = ConstantLR(8.0, 2, factor=0.5)
    >>> [schedule(step) for step in range(4)]
    [4.0, 4.0, 8.0, 8.0]
    """

    initial: float
    total_iters: int = 5
    _: KW_ONLY
    factor: float = 1 / 3

    def __call__(self, step: int) -> float:
        return self.initial * self.factor if step < self.total_iters else self.initial


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a wave up to `highest`, then half a wave down to almost nothing.

    It rises from highest / start_divisor during the `warmup` fraction of the steps, then falls to
    highest / (start_divisor · final_divisor) at the last step.

    Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", 2018, in PyTorch's form.

    Parameters
    ----------
    highest : float
        The highest learning rate.
    steps : int
        The length of the whole cycle.
    warmup : float
        The fraction of the steps in which it rises.
    start_divisor, final_divisor : float
        `highest` over the first learning rate, and the first over the last.

    Examples
    --------
    >>> schedule = OneCycle(1.0, steps=10)
    >>> [round(schedule(step), 3) for step in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.611, 0.0]
    """

    highest: float
    steps: int
    _: KW_ONLY
    warmup: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup * self.steps < 1:
            raise ConfigurationError(
                f"OneCycle needs at least one step of warm-up, got {self.warmup!r} of "
                f"{self.steps!r} steps."
            )

    def __call__(self, step: int) -> float:
        start = self.highest / self.start_divisor
        top, last = self.warmup * self.steps - 1, self.steps - 1
        if step < top:
            return cosine(start, self.highest, step / top)
        fraction = (min(step, last) - top) / (last - top)
        return cosine(self.highest, start / self.final_divisor, fraction)


@dataclass(frozen=True)
class Scaled(Schedule):
    """Another schedule times a factor; what `ReduceOnPlateau` makes of an optimizer's schedule.

    Where the product would be below `lowest`, it is that, or the schedule itself if that is lower.

    Parameters
    ----------
    schedule : callable
        A function from a step to a number.
    factor : float
        What its numbers are multiplied by.
    lowest : float
        Below this they are not reduced.

    Examples
    --------
    >>> schedule = Scaled(PolynomialDecay(1.0, 4), 0.5, lowest=0.2)
    >>> [schedule(step) for step in range(5)]
    [0.5, 0.375, 0.25, 0.2, 0.0]
    """

    schedule: Callable[[int], float]
    factor: float
    _: KW_ONLY
    lowest: float = 0.0

    def __call__(self, step: int) -> float:
        return reduced(self.schedule(step), self.factor, self.lowest)


def scaled(learning_rate: LearningRate, factor: float, lowest: float = 0.0) -> LearningRate:
    """Return a learning rate, a number or a schedule, times a factor, but not below `lowest`."""
    if not callable(learning_rate):
        return reduced(learning_rate, factor, lowest)
    if isinstance(learning_rate, Scaled):
        before = learning_rate
        return Scaled(before.schedule, before.factor * factor, lowest=max(before.lowest, lowest))
    return Scaled(learning_rate, factor, lowest=lowest)


def reduced(rate: float, factor: float, lowest: float) -> float:
    """Return a number times a factor; what is below `lowest` already stays as it is."""
    return max(factor * rate, min(rate, lowest))


def cosine(start: float, end: float, fraction: float) -> float:
    """Return the value of half a cosine wave from `start` to `end`, at this fraction of it."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
