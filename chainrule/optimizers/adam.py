"""Adam and its variants: momentum, divided by the recent size of the gradient.

g is the gradient, m its running mean (the first moment), v the running mean of its square (the
second moment), t the number of the step, counted from 1. A hat marks what is corrected for the
start at zero: m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_range
from chainrule.optimizers.base import LearningRate, Optimizer
from chainrule.parameter import Array

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


@dataclass(eq=False, repr=False)
class Moments(Optimizer):
    """What Adam and its variants share: the running means m and v, and their options."""

    state_names = ("mean", "square_mean")

    learning_rate: LearningRate = 0.001
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta1 = check_range("beta1", self.beta1, high=1)
        self.beta2 = check_range("beta2", self.beta2, high=1)
        self.epsilon = check_range("epsilon", self.epsilon, inclusive=False)

    def update_moments(self, m: Array, v: Array, g: Array) -> None:
        """Update both running means in place."""
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * (g * g)


@dataclass(eq=False, repr=False)
class Adam(Moments):
    """Momentum, divided by the recent size of the gradient, both corrected for their start at zero.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    m̂ = m / (1 - β₁ᵗ);  v̂ = v / (1 - β₂ᵗ);  w ← w - lr · m̂ / (√v̂ + ε), at step t = 1, 2, ...

    With `amsgrad`, v̂ is taken from the largest v so far, so that a step never grows because
    gradients have become small.

    Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1. Reddi, Kale, Kumar,
    "On the Convergence of Adam and Beyond", 2018, for AMSGrad, in PyTorch's form.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule; about how far each weight moves in a step.
    beta1 : float
        β₁, how much of the mean gradient m is kept, 0 <= β₁ < 1.
    beta2 : float
        β₂, how much of the mean square v is kept, 0 <= β₂ < 1.
    epsilon : float
        ε, which keeps the divisor above 0.
    weight_decay : float
        λ of the L2 regularisation: λ w is added to the gradient, and so divided like it. For
        decoupled weight decay use `AdamW`.
    lr_multipliers : mapping of str to float, optional
        Factors of the learning rate by patterns of names; 0 freezes. See `Optimizer`.
    amsgrad : bool
        Whether to divide by the largest mean square so far.

    Examples
    --------
    >>> from chainrule import CategoricalCrossEntropy, Network
    >>> network, loss, adam = Network([4, 8, 3], seed=0), CategoricalCrossEntropy(), Adam(0.01)
    >>> X, y = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], [0, 2]
    >>> for _ in range(100):
    ...     _ = network.backward(loss.backward(y, network.forward(X)))
    ...     adam.step(network)
    >>> network.predict(X).argmax(axis=1)
    array([0, 2])
    """

    _: KW_ONLY
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.amsgrad = check_bool("amsgrad", self.amsgrad)
        if self.amsgrad:
            self.remember("largest_square_mean")

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, v, *largest = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * (g * g)
        if self.amsgrad:
            v = np.maximum(v, largest[0], out=largest[0])
        # With c = √(1 - β₂ᵗ):  m̂ / (√v̂ + ε) = c / (1 - β₁ᵗ) · m / (√v + c ε).
        # So the corrections are two numbers, and cost no pass over the vectors.
        c = math.sqrt(1 - self.beta2**self.steps)
        move = np.sqrt(v)
        move += c * self.epsilon
        np.divide(m, move, out=move)
        move *= learning_rate * (c / (1 - self.beta1**self.steps))
        w -= move


@dataclass(eq=False, repr=False)
class AdamW(Adam):
    """Adam whose weight decay acts on the weights themselves: w ← (1 - lr · λ) w.

    Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon, amsgrad, lr_multipliers
        As in `Adam`.
    weight_decay : float
        λ of the decoupled weight decay.

    Examples
    --------
    >>> AdamW(amsgrad=True).state_names
    ('mean', 'square_mean', 'largest_square_mean')
    """

    decoupled = True

    _: KW_ONLY
    weight_decay: float = 0.01


@dataclass(eq=False, repr=False)
class Adamax(Moments):
    """Adam that divides by the largest recent gradient instead of the root of the mean square.

    m ← β₁ m + (1 - β₁) g;  u ← max(β₂ u, |g| + ε);  w ← w - lr · m̂ / u.

    Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.1.

    Parameters
    ----------
    learning_rate, beta1, epsilon, weight_decay, lr_multipliers
        As in `Adam`.
    beta2 : float
        β₂, how much of the largest gradient u is kept from step to step, 0 <= β₂ < 1.

    Examples
    --------
    >>> Adamax(0.01)
    Adamax(learning_rate=0.01, weight_decay=0.0, beta1=0.9, beta2=0.999, epsilon=1e-08)
    """

    state_names = ("mean", "largest")

    learning_rate: LearningRate = 0.002

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, u = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        u *= self.beta2
        np.maximum(u, np.abs(g) + self.epsilon, out=u)
        m_hat = m / (1 - self.beta1**self.steps)
        w -= learning_rate * m_hat / u


@dataclass(eq=False, repr=False)
class NAdam(Moments):
    """Adam that looks one step ahead, as Nesterov does.

    With μ_t = β₁ (1 - 0.5 · 0.96^(t · momentum_decay)) and M_t = μ_1 · ... · μ_t:
    w ← w - lr · (μ_(t+1) m / (1 - M_(t+1)) + (1 - μ_t) g / (1 - M_t)) / (√v̂ + ε).

    Dozat, "Incorporating Nesterov Momentum into Adam", 2016.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon, weight_decay, lr_multipliers
        As in `Adam`.
    momentum_decay : float
        How fast μ grows from β₁ / 2 to β₁ over the steps.

    Examples
    --------
    >>> NAdam().learning_rate
    0.002
    """

    learning_rate: LearningRate = 0.002
    _: KW_ONLY
    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum_decay = check_range("momentum_decay", self.momentum_decay)
        self._product = (0, 1.0)  # a step t and its M_t

    def momentum(self, step: int) -> float:
        """Return μ at this step, counted from 1."""
        return self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def momentum_product(self) -> float:
        """Return M at the current step, from the one that was computed last."""
        step, product = self._product if self._product[0] <= self.steps else (0, 1.0)
        for later in range(step + 1, self.steps + 1):
            product *= self.momentum(later)
        self._product = (self.steps, product)
        return product

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, v = state
        self.update_moments(m, v, g)
        now, next_one = self.momentum(self.steps), self.momentum(self.steps + 1)
        product = self.momentum_product()
        c = math.sqrt(1 - self.beta2**self.steps)  # as in Adam
        move = (next_one / (1 - product * next_one)) * m
        move += ((1 - now) / (1 - product)) * g
        move /= np.sqrt(v) + c * self.epsilon
        move *= learning_rate * c
        w -= move


@dataclass(eq=False, repr=False)
class RAdam(Moments):
    """Adam that does not divide until the size of the gradients is known well enough.

    With ρ_∞ = 2 / (1 - β₂) - 1 and ρ_t = ρ_∞ - 2 t β₂ᵗ / (1 - β₂ᵗ), the length of the average:
    w ← w - lr · m̂ while ρ_t <= 5, and from then on
    w ← w - lr · r · m̂ · √(1 - β₂ᵗ) / (√v + ε), with
    r² = (ρ_t - 4) (ρ_t - 2) ρ_∞ / ((ρ_∞ - 4) (ρ_∞ - 2) ρ_t).

    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon, weight_decay, lr_multipliers
        As in `Adam`.

    Examples
    --------
    >>> RAdam(0.01).rectification()  # before the first step
    0.0
    """

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        m, v = state
        self.update_moments(m, v, g)
        rate = learning_rate / (1 - self.beta1**self.steps)
        r = self.rectification()
        if r == 0:
            w -= rate * m
            return
        move = np.sqrt(v)
        move += self.epsilon
        np.divide(m, move, out=move)
        move *= rate * r * math.sqrt(1 - self.beta2**self.steps)
        w -= move

    def rectification(self) -> float:
        """Return r, or 0 while the average is too short to divide by."""
        power = self.beta2**self.steps
        longest = 2 / (1 - self.beta2) - 1
        length = longest - 2 * self.steps * power / (1 - power) if self.steps else 0.0
        if length <= 5:
            return 0.0
        square = (length - 4) * (length - 2) * longest
        return math.sqrt(square / ((longest - 4) * (longest - 2) * length))
