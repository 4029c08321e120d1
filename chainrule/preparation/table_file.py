"""What was measured of a table's columns as arrays, for a file, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.category_column import CategoryColumn
from chainrule.preparation.code_column import CodeColumn
from chainrule.preparation.number_column import NumberColumn
from chainrule.preparation.texts import are_counts, expect, pack, unpack

Column: TypeAlias = NumberColumn | CategoryColumn


def columns_to_arrays(columns: Sequence[Column]) -> dict[str, Array]:
    """Return all columns as arrays.

    ``is_category`` and ``missing`` say of each column what it is, and ``numbers`` holds center,
    scale, low and high of those that are numbers; their knots stand one behind the other, and
    ``knots/counts`` says how many are whose. Of the others ``grouped`` says whether they have
    a group of rare ones, and ``codes`` whether they come out as codes; their categories stand one
    behind the other, as do the rare ones, and ``.../counts`` says how many are whose.
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
    return arrays


ARRAYS = (
    *("is_category", "missing", "numbers", "knots", "knots/counts", "grouped", "codes"),
    *(f"{part}/{half}" for part in ("categories", "rare") for half in ("bytes", "lengths")),
    *("categories/counts", "rare/counts"),
)


def columns_from_arrays(arrays: Mapping[str, Array]) -> list[Column]:
    """Return the columns that `columns_to_arrays` told; refuse what it never tells."""
    is_category, missing, grouped, codes = (
        arrays[name] for name in ("is_category", "missing", "grouped", "codes")
    )
    for flags in (is_category, missing, grouped, codes):
        expect(flags.dtype == np.bool_ and flags.ndim == 1)
    expect(len(missing) == len(is_category))
    expect(len(grouped) == len(codes) == np.count_nonzero(is_category))
    figures = arrays["numbers"]
    _check_figures(figures, int(np.count_nonzero(~is_category)))
    rows = iter(figures.tolist())
    knots = iter(_knots(arrays["knots"], arrays["knots/counts"], len(figures)))
    parts = zip(
        _lists("categories", arrays, len(grouped)),
        _lists("rare", arrays, len(grouped)),
        grouped.tolist(),
        codes.tolist(),
        strict=True,
    )
    columns: list[Column] = []
    for category, gaps in zip(is_category.tolist(), missing.tolist(), strict=True):
        if category:
            texts, rare, has_group, has_codes = next(parts)
            expect(len({*texts, *rare}) == len(texts) + len(rare) and (has_group or not rare))
            expect(len(texts) > 1 or not has_codes)
            kind = CodeColumn if has_codes else CategoryColumn
            columns.append(kind(texts, rare, has_group, gaps))
        else:
            center, scale, low, high = next(rows)
            number = NumberColumn(center, scale, low, high, gaps, next(knots))
            expect(number.varies or not number.bins)
            columns.append(number)
    expect(any(column.width for column in columns))
    return columns


def _lists(part: str, arrays: Mapping[str, Array], columns: int) -> Iterator[list[str]]:
    """Yield each column's own texts."""
    texts, counts = unpack(part, arrays), arrays[f"{part}/counts"]
    expect(are_counts(counts, len(texts)) and len(counts) == columns)
    remaining = iter(texts)
    return (list(itertools.islice(remaining, count)) for count in counts.tolist())


def _knots(knots: Array, counts: Array, columns: int) -> list[tuple[float, ...]]:
    """Return each column's own knots, which rise; there are none, or at least three."""
    expect(knots.ndim == 1 and knots.dtype == np.float64 and bool(np.isfinite(knots).all()))
    expect(are_counts(counts, len(knots)) and len(counts) == columns)
    remaining = iter(knots.tolist())
    lists = [tuple(itertools.islice(remaining, count)) for count in counts.tolist()]
    for own in lists:
        expect(not own or len(own) > 2)
        expect(all(one < next_one for one, next_one in itertools.pairwise(own)))
    return lists


def _check_figures(numbers: Array, columns: int) -> None:
    """Refuse figures that no column has; low and high are NaN where nothing was ever there."""
    expect(numbers.shape == (columns, 4) and numbers.dtype == np.float64)
    center, scale, low, high = numbers.T
    expect(bool((np.isfinite(center) & np.isfinite(scale) & (scale > 0)).all()))
    never = np.isnan(low) & np.isnan(high)
    expect(bool((never | (np.isfinite(low) & np.isfinite(high) & (low <= high))).all()))
