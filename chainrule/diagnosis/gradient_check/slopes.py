"""Measures the slope of a function along a direction reliably.

Five values of f at the distances -h, -h/2, 0, h/2 and h give two central differences,
D(h) = (f(h) - f(-h)) / 2h and D(h/2). Their extrapolation (4 D(h/2) - D(h)) / 3 has an error of
order h⁴ (Richardson, 1911). The same five values show whether f is smooth:

- D(h) and D(h/2) agree;
- the slope to the right, (-3 f(0) + 4 f(h/2) - f(h)) / h, and its mirror image to the left agree.
  At the corner of |x| every central difference is 0, so only these show it.

Where they disagree there is a kink within reach (the corner of a ReLU, a tie under a maximum), or f
curves too much for this h. Then smaller steps are tried, until rounding errors hide the slope.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from chainrule.parameter import Array

FIRST_STEP = 2.0**-10  # powers of two, so that x + h is exact
LAST_STEP = 2.0**-34  # most slopes are lost in rounding errors before this
SHRINK = 16
EPSILON = float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """A slope, and the error that rounding may have caused in it."""

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

    def at(distance: float) -> float:
        variable[...] = start + distance * direction
        return value()

    step_sizes = list(steps(typical_size(variable), typical_size(variable[direction != 0])))
    with restored([variable]) as (start,), np.errstate(all="ignore"):  # it may leave the domain
        here = value()
        for step in step_sizes:
            far_left, left, right, far_right = (at(share * step) for share in (-1, -0.5, 0.5, 1))
            whole, half = (far_right - far_left) / (2 * step), (right - left) / step
            corner = (4 * (left + right) - (far_left + far_right) - 6 * here) / step
            uncertainty = 20 * noise / step
            wanted = tolerance * max(abs(whole), least)
            if uncertainty > max(10 * wanted, 20 * noise / step_sizes[0]):
                return None  # lost in rounding errors
            if max(abs(whole - half), abs(corner)) <= wanted / 2 + uncertainty:  # not if NaN
                return Slope((4 * half - whole) / 3, uncertainty)
    return None


@contextlib.contextmanager
def restored(variables: Iterable[Array]) -> Iterator[list[Array]]:
    """Yield copies of all variables, and copy them back at the end of the with-block."""
    variables = list(variables)
    start = [variable.copy() for variable in variables]
    try:
        yield start
    finally:
        for variable, first in zip(variables, start, strict=True):
            variable[...] = first


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
    but large intermediate values that cancel do. `magnitude` is the sum of the absolute terms that
    add up to `value`. A change of more than 1e-10 of it is a jump, not rounding, and is ignored.
    """
    variables, seen = list(variables), [value()]
    with restored(variables) as start:
        for _ in range(8):
            for variable, first in zip(variables, start, strict=True):
                variable[...] = first * (1 + EPSILON * rng.integers(-4, 5, first.shape))
            seen.append(value())
    spread = max(seen) - min(seen)
    return EPSILON + min(spread / max(magnitude, 1e-300), 1e-10)
