"""Optimizers that give every weight a learning rate of its own, by the size of its gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.checks import check_range
from chainrule.optimizers.base import LearningRate, Multipliers, Optimizer, WeightDecay
from chainrule.parameter import Array

__all__ = ["AdaGrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop"]


class AdaGrad(Optimizer):
    """s ← s + g²;  w ← w - lr · g / (√s + ε): the more a weight has moved, the slower it gets.

    Duchi, Hazan, Singer, "Adaptive Subgradient Methods", 2011.
    """

    state_names = ("square_sum",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        *,
        epsilon: float = 1e-10,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (s,) = state
        s += g * g
        w -= learning_rate * g / (np.sqrt(s) + self.epsilon)


class RMSprop(Optimizer):
    """s ← ρ s + (1 - ρ) g²;  w ← w - lr · g / (√s + ε): AdaGrad that forgets.

    Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012.
    """

    state_names = ("square_mean",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        *,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)
        self.rho = check_range("rho", rho, high=1)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        (s,) = state
        s *= self.rho
        s += (1 - self.rho) * (g * g)
        w -= learning_rate * g / (np.sqrt(s) + self.epsilon)


class Adam(Optimizer):
    """Momentum, divided by the gradient's recent size, both corrected for their start at zero.

    m ← β₁ m + (1 - β₁) g;  s ← β₂ s + (1 - β₂) g²;
    w ← w - lr · m / (1 - β₁ᵗ) / (√(s / (1 - β₂ᵗ)) + ε), at step t = 1, 2, ...

    Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
    """

    state_names = ("mean", "square_mean")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, lr_multipliers=lr_multipliers)
        self.beta1 = check_range("beta1", beta1, high=1)
        self.beta2 = check_range("beta2", beta2, high=1)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, s = state
        update_means(m, s, g, self.beta1, self.beta2)
        # The two corrections are numbers, so they go into the step and into √s as such.
        root = math.sqrt(1 - self.beta2**self.steps)
        size = np.sqrt(s)
        size += root * self.epsilon
        np.divide(m, size, out=size)
        size *= learning_rate * (root / (1 - self.beta1**self.steps))  # which may be a vector
        w -= size


def update_means(m: Array, s: Array, g: Array, beta1: float, beta2: float) -> None:
    """Let both means follow: m ← β₁ m + (1 - β₁) g;  s ← β₂ s + (1 - β₂) g²."""
    m *= beta1
    m += (1 - beta1) * g
    s *= beta2
    s += (1 - beta2) * (g * g)


class AdamW(Adam):
    """Adam whose weight decay acts on the weights themselves: w ← (1 - lr · weight_decay) w.

    Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    decoupled = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: WeightDecay = 0.01,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            lr_multipliers=lr_multipliers,
        )


class NAdam(Adam):
    """Adam that looks one step ahead, as Nesterov does.

    With μ_t = β₁ (1 - 0.5 · 0.96^(t · momentum_decay)) and M_t = μ_1 · ... · μ_t:
    w ← w - lr · (μ_(t+1) m / (1 - M_(t+1)) + (1 - μ_t) g / (1 - M_t)) / (√(s / (1 - β₂ᵗ)) + ε).

    Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.002,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: WeightDecay = 0.0,
        momentum_decay: float = 0.004,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            lr_multipliers=lr_multipliers,
        )
        self.momentum_decay = check_range("momentum_decay", momentum_decay)
        self._product = (0, 1.0)  # a step t and its M_t

    def momentum(self, step: int) -> float:
        """Return μ at this step, counted from 1."""
        return self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def momentum_product(self) -> float:
        """Return M at the current step; what was found for the step before is built upon."""
        step, product = self._product if self._product[0] <= self.steps else (0, 1.0)
        for later in range(step + 1, self.steps + 1):
            product *= self.momentum(later)
        self._product = (self.steps, product)
        return product

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, s = state
        update_means(m, s, g, self.beta1, self.beta2)
        now, next_one = self.momentum(self.steps), self.momentum(self.steps + 1)
        product = self.momentum_product()
        root = math.sqrt(1 - self.beta2**self.steps)
        direction = (next_one / (1 - product * next_one)) * m
        direction += ((1 - now) / (1 - product)) * g
        direction /= np.sqrt(s) + root * self.epsilon
        direction *= learning_rate * root
        w -= direction


class RAdam(Adam):
    """Adam that waits with its division until the gradients' size is known well enough.

    With ρ_∞ = 2 / (1 - β₂) - 1 and ρ_t = ρ_∞ - 2 t β₂ᵗ / (1 - β₂ᵗ), the length of the memory:
    w ← w - lr · m / (1 - β₁ᵗ) while ρ_t <= 5, and from then on
    w ← w - lr · r · √(1 - β₂ᵗ) · m / (1 - β₁ᵗ) / (√s + ε), with
    r² = (ρ_t - 4) (ρ_t - 2) ρ_∞ / ((ρ_∞ - 4) (ρ_∞ - 2) ρ_t).

    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020.
    """

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, s = state
        update_means(m, s, g, self.beta1, self.beta2)
        learning_rate /= 1 - self.beta1**self.steps
        trust = self.trust()
        if trust == 0:
            w -= learning_rate * m
            return
        size = np.sqrt(s)
        size += self.epsilon
        np.divide(m, size, out=size)
        size *= learning_rate * trust * math.sqrt(1 - self.beta2**self.steps)
        w -= size

    def trust(self) -> float:
        """Return r, or 0 while the memory is too short to divide by."""
        power = self.beta2**self.steps
        longest = 2 / (1 - self.beta2) - 1
        length = longest - 2 * self.steps * power / (1 - power)
        if length <= 5:
            return 0.0
        square = (length - 4) * (length - 2) * longest
        return math.sqrt(square / ((longest - 4) * (longest - 2) * length))
