"""The clinic's data, standardised, split into training and test rows; a set belongs to one part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Array = Any
MOST_ROWS = 700


@dataclass(frozen=True)
class Data:
    """A data set: `kind` is table, image or sequence; `classes` 0 for a regression."""

    name: str
    part: str
    kind: str
    X: Array
    y: Array

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1 if self.y.dtype.kind in "iu" else 0


def split(data: Data, seed: int) -> tuple[Array, Array, Array, Array]:
    """Return a training and a test part; what is measured is measured on the training part."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(data.X))[:MOST_ROWS]
    held = len(rows) * 3 // 10
    X, y = data.X[rows], data.y[rows]
    if data.kind == "table":
        X = (X - X[held:].mean(axis=0)) / np.where(
            X[held:].std(axis=0) > 0, X[held:].std(axis=0), 1
        )
    if not data.classes:
        y = ((y - y[held:].mean()) / y[held:].std()).reshape(-1, 1)
    return X[held:].astype(np.float32), y[held:], X[:held].astype(np.float32), y[:held]


def _bundled(name: str, rows: Callable[[Array], Array] | None = None) -> tuple[Array, Array]:
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, y.astype(np.intp) if y.dtype.kind in "iu" else y


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


@cache
def catalogue() -> dict[str, Data]:
    """Return all data sets by name."""
    rng = np.random.default_rng(20)
    digits, labels = _bundled("digits")
    images = digits.reshape(-1, 1, 8, 8) / 16 - 0.3
    low, high = labels < 5, labels >= 5
    every = [
        Data("iris", "tuning", "table", *_bundled("iris")),
        Data("wine", "tuning", "table", *_bundled("wine")),
        Data("rings", "tuning", "table", *rings(rng)),
        Data("waves", "tuning", "table", *waves(rng)),
        Data("digits 0-4", "tuning", "image", images[low], labels[low]),
        Data("tones", "tuning", "sequence", *tones(rng)),
        Data("breast cancer", "judging", "table", *_bundled("breast_cancer")),
        Data("spirals", "judging", "table", *spirals(rng)),
        Data("diabetes", "judging", "table", *_bundled("diabetes")),
        Data("friction", "judging", "table", *friction(rng)),
        Data("digits 5-9", "judging", "image", images[high], labels[high] - 5),
        Data("majorities", "judging", "sequence", *majorities(rng)),
    ]
    return {data.name: data for data in every}
