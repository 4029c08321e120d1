"""Checks targets and predictions and returns them as classes, probabilities or numbers.

The last axis of a network's output holds its outputs; each position along the other axes is a
sample: N of them for (N, C), N · T for sequences (N, T, C).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_numbers
from chainrule.errors import InputError
from chainrule.loss_functions.inputs import ROUNDING, one_hot, weight_of_rows
from chainrule.parameter import Array


def measurable(name: str, y: ArrayLike) -> Array:
    """Return an array of finite numbers that is not empty; refuse anything else."""
    return check_numbers(name, y, advice="number the classes from 0")


def outputs_of(y: Array) -> int:
    """Return the number of outputs per sample."""
    return y.shape[-1] if y.ndim > 1 else 1


def check_same_count(labels: int, predictions: int) -> None:
    """Raise InputError unless there are as many labels as predictions."""
    if labels != predictions:
        raise InputError(f"Got {labels} labels and {predictions} predictions.")


def weights_of(sample_weight: ArrayLike | None, y_pred: Array) -> Array:
    """Return the weight of each prediction, flat, in float64; ones where none are given."""
    if sample_weight is None:
        return np.ones(y_pred.size // outputs_of(y_pred))
    weight = weight_of_rows(sample_weight, y_pred.shape)
    if not weight.any():
        raise InputError("All sample weights are 0; at least one sample has to count.")
    return weight


# ---------------------------------------------------------------- classes


def class_indices(y: ArrayLike) -> Array:
    """Return the class of each sample, (N,).

    Parameters
    ----------
    y : array_like
        Class indices (N,); one-hot rows or scores (N, C), of which the largest is taken; or a
        single column of probabilities (N,) or (N, 1): class 1 at 0.5 or above.

    Raises
    ------
    InputError
        `y` does not hold finite numbers, or is empty.

    Examples
    --------
    >>> class_indices([[0.2, 0.8], [0.9, 0.1]])
    array([1, 0])
    >>> class_indices([0.2, 0.8])
    array([0, 1])
    """
    return _class_indices("y", y)


def _class_indices(name: str, y: ArrayLike) -> Array:
    y = measurable(name, y)
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
    true, scores = check_array("y_true", y_true), check_array("y_pred", y_pred)
    if true.shape == scores.shape[:-1]:
        true = true.reshape(-1)  # labels of sequences, (N, T) beside (N, T, C), are not scores
    refuse_several_classes(true)
    true, pred = _class_indices("y_true", true), _class_indices("y_pred", scores)
    check_same_count(len(true), len(pred))
    return true, pred, weights_of(sample_weight, scores)


def refuse_several_classes(true: Array) -> None:
    """Raise InputError if rows of whole numbers are not one-hot."""
    if outputs_of(true) == 1 or true.dtype.kind not in "fiub" or (true != np.floor(true)).any():
        return
    wrong = (true.min(axis=-1) < 0) | (true.sum(axis=-1) != 1)
    if wrong.any():
        row = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"y_true has the shape {true.shape}, but its row {', '.join(map(str, row))} does not "
            "hold a single 1: it does not name one class. Give the class of each sample, or "
            "one-hot rows; several labels per sample are measured one column at a time."
        )


# ---------------------------------------------------------------- probabilities


def check_probabilities(y: Array, last_layer: str) -> None:
    """Raise InputError if a number is outside 0 to 1."""
    low, high = y.min(), y.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"Expected probabilities from 0 to 1, got numbers from {low:g} to {high:g}. "
            f"End the network with a {last_layer}, or apply one to its output first."
        )


def check_distributions(scores: Array) -> None:
    """Raise InputError unless each row of scores (..., C) is a probability distribution."""
    check_probabilities(scores, "Softmax")
    sums = scores.sum(axis=-1, dtype=np.float64)
    if np.abs(sums - 1).max() > ROUNDING:
        raise InputError(
            "Expected a row of probabilities for each sample, which sum to 1; got rows that sum "
            f"to {sums.min():g} up to {sums.max():g}. End the network with a Softmax, or apply one "
            "to its output first."
        )


def distributions(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return targets and predictions as rows of probabilities (M, C), and each row's weight (M,).

    One column of probabilities p becomes the two columns 1 - p and p.
    """
    true, pred = measurable("y_true", y_true), measurable("y_pred", y_pred)
    if pred.ndim == 0:
        raise InputError("Expected a batch of probabilities, got a single number.")
    weight, classes = weights_of(sample_weight, pred), outputs_of(pred)
    if classes == 1:
        check_same_count(true.size, pred.size)
        check_probabilities(pred, "Sigmoid")
        check_probabilities(true, "Sigmoid")
        return two_columns(true), two_columns(pred), weight
    check_distributions(pred)
    if true.shape == pred.shape:
        check_distributions(true)
    else:
        check_same_count(true.size, pred.size // classes)
        true = one_hot(class_indices(true.reshape(-1)), classes)
    rows = [y.reshape(-1, classes).astype(np.float64) for y in (true, pred)]
    return rows[0], rows[1], weight


def two_columns(p: Array) -> Array:
    """Return the probabilities of class 0 and class 1, (M, 2), given those of class 1."""
    p = p.reshape(-1).astype(np.float64)
    return np.stack([1 - p, p], axis=1)


# ---------------------------------------------------------------- numbers


def numbers(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return targets and predictions as rows (M, outputs) in float64, and each row's weight."""
    true, pred = measurable("y_true", y_true), measurable("y_pred", y_pred)
    one_column = {true.shape, pred.shape} == {true.shape[:1], (*true.shape[:1], 1)}
    if true.ndim == 0 or not (one_column or true.shape == pred.shape):
        raise InputError(f"y_true and y_pred must match, got {true.shape} and {pred.shape}.")
    outputs = 1 if one_column else outputs_of(pred)
    rows = [y.reshape(-1, outputs).astype(np.float64) for y in (true, pred)]
    return rows[0], rows[1], weights_of(sample_weight, pred)
