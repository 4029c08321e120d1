"""What the callback costs: processor seconds of a training with it and without it, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from chainrule import (
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Conv2d,
    Doctor,
    Flatten,
    Linear,
    MaxPool2d,
    Network,
    ReLU,
    Softmax,
    Trainer,
)

ROUNDS = 11


def trainings() -> Iterator[tuple[str, Callable[[], Network], tuple[int, ...], int, int]]:
    """Yield name, network, the data's shape, epochs and batch size."""
    yield "10-32-3", lambda: Network([10, 32, 3], seed=0), (1000, 10), 60, 32
    yield "64-128-64-10", lambda: Network([64, 128, 64, 10], seed=0), (5000, 64), 20, 64
    layers = [Conv2d(1, 8, 3, padding=1), BatchNorm(8), ReLU(), MaxPool2d(2), Flatten()]
    yield (
        "convolution, batch norm",
        lambda: Network([*layers, Linear(512, 10), Softmax()], seed=0),
        (1000, 1, 16, 16),
        10,
        32,
    )


def seconds(network: Network, X: np.ndarray, y: np.ndarray, watched: bool, **plan: int) -> float:
    """Return the processor time of a training."""
    trainer = Trainer(network, CategoricalCrossEntropy(), Adam(0.003), seed=0)
    callbacks = [Doctor(show=False)] if watched else []
    began = time.process_time()
    trainer.fit(X, y, callbacks=callbacks, progress=False, **plan)
    return time.process_time() - began


def measure(rounds: int = ROUNDS) -> Iterator[str]:
    """Yield a line for each training: the least of so many rounds of both."""
    for name, build, shape, epochs, batch_size in trainings():
        rng = np.random.default_rng(0)
        X = rng.standard_normal(shape).astype(np.float32)
        y = rng.integers(0, 3, len(X))
        plan = {"epochs": epochs, "batch_size": batch_size}
        seconds(build(), X, y, True, **plan)  # what is loaded once is not counted
        pairs = [
            [seconds(build(), X, y, watched, **plan) for watched in (False, True)]
            for _ in range(rounds)
        ]
        plain, watched = (min(column) for column in zip(*pairs, strict=True))
        more = 100 * (watched / plain - 1)
        yield f"{name}: {plain:.3f} s, with the doctor {watched:.3f} s, {more:+.1f} %"
