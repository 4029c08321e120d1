"""Healthy networks for the clinic's data, plain and odd ones, each with a rate that suits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import (
    GELU,
    GRU,
    LSTM,
    Adam,
    AdamW,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    LastStep,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Module,
    Momentum,
    ReLU,
    Residual,
    RMSprop,
    Sequential,
    Softmax,
    Tanh,
    TransformerBlock,
)

Layers = Callable[[np.random.Generator, tuple[int, ...], int], Sequence[Module]]


@dataclass(frozen=True)
class Architecture:
    """Layers for a sample's shape and a number of outputs, and how they are trained."""

    name: str
    part: str
    kind: str
    build: Layers
    optimizer: Callable[[], Any]
    batch_size: int = 32
    epochs: int = 30


def mlp(*sizes: int, activation: Any = ReLU, norm: Any = None, weights: str = "kaiming") -> Layers:
    """Return a function that builds hidden layers of these sizes, and a linear end."""

    def build(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
        layers: list[Module] = [Flatten()] if len(shape) > 1 else []
        size = int(np.prod(shape))
        for width in sizes:
            layers.append(Linear(size, width, initialization=weights, seed=rng))
            layers += ([norm(width)] if norm else []) + [activation()]
            size = width
        return [*layers, Linear(size, out, initialization=weights, seed=rng)]

    return build


def dropout_mlp(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
    size = int(np.prod(shape))
    hidden = [Linear(size, 64, seed=rng), ReLU(), Dropout(0.2, seed=1), Linear(64, out, seed=rng)]
    return [Flatten(), *hidden] if len(shape) > 1 else hidden


def residual(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
    size = int(np.prod(shape))
    blocks = [
        Residual(
            Sequential([LayerNorm(32), Linear(32, 32, seed=rng), ReLU(), Linear(32, 32, seed=rng)])
        )
        for _ in range(3)
    ]
    front = [Flatten()] if len(shape) > 1 else []
    return [*front, Linear(size, 32, seed=rng), *blocks, LayerNorm(32), Linear(32, out, seed=rng)]


def cnn(norm: bool) -> Layers:
    def build(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
        def block(a: int, b: int) -> list[Module]:
            return [
                Conv2d(a, b, 3, padding=1, seed=rng),
                *([BatchNorm(b)] if norm else []),
                ReLU(),
                MaxPool2d(2),
            ]

        pixels = (shape[1] // 4) * (shape[2] // 4)
        return [*block(1, 8), *block(8, 16), Flatten(), Linear(16 * pixels, out, seed=rng)]

    return build


def recurrent(cell: Any, hidden: int) -> Layers:
    def build(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
        return [cell(shape[-1], hidden, seed=rng), LastStep(), Linear(hidden, out, seed=rng)]

    return build


def transformer(rng: np.random.Generator, shape: tuple[int, ...], out: int) -> Sequence[Module]:
    front = Linear(shape[-1], 16, seed=rng)
    block = TransformerBlock(16, 2, dropout=0.0, seed=rng)
    return [front, block, Flatten(), Linear(16 * shape[0], out, seed=rng)]


def of(
    part: str, kind: str, name: str, build: Layers, optimizer: Any, **options: Any
) -> Architecture:
    return Architecture(name, part, kind, build, optimizer, **options)


def momentum(rate: float) -> Callable[[], Any]:
    return lambda: Momentum(rate)


XAVIER = "xavier"

ARCHITECTURES = [
    of("tuning", "table", "relu 32", mlp(32), lambda: Adam(0.01)),
    of("tuning", "table", "relu 64-32", mlp(64, 32), lambda: Adam(0.005)),
    of(
        "tuning",
        "table",
        "tanh 32-32",
        mlp(32, 32, activation=Tanh, weights=XAVIER),
        lambda: Adam(0.01),
    ),
    of("tuning", "table", "relu, 6 deep", mlp(*[32] * 6), lambda: Adam(0.003)),
    of("tuning", "table", "batch norm", mlp(48, 48, norm=BatchNorm), lambda: Adam(0.01)),
    of("tuning", "table", "momentum", mlp(32, 16), momentum(0.01)),
    of("tuning", "table", "small rate, many epochs", mlp(32), lambda: Adam(0.002), epochs=120),
    of("tuning", "image", "relu 64", mlp(64), lambda: Adam(0.005)),
    of("tuning", "image", "cnn", cnn(False), lambda: Adam(0.005), epochs=12),
    of("tuning", "sequence", "gru", recurrent(GRU, 16), lambda: Adam(0.01), epochs=20),
    of("tuning", "sequence", "relu 64", mlp(64), lambda: Adam(0.005)),
    of("judging", "table", "relu 48-48-24", mlp(48, 48, 24), lambda: Adam(0.004)),
    of("judging", "table", "gelu 64", mlp(64, activation=GELU), lambda: AdamW(0.008)),
    of(
        "judging",
        "table",
        "leaky, 8 deep",
        mlp(*[24] * 8, activation=LeakyReLU),
        lambda: Adam(0.003),
    ),
    of(
        "judging",
        "table",
        "tanh, 4 deep",
        mlp(*[32] * 4, activation=Tanh, weights=XAVIER),
        lambda: Adam(0.005),
    ),
    of("judging", "table", "layer norm", mlp(40, 40, norm=LayerNorm), lambda: RMSprop(0.004)),
    of("judging", "table", "batch norm, 3 deep", mlp(40, 40, 40, norm=BatchNorm), momentum(0.02)),
    of("judging", "table", "dropout", dropout_mlp, lambda: Adam(0.008)),
    of("judging", "table", "residual", residual, lambda: Adam(0.003)),
    of(
        "judging", "table", "whole batches", mlp(64), lambda: Adam(0.02), batch_size=256, epochs=200
    ),
    of("judging", "image", "relu 96-48", mlp(96, 48), momentum(0.01)),
    of("judging", "image", "cnn, batch norm", cnn(True), lambda: Adam(0.005), epochs=12),
    of("judging", "sequence", "lstm", recurrent(LSTM, 16), lambda: Adam(0.02), epochs=20),
    of("judging", "sequence", "transformer", transformer, lambda: Adam(0.005), epochs=12),
]


def drawn(build: Layers, shape: tuple[int, ...], classes: int) -> Callable[[int], Sequence[Module]]:
    """Return what draws a set-up's layers by a seed, with the end that its loss expects.

    Of a regression `classes` is 0.
    """

    def layers(seed: int) -> Sequence[Module]:
        rng = np.random.default_rng(seed)
        end = [Softmax()] if classes else []
        return [*build(rng, shape, classes or 1), *end]

    return layers
