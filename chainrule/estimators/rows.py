"""X and the weights of its rows, as they come through an estimator's door."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from chainrule.data import train_test_split
from chainrule.ensemble.folds import Fold, stratified_folds
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators.targets import ClassTargets, OneClass
from chainrule.parameter import Array
from chainrule.preparation.frames import is_frame


def check_rows(estimator: Any, X: Any, *, reset: bool, missing: bool, tables: bool) -> Any:
    """Return X as a data frame or as an array of numbers, after noting its names of columns.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set, or compared.
    reset : bool
        Whether to set them.
    missing : bool
        Whether NaN is welcome. Infinity never is.
    tables : bool
        Whether a data frame stays one.
    """
    if tables and is_frame(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if not X.shape[0] or not X.shape[1]:
            raise InputError(
                f"Found a data frame with {X.shape[0]} sample(s) and {X.shape[1]} feature(s); a "
                "minimum of 1 is required."
            )
        return X
    try:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=("csr", "csc"),
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan" if missing else True,
            allow_nd=not tables,
        )
    except ValueError as error:
        if "convert string" in str(error) and tables:
            raise InputError(
                f"X holds text ({error}). Give it as a data frame, pandas.DataFrame(X) for "
                "instance: its columns of text are taken for categories."
            ) from error
        raise
    return X.toarray() if hasattr(X, "toarray") else X


def take(X: Any, rows: Array) -> Any:
    """Return some rows of an array or a data frame."""
    if not is_frame(X):
        return X[rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows.tolist()]


# ---------------------------------------------------------------- weights


def check_row_numbers(numbers: Any, rows: int) -> Array | None:
    """Return what rows are called: a whole number each."""
    if numbers is None:
        return None
    numbers = np.asarray(numbers)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu":
        raise InputError(
            f"row_numbers must be {rows} whole numbers, one for each row; got the shape "
            f"{numbers.shape} and the dtype {numbers.dtype}."
        )
    return numbers


def check_weight(sample_weight: Any, X: Any) -> Array | None:
    """Return the weights of the rows, (N,) in float64, or None; refuse what can be none."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, int | float | np.number):
        sample_weight = np.full(X.shape[0], sample_weight)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.ndim != 1:
        raise InputError(f"Sample weights must be 1D, one for each row; got {weight.shape}.")
    check_consistent_length(X, weight)
    if weight.min() < 0:
        raise InputError(f"Negative values in sample_weight, down to {weight.min():g}.")
    if not weight.any():
        raise InputError("All sample weights are zero; at least one row has to count.")
    return weight


def weighted_by_class(
    class_weight: Any, targets: ClassTargets, y: Array, weight: Array | None
) -> Array | None:
    """Return the rows' weights times those of their classes.

    With "balanced" all classes count the same in sum, and the mean weight stays what it is.
    """
    if class_weight is None:
        return weight
    if not isinstance(class_weight, str | dict | list) or (
        isinstance(class_weight, str) and class_weight != "balanced"
    ):
        raise ConfigurationError(
            "class_weight must be 'balanced', a dict like {'no': 1.0, 'yes': 5.0}, or None; got "
            f"{class_weight!r}."
        )
    weight = np.ones(len(y)) if weight is None else weight
    if not isinstance(targets, OneClass):
        return weight * compute_sample_weight(class_weight, y)
    places = targets.encode(y)
    return weight * _of_each_class(class_weight, targets, places, weight)[places]


def _of_each_class(class_weight: Any, targets: OneClass, places: Array, weight: Array) -> Array:
    """Return the factor of each class, (classes,); those that are not named count 1."""
    if isinstance(class_weight, str):
        total = np.bincount(places, weight, minlength=targets.outputs)
        present = total > 0
        return np.where(present, total.sum() / (present.sum() * np.where(present, total, 1)), 1.0)
    if not isinstance(class_weight, dict):
        raise ConfigurationError(
            "class_weight may be a list only for several labels; give a dict like {'no': 1.0, "
            f"'yes': 5.0}}. Got {class_weight!r}."
        )
    labels = targets.classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ConfigurationError(
            f"class_weight names {unknown!r:.80}, and y has the classes {labels!r:.200}."
        )
    factors = np.array([class_weight.get(label, 1.0) for label in labels], np.float64)
    if not (np.isfinite(factors).all() and (factors >= 0).all() and factors.any()):
        raise ConfigurationError(
            f"class_weight must hold numbers of at least 0, not all 0; got {class_weight!r}."
        )
    return factors


# ---------------------------------------------------------------- rows that are held out


def folds_of(
    y: Array, labels: Array | None, share: float, members: int, rng: np.random.Generator
) -> list[Fold] | None:
    """Return which rows each member learns from, and which it leaves out to be measured on.

    One member leaves out the share, at random. Of several each leaves out a part of its own, one
    of as many as make about that share: so no row is lost to learning. None where there are too
    few rows.

    Parameters
    ----------
    y : ndarray
        What is spread evenly over the parts of several members: classes, or numbers.
    labels : ndarray, shape (N,), or None
        Classes, of each of which one member leaves out the same share.
    """
    if members == 1:
        held_out = held_out_rows(len(y), share, labels, rng)
        return None if held_out is None else [(np.setdiff1d(np.arange(len(y)), held_out), held_out)]
    parts = min(max(2, round(1 / share)), len(y) // 2)
    return stratified_folds(parts, y if labels is None else labels, rng) if parts > 1 else None


def held_out_rows(
    count: int, share: float, labels: Array | None, rng: np.random.Generator
) -> Array | None:
    """Return the rows to hold out, of each class the same share; None where there are too few.

    A class of a single row is left where it is learned from.
    """
    rows = np.arange(count)
    if labels is not None:
        sizes = np.bincount(labels)
        rows = rows[sizes[labels] > 1]
        labels = labels[rows]
    if len(rows) < 2:
        return None
    _, held_out = train_test_split(rows, test_size=share, stratify=labels, seed=rng)
    return np.sort(held_out) if len(held_out) > 1 else None
