"""A column of very many categories: one code for each, with which an embedding finds its vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.category_column import MISSING, CategoryColumn

MOST_CODES = 10_000
"""So many categories at most, the most frequent, have a code of their own."""


@dataclass
class CodeColumn(CategoryColumn):
    """One column of whole numbers: 0 for rare and unknown categories, then one for each other.

    Missing values are 1 where the training part had some, and unknown otherwise.
    """

    @property
    def codes(self) -> int:
        """How many codes there are."""
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
