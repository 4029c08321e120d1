"""Truth and predictions as the metrics need them: as classes, as probabilities, as numbers.

A network's output is taken as it comes. The last axis are its outputs; each place along the other
axes is a sample: N of them for (N, C), N · T for sequences (N, T, C).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array
from chainrule.errors import InputError
from chainrule.loss_functions.inputs import one_hot, weight_of_rows
from chainrule.parameter import Array

ROUNDING = 1e-3
"""So far may a probability lie outside 0 to 1, and a row's sum from 1."""


def measurable(y: ArrayLike) -> Array:
    """Return an array of finite numbers; refuse anything else."""
    y = check_array("truth or predictions", y)
    if y.size == 0:
        raise InputError(f"There is nothing to measure: the shape is {y.shape}.")
    if y.dtype.kind not in "fiub":
        raise InputError(
            f"Truth and predictions must be numbers, got {y.dtype}; number classes from 0."
        )
    if not np.isfinite(y).all():
        raise InputError("Truth or predictions hold NaN or infinity.")
    return y


def outputs_of(y: Array) -> int:
    """Return how many numbers there are of each sample."""
    return y.shape[-1] if y.ndim > 1 else 1


def weights_of(sample_weight: ArrayLike | None, places: tuple[int, ...]) -> Array:
    """Return the weight of each sample, flat, in float64; ones where none are given."""
    if sample_weight is None:
        return np.ones(math.prod(places))
    weight = weight_of_rows(sample_weight, (*places, 1))
    if not weight.any():
        raise InputError("All sample weights are 0; at least one sample has to count.")
    return weight


# ---------------------------------------------------------------- classes


def class_indices(y: ArrayLike) -> Array:
    """Return the class of each sample, (N,): from indices, one-hot rows, scores, probabilities."""
    y = measurable(y)
    if outputs_of(y) > 1:
        return y.argmax(axis=-1).reshape(-1)
    y = y.reshape(-1)
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        return (y >= 0.5).astype(np.intp)
    return y.astype(np.intp)


def true_and_predicted(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Return the true class of each sample, the predicted one, and its weight, each (M,)."""
    true, pred = check_array("y_true", y_true), check_array("y_pred", y_pred)
    places = pred.shape[:-1] or pred.shape
    if true.shape == pred.shape[:-1]:
        true = true.reshape(-1)  # a sequence's labels, (N, T) beside (N, T, C), are no scores
    refuse_several_classes(true)
    true, pred = class_indices(true), class_indices(pred)
    if len(true) != len(pred):
        raise InputError(f"Got {len(true)} labels and {len(pred)} predictions.")
    return true, pred, weights_of(sample_weight, places)


def refuse_several_classes(true: Array) -> None:
    """Raise InputError where rows of whole numbers do not name one class each."""
    if outputs_of(true) == 1 or true.dtype.kind not in "fiub" or (true != np.floor(true)).any():
        return
    wrong = (true.min(axis=-1) < 0) | (true.sum(axis=-1) != 1)
    if wrong.any():
        row = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"y_true has the shape {true.shape}, but its row {', '.join(map(str, row))} does not "
            "hold a single 1: it does not name one class. Give the class of each sample, or "
            "one-hot rows; several labels a sample are measured one column at a time."
        )


# ---------------------------------------------------------------- probabilities


def refuse_all_but_probabilities(y: Array, last_layer: str) -> None:
    """Raise InputError where a number lies outside 0 to 1."""
    low, high = y.min(), y.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"Expected probabilities from 0 to 1, got numbers from {low:g} to {high:g}. "
            f"End the network with a {last_layer}, or take one of its output first."
        )


def refuse_rows_that_do_not_sum_to_1(scores: Array) -> None:
    """Raise InputError unless each row of scores (..., C) is a distribution over the classes."""
    refuse_all_but_probabilities(scores, "Softmax")
    sums = scores.sum(axis=-1, dtype=np.float64)
    if np.abs(sums - 1).max() > ROUNDING:
        raise InputError(
            "Expected a row of probabilities for each sample, which sum to 1; got rows that sum "
            f"to {sums.min():g} up to {sums.max():g}. End the network with a Softmax, or take one "
            "of its output first."
        )


def distributions(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return truth and predictions as rows of probabilities (M, C), and each row's weight (M,).

    One column of probabilities p becomes the two columns 1 - p and p.
    """
    true, pred = measurable(y_true), measurable(y_pred)
    if pred.ndim == 0:
        raise InputError("Expected a batch of probabilities, got a single number.")
    single = outputs_of(pred) == 1
    places = pred.shape[:-1] or pred.shape
    classes = 2 if single else pred.shape[-1]
    if single:
        refuse_all_but_probabilities(pred, "Sigmoid")
        p = two_columns(pred)
    else:
        refuse_rows_that_do_not_sum_to_1(pred)
        p = pred.reshape(-1, classes).astype(np.float64)
    if true.shape == pred.shape and not single:
        refuse_rows_that_do_not_sum_to_1(true)
        y = true.reshape(-1, classes).astype(np.float64)
    elif true.size != len(p):
        raise InputError(f"Got {true.size} labels and {len(p)} predictions.")
    elif single:
        refuse_all_but_probabilities(true, "Sigmoid")
        y = two_columns(true)
    else:
        y = one_hot(class_indices(true.reshape(-1)), classes, np.float64)
    return y, p, weights_of(sample_weight, places)


def two_columns(p: Array) -> Array:
    """Return the probabilities of class 0 and class 1, (M, 2), for those of class 1."""
    p = p.reshape(-1).astype(np.float64)
    return np.stack([1 - p, p], axis=1)


# ---------------------------------------------------------------- numbers


def numbers(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return truth and predictions as rows (M, outputs) in float64, and each row's weight (M,)."""
    true, pred = measurable(y_true), measurable(y_pred)
    one_column = {true.shape, pred.shape} == {true.shape[:1], (*true.shape[:1], 1)}
    if true.ndim == 0 or not (one_column or true.shape == pred.shape):
        raise InputError(f"Truth and predictions must match, got {true.shape} and {pred.shape}.")
    places, outputs = pred.shape[:-1] or pred.shape, outputs_of(pred)
    if one_column:
        places, outputs = true.shape[:1], 1
    rows = [y.reshape(-1, outputs).astype(np.float64) for y in (true, pred)]
    return rows[0], rows[1], weights_of(sample_weight, places)
