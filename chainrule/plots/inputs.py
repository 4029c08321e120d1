"""The names of classes and features, checked and shortened for plots."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.errors import ConfigurationError

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
