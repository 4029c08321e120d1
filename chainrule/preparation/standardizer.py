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
from chainrule.preparation.packing import NAMES, expect, pack_names, unpack_names


class Standardizer(Preparation):
    """Scale every feature to mean 0 and standard deviation 1.

        x ← (x - mean) / std

    with the mean and standard deviation of the training rows. A feature that never changes is only
    centred. Set as ``network.preparation`` for the inputs, or as ``network.target_preparation`` for
    a regression's targets, it is saved with the network, and `Network.predict_raw` applies it.

    Parameters
    ----------
    mean, std : array_like, shape (features,), optional
        What was measured elsewhere. Otherwise call `fit`.

    Attributes
    ----------
    mean, std : ndarray, shape (features,)
        What `fit` measured; of shape () if each sample is one number.
    feature_names_in_ : list or None
        The names of the columns, if it was fitted on a data frame. The columns of later frames are
        then found by name, in any order, and other columns are ignored.

    Raises
    ------
    ConfigurationError
        Only one of `mean` and `std` is given, their shapes differ, or a value makes no sense.

    Notes
    -----
    Targets of shape (N,) and (N, 1) are treated alike, as the losses do.

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
            self.mean, self.std = _as_floats(mean, "mean"), _as_floats(std, "std")
            if self.mean.shape != self.std.shape:
                raise ConfigurationError(
                    f"mean has the shape {self.mean.shape} and std {self.std.shape}; they must "
                    "be equal."
                )
            if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
                raise ConfigurationError("mean and std must be finite.")
            if not (self.std > 0).all():
                raise ConfigurationError("std must be positive; use 1 to only centre a feature.")

    @property
    def fitted(self) -> bool:
        return hasattr(self, "mean")

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Measure the mean and standard deviation of each feature.

        Parameters
        ----------
        X : array_like or data frame, shape (N, features)
            The training rows, without the test rows: their figures must not leak into training.
        y : ignored
            For scikit-learn's pipelines.

        Raises
        ------
        InputError
            `X` holds something other than finite numbers; the message says where.
        """
        names = column_names(X)
        X = _as_floats(X)
        if X.ndim == 0 or len(X) == 0:
            raise InputError(f"Expected samples in rows, (N, features), got the shape {X.shape}.")
        check_finite("X", X, columns=names)
        with np.errstate(over="ignore"):  # of squares, reported below
            mean, std, spread = X.mean(axis=0), X.std(axis=0), np.ptp(X, axis=0)
        if not np.isfinite(std).all():
            raise InputError("The data holds numbers too large to square; divide them first.")
        self.mean, self.std = mean, handle_zeros_in_scale(std, mean, spread)
        self.feature_names_in_ = names
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return the rows standardised, (x - mean) / std, in float64.

        Parameters
        ----------
        X : array_like or data frame, shape (N, features)
            Rows like those it was fitted on.

        Raises
        ------
        InputError
            The rows have other columns, hold something other than numbers, or `fit` has not been
            called.
        """
        return (self._checked(X) - self.mean) / self.std

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Return standardised rows in their original units, x · std + mean.

        Parameters
        ----------
        X : array_like, shape (N, features)
            What `transform` returned, or a network's predictions of standardised targets.

        Raises
        ------
        InputError
            As in `transform`.
        """
        return self._checked(X) * self.std + self.mean

    def input_columns(self) -> list[Any] | None:
        self.check_fitted()
        return self.feature_names_in_ or list(range(self.mean.size))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return nothing: mean and std are what `fit` measures, and a clone starts without them."""
        return {}

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {"mean": self.mean, "std": self.std, **pack_names(self.feature_names_in_)}

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        expect(not description and set(arrays) - NAMES == {"mean", "std"})
        made = cls(arrays["mean"], arrays["std"])
        made.feature_names_in_ = unpack_names(arrays, made.mean.size)
        expect(made.mean.ndim == 1 or made.feature_names_in_ is None)
        return made

    def _checked(self, X: ArrayLike) -> Array:
        """Return rows as an array; refuse a shape other than that of the rows it was fitted on."""
        self.check_fitted()
        X = _as_floats(in_order(X, self.feature_names_in_))
        fitted, one_number = self.mean.shape, {(), (1,)}
        if X.ndim and (X.shape[1:] == fitted or {X.shape[1:], fitted} <= one_number):
            return X
        expected, got = f"samples of the shape {fitted}", f"samples of the shape {X.shape[1:]}."
        if len(fitted) == 1 and X.ndim in (1, 2):
            expected, got = f"rows of {fitted[0]} columns", f"rows of {X.shape[-1]} columns."
            if X.ndim == 1:
                got = f"the shape {X.shape}; one row goes in as a table of one row, X[None]."
        raise InputError(f"Fitted on {expected}, got {got}")


def handle_zeros_in_scale(std: Array, mean: Array, spread: Array) -> Array:
    """Return the standard deviations, with 1 for features that never change.

    `spread` is the largest value minus the smallest. It is compared with the size of the values,
    which may be as small as a capacitance in farads.
    """
    constant = spread <= 1e-15 * np.abs(mean)
    return np.where(constant | (std == 0), 1.0, std)


def _as_floats(X: ArrayLike, name: str = "X") -> Array:
    advice = "encode text and dates, and fill what is missing, first"
    return check_numbers(name, X, finite=False, empty=True, advice=advice).astype(np.float64)
