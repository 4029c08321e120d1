"""Preparation: fit on the training rows, then the same change to every row; in a file and back.

What is in a file is a description that JSON can say and named arrays. Only the classes below, by
their names in a table, are built from it; a file never causes an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, ClassVar, Self

from chainrule.checks import check_instance
from chainrule.checks.constructor import arguments
from chainrule.errors import (
    ChainruleError,
    ConfigurationError,
    FileFormatError,
    InputError,
    ShapeError,
)
from chainrule.parameter import Array


class Preparation:
    """The parent of what turns raw rows into the numbers that a network takes.

    A subclass writes `fit`, `transform` and, where there is a way back, `inverse_transform`;
    `describe` and `from_description` are what it needs to be saved with a network. Constructor
    arguments are kept as attributes of the same name, as modules do it. It can stand in a pipeline
    of scikit-learn's.

    Attributes
    ----------
    feature_names_in_ : list
        The names of the columns, where it was fitted on a data frame; otherwise None.
    code_categories_ : tuple of int
        Where the last columns that come out hold codes of categories: how many codes each has. A
        network begins with a `CategoryEmbedding` of these then.
    """

    library_classes: ClassVar[dict[str, type[Preparation]]] = {}
    """chainrule's own preparations by name: what a file may ask for."""

    feature_names_in_: list[Any] | None = None

    code_categories_: tuple[int, ...] = ()

    def __init_subclass__(cls) -> None:
        """Note a preparation of chainrule's own, for reading files."""
        if cls.__module__.startswith("chainrule."):
            Preparation.library_classes[cls.__name__] = cls

    @property
    def fitted(self) -> bool:
        """Whether `fit` was called, so that rows can be transformed."""
        raise NotImplementedError(f"{type(self).__name__} does not say whether it is fitted.")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure what `transform` needs on the training rows, and return itself.

        `y` is there for scikit-learn's pipelines, and is not looked at.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fit(X).")

    def transform(self, X: Any) -> Array:
        """Return rows as the numbers that a network takes."""
        raise NotImplementedError(f"{type(self).__name__} has no transform(X).")

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Fit on X, and return it transformed."""
        return self.fit(X).transform(X)

    def inverse_transform(self, X: Any) -> Array:
        """Return transformed numbers in their original units."""
        raise ConfigurationError(
            f"What {type(self).__name__} does cannot be undone; as target_preparation give one "
            "that has an inverse_transform, such as Standardizer()."
        )

    def sources(self) -> list[Any] | None:
        """Return of each column that comes out, the name or the place of the one that went in.

        None where that is not known.
        """
        return None

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return all that was measured, as what JSON can say and as named arrays of numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no describe().")

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Return the preparation that `describe` described; refuse what it never describes."""
        raise NotImplementedError(f"{cls.__name__} has no from_description(...).")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name, as scikit-learn asks for them."""
        return {name: getattr(self, name, None) for name in signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set constructor's arguments, as scikit-learn does; what was fitted stays as it is."""
        unknown = sorted(set(params) - set(self.get_params()))
        if unknown:
            raise ConfigurationError(
                f"{type(self).__name__} has no arguments {unknown}; it has "
                f"{sorted(self.get_params())}."
            )
        for name, value in type(self)(**{**self.get_params(), **params}).get_params().items():
            setattr(self, name, value)
        return self

    def require_fit(self) -> None:
        """Raise InputError before the first `fit`."""
        if not self.fitted:
            raise InputError(
                f"This {type(self).__name__} has not been fitted: call fit(X_train) first."
            )

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in arguments(self).items())
        return f"{type(self).__name__}({', '.join(shown)})"


def check_preparations(preparation: Any, target_preparation: Any) -> None:
    """Raise ConfigurationError for what is neither a Preparation nor None."""
    given = {"preparation": preparation, "target_preparation": target_preparation}
    for name, value in given.items():
        if value is not None:
            expected = f"{name} must be a Preparation, such as Standardizer()"
            check_instance(value, Preparation, expected)


# ---------------------------------------------------------------- in a file


def write_preparation(preparation: Preparation) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what a file holds of a preparation: its description, and its arrays by name."""
    kind = type(preparation)
    if Preparation.library_classes.get(kind.__name__) is not kind:
        raise ConfigurationError(
            f"{kind.__name__} cannot be saved with a network: only chainrule's own preparations, "
            f"{sorted(Preparation.library_classes)}, can. Set network.preparation = None to save "
            "the network alone."
        )
    preparation.require_fit()
    description, arrays = preparation.describe()
    return {"class": kind.__name__, **description}, arrays


def read_preparation(description: Any, arrays: Mapping[str, Array]) -> Preparation:
    """Return the preparation that `write_preparation` wrote; nothing in the file is trusted."""
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
        # A constructor may show all that it was given.
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
    check_preparations(rows, targets)
    try:
        y = network.predict(X if rows is None else rows.transform(X), **inputs)
    except ShapeError as error:
        error.add_note(
            f"The rows came from network.preparation, {rows!r:.100}. It must be the one whose "
            "rows the network was trained on."
        )
        raise
    return y if targets is None else targets.inverse_transform(y)
