"""The floor: the matrix products of a row's work and nothing else, in np.matmul.

No check, no activation, no loss, no update; and no gradient at the network's input, which
nobody wants. What a side takes beyond this is its own.
"""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.speed.work import Job, Skip, Work, fashion_mnist

Product = tuple[int, int, int, int]
"""How many times, and m, k, n of (m, k) @ (k, n)."""


def train(work: Work) -> Job:
    return job(products(work), work.batches, units=work.batches * work.members)


def fit(work: Work) -> Job:
    if work.model == "fashion-mnist":
        return job(products(work), len(fashion_mnist()[0]) // work.batch, units=1)
    return train(work)


def predict(work: Work) -> Job:
    pairs = itertools.pairwise(work.sizes)
    return job([(1, work.batch, k, n) for k, n in pairs], work.batches)


def job(products: list[Product], times: int, units: int | None = None) -> Job:
    rng = np.random.default_rng(0)
    operands = [
        (
            rng.standard_normal((count, m, k), dtype=np.float32),
            rng.standard_normal((count, k, n), dtype=np.float32),
            np.empty((count, m, n), np.float32),
        )
        for count, m, k, n in products
    ]
    operands = [tuple(a[0] if len(a) == 1 else a for a in triple) for triple in operands]

    def run() -> None:
        for _ in range(times):
            for a, b, out in operands:
                np.matmul(a, b, out=out)

    return Job(run, units or times)


def products(work: Work) -> list[Product]:
    """Return the products of one training step."""
    rows, sizes = work.batch, work.sizes
    match work.model:
        case "mlp" | "fashion-mnist":
            return chain(rows, sizes)
        case "ensemble":
            return [(work.members, *product[1:]) for product in chain(rows, sizes)]
        case "cnn":
            one, two, hidden, classes = sizes
            return [
                *linear(rows * 26 * 26, 9, one, at_input=True),
                *linear(rows * 11 * 11, 9 * one, two),
                *linear(rows, 5 * 5 * two, hidden),
                *linear(rows, hidden, classes),
            ]
        case "lstm":
            features, units, steps, classes = sizes
            gates = 4 * units
            return [
                *linear(rows * steps, features, gates, at_input=True),  # of all steps at once
                (steps, rows, units, gates),
                (steps, rows, gates, units),
                (1, units, rows * steps, gates),
                *linear(rows, units, classes),
            ]
        case "transformer":
            width, heads, steps, hidden = sizes
            n, d = rows * heads, width // heads
            scores = [(n, steps, d, steps), (n, steps, steps, d), (n, steps, steps, d)]
            mixing = [(n, steps, steps, d), (n, steps, d, steps), (n, steps, steps, d)]
            return [
                *linear(rows * steps, width, 3 * width, at_input=True),
                *scores,
                *mixing,
                *linear(rows * steps, width, width),
                *linear(rows * steps, width, hidden),
                *linear(rows * steps, hidden, width),
            ]
    raise Skip(f"the products of {work.model} are not written down")


def chain(rows: int, sizes: tuple[int, ...]) -> list[Product]:
    """Return the products of Linear layers with these sizes, one after the other."""
    found = []
    for place, (inside, outside) in enumerate(itertools.pairwise(sizes)):
        found += linear(rows, inside, outside, at_input=place == 0)
    return found


def linear(rows: int, inside: int, outside: int, at_input: bool = False) -> list[Product]:
    """Return y = x W, dW = xᵀ dy and, but at the network's input, dx = dy Wᵀ."""
    backward = [] if at_input else [(1, rows, outside, inside)]
    return [(1, rows, inside, outside), (1, inside, rows, outside), *backward]


JOBS = {"train": train, "fit": fit, "predict": predict}
