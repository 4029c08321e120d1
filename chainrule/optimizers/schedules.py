"""Schedules: the learning rate as a function of the step, counted from 0.

Each is called by the optimizer, ``Adam(CosineDecay(0.01, steps=1000))``, and remembers nothing;
where a schedule has an end it stays there. Any function from a step to a number is one too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from chainrule.checks import check_range, check_whole, check_whole_numbers
from chainrule.errors import ConfigurationError
from chainrule.optimizers.base import LearningRate, check_learning_rate

__all__ = [
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "PolynomialDecay",
    "StepDecay",
]


@dataclass(frozen=True)
class StepDecay:
    """initial · factor ^ ⌊step / every⌋: a fall every so many steps."""

    initial: float
    every: int
    _: KW_ONLY
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_whole("every", self.every)
        check_range("factor", self.factor)

    def __call__(self, step: int) -> float:
        return self.initial * self.factor ** (step // self.every)


@dataclass(frozen=True)
class MultiStepDecay:
    """initial · factor ^ (how many milestones have been reached): a fall at each of these steps."""

    initial: float
    milestones: Sequence[int]
    _: KW_ONLY
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_whole_numbers("milestones", self.milestones)
        if any(later <= step for step, later in itertools.pairwise(self.milestones)):
            raise ConfigurationError(f"milestones must rise, got {self.milestones!r}.")
        check_range("factor", self.factor)

    def __call__(self, step: int) -> float:
        return self.initial * self.factor ** sum(step >= reached for reached in self.milestones)


@dataclass(frozen=True)
class ExponentialDecay:
    """initial · factor ^ step."""

    initial: float
    factor: float

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_range("factor", self.factor, inclusive=False)

    def __call__(self, step: int) -> float:
        return self.initial * self.factor**step


@dataclass(frozen=True)
class PolynomialDecay:
    """final + (initial - final) · (1 - step / steps) ^ power; a straight line for power 1."""

    initial: float
    steps: int
    _: KW_ONLY
    power: float = 1.0
    final: float = 0.0

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_whole("steps", self.steps)
        check_range("power", self.power, inclusive=False)
        check_range("final", self.final)

    def __call__(self, step: int) -> float:
        left = 1 - min(step, self.steps) / self.steps
        return self.final + (self.initial - self.final) * left**self.power


@dataclass(frozen=True)
class CosineDecay:
    """final + (initial - final) · (1 + cos(π · step / steps)) / 2: half a wave, from top to bottom.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """

    initial: float
    steps: int
    _: KW_ONLY
    final: float = 0.0

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_whole("steps", self.steps)
        check_range("final", self.final)

    def __call__(self, step: int) -> float:
        return cosine(self.initial, self.final, min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class CosineRestarts:
    """CosineDecay again and again, each `growth` times as long as the one before.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """

    initial: float
    steps: int
    _: KW_ONLY
    growth: int = 1
    final: float = 0.0

    def __post_init__(self) -> None:
        check_range("initial", self.initial, inclusive=False)
        check_whole("steps", self.steps)
        check_whole("growth", self.growth)
        check_range("final", self.final)

    def __call__(self, step: int) -> float:
        length = self.steps
        if self.growth == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.growth
        return cosine(self.initial, self.final, step / length)


@dataclass(frozen=True)
class LinearWarmup:
    """A straight line up to where another schedule begins, in `steps` steps; then that one.

    start · r(0) + (1 - start) · r(0) · step / steps, then r(step - steps).

    Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2.

    Parameters
    ----------
    steps : int
        How long it lasts.
    then : float or callable
        r, the learning rate afterwards: a number or a schedule, which begins at its own step 0.
    start : float
        Which part of r(0) it begins with.
    """

    steps: int
    then: LearningRate
    _: KW_ONLY
    start: float = 0.1

    def __post_init__(self) -> None:
        check_whole("steps", self.steps)
        check_learning_rate("then", self.then)
        check_range("start", self.start)

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps) if callable(self.then) else self.then
        first = self.then(0) if callable(self.then) else self.then
        return first * (self.start + (1 - self.start) * step / self.steps)


@dataclass(frozen=True)
class OneCycle:
    """Half a wave up to `highest`, half a wave down to almost nothing.

    From highest / start_divisor up during the `warmup` share of the steps, then down to
    highest / (start_divisor · final_divisor) at the last step.

    Smith, Topin, "Super-Convergence", 2018, in PyTorch's form.
    """

    highest: float
    steps: int
    _: KW_ONLY
    warmup: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self) -> None:
        check_range("highest", self.highest, inclusive=False)
        check_whole("steps", self.steps)
        check_range("warmup", self.warmup, high=1)
        if self.warmup * self.steps < 1:
            raise ConfigurationError(
                f"OneCycle needs at least one step of warm-up, got {self.warmup!r} of "
                f"{self.steps!r} steps."
            )
        check_range("start_divisor", self.start_divisor, inclusive=False)
        check_range("final_divisor", self.final_divisor, inclusive=False)

    def __call__(self, step: int) -> float:
        start = self.highest / self.start_divisor
        top, last = self.warmup * self.steps - 1, self.steps - 1
        if step < top:
            return cosine(start, self.highest, step / top)
        share = (min(step, last) - top) / (last - top)
        return cosine(self.highest, start / self.final_divisor, share)


def cosine(begin: float, end: float, share: float) -> float:
    """Return where half a cosine wave from `begin` to `end` is after this share of its way."""
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2
