"""Input validation: X, the weights of its rows, and their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators.inputs import refuse_masks_and_dates
from chainrule.estimators.targets import MulticlassTargets, MultilabelTargets
from chainrule.parameter import Array
from chainrule.preparation.frames import is_frame

FLOATS = (np.float64, np.float32)
INTEGERS = tuple(np.dtype(code).type for code in "bhilqBHILQ")


def check_X(estimator: Any, X: Any, *, reset: bool, prepared: bool) -> Any:
    """Return X as a data frame or as an array of numbers.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set, or compared.
    reset : bool
        Whether to set them.
    prepared : bool
        Whether a preparation follows. Then a data frame stays one, and NaN and masked values are
        allowed (infinity never is). Otherwise X goes into a network as it is: whole numbers stay
        whole numbers, which an `Embedding` needs, and X may have more than two axes.
    """
    if prepared and isinstance(X, np.ma.MaskedArray) and X.dtype.kind in "fiub":
        X = np.ma.filled(X.astype(np.float64), np.nan)  # a masked value is missing
    refuse_masks_and_dates("X", X)
    if prepared and is_frame(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if not X.shape[0] or not X.shape[1]:
            raise InputError(
                f"Found a data frame with {X.shape[0]} sample(s) and {X.shape[1]} feature(s); a "
                "minimum of 1 is required."
            )
        return X
    if not prepared and isinstance(X, list | tuple):
        X = np.asarray(X)  # scikit-learn would make floats of whole numbers in a list
    try:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=("csr", "csc"),
            dtype=FLOATS if prepared else (*FLOATS, *INTEGERS),
            ensure_all_finite="allow-nan" if prepared else True,
            allow_nd=not prepared,
        )
    except ValueError as error:
        if "convert string" in str(error) and prepared:
            raise InputError(
                f"X holds text ({error}). Give it as a data frame, such as pandas.DataFrame(X): "
                "text columns are treated as categories."
            ) from error
        raise
    return X.toarray() if hasattr(X, "toarray") else X


def check_row_numbers(numbers: Any, rows: int) -> Array | None:
    """Return the whole numbers that rows are called by, one for each."""
    if numbers is None:
        return None
    numbers = np.asarray(numbers)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu":
        raise InputError(
            f"row_numbers must be {rows} whole numbers, one for each row; got the shape "
            f"{numbers.shape} and the dtype {numbers.dtype}."
        )
    return numbers


def check_sample_weight(sample_weight: Any, X: Any) -> Array | None:
    """Return the weights of the rows, (N,) in float64, or None; refuse invalid ones."""
    if sample_weight is None:
        return None
    refuse_masks_and_dates("sample_weight", sample_weight)
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


def multiply_class_weight(
    class_weight: Any,
    targets: MulticlassTargets | MultilabelTargets,
    y: Array,
    weight: Array | None,
) -> Array | None:
    """Return the rows' weights times those of their classes.

    With "balanced" every class has the same total weight, and the mean weight does not change.
    """
    if class_weight is None:
        return weight
    balanced = isinstance(class_weight, str) and class_weight == "balanced"
    if not (balanced or isinstance(class_weight, dict | list)):
        raise ConfigurationError(
            "class_weight must be 'balanced', a dict like {'no': 1.0, 'yes': 5.0}, or None; got "
            f"{class_weight!r}."
        )
    weight = np.ones(len(y)) if weight is None else weight
    if isinstance(targets, MultilabelTargets):
        return weight * compute_sample_weight(class_weight, y)
    encoded = targets.encode(y)
    if not balanced:
        return weight * _given_weights(class_weight, targets.classes)[encoded]
    total = np.bincount(encoded, weight, minlength=targets.n_outputs)
    present = total > 0
    factors = np.where(present, total.sum() / (present.sum() * np.where(present, total, 1)), 1.0)
    return weight * factors[encoded]


def _given_weights(class_weight: Any, classes: Array) -> Array:
    """Return the factor of each class, (classes,): 1 for those that are not named."""
    if not isinstance(class_weight, dict):
        raise ConfigurationError(
            "class_weight may be a list only for several labels; give a dict like {'no': 1.0, "
            f"'yes': 5.0}}. Got {class_weight!r}."
        )
    labels = classes.tolist()
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
