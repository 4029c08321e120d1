"""Many networks as one stack; some of its members as a smaller stack; one as a network again.

A stack has the layers of a single network, each of them stacked (`chainrule.layers.stacked`). Its
values have the names of the single network's, with the members along the first axis: member k's
values are ``value[k]``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.ensemble.architecture import Architecture
from chainrule.ensemble.members import Member
from chainrule.layers import Module, StackedDropout
from chainrule.module import walk
from chainrule.network import Network
from chainrule.parameter import Array, Buffer, Parameter


def named_tensors(network: Network) -> dict[str, Parameter | Buffer]:
    """Return every parameter and buffer by its path."""
    return {path: part for path, part in walk(network) if not isinstance(part, Module)}


def named_values(network: Network) -> dict[str, Array]:
    """Return every value by its path: the arrays themselves, not copies."""
    return {path: tensor.value for path, tensor in named_tensors(network).items()}


def stack_networks(
    architecture: Architecture, members: Sequence[Member], networks: Sequence[Network]
) -> Network:
    """Return these networks as one stack; each member keeps its network's random generators."""
    stack = architecture.stack(members)
    values = [named_values(network) for network in networks]
    stack.load_state({name: np.stack([own[name] for own in values]) for name in values[0]})
    for place, layer in enumerate(stack):
        if isinstance(layer, StackedDropout):
            layer.rngs = [vars(network[place])["rng"] for network in networks]
    return stack


def select_members(
    stack: Network,
    architecture: Architecture,
    members: Sequence[Member],
    chosen: Sequence[int],
    output: bool,
) -> Network:
    """Return a stack of some members of another stack, with a copy of their values.

    Their random generators are shared, not copied. `members` are those of the whole stack.
    """
    part = architecture.stack([members[k] for k in chosen], output)
    source = named_values(stack)
    for name, value in named_values(part).items():
        value[...] = source[name][chosen]
    for layer, whole in zip(part, stack, strict=False):
        if isinstance(layer, StackedDropout) and isinstance(whole, StackedDropout):
            layer.rngs = [whole.rngs[k] for k in chosen]
    return part


def unstack(stack: Network, architecture: Architecture, member: Member, place: int) -> Network:
    """Return one member of a stack as a network that makes the same predictions."""
    network = architecture.network(member)
    network.load_state({name: value[place] for name, value in named_values(stack).items()})
    return network
