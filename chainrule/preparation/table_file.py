"""The fitted columns of a table as arrays, for a file, and back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TypeAlias

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.category_column import CategoryColumn, CodeColumn
from chainrule.preparation.number_column import NumberColumn
from chainrule.preparation.number_format import number_format
from chainrule.preparation.packing import expect, pack, split, unpack

Column: TypeAlias = NumberColumn | CategoryColumn


def columns_to_arrays(columns: Sequence[Column]) -> dict[str, Array]:
    """Return all columns as arrays.

    ==================================  =========================================================
    of every column                     ``is_category``, ``missing``
    of every column of numbers          ``numbers`` (center, scale, low, high), ``knots/counts``
    of every column of categories       ``grouped``, ``codes`` (whether it is a `CodeColumn`),
                                        ``categories/counts``, ``rare/counts``
    of all columns, one after another   ``knots``, ``categories``, ``rare``
    if numbers are written as text      ``formats``: of each column of numbers, as JSON, or empty
    ==================================  =========================================================
    """
    numbers = [column for column in columns if isinstance(column, NumberColumn)]
    categories = [column for column in columns if isinstance(column, CategoryColumn)]
    figures = [(column.center, column.scale, column.low, column.high) for column in numbers]
    arrays = {
        "is_category": np.array([isinstance(c, CategoryColumn) for c in columns], np.bool_),
        "missing": np.array([column.missing for column in columns], np.bool_),
        "numbers": np.array(figures, np.float64).reshape(-1, 4),
        "knots": np.array([knot for column in numbers for knot in column.knots], np.float64),
        "knots/counts": np.array([len(column.knots) for column in numbers], np.int64),
        "grouped": np.array([column.grouped for column in categories], np.bool_),
        "codes": np.array([isinstance(c, CodeColumn) for c in categories], np.bool_),
    }
    for part in ("categories", "rare"):
        lists = [getattr(column, part) for column in categories]
        arrays |= pack(part, list(itertools.chain.from_iterable(lists)))
        arrays[f"{part}/counts"] = np.array([len(texts) for texts in lists], np.int64)
    if any(column.format for column in numbers):
        forms = [json.dumps(asdict(c.format)) if c.format else "" for c in numbers]
        arrays |= pack("formats", forms)
    return arrays


ARRAYS = frozenset(columns_to_arrays([]))
"""The names of the arrays in every file."""

FORMATS = frozenset(pack("formats", []))
"""The names of those that are in some."""


def columns_from_arrays(arrays: Mapping[str, Array]) -> list[Column]:
    """Return the columns that `columns_to_arrays` was given; refuse what it never returns."""
    is_category, missing = (_flags(arrays[name]) for name in ("is_category", "missing"))
    numbers, categories = _number_columns(arrays), _category_columns(arrays)
    expect(len(missing) == len(is_category) == len(numbers) + len(categories))
    expect(sum(is_category) == len(categories))
    kinds: tuple[Iterator[Column], ...] = (iter(numbers), iter(categories))
    columns = [next(kinds[flag]) for flag in is_category]
    for column, gaps in zip(columns, missing, strict=True):
        column.missing = gaps
    expect(any(column.width for column in columns))
    return columns


def _flags(array: Array) -> list[bool]:
    expect(array.dtype == np.bool_ and array.ndim == 1)
    return array.tolist()


def _number_columns(arrays: Mapping[str, Array]) -> list[NumberColumn]:
    """Return the columns of numbers, with no missing values yet."""
    numbers, knots = arrays["numbers"], arrays["knots"]
    expect(numbers.ndim == 2 and numbers.shape[1] == 4 and numbers.dtype == np.float64)
    center, scale, low, high = numbers.T
    expect(bool((np.isfinite(center) & np.isfinite(scale) & (scale > 0)).all()))
    never = np.isnan(low) & np.isnan(high)  # no number was ever there
    expect(bool((never | (np.isfinite(low) & np.isfinite(high) & (low <= high))).all()))
    expect(knots.ndim == 1 and knots.dtype == np.float64 and bool(np.isfinite(knots).all()))
    of_each = split(knots.tolist(), arrays["knots/counts"])
    texts = [""] * len(numbers) if FORMATS.isdisjoint(arrays) else unpack("formats", arrays)
    columns = []
    for (center, scale, low, high), own, text in zip(numbers.tolist(), of_each, texts, strict=True):
        form = number_format(json.loads(text)) if text else None
        column = NumberColumn(center, scale, low, high, False, tuple(own), form)
        expect(not own or (len(own) > 2 and column.varies))
        expect(all(one < following for one, following in itertools.pairwise(own)))
        columns.append(column)
    return columns


def _category_columns(arrays: Mapping[str, Array]) -> list[CategoryColumn]:
    """Return the columns of categories, with no missing values yet."""
    parts = zip(
        *(split(unpack(part, arrays), arrays[f"{part}/counts"]) for part in ("categories", "rare")),
        *(_flags(arrays[name]) for name in ("grouped", "codes")),
        strict=True,
    )
    columns = []
    for categories, rare, grouped, codes in parts:
        expect(len({*categories, *rare}) == len(categories) + len(rare) and (grouped or not rare))
        expect(len(categories) > 1 or not codes)
        kind = CodeColumn if codes else CategoryColumn
        columns.append(kind(categories, rare, grouped, False))
    return columns
