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


def constructor_arguments(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a class's constructor by name; each class is inspected once."""
    return _signature(kind).parameters


def arguments(thing: Any) -> dict[str, Any]:
    """Return the constructor arguments that differ from their defaults.

    `seed` and `initialization` are left out: they chose the initial values, which are not part of
    the architecture. Where a default is True or False, such as ``bias=True``, the attribute may be
    the Parameter that was asked for, or None; it is returned as True or False.
    """
    found = {}
    for name, argument in constructor_arguments(type(thing)).items():
        if name in ("seed", "initialization") or not hasattr(thing, name):
            continue
        value = getattr(thing, name)
        if argument.default is True or argument.default is False:
            value = value is not None and value is not False
        if isinstance(value, np.ndarray) or value != argument.default:
            found[name] = value
    return found


def constructor_call(thing: Any) -> str:
    """Return the Python that builds a thing again, with its `arguments` by name."""
    shown = (f"{name}={value!r}" for name, value in arguments(thing).items())
    return f"{type(thing).__name__}({', '.join(shown)})"
