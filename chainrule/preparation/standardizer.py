"""Standardizer: every feature with mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_finite, check_numbers
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array
from chainrule.preparation.base import Preparation
from chainrule.preparation.frames import column_names, in_order
from chainrule.preparation.texts import expect, pack_names, unpack_names

CURE = "encode text and dates, and fill what is missing, first"


class Standardizer(Preparation):
    """x ← (x - mean) / std, with the mean and standard deviation of the training data.

    Fit it on the training part alone: figures of the test part must not leak into training. A
    feature that never changes is only centred. Given to a network, as ``network.preparation``
    for the inputs or ``network.target_preparation`` for a regression's targets, it is saved with
    it, and `Network.predict_raw` applies it.

    Parameters
    ----------
    mean, std : array_like, shape (features,), optional
        What was measured elsewhere. Otherwise call `fit`.

    Attributes
    ----------
    mean, std : ndarray, shape (features,)
        What `fit` measured; of shape () where it was fitted on one number a sample.
    feature_names_in_ : list or None
        The names of the columns, where it was fitted on a data frame. The columns of later
        frames are then taken by name, in whatever order they stand, and others are left out.

    Notes
    -----
    Targets of the shape (N,) and (N, 1) are the same thing to it, as they are to the losses.

    Examples
    --------
    >>> scaler = Standardizer().fit([[1.0, 10.0], [3.0, 30.0]])
    >>> scaler.transform([[2.0, 40.0]])
    array([[0., 2.]])
    >>> scaler.inverse_transform([[0.0, 2.0]])
    array([[ 2., 40.]])
    """

    mean: Array
    std: Array

    def __init__(self, mean: ArrayLike | None = None, std: ArrayLike | None = None) -> None:
        if (mean is None) != (std is None):
            raise ConfigurationError("Give mean and std together, or neither.")
        if mean is not None and std is not None:
            self.mean, self.std = _numbers(mean, "mean"), _numbers(std, "std")
            if self.mean.shape != self.std.shape:
                raise ConfigurationError(
                    f"mean has the shape {self.mean.shape} and std {self.std.shape}; they must "
                    "be equal."
                )
            if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
                raise ConfigurationError("mean and std must be finite.")
            if not (self.std > 0).all():
                raise ConfigurationError("std must be positive; 1 only centres a feature.")

    @property
    def fitted(self) -> bool:
        return hasattr(self, "mean")

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Measure the mean and standard deviation of each feature over the samples.

        Raises
        ------
        InputError
            `X` holds something else than finite numbers; the message says where.
        """
        names = column_names(X)
        X = _numbers(X)
        if X.ndim == 0 or len(X) == 0:
            raise InputError(f"Expected samples in rows, (N, features), got the shape {X.shape}.")
        check_finite("X", X, columns=names)
        with np.errstate(over="ignore"):  # squares beyond the largest number; told below
            mean, std, spread = X.mean(axis=0), X.std(axis=0), np.ptp(X, axis=0)
        if not np.isfinite(std).all():
            raise InputError("The data holds numbers too large to square; divide them first.")
        self.mean, self.std = mean, or_one(std, mean, spread)
        self.feature_names_in_ = names
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return the standardised data."""
        return (self._checked(X) - self.mean) / self.std

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Return standardised data in its original units."""
        return self._checked(X) * self.std + self.mean

    def sources(self) -> list[Any] | None:
        self.require_fit()
        return self.feature_names_in_ or list(range(self.mean.size))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return nothing: mean and std are what `fit` measures, which a clone begins without."""
        return {}

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {"mean": self.mean, "std": self.std, **pack_names(self.feature_names_in_)}

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        names = {name for name in arrays if name.startswith("names/")}
        expect(not description and set(arrays) - names == {"mean", "std"})
        made = cls(arrays["mean"], arrays["std"])
        expect(made.mean.ndim == 1 or not names)
        made.feature_names_in_ = unpack_names(arrays, made.mean.size)
        return made

    def _checked(self, X: ArrayLike) -> Array:
        self.require_fit()
        X = _numbers(in_order(X, self.feature_names_in_))
        one_number = X.shape[1:] in ((), (1,)) and self.mean.shape in ((), (1,))
        if X.shape[1:] != self.mean.shape and not (one_number and X.ndim):
            raise InputError(self._other_shape(X.shape))
        return X

    def _other_shape(self, shape: tuple[int, ...]) -> str:
        fitted = self.mean.shape
        if len(fitted) == 1 and shape == fitted:
            return (
                f"Fitted on rows of {fitted[0]} columns, got the shape {shape}; one row goes in "
                "as a table of one row, X[None]."
            )
        if len(fitted) == 1 and len(shape) == 2:
            return f"Fitted on rows of {fitted[0]} columns, got rows of {shape[1]} columns."
        return f"Fitted on samples of the shape {fitted}, got samples of the shape {shape[1:]}."


def or_one(std: Array, mean: Array, spread: Array) -> Array:
    """Return what to divide by: the deviation, or 1 of a feature that never changes.

    `spread` is the largest value minus the smallest, and told by the size of the values, which may
    be as small as a capacitance in farads.
    """
    constant = spread <= 1e-15 * np.abs(mean)
    return np.where(constant | (std == 0), 1.0, std)


def _numbers(X: ArrayLike, name: str = "X") -> Array:
    """Return X in float64; refuse ragged rows, and what holds no numbers."""
    return check_numbers(name, X, finite=False, empty=True, advice=CURE).astype(np.float64)
