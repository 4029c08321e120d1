"""Whether a module comes back from a file as it is: it is compared with one built from the file.

A file holds what constructors are given, parameters and buffers. Whatever else was changed after a
module was built, such as the epsilon of a layer inside it, would be lost without a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.checks.constructor import NOT_KEPT, constructor_arguments
from chainrule.errors import ConfigurationError
from chainrule.module import Module, walk
from chainrule.parameter import Buffer, Parameter

ADVICE = (
    "A file holds what constructors are given, parameters and buffers. Build the module with what "
    "it should have; or make it an argument, a Parameter or a Buffer of your module, or begin its "
    "name with an underscore if it need not come back."
)

APART = (*NOT_KEPT, "trainable")
"""Attributes that are not compared: they need not come back, or the file has them elsewhere."""

PLAIN = (bool, int, float, str, np.bool_, np.number)


def refuse_differences(
    module: Module, built: Module, things: Sequence[tuple[str, Any]] = ()
) -> None:
    """Raise ConfigurationError unless `built`, which a file describes, is like `module`.

    Compared are the modules, parameters and buffers below both, all arguments of constructors, and
    attributes that hold numbers or text in both. Values of parameters and buffers are not. `things`
    are those below the module, if they are known already.
    """
    name = type(module).__name__
    theirs = _by_path(walk(built))
    for path, ours in _by_path(things or walk(module)).items():
        found = theirs.pop(path, [])
        if len(ours) != len(found):
            raise ConfigurationError(f"{name} cannot be saved: {path} would be lost. {ADVICE}")
        for own, other in zip(ours, found, strict=True):
            for what, was, would_be in _differences(own, other):
                where = ".".join(filter(None, (path, what))) or "it"
                raise ConfigurationError(
                    f"{name} cannot be saved: {where} is {was!s:.60}, and would come back as "
                    f"{would_be!s:.60}. {ADVICE}"
                )
    if theirs:
        raise ConfigurationError(
            f"{name} cannot be saved: it has no {next(iter(theirs))} any more, and would come back "
            f"with it. {ADVICE}"
        )


def _by_path(things: Sequence[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Return things by their path; a network and its body have the same one."""
    found = defaultdict(list)
    for path, thing in things:
        found[path].append(thing)
    return found


def _differences(own: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two things differ: an attribute's name, or nothing, and both values."""
    if type(own) is not type(other):
        yield "", f"a {type(own).__name__}", f"a {type(other).__name__}"
    elif isinstance(own, Module):
        for name in {**vars(own), **constructor_arguments(type(own))}:
            if not name.startswith("_") and name not in APART and hasattr(other, name):
                was, would_be = getattr(own, name, None), getattr(other, name)
                is_argument = name in constructor_arguments(type(own))
                comparable = is_argument or (_is_plain(was) and _is_plain(would_be))
                if comparable and not alike(was, would_be):
                    yield name, repr(was), repr(would_be)
    elif own.shape != other.shape:
        yield "", f"of shape {own.shape}", f"one of shape {other.shape}"
    elif isinstance(own, Parameter) and own.decay != other.decay:
        yield "decay", own.decay, other.decay
    elif isinstance(own, Buffer) and own.value.dtype.kind != other.value.dtype.kind:
        yield "", f"a buffer of {own.value.dtype}", f"one of {other.value.dtype}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (
        isinstance(value, list | tuple) and all(map(_is_plain, value))
    )


def alike(one: Any, other: Any) -> bool:
    """Whether two values mean the same. Modules and parameters in them are compared elsewhere."""
    if one is other:
        return True
    if isinstance(one, PLAIN) and isinstance(other, PLAIN):
        both_nan = one != one and other != other
        return _kind(one) is _kind(other) and bool(both_nan or one == other)
    if isinstance(one, list | tuple) and isinstance(other, type(one)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, np.dtype) and isinstance(other, np.dtype):
        return one == other
    if callable(one) and not isinstance(one, Module):
        return getattr(one, "__code__", 0) is getattr(other, "__code__", 1)
    return type(one) is type(other)


def _kind(value: Any) -> type:
    """Return the kind of a plain value: a truth value, a number, or its own class."""
    if isinstance(value, bool | np.bool_):
        return bool
    if isinstance(value, np.number) or type(value) in (int, float):
        return float
    return str if isinstance(value, np.str_) else type(value)
