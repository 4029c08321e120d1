"""Gradients kept within bounds, between the backward pass and the optimizer's step."""

from __future__ import annotations

import math

import numpy as np

from chainrule.checks import check_range
from chainrule.errors import InputError
from chainrule.network import Network

__all__ = ["clip_by_global_norm", "clip_by_value", "gradient_norm"]


def gradient_norm(network: Network) -> float:
    """Return the length of all gradients as one vector.

    Raises
    ------
    InputError
        A gradient is NaN or infinite. The weights are still those from before.
    """
    network.require_gradient()
    grads = network.flat.grads
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.dot(grads, grads))
    if 1e-20 < square < math.inf:  # nothing overflowed, nothing that counts has vanished
        return math.sqrt(square)
    largest = float(max(grads.max(initial=0.0), -grads.min(initial=0.0)))
    if not math.isfinite(largest):
        raise InputError(
            "The gradient holds NaN or infinity: training has diverged. "
            "A smaller learning rate and standardised inputs are the usual cures."
        )
    if largest == 0:
        return 0.0
    scaled = grads / largest  # their squares would overflow or vanish
    return largest * math.sqrt(np.dot(scaled, scaled))


def clip_by_global_norm(network: Network, max_norm: float) -> float:
    """Shorten the gradient, as one vector, to at most `max_norm`; its direction stays.

    Pascanu, Mikolov, Bengio, "On the Difficulty of Training Recurrent Neural Networks", 2013.

    Parameters
    ----------
    network : Network
        After its backward pass.
    max_norm : float
        The greatest length allowed.

    Returns
    -------
    float
        The length before, over all parameters, frozen ones too.

    Examples
    --------
    >>> network.backward(gradient)                      # doctest: +SKIP
    >>> norm = clip_by_global_norm(network, 1.0)        # doctest: +SKIP
    >>> optimizer.step(network)                         # doctest: +SKIP
    """
    max_norm = check_range("max_norm", max_norm, inclusive=False)
    norm = gradient_norm(network)
    if norm > max_norm:
        network.flat.grads *= max_norm / norm
    return norm


def clip_by_value(network: Network, limit: float) -> float:
    """Bring each gradient into [-limit, limit], alone; the direction may change.

    Returns
    -------
    float
        The length of the gradient before, as one vector.
    """
    limit = check_range("limit", limit, inclusive=False)
    norm = gradient_norm(network)
    grads = network.flat.grads
    np.clip(grads, -limit, limit, out=grads)
    return norm
