"""Hinge losses: right by a margin is right enough. They take scores of any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_range
from chainrule.errors import InputError
from chainrule.loss_functions.base import Loss
from chainrule.loss_functions.inputs import check_ignore_index, class_rows
from chainrule.parameter import Array

__all__ = ["CategoricalHinge", "Hinge", "MultiMargin"]


class Hinge(Loss):
    """loss_n = mean over outputs of max(0, 1 - y s), for yes (1) or no (-1 or 0) and scores s.

    The loss of support vector machines: Cortes, Vapnik, "Support-Vector Networks", 1995.

    Examples
    --------
    >>> Hinge()([1, -1], [0.25, -3.0])  # the mean of 0.75 and 0
    0.375
    """

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        true, pred = super().rows(y_true, y_pred)
        sign = np.where(true > 0, pred.dtype.type(1), pred.dtype.type(-1))
        if ((true != sign) & (true != 0)).any():
            raise InputError(
                f"y_true must hold 1 for yes and -1 or 0 for no, got values from {true.min():g} "
                f"to {true.max():g}."
            )
        return sign, pred

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return np.maximum(0, 1 - y_true * y_pred).sum(axis=1) / y_pred.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return -y_true * (y_true * y_pred < 1) / y_pred.shape[1]


class ScoreLoss(Loss):
    """The base class of losses on one score for each class, of any size."""

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        return class_rows(y_true, y_pred, self.ignore_index)


class CategoricalHinge(ScoreLoss):
    """loss_n = max(0, 1 + max_c (1 - y_nc) s_nc - Σ_c y_nc s_nc): only the best rival counts.

    As Keras defines it, for one-hot rows or class indices. The true class takes part in the
    maximum with a 0, so a rival with a negative score does not count. Of equal rivals the first
    one gets the gradient.

    Parameters
    ----------
    ignore_index : int, optional
        The class number of targets that do not count; see `CategoricalCrossEntropy`.

    Examples
    --------
    >>> CategoricalHinge()([0], [[0.5, 2.0, 1.0]])  # 1 + 2 - 0.5
    2.5
    """

    def __init__(self, *, ignore_index: int | None = None) -> None:
        self.ignore_index = check_ignore_index(ignore_index)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        rival = ((1 - y_true) * y_pred).max(axis=1)
        return np.maximum(0, 1 + rival - np.vecdot(y_true, y_pred))

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        others = 1 - y_true
        rows, rival = np.arange(len(y_pred)), (others * y_pred).argmax(axis=1)
        gradient = -y_true
        gradient[rows, rival] += others[rows, rival]
        return gradient * (self.losses(y_true, y_pred) > 0)[:, np.newaxis]


class MultiMargin(ScoreLoss):
    """loss_n = Σ_c≠t max(0, margin + s_nc - s_nt) / C, t the true class: every rival counts.

    Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", 1999; with
    PyTorch's division by the number of classes.

    Parameters
    ----------
    margin : float
        By how much the score of the true class should be the highest.
    ignore_index : int, optional
        The class number of targets that do not count; see `CategoricalCrossEntropy`.

    Examples
    --------
    >>> MultiMargin()([0], [[0.5, 2.0, 1.0, -3.0]])  # (2.5 + 1.5 + 0) / 4
    1.0
    """

    def __init__(self, margin: float = 1.0, *, ignore_index: int | None = None) -> None:
        self.margin = check_range("margin", margin, inclusive=False)
        self.ignore_index = check_ignore_index(ignore_index)

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        true, pred = super().rows(y_true, y_pred)
        best = true.max(axis=1)
        if ((best != 1) & ((best != 0) | (self.ignore_index is None))).any():
            raise InputError("MultiMargin takes one true class a row: class indices or one-hot.")
        return true, pred

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return np.maximum(0, self.excess(y_true, y_pred)).sum(axis=1) / y_pred.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        active = (self.excess(y_true, y_pred) > 0).astype(y_pred.dtype)
        return (active - y_true * active.sum(axis=1, keepdims=True)) / y_pred.shape[1]

    def excess(self, y_true: Array, y_pred: Array) -> Array:
        """Return how far each rival reaches into the margin, (N, C); 0 for the true class."""
        score = np.vecdot(y_true, y_pred)[:, np.newaxis]
        return (self.margin + y_pred - score) * (1 - y_true)
