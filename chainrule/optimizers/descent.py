"""Optimizers that give every weight the same learning rate, simplest first."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_range
from chainrule.optimizers.base import LearningRate, Optimizer
from chainrule.parameter import Array

__all__ = ["SGD", "Lion", "Momentum", "Nesterov"]


@dataclass(eq=False, repr=False)
class SGD(Optimizer):
    """w ← w - lr · g: straight down the slope.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    weight_decay : float
        How strongly weights are pulled towards zero, as part of the gradient; see `Optimizer`.
    lr_multipliers : mapping of str to float, optional
        Factors of the learning rate by patterns of names; 0 freezes. See `Optimizer`.

    Examples
    --------
    >>> from chainrule import Linear, Network
    >>> network = Network([Linear(1, 1, bias=False)], seed=0, dtype="float64")
    >>> network.layers[0].weight.value = [[1.0]]
    >>> _ = network.forward([[1.0]])
    >>> _ = network.backward([[2.0]])  # the gradient is 2
    >>> SGD(0.1).step(network)
    >>> network.layers[0].weight.value.round(6)
    array([[0.8]])
    """

    learning_rate: LearningRate = 0.01

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        w -= learning_rate * g


@dataclass(eq=False, repr=False)
class Momentum(Optimizer):
    """v ← μ v + g;  w ← w - lr · v: a ball that rolls, faster where the slope keeps its direction.

    With dampening τ, v ← μ v + (1 - τ) g from the second step on.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    momentum : float
        μ, how much of the velocity is kept, 0 <= μ < 1.
    dampening : float
        τ, the share of a gradient that is left out, 0 <= τ < 1. With τ = μ the velocity is a
        running mean of the gradients.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> Momentum(0.01, momentum=0.95)
    Momentum(learning_rate=0.01, weight_decay=0.0, momentum=0.95, dampening=0.0)
    """

    state_names = ("velocity",)

    learning_rate: LearningRate = 0.01
    _: KW_ONLY
    momentum: float = 0.9
    dampening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = check_range("momentum", self.momentum, high=1)
        self.dampening = check_range("dampening", self.dampening, high=1)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (v,) = state
        if self.dampening and self.steps > 1:
            g = (1 - self.dampening) * g
        v *= self.momentum
        v += g
        w -= learning_rate * v


@dataclass(eq=False, repr=False)
class Nesterov(Optimizer):
    """v ← μ v + g;  w ← w - lr · (g + μ v): momentum that looks one step ahead.

    Nesterov, 1983, in the form of Sutskever et al., "On the importance of initialization and
    momentum in deep learning", 2013.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    momentum : float
        μ, how much of the velocity is kept, 0 <= μ < 1.
    weight_decay, lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> Nesterov(0.01)
    Nesterov(learning_rate=0.01, weight_decay=0.0, momentum=0.9)
    """

    state_names = ("velocity",)

    learning_rate: LearningRate = 0.01
    _: KW_ONLY
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = check_range("momentum", self.momentum, high=1)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (v,) = state
        v *= self.momentum
        v += g
        w -= learning_rate * (g + self.momentum * v)


@dataclass(eq=False, repr=False)
class Lion(Optimizer):
    """w ← w - lr · sign(β₁ m + (1 - β₁) g);  m ← β₂ m + (1 - β₂) g: every weight moves alike.

    A step is larger than Adam's, so the learning rate should be three to ten times smaller, and
    the weight decay as much larger.

    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule.
    beta1 : float
        β₁, the share of the mean gradient in the direction of the step, 0 <= β₁ < 1.
    beta2 : float
        β₂, how much of the mean gradient m is kept, 0 <= β₂ < 1.
    weight_decay : float
        λ of the decoupled weight decay, w ← (1 - lr · λ) w.
    lr_multipliers
        As in `Optimizer`.

    Examples
    --------
    >>> Lion(0.0003, weight_decay=0.1)
    Lion(learning_rate=0.0003, weight_decay=0.1, beta1=0.9, beta2=0.99)
    """

    state_names = ("mean",)
    decoupled = True

    learning_rate: LearningRate = 0.0001
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta1 = check_range("beta1", self.beta1, high=1)
        self.beta2 = check_range("beta2", self.beta2, high=1)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (m,) = state
        direction = self.beta1 * m
        direction += (1 - self.beta1) * g
        np.sign(direction, out=direction)
        direction *= learning_rate
        w -= direction
        m *= self.beta2
        m += (1 - self.beta2) * g
