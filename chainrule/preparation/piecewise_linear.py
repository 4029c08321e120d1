"""The piecewise linear encoding of a number: how far it has come through each bin.

With the knots b_0 < b_1 < ... < b_T, a number x becomes T columns,

    e_t = min(1, max(0, (x - b_{t-1}) / (b_t - b_{t-1})))
    z_t = (2 e_t - 1) / √T

where e_t is 0 in the bins above x, 1 in those below, and between them in its own. A linear layer on
them is a piecewise linear function of x that bends at the knots. A network learns steps and
thresholds from it that it learns slowly, or never, from x alone.

Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", 2022,
section 3.2, with quantiles as knots. That z is centred, and never longer than 1 however many bins
there are, is ours: so it does not drown the number that it stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.parameter import Array


def quantile_knots(x: Array, n_bins: int) -> tuple[float, ...]:
    """Return at most n_bins + 1 knots, with about as many numbers in each bin.

    Where there are no more different numbers than knots, they are the knots themselves. Of fewer
    than three knots nothing can be learned that is not in x: then there are none.
    """
    different = np.unique(x)
    if len(different) > n_bins + 1:
        unit = 16.0  # so that no difference overflows; the division is exact but near zero
        places = np.linspace(0, 1, n_bins + 1)
        different = np.unique(np.quantile(x / unit, places) * unit)
    return tuple(different.tolist()) if len(different) > 2 else ()


def piecewise_linear(x: Array, knots: Sequence[float]) -> Array:
    """Return the encoding of numbers (N,), as (N, T) for T + 1 knots; NaN stays NaN."""
    bins = np.arange(len(knots) - 1.0)
    # in which bin, and how far through it; halved, so that no difference overflows
    passed = np.interp(x / 2, np.divide(knots, 2), np.arange(float(len(knots))))
    e = (passed[:, np.newaxis] - bins).clip(0, 1)
    return (2 * e - 1) / np.sqrt(len(bins))
