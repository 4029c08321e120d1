"""Options of the right kind, in their range.

Each names the option in its error and returns the value as plain Python: an `int` for NumPy's
whole numbers, a `float` for all others. A Python float, unlike a NumPy scalar, takes on the dtype
of the arrays it is multiplied with; and both show themselves in a repr as they were written.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from chainrule.errors import ConfigurationError

__all__ = [
    "check_bool",
    "check_choice",
    "check_epsilon",
    "check_function",
    "check_instance",
    "check_number",
    "check_range",
    "check_seed",
    "check_sizes",
    "check_whole",
    "check_whole_numbers",
    "is_finite_number",
    "is_own",
    "is_whole",
    "network_dtype",
]

Choice = TypeVar("Choice")

# ---------------------------------------------------------------- whole numbers


def is_whole(value: Any) -> bool:
    """Whether this is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_whole(name: str, value: int, least: int | None = 1, most: int | None = None) -> int:
    """Return a whole number as an int; refuse anything else, and what is not in its bounds."""
    if is_whole(value):
        low = value if least is None else least
        high = value if most is None else most
        if low <= value <= high:
            return int(value)
    raise ConfigurationError(f"{name} must be a whole number{_bounds(least, most)}, got {value!r}.")


LARGEST_SIZE = 100_000_000
"""A larger number of features, channels or rows is a mistake, such as a class number of 10⁹."""


def check_sizes(**sizes: int) -> tuple[int, ...]:
    """Return every size as an int; refuse what is no whole number from 1 to `LARGEST_SIZE`."""
    for name, size in sizes.items():
        if check_whole(name, size) > LARGEST_SIZE:
            raise ConfigurationError(f"{name} must be at most {LARGEST_SIZE:,}, got {size:,}.")
    return tuple(int(size) for size in sizes.values())


def check_whole_numbers(name: str, values: Sequence[int], least: int | None = 1) -> tuple[int, ...]:
    """Return a sequence of whole numbers as a tuple of ints; refuse anything else."""
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    listed = listed or (isinstance(values, np.ndarray) and values.ndim == 1)
    if not listed or not all(is_whole(n) and (least is None or n >= least) for n in values):
        raise ConfigurationError(
            f"{name} must be a sequence of whole numbers{_bounds(least, None)}, got {values!r}."
        )
    return tuple(int(number) for number in values)


def _bounds(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f" of at least {least}"


# ---------------------------------------------------------------- other numbers


def is_finite_number(value: Any) -> bool:
    """Whether this is a number, Python's or NumPy's, that a float can hold."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def check_number(name: str, value: float) -> float:
    """Return a finite number as a float; refuse anything else."""
    if not is_finite_number(value):
        raise ConfigurationError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def check_range(
    name: str,
    value: float,
    low: float = 0.0,
    high: float = math.inf,
    inclusive: bool = True,
    high_inclusive: bool = False,
) -> float:
    """Return a number as a float; refuse it unless low <= value < high.

    With ``inclusive=False`` it must differ from `low` too; with ``high_inclusive=True`` it may be
    `high`.
    """
    if not (
        is_finite_number(value)
        and (low < value or (inclusive and value == low))
        and (value < high or (high_inclusive and value == high))
    ):
        above = "<=" if inclusive else "<"
        below = "<=" if high_inclusive else "<"
        bound = f" {below} {high:g}" if high < math.inf else ""
        raise ConfigurationError(
            f"{name} must be a number with {low:g} {above} {name}{bound}, got {value!r}."
        )
    return float(value)


SMALLEST_NORMAL = 1.1754943508222875e-38
"""float32's smallest normal number: less may be 0 when it is added to something."""


def check_epsilon(epsilon: float) -> float:
    """Return what is added below a fraction line, or under a root, against division by zero."""
    return check_range("epsilon", epsilon, low=SMALLEST_NORMAL)


def check_seed(seed: int | np.random.Generator | None) -> np.random.Generator:
    """Return the random generator that a seed stands for; a generator is returned as it is."""
    try:
        if isinstance(seed, bool):
            raise TypeError("True and False are no seeds")
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "seed must be a whole number of at least 0, a numpy.random.Generator or None; "
            f"got {seed!r}."
        ) from error


def network_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype; refuse anything else."""
    with contextlib.suppress(TypeError, ValueError, SyntaxError):  # what is no dtype
        if dtype is not None and np.dtype(dtype) in (np.float32, np.float64):
            return np.dtype(dtype)
    raise ConfigurationError(f"dtype must be float32 or float64, got {dtype!r}.")


# ---------------------------------------------------------------- objects


def check_instance(value: object, kind: type, expected: str) -> None:
    """Refuse what is no instance of `kind`, such as the class itself where an object belongs.

    `expected` begins the message: "loss must be a Loss".
    """
    if not isinstance(value, kind):
        raise ConfigurationError(_refusal(expected, value))


def is_own(thing: object) -> bool:
    """Whether a thing's class is the user's, not one of chainrule's."""
    return not type(thing).__module__.startswith("chainrule.")


def check_function(value: object, expected: str) -> None:
    """Refuse what cannot be called, and a class where one of its objects belongs."""
    if not callable(value) or isinstance(value, type):
        raise ConfigurationError(_refusal(expected, value))


def check_choice(
    name: str, value: Any, choices: Mapping[str, Choice], otherwise: str = ""
) -> Choice:
    """Return what a word stands for; refuse one that is not among the choices.

    `otherwise` tells what else may be given.
    """
    if isinstance(value, str) and value in choices:
        return choices[value]
    words = ", ".join(repr(word) for word in choices)
    raise ConfigurationError(f"{name} must be one of {words}{otherwise}; got {value!r}.")


def check_bool(name: str, value: bool) -> bool:
    """Return True or False, NumPy's too; refuse anything else, such as "no"."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def _refusal(expected: str, value: object) -> str:
    forgotten = " Did you forget the ()?" if isinstance(value, type) else ""
    return f"{expected}; got {value!r}.{forgotten}"
