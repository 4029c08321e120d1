"""How much each sample counts: its own weight times the weight of its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.checks import check_numbers
from chainrule.errors import InputError
from chainrule.loss_functions.class_weight import ClassWeight, weight_of_classes
from chainrule.loss_functions.inputs import refuse_class_weights, refuse_huge_weights
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array

NO_CLASSES = (
    "class_weight needs classes: y must hold whole numbers from 0 or one-hot rows. Beside "
    "ignore_index give it to the loss."
)


def sample_weights(
    y: PyTree, sample_weight: Any, class_weight: ClassWeight | str | None
) -> Array | None:
    """Return the weight of every sample; None where all count the same."""
    weight = None
    if sample_weight is not None:
        refuse_class_weights(sample_weight)
        weight = check_numbers(
            "sample_weight",
            sample_weight,
            finite=False,
            empty=True,
            advice="give a number for each",
        )
        weight = weight.astype(np.float64)
        samples = len(first_array(y))
        if weight.ndim == 0 or len(weight) != samples:
            got = "a single sample weight" if weight.ndim == 0 else f"{len(weight)} sample weights"
            raise InputError(f"Got {got} for {samples} samples.")
        if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
            raise InputError("Sample weights must be finite, not negative, and not all zero.")
    if class_weight is not None:
        labels = class_labels(y) if isinstance(y, np.ndarray) else None
        if labels is None:
            raise InputError(NO_CLASSES)
        if isinstance(class_weight, str):
            class_weight = balanced(y)
        of_class = weight_of_labels(labels, class_weight)
        with np.errstate(over="ignore"):  # refused below
            weight = of_class if weight is None else weight * of_class
        if not weight.any():
            raise InputError("class_weight gives every sample the weight zero.")
    if weight is not None:
        refuse_huge_weights(weight)
    return weight


def weight_of_labels(labels: Array, class_weight: ClassWeight) -> Array:
    """Return the weight of each label's class, in the shape of `labels`."""
    if isinstance(class_weight, Mapping):
        classes, places = np.unique(labels, return_inverse=True)
        weights = np.array([class_weight.get(int(label), 1.0) for label in classes])
        return weights[places.reshape(labels.shape)]
    return weight_of_classes(class_weight, int(labels.max()) + 1)[labels]


def rows_that_count(weight: Array) -> Array:
    """Return the row numbers of the samples of which something has a weight above 0."""
    return np.flatnonzero(weight.reshape(len(weight), -1).any(axis=1))


def without_class_weight(
    y: PyTree, weight: Array | None, class_weight: ClassWeight | None
) -> Array | None:
    """Return the weights of samples that were multiplied with those of their classes.

    0 where the class has the weight 0.
    """
    labels = class_labels(y) if isinstance(y, np.ndarray) else None
    if weight is None or class_weight is None or labels is None:
        return weight
    of_class = weight_of_labels(labels, class_weight)
    return np.divide(weight, of_class, out=np.zeros_like(weight), where=of_class > 0)


def balanced(y: Array) -> dict[int, float]:
    """Return the weights with which all classes count the same in total."""
    labels = class_labels(y)
    if labels is None:
        raise InputError(NO_CLASSES)
    classes, counts = np.unique(labels, return_counts=True)
    weights = labels.size / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def refuse_absent_classes(y: Array, class_weight: ClassWeight) -> None:
    """Raise InputError where a weight is given for a class that no sample has.

    A sequence must not be longer than the largest class in `y`.
    """
    labels = class_labels(y)
    if labels is None:
        return
    present = set(np.unique(labels).tolist())
    if isinstance(class_weight, Mapping):
        absent = sorted(set(class_weight) - present)
    else:
        absent = list(range(max(present) + 1, len(class_weight)))
    if absent:
        raise InputError(
            f"class_weight names the classes {absent}, which no sample has; y holds "
            f"{sorted(present)[:20]}."
        )


def class_labels(y: Array) -> Array | None:
    """Return the class of each sample, or None if `y` does not hold classes.

    Classes are whole numbers from 0, (N,) or (N, 1), (N, T) for sequences, or one-hot rows.
    """
    if y.ndim == 2 and y.shape[1] > 1 and _is_one_hot(y):
        return y.argmax(axis=1)
    if y.dtype.kind == "b" or (y.dtype.kind in "iu" and y.size and y.min() >= 0):
        return y.reshape(len(y)).astype(np.intp) if y.size == len(y) else y.astype(np.intp)
    if y.dtype.kind == "f" and y.size == len(y) and ((y == 0) | (y == 1)).all():
        return y.reshape(len(y)).astype(np.intp)  # 0 or 1, for binary cross-entropy
    return None


def _is_one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
