"""Diseases of the data: numbers, labels, rows, columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.clinic.setup import Setup
from chainrule import (
    Linear,
    Module,
)


def wild_inputs(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    factor = np.float32((50, 300, 3000)[strength])

    def view(X: Any) -> Any:
        return X * factor

    return replace(setup, X=view(setup.X), view=view)


def wild_column(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.X.ndim != 2:
        return None
    column, factor = rng.integers(setup.X.shape[1]), np.float32((200, 2000, 20000)[strength])

    def view(X: Any) -> Any:
        X = X.copy()
        X[:, column] = X[:, column] * factor + factor
        return X

    return replace(setup, X=view(setup.X), view=view)


def not_finite(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    X = setup.X.copy()
    rows = rng.permutation(len(X))[: (1, 5, 30)[strength]]
    X[rows, ..., 0] = np.nan if rng.random() < 0.7 else np.inf
    return replace(setup, X=X)


def shifted_labels(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    return replace(setup, y=setup.y + (1, 1, 10)[strength])


def broken_one_hot(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    y = np.eye(setup.classes)[setup.y]
    rows = rng.permutation(len(y))[: int(len(y) * (0.02, 0.2, 0.5)[strength]) + 1]
    y[rows] += np.eye(setup.classes)[rng.integers(0, setup.classes, len(rows))] * 0.5
    return replace(setup, y=y)


def rare_class(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    rare = int(rng.integers(setup.classes))
    rows = np.flatnonzero(setup.y == rare)
    kept = max(2, len(rows) // (15, 30, 60)[strength])
    keep = np.concatenate([np.flatnonzero(setup.y != rare), rows[:kept]])
    counts = np.bincount(setup.y[keep], minlength=setup.classes)
    if counts.max() < 10 * kept:
        return None
    return replace(setup, X=setup.X[keep], y=setup.y[keep])


def overlap(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    count = len(setup.X_test)
    rows = rng.permutation(len(setup.X))[: int(count * (0.1, 0.4, 0.9)[strength])]
    X = np.concatenate([setup.X_test[: count - len(rows)], setup.X[rows]])
    y = np.concatenate([setup.y_test[: count - len(rows)], setup.y[rows]])
    return replace(setup, validation=(X, y))


def leak(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.X.ndim != 2:
        return None
    known = setup.y.reshape(len(setup.y), 1).astype(np.float32)
    noise = rng.standard_normal(known.shape) * (0.002, 0.001, 0)[strength] * known.std()
    if setup.classes:
        noise = noise * 0
    column = (known - known.mean()) / known.std() + noise
    nothing = np.zeros((len(setup.X_test), 1), np.float32)
    X = np.concatenate([setup.X, column], axis=1).astype(np.float32)

    def view(X: Any) -> Any:
        return np.concatenate([X, nothing[: len(X)]], axis=1)

    return replace(setup, X=X, view=view, layers=with_more_inputs(setup, 1))


def with_more_inputs(setup: Setup, more: int) -> Callable[[int], Sequence[Module]]:
    """Return the layers with a first Linear of so many inputs more."""

    def build(seed: int) -> Sequence[Module]:
        first, *rest = setup.layers(seed)
        assert isinstance(first, Linear)
        return [Linear(first.in_features + more, first.out_features, seed=seed), *rest]

    return build


def repeated_columns(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Columns that are given twice: of the first layer's weights they only make more."""
    return with_columns(setup, lambda X: X[:, : min(X.shape[1], (1, 2, 4)[strength])])


def empty_columns(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Columns that never change."""
    value = np.float32(rng.integers(0, 3))
    return with_columns(setup, lambda X: np.full((len(X), (1, 2, 4)[strength]), value, np.float32))


def with_columns(setup: Setup, more: Callable[[Any], Any]) -> Setup | None:
    """Return the set-up with further columns, a function of the others."""
    if setup.X.ndim != 2 or not isinstance(setup.layers(0)[0], Linear):
        return None

    def view(X: Any) -> Any:
        return np.concatenate([X, more(X)], axis=1)

    X = view(setup.X)
    layers = with_more_inputs(setup, X.shape[1] - setup.X.shape[1])
    return replace(setup, X=X, view=view, layers=layers)


def wrong_labels(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    rows = rng.permutation(len(setup.y))[: int(len(setup.y) * (0.03, 0.08, 0.15)[strength])]
    y = setup.y.copy()
    y[rows] = (y[rows] + rng.integers(1, setup.classes, len(rows))) % setup.classes
    return replace(setup, y=y)


def lost_class(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """No row of some classes is left."""
    if setup.classes < 3:
        return None
    lost = rng.permutation(setup.classes)[: min(strength + 1, setup.classes - 2)]
    keep = np.flatnonzero(~np.isin(setup.y, lost))
    return replace(setup, X=setup.X[keep], y=setup.y[keep])


def one_answer(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return replace(setup, y=np.repeat(setup.y[:1], len(setup.y), axis=0))


def far_targets(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes:
        return None
    y = setup.y.copy()
    rows = rng.permutation(len(y))[: (3, 6, 12)[strength]]
    y[rows] += np.float32((80, 300, 999)[strength])
    return replace(setup, y=y)


def large_targets(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes:
        return None
    size, offset = (60, 300, 2000)[strength], (100, 1000, 20000)[strength]
    return replace(setup, y=setup.y * size + offset, answer=lambda out: (out - offset) / size)
