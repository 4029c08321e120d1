"""The targets y: one class out of several, several labels, or numbers.

Each kind encodes the user's y as what a network learns, and decodes a network's outputs as what
the user asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators.inputs import plain_labels, refuse_masks_and_dates
from chainrule.layers.activations import tiny
from chainrule.parameter import Array
from chainrule.preparation import Standardizer
from chainrule.preparation.standardizer import handle_zeros_in_scale


class Targets:
    """What all kinds share.

    Each kind has `encode(y)`, what the network learns, (N,) or (N, outputs), which refuses an
    unsuitable y; `decode(outputs)`, the predictions for outputs (N, outputs) in the units of y; and
    `score(encoded, outputs, weight)`, scikit-learn's score of a network's outputs.

    Attributes
    ----------
    output : {"softmax", "sigmoid", "linear"}
        The output of a network that learns them.
    n_outputs : int
        How many numbers it has to put out.
    """

    output: str
    n_outputs: int

    def fit(self, y: Array, weight: Array | None) -> None:
        """Measure the targets that are learned from."""

    def in_units(self, outputs: Array) -> Array:
        """Return a network's outputs, (..., outputs), in the units of y."""
        return outputs

    def decode_std(self, outputs: Array, std: Array) -> Array:
        """Return the members' deviation, (N, outputs), as it belongs to `decode(outputs)`."""
        return std

    def strata(self, y: Array) -> Array | None:
        """Return the class of each row, by which to stratify, or None."""
        return None

    def check_remaining(self, y: Array) -> None:
        """Refuse targets of which too few are left after rows of weight 0 were taken out."""


# ---------------------------------------------------------------- classes


class MulticlassTargets(Targets):
    """One class out of several: y holds labels of any kind, the network returns probabilities.

    Attributes
    ----------
    classes : ndarray
        The labels, sorted.
    """

    output = "softmax"

    def __init__(self, classes: Array) -> None:
        if len(classes) < 2:
            raise InputError(
                f"There is only one class in y, {classes.tolist()[0]!r}; a classifier needs at "
                "least two."
            )
        self.classes = classes
        self.n_outputs = len(classes)

    def encode(self, y: Array) -> Array:
        """Return the index of each label's class, (N,); refuse an unknown label."""
        places = np.searchsorted(self.classes, y).clip(max=self.n_outputs - 1)
        unknown = self.classes[places] != y
        if unknown.any():
            raise InputError(
                f"`y` has classes {np.unique(y[unknown])} that are not in `self.classes_`, "
                f"{self.classes}. Name all of them on the first call, partial_fit(classes=...)."
            )
        return places

    def in_units(self, outputs: Array) -> Array:
        """Return the probability of every class, also for a network with a single output."""
        if outputs.shape[-1] > 1:
            return outputs
        return np.concatenate([np.maximum(1 - outputs, tiny(outputs.dtype)), outputs], axis=-1)

    def decode(self, outputs: Array) -> Array:
        """Return the most probable label of each row."""
        return self.classes[outputs.argmax(axis=1)]

    def decode_std(self, outputs: Array, std: Array) -> Array:
        """Return the deviation of the most probable label's probability, (N,)."""
        return np.take_along_axis(std, outputs.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]

    def score(self, encoded: Array, outputs: Array, weight: Array | None = None) -> float:
        """Return the accuracy."""
        found = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return float(np.average(found == encoded, weights=weight))

    def strata(self, y: Array) -> Array:
        return self.encode(y)

    def check_remaining(self, y: Array) -> None:
        if len(np.unique(y)) < 2:
            raise InputError(
                f"Only one class, {y[:1].tolist()[0]!r}, is left after rows of weight 0 are taken "
                "out; a classifier needs at least two."
            )


class MultilabelTargets(Targets):
    """Several labels, each of which applies or not: y is a table of 0 and 1, one column each."""

    output = "sigmoid"

    def __init__(self, n_outputs: int) -> None:
        self.classes = np.arange(n_outputs)
        self.n_outputs = n_outputs

    def encode(self, y: Array) -> Array:
        """Return y as floats, (N, outputs)."""
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise InputError(
                f"y has the shape {y.shape}; before, it had {self.n_outputs} columns of 0 and 1."
            )
        return y.astype(np.float32)

    def decode(self, outputs: Array) -> Array:
        """Return 1 for labels with a probability above one half, else 0."""
        return (outputs > 0.5).astype(np.intp)

    def score(self, encoded: Array, outputs: Array, weight: Array | None = None) -> float:
        """Return the subset accuracy: the share of rows in which every label is right."""
        right = ((outputs > 0.5) == (encoded > 0.5)).all(axis=1)
        return float(np.average(right, weights=weight))


def check_labels(y: Any) -> Array:
    """Return labels as an array, (N,), or a table of 0 and 1, (N, labels); refuse anything else."""
    if y is None:
        raise ConfigurationError("A classifier requires y to be passed, but the target y is None.")
    y = plain_labels(y)
    y = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y")
    y = y.toarray() if hasattr(y, "toarray") else y
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if type_of_target(y) == "multiclass-multioutput":
        raise InputError(
            "y has several columns of classes. Several columns must hold 0 and 1, one column for "
            "each label; to learn several classes at once use "
            "sklearn.multioutput.MultiOutputClassifier."
        )
    return y


def class_targets(y: Array, classes: Any = None) -> MulticlassTargets | MultilabelTargets:
    """Return the kind of classes in y; `classes` names them if y may not hold all of them."""
    if type_of_target(y).startswith("multilabel"):
        return MultilabelTargets(y.shape[1])
    return MulticlassTargets(np.unique(y if classes is None else classes))


# ---------------------------------------------------------------- numbers


class RegressionTargets(Targets):
    """One or several numbers a row; the network learns them standardized.

    Attributes
    ----------
    one_column : bool
        Whether y is (N,), and predictions likewise.
    scaler : Standardizer or None
        What standardizes them, measured on the rows that are learned from.
    """

    output = "linear"

    def __init__(self, y: Array) -> None:
        self.one_column = y.ndim == 1
        self.n_outputs = 1 if y.ndim == 1 else y.shape[1]
        self.scaler: Standardizer | None = None

    def fit(self, y: Array, weight: Array | None) -> None:
        """Standardize by these rows from now on; a row of weight 2 counts as if given twice."""
        y = y.reshape(len(y), -1)
        if weight is None:
            self.scaler = Standardizer().fit(y)
            return
        mean = np.average(y, axis=0, weights=weight)
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
        self.scaler = Standardizer(mean, handle_zeros_in_scale(std, mean, np.ptp(y, axis=0)))

    def encode(self, y: Array) -> Array:
        """Return standardized numbers, (N, outputs)."""
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.n_outputs:
            raise InputError(
                f"y has the shape {y.shape}; before, it had {self.n_outputs} column(s)."
            )
        return columns if self.scaler is None else self.scaler.transform(columns)

    def in_units(self, outputs: Array) -> Array:
        if self.scaler is None:
            return outputs
        return outputs * self.scaler.std + self.scaler.mean

    def decode(self, outputs: Array) -> Array:
        """Return numbers (N, outputs) in the shape of y."""
        return outputs[:, 0] if self.one_column else outputs

    def decode_std(self, outputs: Array, std: Array) -> Array:
        return self.decode(std)

    def score(self, encoded: Array, outputs: Array, weight: Array | None = None) -> float:
        """Return R², the mean over the outputs; for a constant one 1 if it is met, else 0."""
        weight = np.ones(len(encoded)) if weight is None else weight
        residual = weight @ (encoded - outputs) ** 2
        total = weight @ (encoded - np.average(encoded, axis=0, weights=weight)) ** 2
        constant = total == 0
        r2 = 1 - residual / np.where(constant, 1, total)
        return float(np.where(constant, residual == 0, r2).mean())


def check_numbers(y: Any) -> Array:
    """Return targets as finite numbers in float64, (N,) or (N, outputs); refuse anything else."""
    if y is None:
        raise ConfigurationError("A regressor requires y to be passed, but the target y is None.")
    refuse_masks_and_dates("y", y)
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    if y.ndim not in (1, 2):
        raise InputError(f"y must be (N,) or (N, outputs), got the shape {y.shape}.")
    return y.astype(np.float64)
