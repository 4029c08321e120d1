"""Input validation of plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_numbers
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array

LONGEST_NAME = 40


def check_class_names(class_names: Sequence[str] | None, count: int, prefix: str = "") -> list[str]:
    """Return the names of so many classes, as `check_names` does; without names their numbers."""
    numbers = [f"{prefix}{number}" for number in range(count)]
    return check_names("class_names", class_names, count) or numbers


def check_names(option: str, names: Sequence[str] | None, count: int) -> list[str]:
    """Return so many names, long ones shortened, and numbered if that makes two the same."""
    if names is None:
        return []
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{option} must be a sequence of str, got {names!r}.")
    if len(names) != count:
        raise ConfigurationError(f"Expected {count} {option}, got {len(names)}: {list(names)}.")
    short = [shorten(name) for name in names]
    if len(set(short)) < len(set(names)):
        short = [f"{number}: {name}" for number, name in enumerate(short)]
    return short


def shorten(name: str) -> str:
    """Return a name of at most 40 characters; a longer one loses its middle.

    Long names of classes often start or end alike, so both ends are kept.
    """
    if len(name) <= LONGEST_NAME:
        return name
    end = LONGEST_NAME // 3
    return f"{name[: LONGEST_NAME - end - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}{name[-end:].lstrip()}"


def check_regression(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return the targets and the predictions of a regression, each as (N, outputs)."""
    true, pred = check_numbers("y_true", y_true), check_numbers("y_pred", y_pred)
    true, pred = (a[:, np.newaxis] if a.ndim == 1 else a for a in (true, pred))
    if true.ndim != 2 or true.shape != pred.shape:
        raise InputError(
            "Expected numbers (N,) or (N, outputs), as many predictions as targets; got "
            f"{np.shape(y_true)} and {np.shape(y_pred)}."
        )
    return true.astype(np.float64), pred.astype(np.float64)


def check_half_width(half_width: ArrayLike | None, outputs: int) -> Array | None:
    """Return half the width of each output's interval, (outputs,), or None."""
    if half_width is None:
        return None
    widths = check_numbers("half_width", half_width)
    if widths.ndim > 1 or widths.size not in (1, outputs) or (widths < 0).any():
        raise InputError(
            f"half_width must be a number of at least 0 for each of {outputs} outputs, or one for "
            f"all; got {half_width!r:.100}."
        )
    return np.broadcast_to(widths, (outputs,))
