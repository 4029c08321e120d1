"""What a network's inputs are: their names, what each is turned into, and the checks at the door.

A chain of layers takes one input, called ``x``, and the further inputs of its layers by their own
names (``lengths``, ``mask``). A graph's inputs are the ones that it was built with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.checks import check_numbers
from chainrule.errors import InputError
from chainrule.layers.containers import unknown_input
from chainrule.layers.graph import Graph
from chainrule.module import Module
from chainrule.parameter import Array
from chainrule.pytree import PyTree, is_tuple


class Inputs:
    """The inputs of a network.

    Parameters
    ----------
    body : Module
        What computes: a `Sequential`, a `Graph`, or any one module.

    Attributes
    ----------
    kinds : dict of str to str
        What each input is turned into, by name. ``"floats"`` are cast to the network's type,
        ``"indices"`` stay integers, and a ``"further"`` input, such as a mask, stays what it is.
    required : list of str
        The inputs that have to be given.
    one_float : bool
        Whether there is a single required input, of floats: true of most networks.
    """

    def __init__(self, body: Module) -> None:
        if isinstance(body, Graph):
            self.kinds = body.input_kinds()
            self.required = list(self.kinds)
        else:
            first = "indices" if body.takes_indices else "floats"
            self.kinds = {"x": first, **dict.fromkeys(body.keyword_inputs(), "further")}
            self.required = ["x"]
        self.one_float = len(self.required) == 1 and not body.takes_indices

    def checked(
        self, x: PyTree, inputs: Mapping[str, Any], dtype: np.dtype[Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Check and cast all inputs; return what the body takes as x, and its further inputs.

        A further input that is None is not given.
        """
        inputs = {name: values for name, values in inputs.items() if values is not None}
        given = self._by_name(x, inputs)
        told = "the input" if len(given) == 1 else "the input {!r}"
        values = {
            name: as_kind(given[name], kind, told.format(name), dtype)
            for name, kind in self.kinds.items()
            if name in given
        }
        if len(self.required) > 1:
            return values, {}
        return values.pop(self.required[0]), values

    def _by_name(self, x: PyTree, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return every given input by its name; refuse unknown and missing ones."""
        names = list(self.kinds)
        if isinstance(x, Mapping):
            given = {**x, **inputs}
        elif is_tuple(x) and len(names) > 1:
            if len(x) > len(names):
                raise InputError(f"This network's inputs are {names}; got {len(x)} of them.")
            given = {**dict(zip(names, x, strict=False)), **inputs}
        else:
            given = {names[0]: x, **inputs}
        for name in given:
            if name not in names:
                raise InputError(unknown_input(name, names))
        missing = [name for name in self.required if name not in given]
        if missing:
            raise InputError(f"This network's inputs are {names}; {missing} is missing.")
        return given


def as_kind(values: Any, kind: str, what: str, dtype: np.dtype[Any]) -> Array:
    """Return one input as an array of numbers; floats are finite and of this type."""
    if kind == "indices":
        return check_numbers(what, values, finite=False)
    if kind == "further":
        values = check_numbers(what, values, finite=False)
        if values.dtype.kind != "f":
            return values
    return check_numbers(what, values, dtype=dtype)
