"""Graph: modules connected in any way without cycles, with several inputs and outputs.

By the chain rule, the backward pass runs the nodes in the opposite order: the gradient at a node's
output is the sum of the gradients from everything that used it.
"""

from __future__ import annotations

import graphlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_instance
from chainrule.errors import ConfigurationError, InputError
from chainrule.layers.containers import added, has_gradient, split_gradients, unknown_input
from chainrule.layers.sharing import Gradients, Saved, Sharing
from chainrule.module import Module
from chainrule.parameter import Array
from chainrule.pytree import by_name, read_only

__all__ = ["Graph", "Node"]


class Node:
    """A module in a graph, and the names of its inputs.

    ``Node(Linear(8, 3), "features")`` takes the output of the node, or the input of the graph, that
    is called features. A join takes several, ``Node(Add(), "a", "b")``; further inputs are given by
    their own names, ``Node(MultiHeadAttention(8, 2), "target", context="memory")``.

    Parameters
    ----------
    module : Module
        What computes.
    *inputs : str
        The names of its inputs: one, or several for a join or a graph of several inputs.
    **further : str
        The names of further inputs: ``context="memory"``.
    """

    def __init__(self, module: Module, *inputs: str, **further: str) -> None:
        check_instance(module, Module, "A Node needs a module, such as Linear(4, 8)")
        if not inputs:
            raise ConfigurationError(
                f"A Node needs the name of its input, such as Node({module!r}, 'x')."
            )
        for name in (*inputs, *further.values()):
            if not isinstance(name, str):
                raise ConfigurationError(f"A Node's inputs are names, got {name!r}.")
        unknown = [name for name in further if name not in module.keyword_inputs()]
        if unknown:
            kind, names = type(module).__name__, ", ".join(module.keyword_inputs()) or "none"
            raise ConfigurationError(
                f"{kind} takes no further input {unknown[0]!r}. There are: {names}."
            )
        self.module = module
        self.inputs = inputs
        self.further = further
        self.keys = [name for name in module.keyword_inputs() if name in further]

    def __setattr__(self, name: str, new: Any) -> None:
        """Keep an attribute, once: a graph that has been built of this node would not notice."""
        if name in vars(self):
            raise ConfigurationError(
                f"A Node's {name} cannot be replaced: build another node, and another graph of it. "
                "Modules keep their values."
            )
        super().__setattr__(name, new)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all inputs, further ones too."""
        return (*self.inputs, *self.further.values())

    def __repr__(self) -> str:
        further = (f"{name}={source!r}" for name, source in self.further.items())
        return f"Node({', '.join([repr(self.module), *map(repr, self.inputs), *further])})"


@dataclass
class _Pass:
    """What a forward pass leaves for the backward pass; the lists are by the places of nodes."""

    keywords: dict[str, Array]  # the inputs that came as keyword arguments
    gradients_of: list[list[str]]
    saved: list[Saved]


class Graph(Module):
    """Modules as the nodes of a directed graph without cycles.

    A single input is given as an array, several as a dict by name or a tuple in order; all but the
    first also as keyword arguments. A single output is an array, several are a dict. The same
    module may be used at several nodes; it has one set of parameters.

    Backward: each node gets the sum of the gradients from everything that used its output. It takes
    gradients arranged like the outputs, and returns them like the inputs: an array, or a dict, with
    None for an input of integers.

    Parameters
    ----------
    inputs : str or sequence of str
        The names of the inputs.
    nodes : mapping of str to Node
        In any order. The name of a node is also the name of its output.
    outputs : str or sequence of str
        The nodes whose outputs are the outputs of the graph.

    Attributes
    ----------
    order : list of str
        The nodes' names in the order in which they run.

    Raises
    ------
    ConfigurationError
        A name is unknown or used twice, an input or a node leads nowhere, or there is a cycle; the
        message names them.

    Examples
    --------
    >>> from chainrule import Conv2d, Embedding, GlobalAvgPool, LastStep, LSTM
    >>> graph = Graph(
    ...     inputs=["image", "text"],
    ...     nodes={
    ...         "seen": Node(Sequential([Conv2d(3, 8, 3), GlobalAvgPool()]), "image"),
    ...         "read": Node(Sequential([Embedding(50, 8), LSTM(8, 8), LastStep()]), "text"),
    ...         "both": Node(Concatenate(), "seen", "read"),
    ...         "answer": Node(Linear(16, 2), "both"),
    ...     },
    ...     outputs="answer",
    ... )
    >>> graph({"image": np.zeros((5, 3, 9, 9)), "text": np.zeros((5, 7), int)}).shape
    (5, 2)
    """

    def __init__(
        self,
        inputs: str | Sequence[str],
        nodes: Mapping[str, Node],
        outputs: str | Sequence[str],
    ) -> None:
        for what, names in (("inputs", inputs), ("outputs", outputs)):
            if not isinstance(names, Iterable):
                raise ConfigurationError(f"A Graph's {what} are names, got {names!r}.")
        self.inputs = inputs if isinstance(inputs, str) else tuple(inputs)
        self.outputs = outputs if isinstance(outputs, str) else tuple(outputs)
        self.nodes = checked_nodes(nodes)
        self._inputs = _names("inputs", self.inputs)
        self._outputs = _names("outputs", self.outputs)
        check_wiring(self._inputs, self.nodes, self._outputs)
        self.order = in_order(self._inputs, self.nodes)
        self._plan = [self.nodes[name] for name in self.order]
        self._sharing = Sharing([node.module for node in self._plan])
        self._learns = self._find_learners()
        self._kinds = self._find_kinds()
        self.joins = len(self._inputs) > 1
        indices = tuple(self._kinds[name] == "indices" for name in self._inputs)
        self.takes_indices = indices if self.joins else indices[0]
        self._complete = True

    # ------------------------------------------------------------ the two passes

    def forward(self, x: Any, training: bool = True, **inputs: Any) -> Any:
        values = self._bound(x, inputs)
        keywords = {name: values[name] for name in self._inputs if name in inputs}
        this = _Pass(keywords, [], [])
        for place, (name, node) in enumerate(zip(self.order, self._plan, strict=True)):
            arrays = tuple(values[source] for source in node.inputs)
            further = {key: values[node.further[key]] for key in node.keys}
            x = arrays if node.module.joins else arrays[0]
            if not node.module.built_in:
                x, further = read_only((x, further))
            values[name] = node.module.forward(x, training, **further)
            if training:
                this.gradients_of.append([key for key in further if has_gradient(further[key])])
                this.saved.append(self._sharing.put_aside(place, values[name]))
        self.save_for_backward(this, training=training)
        if isinstance(self.outputs, str):
            return values[self.outputs]
        return {name: values[name] for name in self._outputs}

    def backward(self, dy: Any) -> Any:
        (this,) = self.saved_values()
        gradients = self._way_back(this, dy)
        if this.keywords:
            further = [
                gradients.get(name, np.zeros_like(given))
                for name, given in this.keywords.items()
                if has_gradient(given)
            ]
            dx = self._at_x(gradients, this.keywords)
            return (dx, *further) if further else dx
        return self._at_x(gradients)

    def _at_x(
        self, gradients: Mapping[str, Any], but: Sequence[str] | Mapping[str, Any] = ()
    ) -> Any:
        """Return the gradient at x: an array for one input, a dict for several."""
        names = [name for name in self._inputs if name not in but]
        if len(names) == 1:
            return gradients.get(names[0])
        return {name: gradients.get(name) for name in names}

    def backward_parameters(self, dy: Any) -> None:
        (this,) = self.saved_values()
        self._way_back(this, dy, parameters_only=True)

    def _way_back(self, this: _Pass, dy: Any, parameters_only: bool = False) -> dict[str, Any]:
        """Return the gradient at every input of the graph; set the parameters' on the way."""
        gradients = by_name(dy, self._outputs, "The gradients, as the graph's outputs,")
        shared = Gradients()
        for place in reversed(range(len(self._plan))):
            name, node = self.order[place], self._plan[place]
            if parameters_only and not self._learns[name]:
                self._sharing.skip(place, shared)
                continue
            dnode = gradients.pop(name, None)
            if dnode is None:  # nothing flowed back: what used it takes whole numbers
                self._sharing.skip(place, shared)
                continue
            alone = parameters_only and not any(self._learns[s] for s in node.sources)
            back = node.module.backward_parameters if alone else node.module.backward
            returned = self._sharing.backward(place, this.saved[place], shared, back, dnode)
            if not alone:
                for source, gradient in self._arriving(node, returned, this.gradients_of[place]):
                    gradients[source] = added(gradients.get(source), gradient)
        return gradients

    def _arriving(
        self, node: Node, returned: Any, further: Sequence[str]
    ) -> Iterator[tuple[str, Array]]:
        """Yield (source, gradient) for everything that went into a node and has a gradient."""
        at_x, by_key = split_gradients(node.module, returned, further)
        if isinstance(at_x, Mapping):
            at_x = tuple(at_x.values())
        elif not isinstance(at_x, tuple):
            at_x = (at_x,)
        for source, gradient in zip(node.inputs, at_x, strict=True):
            if gradient is not None:
                yield source, gradient
        for key, gradient in by_key.items():
            yield node.further[key], gradient

    def _bound(self, x: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return every input by its name."""
        for name in inputs:
            if name not in self.keyword_inputs():
                raise InputError(unknown_input(name, self.keyword_inputs()))
        rest = [name for name in self._inputs if name not in inputs]
        values = {**by_name(x, rest, "The graph's inputs"), **inputs}
        return {name: np.asarray(values[name]) for name in self._inputs}

    # ------------------------------------------------------------ what is in it

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield every node's module by the node's name."""
        for name, node in self.nodes.items():
            yield name, node.module

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the inputs behind the first."""
        return self._inputs[1:]

    def input_kinds(self) -> dict[str, str]:
        """Return what each input is turned into by a network.

        ``"floats"`` are cast to the network's type, ``"indices"`` stay whole numbers, and a
        ``"further"`` input, such as a mask, stays what it is.
        """
        return self._kinds

    def _find_kinds(self) -> dict[str, str]:
        """Return what each input is turned into; see `input_kinds`."""
        kinds: dict[str, set[str]] = {name: set() for name in self._inputs}
        for node in self.nodes.values():
            for place, source in enumerate(node.inputs):
                if source in kinds:
                    indices = node.module.takes_indices
                    is_index = indices[place] if isinstance(indices, tuple) else indices
                    kinds[source].add("indices" if is_index else "floats")
        for name, found in kinds.items():
            if len(found) > 1:
                raise ConfigurationError(
                    f"The input {name!r} goes both into a module that takes indices and into one "
                    "that takes numbers; give each an input of its own."
                )
        return {name: found.pop() if found else "further" for name, found in kinds.items()}

    def _find_learners(self) -> dict[str, bool]:
        """Return for every name whether there is a parameter in it or before it."""
        learns = dict.fromkeys(self._inputs, False)
        for name, node in zip(self.order, self._plan, strict=True):
            before = any(learns[source] for source in node.sources)
            learns[name] = before or bool(node.module.parameters())
        return learns

    def __getitem__(self, name: str) -> Module:
        return self.nodes[name].module

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Module]:
        return (node.module for node in self._plan)

    def __repr__(self) -> str:
        lines = (f"{name!r}: {node!r},\n" for name, node in self.nodes.items())
        nodes = textwrap.indent("".join(lines), "    ")
        return f"Graph({self.inputs!r}, {{\n{nodes}}}, {self.outputs!r})"


# ---------------------------------------------------------------- checking the connections


def _names(what: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(f"A graph's {what} are one or more names, got {given!r}.")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"A graph's {what} are different names, got {list(names)}.")
    return tuple(names)


def checked_nodes(nodes: Any) -> dict[str, Node]:
    """Return the nodes as a dict; refuse what is not a Node, and names that cannot be paths."""
    if not isinstance(nodes, Mapping) or not nodes:
        raise ConfigurationError(
            f"A graph's nodes are a dict such as {{'y': Node(Linear(4, 8), 'x')}}; got {nodes!r}."
        )
    for name, node in nodes.items():
        if not isinstance(name, str) or not name or "." in name:
            raise ConfigurationError(f"A node's name is text without dots, got {name!r}.")
        if not isinstance(node, Node):
            raise ConfigurationError(
                f"The node {name!r} must be a Node, such as Node(Linear(4, 8), 'x'); got {node!r}."
            )
    return dict(nodes)


def check_wiring(inputs: Sequence[str], nodes: Mapping[str, Node], outputs: Sequence[str]) -> None:
    """Raise ConfigurationError for unknown names, names used twice, and dead ends."""
    twice = [name for name in inputs if name in nodes]
    if twice:
        raise ConfigurationError(f"{twice[0]!r} is the name both of an input and of a node.")
    known = dict.fromkeys([*inputs, *nodes])
    for name, node in nodes.items():
        for source in node.sources:
            if source not in known:
                raise ConfigurationError(
                    f"The node {name!r} takes {source!r}, which is neither an input nor a node. "
                    f"There are {list(known)}."
                )
        _check_count(name, node)
    for name in outputs:
        if name not in nodes:
            raise ConfigurationError(f"The output {name!r} is not a node. There are {list(nodes)}.")
    used = {source for node in nodes.values() for source in node.sources} | set(outputs)
    for name in known:
        if name not in used:
            what = "node" if name in nodes else "input"
            raise ConfigurationError(
                f"Nothing uses the {what} {name!r}. Connect it, make it an output, or leave it out."
            )


def _check_count(name: str, node: Node) -> None:
    """Raise ConfigurationError unless a node gets as many inputs as its module takes."""
    module, count = node.module, len(node.inputs)
    if not module.joins and count > 1:
        raise ConfigurationError(
            f"{type(module).__name__} at the node {name!r} takes one input, got {count}: "
            f"{list(node.inputs)}. Join them first, by Add() or Concatenate()."
        )
    if isinstance(module, Graph) and count + len(node.further) != len(module._inputs):
        raise ConfigurationError(
            f"The graph at the node {name!r} takes {list(module._inputs)}, got {count} input(s)."
        )


def in_order(inputs: Sequence[str], nodes: Mapping[str, Node]) -> list[str]:
    """Return the nodes' names so that each comes after what it takes; refuse circles."""
    outside = set(inputs)
    before = {
        name: [source for source in node.sources if source not in outside]
        for name, node in nodes.items()
    }
    try:
        return list(graphlib.TopologicalSorter(before).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"The nodes form a cycle: {circle}. A graph has to lead from inputs to outputs."
        ) from None


Module.library_classes["Node"] = Node  # so that a file can ask for nodes
