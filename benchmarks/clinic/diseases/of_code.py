"""Diseases of the user's own code: modules whose gradients or numbers are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.clinic.diseases.changes import changed, has
from benchmarks.clinic.setup import Setup
from chainrule import (
    GELU,
    BatchNorm,
    Linear,
    Module,
    ReLU,
    Tanh,
)


class WrongSignLinear(Linear):
    """A Linear whose gradient at the input has the wrong sign."""

    def backward(self, dy: Any) -> Any:
        return -super().backward(dy)


class ForgetfulLinear(Linear):
    """A Linear that never sets its weight's gradient."""

    def backward_parameters(self, dy: Any) -> None:
        super().backward_parameters(dy)
        self.weight.grad = np.zeros(self.weight.shape)


def wrong_backward(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    kind = (ForgetfulLinear, WrongSignLinear, WrongSignLinear)[strength]
    if sum(type(layer) is Linear for layer in setup.layers(0)) < 2:
        return None

    def change(layers: list[Module]) -> list[Module]:
        place = [i for i, layer in enumerate(layers) if type(layer) is Linear][
            1 if kind is WrongSignLinear else 0
        ]
        old: Any = layers[place]
        new = kind(old.in_features, old.out_features)
        new.weight.value = old.weight.value
        layers[place] = new
        return layers

    return changed(setup, change)


class Detached(Module):
    """Hands its input on, and no gradient back."""

    def forward(self, x: Any, training: bool = True) -> Any:
        return x

    def backward(self, dy: Any) -> Any:
        return np.zeros_like(dy)


class OwnLog(Module):
    """ln(x + shift), which has no result where x is below -shift."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def forward(self, x: Any, training: bool = True) -> Any:
        shifted = x + x.dtype.type(self.shift)
        self.save_for_backward(shifted, training=training)
        return np.log(shifted)

    def backward(self, dy: Any) -> Any:
        (shifted,) = self.saved_values()
        return dy / shifted


class OwnThreshold(Module):
    """max(x - threshold, 0): a ReLU of one's own, dead where the threshold is far above x."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def forward(self, x: Any, training: bool = True) -> Any:
        passes = x > self.threshold
        self.save_for_backward(passes, training=training)
        return np.where(passes, x - x.dtype.type(self.threshold), 0)

    def backward(self, dy: Any) -> Any:
        (passes,) = self.saved_values()
        return dy * passes


def detached(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """End the gradient behind the first activation; mild, behind the second."""
    return behind_activation(setup, 1 if strength == 0 else 0, Detached)


def logarithm(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return behind_activation(setup, 0, lambda: OwnLog((0.5, 0.1, 0.0)[strength]))


def own_relu(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if has(setup, BatchNorm):
        return None
    return behind_activation(setup, 0, lambda: OwnThreshold((5.0, 10.0, 30.0)[strength]), True)


def behind_activation(
    setup: Setup, which: int, module: Callable[[], Module], instead: bool = False
) -> Setup | None:
    """Return the set-up with a module behind (or instead of) one of its hidden activations."""

    def places(layers: Sequence[Module]) -> list[int]:
        return [i for i, layer in enumerate(layers) if isinstance(layer, ReLU | Tanh | GELU)]

    if len(places(setup.layers(0))) <= which:
        return None

    def change(layers: list[Module]) -> list[Module]:
        place = places(layers)[which]
        layers[place : place + 1] = [module()] if instead else [layers[place], module()]
        return layers

    return changed(setup, change)
