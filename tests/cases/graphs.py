"""Graph and the joins: what their parts make, put together by hand."""

import numpy as np

from cases import Case
from chainrule import Add, Concatenate, DotProduct, Graph, Linear, Multiply, Node, Sequential, Tanh


def linear(module, x):
    return x @ module.weight.value + module.bias.value


def joined(join, *parts):
    nodes = {f"part{index}": Node(part, "x") for index, part in enumerate(parts)}
    return Graph("x", {**nodes, "y": Node(join, *nodes)}, "y")


def cosine(a, b):
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return ((a * b).sum(axis=-1) / lengths)[..., None]


def parts_of(module, x):
    return linear(module["part0"], x), np.tanh(linear(module["part1"].layers[0], x))


def two(join):
    return joined(join, Linear(4, 3, seed=0), Sequential([Linear(4, 3, seed=1), Tanh()]))


def twice(shared):
    """x W W + b W + b, then added to x W + b: the same Linear at three places."""
    return Graph(
        "x",
        {
            "sum": Node(Add(), "one", "two"),
            "two": Node(shared, "one"),
            "one": Node(shared, "x"),
            "y": Node(Sequential([shared, Tanh()]), "sum"),
        },
        "y",
    )


def twice_reference(module, x, training):
    one = linear(module["one"], x)
    return np.tanh(linear(module["one"], one + linear(module["one"], one)))


CASES = [
    Case(
        "Graph-add",
        lambda: two(Add()),
        (5, 4),
        reference=lambda m, x, training: sum(parts_of(m, x)),
        bad_shape=(5, 3),
    ),
    Case(
        "Graph-multiply",
        lambda: two(Multiply()),
        (5, 4),
        reference=lambda m, x, training: np.multiply(*parts_of(m, x)),
    ),
    Case(
        "Graph-concatenate",
        lambda: two(Concatenate()),
        (5, 4),
        reference=lambda m, x, training: np.hstack(parts_of(m, x)),
    ),
    Case(
        "Graph-concatenate_last_axis",
        lambda: two(Concatenate(-1)),
        (5, 2, 4),
        reference=lambda m, x, training: np.concatenate(parts_of(m, x), axis=2),
    ),
    Case(
        "Graph-dot_product",
        lambda: two(DotProduct()),
        (5, 4),
        reference=lambda m, x, training: np.vecdot(*parts_of(m, x))[:, None],
    ),
    Case(
        "Graph-cosine",
        lambda: two(DotProduct(normalize=True)),
        (5, 2, 4),
        reference=lambda m, x, training: cosine(*parts_of(m, x)),
    ),
    Case(
        "Graph-shared",
        lambda: twice(Linear(4, 4, seed=0)),
        (5, 4),
        reference=twice_reference,
        bad_shape=(5, 3),
    ),
]
