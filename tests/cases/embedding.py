"""Embedding and CategoryEmbedding: the tables' rows picked one by one."""

import numpy as np

from cases import Case
from chainrule import CategoryEmbedding, Embedding, Linear, Network


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


def category_embedding(module, x, training):
    rows = []
    for row in x:
        numbers = [*row[: module.in_features - len(module.categories)]]
        codes = row[len(numbers) :]
        for code, table in zip(codes, module.tables, strict=True):
            numbers += [*table.value[int(code)]]
        rows.append(numbers)
    return np.array(rows)


def category_embedding_into_linear(network, x, training):
    tables, linear = network.layers
    return category_embedding(tables, x, training) @ linear.weight.value + linear.bias.value


def with_codes(*categories, shape):
    """Return rows whose last columns hold codes, of all but the last category."""

    def rows(rng):
        x = rng.standard_normal(shape)
        for place, count in enumerate(categories, start=-len(categories)):
            x[..., place] = rng.integers(0, count - 1, shape[:-1])
        return x

    return rows


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
    Case(
        "CategoryEmbedding",
        lambda: CategoryEmbedding(5, (4, 7), 3, seed=0),
        x=with_codes(4, 7, shape=(9, 5)),
        reference=category_embedding,
        bad_shape=(9, 4),
    ),
    Case(
        "CategoryEmbedding-codes_alone",
        lambda: CategoryEmbedding(1, (5,), 2, seed=1),
        x=with_codes(5, shape=(6, 1)),
        reference=category_embedding,
        bad_shape=(6,),
    ),
    Case(
        "CategoryEmbedding-many",
        lambda: CategoryEmbedding(2, (300,), 1, seed=1),
        x=with_codes(300, shape=(7, 2)),
        reference=category_embedding,
        bad_shape=(2, 3, 2),
    ),
    Case(
        "Network-category_embedding",
        lambda: Network([CategoryEmbedding(4, (6,), 2), Linear(5, 2)], seed=0, dtype="float64"),
        x=with_codes(6, shape=(8, 4)),
        reference=category_embedding_into_linear,
    ),
]
