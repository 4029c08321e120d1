"""What y is: one class out of several, several answers of yes or no, or numbers.

Each kind turns the user's y into what a network is trained on (`encode`), and a network's outputs
into what the user asked for (`decode`); says how many numbers a network has to put out (`outputs`),
and how good outputs are (`score`), in scikit-learn's measure for the kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array
from chainrule.preparation import Standardizer
from chainrule.preparation.standardizer import or_one

# ---------------------------------------------------------------- classes


class OneClass:
    """One class out of several: y holds labels of any kind, the network puts out probabilities.

    Attributes
    ----------
    classes : ndarray
        The labels, sorted.
    """

    def __init__(self, classes: Array) -> None:
        if len(classes) < 2:
            raise InputError(
                f"There is only one class in y, {classes.tolist()[0]!r}; a classifier needs at "
                "least two."
            )
        self.classes = classes
        self.outputs = len(classes)

    def measure(self, y: Array, weight: Array | None) -> None:
        """Classes have nothing to be measured."""

    def encode(self, y: Array) -> Array:
        """Return the number of each label's class, (N,); refuse a label that is none."""
        places = np.searchsorted(self.classes, y).clip(max=self.outputs - 1)
        unknown = self.classes[places] != y
        if unknown.any():
            raise InputError(
                f"`y` has classes {np.unique(y[unknown])} that are not in `self.classes_`, "
                f"{self.classes}. Name all of them when fitting begins, partial_fit(classes=...)."
            )
        return places

    def decode(self, probabilities: Array) -> Array:
        """Return the most probable label of each row."""
        return self.classes[probabilities.argmax(axis=1)]

    def score(self, encoded: Array, probabilities: Array) -> float:
        """Return the share of rows whose most probable class is the true one."""
        if probabilities.shape[1] == 1:  # a network that says yes or no
            return float(((probabilities[:, 0] > 0.5) == encoded).mean())
        return float((probabilities.argmax(axis=1) == encoded).mean())


class YesOrNo:
    """Several answers of yes or no: y is a table of 0 and 1, one column for each label."""

    def __init__(self, outputs: int) -> None:
        self.classes = np.arange(outputs)
        self.outputs = outputs

    def measure(self, y: Array, weight: Array | None) -> None:
        """Answers have nothing to be measured."""

    def encode(self, y: Array) -> Array:
        """Return the answers as numbers, (N, outputs)."""
        if y.ndim != 2 or y.shape[1] != self.outputs:
            raise InputError(
                f"y has the shape {y.shape}; before, it had {self.outputs} columns of 0 and 1."
            )
        return y.astype(np.float32)

    def decode(self, probabilities: Array) -> Array:
        """Return 1 where a label's probability is above one half, else 0."""
        return (probabilities > 0.5).astype(np.intp)

    def score(self, encoded: Array, probabilities: Array) -> float:
        """Return the share of rows of which every answer is right."""
        return float(((probabilities > 0.5) == (encoded > 0.5)).all(axis=1).mean())


ClassTargets = OneClass | YesOrNo


def check_labels(y: Any) -> Array:
    """Return labels as an array, (N,), or a table of 0 and 1, (N, labels); refuse anything else."""
    if y is None:
        raise ConfigurationError("A classifier requires y to be passed, but the target y is None.")
    y = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y")
    y = y.toarray() if hasattr(y, "toarray") else y
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if type_of_target(y) == "multiclass-multioutput":
        raise InputError(
            "y has several columns of classes. Several columns must be answers of yes or no, 0 "
            "and 1; for several questions of more classes use sklearn.multioutput."
            "MultiOutputClassifier."
        )
    return y


def class_targets(y: Array, classes: Any = None) -> ClassTargets:
    """Return what kind of classes y holds; `classes` names them where y may not hold all."""
    if type_of_target(y).startswith("multilabel"):
        return YesOrNo(y.shape[1])
    return OneClass(np.unique(y if classes is None else classes))


# ---------------------------------------------------------------- numbers


class Numbers:
    """One or several numbers a row; the network is trained on them standardised.

    Attributes
    ----------
    one_column : bool
        Whether y is (N,), and predictions too.
    scaler : Standardizer or None
        What they are standardised with, measured on the rows that are learned from.
    """

    def __init__(self, y: Array) -> None:
        self.one_column = y.ndim == 1
        self.outputs = 1 if y.ndim == 1 else y.shape[1]
        self.scaler: Standardizer | None = None

    def measure(self, y: Array, weight: Array | None) -> None:
        """Standardise by these rows from now on; a row of weight two counts as if given twice."""
        self.scaler = weighted_standardizer(y.reshape(len(y), -1), weight)

    def encode(self, y: Array) -> Array:
        """Return what is trained on, (N, outputs)."""
        if y.reshape(len(y), -1).shape[1] != self.outputs:
            raise InputError(f"y has the shape {y.shape}; before, it had {self.outputs} column(s).")
        y = y.reshape(len(y), -1)
        return y if self.scaler is None else self.scaler.transform(y)

    def in_units(self, predictions: Array) -> Array:
        """Return what a network puts out, (..., outputs), in the units of y."""
        if self.scaler is None:
            return predictions
        return predictions * self.scaler.std + self.scaler.mean

    def decode(self, predictions: Array) -> Array:
        """Return numbers (N, outputs) in the shape of y: what came in as (N,) leaves so."""
        return predictions[:, 0] if self.one_column else predictions

    def score(self, encoded: Array, predictions: Array) -> float:
        """Return R², the mean over the outputs; of a constant output 1 if it is met, else 0."""
        left = ((encoded - predictions) ** 2).sum(axis=0, dtype=np.float64)
        whole = ((encoded - encoded.mean(axis=0)) ** 2).sum(axis=0, dtype=np.float64)
        constant = whole == 0
        of_constant = np.where(left == 0, 1.0, 0.0)
        return float(
            np.where(constant, of_constant, 1 - left / np.where(constant, 1, whole)).mean()
        )


def check_numbers(y: Any) -> Array:
    """Return targets as finite numbers in float64, (N,) or (N, outputs); refuse anything else."""
    if y is None:
        raise ConfigurationError("A regressor requires y to be passed, but the target y is None.")
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    if y.ndim not in (1, 2):
        raise InputError(f"y must be (N,) or (N, outputs), got the shape {y.shape}.")
    return y.astype(np.float64)


def weighted_standardizer(y: Array, weight: Array | None) -> Standardizer:
    """Return the standardizer of rows that count by their weights: two is the row given twice."""
    if weight is None:
        return Standardizer().fit(y)
    mean = np.average(y, axis=0, weights=weight)
    std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    return Standardizer(mean, or_one(std, mean, np.ptp(y, axis=0)))
