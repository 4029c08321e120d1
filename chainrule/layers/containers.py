"""Modules made of modules: one after the other, or around one another."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_instance, check_whole
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.module import Module, arguments, named_parameters
from chainrule.parameter import Array

__all__ = ["Parallel", "Residual", "Sequential"]


class Sequential(Module):
    """One module after the other: y = f_n(... f_2(f_1(x))).

    By the chain rule, backward goes through them in the opposite order.

    Parameters
    ----------
    layers : sequence of Module
        At least one. They become a tuple: the architecture does not change under an optimizer.
    """

    def __init__(self, layers: Sequence[Module]) -> None:
        self.layers = checked_modules(self, layers, "layer")
        self.takes_indices = self.layers[0].takes_indices
        learners = (i for i, layer in enumerate(self.layers) if named_parameters(layer))
        self._first_learner = next(learners, None)

    def forward(self, x: Array, training: bool = True) -> Array:
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, dy: Array) -> Any:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def backward_parameters(self, dy: Array) -> None:
        first = self._first_learner
        if first is not None:  # the layers before it have nothing to set
            for layer in reversed(self.layers[first + 1 :]):
                dy = layer.backward(dy)
            self.layers[first].backward_parameters(dy)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return one_module_a_line(self, "layers")


class Residual(Module):
    """y = shortcut(x) + body(x): the body learns what to add to its input.

    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.

    Parameters
    ----------
    body : Module
        Without a shortcut it must keep the shape of its input.
    shortcut : Module, optional
        What brings x to the shape of the body's output, where the body changes it: a `Linear`, or
        a convolution with a kernel of 1. Without it x itself is added.
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        check_instance(body, Module, "Residual's body must be a Module, such as Linear(4, 4)")
        if shortcut is not None:
            check_instance(shortcut, Module, "Residual's shortcut must be a Module")
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Array, training: bool = True) -> Array:
        y = self.body.forward(x, training)
        if self.shortcut is not None:
            x = self.shortcut.forward(x, training)
        if y.shape != x.shape:
            raise ShapeError(
                f"the body must keep the shape of its input, it made {y.shape} of {x.shape}. "
                "Give Residual a shortcut that makes the same shape."
                if self.shortcut is None
                else f"the body made the shape {y.shape}, and the shortcut {x.shape}; "
                "they must be equal.",
                self,
            )
        return x + y

    def backward(self, dy: Array) -> Array:
        dx = dy if self.shortcut is None else self.shortcut.backward(dy)
        return dx + self.body.backward(dy)


class Parallel(Module):
    """Several modules on the same input, their outputs joined: y = [f_1(x), f_2(x), ...].

    Backward hands each branch its own part of dy (all of it where outputs were added); as x went
    into every branch, the gradients add up: dx = Σ dx_i.

    Szegedy et al., "Going Deeper with Convolutions", 2015, is made of such blocks.

    Parameters
    ----------
    branches : sequence of Module
        At least one.
    merge : str
        ``"concatenate"``, or ``"add"``: y = f_1(x) + f_2(x) + ...
    axis : int
        Along which axis outputs are concatenated: 1, the channels, by default.
    """

    def __init__(
        self, branches: Sequence[Module], *, merge: str = "concatenate", axis: int = 1
    ) -> None:
        self.branches = checked_modules(self, branches, "branch")
        if merge not in ("concatenate", "add"):
            raise ConfigurationError(
                f"Parallel' merge must be 'concatenate' or 'add', got {merge!r}."
            )
        self.axis = check_whole("axis", axis, least=None)
        if merge == "concatenate" and axis == 0:
            raise ConfigurationError("Parallel cannot be concatenated along axis 0, the batch.")
        self.merge = merge
        self.takes_indices = self.branches[0].takes_indices
        if any(branch.takes_indices != self.takes_indices for branch in self.branches):
            raise ConfigurationError("Either all branches take indices, or none does.")

    def forward(self, x: Array, training: bool = True) -> Array:
        outputs = [branch.forward(x, training) for branch in self.branches]
        self._check_shapes([output.shape for output in outputs])
        if self.merge == "add":
            self.save_for_backward(None, training=training)
            return sum(outputs[1:], start=outputs[0])
        widths = [output.shape[self.axis] for output in outputs]
        self.save_for_backward(np.cumsum(widths)[:-1], training=training)
        return np.concatenate(outputs, axis=self.axis)

    def backward(self, dy: Array) -> Array:
        (cuts,) = self.saved_values()
        parts = [dy] * len(self.branches) if cuts is None else np.split(dy, cuts, axis=self.axis)
        inputs = [b.backward(part) for b, part in zip(self.branches, parts, strict=True)]
        # Nothing flows back to indices.
        return inputs[0] if self.takes_indices else sum(inputs[1:], start=inputs[0])

    def _check_shapes(self, shapes: list[tuple[int, ...]]) -> None:
        """Raise ShapeError unless outputs of these shapes can be joined."""
        adding = self.merge == "add"
        if not adding and not -len(shapes[0]) < self.axis < len(shapes[0]):
            raise ShapeError(
                f"branch 0 made the shape {shapes[0]}, which cannot be concatenated along axis "
                f"{self.axis}.",
                self,
            )
        kept = [shape if adding else np.delete(shape, self.axis).tolist() for shape in shapes]
        for index, shape in enumerate(shapes):
            if kept[index] != kept[0]:
                rule = "to be added" if adding else f"but for axis {self.axis}, to be concatenated"
                raise ShapeError(
                    f"branch 0 made the shape {shapes[0]}, and branch {index} {shape}; "
                    f"expected equal shapes {rule}.",
                    self,
                )

    def __repr__(self) -> str:
        return one_module_a_line(self, "branches")


def checked_modules(container: Module, modules: Sequence[Module], what: str) -> tuple[Module, ...]:
    """Return the modules as a tuple; refuse none at all, and what is no module."""
    name = type(container).__name__
    modules = tuple(listed(container, modules))
    if not modules:
        raise ConfigurationError(f"{name} needs at least one {what}, got none.")
    for module in modules:
        check_instance(module, Module, f"{name} takes modules, such as Linear(4, 8) or ReLU()")
    return modules


def one_module_a_line(container: Module, name: str) -> str:
    """Return a container's repr, the modules in its attribute `name` each on a line of its own."""
    modules = getattr(container, name)
    lines = "".join(textwrap.indent(f"{module!r},\n", "    ") for module in modules)
    options = (f", {k}={v!r}" for k, v in arguments(container).items() if k != name)
    return f"{type(container).__name__}([\n{lines}]{''.join(options)})"


def listed(owner: Module, layers: Iterable[Any]) -> list[Any]:
    """Return `layers` as a list; raise ConfigurationError, in the owner's name, for no list."""
    if not isinstance(layers, Iterable):
        raise ConfigurationError(
            f"{type(owner).__name__} takes a list, such as [Linear(4, 8), ReLU()]; got {layers!r}."
        )
    return list(layers)
