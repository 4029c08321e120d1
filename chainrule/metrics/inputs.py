"""Checks targets and predictions and returns them as classes, probabilities or numbers.

The last axis of a network's output holds its outputs; each position along the other axes is a
sample: N of them for (N, C), N · T for sequences (N, T, C).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_finite, check_numbers
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
        `y` is empty or holds NaN, or infinity (but -inf may be among scores).

    Examples
    --------
    >>> class_indices([[0.2, 0.8], [0.9, 0.1]])
    array([1, 0])
    >>> class_indices([0.2, 0.8])
    array([0, 1])
    """
    y = scores_of("y", y)
    if outputs_of(y) > 1:
        return y.argmax(axis=-1).reshape(-1)
    y = y.reshape(-1)
    return y.astype(np.intp) if are_classes(y) else (y >= 0.5).astype(np.intp)


def scores_of(name: str, y: ArrayLike) -> Array:
    """Return an array of numbers that is not empty; -inf, as a mask writes it, is among scores."""
    array = check_numbers(name, y, finite=False, advice="number the classes from 0")
    if array.dtype.kind == "f":
        check_finite(name, np.where(np.isneginf(array), 0, array))
    return array


def are_classes(column: Array) -> bool:
    """Whether all numbers may be names of classes: they are whole, and not huge."""
    if column.dtype.kind != "f":
        return True
    column = column.astype(np.float64)  # 2**53 is too large for float16
    return bool(((column == np.floor(column)) & (np.abs(column) < 2**53)).all())


def true_classes(y_true: ArrayLike, classes: int = 1) -> Array:
    """Return the true class of each sample, (M,): whole numbers, or rows of probabilities.

    With scores for several `classes` beside them, they run from 0.

    Raises
    ------
    InputError
        `y_true` holds something else, such as the numbers of a regression.
    """
    y = measurable("y_true", y_true)
    if outputs_of(y) > 1:
        refuse_several_classes(y)
        if classes > 1 and y.shape[-1] != classes:
            raise InputError(
                f"y_true has {y.shape[-1]} columns and y_pred {classes}; give one for each class, "
                "or the class of each sample."
            )
        return y.argmax(axis=-1).reshape(-1)
    y = y.reshape(-1)
    if not are_classes(y):
        raise InputError(
            f"y_true must hold classes, got numbers from {y.min():g} to {y.max():g}. Of a "
            "regression measure mean_absolute_error or r2_score; of shares of yes, y_true >= 0.5."
        )
    y = y.astype(np.intp)
    if classes > 1 and (y.min() < 0 or y.max() >= classes):
        raise InputError(
            f"There are {classes} scores for each sample, so labels run from 0 to {classes - 1}; "
            f"y_true holds labels from {y.min()} to {y.max()}. "
            "np.unique(y, return_inverse=True)[1] numbers them from 0."
        )
    return y


def predicted_classes(y_pred: ArrayLike, true: Array) -> Array:
    """Return the predicted class of each sample, (M,); `true` holds the true ones.

    Raises
    ------
    InputError
        A single column holds probabilities or scores, and the true classes are not 0 and 1.
    """
    y = scores_of("y_pred", y_pred)
    column = y.reshape(-1)
    if outputs_of(y) == 1 and not are_classes(column):
        found = np.unique(true)
        if found[0] < 0 or found[-1] > 1:
            named = found[:10].tolist()
            advice = "Give y_true as 0 and 1, or the predicted classes"
            if len(found) == 2:
                low, high = named
                advice += (
                    f": np.where(y_pred >= 0.5, {high}, {low}) of probabilities, "
                    f"np.where(y_pred >= 0, {high}, {low}) of scores"
                )
            raise InputError(
                f"y_pred is a column of numbers from {column.min():g} to {column.max():g}, and "
                f"y_true holds the classes {named}: which of them is meant is not known. {advice}."
            )
    return class_indices(y)


def true_and_predicted(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Return the true class of each sample, the predicted one, and its weight, each (M,)."""
    true, scores = check_array("y_true", y_true), check_array("y_pred", y_pred)
    if true.shape == scores.shape[:-1]:
        true = true.reshape(-1)  # labels of sequences, (N, T) beside (N, T, C), are not scores
    true = true_classes(true, outputs_of(scores))
    pred = predicted_classes(scores, true)
    check_same_count(len(true), len(pred))
    return true, pred, weights_of(sample_weight, scores)


def refuse_several_classes(true: Array) -> None:
    """Raise InputError unless rows name one class each: one-hot, or probabilities."""
    if outputs_of(true) == 1 or true.dtype.kind not in "fiub":
        return
    wrong = (true.min(axis=-1) < 0) | (np.abs(true.sum(axis=-1) - 1.0) > ROUNDING)
    if wrong.any():
        row = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"y_true has the shape {true.shape}, but its row {', '.join(map(str, row))} does not "
            "hold a single 1, or probabilities: it does not name one class. Give the class of each "
            "sample, or one-hot rows; several labels per sample, or numbers, are measured one "
            "column at a time."
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
        if true.min() < 0 or true.max() > 1:
            raise InputError(
                f"y_true must hold 0 and 1 beside a column of probabilities, got numbers from "
                f"{true.min():g} to {true.max():g}."
            )
        return two_columns(true), two_columns(pred), weight
    check_distributions(pred)
    if true.shape == pred.shape:
        check_distributions(true)
    else:
        check_same_count(true.size, pred.size // classes)
        true = one_hot(true_classes(true.reshape(-1), classes), classes)
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
