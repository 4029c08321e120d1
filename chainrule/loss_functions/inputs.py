"""Targets and predictions as the losses need them: checked, as rows (N, outputs), weighted.

Losses call these where something has to be converted or refused. Two arrays that fit already, as
in most calls, are recognised in `base.py` by a few comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.checks import (
    all_finite,
    check_array,
    check_finite,
    check_numbers,
    check_sizes,
    check_whole,
)
from chainrule.errors import InputError
from chainrule.layers.activations import tiny
from chainrule.parameter import Array

LARGEST_WEIGHT = 1e200
"""What the weights of a batch may sum to: 10¹⁰⁸ such batches still have a sum."""

ROUNDING = 1e-3
"""How far a probability may lie outside 0 to 1, and the sum of a row from 1."""


def _as_arrays(y_true: ArrayLike, y_pred: ArrayLike, masked: bool = False) -> tuple[Array, Array]:
    """Return targets, any finite numbers, and predictions, finite floats, as arrays.

    `masked` predictions may hold -inf, which becomes the lowest logit to compute with.
    """
    true = check_numbers("y_true", y_true, empty=True, advice="number the classes from 0")
    pred = check_numbers(
        "y_pred", y_pred, finite=False, advice="give what the network returned, real numbers"
    )
    if pred.ndim == 0:
        raise InputError(f"y_pred must be a batch of predictions, got the single number {pred}.")
    pred = pred if pred.dtype.kind == "f" else pred.astype(np.float64)
    if masked and not all_finite(pred):
        pred = lowest_for_masked(pred)
    check_predictions(pred)
    return true, pred


def check_predictions(y_pred: Array) -> None:
    """Refuse predictions that are NaN or infinite."""
    check_finite(
        "y_pred",
        y_pred,
        advice="Training has diverged. A smaller learning rate and standardised inputs usually "
        "help.",
    )


def lowest_logit(dtype: np.dtype[Any]) -> float:
    """Return a logit that gives no probability beside any other, and does not overflow in sums."""
    return float(np.finfo(dtype).min) / 2**20


def lowest_for_masked(y_pred: Array) -> Array:
    """Return predictions with the lowest logit in place of -inf, which a mask writes.

    A term of the loss with the factor 0 is then 0, where 0 · -inf would be NaN.
    """
    return np.where(np.isneginf(y_pred), y_pred.dtype.type(lowest_logit(y_pred.dtype)), y_pred)


def refuse_infinite_loss(named: Array, y_pred: ArrayLike, share: float | Array) -> None:
    """Raise InputError where a logit that the target asks for is -inf: the loss is infinite.

    `named` says how much the target asks for each output, `share` how much each row counts.
    """
    pred = np.asarray(y_pred).reshape(named.shape)
    if pred.dtype.kind != "f" or all_finite(pred):
        return
    infinite = np.isneginf(pred) & (named > 0)
    if not isinstance(share, float):
        infinite &= (share > 0)[:, np.newaxis]
    if infinite.any():
        row, output = (int(place) for place in np.argwhere(infinite)[0])
        raise InputError(
            f"The loss is infinite: y_pred is -inf in row {row}, column {output}, which y_true "
            "gives a weight above 0. A mask may not rule out what is true, and label_smoothing "
            "asks for every class; mask with a large negative number, such as -30, instead."
        )


def check_probabilities(y_true: Array, y_pred: Array, last_layer: str) -> Array:
    """Return probabilities, kept above 0 (see `Softmax`); refuse all other predictions.

    A little rounding below 0 or above 1 is allowed.
    """
    low, high = extremes(y_pred)
    if low == 0 and high == 1 and _zeros_and_ones(y_pred) and not _zeros_and_ones(y_true):
        # Softmax and Sigmoid never return an exact 0, so the two arguments have changed places.
        raise InputError(
            "y_pred holds only zeros and ones, and y_true numbers in between: the two seem to be "
            "swapped. The targets come first: loss.forward(y_true, y_pred)."
        )
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"y_pred must hold probabilities, got values from {low:g} to {high:g}. End the network "
            f"with a {last_layer}, or give the loss from_logits=True."
        )
    floor = tiny(y_pred.dtype)
    return np.maximum(y_pred, floor) if low < floor else y_pred


def _zeros_and_ones(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all())


def extremes(array: Array) -> tuple[float, float]:
    """Return the smallest and the largest number; argmin is faster than min, see `within`."""
    if array.flags.c_contiguous:
        return array.item(array.argmin()), array.item(array.argmax())
    return array.min().item(), array.max().item()


# ---------------------------------------------------------------- rows


def same_rows(y_true: ArrayLike, y_pred: ArrayLike, masked: bool = False) -> tuple[Array, Array]:
    """Return both as (N, outputs), in the predictions' type; refuse shapes that differ.

    `masked` predictions may hold -inf.
    """
    true, pred = _as_arrays(y_true, y_pred, masked)
    one_output = true.shape + (1,) == pred.shape or pred.shape + (1,) == true.shape
    if true.shape != pred.shape and not one_output:  # (N,) and (N, 1) are the same thing
        classes = true.ndim == 1 and pred.ndim == 2 and true.dtype.kind in "iub"
        raise InputError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}; they must be equal."
            + (" Class numbers go with CategoricalCrossEntropy." if classes else "")
        )
    outputs = pred.shape[-1] if pred.ndim > 1 else 1
    true = true.astype(pred.dtype, copy=False)
    return true.reshape(-1, outputs), pred.reshape(-1, outputs)


def class_rows(
    y_true: ArrayLike, y_pred: ArrayLike, ignore_index: int | None = None, masked: bool = False
) -> tuple[Array, Array]:
    """Return both as (N, classes), in the predictions' type; labels become one-hot rows.

    The row of a label that is ignored is all 0. `masked` predictions may hold -inf.
    """
    true, pred = _as_arrays(y_true, y_pred, masked)
    if pred.ndim < 2:
        swapped = true.ndim == 2 and pred.shape == true.shape[:1]
        raise InputError(
            f"y_pred must be (N, classes), got the shape {pred.shape}."
            + (" The targets come first: loss.forward(y_true, y_pred)." if swapped else "")
        )
    classes = pred.shape[-1]
    if classes == 1:
        raise InputError(
            "One output is no choice between classes. For yes or no use BinaryCrossEntropy, with a "
            "Sigmoid at the end (Network([4, 8, 1]) has one); or give the network one output for "
            "each class."
        )
    if true.shape == pred.shape[:-1]:
        if ignore_index is None:
            true = one_hot(true, classes, pred.dtype)
        else:
            ignored = true == ignore_index
            true = one_hot(np.where(ignored, 0, true), classes, pred.dtype)
            true[ignored] = 0
    elif ignore_index is not None:
        raise InputError(
            f"ignore_index is for class numbers, {pred.shape[:-1]}; got y_true of the shape "
            f"{true.shape}. Rows that should not count have sample_weight=0."
        )
    elif true.shape != pred.shape:
        raise InputError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}. Give the class of "
            f"each sample, {pred.shape[:-1]} (y.reshape(-1) makes it from a column), or one row "
            f"for each sample, {pred.shape}."
        )
    elif true.min() < 0 or np.abs(true.sum(axis=-1) - 1).max() > ROUNDING:
        raise InputError(
            "Each row of y_true must be a distribution over the classes: not negative, sum 1."
        )
    true = true.astype(pred.dtype, copy=False)
    return true.reshape(-1, classes), pred.reshape(-1, classes)


def check_ignore_index(ignore_index: int | None) -> int | None:
    """Return the class number that is ignored, if there is one; refuse anything else."""
    if ignore_index is None:
        return None
    return check_whole("ignore_index", ignore_index, least=None)


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike = np.float32) -> Array:
    """Return rows of zeros with a one at each label: (...,) integers to (..., classes).

    Parameters
    ----------
    labels : array_like of int
        Classes from 0 to ``classes - 1``, in an array of any shape.
    classes : int
        How many classes there are.
    dtype : dtype
        The type of the rows.

    Raises
    ------
    InputError
        A label is not an integer, or not one of the classes.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = check_array("labels", labels)
    (classes,) = check_sizes(classes=classes)
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"Class labels are whole numbers from 0 to {classes - 1}, got {labels.dtype}."
        )
    low, high = extremes(labels) if labels.size else (0, 0)
    if low < 0 or high >= classes:
        raise InputError(
            f"There are {classes} classes, so labels run from 0 to {classes - 1}; "
            f"got labels from {low} to {high}."
        )
    rows = np.zeros((labels.size, classes), dtype)
    rows[np.arange(labels.size), labels.reshape(-1)] = 1
    return rows.reshape(*labels.shape, classes)


# ---------------------------------------------------------------- weights


def weight_of_rows(sample_weight: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return the weight of each row, (N,) in float64, for predictions of this shape."""
    refuse_class_weights(sample_weight)
    weight = check_numbers(
        "sample_weight", sample_weight, empty=True, advice="give one for each sample"
    )
    positions = shape[:-1] if len(shape) > 1 else shape
    if weight.ndim == 0 or weight.shape != positions[: weight.ndim]:
        choices = " or ".join(str(positions[:axes]) for axes in range(1, len(positions) + 1))
        raise InputError(
            f"Sample weights of the shape {weight.shape} do not fit predictions {shape}; "
            f"give {choices}."
        )
    if weight.min() < 0:
        raise InputError("Sample weights must not be negative.")
    weight = weight.astype(np.float64)
    missing_axes = (1,) * (len(positions) - weight.ndim)
    weight = np.broadcast_to(weight.reshape(weight.shape + missing_axes), positions).reshape(-1)
    refuse_huge_weights(weight)
    return weight


def refuse_class_weights(sample_weight: Any) -> None:
    """Raise InputError for weights of classes, or of outputs, in place of those of samples."""
    if isinstance(sample_weight, Mapping):
        raise InputError(
            "sample_weight is one number for each sample, an array as long as X; got a dict. The "
            f"weights of classes are class_weight={dict(sample_weight)}; how much each output's "
            "loss counts is Trainer(..., loss_weights={...})."
        )
    if isinstance(sample_weight, str):
        raise InputError(
            "sample_weight is one number for each sample, an array as long as X; got the text "
            f"{sample_weight!r}. What balances classes is class_weight='balanced'."
        )


def refuse_huge_weights(weight: Array) -> None:
    """Raise InputError where the sum of the weights of many batches may overflow."""
    with np.errstate(over="ignore"):
        if not weight.sum() < LARGEST_WEIGHT:
            raise InputError(
                "The sample weights sum to more than a number can hold, over many batches. Only "
                "their ratios matter, so divide them by the largest."
            )
