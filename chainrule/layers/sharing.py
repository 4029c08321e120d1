"""Sharing: one module at several places of a container, or one parameter in several modules.

The rule for a single use stays as it is: each forward pass saves for one backward pass, and
backward sets gradients. A container that runs something twice makes up for it. What the first
use saved is put aside before the second one, and back before its own backward pass; and the
gradients of all uses are added up, since by the chain rule what is used twice has two ways to act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.module import Module, walk
from chainrule.parameter import Array, Parameter

Saved = list[Any]
"""What a pass left in each of several modules."""


class Sharing:
    """What the children of a container have in common, told when the container is built.

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
        """Take what a training pass through this child saved, so that another may follow."""
        return [module.take_pass() for module in self.modules[place]]

    def backward(
        self, place: int, saved: Saved, gradients: Gradients, call: Callable[[], Any]
    ) -> Any:
        """Return what `call`, the child's backward pass, returns, with what belongs to this use."""
        for module, kept in zip(self.modules[place], saved, strict=True):
            module.put_pass(kept)
        returned = call()
        for parameter in self.parameters[place]:
            gradients.add(parameter)
        return returned


class Gradients:
    """The gradients of shared parameters in one backward pass, added up use by use."""

    def __init__(self) -> None:
        self.sums: dict[int, Array] = {}

    def add(self, parameter: Parameter) -> None:
        """Let the parameter's gradient be the sum over all uses so far, of which this is one."""
        before = self.sums.get(id(parameter))
        if before is not None:
            parameter.grad[...] += before
        self.sums[id(parameter)] = parameter.grad.copy()
