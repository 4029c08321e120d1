"""The clinic's data, standardised, split into training and test rows; a set belongs to one part.

Some come with scikit-learn or are made up here ("bundled"), the others have to be there: the tables
of `python -m benchmarks.tables prepare`, and Fashion-MNIST (`chainrule.read_mnist` says how).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import read_mnist

Array = Any
MOST_ROWS, MOST_TO_TEST = 490, 1000
"""To learn from, so that a training takes a second; and to test on: more rows, less chance."""

FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Source:
    """A data set that can be read: `kind` is table, image or sequence."""

    name: str
    part: str
    kind: str
    read: Callable[[], tuple[Array, Array]]
    bundled: bool = True


@dataclass(frozen=True)
class Data:
    """A data set that was read; `classes` is 0 for a regression."""

    kind: str
    X: Array
    y: Array

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1 if self.y.dtype.kind in "iu" else 0


@cache
def read(name: str) -> Data:
    """Return a data set of the catalogue."""
    source = CATALOGUE[name]
    return Data(source.kind, *source.read())


def split(data: Data, seed: int) -> tuple[Array, Array, Array, Array]:
    """Return a training and a test part; what is measured is measured on the training part."""
    order = np.random.default_rng(seed).permutation(len(data.X))
    learning = min(MOST_ROWS, len(order) * 7 // 10)
    rows = order[: learning + MOST_TO_TEST]
    held = len(rows) - learning
    X, y = data.X[rows], data.y[rows]
    if data.kind == "table":
        X = (X - X[held:].mean(axis=0)) / np.where(
            X[held:].std(axis=0) > 0, X[held:].std(axis=0), 1
        )
    if not data.classes:
        y = ((y - y[held:].mean()) / y[held:].std()).reshape(-1, 1)
    return X[held:].astype(np.float32), y[held:], X[:held].astype(np.float32), y[:held]


# ---------------------------------------------------------------- where they come from


def bundled(name: str) -> Callable[[], tuple[Array, Array]]:
    """Return the reader of a set that comes with scikit-learn."""

    def reader() -> tuple[Array, Array]:
        from sklearn import datasets

        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return X, y.astype(np.intp) if y.dtype.kind in "iu" else y

    return reader


def made_up(make: Callable[[np.random.Generator], tuple[Array, Array]]) -> Any:
    """Return the reader of a set that is drawn at random, always the same."""
    return lambda: make(np.random.default_rng(20))


def one_to(
    rare: int, reader: Callable[[], tuple[Array, Array]]
) -> Callable[[], tuple[Array, Array]]:
    """Return the reader of a set whose class 0 is made so many times rarer than it was."""

    def thinned() -> tuple[Array, Array]:
        X, y = reader()
        keep = np.sort(np.concatenate([np.flatnonzero(y != 0), np.flatnonzero(y == 0)[::rare]]))
        return X[keep], y[keep]

    return thinned


def digits(first: int) -> Callable[[], tuple[Array, Array]]:
    """Return the reader of five of scikit-learn's digits, (N, 1, 8, 8)."""

    def reader() -> tuple[Array, Array]:
        X, y = bundled("digits")()
        return five_of(X.reshape(-1, 1, 8, 8) / 16 - 0.3, y, first)

    return reader


def fashion(first: int) -> Callable[[], tuple[Array, Array]]:
    """Return the reader of 2,000 images of five classes of Fashion-MNIST, (N, 1, 14, 14).

    Each pixel is the mean of four, so that a training takes seconds.
    """

    def reader() -> tuple[Array, Array]:
        images, labels, _, _ = read_mnist(FASHION)
        images, labels = images[:4000], labels[:4000]
        small = images.reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5))
        return five_of((small / 255 - 0.286) / 0.353, labels.astype(np.intp), first)

    return reader


def five_of(X: Array, y: Array, first: int) -> tuple[Array, Array]:
    rows = (y >= first) & (y < first + 5)
    return X[rows], y[rows] - first


def table(name: str) -> Callable[[], tuple[Array, Array]]:
    """Return the reader of a real table: numbers imputed, a column for each category."""

    def reader() -> tuple[Array, Array]:
        from benchmarks.tables.preparation import one_hot
        from benchmarks.tables.table import Table, cache_folder

        loaded = Table.load(cache_folder() / "data", name)
        X = np.asarray(one_hot().fit_transform(loaded.X), np.float64)
        y = loaded.y
        return X, y.astype(np.intp) if loaded.facts.classes else y.astype(np.float64)

    return reader


# ---------------------------------------------------------------- made up


def rings(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two rings, one inside the other."""
    y = rng.integers(0, 2, 600)
    angle, radius = rng.uniform(0, 2 * np.pi, 600), 1 + y + rng.normal(0, 0.2, 600)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def spirals(rng: np.random.Generator) -> tuple[Array, Array]:
    """Three arms of a spiral."""
    y = rng.integers(0, 3, 700)
    r = rng.uniform(0.2, 1.0, 700)
    angle = 3 * r + y * 2 * np.pi / 3 + rng.normal(0, 0.12, 700)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1) * 3, y


def waves(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a regression: a sine of one column plus a product of two others, with noise."""
    X = rng.standard_normal((700, 5))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] * X[:, 2] + 0.3 * X[:, 3]
    return X, y + rng.normal(0, 0.1, 700)


def friction(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a regression: a quotient and a square, with noise."""
    X = rng.uniform(-1.7, 1.7, (700, 4))
    return X, X[:, 0] / (1 + X[:, 1] ** 2) + X[:, 2] ** 2 + rng.normal(0, 0.1, 700)


def tones(rng: np.random.Generator) -> tuple[Array, Array]:
    """Sequences (N, 16, 2): which of three frequencies it is."""
    y = rng.integers(0, 3, 700)
    steps = np.arange(16) + rng.uniform(0, 6, (700, 1))
    angle = steps * np.array([0.3, 0.8, 1.5])[y][:, None]
    X = np.stack([np.sin(angle), np.cos(angle)], axis=2)
    return X + rng.normal(0, 0.3, X.shape), y


def majorities(rng: np.random.Generator) -> tuple[Array, Array]:
    """Sequences (N, 12, 3): which of three channels has the largest sum."""
    X = rng.standard_normal((700, 12, 3))
    return X, X.sum(axis=1).argmax(axis=1)


# ---------------------------------------------------------------- the catalogue


def _tables(part: str, *names: str) -> list[Source]:
    return [Source(name, part, "table", table(name), bundled=False) for name in names]


SOURCES = [
    Source("iris", "tuning", "table", bundled("iris")),
    Source("wine", "tuning", "table", bundled("wine")),
    Source("rings", "tuning", "table", made_up(rings)),
    Source("rings, one class rare", "tuning", "table", one_to(6, made_up(rings))),
    Source("waves", "tuning", "table", made_up(waves)),
    *_tables("tuning", "vehicle", "glass", "sonar", "vowel", "boston", "penguins"),
    Source("digits 0-4", "tuning", "image", digits(0)),
    Source("fashion 0-4", "tuning", "image", fashion(0), bundled=False),
    Source("tones", "tuning", "sequence", made_up(tones)),
    Source("breast cancer", "judging", "table", bundled("breast_cancer")),
    Source(
        "breast cancer, one class rare", "judging", "table", one_to(8, bundled("breast_cancer"))
    ),
    Source("spirals", "judging", "table", made_up(spirals)),
    Source("diabetes", "judging", "table", bundled("diabetes")),
    Source("friction", "judging", "table", made_up(friction)),
    *_tables("judging", "ionosphere", "spam", "dna", "soybean", "concrete", "meats"),
    Source("digits 5-9", "judging", "image", digits(5)),
    Source("fashion 5-9", "judging", "image", fashion(5), bundled=False),
    Source("majorities", "judging", "sequence", made_up(majorities)),
]

CATALOGUE = {source.name: source for source in SOURCES}
