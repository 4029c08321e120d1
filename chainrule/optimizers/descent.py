"""Optimizers that give every weight the same learning rate, simplest first."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.checks import check_range
from chainrule.optimizers.base import LearningRate, Multipliers, Optimizer, WeightDecay
from chainrule.parameter import Array

__all__ = ["SGD", "Lion", "Momentum", "Nesterov"]


class SGD(Optimizer):
    """w ← w - lr · g: straight down the slope."""

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        *,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        w -= learning_rate * g


class Momentum(Optimizer):
    """v ← μ v + g;  w ← w - lr · v: a ball that rolls, faster where the slope keeps its direction.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """

    state_names = ("velocity",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        *,
        momentum: float = 0.9,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)
        self.momentum = check_range("momentum", momentum, high=1)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (v,) = state
        v *= self.momentum
        v += g
        w -= learning_rate * v


class Nesterov(Momentum):
    """v ← μ v + g;  w ← w - lr · (g + μ v): momentum that looks one step ahead.

    Nesterov, 1983, in the form of Sutskever et al., "On the target_weights of initialization and
    momentum in deep learning", 2013.
    """

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (v,) = state
        v *= self.momentum
        v += g
        w -= learning_rate * (g + self.momentum * v)


class Lion(Optimizer):
    """w ← w - lr · sign(β₁ m + (1 - β₁) g);  m ← β₂ m + (1 - β₂) g: every weight moves alike.

    Its weight decay is decoupled. A step is larger than Adam's, so the learning rate should be
    three to ten times smaller, and the weight decay as much larger.

    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2.
    """

    state_names = ("mean",)
    decoupled = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.0001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)
        self.beta1 = check_range("beta1", beta1, high=1)
        self.beta2 = check_range("beta2", beta2, high=1)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (m,) = state
        direction = self.beta1 * m
        direction += (1 - self.beta1) * g
        np.sign(direction, out=direction)
        direction *= learning_rate
        w -= direction
        m *= self.beta2
        m += (1 - self.beta2) * g
