"""A layer of the user's own: what its forward and backward return is checked at every call.

A backward without its `return` would otherwise fail in the layer before it, and one of the wrong
shape may not fail at all, where arrays are broadcast. chainrule's own modules, which the tests
check, are left as they are.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.checks.own_code import described, fits, named
from chainrule.errors import BackwardError, ConfigurationError, ModuleError

WRITE = {
    "forward": "def forward(self, x, training=True)",
    "backward": "def backward(self, dy)",
}

CALLED = {"forward": "forward(x, training)", "backward": "backward(dy)"}

NOTHING_SAVED = (
    "there is no forward pass for this backward: forward was called, but saved nothing. Write "
    "self.save_for_backward(x, training=training) in it, with whatever backward needs."
)

_unchecked: ContextVar[bool] = ContextVar("_unchecked", default=False)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Let own modules return anything within the block: `check_module` reports it in its words."""
    token = _unchecked.set(True)
    try:
        yield
    finally:
        _unchecked.reset(token)


def check_passes(kind: type) -> None:
    """Put the checks around the forward and the backward that a class defines itself."""
    for name, around in (("forward", _checked_forward), ("backward", _checked_backward)):
        method = vars(kind).get(name)
        if inspect.isfunction(method):
            first, *rest = [*inspect.signature(method).parameters, ""]
            if rest[0] == "training":
                wrong = "takes training before the input" if first == "self" else "has no self"
                raise ConfigurationError(f"{named(method)} {wrong}. Write {WRITE[name]}.")
            setattr(kind, name, around(method))


def _checked_forward(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def checked(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            y = forward(self, *arguments, **options)
        except TypeError as error:
            _explain(error, self, "forward", forward, arguments, options)
            raise
        x = arguments[0] if arguments else options.get("x")
        if not isinstance(y, np.ndarray) or y.ndim == 0 or _lost_rows(x, y):
            _refuse_output(self, x, y)
        if arguments[1] if len(arguments) > 1 else options.get("training", True):
            own = vars(self)
            own["_saved_nothing"] = own.get("_saved") is None
            own["_input_shape"] = None
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not self.takes_indices:
                own["_input_shape"] = x.shape
                # A module in several places has several passes before its backward.
                if x.shape not in own.get("_input_shapes", ()):
                    own["_input_shapes"] = own.get("_input_shapes", frozenset()) | {x.shape}
        return y

    return checked


def _checked_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(backward)
    def checked(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            dx = backward(self, *arguments, **options)
        except TypeError as error:
            _explain(error, self, "backward", backward, arguments, options)
            raise
        except BackwardError as error:
            if error.module is self and vars(self).get("_saved_nothing"):
                error.detail = NOTHING_SAVED
            raise
        shape = vars(self).get("_input_shape")
        if shape is not None and getattr(dx, "shape", None) not in vars(self)["_input_shapes"]:
            _refuse_gradient(self, dx, shape)
        return dx

    return checked


def _explain(
    error: TypeError,
    module: Any,
    name: str,
    method: Callable[..., Any],
    arguments: Any,
    options: Any,
) -> None:
    """Raise ModuleError if the method cannot be called like that, or computes with a Parameter."""
    if not fits(method, module, *arguments, **options):
        detail = (
            f"{named(method)} cannot be called as {CALLED[name]}, which is how chainrule calls it. "
            f"Write {WRITE[name]}."
        )
    elif "'Parameter'" in str(error):
        detail = (
            f"{name} computes with a Parameter, which is no array: its numbers are in "
            "its value. Write x * self.weight.value instead of x * self.weight."
        )
    elif "save_for_backward()" in str(error):
        detail = (
            "save_for_backward is given what backward needs, and by name whether this pass is for "
            "training. Write self.save_for_backward(x, training=training)."
        )
    else:
        return
    raise ModuleError(detail, module) from error


def _lost_rows(x: Any, y: Any) -> bool:
    """Whether the output has lost the axis of the samples."""
    return isinstance(x, np.ndarray) and y.ndim < x.ndim and len(y) != len(x)


def _refuse_output(module: Any, x: Any, y: Any) -> None:
    """Raise ModuleError unless these are several outputs."""
    if (isinstance(y, dict | tuple) and y) or _unchecked.get():
        return
    rows = f" of {len(x)} samples" if isinstance(x, np.ndarray) and x.ndim else ""
    raise ModuleError(
        f"forward returned {described(y)} for a batch{rows}; it must return the output, an array "
        "with a row for each sample.",
        module,
    )


def _refuse_gradient(module: Any, dx: Any, shape: tuple[int, ...]) -> None:
    """Raise ModuleError unless this is the input's gradient, followed by those of others."""
    several = isinstance(dx, tuple) and len(dx) > 1
    if _unchecked.get() or (several and getattr(dx[0], "shape", None) in module._input_shapes):
        return
    hint = ""
    if isinstance(dx, np.ndarray):
        if dx.shape == shape[::-1]:
            hint = " It looks transposed."
        elif dx.shape in (shape[1:], shape[:1]):
            hint = " It looks summed over an axis."
    raise ModuleError(
        f"backward returned {described(dx)}; it must return dx, the gradient at its input, an "
        f"array of the input's shape {shape}.{hint}",
        module,
    )
