"""Layers that disturb training on purpose, so that no unit relies on a single other one."""

from __future__ import annotations

import numpy as np

from chainrule.errors import ConfigurationError
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, each number becomes 0 with probability p and x / (1 - p) otherwise.

    The expected output is x ("inverted" scaling), so `predict` passes x through unchanged.
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks; a network with a seed hands its own down.
    """

    def __init__(self, p: float = 0.5, seed: int | np.random.Generator | None = None) -> None:
        if not 0 <= p < 1:
            raise ConfigurationError(f"Dropout's p must lie in 0 <= p < 1, got {p!r}.")
        self.p = p
        self.rng = np.random.default_rng(seed)

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training or self.p == 0:
            self.save(None, training=training)
            return x
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.p
        mask = kept * x.dtype.type(1 / (1 - self.p))
        self.save(mask, training=training)
        return x * mask

    def backward(self, dy: Array) -> Array:
        (mask,) = self.saved()
        return dy if mask is None else dy * mask
