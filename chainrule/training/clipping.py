"""The gradient's norm over all parameters, and gradients scaled down to a largest norm.

Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.network import Network
from chainrule.parameter import Array


def gradient_norm(gradient: Array) -> float:
    """Return √(Σ g²), also where g² overflows; NaN or infinity where a g is that."""
    square = float(gradient @ gradient)
    if math.isfinite(square):
        return math.sqrt(square)
    largest = float(np.abs(gradient).max())
    if not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(gradient / largest))


def clip(network: Network, largest: float | None, norm: float | None = None) -> float:
    """Scale the gradients down to the norm `largest` if theirs is larger; return theirs then."""
    if norm is None:
        norm = gradient_norm(network.flat.grads)
    if largest is None or not norm > largest:
        return norm
    network.flat.grads *= largest / norm
    return largest
