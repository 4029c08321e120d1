"""How weights get their first values.

An initializer is any callable ``initializer(shape, rng) -> array``; `get_initializer` turns a
name into one. Shapes are those of the layers: a matrix is (in_features, out_features), a
convolution kernel (out_channels, in_channels / groups, *kernel).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.errors import ConfigurationError
from chainrule.parameter import Array, Initializer


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out): how many inputs feed one output, and how many outputs one input.

    A vector is the weights of a single neuron: its length is the fan-in.
    """
    if len(shape) == 1:
        return shape[0], 1
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) > 2:
        receptive_field = math.prod(shape[2:])
        return shape[1] * receptive_field, shape[0] * receptive_field
    raise ConfigurationError("A single number has no fan-in; initialise it with Constant.")


@dataclass(frozen=True)
class Constant:
    """Every value the same."""

    value: float = 0.0

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.full(shape, self.value)


class Zero(Constant):
    """All zero. Right for biases; for weights it is the classic mistake, kept to show it.

    With zero weights all neurons of a layer compute the same and get the same gradient, so
    they stay equal for ever (symmetry); behind a ReLU nothing but the last bias learns at all.
    """


@dataclass(frozen=True)
class Random:
    """Normal, mean 0, a fixed standard deviation whatever the layer's size."""

    std: float = 0.1

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(0.0, self.std, shape)


@dataclass(frozen=True)
class KaimingNormal:
    """Normal, mean 0, std = gain / sqrt(fan_in): keeps the variance through layers of ReLU.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015, equation 10.
    """

    gain: float = math.sqrt(2.0)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, _ = fans(shape)
        return rng.normal(0.0, self.gain / math.sqrt(fan_in), shape)


BY_NAME: dict[str, Initializer] = {
    "kaiming": KaimingNormal(),
    "zero": Zero(),
    "random": Random(),
}


def get_initializer(initialization: str | Initializer) -> Initializer:
    """Return the initializer of this name; one that is given as such is returned as it is."""
    if callable(initialization):
        return initialization
    if initialization not in BY_NAME:
        names = ", ".join(repr(name) for name in BY_NAME)
        raise ConfigurationError(
            f"Unknown initialization {initialization!r}. There are {names}; "
            "or give a function (shape, rng) -> array."
        )
    return BY_NAME[initialization]
