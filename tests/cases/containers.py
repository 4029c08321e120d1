"""Sequential, Residual, Parallel and Network: their parts, one after the other, by hand."""

import numpy as np

from cases import Case
from chainrule import Linear, Network, Parallel, ReLU, Residual, Sequential, Softsign, Tanh


def mlp(linears, x):
    """Linear layers with ReLU between them."""
    for index, layer in enumerate(linears):
        x = x @ layer.weight.value + layer.bias.value
        x = np.where(x > 0, x, 0) if index + 1 < len(linears) else x
    return x


def classifier(module, x, training):
    scores = np.exp(mlp([m for m in module.layers if isinstance(m, Linear)], x))
    return scores / scores.sum(axis=1, keepdims=True)


def branches(module, x, training):
    """Three branches: x W + b, tanh(x V + c), and x / (1 + |x|)."""
    first, second, _ = module.branches
    return mlp([first], x), np.tanh(mlp([second.layers[0]], x)), x / (1 + np.abs(x))


def three_branches(first, second, **options):
    return Parallel(
        [
            Linear(4, first, seed=0),
            Sequential([Linear(4, second, seed=1), Tanh()]),
            Softsign(),
        ],
        **options,
    )


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
        "Residual-shortcut",
        lambda: Residual(Sequential([Linear(4, 3, seed=0), Tanh()]), Linear(4, 3, seed=1)),
        (5, 4),
        reference=lambda m, x, training: mlp([m.shortcut], x) + np.tanh(mlp([m.body.layers[0]], x)),
        bad_shape=(5, 3),
    ),
    Case(
        "Parallel",
        lambda: three_branches(3, 2),
        (5, 4),
        reference=lambda m, x, training: np.concatenate(branches(m, x, training), axis=1),
        bad_shape=(5, 3),
    ),
    Case(
        "Parallel-add",
        lambda: three_branches(4, 4, merge="add"),
        (5, 4),
        reference=lambda m, x, training: sum(branches(m, x, training)),
        bad_shape=(5, 3),
    ),
    Case(
        "Parallel-last_axis",
        lambda: three_branches(1, 3, axis=-1),
        (2, 3, 4),
        reference=lambda m, x, training: np.concatenate(branches(m, x, training), axis=2),
        bad_shape=(5, 3),
    ),
    Case(
        "Parallel-middle_axis",
        lambda: three_branches(4, 4),
        (2, 3, 4),
        reference=lambda m, x, training: np.concatenate(branches(m, x, training), axis=1),
    ),
    Case(
        "Parallel-only_one",
        lambda: Parallel([Linear(4, 2, seed=0)], merge="add"),
        (5, 4),
        reference=lambda m, x, training: mlp([m.branches[0]], x),
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
