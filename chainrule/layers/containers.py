"""Modules made of modules: one after the other, around one another, or side by side.

They are short ways to write the commonest graphs; `Graph` can write any other.
"""

from __future__ import annotations

import functools
import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_instance, check_whole
from chainrule.checks.constructor import arguments
from chainrule.errors import ConfigurationError, InputError, ModuleError, ShapeError
from chainrule.layers.activations import ReLU, Sigmoid, Softmax
from chainrule.layers.joins import Add, Concatenate
from chainrule.layers.linear import Linear
from chainrule.layers.memory_format import is_batch_last
from chainrule.layers.sharing import Gradients, Saved, Sharing
from chainrule.module import (
    Module,
    backward_parameters_through,
    backward_through,
    forward_through,
)
from chainrule.parameter import Array
from chainrule.pytree import read_only

__all__ = ["Parallel", "Residual", "Sequential"]


class Container(Module):
    """Base class of modules that run others: each further input reaches the children that take it.

    A subclass calls `adopt` with its children, in the order in which it runs them, and runs them
    through a `Pass`.
    """

    _sharing: Sharing

    def adopt(self, *children: Module) -> None:
        """Register the children, and find what they share."""
        self._sharing = Sharing(children)
        self._complete = True

    @property
    def is_plain(self) -> bool:
        """Whether the children may simply run one after the other; see `Sharing`."""
        return self._sharing.none

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the further inputs that the children take."""
        return tuple(
            dict.fromkeys(name for p in self._sharing.children for name in p.keyword_inputs())
        )

    def same_indices(self, *parts: Module) -> bool:
        """Return whether these take indices; raise ConfigurationError if only some do."""
        kinds = {bool(part.takes_indices) for part in parts}
        if len(kinds) > 1:
            raise ConfigurationError(
                f"In {type(self).__name__} either all modules that get the input take indices, or "
                "none does."
            )
        return kinds.pop()


class Pass:
    """One forward pass through a container's children, and the backward pass that belongs to it.

    Parameters
    ----------
    container : Container
        Whose children.
    inputs : mapping of str to array_like
        The further inputs; each child gets those that it takes.
    training : bool
        Whether there will be a backward pass.
    """

    def __init__(self, container: Container, inputs: Mapping[str, Any], training: bool) -> None:
        self.container, self.inputs, self.training = container, inputs, training
        self.wanted = [
            [name for name in part.keyword_inputs() if name in inputs] if inputs else []
            for part in container._sharing.children
        ]
        for name in inputs:
            if not any(name in names for names in self.wanted):
                raise InputError(unknown_input(name, container.keyword_inputs()))
        self.saved: dict[int, Saved] = {}
        self.gradients = Gradients()
        self.sums: dict[str, Array] = {}  # the gradients of the further inputs

    def forward(self, place: int, x: Any) -> Any:
        """Return the output of the child at this place for `x`."""
        part = self.container._sharing.children[place]
        given = {name: self.inputs[name] for name in self.wanted[place]}
        if not part.built_in:
            x, given = read_only((x, given))
        y = part.forward(x, self.training, **given)
        if self.training:
            self.saved[place] = self.container._sharing.put_aside(place, y)
        return y

    def backward(self, place: int, dy: Any) -> Any:
        """Return the gradient at the child's `x`, and add up those of further inputs."""
        part = self.container._sharing.children[place]
        names = [name for name in self.wanted[place] if has_gradient(self.inputs[name])]
        returned = self._call(place, part.backward, dy)
        if dy is None:
            return None
        dx, further = split_gradients(part, returned, names)
        for name, gradient in further.items():
            self.sums[name] = added(self.sums.get(name), gradient)
        return dx

    def backward_parameters(self, place: int, dy: Any) -> None:
        """Set the gradients of the child's parameters."""
        part = self.container._sharing.children[place]
        self._call(place, part.backward_parameters, dy)

    def _call(self, place: int, call: Any, dy: Any) -> Any:
        sharing, saved = self.container._sharing, self.saved[place]
        if dy is None:  # what takes the child's output takes whole numbers
            return sharing.skip(place, self.gradients)
        return sharing.backward(place, saved, self.gradients, call, dy)

    def result(self, dx: Any) -> Any:
        """Return what the container's backward returns: dx, and the further inputs' gradients."""
        if not self.inputs:
            return dx
        taken = self.container.keyword_inputs()
        names = [name for name in taken if has_gradient(self.inputs.get(name))]
        if not names:
            return dx
        zeros = {name: np.zeros_like(self.inputs[name]) for name in names}
        return (dx, *(zeros | self.sums).values())


class Sequential(Container):
    """One module after the other: y = f_n(... f_2(f_1(x))).

    Backward: by the chain rule, dx = dy · f_n' · ... · f_2' · f_1', in the opposite order.

    Parameters
    ----------
    layers : sequence of Module
        At least one. They become a tuple: the architecture does not change under an optimizer.

    Raises
    ------
    ConfigurationError
        There are no layers, or something is not a module.

    Examples
    --------
    >>> layers = Sequential([Linear(4, 8), ReLU(), Linear(8, 3)])
    >>> layers(np.zeros((2, 4))).shape
    (2, 3)
    """

    def __init__(self, layers: Sequence[Module]) -> None:
        self.layers = checked_modules(self, layers, "layer")
        self.adopt(*self.layers)
        self.takes_indices = self.layers[0].takes_indices
        learners = (i for i, layer in enumerate(self.layers) if layer.parameters())
        self.first_learner = next(learners, len(self.layers))

    def forward(self, x: Any, training: bool = True, **inputs: Any) -> Any:
        if inputs or not self.is_plain or is_batch_last(x):
            return self._forward_with(x, training, inputs)
        if training:
            self.__dict__["_saved"] = None
        return forward_through(self.layers, x, training)

    def _forward_with(self, x: Any, training: bool, inputs: Mapping[str, Any]) -> Any:
        """Do the same with further inputs, shared modules, or images."""
        this = Pass(self, inputs, training)
        for place in range(len(self.layers)):
            x = this.forward(place, x)
        self.save_for_backward(this, training=training)
        return x

    def backward(self, dy: Any) -> Any:
        if self._saved is None:
            return backward_through(self.layers, dy)
        (this,) = self.saved_values()
        for place in reversed(range(len(self.layers))):
            dy = this.backward(place, dy)
        return this.result(dy)

    def backward_parameters(self, dy: Any) -> None:
        if self._saved is None:
            backward_parameters_through(self.layers[self.first_learner :], dy)
            return
        (this,) = self.saved_values()
        first = self.first_learner
        for place in reversed(range(first + 1, len(self.layers))):
            dy = this.backward(place, dy)
        if first < len(self.layers):
            this.backward_parameters(first, dy)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return one_module_a_line(self, "layers")


class Residual(Container):
    """y = shortcut(x) + body(x): the body learns what to add to its input.

    Backward: dx = dy · shortcut' + dy · body'. Without a shortcut, the first term is dy itself.

    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.

    Parameters
    ----------
    body : Module
        Without a shortcut it must keep the shape of its input.
    shortcut : Module, optional
        What turns x into the shape of the body's output, if the body changes it: a `Linear`, or a
        convolution with a kernel of 1. Without it x itself is added.

    Raises
    ------
    ShapeError
        In forward: the shapes of the two terms differ.

    Examples
    --------
    >>> block = Residual(Sequential([Linear(4, 4), ReLU()]))
    >>> block(np.zeros((2, 4))).shape
    (2, 4)
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        check_instance(body, Module, "Residual's body must be a Module, such as Linear(4, 4)")
        if shortcut is not None:
            check_instance(shortcut, Module, "Residual's shortcut must be a Module")
        modules = [body] if shortcut is None else [body, shortcut]
        self.body = body
        self.shortcut = shortcut
        self.adopt(*modules)
        self.takes_indices = self.same_indices(*modules)
        if self.takes_indices and shortcut is None:
            raise ConfigurationError(
                "Residual cannot add indices to what its body makes of them; give it a shortcut "
                "that takes indices too."
            )

    def forward(self, x: Array, training: bool = True, **inputs: Any) -> Array:
        this = Pass(self, inputs, training)
        y = this.forward(0, x)
        if self.shortcut is not None:
            x = this.forward(1, x)
        if y.shape != x.shape:
            raise ShapeError(
                f"the body must keep the shape of its input, it made {y.shape} of {x.shape}. "
                "Give Residual a shortcut that makes the same shape."
                if self.shortcut is None
                else f"the body made the shape {y.shape}, and the shortcut {x.shape}; "
                "they must be equal.",
                self,
            )
        self.save_for_backward(this, training=training)
        return x + y

    def backward(self, dy: Array) -> Any:
        (this,) = self.saved_values()
        dx = dy if self.shortcut is None else this.backward(1, dy)
        return this.result(added(dx, this.backward(0, dy)))

    def backward_parameters(self, dy: Array) -> None:
        (this,) = self.saved_values()
        if self.shortcut is not None:
            this.backward_parameters(1, dy)
        this.backward_parameters(0, dy)


class Parallel(Container):
    """Several modules on the same input, their outputs joined: y = [f_1(x), f_2(x), ...].

    Backward: each branch gets its own part of dy, or all of it if outputs were added; x went into
    every branch, so dx = Σ dx_i.

    Szegedy et al., "Going Deeper with Convolutions", 2015, is made of such blocks.

    Parameters
    ----------
    branches : sequence of Module
        At least one.
    merge : str
        ``"concatenate"``, or ``"add"``: y = f_1(x) + f_2(x) + ...
    axis : int
        Along which axis outputs are concatenated: 1, the channels, by default.

    Raises
    ------
    ShapeError
        In forward: the outputs cannot be joined.

    Examples
    --------
    >>> Parallel([Linear(4, 2), Linear(4, 3)])(np.zeros((5, 4))).shape
    (5, 5)
    """

    def __init__(
        self, branches: Sequence[Module], *, merge: str = "concatenate", axis: int = 1
    ) -> None:
        self.branches = checked_modules(self, branches, "branch")
        if not isinstance(merge, str) or merge not in ("concatenate", "add"):
            raise ConfigurationError(
                f"Parallel's merge must be 'concatenate' or 'add', got {merge!r}."
            )
        self.merge = merge
        self.join = Add() if merge == "add" else Concatenate(axis)
        self.axis = check_whole("axis", axis, least=None)
        self.adopt(*self.branches)
        self.takes_indices = self.same_indices(*self.branches)

    def forward(self, x: Array, training: bool = True, **inputs: Any) -> Array:
        this = Pass(self, inputs, training)
        outputs = tuple(this.forward(place, x) for place in range(len(self.branches)))
        y = self.join.forward(outputs, training)
        self.save_for_backward(this, training=training)
        return y

    def backward(self, dy: Array) -> Any:
        (this,) = self.saved_values()
        parts = self.join.backward(dy)
        gradients = [this.backward(place, parts[place]) for place in self._from_the_last()]
        return this.result(functools.reduce(added, gradients))

    def backward_parameters(self, dy: Array) -> None:
        (this,) = self.saved_values()
        parts = self.join.backward(dy)
        for place in self._from_the_last():
            this.backward_parameters(place, parts[place])

    def _from_the_last(self) -> Iterator[int]:
        """Yield the branches' numbers in the order of the backward pass."""
        return reversed(range(len(self.branches)))

    def __repr__(self) -> str:
        return one_module_a_line(self, "branches")


# ---------------------------------------------------------------- from sizes


def multilayer_perceptron(sizes: Sequence[Any]) -> list[Module]:
    """Return Linear and ReLU in turn for these sizes, then Softmax, or Sigmoid for one output."""
    if any(isinstance(size, Module) for size in sizes):
        raise ConfigurationError("Give either sizes or modules, not a mixture of both.")
    if len(sizes) < 2:
        raise ConfigurationError(
            f"A network needs the size of its input and of its output, got {list(sizes)}."
        )
    checked = (check_whole(f"size {place}", size) for place, size in enumerate(sizes))
    layers: list[Module] = []
    for in_features, out_features in itertools.pairwise(checked):
        layers += [Linear(in_features, out_features), ReLU()]
    layers[-1] = Sigmoid() if sizes[-1] == 1 else Softmax()
    return layers


# ---------------------------------------------------------------- further inputs


def has_gradient(given: Any) -> bool:
    """Whether a further input has a gradient: floating-point numbers have one."""
    return given is not None and np.asarray(given).dtype.kind == "f"


def added(gradient: Any, other: Any) -> Any:
    """Return the sum of two gradients at one place; None is that of whole numbers: nothing."""
    if gradient is None or other is None:
        return other if gradient is None else gradient
    return gradient + other


def split_gradients(
    module: Module, returned: Any, names: Sequence[str]
) -> tuple[Any, dict[str, Array]]:
    """Return the gradient at x, and those of further inputs by name, out of what backward returned.

    `names` are the further inputs that have a gradient, in the order of forward's arguments.
    """
    if not names:
        return returned, {}
    if not isinstance(returned, tuple) or len(returned) != len(names) + 1:
        count = len(returned) if isinstance(returned, tuple) else 1
        raise ModuleError(
            f"backward returned {count} gradient(s), expected {len(names) + 1}: of x, "
            f"{', '.join(names)}.",
            module,
        )
    return returned[0], dict(zip(names, returned[1:], strict=True))


def unknown_input(name: str, there_are: Sequence[str]) -> str:
    """Return the message for a further input that no module takes."""
    known = ", ".join(there_are) or "none"
    return f"No module here takes a further input {name!r}. There are: {known}."


# ---------------------------------------------------------------- checks


def checked_modules(container: Module, modules: Sequence[Module], what: str) -> tuple[Module, ...]:
    """Return the modules as a tuple; refuse none at all, and what is not a module."""
    name = type(container).__name__
    modules = tuple(listed(container, modules))
    if not modules:
        raise ConfigurationError(f"{name} needs at least one {what}, got none.")
    for module in modules:
        if hasattr(module, "forward") and not isinstance(module, Module | type):
            own = type(module).__name__
            raise ConfigurationError(
                f"{own} has a forward, but is no Module. Write class {own}(Module), with from "
                "chainrule import Module."
            )
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
