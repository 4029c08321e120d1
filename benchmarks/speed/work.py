"""What is measured: every row, its size, and the ratio that it is to reach."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LEARNING_RATE = 1e-5
"""Small, so that nothing converges while it is timed: numbers that nearly vanish take longer."""

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts it."""


class Skip(Exception):
    """Raised where a side cannot do some work here; the message says why."""


@dataclass(frozen=True)
class Job:
    """Work that is ready to run: one pass over it, and how many units (steps, calls) that is."""

    run: Any  # () -> None
    units: int
    note: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """A row of the table.

    `kind` is what is done: "train" (steps on batches at hand), "fit" (epochs, with shuffling and
    gathering), "predict", "layer" (forward and backward of one), "import" or "script". `model` is
    what it is done with, `sizes` that model's sizes.
    """

    name: str
    title: str
    kind: str
    model: str = "mlp"
    sizes: tuple[int, ...] = ()
    batch: int = 1
    batches: int = 1
    """In one pass."""
    unit: str = "step"
    goals: Mapping[str, float] = field(default_factory=dict)
    """By side, how many times our time its time should be, at least."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """By figure of ours (see Measured.figure), what it should be at most."""
    members: int = 1
    """Of an ensemble: each has its own batch, (batches, batch, members, ...)."""


def mlp(sizes: str, batch: int, batches: int, goals: Mapping[str, float]) -> Work:
    widths = tuple(map(int, sizes.split("-")))
    return Work(
        sizes, f"MLP {sizes}, batch {batch}", "train", "mlp", widths, batch, batches, "step", goals
    )


def silu(rows: str, batch: int, batches: int) -> Work:
    return Work(
        f"predict-silu-{batch}", f"predict {rows}, Linear and SiLU 64-64-64-10", "predict",
        "silu", (64, 64, 64, 10), batch, batches, "call", {"bare": 1 / 1.1},
    )  # fmt: skip


def ensemble(sizes: str, members: int, batches: int, goals: Mapping[str, float]) -> Work:
    widths = tuple(map(int, sizes.split("-")))
    return Work(
        f"ensemble-{sizes}", f"{members} MLPs {sizes} at once, batch 32", "train", "ensemble",
        widths, 32, batches, "member's step", goals, members=members,
    )  # fmt: skip


SMALL = {"torch": 3.0, "sklearn": 1.5, "jax": 1.0}

WORK = [
    mlp("4-10-3", 32, 100, SMALL),
    mlp("64-64-10", 32, 100, SMALL),
    mlp("784-256-128-10", 128, 20, {"torch": 1.0, "sklearn": 1.8, "floor": 1 / 1.6}),
    mlp("784-1024-1024-10", 256, 8, {"torch": 1.0, "sklearn": 1.4, "floor": 1 / 1.3}),
    ensemble("4-10-3", 32, 20, {"one": 5.0, "jax-scan": 1.0, "jax-vmap": 1.0}),
    ensemble("64-64-10", 32, 10, {"one": 2.5}),
    Work(
        "deep", "MLP, 20 layers of 64, batch 64", "train",
        "mlp", (64,) * 20 + (10,), 64, 50, goals={"torch": 2.0},
    ),
    Work(
        "cnn", "CNN 1→32→64, 3×3, pooling, 128, batch 128", "train",
        "cnn", (32, 64, 128, 10), 128, 2, goals={"torch": 1 / 1.5},
    ),
    Work(
        "convolution", "a convolution alone, 32→64, 3×3, on 26×26, batch 128", "layer",
        "conv", (32, 64, 3, 26), 128, 1, "both passes", {"torch": 1 / 1.5},
        {"scratch_bytes": 16e6},
    ),
    Work(
        "conv-network", "a network of that convolution, batch 128", "train",
        "conv-network", (32, 64, 3, 26), 128, 1, goals={"torch": 1 / 1.5},
    ),
    Work(
        "lstm", "LSTM, 64 units, 50 steps, batch 32", "train",
        "lstm", (64, 64, 50, 10), 32, 4, goals={"torch": 1 / 1.5},
    ),
    Work(
        "transformer", "transformer block, 64 wide, 4 heads, 64 tokens, batch 32", "train",
        "transformer", (64, 4, 64, 256), 32, 4, goals={"torch": 1 / 1.5},
    ),
    Work(
        "predict-1", "predict one row, MLP 64-64-10", "predict",
        "mlp", (64, 64, 10), 1, 200, "call", {"torch": 1.5},
    ),
    Work(
        "predict-10000", "predict 10,000 rows, MLP 64-64-10", "predict",
        "mlp", (64, 64, 10), 10_000, 1, "call",
    ),
    silu("one row", 1, 200),
    silu("100 rows", 100, 20),
    silu("10,000 rows", 10_000, 1),
    Work(
        "fit-4-10-3", "Trainer.fit, MLP 4-10-3, batch 32", "fit",
        "mlp", (4, 10, 3), 32, 500, goals={"loop": 1 / 1.3},
    ),
    Work(
        "fit-784-256-128-10", "Trainer.fit, MLP 784-256-128-10, batch 128", "fit",
        "mlp", (784, 256, 128, 10), 128, 40, goals={"loop": 1 / 1.1},
    ),
    Work(
        "fashion-mnist", "an epoch of Fashion-MNIST, MLP 784-256-128-10, batch 128", "fit",
        "fashion-mnist", (784, 256, 128, 10), 128, 1, "epoch",
    ),
    Work("import", "import", "import", unit="import", limits={"seconds_beyond_floor": 0.030}),
    Work("iris", "iris_example.py, the whole process", "script", unit="run", goals={"torch": 2.0}),
]  # fmt: skip


def growing(axis: str) -> dict[int, Work]:
    """Return, by size, the steps whose time is to be seen growing along this axis."""
    series = {
        "batch": {n: ((784, 256, 128, 10), n) for n in (16, 64, 256, 1024)},
        "width": {n: ((n, n, n, 10), 128) for n in (64, 128, 256, 512, 1024)},
        "depth": {n: ((64,) * n + (10,), 64) for n in (2, 5, 10, 20, 40)},
    }[axis]
    return {
        n: Work(f"{axis}-{n}", f"{axis} {n}", "train", "mlp", sizes, batch, 4)
        for n, (sizes, batch) in series.items()
    }


# ---------------------------------------------------------------- the data, equal for all sides


def inputs(work: Work) -> np.ndarray:
    """Return the pass's inputs, (batches, batch, ...), drawn from the normal distribution."""
    shape = sample_shape(work.model, work.sizes)
    if work.model == "ensemble":
        shape = (work.members, *shape)
    rng = np.random.default_rng(0)
    return rng.standard_normal((work.batches, work.batch, *shape), dtype=np.float32)


def sample_shape(model: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    match model, sizes:
        case "cnn", _:
            return 1, 28, 28
        case (("conv" | "conv-network"), (channels, _, _, pixels)):
            return channels, pixels, pixels
        case (("lstm" | "transformer"), (features, _, steps, *_)):
            return steps, features
        case _:
            return sizes[:1]


def targets(work: Work) -> np.ndarray:
    """Return the pass's targets: classes (batches, batch), or arrays like what comes out."""
    rng = np.random.default_rng(1)
    if work.model == "conv-network":
        _, filters, kernel, pixels = work.sizes
        shape = (work.batches, work.batch, filters, *[pixels - kernel + 1] * 2)
        return rng.standard_normal(shape, dtype=np.float32)
    if work.model == "transformer":
        return rng.standard_normal(inputs(work).shape, dtype=np.float32)
    if work.model == "ensemble":
        return rng.integers(0, work.sizes[-1], (work.batches, work.batch, work.members))
    return rng.integers(0, work.sizes[-1], (work.batches, work.batch))


def samples(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Return the data of a fit: X (N, features) in float32 and the classes y (N,)."""
    if work.model == "fashion-mnist":
        return fashion_mnist()
    return inputs(work).reshape(-1, work.sizes[0]), targets(work).reshape(-1)


def fashion_mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return the 60,000 training images as rows between 0 and 1, and their classes."""
    if not FASHION_MNIST.exists():
        raise Skip("the data is not there; apt-get install dataset-fashion-mnist")
    with gzip.open(FASHION_MNIST / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(FASHION_MNIST / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(np.float32) / 255, labels.astype(np.int64)
