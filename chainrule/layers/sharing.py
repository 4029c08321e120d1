"""What a container does around each pass through a child, so that layers only compute.

*Sharing.* One module may be used at several places of a container, or one parameter in several
modules. Each forward pass of a module saves for one backward pass, and backward sets gradients. So
the container puts aside what the first use saved before the second one, and puts it back before
its own backward pass; and it adds up the gradients of all uses: by the chain rule, what is used
twice acts on the loss in two ways.

*What others need.* An array may go to several children, and a child may save it for its backward
pass. chainrule's modules never write into what they are given. A user's own module gets read-only
views of it: ``x *= 2`` there is an error, not a wrong gradient elsewhere.

*Memory format.* A gradient lies in memory as the output does that it belongs to; memory_format.py
says why.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.layers.memory_format import in_format, is_batch_last
from chainrule.module import Module, walk
from chainrule.parameter import Array, Parameter
from chainrule.pytree import read_only

Saved = tuple[bool, list[Any]]
"""Whether a child's output has the batch last in memory, and what each shared module saved."""


class Sharing:
    """What the children of a container have in common, found when the container is built.

    Parameters
    ----------
    children : sequence of Module
        In the order in which the container runs them.

    Attributes
    ----------
    none : bool
        Whether children may simply run one after the other: they share nothing, and none of them
        has kernels for images, whose memory format would have to be kept.
    """

    def __init__(self, children: Sequence[Module]) -> None:
        things = [[thing for _, thing in walk(child)] for child in children]
        uses = Counter(id(thing) for below in things for thing in below)
        common = [[thing for thing in below if uses[id(thing)] > 1] for below in things]
        self.children = tuple(children)
        self.below = things
        self.modules = [[t for t in below if isinstance(t, Module)] for below in common]
        self.parameters = [[t for t in below if isinstance(t, Parameter)] for below in common]
        kernels = (t for below in things for t in below if isinstance(t, Parameter))
        for thing in itertools.chain.from_iterable(things):
            if isinstance(thing, Module):
                thing._complete = True
        self.none = not any(common) and all(kernel.value.ndim < 4 for kernel in kernels)

    def put_aside(self, place: int, y: Any) -> Saved:
        """Take what a training pass through this child, which returned y, has left behind."""
        return is_batch_last(y), [module.take_pass() for module in self.modules[place]]

    def backward(
        self, place: int, saved: Saved, gradients: Gradients, call: Callable[[Any], Any], dy: Any
    ) -> Any:
        """Return what `call`, the child's backward pass, returns for this use of it.

        The gradient dy is given the memory format of the output that it belongs to.
        """
        batch_last, kept_by_modules = saved
        for module, kept in zip(self.modules[place], kept_by_modules, strict=True):
            module.put_pass(kept)
        dy = in_format(dy, batch_last)
        if not self.children[place].built_in:
            dy = read_only(dy)
        returned = call(dy)
        for parameter in self.parameters[place]:
            gradients.add(parameter)
        return returned

    def skip(self, place: int, gradients: Gradients) -> None:
        """Let this use of the child go without a backward pass: it adds nothing to any gradient.

        What its forward pass saved is dropped.
        """
        for thing in self.below[place]:
            if isinstance(thing, Module):
                thing.take_pass()
            elif isinstance(thing, Parameter) and id(thing) not in gradients.sums:
                thing.grad = np.zeros(thing.shape)


class Gradients:
    """Sums of the gradients of shared parameters in one backward pass."""

    def __init__(self) -> None:
        self.sums: dict[int, Array] = {}

    def add(self, parameter: Parameter) -> None:
        """Make the gradient the sum over all uses so far, this one included."""
        before = self.sums.get(id(parameter))
        if before is not None:
            parameter.grad[...] += before
        self.sums[id(parameter)] = parameter.grad.copy()
