"""A column of very many categories: one code for each, with which an embedding finds its vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.category_column import MISSING, CategoryColumn

MOST_CODES = 10_000
"""At most so many categories, the most frequent, have a code of their own."""


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
