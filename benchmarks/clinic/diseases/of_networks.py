"""Diseases of the network: how it ends, its first weights, its size."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.clinic.architectures import mlp, recurrent
from benchmarks.clinic.diseases.changes import changed, has, with_architecture, with_weights
from benchmarks.clinic.setup import Setup
from chainrule import (
    RNN,
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Network,
    Parameter,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)


def softmax_twice(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    if strength == 0:
        return changed(setup, lambda layers: [*layers, Softmax()])
    return replace(setup, loss=CategoricalCrossEntropy(from_logits=True))


def no_softmax(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return changed(setup, lambda layers: layers[:-1]) if setup.classes else None


def sigmoids(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes < 3:
        return None
    return changed(setup, lambda layers: [*layers[:-1], Sigmoid()])


def bounded(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    kind = (ReLU, Tanh, Sigmoid)[strength]
    if setup.classes:
        return changed(
            setup, lambda layers: [*layers[:-1], (ReLU, Tanh)[strength % 2](), Softmax()]
        )
    return changed(setup, lambda layers: [*layers, kind()])


# ---------------------------------------------------------------- its weights, its size


def symmetric(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    value = (0.1, 0.01, 0.0)[strength]

    def change(path: str, weight: Parameter) -> None:
        weight.value = np.full(weight.shape, value)

    return with_weights(setup, change)


def scaled(setup: Setup, factor: float) -> Setup:
    def change(path: str, weight: Parameter) -> None:
        weight.value = weight.value * np.float32(factor)

    return with_weights(setup, change)


def large_weights(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return scaled(setup, (6, 15, 50)[strength])


def small_weights(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return scaled(setup, (0.1, 0.02, 0.003)[strength])


def dead(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not has(setup, ReLU) or has(setup, BatchNorm):
        return None
    bias = (-4.0, -8.0, -20.0)[strength]

    def make_ill(network: Network) -> None:
        biases = [p for path, p in network.named_parameters().items() if path.endswith("bias")]
        for parameter in biases[:-1]:
            parameter.value = np.full(parameter.shape, bias)

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


def deep_sigmoids(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Put sigmoids into a deep chain, whose healthy twin has ReLUs: gradients vanish."""
    widths = [24] * (6, 9, 12)[strength]
    usual = replace(setup, optimizer=lambda: Adam(0.003), epochs=30)
    twin = with_architecture(usual, mlp(*widths))
    sick = with_architecture(usual, mlp(*widths, activation=Sigmoid, weights="xavier"))
    return replace(sick, twin=twin)


def too_small(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.X.ndim > 2:
        return None
    return with_architecture(setup, mlp((2, 1, 1)[strength], activation=Tanh))


def recurrence(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Take a plain recurrent layer whose weights from step to step are far too large."""
    if setup.X.ndim != 3:
        return None
    factor = np.float32((4, 7, 12)[strength])

    def make_ill(network: Network) -> None:
        weight = network.named_parameters()["layers.0.cells.0.weight_hh"]
        weight.value = weight.value * factor

    twin = with_architecture(setup, recurrent(partial(RNN, nonlinearity="relu"), 24))
    return replace(twin, after_drawing=[*setup.after_drawing, make_ill], twin=twin)


def sure_from_the_start(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Make the last weights so large that the first answers are sure and wrong."""
    if not setup.classes:
        return None

    def make_ill(network: Network) -> None:
        weight = [w for w in network.named_parameters().values() if w.decay][-1]
        weight.value = weight.value * np.float32((15, 40, 120)[strength])

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


def saturated(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Tanh behind biases that push it to its ends."""
    if not has(setup, Tanh):
        return None

    def make_ill(network: Network) -> None:
        biases = [p for path, p in network.named_parameters().items() if path.endswith("bias")]
        for parameter in biases[:-1]:
            sign = np.where(rng.random(parameter.shape) < 0.5, -1, 1)
            parameter.value = sign * (5.0, 8.0, 15.0)[strength]

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])
