"""Architectures that people build, written by the public API; test_architectures.py tries them.

Each file is one network and a small made-up task for it, and ends in ARCHITECTURE. The GAN, which
is two networks trained by hand, has its own test, test_gan.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import Module, Network, Trainer


@dataclass(frozen=True)
class Architecture:
    """A network, its task, and what it has to reach.

    build         seed -> network
    data          seed -> (X, y)
    loss          -> what Trainer takes as its loss
    reached       trainer -> whether it has learned its task, measured on fresh data
    own_modules   classes that Network.load has to be given
    """

    build: Callable[[int], Network]
    data: Callable[[int], tuple[Any, Any]]
    loss: Callable[[], Any]
    epochs: int
    reached: Callable[[Trainer], bool]
    learning_rate: float = 0.01
    batch_size: int = 16
    clip_norm: float | None = None
    loss_weights: Mapping[str, float] | None = None
    own_modules: Sequence[type[Module]] = ()


def sequences(rng: np.random.Generator, count: int, longest: int) -> tuple[Any, Any]:
    """Return lengths (count,) from half to all of `longest`, and True where padding is."""
    lengths = rng.integers(longest // 2, longest + 1, count)
    return lengths, np.arange(longest) >= lengths[:, np.newaxis]
