"""A column of numbers: robustly scaled, smoothly clipped, missing values filled and marked.

If it is asked for, the piecewise linear encoding stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.frames import Name
from chainrule.preparation.number_format import NumberFormat
from chainrule.preparation.piecewise_linear import piecewise_linear, quantile_knots
from chainrule.preparation.report import ColumnIssue
from chainrule.preparation.values import numbers_in

LIMIT = 3.0
"""No transformed number exceeds this, however far out it is."""


@dataclass
class NumberColumn:
    """z = (x - center) / scale, then z / √(1 + (z/3)²), which is z near 0 and never exceeds ±3.

    The center is the median and the scale the interquartile range (or half the range where that is
    0), as in RealMLP (Holzmüller et al., "Better by Default", 2024). A missing value becomes 0,
    which is the median, and 0 in the encoding. If the training rows had missing values, a last
    column marks them.

    Parameters
    ----------
    center, scale : float
        See above.
    low, high : float
        The smallest and the largest training value; NaN if every value was missing.
    missing : bool
        Whether the training rows had missing values.
    knots : tuple of float
        The limits of the bins of the encoding; empty if there is none.
    format : NumberFormat, optional
        How its numbers are written, if they are text.
    """

    center: float
    scale: float
    low: float
    high: float
    missing: bool
    knots: tuple[float, ...] = ()
    format: NumberFormat | None = None

    @classmethod
    def fit(
        cls, array: Array, name: Name, n_bins: int = 0, form: NumberFormat | None = None
    ) -> NumberColumn:
        """Measure a column of the training rows; with ``n_bins=0`` there is no encoding."""
        x = numbers_in(array, name, form)
        given = x[~np.isnan(x)]
        missing = len(given) < len(x)
        if not len(given):
            return cls(0.0, 1.0, np.nan, np.nan, False, (), form)  # always missing: nothing to mark
        low, high = given.min(), given.max()
        unit = 16.0 if max(-low, high) > 1e300 else 1.0  # so that no difference overflows
        first, center, third = np.quantile(given / unit, [0.25, 0.5, 0.75])
        scale = third - first or (high / unit - low / unit) / 2 or 1.0
        scale = min(scale, np.finfo(np.float64).max / unit) * unit
        knots = quantile_knots(given, n_bins) if n_bins else ()
        measured = float(center * unit), float(scale), float(low), float(high)
        return cls(*measured, missing, knots, form)

    @property
    def varies(self) -> bool:
        """Whether the training rows had more than one value."""
        return self.low < self.high

    @property
    def width(self) -> int:
        """The number of output columns."""
        return self.varies + self.bins + self.missing

    @property
    def bins(self) -> int:
        """The number of bins: as many output columns are the encoding."""
        return max(len(self.knots) - 1, 0)

    def names_out(self, name: str) -> list[str]:
        bins = [f"{name}_bin{place}" for place in range(self.bins)]
        return [name] * self.varies + bins + [f"missingindicator_{name}"] * self.missing

    def read(self, array: Array, name: Name) -> Array:
        """Return a column's numbers, (N,), with NaN for missing values."""
        return numbers_in(array, name, self.format)

    def write(self, x: Array, out: Array) -> None:
        """Write the transformed numbers into `out`, (N, width)."""
        absent = np.isnan(x)
        if self.varies:
            with np.errstate(over="ignore"):
                z = (x - self.center) / self.scale
            np.clip(z, -1e100, 1e100, out=z)  # infinity divided by infinity would be NaN
            z /= np.hypot(1, z / LIMIT)
            z[absent] = 0
            out[:, 0] = z
        if self.bins:
            encoded = piecewise_linear(x, self.knots)
            encoded[absent] = 0
            out[:, 1 : 1 + self.bins] = encoded
        if self.missing:
            out[:, -1] = absent

    def report(self, array: Array, name: Name) -> Iterator[ColumnIssue]:
        """Yield what these values have that the training rows did not."""
        x = self.read(array, name)
        absent = np.isnan(x)
        if absent.any() and not self.missing:
            yield ColumnIssue.of_rows(name, "missing value", absent)
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = np.maximum(self.low - x, x - self.high)
            far = beyond > max(self.high - self.low, abs(self.center) * 1e-9)
        if far.any():
            worst = x[np.where(far, beyond, -1).argmax()]
            examples = (f"{worst:g}", f"trained on {self.low:g} to {self.high:g}")
            yield ColumnIssue.of_rows(name, "far outside the training range", far, examples)
