"""Stack: many networks as one; some of its members as a smaller stack, one as a network again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.ensemble.architecture import Architecture
from chainrule.ensemble.members import Member
from chainrule.layers import Module, StackedDropout
from chainrule.module import walk
from chainrule.network import Network
from chainrule.parameter import Array, Buffer, Parameter


@dataclass
class Stack:
    """Members as one network, whose layers are stacked (`chainrule.layers.stacked`).

    Its values have the names of a single network's, with the members along the first axis: member
    k's values are ``value[k]``.
    """

    network: Network
    architecture: Architecture
    members: Sequence[Member]

    @classmethod
    def of(
        cls, networks: Sequence[Network], architecture: Architecture, members: Sequence[Member]
    ) -> Stack:
        """Return these networks as one stack; members keep their networks' random generators."""
        stack = cls(architecture.stack(members), architecture, members)
        values = [named_values(network) for network in networks]
        stack.network.load_state(
            {name: np.stack([own[name] for own in values]) for name in values[0]}
        )
        for place, layer in enumerate(stack.network):
            if isinstance(layer, StackedDropout):
                layer.rngs = [vars(network[place])["rng"] for network in networks]
        return stack

    def select(self, places: Sequence[int], output: bool = False) -> Stack:
        """Return a stack of some members, with a copy of their values.

        Their random generators are shared, not copied. Without `output` it ends before the
        output's activation: this is what learns.
        """
        members = [self.members[place] for place in places]
        part = self.architecture.stack(members, output)
        source = named_values(self.network)
        for name, value in named_values(part).items():
            value[...] = source[name][places]
        for layer, whole in zip(part, self.network, strict=False):
            if isinstance(layer, StackedDropout) and isinstance(whole, StackedDropout):
                layer.rngs = [whole.rngs[place] for place in places]
        return Stack(part, self.architecture, members)

    def unstack(self, place: int) -> Network:
        """Return one member as a network that makes the same predictions."""
        network = self.architecture.network(self.members[place])
        values = named_values(self.network)
        network.load_state({name: value[place] for name, value in values.items()})
        return network


def named_tensors(network: Network) -> dict[str, Parameter | Buffer]:
    """Return every parameter and buffer by its path."""
    return {path: part for path, part in walk(network) if not isinstance(part, Module)}


def named_values(network: Network) -> dict[str, Array]:
    """Return every value by its path: the arrays themselves, not copies."""
    return {path: tensor.value for path, tensor in named_tensors(network).items()}
