"""Preparation: fit on the training rows, then apply the same change to every row.

In a file it is a description that JSON can represent, and named arrays. Only chainrule's own
preparations are built from it, found by name; a file never causes an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chainrule.checks import check_instance, is_own
from chainrule.checks.constructor import constructor_arguments, constructor_call
from chainrule.checks.own_code import described
from chainrule.errors import (
    ChainruleError,
    ConfigurationError,
    FileFormatError,
    InputError,
    ShapeError,
)
from chainrule.parameter import Array


class Preparation:
    """Base class of what turns raw rows into the numbers that a network takes.

    A subclass writes `fitted`, `fit`, `transform` and, if the change can be undone,
    `inverse_transform`::

        class Logarithm(Preparation):
            fitted = True

            def transform(self, X):
                return np.log(X)

    Keep every constructor argument as an attribute of the same name, as in a `Module`. A
    preparation can be a step of a scikit-learn pipeline. chainrule's own preparations also have
    `describe` and `from_description`, and can be saved with a network.

    Attributes
    ----------
    feature_names_in_ : list or None
        The names of the columns, if it was fitted on a data frame.
    code_categories_ : tuple of int
        If the last output columns hold codes of categories: how many codes each of them has. A
        network for these rows starts with a `CategoryEmbedding`.

    Examples
    --------
    >>> network = Network([Linear(2, 1)], initialization="zero")
    >>> network.preparation = Standardizer()
    >>> X = network.preparation.fit_transform([[1.0, 10.0], [3.0, 30.0]])
    >>> network.predict(X[:1]) == network.predict_raw([[1.0, 10.0]])
    array([[ True]])
    """

    library_classes: ClassVar[dict[str, type[Preparation]]] = {}
    """chainrule's own preparations by name: a file may ask for these."""

    feature_names_in_: list[Any] | None = None

    code_categories_: tuple[int, ...] = ()

    def __init_subclass__(cls) -> None:
        """Register a preparation of chainrule's own, for reading files."""
        if cls.__module__.startswith("chainrule."):
            Preparation.library_classes[cls.__name__] = cls

    @property
    def fitted(self) -> bool:
        """Whether rows can be transformed, usually because `fit` was called."""
        raise NotImplementedError(f"{type(self).__name__} does not say whether it is fitted.")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure on the training rows what `transform` needs, and return itself.

        Parameters
        ----------
        X : array_like or data frame
            The training rows. Leave test rows out: their figures must not leak into training.
        y : ignored
            For scikit-learn's pipelines.

        Raises
        ------
        InputError
            The rows cannot be prepared; the message says where and why.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fit(X).")

    def transform(self, X: Any) -> Array:
        """Return rows as the numbers that a network takes, (N, output columns).

        Parameters
        ----------
        X : array_like or data frame
            Rows like those it was fitted on.

        Raises
        ------
        InputError
            `fit` has not been called, or the rows are not like those it was fitted on.
        """
        raise NotImplementedError(f"{type(self).__name__} has no transform(X).")

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Fit on X and return it transformed; see `fit` and `transform`."""
        fitted: Any = self.fit(X)
        if not isinstance(fitted, Preparation):
            raise ConfigurationError(
                f"{type(self).__name__}.fit returned {described(fitted)}; it must return self."
            )
        return fitted.transform(X)

    def inverse_transform(self, X: Any) -> Array:
        """Return transformed numbers in their original units.

        Parameters
        ----------
        X : array_like
            What `transform` returned.

        Raises
        ------
        ConfigurationError
            This preparation cannot be undone.
        """
        raise ConfigurationError(
            f"What {type(self).__name__} does cannot be undone; as target_preparation give one "
            "that has an inverse_transform, such as Standardizer()."
        )

    def input_columns(self) -> list[Any] | None:
        """Return, for each output column, the name or number of the input column it comes from.

        Returns None if that is unknown.
        """
        return None

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return all that was measured, as values that JSON can represent and arrays of numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no describe().")

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Return the preparation that `describe` described; refuse what it never returns."""
        raise NotImplementedError(f"{cls.__name__} has no from_description(...).")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name, as in scikit-learn.

        Parameters
        ----------
        deep : ignored
            For scikit-learn.
        """
        return {name: getattr(self, name, None) for name in constructor_arguments(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments, as in scikit-learn; what was fitted stays as it is.

        Parameters
        ----------
        **params
            The arguments and their new values.

        Raises
        ------
        ConfigurationError
            There is no such argument, or it cannot have this value.
        """
        unknown = sorted(set(params) - set(self.get_params()))
        if unknown:
            raise ConfigurationError(
                f"{type(self).__name__} has no arguments {unknown}; it has "
                f"{sorted(self.get_params())}."
            )
        vars(self).update(type(self)(**self.get_params() | params).get_params())
        return self

    def check_fitted(self) -> None:
        """Raise InputError before the first `fit`."""
        if not self.fitted:
            raise InputError(
                f"This {type(self).__name__} has not been fitted: call fit(X_train) first."
            )

    def __repr__(self) -> str:
        return constructor_call(self)


def check_preparations(**preparations: Any) -> None:
    """Raise ConfigurationError, with the name, for what is neither a Preparation nor None."""
    for name, value in preparations.items():
        if value is not None:
            expected = f"{name} must be a Preparation, such as Standardizer()"
            check_instance(value, Preparation, expected)


# ---------------------------------------------------------------- in a file


def write_preparation(preparation: Preparation) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a preparation as a description and arrays by name, for a file."""
    kind = type(preparation)
    if Preparation.library_classes.get(kind.__name__) is not kind:
        raise ConfigurationError(
            f"{kind.__name__} cannot be saved with a network: only chainrule's own preparations, "
            f"{sorted(Preparation.library_classes)}, can. Set network.preparation = None to save "
            "the network alone."
        )
    import json

    preparation.check_fitted()
    description, arrays = preparation.describe()
    description = {"class": kind.__name__, **description}
    try:
        description = json.loads(json.dumps(description))
        read_preparation(description, arrays)  # what could not be loaded is not saved
    except (FileFormatError, TypeError, ValueError) as error:
        raise ConfigurationError(f"The {kind.__name__} cannot be saved: {error}") from error
    return description, arrays


def read_preparation(description: Any, arrays: Mapping[str, Array]) -> Preparation:
    """Return the preparation that `write_preparation` was given; nothing in a file is trusted."""
    name = description.get("class") if isinstance(description, dict) else None
    kind = Preparation.library_classes.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FileFormatError(
            f"The file needs the preparation {name!r:.60}. This chainrule has none of that "
            "name; a newer one may."
        )
    rest = {key: value for key, value in description.items() if key != "class"}
    try:
        return kind.from_description(rest, arrays)
    except (ChainruleError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"The {name} in the file cannot be built: {error!s:.300}") from error


def predict_raw(network: Any, X: Any, inputs: Mapping[str, Any]) -> Any:
    """Return a network's prediction for raw rows, in raw units; see `Network.predict_raw`."""
    rows, targets = network.preparation, network.target_preparation
    if rows is None and targets is None:
        raise ConfigurationError(
            "This network does not know how its rows were prepared. Set network.preparation "
            "= Standardizer().fit(X_train), or what else its training rows went through, "
            "before network.save(path); or give prepared rows to network.predict."
        )
    check_preparations(preparation=rows, target_preparation=targets)
    try:
        x = X if rows is None else _made_by(rows, "transform", X)
        y = network.predict(x, **inputs)
    except ShapeError as error:
        error.add_note(
            f"The rows came from network.preparation, {rows!r:.100}. It must be the one whose "
            "rows the network was trained on."
        )
        raise
    return y if targets is None else _made_by(targets, "inverse_transform", y)


def _made_by(preparation: Preparation, method: str, X: Any) -> Any:
    """Return what a method makes of the rows; refuse other than as many rows from a user's own."""
    made = getattr(preparation, method)(X)
    if is_own(preparation) and not isinstance(X, Mapping):
        count = len(X) if hasattr(X, "__len__") else None
        if np.ndim(made) == 0 or (count is not None and len(made) != count):
            raise ConfigurationError(
                f"{type(preparation).__name__}.{method} returned {described(made)} for {count} "
                "rows; it must return as many rows of numbers."
            )
    return made
