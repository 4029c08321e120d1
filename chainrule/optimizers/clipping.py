"""Gradient clipping, between the backward pass and the optimizer's step."""

from __future__ import annotations

import math

import numpy as np

from chainrule.checks import check_instance, check_range
from chainrule.errors import InputError
from chainrule.network import Network

__all__ = ["clip_by_global_norm", "clip_by_value", "gradient_norm"]


def gradient_norm(network: Network) -> float:
    """Return the Euclidean norm of all gradients as one vector.

    Parameters
    ----------
    network : Network
        After its backward pass.

    Raises
    ------
    InputError
        A gradient is NaN or infinite. The weights have not changed yet.
    BackwardError
        No backward pass has set the gradients yet.

    Examples
    --------
    >>> network = Network([1, 1], seed=0)
    >>> network.set_gradients([3.0, 4.0])
    >>> gradient_norm(network)
    5.0
    """
    check_instance(network, Network, "the gradients are those of a Network")
    network.require_gradient()
    grads = network.flat.grads
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.dot(grads, grads))
    if 1e-20 < square < math.inf:  # no overflow, and nothing relevant has underflowed
        return math.sqrt(square)
    largest = float(max(grads.max(initial=0.0), -grads.min(initial=0.0)))
    if not math.isfinite(largest):
        raise InputError(
            "The gradient holds NaN or infinity: training has diverged. "
            "A smaller learning rate and standardised inputs usually help."
        )
    if largest == 0:
        return 0.0
    scaled = grads / largest  # the squares would overflow or underflow
    return largest * math.sqrt(np.dot(scaled, scaled))


def clip_by_global_norm(network: Network, max_norm: float) -> float:
    """Scale the gradient, as one vector, down to a norm of at most `max_norm`.

    Its direction stays. Pascanu, Mikolov, Bengio, "On the Difficulty of Training Recurrent Neural
    Networks", 2013.

    Parameters
    ----------
    network : Network
        After its backward pass.
    max_norm : float
        The largest norm allowed.

    Returns
    -------
    float
        The norm before, over all parameters, including frozen ones.

    Raises
    ------
    InputError
        A gradient is NaN or infinite.

    Examples
    --------
    >>> network = Network([1, 1], seed=0)
    >>> network.set_gradients([3.0, 4.0])
    >>> clip_by_global_norm(network, 1.0)
    5.0
    >>> network.flat.grads
    array([0.6, 0.8], dtype=float32)
    """
    max_norm = check_range("max_norm", max_norm, inclusive=False)
    norm = gradient_norm(network)
    if norm > max_norm:
        network.flat.grads *= max_norm / norm
    return norm


def clip_by_value(network: Network, limit: float) -> float:
    """Clip each gradient to [-limit, limit] separately; the direction may change.

    Parameters
    ----------
    network : Network
        After its backward pass.
    limit : float
        The largest absolute value allowed.

    Returns
    -------
    float
        The norm of the gradient before, as one vector.

    Examples
    --------
    >>> network = Network([1, 1], seed=0)
    >>> network.set_gradients([3.0, -0.5])
    >>> _ = clip_by_value(network, 1.0)
    >>> network.flat.grads
    array([ 1. , -0.5], dtype=float32)
    """
    limit = check_range("limit", limit, inclusive=False)
    norm = gradient_norm(network)
    grads = network.flat.grads
    np.clip(grads, -limit, limit, out=grads)
    return norm
