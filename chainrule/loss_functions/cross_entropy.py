"""Losses for classes: how surprised the predicted probabilities are by what is true."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.checks import all_finite, check_bool, check_range
from chainrule.errors import InputError
from chainrule.layers.activations import log_softmax, sigmoid, softmax, tiny
from chainrule.loss_functions.base import Loss, are_rows, dot_of_rows, within
from chainrule.loss_functions.class_weight import (
    ClassWeight,
    check_class_weight,
    named_classes,
    weight_of_classes,
)
from chainrule.loss_functions.inputs import (
    check_ignore_index,
    check_probabilities,
    class_rows,
    extremes,
    same_rows,
)
from chainrule.parameter import Array

__all__ = ["BinaryCrossEntropy", "CategoricalCrossEntropy", "KLDivergence"]

TINY = float(np.finfo(np.float32).tiny)
"""The smallest probability that Softmax and Sigmoid return in float32, 1.2e-38."""


# ---------------------------------------------------------------- one class out of several


class ClassLoss(Loss):
    """The base class of losses on a distribution over classes, from probabilities or logits."""

    from_logits: bool

    def rows(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        # Distributions from Softmax beside one-hot rows need no more than a few comparisons.
        plain = self.class_weight is None and self.ignore_index is None
        if plain and are_rows(y_true, y_pred) and y_pred.shape[1] > 1:
            sums = np.add.reduce(y_true, axis=1)
            pred_fits = all_finite(y_pred) if self.from_logits else within(y_pred, TINY, 1)
            if pred_fits and within(y_true, 0, 1) and within(sums, 0.999, 1.001):
                return y_true, y_pred
        true, pred = class_rows(y_true, y_pred, self.ignore_index, self.from_logits)
        if self.class_weight is not None and named_classes(self.class_weight) > pred.shape[1]:
            raise InputError(
                f"class_weight is for {named_classes(self.class_weight)} classes, and y_pred has "
                f"{pred.shape[1]}."
            )
        return true, pred if self.from_logits else check_probabilities(true, pred, "Softmax")

    def log_probabilities(self, y_pred: Array) -> Array:
        """Return log p, (N, C)."""
        return log_softmax(y_pred) if self.from_logits else np.log(y_pred)


class CategoricalCrossEntropy(ClassLoss):
    """loss_n = -Σ_c y_nc log p_nc, for one class out of several.

    `y_true` holds class indices (N,) or rows of probabilities (N, C), such as one-hot rows;
    `y_pred` holds probabilities (N, C), from a Softmax. In sequences, (N, T) with (N, T, C), each
    position counts as a sample.

    Parameters
    ----------
    from_logits : bool
        True where the network ends without Softmax. The loss is then exact for logits of any
        size; on probabilities it is capped where they underflow (at about 87 in float32).
        The gradient at the logits is p - y either way. A logit may be -inf, as a mask writes it,
        where the target is 0.
    label_smoothing : float
        With ε, the target becomes (1 - ε) y + ε / C: the network need not go to infinity to be
        certain. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016,
        section 7.
    class_weight : mapping of int to float, or sequence of float, optional
        w, how much each class counts: loss_n = -Σ_c w_c y_nc log p_nc, and the mean is divided
        by Σ_n Σ_c w_c y_nc (before smoothing), as PyTorch does for class indices. In a mapping
        such as ``{2: 5.0}`` the classes that are not named count 1; a sequence names them all.
    ignore_index : int, optional
        The class number, such as -100, of targets that do not count: they have no share in the
        loss and its gradient, and the mean is over the others. `Trainer` leaves them out of its
        metrics, too. As in PyTorch; for class indices only.

    Examples
    --------
    >>> loss = CategoricalCrossEntropy()
    >>> y_true, y_pred = [0, 1], [[0.5, 0.5], [0.2, 0.8]]
    >>> round(loss(y_true, y_pred), 4)  # -(log 0.5 + log 0.8) / 2
    0.4581
    >>> loss.backward(y_true, y_pred)
    array([[-1.   , -0.   ],
           [-0.   , -0.625]])
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        class_weight: ClassWeight | None = None,
        ignore_index: int | None = None,
    ) -> None:
        self.from_logits = check_bool("from_logits", from_logits)
        self.label_smoothing = check_range("label_smoothing", label_smoothing, high=1)
        self.class_weight = None if class_weight is None else check_class_weight(class_weight)
        self.ignore_index = check_ignore_index(ignore_index)

    def target(self, y_true: Array) -> Array:
        """Return w_c ((1 - ε) y_nc + ε / C), the factor of -log p."""
        if self.label_smoothing:
            smoothing = self.label_smoothing
            y_true = (1 - smoothing) * y_true + smoothing / y_true.shape[1]
        if self.class_weight is not None:
            weights = weight_of_classes(self.class_weight, y_true.shape[1])
            y_true = y_true * weights.astype(y_true.dtype)
        return y_true

    def named(self, y_true: Array) -> Array:
        return self.target(y_true)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return -dot_of_rows(self.target(y_true), self.log_probabilities(y_pred))

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        target = self.target(y_true)
        if self.from_logits:
            return softmax(y_pred) * target.sum(axis=1, keepdims=True) - target
        return -target / y_pred

    def losses_and_gradients(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        # One exp and one target for both: a tenth to a third less time for loss and gradient.
        target, log_p = self.target(y_true), self.log_probabilities(y_pred)
        losses = -dot_of_rows(target, log_p)
        if self.from_logits:
            return losses, np.exp(log_p) * target.sum(axis=1, keepdims=True) - target
        return losses, -target / y_pred


class KLDivergence(ClassLoss):
    """loss_n = Σ_c y_nc (log y_nc - log p_nc): how far the distribution p is from y.

    Where y is 0 the term is 0. This is the cross-entropy minus the entropy of y, so the gradient
    is the same; the difference is that a perfect prediction has a loss of 0.

    Kullback, Leibler, "On Information and Sufficiency", 1951.

    Parameters
    ----------
    from_logits : bool
        True where the network ends without Softmax.

    Examples
    --------
    >>> loss = KLDivergence()
    >>> loss([[0.5, 0.5]], [[0.5, 0.5]])
    0.0
    >>> round(loss([[0.5, 0.5]], [[0.8, 0.2]]), 4)
    0.2231
    """

    def __init__(self, *, from_logits: bool = False) -> None:
        self.from_logits = check_bool("from_logits", from_logits)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        log_y = np.log(np.maximum(y_true, tiny(y_true.dtype)))
        return np.vecdot(y_true, log_y - self.log_probabilities(y_pred))

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        if self.from_logits:
            return softmax(y_pred) * y_true.sum(axis=1, keepdims=True) - y_true
        return -y_true / y_pred


# ---------------------------------------------------------------- yes or no


class BinaryLoss(Loss):
    """The base class of losses on answers from no, 0, to yes, 1, from probabilities or logits."""

    from_logits: bool

    def rows(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        true, pred = same_rows(y_true, y_pred, self.from_logits)
        low, high = extremes(true)
        if low < 0 or high > 1:
            raise InputError(
                f"y_true must lie in [0, 1], got values from {low:g} to {high:g}; "
                "name the two classes 0 and 1."
            )
        return true, pred if self.from_logits else check_probabilities(true, pred, "Sigmoid")


class BinaryCrossEntropy(BinaryLoss):
    """loss_n = mean over outputs of -y log p - (1 - y) log(1 - p), for yes or no.

    `y_true` lies in [0, 1]; `y_pred` holds probabilities, from a Sigmoid, of the same shape
    ((N,) goes with (N, 1)). Several outputs are several independent questions.

    Parameters
    ----------
    from_logits : bool
        True where the network ends without Sigmoid. The loss is then exact for logits of any
        size: -log p is log(1 + exp(-z)), computed without overflow.
    label_smoothing : float
        With ε, the target becomes (1 - ε) y + ε / 2.
    pos_weight : float
        How many times as much a yes counts as a no: -w y log p - (1 - y) log(1 - p). The mean
        is still over all samples, as in PyTorch.

    Examples
    --------
    >>> loss = BinaryCrossEntropy()
    >>> round(loss([1, 0], [0.8, 0.5]), 4)  # -(log 0.8 + log 0.5) / 2
    0.4581
    >>> loss.backward([1, 0], [0.8, 0.5])
    array([-0.625,  1.   ])
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        pos_weight: float = 1.0,
    ) -> None:
        self.from_logits = check_bool("from_logits", from_logits)
        self.label_smoothing = check_range("label_smoothing", label_smoothing, high=1)
        self.pos_weight = check_range("pos_weight", pos_weight, inclusive=False)

    def targets(self, y_true: Array) -> tuple[Array, Array]:
        """Return the factors of -log p and of -log(1 - p)."""
        yes = y_true
        if self.label_smoothing:
            yes = (1 - self.label_smoothing) * yes + self.label_smoothing / 2
        return (yes if self.pos_weight == 1 else self.pos_weight * yes), 1 - yes

    def named(self, y_true: Array) -> Array:
        return self.targets(y_true)[0]

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        yes, no = self.targets(y_true)
        if self.from_logits:
            of_yes, of_no = negative_log_sigmoids(y_pred)
            loss = yes * of_yes + no * of_no
        else:
            loss = -yes * np.log(y_pred) - no * np.log(np.maximum(1 - y_pred, tiny(y_pred.dtype)))
        return loss.sum(axis=1) / loss.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        yes, no = self.targets(y_true)
        if self.from_logits:
            gradient = (yes + no) * sigmoid(y_pred) - yes
        else:
            gradient = no / np.maximum(1 - y_pred, tiny(y_pred.dtype)) - yes / y_pred
        return gradient / gradient.shape[1]


def negative_log_sigmoids(z: Array) -> tuple[Array, Array]:
    """Return -log p and -log(1 - p) for p = sigmoid(z), exact for any z: exp never overflows."""
    rest = np.log1p(np.exp(-np.abs(z)))
    return np.maximum(-z, 0) + rest, np.maximum(z, 0) + rest
