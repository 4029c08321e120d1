"""A constructor's arguments, read back from the attributes of the same names.

Modules, losses and preparations keep every constructor argument as an attribute of the same name.
From that rule come their `repr`, which is Python that builds them again, and saving.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

_signature = cache(inspect.signature)

NOT_KEPT = ("seed", "initialization")
"""Arguments that chose the initial values, which are not part of the architecture."""

PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict)


def constructor_arguments(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a class's constructor by name; each class is inspected once."""
    return _signature(kind).parameters


def arguments(thing: Any) -> dict[str, Any]:
    """Return the constructor arguments that differ from their defaults.

    `seed` and `initialization` are left out. Where a default is True or False, such as
    ``bias=True``, the attribute may be the Parameter that was asked for, or None; it is returned as
    True or False. A number or text, such as 0, stays what it is.
    """
    found = {}
    for name, argument in constructor_arguments(type(thing)).items():
        if name in NOT_KEPT or not hasattr(thing, name):
            continue
        value = getattr(thing, name)
        if argument.default is True or argument.default is False:
            value = _flag(value)
        if not _is(value, argument.default):
            found[name] = value
    return found


def _flag(value: Any) -> Any:
    """Return an option that is True or False by default, as it was asked for."""
    if isinstance(value, np.bool_):
        return bool(value)
    return value if isinstance(value, PLAIN) else value is not None


def _is(value: Any, default: Any) -> bool:
    """Whether a value is the default; 1 is not True, and an array is no default."""
    if isinstance(value, np.ndarray) or isinstance(value, bool) != isinstance(default, bool):
        return False
    return bool(value == default)


def constructor_call(thing: Any) -> str:
    """Return the Python that builds a thing again, with its `arguments` by name."""
    shown = (f"{name}={value!r}" for name, value in arguments(thing).items())
    return f"{type(thing).__name__}({', '.join(shown)})"
