"""The same network with something changed: other activations, more units, fewer inputs.

Chains of layers can be rebuilt. Of other networks (graphs, a user's own modules) None is returned.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import module as tree
from chainrule.initializers import get_initializer
from chainrule.layers import (
    BatchNorm,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from chainrule.module import Module
from chainrule.network import Network

KEEPS_SIZE = (ReLU, LeakyReLU, Sigmoid, Tanh, Softmax, Dropout, Flatten)
NORMS = (BatchNorm, LayerNorm)


def copied_layers(network: Network) -> list[Module] | None:
    """Return copies of the network's layers, or None if it is no chain."""
    if not isinstance(network.body, Sequential):
        return None
    return list(copy.deepcopy(network).layers)


def initialize(network: Network, name: str) -> None:
    """Draw new weights for the whole network."""
    tree.initialize(network, np.random.default_rng(0), get_initializer(name))


def with_activations(
    network: Network, old: tuple[type[Module], ...], new: type[Module]
) -> Network | None:
    """Return the network with other hidden activations in place of those of some kinds."""
    layers = copied_layers(network)
    if layers is None or not any(isinstance(layer, old) for layer in layers[:-1]):
        return None
    last = max((i for i, layer in enumerate(layers) if layer.parameters()), default=0)
    changed = [new() if isinstance(a, old) and i < last else a for i, a in enumerate(layers)]
    return Network(changed, dtype=network.dtype)


def with_outputs(network: Network, outputs: int) -> Network | None:
    """Return the network with so many outputs: with a new last Linear."""
    layers: Any = copied_layers(network) or []
    for place in reversed(range(len(layers))):
        if isinstance(layers[place], Linear):
            layers[place] = Linear(layers[place].in_features, outputs, seed=0)
            return Network(layers, dtype=network.dtype)
    return None


def without_columns(network: Network, columns: Sequence[int]) -> Network | None:
    """Return the network without these inputs: without these rows of the first Linear's weights."""
    layers = copied_layers(network)
    if layers is None or not isinstance(layers[0], Linear):
        return None
    first: Any = layers[0]
    kept = [c for c in range(first.in_features) if c not in set(columns)]
    if not kept:
        return None
    new = Linear(len(kept), first.out_features, bias=first.bias is not None, seed=0)
    tree.cast(new, network.dtype)
    new.weight.value = first.weight.value[kept]
    if new.bias is not None:
        new.bias.value = first.bias.value
    return Network([new, *layers[1:]], dtype=network.dtype)


def widened(network: Network, width: int) -> Network | None:
    """Return the network with at least `width` units in each hidden Linear, all weights new."""
    layers = copied_layers(network)
    if layers is None or not all(isinstance(a, (Linear, *KEEPS_SIZE, *NORMS)) for a in layers):
        return None
    linears = [i for i, a in enumerate(layers) if isinstance(a, Linear)]
    if len(linears) == 1:  # there is no hidden layer yet
        only: Any = layers[linears[0]]
        hidden = [Linear(only.in_features, width), ReLU(), Linear(width, only.out_features)]
        layers[linears[0] : linears[0] + 1] = hidden
    else:
        size: int | None = None
        for i, layer in enumerate(layers):
            if isinstance(layer, Linear):
                out = layer.out_features if i == linears[-1] else max(width, layer.out_features)
                layers[i] = Linear(size or layer.in_features, out, bias=layer.bias is not None)
                size = out
            elif isinstance(layer, NORMS) and size is not None:
                layers[i] = type(layer)(size)
    built = Network(layers, dtype=network.dtype)
    initialize(built, "kaiming")
    return built
