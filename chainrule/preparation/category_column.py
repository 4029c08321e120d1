"""A column of categories: one-hot, or as codes with which an embedding finds its vectors.

One-hot, rare categories share one group, and two categories are -1 and 1. Codes are for columns of
very many categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.frames import Name
from chainrule.preparation.report import ColumnIssue
from chainrule.preparation.values import category_of

MOST_RARE = 10_000
"""If no more categories than this are rare, they are remembered by name; otherwise none is."""

MOST_CODES = 10_000
"""At most so many categories, the most frequent, have a code of their own."""

UNKNOWN, MISSING, RARE = -1, -2, -3
"""Take the place of a category's number."""

EXAMPLES = 5


@dataclass
class CategoryColumn:
    """A one-hot encoding: 1 in a category's own column and 0 elsewhere.

    Two categories become a single column of -1 and 1.

    Parameters
    ----------
    categories : list of str
        Those with a column of their own, in the order of their columns.
    rare : list of str
        Those that share a column; empty if there are too many to remember.
    grouped : bool
        Whether there is a group of rare categories. Unknown ones count among them; without such a
        group they are all zeros.
    missing : bool
        Whether the training rows had missing values, which then have a column of their own.
    """

    categories: list[str]
    rare: list[str]
    grouped: bool
    missing: bool

    @classmethod
    def fit(cls, counts: Mapping[str | None, int], max_categories: int, min_frequency: int) -> Self:
        """Choose, by `count_categories`, which categories get a column of their own."""
        frequencies = {text: count for text, count in counts.items() if text is not None}
        kept = {text: count for text, count in frequencies.items() if count >= min_frequency}
        if len(kept) + (len(kept) < len(frequencies)) > max_categories:
            # What occurs once says nothing about other rows.
            order = sorted((-count, text) for text, count in kept.items() if count > 1)
            kept = {text: -negative for negative, text in order[: max_categories - 1]}
        rare = [text for text in frequencies if text not in kept]
        remembered = sorted(rare) if len(rare) <= MOST_RARE else []
        sometimes = None in counts and bool(frequencies)  # always missing tells no more than never
        return cls(sorted(kept), remembered, bool(rare), sometimes)

    @property
    def groups(self) -> int:
        """The number of categories that are told apart."""
        return len(self.categories) + self.grouped

    @property
    def own_width(self) -> int:
        """The number of output columns, without that of missing values."""
        return {0: 0, 1: 0, 2: 1}.get(self.groups, self.groups)

    @property
    def width(self) -> int:
        """The number of output columns."""
        return self.own_width + self.missing

    def names_out(self, name: str) -> list[str]:
        named = [f"{name}_{text}" for text in self.categories]
        named += [f"{name}_infrequent"] * self.grouped
        return named[self.groups - self.own_width :] + [f"missingindicator_{name}"] * self.missing

    def read(self, array: Array, name: Name) -> Array:
        """Return the number of each value's category, (N,), or UNKNOWN, MISSING or RARE."""
        values = array.tolist()
        numbers: dict[str | None, int] = {t.strip(): n for n, t in enumerate(self.categories)}
        numbers |= dict.fromkeys(map(str.strip, self.rare), RARE)
        numbers[None] = MISSING
        # Each distinct value is read once; then each row is one lookup.
        places = {v: numbers.get(category_of(v), UNKNOWN) for v in count_values(values, name)}
        return np.fromiter(map(places.__getitem__, values), np.int32, len(values))

    def write(self, codes: Array, out: Array) -> None:
        """Write the one-hot rows into `out`, (N, width), which holds zeros."""
        if self.missing:
            out[:, -1] = codes == MISSING
        if not self.own_width:
            return
        if self.grouped:
            codes = np.where((codes == RARE) | (codes == UNKNOWN), len(self.categories), codes)
        known = np.flatnonzero(codes >= 0)
        if self.groups == 2:
            out[known, 0] = 2 * codes[known] - 1
        else:
            out[known, codes[known]] = 1

    def report(self, array: Array, name: Name) -> Iterator[ColumnIssue]:
        """Yield what these values have that the training rows did not."""
        codes = self.read(array, name)
        absent = codes == MISSING
        if absent.any() and not self.missing:
            yield ColumnIssue.of_rows(name, "missing value", absent)
        yield from self.unknown(codes, array, name)

    def unknown(self, codes: Array, array: Array, name: Name) -> Iterator[ColumnIssue]:
        """Yield an issue if there are categories that the training rows did not have."""
        unknown = codes == UNKNOWN
        if unknown.any() and (self.rare or not self.grouped):
            # the first few, in their order and each once
            rows = np.flatnonzero(unknown)[:1000]
            texts = list(dict.fromkeys(map(category_of, array[rows].tolist())))
            examples = tuple(repr(text)[:60] for text in texts[:EXAMPLES])
            yield ColumnIssue.of_rows(name, "unknown category", unknown, examples)


@dataclass
class CodeColumn(CategoryColumn):
    """One column of codes: 0 for rare and unknown categories, then one for each other category.

    A missing value has the code 1 if the training rows had missing values, and otherwise 0.
    """

    @property
    def codes(self) -> int:
        """The number of codes."""
        return 1 + self.missing + len(self.categories)

    @property
    def width(self) -> int:
        return 1

    def names_out(self, name: str) -> list[str]:
        return [f"{name}_code"]

    def write(self, codes: Array, out: Array) -> None:
        """Write the codes into `out`, (N, 1), which holds zeros."""
        first = 1 + self.missing
        out[:, 0] = np.where(codes >= 0, codes + first, 0)
        if self.missing:
            out[codes == MISSING, 0] = 1


def count_categories(array: Array, name: Name) -> Counter[str | None]:
    """Return how often each category of a column occurs; None stands for missing values."""
    counts: Counter[str | None] = Counter()
    for value, count in count_values(array.tolist(), name).items():
        counts[category_of(value)] += count
    return counts


def count_values(values: list[Any], name: Name) -> Counter[Any]:
    """Count the distinct values of a column; refuse containers."""
    try:
        return Counter(values)
    except TypeError as error:
        raise InputError(
            f"Column {name!r} holds lists or other containers, not categories ({error})."
        ) from error
