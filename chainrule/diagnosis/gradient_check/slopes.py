"""Measures the slope of a function along a direction, reliably.

Five values of f at the distances -h, -h/2, 0, h/2 and h give two central differences,
D(h) = (f(h) - f(-h)) / 2h and D(h/2). Their extrapolation (4 D(h/2) - D(h)) / 3 has an error of
order h⁴ (Richardson, 1911). The same five values show whether f is smooth there:

- D(h) and D(h/2) agree;
- the slope to the right, (-3 f(0) + 4 f(h/2) - f(h)) / h, and its mirror image to the left agree.
  At the corner of |x| every central difference is 0, so only these show it.

Where they disagree there is a kink within reach (the corner of a ReLU, a tie under a maximum), or f
curves too much for this h. Then smaller steps are tried, until rounding errors hide the slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from chainrule.parameter import Array

FIRST_STEP = 2.0**-10  # powers of two, so that x + h is exact and h is really the distance
LAST_STEP = 2.0**-34  # most slopes are lost in rounding errors before
SHRINK = 16
EPSILON = float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """A slope, and the error that rounding may have caused."""

    value: float
    uncertainty: float


def slope(
    value: Callable[[], float],
    variable: Array,
    direction: Array,
    *,
    noise: float,
    least: float,
    tolerance: float,
) -> Slope | None:
    """Return the slope of `value` as `variable` moves along `direction`; None at a kink.

    Parameters
    ----------
    value : callable
        The function, which reads `variable`.
    variable, direction : ndarray
        `variable` is moved in place, and restored.
    noise : float
        The rounding error of a value.
    least : float
        The slope below which precision no longer matters.
    tolerance : float
        The relative precision to reach.
    """
    start, here = variable.copy(), value()
    size, own_size = typical_size(start), typical_size(start[direction != 0])
    first_uncertainty = 20 * noise / next(steps(size, own_size))
    for step in steps(size, own_size):
        whole, half, corner = _differences(value, variable, step * direction, here)
        whole, half, corner = whole / step, half / step, corner / step
        uncertainty = 20 * noise / step
        wanted = tolerance * max(abs(whole), least)
        if uncertainty > max(10 * wanted, first_uncertainty):
            return None  # lost in rounding errors
        if max(abs(whole - half), abs(corner)) <= wanted / 2 + uncertainty:  # False for NaN, too
            return Slope((4 * half - whole) / 3, uncertainty)
    return None


def _differences(
    value: Callable[[], float], variable: Array, move: Array, here: float
) -> tuple[float, float, float]:
    """Return D(h) h, D(h/2) h, and the slope to the right less that to the left, times h."""
    start = variable.copy()

    def at(distance: float) -> float:
        variable[...] = start + distance * move
        return value()

    try:
        with np.errstate(all="ignore"):  # a step may leave the domain, of a logarithm say
            far_left, left, right, far_right = at(-1.0), at(-0.5), at(0.5), at(1.0)
    finally:
        variable[...] = start
    corner = 4 * (left + right) - (far_left + far_right) - 6 * here
    return (far_right - far_left) / 2, right - left, corner


def steps(size: float, own_size: float) -> Iterator[float]:
    """Yield step sizes, the largest first, for numbers of `own_size` among others of `size`."""
    step = FIRST_STEP * 2.0 ** math.ceil(math.log2(max(size, 1.0)))
    while step >= LAST_STEP * min(size, own_size, 1.0):
        yield step
        step /= SHRINK


def typical_size(variable: Array) -> float:
    """Return the mean of |v| over the elements that are not 0; 1 if there are none."""
    sizes = np.abs(variable[variable != 0])
    return float(sizes.mean()) if sizes.size else 1.0


def rounding_noise(
    value: Callable[[], float],
    variables: Iterable[Array],
    magnitude: float,
    rng: np.random.Generator,
) -> float:
    """Return the rounding error of `value`, as a share of `magnitude`.

    All variables are moved by a few rounding errors. At such a distance a kink makes no difference,
    but large intermediate values that cancel do. `magnitude` is the size of the terms whose sum
    `value` is; a change of more than 1e-10 of that is not rounding but a jump, which is no excuse.
    """
    variables = list(variables)
    start = [variable.copy() for variable in variables]
    seen = [value()]
    for _ in range(8):
        for variable, first in zip(variables, start, strict=True):
            variable[...] = first * (1 + EPSILON * rng.integers(-4, 5, first.shape))
        seen.append(value())
    for variable, first in zip(variables, start, strict=True):
        variable[...] = first
    spread = max(seen) - min(seen)
    return EPSILON + min(spread / max(magnitude, 1e-300), 1e-10)
