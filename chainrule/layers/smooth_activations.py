"""Smooth variants of ReLU: close to x far to the right, close to a constant far to the left.

Values and gradients are accurate far out too, where exp overflows or vanishes: there the slope is
0 or 1.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from chainrule.checks import check_choice, check_number, check_range
from chainrule.layers.activations import sigmoid, sigmoid_denominator
from chainrule.layers.erfc import erfc
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["CELU", "ELU", "GELU", "SELU", "LogSigmoid", "Mish", "SiLU", "Softplus"]

# ---------------------------------------------------------------- exponentials


class ELU(Module):
    """y = x where x > 0, and α (exp(x) - 1) elsewhere.

    Backward: dx = dy where x > 0, and dy α exp(x) elsewhere.
    Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by Exponential
    Linear Units (ELUs)", 2016.

    Parameters
    ----------
    alpha : float
        α: y approaches -α far to the left.

    Examples
    --------
    >>> ELU()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-0.632,  0.   ,  2.   ]])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_number("alpha", alpha)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0))

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))


class CELU(Module):
    """y = x where x > 0, and α (exp(x / α) - 1) elsewhere: an ELU with slope 1 at 0 for every α.

    Backward: dx = dy where x > 0, and dy exp(x / α) elsewhere.
    Barron, "Continuously Differentiable Exponential Linear Units", 2017.

    Parameters
    ----------
    alpha : float
        α > 0: y approaches -α far to the left.

    Examples
    --------
    >>> CELU(2.0)(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-0.787,  0.   ,  2.   ]])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_range("alpha", alpha, inclusive=False)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0) / self.alpha)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * np.exp(np.minimum(x, 0) / self.alpha)


class SELU(Module):
    """y = λ x where x > 0, and λ α (exp(x) - 1) elsewhere: an ELU that keeps mean 0 and variance 1.

    λ and α are such that for a normal x with mean 0 and variance 1, y has mean 0 and variance 1.
    The weights should have variance 1 / fan_in (`LecunNormal`).

    Backward: dx = dy λ where x > 0, and dy λ α exp(x) elsewhere.
    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017, which gives
    both constants.

    Examples
    --------
    >>> SELU()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-1.111,  0.   ,  2.101]])
    """

    ALPHA = 1.6732632423543772848170429916717
    SCALE = 1.0507009873554804934193349852946

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return self.SCALE * (np.maximum(x, 0) + self.ALPHA * np.expm1(np.minimum(x, 0)))

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * self.SCALE * np.where(x > 0, 1, self.ALPHA * np.exp(np.minimum(x, 0)))


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), written with exp(-|x|), which cannot overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Softplus(Module):
    """y = log(1 + exp(β x)) / β: a ReLU with a rounded corner.

    It is exact everywhere, and does not become y = x beyond a threshold.

    Backward: dx = dy · sigmoid(β x).
    Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.

    Parameters
    ----------
    beta : float
        β: the larger, the sharper the corner.

    Examples
    --------
    >>> Softplus()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[0.313, 0.693, 2.127]])
    """

    option_advice: ClassVar[dict[str, str]] = {
        "threshold": "it is exact everywhere, and needs no threshold"
    }

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = check_range("beta", beta, inclusive=False)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return softplus(self.beta * x) / self.beta

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * sigmoid(self.beta * x)


class LogSigmoid(Module):
    """y = log(1 / (1 + exp(-x))): the logarithm of a sigmoid, exact where that underflows.

    It is -softplus(-x).

    Backward: dx = dy · sigmoid(-x).

    Examples
    --------
    >>> LogSigmoid()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-1.313, -0.693, -0.127]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return -softplus(-x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * sigmoid(-x)


# ---------------------------------------------------------------- x times a gate


GELU_END = 40.0
"""Beyond this, Φ below is 0 or 1 and its slope 0, even in float64; and no power of it overflows."""


class GELU(Module):
    """y = x Φ(x), with the distribution function Φ of the standard normal distribution.

    Exact:  Φ(x) = erfc(-x / √2) / 2.
    tanh:   Φ(x) ≈ (1 + t) / 2 with t = tanh(u) and u = √(2/π) (x + 0.044715 x³).

    Backward: dx = dy (Φ(x) + x Φ'(x)), where Φ'(x) is exp(-x² / 2) / √(2π), or with tanh
    (1 - t²) u' / 2 with u' = √(2/π) (1 + 0.134145 x²).

    Hendrycks, Gimpel, "Gaussian Error Linear Units (GELUs)", 2016.

    Parameters
    ----------
    approximate : str
        ``"none"``, or ``"tanh"`` for the approximation with which GPT-2 and others were trained;
        its error is up to 5e-4. The gradient is that of the function in use.

    Examples
    --------
    >>> GELU()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-0.159,  0.   ,  1.954]])
    """

    def __init__(self, approximate: str = "none") -> None:
        check_choice("approximate", approximate, {"none": None, "tanh": None})
        self.approximate = str(approximate)

    def forward(self, x: Array, training: bool = True) -> Array:
        z = np.clip(x, -GELU_END, GELU_END)
        if self.approximate == "tanh":
            gate = (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z))) / 2
        else:
            gate = erfc(z * -math.sqrt(0.5)) / 2
        self.save_for_backward(x, gate, training=training)
        return x * gate

    def backward(self, dy: Array) -> Array:
        x, gate = self.saved_values()
        z = np.clip(x, -GELU_END, GELU_END)
        if self.approximate == "tanh":  # (1 - t²) / 2 = 2 gate (1 - gate)
            inner = math.sqrt(2 / math.pi) * (1 + 0.134145 * z * z)
            slope = 2 * gate * (1 - gate) * inner
        else:
            slope = np.exp(z * z * -0.5) / math.sqrt(2 * math.pi)
        return dy * (gate + x * slope)


class SiLU(Module):
    """y = x σ(x), with the sigmoid σ; also called Swish.

    Backward: dx = dy σ (1 + x (1 - σ)).
    Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation
    in Reinforcement Learning", 2018; Ramachandran, Zoph, Le, "Searching for Activation
    Functions", 2017.

    Examples
    --------
    >>> SiLU()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-0.269,  0.   ,  1.762]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        denominator = sigmoid_denominator(x)  # of σ
        self.save_for_backward(x, denominator, training=training)
        return x / denominator

    def backward(self, dy: Array) -> Array:
        x, denominator = self.saved_values()
        gate = 1 / denominator
        return dy * gate * (1 + x * (1 - gate))


MISH_END = 20.0
"""Beyond this, t below is 1, even in float64; and in float32 exp(2 x) does not overflow yet."""


class Mish(Module):
    """y = x t with t = tanh(log(1 + exp(x))).

    With e = exp(x) and n = e (e + 2), (1 + e)² = 1 + n, and so t = n / (n + 2).

    Backward: dx = dy (t + x (1 - t²) σ(x)), with the sigmoid σ.
    Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2020.

    Examples
    --------
    >>> Mish()(np.array([[-1.0, 0.0, 2.0]])).round(3)
    array([[-0.303,  0.   ,  1.944]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        e = np.exp(np.minimum(x, MISH_END))
        n = e + 2
        n *= e
        gate = n / (n + 2)
        self.save_for_backward(x, gate, training=training)
        return x * gate

    def backward(self, dy: Array) -> Array:
        x, gate = self.saved_values()
        return dy * (gate + x * (1 - gate * gate) * sigmoid(x))
