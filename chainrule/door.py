"""The door of a layer that is called by itself, as in ``Linear(4, 3).forward([[1, 2, 3, 4]])``.

A network checks and casts its input once, at its own door, and so does the layer here that is
called first; those that it calls are inside and only compute. Layers need no code for this.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.checks import check_numbers
from chainrule.errors import ShapeError
from chainrule.parameter import Array, Parameter

DOORS = ("forward", "backward", "backward_parameters")

inside: ContextVar[bool] = ContextVar("inside", default=False)
"""Whether a layer is at work: what it calls is inside. A thread begins outside."""


def put_in_front(cls: type) -> None:
    """Put the door in front of the passes that a class has of its own."""
    for name, door in zip(DOORS, (_forward, _backward, _backward), strict=True):
        if name in vars(cls):
            setattr(cls, name, door(vars(cls)[name]))


def _forward(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def short_door(self: Any, x: Any, training: bool = True) -> Any:
        if inside.get() and type(x) is np.ndarray:
            return forward(self, x, training)
        return door(self, x, training)

    @functools.wraps(forward)
    def door(self: Any, x: Any, training: bool = True, **inputs: Any) -> Any:
        if inside.get() and type(x) is np.ndarray:  # 0.3 µs a layer, most of it the call itself
            return forward(self, x, training, **inputs)
        x = as_input(self, x)
        token = inside.set(True)
        try:
            with np.errstate(all="ignore"):  # what overflows becomes infinity, as in any formula
                return forward(self, x, training, **inputs)
        finally:
            inside.reset(token)

    # Without further inputs there is no dict to make at each call.
    return short_door if len(inspect.signature(forward).parameters) == 3 else door


def _backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(backward)
    def door(self: Any, dy: Any, *further: Any) -> Any:
        if inside.get():
            return backward(self, dy, *further)
        if not isinstance(dy, np.ndarray | tuple | Mapping):
            dy = as_floats(self, dy, "the gradient at the output")
        token = inside.set(True)
        try:
            with np.errstate(all="ignore"):
                return backward(self, dy, *further)
        finally:
            inside.reset(token)

    return door


def as_input(module: Any, x: Any) -> Any:
    """Return a layer's input as an array of floating-point numbers, or say what is wrong with it.

    What takes several arrays, or whole numbers, looks at them itself.
    """
    if module.joins or (module.hands_on and isinstance(x, tuple | Mapping)):
        return x
    if type(x) is not np.ndarray or x.dtype.kind != "f":
        if module.takes_indices:
            return x
        x = as_floats(module, x, "the input")
    if x.ndim == 0:
        raise ShapeError("expected a batch of samples, got a single number.", module)
    return x


def as_floats(module: Any, values: Any, what: str) -> Array:
    """Return numbers as an array of floats, of the type of the module's parameters."""
    array = check_numbers(
        f"{what} of {type(module).__name__}", values, "encode text and dates first"
    )
    if array.dtype.kind == "f" and isinstance(values, np.ndarray):
        return array
    own = (value.dtype for value in vars(module).values() if isinstance(value, Parameter))
    return array.astype(next(own, np.dtype(np.float32)))
