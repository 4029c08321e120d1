"""Optimizers that give every weight its own learning rate, by the size of its gradients.

g is the gradient, v the sum or the running mean of its square. Adam and its variants, which add
momentum, are in `adam.py`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_range
from chainrule.optimizers.base import LearningRate, Optimizer
from chainrule.parameter import Array

__all__ = ["AdaGrad", "Adadelta", "RMSprop", "Rprop"]


@dataclass(eq=False, repr=False)
class AdaGrad(Optimizer):
    """v ← v + g²;  w ← w - lr · g / (√v + ε): the more a weight has moved, the slower it gets.

    v starts at `initial_accumulator_value`.

    Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", 2011.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    epsilon : float
        ε, which keeps the divisor above 0.
    initial_accumulator_value : float
        Where v starts. The larger, the shorter the first steps.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> AdaGrad(0.1).epsilon
    1e-10
    """

    state_names = ("square_sum",)

    learning_rate: LearningRate = 0.01
    _: KW_ONLY
    epsilon: float = 1e-10
    initial_accumulator_value: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.epsilon = check_range("epsilon", self.epsilon, inclusive=False)
        self.initial_accumulator_value = check_range(
            "initial_accumulator_value", self.initial_accumulator_value
        )

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (v,) = state
        v += g * g
        if self.initial_accumulator_value:  # the state starts at zero
            v = v + self.initial_accumulator_value
        w -= learning_rate * g / (np.sqrt(v) + self.epsilon)


@dataclass(eq=False, repr=False)
class Adadelta(Optimizer):
    """AdaGrad that forgets, and whose steps have the size of the recent ones.

    v ← ρ v + (1 - ρ) g²;  Δ = √(u + ε) / √(v + ε) · g;  u ← ρ u + (1 - ρ) Δ²;  w ← w - lr · Δ.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule; the paper has none, which is 1.
    rho : float
        ρ, how much of the running means u and v is kept, 0 <= ρ < 1.
    epsilon : float
        ε, from which the first steps start: the larger, the longer they are.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> Adadelta(0.5)
    Adadelta(learning_rate=0.5, weight_decay=0.0, rho=0.9, epsilon=1e-06)
    """

    state_names = ("square_mean", "move_square_mean")

    learning_rate: LearningRate = 1.0
    _: KW_ONLY
    rho: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rho = check_range("rho", self.rho, high=1)
        self.epsilon = check_range("epsilon", self.epsilon, inclusive=False)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        v, u = state
        v *= self.rho
        v += (1 - self.rho) * (g * g)
        move = np.sqrt(u + self.epsilon) / np.sqrt(v + self.epsilon) * g
        u *= self.rho
        u += (1 - self.rho) * (move * move)
        w -= learning_rate * move


@dataclass(eq=False, repr=False)
class RMSprop(Optimizer):
    """v ← ρ v + (1 - ρ) g²;  w ← w - lr · g / (√v + ε): AdaGrad that forgets.

    If `centered`, √(v - m²) takes the place of √v, with m ← ρ m + (1 - ρ) g: the standard deviation
    of the gradient. With momentum μ, b ← μ b + g / (√v + ε) and w ← w - lr · b.

    Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012. Graves, "Generating Sequences
    With Recurrent Neural Networks", 2013, for both options.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    rho : float
        ρ, how much of the running means is kept, 0 <= ρ < 1 (PyTorch calls it alpha).
    epsilon : float
        ε, which keeps the divisor above 0.
    momentum : float
        μ, how much of the last step is kept, 0 <= μ < 1.
    centered : bool
        Whether to divide by the standard deviation of the gradient.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> RMSprop(0.001, rho=0.9, momentum=0.5).state_names
    ('square_mean', 'velocity')
    """

    state_names = ("square_mean",)

    learning_rate: LearningRate = 0.01
    _: KW_ONLY
    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rho = check_range("rho", self.rho, high=1)
        self.epsilon = check_range("epsilon", self.epsilon, inclusive=False)
        self.momentum = check_range("momentum", self.momentum, high=1)
        self.centered = check_bool("centered", self.centered)
        if self.centered:
            self.remember("mean")
        if self.momentum:
            self.remember("velocity")

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        v, *more = state
        v *= self.rho
        v += (1 - self.rho) * (g * g)
        if self.centered:
            m = more.pop(0)
            m *= self.rho
            m += (1 - self.rho) * g
            v = np.maximum(v - m * m, 0)  # rounding can make the difference negative
        if self.momentum:
            (b,) = more
            b *= self.momentum
            b += g / (np.sqrt(v) + self.epsilon)
            w -= learning_rate * b
        else:
            w -= learning_rate * g / (np.sqrt(v) + self.epsilon)


@dataclass(eq=False, repr=False)
class Rprop(Optimizer):
    """Δ ← Δ · (η⁺ or η⁻);  w ← w - Δ · sign(g): the signs of the gradient alone.

    Each weight has a step length Δ of its own. It grows by η⁺ where the gradient has kept its sign,
    and shrinks by η⁻ where the sign has changed; there the weight waits for a step. Signs say
    something only of the whole data: give `Trainer.fit` ``batch_size=len(X)``.

    Riedmiller, Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
    Algorithm", 1993, in PyTorch's form.

    Parameters
    ----------
    learning_rate : float
        Δ at the first step. Later steps follow from the signs, so there is no schedule.
    eta_minus, eta_plus : float
        η⁻ and η⁺, 0 < η⁻ < 1 < η⁺.
    min_step, max_step : float
        The bounds of Δ.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> Rprop(0.1).eta_plus
    1.2
    """

    state_names = ("step_length", "last_gradient")
    finds_step_lengths = True

    learning_rate: LearningRate = 0.01
    _: KW_ONLY
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    min_step: float = 1e-6
    max_step: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.eta_minus = check_range("eta_minus", self.eta_minus, high=1, inclusive=False)
        self.eta_plus = check_range("eta_plus", self.eta_plus, low=1, inclusive=False)
        self.min_step = check_range("min_step", self.min_step, inclusive=False)
        self.max_step = check_range("max_step", self.max_step, low=self.min_step)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        length, last = state
        np.copyto(length, learning_rate, where=length == 0)  # where there has been no step yet
        agreement = np.sign(g) * np.sign(last)
        turned = agreement < 0
        length *= np.where(turned, self.eta_minus, np.where(agreement > 0, self.eta_plus, 1))
        np.clip(length, self.min_step, self.max_step, out=length)
        last[...] = np.where(turned, 0, g)
        w -= length * np.sign(last)
