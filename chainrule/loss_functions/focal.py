"""Focal losses: cross-entropy that focuses on hard samples.

Lin, Goyal, Girshick, He, Dollár, "Focal Loss for Dense Object Detection", 2017.
"""

from __future__ import annotations

import numpy as np

from chainrule.checks import check_bool, check_range
from chainrule.layers.activations import sigmoid, tiny
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.loss_functions.cross_entropy import (
    BinaryLoss,
    CategoricalCrossEntropy,
    negative_log_sigmoids,
)
from chainrule.parameter import Array

__all__ = ["BinaryFocalCrossEntropy", "CategoricalFocalCrossEntropy"]


class CategoricalFocalCrossEntropy(CategoricalCrossEntropy):
    """loss_n = -Σ_c y_nc (1 - p_nc)^γ log p_nc: easy samples, with p near 1, count little.

    With γ = 0 it is the `CategoricalCrossEntropy`.

    Parameters
    ----------
    gamma : float
        γ >= 0, how strongly it focuses on hard samples.
    from_logits, label_smoothing, class_weight, ignore_index
        As in `CategoricalCrossEntropy`; the paper's α is the class weight.

    Examples
    --------
    >>> easy, hard = [[0.9, 0.1]], [[0.1, 0.9]]
    >>> loss = CategoricalFocalCrossEntropy(gamma=2.0)
    >>> round(loss([0], easy), 4), round(loss([0], hard), 4)
    (0.0011, 1.8651)
    """

    def __init__(
        self,
        gamma: float = 2.0,
        *,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        class_weight: ClassWeight | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            class_weight=class_weight,
            ignore_index=ignore_index,
        )
        self.gamma = check_range("gamma", gamma)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        log_p = self.log_probabilities(y_pred)
        return -np.vecdot(self.target(y_true), complement(log_p) ** self.gamma * log_p)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        log_p = self.log_probabilities(y_pred)
        q = complement(log_p)
        # of -q^γ log p by log p, with q = 1 - p and so dq / d(log p) = -p
        slope = self.gamma * q ** (self.gamma - 1) * np.exp(log_p) * log_p - q**self.gamma
        slope *= self.target(y_true)
        if self.from_logits:
            return slope - np.exp(log_p) * slope.sum(axis=1, keepdims=True)
        return slope / y_pred


def complement(log_p: Array) -> Array:
    """Return 1 - p without cancellation where p is near 1, and never 0, so that q^-1 is finite."""
    return np.maximum(-np.expm1(log_p), tiny(log_p.dtype))


class BinaryFocalCrossEntropy(BinaryLoss):
    """The mean over outputs of -α y (1 - p)^γ log p - (1 - α) (1 - y) p^γ log(1 - p).

    Parameters
    ----------
    gamma : float
        γ >= 0, how strongly it focuses on hard samples.
    alpha : float
        α, the weight of yes; that of no is 1 - α. The paper found 0.25 to work best with γ = 2.
    from_logits : bool
        True where the network ends without Sigmoid.

    Examples
    --------
    >>> loss = BinaryFocalCrossEntropy(gamma=2.0, alpha=0.5)
    >>> round(loss([1], [0.9]), 4), round(loss([1], [0.1]), 4)
    (0.0005, 0.9325)
    """

    def __init__(
        self, gamma: float = 2.0, *, alpha: float = 0.25, from_logits: bool = False
    ) -> None:
        self.gamma = check_range("gamma", gamma)
        self.alpha = check_range("alpha", alpha, high=1, inclusive=False)
        self.from_logits = check_bool("from_logits", from_logits)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        p, q, log_p, log_q = self.probabilities(y_pred)
        yes, no = self.alpha * y_true, (1 - self.alpha) * (1 - y_true)
        loss = -yes * q**self.gamma * log_p - no * p**self.gamma * log_q
        return loss.sum(axis=1) / loss.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        p, q, log_p, log_q = self.probabilities(y_pred)
        yes, no = self.alpha * y_true, (1 - self.alpha) * (1 - y_true)
        # by the logit z, where dp/dz = p q; by p it is that over p q
        of_yes = q**self.gamma * (self.gamma * p * log_p - q)
        of_no = p**self.gamma * (p - self.gamma * q * log_q)
        if self.from_logits:
            return (yes * of_yes + no * of_no) / p.shape[1]
        return (yes * (of_yes / q) / p + no * (of_no / p) / q) / p.shape[1]

    def probabilities(self, y_pred: Array) -> tuple[Array, Array, Array, Array]:
        """Return p, 1 - p and the logarithm of each."""
        if self.from_logits:
            of_yes, of_no = negative_log_sigmoids(y_pred)
            return sigmoid(y_pred), sigmoid(-y_pred), -of_yes, -of_no
        q = np.maximum(1 - y_pred, tiny(y_pred.dtype))
        return y_pred, q, np.log(y_pred), np.log(q)
