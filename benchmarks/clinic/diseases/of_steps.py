"""Diseases of the steps: the rate, the batches, how many there are, what is frozen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.clinic.architectures import mlp
from benchmarks.clinic.diseases.changes import changed, has, with_architecture
from benchmarks.clinic.setup import Setup
from chainrule import Adam, BatchNorm, Module


def with_rate(setup: Setup, factor: float) -> Setup:
    def optimizer() -> Any:
        made = setup.optimizer()
        made.learning_rate = made.learning_rate * factor
        return made

    return replace(setup, optimizer=optimizer)


def high_rate(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return with_rate(setup, (30, 100, 1000)[strength])


def low_rate(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return with_rate(setup, (0.01, 0.003, 0.0003)[strength])


def stopped_early(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return replace(setup, epochs=max(2, setup.epochs // (5, 8, 12)[strength]))


def frozen(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Freeze the first weights, all but the last, or all, though they are freshly drawn."""
    weights = [p for p, w in setup.network().named_parameters().items() if w.decay]
    still = (weights[:1], weights[:-1], weights)[strength]
    if not still:
        return None

    def optimizer() -> Any:
        made = setup.optimizer()
        made.lr_multipliers = dict.fromkeys(still, 0.0)
        return made

    return replace(setup, optimizer=optimizer)


def slow_statistics(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Let running means not arrive within the training."""
    if not has(setup, BatchNorm):
        return None
    momentum = (0.003, 0.001, 0.0003)[strength]

    def change(layers: list[Module]) -> list[Module]:
        for layer in layers:
            if isinstance(layer, BatchNorm):
                layer.momentum = momentum
        return layers

    return changed(setup, change)


def tiny_batches(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not has(setup, BatchNorm) or setup.X.ndim > 2:
        return None
    return replace(setup, batch_size=(4, 3, 2)[strength])


def overtrained(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Train a large network for long on few rows, with wrong labels among them.

    The healthy twin has the same, and stops where the validation loss is lowest.
    """
    rows = rng.permutation(len(setup.X))[:80]
    X, y = setup.X[rows], setup.y[rows].copy()
    wrong = rng.permutation(80)[: (8, 16, 24)[strength]]
    y[wrong] = (
        y[rng.permutation(wrong)]
        if not setup.classes
        else rng.integers(0, setup.classes, len(wrong))
    )
    half = len(setup.X_test) // 2
    sick = replace(
        with_architecture(setup, mlp(128)), X=X, y=y, epochs=150, optimizer=adam, batch_size=16,
        validation=(setup.X_test[:half], setup.y_test[:half]),
        X_test=setup.X_test[half:], y_test=setup.y_test[half:],
    )  # fmt: skip
    return replace(sick, twin=replace(sick, patience=10))


def adam() -> Any:
    return Adam(0.005)
