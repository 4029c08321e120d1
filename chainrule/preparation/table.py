"""TablePreparation: a table as it is, numbers, categories and gaps, to one matrix of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_whole, network_dtype
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array
from chainrule.preparation.base import Preparation
from chainrule.preparation.category_column import CategoryColumn, Counted
from chainrule.preparation.code_column import MOST_CODES, CodeColumn
from chainrule.preparation.frames import (
    Name,
    Table,
    as_table,
    check_columns,
    is_categorical,
    values_of,
)
from chainrule.preparation.number_column import NumberColumn
from chainrule.preparation.report import Finding, TableReport
from chainrule.preparation.table_file import ARRAYS, Column, columns_from_arrays, columns_to_arrays
from chainrule.preparation.texts import expect, pack, pack_names, unpack, unpack_names
from chainrule.preparation.values import holds_numbers


class TablePreparation(Preparation):
    """Turn the columns of a table into one matrix of numbers for a network.

    Numbers and truth values are centred, scaled and clipped smoothly to ±3 (`NumberColumn`): an
    outlier is far away, but not far enough to rule the network. Text and categoricals become one
    column for each category (`CategoryColumn`); of two, a single column of -1 and 1; of very many,
    where `embed_from` asks for it, one column of codes (`CodeColumn`). What is missing (NaN, None,
    NA) becomes the median, or all zeros, and has a column of its own where the training part had
    missing values. Columns that never change are left out. Dates are refused: what matters in them
    has to be said.

    Parameters
    ----------
    categorical_features : sequence of str or int
        Columns whose numbers are names, such as postal codes: by their names, or their places
        where the table has no names.
    max_categories : int
        So many columns at most a column of categories may become, its group of rare ones counted.
        Where it has more, the most frequent keep their own, as long as they occur at least twice.
    min_frequency : int
        Categories that occur less often go into the group of rare ones.
    embed_from : int, optional
        A column with more categories than this, counting those that occur at least twice, is not
        written out: one column of codes comes out of it, from which a `CategoryEmbedding` learns
        a vector for each category. Code 0 is what is unknown, or occurs but once or less often
        than `min_frequency`, or is not among the 9,999 most frequent; code 1 is what is missing,
        where the training part had such; then come the categories in the order of their names.
        Columns of codes stand behind all others. None: there are none.
    n_bins : int
        Into how many bins to encode each number piecewise linearly, beside the number itself:
        about as many training rows in each. It helps where a table is large and what is to be
        learned has steps. 0: not at all.
    dtype : dtype
        float32 (the default) or float64: of what `transform` returns.

    Attributes
    ----------
    feature_names_in_ : list or None
        The names of the columns, where the table has names. Later tables with names are then
        taken by name: in any order, and with other columns beside.
    n_features_in_ : int
        How many columns it was fitted on.
    columns_ : list of NumberColumn, CategoryColumn and CodeColumn
        What was measured of each.
    code_categories_ : tuple of int
        How many codes each column of codes has; they are the last ones that come out. Empty where
        there are none.
    notes_ : list of str
        What was left out or grouped, and why.

    Notes
    -----
    A table is a pandas or polars data frame, a dict of columns, or an array (also a list of rows,
    or a structured array). Only NumPy is needed; frames are asked for their columns.

    The category of a number is its text: 3, 3.0 and "3" are the same one. Categories that were
    never seen in training count among the rare ones if there is such a group, and are all zeros
    otherwise; `report` names them.

    Examples
    --------
    >>> table = {"size": [1, 2, 3, 9], "colour": ["red", "blue", "red", None]}
    >>> preparation = TablePreparation().fit(table)
    >>> preparation.get_feature_names_out()
    ['size', 'colour_red', 'missingindicator_colour']
    >>> preparation.transform({"colour": ["blue"], "size": [2.5]})
    array([[ 0., -1.,  0.]], dtype=float32)
    """

    n_features_in_: int
    columns_: list[Column]
    notes_: list[str]

    def __init__(
        self,
        *,
        categorical_features: Sequence[Name] = (),
        max_categories: int = 50,
        min_frequency: int = 1,
        embed_from: int | None = None,
        n_bins: int = 0,
        dtype: DTypeLike = "float32",
    ) -> None:
        listed = isinstance(categorical_features, list | tuple)
        if not listed or not all(isinstance(name, str | int) for name in categorical_features):
            raise ConfigurationError(
                "categorical_features must be a list of names or places of columns, got "
                f"{categorical_features!r}."
            )
        self.categorical_features = tuple(categorical_features)
        self.max_categories = check_whole("max_categories", max_categories, least=2)
        self.min_frequency = check_whole("min_frequency", min_frequency)
        if embed_from is not None:
            embed_from = check_whole("embed_from", embed_from)
        self.embed_from = embed_from
        self.n_bins = check_whole("n_bins", n_bins, least=0)
        self.dtype = "float64" if network_dtype(dtype) == np.float64 else "float32"

    @property
    def fitted(self) -> bool:
        return hasattr(self, "columns_")

    # ------------------------------------------------------------ fit, transform, report

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure every column of the training rows.

        Raises
        ------
        InputError
            A column holds dates or containers, two have the same name, there are no rows, or
            nothing in the table ever changes. The message names the column.
        """
        table = as_table(X)
        if not table.rows or not table.columns:
            raise InputError(
                f"The table is empty: it has {table.rows} rows and {table.columns} columns."
            )
        keys = list(range(table.columns)) if table.names is None else table.names
        unknown = [name for name in self.categorical_features if name not in keys]
        if unknown:
            raise InputError(f"categorical_features {unknown} are no columns of {keys!r:.300}.")
        columns, notes = [], []
        for key in keys:
            column, note = self._fit_column(table.column(key), key)
            columns.append(column)
            notes += note
        if not any(column.width for column in columns):
            raise InputError("No column of the table ever changes: there is nothing to learn from.")
        self.columns_, self.notes_ = columns, notes
        self.code_categories_ = code_categories(columns)
        self.feature_names_in_, self.n_features_in_ = table.names, table.columns
        return self

    def _fit_column(self, values: Any, key: Name) -> tuple[Column, list[str]]:
        array = values_of(values, key)
        told = is_categorical(values) and array.dtype.kind not in "Mm"  # and not to be looked at
        numbers = not told and holds_numbers(array, key)
        if numbers and key not in self.categorical_features:
            column: Column = NumberColumn.fit(array, key, self.n_bins)
        else:
            column = self._fit_categories(Counted.of(array, key))
        return column, list(_notes(column, key, len(array)))

    def _fit_categories(self, counted: Counted) -> CategoryColumn:
        frequency = max(2, self.min_frequency)  # what occurs once says nothing about other rows
        if self.embed_from is None or counted.at_least(frequency) <= self.embed_from:
            return CategoryColumn.fit(counted, self.max_categories, self.min_frequency)
        return CodeColumn.fit(counted, MOST_CODES, frequency)

    def transform(self, X: Any) -> Array:
        """Return the rows as numbers, of the shape (N, columns that come out).

        Raises
        ------
        InputError
            A column is missing, holds text where training had numbers, or infinity.
        """
        table = self._table(X)
        out = np.zeros((table.rows, sum(column.width for column in self.columns_)), self.dtype)
        places = self._places()
        for key, column, array in self._columns(table):
            column.write(column.read(array, key), out[:, next(places)])
        return out

    def _places(self) -> Iterator[slice]:
        """Yield where each column that is used comes out: codes stand behind all others."""
        start = 0
        code = sum(column.width for column in self.columns_) - len(self.code_categories_)
        for column in self.columns_:
            if isinstance(column, CodeColumn):
                yield slice(code, code + 1)
                code += 1
            elif column.width:
                yield slice(start, start + column.width)
                start += column.width

    def report(self, X: Any) -> TableReport:
        """Return what is odd in new rows: what the training rows did not have.

        These are unknown categories, missing values in columns that had none, numbers outside the
        training range by more than the length of that range, and columns that are not used. What
        `transform` refuses is refused here too.
        """
        table = self._table(X)
        found: list[Finding] = []
        for key, column, array in self._columns(table):
            found += column.report(array, key)
        if table.names is not None and self.feature_names_in_ is not None:
            used = set(self.feature_names_in_)
            found += [Finding(name, "unused column") for name in table.names if name not in used]
        return TableReport(tuple(found))

    def get_feature_names_out(self, input_features: Any = None) -> list[str]:
        """Return the names of what `transform` returns; ``x0``, ``x1`` ... where there were none.

        `input_features` is there for scikit-learn, and is not needed.
        """
        self.require_fit()
        names = [f"x{place}" for place in range(self.n_features_in_)]
        pairs = self._columns_out(self.feature_names_in_ or names)
        return [out for name, column in pairs for out in column.names_out(str(name))]

    def sources(self) -> list[Name]:
        self.require_fit()
        pairs = self._columns_out(self.feature_names_in_ or range(self.n_features_in_))
        return [name for name, column in pairs for _ in range(column.width)]

    def _columns_out(self, names: Sequence[Name]) -> list[tuple[Name, Column]]:
        """Return the columns with their names in the order in which they come out."""
        pairs = list(zip(names, self.columns_, strict=True))
        return sorted(pairs, key=lambda pair: isinstance(pair[1], CodeColumn))  # these last

    def _columns(self, table: Table) -> Iterator[tuple[Name, Column, Array]]:
        """Yield, of every column that is used, its name or place, its figures and its values."""
        keys: Sequence[Name] = range(self.n_features_in_)
        if table.names is not None:
            keys = self.feature_names_in_ or table.names
        for key, column in zip(keys, self.columns_, strict=True):
            if column.width:
                yield key, column, values_of(table.column(key), key)

    def _table(self, X: Any) -> Table:
        self.require_fit()
        table = as_table(X)
        if table.names is not None and self.feature_names_in_ is not None:
            pairs = zip(self.feature_names_in_, self.columns_, strict=True)
            check_columns(table.names, [name for name, column in pairs if column.width])
        elif table.columns != self.n_features_in_:
            raise InputError(
                f"Fitted on rows of {self.n_features_in_} columns, got rows of {table.columns} "
                "columns."
            )
        return table

    # ------------------------------------------------------------ in a file

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        settings = {
            "categorical_features": list(self.categorical_features),
            "max_categories": self.max_categories,
            "min_frequency": self.min_frequency,
            "embed_from": self.embed_from,
            "n_bins": self.n_bins,
            "dtype": self.dtype,
        }
        arrays = columns_to_arrays(self.columns_)
        arrays |= pack_names(self.feature_names_in_) | pack("notes", self.notes_)
        return {"settings": settings}, arrays

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        settings = description.get("settings")
        expect(set(description) == {"settings"} and isinstance(settings, dict))
        made = cls(**description["settings"])
        expect(set(settings or {}) == set(made.get_params()))
        known = {*ARRAYS, "notes/bytes", "notes/lengths"}
        expect(set(arrays) - NAMES == known and set(arrays) & NAMES in (set(), NAMES))
        made.columns_ = columns_from_arrays(arrays)
        made.code_categories_ = code_categories(made.columns_)
        made.n_features_in_ = len(made.columns_)
        made.feature_names_in_ = unpack_names(arrays, made.n_features_in_)
        made.notes_ = unpack("notes", arrays)
        return made


NAMES = {"names/bytes", "names/lengths", "names/whole"}


def code_categories(columns: Sequence[Column]) -> tuple[int, ...]:
    """Return how many codes each column of codes has."""
    return tuple(column.codes for column in columns if isinstance(column, CodeColumn))


def _notes(column: Column, name: Name, rows: int) -> Iterator[str]:
    """Yield what a user will want to know of a column."""
    if not column.width:
        why = "it never changes"
        if isinstance(column, NumberColumn) and np.isnan(column.low):
            why = "it is missing in every row"
        elif isinstance(column, CategoryColumn) and column.grouped:
            why = "its categories are all rare, as those of a name or a number of the row are"
        elif isinstance(column, CategoryColumn) and not column.categories:
            why = "it is missing in every row"
        yield f"column {name!r} is left out: {why}"
    elif isinstance(column, CodeColumn):
        told = (
            f"column {name!r}: {len(column.categories)} categories, each with a code for embedding"
        )
        yield told + (", and rare ones that share a code" if column.grouped else "")
    elif isinstance(column, CategoryColumn) and column.grouped:
        rare = f"{len(column.rare)} rare categories" if column.rare else "very many rare categories"
        yield f"column {name!r}: {rare} are one group"
    if isinstance(column, CategoryColumn):
        numbers = sum(_is_number(text) for text in column.categories)
        if 0 < len(column.categories) - numbers <= 0.1 * numbers:
            odd = next(text for text in column.categories if not _is_number(text))
            yield (
                f"column {name!r} holds numbers but for text such as {odd!r:.40}, and is taken for "
                "categories; write what is missing as NaN to make it numbers"
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
