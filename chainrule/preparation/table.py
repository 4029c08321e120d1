"""TablePreparation: a raw table of numbers, categories and gaps as one matrix of numbers."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_choice, check_whole, network_dtype
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array
from chainrule.preparation.base import Preparation
from chainrule.preparation.category_column import (
    MOST_CODES,
    CategoryColumn,
    CodeColumn,
    count_categories,
)
from chainrule.preparation.frames import (
    Name,
    Table,
    as_table,
    check_columns,
    is_categorical,
    values_of,
)
from chainrule.preparation.number_column import NumberColumn
from chainrule.preparation.number_format import NumberFormat, find_format, number_format
from chainrule.preparation.packing import NAMES, expect, pack, pack_names, unpack, unpack_names
from chainrule.preparation.report import ColumnIssue, TableReport
from chainrule.preparation.table_file import (
    ARRAYS,
    FORMATS,
    Column,
    columns_from_arrays,
    columns_to_arrays,
)
from chainrule.preparation.values import (
    holds_numbers,
    is_number_type,
    note_on_numbers,
    note_on_spaces,
    texts_in,
)

ADVICE = (
    "Say what it is: TablePreparation(number_formats={{{0!r}: {{'decimal': '.'}}}}) for numbers, "
    "TablePreparation(categorical_features=[{0!r}]) for categories; or write numbers as numbers "
    "and missing values as NaN."
)
"""What can be done about a column that could be numbers or something else."""


class TablePreparation(Preparation):
    """Turn the columns of a table into one matrix of numbers for a network.

    - Numbers and booleans are centred, scaled and smoothly clipped to ±3 (`NumberColumn`): an
      outlier is far away, but not far enough to dominate the network.
    - Numbers that are written as text are numbers (`NumberFormat`): ``"1.234,5"``, ``"$ 12"``,
      ``"45 %"``. A few cells that are none, such as ``"n/a"``, are missing values. What was made of
      a column is said in a warning and in `notes_`; what is doubtful is refused.
    - Text and categoricals become one column for each category (`CategoryColumn`), or a single
      column of -1 and 1 if there are two. With `embed_from`, very many categories become one column
      of codes for an embedding (`CodeColumn`).
    - Missing values (NaN, None, NA) become the median, or all zeros. If the training rows had
      missing values, a column of its own marks them.
    - Columns that never change are left out.
    - Dates are refused: make columns of what matters in them, such as the month.

    Parameters
    ----------
    categorical_features : sequence of str or int
        Columns whose numbers are names, such as postal codes: by name, or by number if the table
        has no names.
    max_categories : int
        The most output columns for one column of categories, including its group of rare ones. If
        it has more categories, the most frequent keep their own column, provided that they occur
        at least twice.
    min_frequency : int
        Categories that occur less often go into the group of rare ones.
    embed_from : int, optional
        A column with more categories than this (counting those that occur at least twice) becomes
        one column of codes, from which a `CategoryEmbedding` learns a vector for each category.
        Code 0 is for categories that are unknown, occur only once or less often than
        `min_frequency`, or are not among the 9,999 most frequent. Code 1 is for missing values if
        the training rows had some. The other categories follow in alphabetical order. Columns of
        codes come last. None: no column becomes codes.
    n_bins : int
        The number of bins for the piecewise linear encoding of each number, which stands beside the
        number itself; about as many training rows fall into each bin. It helps if a table is large
        and the target depends on steps. 0: no encoding.
    number_formats : mapping of str or int to NumberFormat or dict
        How the numbers of some columns are written, such as ``{"price": {"decimal": ","}}``; of
        others it is found out.
    handle_unknown : {"warn", "error", "ignore"}
        What `transform` does about categories that were not among the training rows, unless they
        count as rare.
    dtype : dtype
        What `transform` returns: float32 (the default) or float64.

    Attributes
    ----------
    feature_names_in_ : list or None
        The names of the columns, if the table has names. Later tables with names may then have
        their columns in any order, and others beside them.
    n_features_in_ : int
        The number of columns it was fitted on.
    columns_ : list of NumberColumn, CategoryColumn and CodeColumn
        What was measured of each column.
    code_categories_ : tuple of int
        The number of codes in each column of codes, which are the last output columns; empty if
        there are none.
    notes_ : list of str
        What was left out or grouped, and why, and which numbers were written as text.

    Raises
    ------
    ConfigurationError
        An option makes no sense.

    Notes
    -----
    A table is a pandas or polars data frame, a dict of columns, a structured array, or an array or
    list of rows. Only NumPy is needed.

    A category is identified by its text, without spaces around it: 3, 3.0 and "3 " are the same
    category, and blank text is a missing value. A category that was
    not among the training rows counts as rare if there is a group of rare ones, and is all zeros
    otherwise; a warning names it, and `report`.

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
        number_formats: Mapping[Name, NumberFormat | Mapping[str, Any]] | None = None,
        handle_unknown: str = "warn",
        dtype: DTypeLike = "float32",
    ) -> None:
        listed = isinstance(categorical_features, list | tuple)
        if not listed or not all(isinstance(name, str | int) for name in categorical_features):
            raise ConfigurationError(
                "categorical_features must be a list of names or numbers of columns, got "
                f"{categorical_features!r}."
            )
        self.categorical_features = tuple(categorical_features)
        self.max_categories = check_whole("max_categories", max_categories, least=2)
        self.min_frequency = check_whole("min_frequency", min_frequency)
        self.embed_from = None if embed_from is None else check_whole("embed_from", embed_from)
        self.n_bins = check_whole("n_bins", n_bins, least=0)
        if number_formats is not None and not isinstance(number_formats, Mapping):
            raise ConfigurationError(
                f"number_formats must be a dict by column, got {number_formats!r:.60}."
            )
        self.number_formats = number_formats
        for form in (number_formats or {}).values():
            number_format(form)
        choices = dict.fromkeys(("warn", "error", "ignore"))
        check_choice("handle_unknown", handle_unknown, choices)
        self.handle_unknown = handle_unknown
        self.dtype = "float64" if network_dtype(dtype) == np.float64 else "float32"

    @property
    def fitted(self) -> bool:
        return hasattr(self, "columns_")

    # ------------------------------------------------------------ fit, transform, report

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure every column of the training rows.

        Parameters
        ----------
        X : data frame, dict of columns, or array_like
            The training rows, without the test rows.
        y : ignored
            For scikit-learn's pipelines.

        Raises
        ------
        InputError
            A column holds dates or containers, two have the same name, there are no rows, or no
            column ever changes. The message names the column.
        """
        table = as_table(X)
        if not table.rows or not table.columns:
            raise InputError(
                f"The table is empty: it has {table.rows} rows and {table.columns} columns."
            )
        keys = list(range(table.columns)) if table.names is None else table.names
        for option in ("categorical_features", "number_formats"):
            unknown = [name for name in getattr(self, option) or () if name not in keys]
            if unknown:
                raise InputError(f"{option} {unknown} are no columns of {keys!r:.300}.")
        texts: list[str] = []
        columns = [self._fit_column(table.column(key), key, texts) for key in keys]
        if not any(column.width for column in columns):
            raise InputError("No column of the table ever changes: there is nothing to learn from.")
        self._set_columns(columns)
        for note in texts:
            warnings.warn(note, stacklevel=2)
        pairs = zip(keys, columns, strict=True)
        self.notes_ = texts + [note for key, column in pairs for note in _notes(column, key)]
        self.feature_names_in_, self.n_features_in_ = table.names, table.columns
        return self

    def _set_columns(self, columns: list[Column]) -> None:
        self.columns_ = columns
        self.code_categories_ = tuple(c.codes for c in columns if isinstance(c, CodeColumn))

    def _fit_column(self, values: Any, key: Name, notes: list[str]) -> Column:
        array = values_of(values, key)
        declared = is_categorical(values) and array.dtype.kind not in "Mm"
        numbers = not declared and holds_numbers(array, key)
        if not declared and key not in self.categorical_features:
            form = self._format_of(array, key, numbers)
            if numbers or form is not None:
                if form is not None and not numbers:
                    notes += note_on_numbers(array, key, form)
                return NumberColumn.fit(array, key, self.n_bins, form)
        counts = count_categories(array, key)
        notes += note_on_spaces(array, key)
        frequency = max(2, self.min_frequency)  # what occurs once says nothing about other rows
        frequent = sum(count >= frequency for text, count in counts.items() if text is not None)
        if self.embed_from is None or frequent <= self.embed_from:
            return CategoryColumn.fit(counts, self.max_categories, self.min_frequency)
        return CodeColumn.fit(counts, MOST_CODES, frequency)

    def _format_of(self, array: Array, key: Name, numbers: bool) -> NumberFormat | None:
        """Return how the numbers of a column are written; None if that is not known."""
        if self.number_formats and key in self.number_formats:
            return number_format(self.number_formats[key])
        if numbers:
            return None
        others = sum(is_number_type(type(value)) for value in array.tolist())
        return find_format(Counter(texts_in(array)), key, others, advice=ADVICE.format(key))

    def transform(self, X: Any) -> Array:
        """Return the rows as numbers, (N, output columns).

        Parameters
        ----------
        X : data frame, dict of columns, or array_like
            Rows like the training rows.

        Raises
        ------
        InputError
            A column is missing, or holds infinity, or text where the training rows had numbers.
        """
        table = self._table(X)
        out = np.zeros((table.rows, sum(column.width for column in self.columns_)), self.dtype)
        start = 0
        for key, column, values in self._columns_of(table):
            read = column.read(values, key)
            if isinstance(column, CategoryColumn) and self.handle_unknown != "ignore":
                self._tell(column.unknown(read, values, key))
            column.write(read, out[:, start : start + column.width])
            start += column.width
        return out

    def _tell(self, issues: Iterator[ColumnIssue]) -> None:
        """Warn of categories that the training rows did not have, or refuse them."""
        for issue in issues:
            if self.handle_unknown == "error":
                raise InputError(f"The {issue}. Correct it, or give handle_unknown='warn'.")
            warnings.warn(f"{issue}", stacklevel=4)

    def report(self, X: Any) -> TableReport:
        """Return what new rows have that the training rows did not have.

        These are unknown categories, missing values in columns that had none, numbers outside the
        training range by more than the length of that range, and columns that are not used.

        Parameters
        ----------
        X : data frame, dict of columns, or array_like
            The new rows.

        Raises
        ------
        InputError
            `transform` would refuse the rows.
        """
        table = self._table(X)
        issues = [i for key, column, x in self._columns_of(table) for i in column.report(x, key)]
        if table.names is not None and self.feature_names_in_ is not None:
            used = set(self.feature_names_in_)
            issues += [ColumnIssue(n, "unused column") for n in table.names if n not in used]
        return TableReport(tuple(issues))

    def get_feature_names_out(self, input_features: Any = None) -> list[str]:
        """Return the names of the output columns; ``x0``, ``x1`` ... if the table had no names.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn.
        """
        self.check_fitted()
        names = self.feature_names_in_ or [f"x{number}" for number in range(self.n_features_in_)]
        return [out for name, column in self._used(names) for out in column.names_out(str(name))]

    def input_columns(self) -> list[Name]:
        self.check_fitted()
        names = self.feature_names_in_ or range(self.n_features_in_)
        return [name for name, column in self._used(names) for _ in range(column.width)]

    def _used(self, names: Sequence[Name]) -> list[tuple[Name, Column]]:
        """Return the used columns by name, in the order of the output: codes come last."""
        pairs = [pair for pair in zip(names, self.columns_, strict=True) if pair[1].width]
        return sorted(pairs, key=lambda pair: isinstance(pair[1], CodeColumn))

    def _columns_of(self, table: Table) -> Iterator[tuple[Name, Column, Array]]:
        """Yield, for each used column, what it is called in this table, itself and its values."""
        names = table.names and (self.feature_names_in_ or table.names)
        for key, column in self._used(names or range(self.n_features_in_)):
            yield key, column, values_of(table.column(key), key)

    def _table(self, X: Any) -> Table:
        self.check_fitted()
        table = as_table(X)
        if table.names is not None and self.feature_names_in_ is not None:
            used = self._used(self.feature_names_in_)
            check_columns(table.names, [name for name, _ in used])
        elif table.columns != self.n_features_in_:
            raise InputError(
                f"Fitted on rows of {self.n_features_in_} columns, got rows of {table.columns} "
                "columns."
            )
        return table

    # ------------------------------------------------------------ in a file

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        arrays = columns_to_arrays(self.columns_)
        arrays |= pack_names(self.feature_names_in_) | pack("notes", self.notes_)
        settings = self.get_params()
        del settings["number_formats"]  # each column has its own
        return {"settings": settings}, arrays

    @classmethod
    def from_description(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        expect(set(description) == {"settings"} and isinstance(description["settings"], dict))
        made = cls(**description["settings"])
        newer = {"number_formats", "handle_unknown"}  # than the files of 0.1.0
        expect(set(made.get_params()) - newer <= set(description["settings"]))
        expect(set(arrays) - NAMES - FORMATS == ARRAYS | set(pack("notes", [])))
        made._set_columns(columns_from_arrays(arrays))
        made.n_features_in_ = len(made.columns_)
        made.feature_names_in_ = unpack_names(arrays, made.n_features_in_)
        made.notes_ = unpack("notes", arrays)
        return made


def _notes(column: Column, name: Name) -> Iterator[str]:
    """Yield what a user will want to know about a column."""
    if not column.width:
        yield f"column {name!r} is left out: {_reason_to_leave_out(column)}"
    elif isinstance(column, CodeColumn):
        codes = f"column {name!r}: {len(column.categories)} categories, each with a code for"
        yield f"{codes} embedding" + ", and rare ones that share a code" * column.grouped
    elif isinstance(column, CategoryColumn) and column.grouped:
        rare = f"{len(column.rare)} rare categories" if column.rare else "very many rare categories"
        yield f"column {name!r}: {rare} are one group"
    if isinstance(column, CategoryColumn):
        texts = [text for text in column.categories if not _is_number(text)]
        if 0 < len(texts) <= 0.1 * (len(column.categories) - len(texts)):
            yield (
                f"column {name!r} holds numbers but for text such as {texts[0]!r:.40}, and is "
                "taken for categories; write missing values as NaN to make it numbers"
            )


def _reason_to_leave_out(column: Column) -> str:
    if isinstance(column, NumberColumn):
        return "it is missing in every row" if np.isnan(column.low) else "it never changes"
    if column.grouped:
        return "its categories are all rare, as those of a name or a number of the row are"
    return "it never changes" if column.categories else "it is missing in every row"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
