"""Sequential, Residual, and Network: their parts, one after the other, by hand."""

import numpy as np

from cases import Case
from chainrule import Linear, Network, ReLU, Residual, Sequential, Tanh


def mlp(linears, x):
    """Linear layers with ReLU between them."""
    for index, layer in enumerate(linears):
        x = x @ layer.weight.value + layer.bias.value
        x = np.where(x > 0, x, 0) if index + 1 < len(linears) else x
    return x


def classifier(module, x, training):
    scores = np.exp(mlp([m for m in module.layers if isinstance(m, Linear)], x))
    return scores / scores.sum(axis=1, keepdims=True)


CASES = [
    Case(
        "Sequential",
        lambda: Sequential([Linear(4, 6, seed=0), ReLU(), Linear(6, 2, seed=1)]),
        (5, 4),
        reference=lambda m, x, training: mlp([m.layers[0], m.layers[2]], x),
        bad_shape=(5, 3),
    ),
    Case(
        "Residual",
        lambda: Residual(Sequential([Linear(4, 4, seed=0), Tanh()])),
        (5, 4),
        reference=lambda m, x, training: x + np.tanh(mlp([m.body.layers[0]], x)),
        bad_shape=(5, 3),
    ),
    Case(
        "Network",
        lambda: Network([4, 8, 3], seed=0, dtype="float64"),
        (6, 4),
        reference=classifier,
        bad_shape=(6, 5),
    ),
    Case(
        "Network-deep",
        lambda: Network([3, 4, 5, 4, 3, 2], seed=1, dtype="float64"),
        (1, 3),
        reference=classifier,
    ),
    Case(
        "Network-one_output",
        lambda: Network([3, 4, 1], seed=1, dtype="float64"),
        (6, 3),
        reference=lambda m, x, training: 1 / (1 + np.exp(-mlp([m.layers[0], m.layers[2]], x))),
    ),
]
