"""What all members have in common; many networks as one stack of them, and apart again.

A stack has the layers of a single network, each stacked. The names of its values are the single
network's, and each has the members along its first axis. So a member's values are ``value[k]``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_choice, check_whole, check_whole_numbers, network_dtype
from chainrule.ensemble.members import Member
from chainrule.errors import ConfigurationError
from chainrule.initializers import Zero, get_initializer
from chainrule.layers import (
    ELU,
    GELU,
    SELU,
    BatchNorm,
    CategoryEmbedding,
    Dropout,
    LeakyReLU,
    Linear,
    Mish,
    Module,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    StackedBatchNorm,
    StackedCategoryEmbedding,
    StackedDropout,
    StackedLinear,
    Tanh,
)
from chainrule.layers.category_embedding import check_categories
from chainrule.module import walk
from chainrule.network import Network
from chainrule.parameter import Array, Buffer, Parameter

ACTIVATIONS: dict[str, type[Module]] = {
    "elu": ELU,
    "gelu": GELU,
    "leaky_relu": LeakyReLU,
    "mish": Mish,
    "relu": ReLU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh": Tanh,
}

OUTPUTS: dict[str, type[Module] | None] = {
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "linear": None,
}


@dataclass(frozen=True)
class Shape:
    """The common shape: sizes from input to output, and what stands behind each linear layer.

    Hidden layers are Linear, BatchNorm, activation, Dropout; the last one is Linear, output. In
    front is a CategoryEmbedding, where there are categories.
    """

    sizes: tuple[int, ...]
    activation: str
    batch_norm: bool
    dropout: bool
    """Whether there is any, in one member at least."""
    output: str
    initialization: str
    dtype: str
    categories: tuple[int, ...] = ()
    embedding_dim: int = 8

    def single(self, member: Member, draw: bool = True) -> Network:
        """Return a network of this shape; its values are all zero unless they are drawn."""
        layers = self._layers(
            CategoryEmbedding,
            lambda *sizes: Linear(*sizes, initialization=Zero()),
            BatchNorm,
            lambda: Dropout(member.dropout),
        )
        if not draw:
            return Network(layers, dtype=self.dtype)
        return Network(
            layers, initialization=self.initialization, seed=member.seed, dtype=self.dtype
        )

    def stack(self, members: Sequence[Member], output: bool = True) -> Network:
        """Return a stack of so many networks, with values that are yet to be set."""
        count = len(members)
        layers = self._layers(
            lambda features, categories, size: StackedCategoryEmbedding(
                count, features, categories, embedding_dim=size
            ),
            lambda *sizes: StackedLinear(count, *sizes, initialization=Zero()),
            lambda size: StackedBatchNorm(count, size),
            lambda: StackedDropout([member.dropout for member in members]),
        )
        if not output and OUTPUTS[self.output] is not None:
            layers.pop()
        return Network(layers, dtype=self.dtype)

    def output_layer(self) -> Module | None:
        """Return what turns the last linear layer's numbers into the outputs."""
        kind = OUTPUTS[self.output]
        return None if kind is None else kind()

    def _layers(
        self,
        embedding: Callable[[int, tuple[int, ...], int], CategoryEmbedding],
        linear: Callable[..., Module],
        batch_norm: Callable[[int], Module],
        dropout: Callable[[], Module],
    ) -> list[Module]:
        layers: list[Module] = []
        features, *sizes = self.sizes
        if self.categories:
            first = embedding(features, self.categories, self.embedding_dim)
            layers, features = [first], first.out_features
        sizes = [features, *sizes]
        for in_features, out_features in itertools.pairwise(sizes[:-1]):
            layers.append(linear(in_features, out_features))
            if self.batch_norm:
                layers.append(batch_norm(out_features))
            layers.append(ACTIVATIONS[self.activation]())
            if self.dropout:
                layers.append(dropout())
        layers.append(linear(*sizes[-2:]))
        last = self.output_layer()
        return layers if last is None else [*layers, last]


def shape_from(
    sizes: Sequence[int],
    members: Sequence[Member],
    activation: str,
    batch_norm: bool,
    output: str,
    initialization: str,
    dtype: Any,
    categories: Sequence[int],
    embedding_dim: int,
) -> Shape:
    """Return the common shape, checked."""
    sizes = check_whole_numbers("sizes", sizes)
    if len(sizes) < 2:
        raise ConfigurationError(
            f"An ensemble needs the size of its input and of its output, got {list(sizes)}."
        )
    check_choice("activation", activation, ACTIVATIONS)
    check_choice("output", output, OUTPUTS)
    if output == "softmax" and sizes[-1] == 1:
        raise ConfigurationError(
            "A softmax over one output is always 1. For two classes give output='sigmoid', or a "
            "last size of 2; for numbers output='linear'."
        )
    if not isinstance(initialization, str):
        raise ConfigurationError(
            f"initialization must be a name such as 'kaiming', got {initialization!r}."
        )
    get_initializer(initialization)
    categories = check_whole_numbers("categories", categories)
    return Shape(
        sizes,
        activation,
        bool(batch_norm),
        any(member.dropout for member in members),
        output,
        initialization,
        network_dtype(dtype).name,
        check_categories(categories, sizes[0]) if categories else (),
        check_whole("embedding_dim", embedding_dim),
    )


# ---------------------------------------------------------------- together, and apart


def holders_of(network: Network) -> dict[str, Parameter | Buffer]:
    """Return every parameter and buffer by its path."""
    return {path: thing for path, thing in walk(network) if not isinstance(thing, Module)}


def values_of(network: Network) -> dict[str, Array]:
    """Return every value by its path: the arrays themselves, not copies."""
    return {path: holder.value for path, holder in holders_of(network).items()}


def stacked(shape: Shape, members: Sequence[Member], networks: Sequence[Network]) -> Network:
    """Return these single networks as one; each member goes on with its network's generators."""
    stack = shape.stack(members)
    values = [values_of(network) for network in networks]
    stack.load_state({name: np.stack([own[name] for own in values]) for name in values[0]})
    for place, layer in enumerate(stack):
        if isinstance(layer, StackedDropout):
            layer.rngs = [vars(network[place])["rng"] for network in networks]
    return stack


def part_of(
    stack: Network, shape: Shape, members: Sequence[Member], chosen: Sequence[int], output: bool
) -> Network:
    """Return a stack of some members of another one, which lend it their generators.

    `members` are those of the whole stack.
    """
    part = shape.stack([members[k] for k in chosen], output)
    copy_members(values_of(stack), chosen, values_of(part))
    for layer, whole in zip(part, stack, strict=False):
        if isinstance(layer, StackedDropout) and isinstance(whole, StackedDropout):
            layer.rngs = [whole.rngs[k] for k in chosen]
    return part


def copy_members(
    source: Mapping[str, Array], chosen: Sequence[int], target: Mapping[str, Array]
) -> None:
    """Copy the values of some members of a stack to those of another one, which has only them."""
    for name, value in target.items():
        value[...] = source[name][chosen]


def apart(stack: Network, shape: Shape, member: Member, place: int) -> Network:
    """Return one member as a network of its own, which predicts the same."""
    network = shape.single(member, draw=False)
    network.load_state({name: value[place] for name, value in values_of(stack).items()})
    return network
