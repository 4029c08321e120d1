"""The piecewise linear encoding of a number: how far it reaches into each bin.

With the knots b_0 < b_1 < ... < b_T, a number x becomes T columns,

    e_t = min(1, max(0, (x - b_{t-1}) / (b_t - b_{t-1})))
    z_t = (2 e_t - 1) / √T

where e_t is 0 for the bins above x, 1 for those below, and between them in its own bin. A linear
layer on these columns is a piecewise linear function of x that bends at the knots. With them, a
network learns steps and thresholds that it learns slowly, or never, from x alone.

Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", 2022,
section 3.2, with quantiles as knots. Unlike there, z is centred, and its length is at most 1 for
any number of bins, so that it does not drown out the number beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.parameter import Array


def quantile_knots(x: Array, n_bins: int) -> tuple[float, ...]:
    """Return at most n_bins + 1 knots, with about as many numbers in each bin.

    If there are no more distinct numbers than knots, these are the knots. There are none if fewer
    than three would be left: from two, nothing can be learned that is not in x.
    """
    different = np.unique(x)
    if len(different) > n_bins + 1:
        unit = 16.0  # so that no difference overflows; the division is exact except near zero
        places = np.linspace(0, 1, n_bins + 1)
        different = np.unique(np.quantile(x / unit, places) * unit)
    return tuple(different.tolist()) if len(different) > 2 else ()


def piecewise_linear(x: Array, knots: Sequence[float]) -> Array:
    """Return the encoding of numbers (N,) as (N, T), for T + 1 knots; NaN stays NaN."""
    bins = np.arange(len(knots) - 1.0)
    # the bin, and how far into it; halved, so that no difference overflows
    passed = np.interp(x / 2, np.divide(knots, 2), np.arange(float(len(knots))))
    e = (passed[:, np.newaxis] - bins).clip(0, 1)
    return (2 * e - 1) / np.sqrt(len(bins))
