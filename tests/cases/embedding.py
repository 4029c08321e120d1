"""Embedding: the table's rows picked one by one."""

import numpy as np

from cases import Case
from chainrule import Embedding, Linear, Network


def embedding(module, x, training):
    y = np.zeros((*x.shape, module.embedding_dim))
    for place in np.ndindex(x.shape):
        if x[place] != module.padding_idx:
            for j in range(module.embedding_dim):
                y[place][j] = module.weight.value[x[place], j]
    return y


def into_linear(network, x, training):
    table, linear = network.layers
    return embedding(table, x, training) @ linear.weight.value + linear.bias.value


def indices(below, *shape, dtype=np.int64):
    return lambda rng: rng.integers(0, below, shape).astype(dtype)


def filled_padding():
    """Return an embedding whose padding row holds something, which must not come out."""
    layer = Embedding(5, 3, padding_idx=2, seed=3)
    layer.weight.value[2] = 1.0
    return layer


CASES = [
    Case("Embedding", lambda: Embedding(7, 4, seed=0), x=indices(7, 3, 5), reference=embedding),
    Case("Embedding-flat", lambda: Embedding(3, 4, seed=1), x=indices(3, 6), reference=embedding),
    Case(
        "Embedding-one_feature",
        lambda: Embedding(6, 1, seed=2),
        x=indices(6, 4, 2, dtype=np.uint8),
        reference=embedding,
    ),
    Case(
        "Embedding-one_row",
        lambda: Embedding(1, 3, seed=2),
        x=indices(1, 1, 2),
        reference=embedding,
    ),
    Case("Embedding-padding", filled_padding, x=indices(5, 4, 6), reference=embedding),
    Case(
        "Network-embedding",
        lambda: Network([Embedding(5, 3, padding_idx=0), Linear(3, 2)], seed=0, dtype="float64"),
        x=indices(5, 4, 3),
        reference=into_linear,
    ),
]
