"""What users write themselves: it must fit the calls to come, and return what it has to.

Python's own words about a wrong call, "takes 2 positional arguments but 3 were given", count
`self` and name nothing that the user has called. These name the class and the method, and say what
to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ConfigurationError

__all__ = ["SetByInit", "check_call", "described", "fits", "named", "refuse_swapped"]

PREDICTED = {"y_pred", "y_hat", "yhat", "pred", "preds", "prediction", "predictions", "output", "p"}
TRUE = {"y_true", "true", "truth", "target", "targets", "label", "labels", "y", "t"}


def fits(function: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    """Whether a function can be called with these; True where Python does not know."""
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature
        pass
    return True


def check_call(function: Callable[..., Any], names: Sequence[str], write: str) -> None:
    """Refuse a function that cannot be called with arguments of these names, by position.

    `write` is what the message says to write instead.
    """
    if not fits(function, *names):
        raise ConfigurationError(
            f"{named(function)} cannot be called as {_last_name(function)}({', '.join(names)}), "
            f"which is how chainrule calls it. Write {write}."
        )


def refuse_swapped(function: Callable[..., Any], write: str) -> None:
    """Refuse a function whose arguments are named as predictions first, then targets."""
    names = _argument_names(function)[:2]
    if len(names) == 2 and names[0] in PREDICTED and names[1] in TRUE:
        raise ConfigurationError(
            f"{named(function)} takes the predictions first, but is given the targets first. "
            f"Write {write}."
        )


def named(function: Callable[..., Any]) -> str:
    """Return a function as it was defined: its class, its name and its arguments."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    name = name.rpartition("<locals>.")[2]
    if inspect.ismethod(function):  # the class in front may be a parent's
        name = f"{type(function.__self__).__name__}.{function.__name__}"
    return f"{name}({', '.join(_argument_names(function))})"


def _last_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() else "function"


def _argument_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's arguments, those that are optional too; not self."""
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    kinds = inspect.Parameter
    stars: dict[Any, str] = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}
    names = [stars.get(a.kind, "") + a.name for a in arguments]
    by_name = [place for place, a in enumerate(arguments) if a.kind == a.KEYWORD_ONLY]
    if by_name and not any(a.kind == a.VAR_POSITIONAL for a in arguments):
        names.insert(by_name[0], "*")
    in_class = not inspect.ismethod(function) and not isinstance(function, functools.partial)
    return names[1:] if in_class and names[:1] == ["self"] else names


class SetByInit:
    """What stands for an attribute until the base class's __init__ has set it: an error.

    It costs nothing once the attribute is there.
    """

    def __init__(self, write: str) -> None:
        self.write = write

    def __get__(self, instance: Any, kind: type) -> Any:
        if instance is None:
            return self
        raise ConfigurationError(
            f"{kind.__name__}.__init__ does not call that of its parent. Begin it with "
            f"{self.write}."
        )


def described(value: Any) -> str:
    """Return in words what a user's function returned."""
    if value is None:
        return "None (is its return missing?)"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, np.ndarray | int | float | complex | np.number | np.bool_):
        return "a single number"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{value!r:.40}" if isinstance(value, str) else f"an object of {type(value).__name__}"
