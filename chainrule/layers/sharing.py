"""Sharing: one module used several times in a container, or one parameter in several modules.

A module's contract is about a single use: a forward pass saves for one backward pass, and backward
sets gradients. A container that runs a module twice keeps what the first use saved until the
backward pass of that use, and adds up the gradients of all uses: by the chain rule, the gradient of
something that is used twice is the sum over both uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.module import Module, walk
from chainrule.parameter import Array, Parameter

Saved = list[Any]
"""What a forward pass saved in each of several modules."""


class Sharing:
    """What the children of a container share, found when the container is built.

    Parameters
    ----------
    children : sequence of Module
        In the order in which the container runs them.
    """

    def __init__(self, children: Sequence[Module]) -> None:
        things = [[thing for _, thing in walk(child)] for child in children]
        uses = Counter(id(thing) for below in things for thing in below)
        common = [[thing for thing in below if uses[id(thing)] > 1] for below in things]
        self.children = tuple(children)
        self.modules = [[t for t in below if isinstance(t, Module)] for below in common]
        self.parameters = [[t for t in below if isinstance(t, Parameter)] for below in common]
        self.any = any(common)

    def put_aside(self, place: int) -> Saved:
        """Remove and return what a forward pass through this child saved."""
        return [module.take_pass() for module in self.modules[place]]

    def backward(
        self, place: int, saved: Saved, gradients: Gradients, call: Callable[[], Any]
    ) -> Any:
        """Restore what this use saved, and return what `call`, the backward pass, returns."""
        for module, kept in zip(self.modules[place], saved, strict=True):
            module.put_pass(kept)
        returned = call()
        for parameter in self.parameters[place]:
            gradients.add(parameter)
        return returned


class Gradients:
    """Sums of the gradients of shared parameters in one backward pass."""

    def __init__(self) -> None:
        self.sums: dict[int, Array] = {}

    def add(self, parameter: Parameter) -> None:
        """Add the gradient of this use to those of the uses before."""
        before = self.sums.get(id(parameter))
        if before is not None:
            parameter.grad[...] += before
        self.sums[id(parameter)] = parameter.grad.copy()
