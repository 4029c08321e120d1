"""The same network with something changed: other activations, more neurons, fewer inputs.

Chains of layers can be rebuilt; of other bodies (graphs, a user's own) None is returned.
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

PASSES_SIZES_ON = (ReLU, LeakyReLU, Sigmoid, Tanh, Softmax, Dropout, Flatten)
NORMS = (BatchNorm, LayerNorm)


def layers_of(network: Network) -> list[Module] | None:
    """Return copies of the layers that stand one after the other, or None."""
    if not isinstance(network.body, Sequential):
        return None
    return list(copy.deepcopy(network).layers)


def draw(network: Network, name: str, seed: int = 0) -> None:
    """Draw every weight anew."""
    tree.initialize(network, np.random.default_rng(seed), get_initializer(name))


def _built(layers: Sequence[Module], like: Network) -> Network:
    return Network(list(layers), dtype=like.dtype)


def with_activations(
    network: Network, old: tuple[type[Module], ...], new: type[Module]
) -> Network | None:
    """Return it with the hidden activations of these kinds in another one's place."""
    layers = layers_of(network)
    if layers is None or not any(isinstance(layer, old) for layer in layers[:-1]):
        return None
    last = max((i for i, layer in enumerate(layers) if layer.parameters()), default=0)
    changed = [new() if isinstance(a, old) and i < last else a for i, a in enumerate(layers)]
    return _built(changed, network)


def number_of_outputs(network: Network) -> int | None:
    """Return the size of the last Linear."""
    linears = [a for a in layers_of(network) or [] if isinstance(a, Linear)]
    return linears[-1].out_features if linears else None


def with_outputs(network: Network, outputs: int) -> Network | None:
    """Return it with a last Linear of so many outputs, drawn anew."""
    layers = layers_of(network)
    if layers is None:
        return None
    place = max((i for i, a in enumerate(layers) if isinstance(a, Linear)), default=None)
    if place is None:
        return None
    last: Any = layers[place]
    layers[place] = Linear(last.in_features, outputs, seed=0)
    return _built(layers, network)


def without_columns(network: Network, columns: Sequence[int]) -> Network | None:
    """Return it without these inputs: rows of the first Linear's weights."""
    layers = layers_of(network)
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
    return _built([new, *layers[1:]], network)


def widened(network: Network, width: int) -> Network | None:
    """Return it with at least `width` neurons in each hidden Linear, all drawn anew."""
    layers = layers_of(network)
    if layers is None or not all(isinstance(a, (Linear, *PASSES_SIZES_ON, *NORMS)) for a in layers):
        return None
    linears = [i for i, a in enumerate(layers) if isinstance(a, Linear)]
    if len(linears) == 1:  # nothing hidden: give it a hidden layer
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
    built = _built(layers, network)
    draw(built, "kaiming")
    return built
