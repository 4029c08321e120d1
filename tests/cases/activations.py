"""Activations, each against its formula written number by number."""

import math

import numpy as np

from cases import Case
from chainrule.layers import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh


def each(function):
    """Return a reference that applies a function of one number everywhere."""
    return lambda module, x, training: np.vectorize(lambda v: function(module, float(v)))(x)


def softmax(module, x, training):
    y = np.zeros_like(x)
    for place in np.ndindex(np.moveaxis(x, module.axis, -1).shape[:-1]):
        row = np.moveaxis(x, module.axis, -1)[place]
        total = math.fsum(math.exp(v) for v in row)
        np.moveaxis(y, module.axis, -1)[place] = [math.exp(v) / total for v in row]
    return y


def log_softmax(module, x, training):
    return np.log(softmax(module, x, training))


def negative(rng):
    return -np.abs(rng.standard_normal((4, 5))) - 0.1


def with_zeros(rng):
    return np.where(rng.random((4, 5)) < 0.3, 0.0, rng.standard_normal((4, 5)))


ELEMENTWISE = {
    ReLU: lambda m, v: max(v, 0.0),
    LeakyReLU: lambda m, v: v if v > 0 else m.negative_slope * v,
    Sigmoid: lambda m, v: 1 / (1 + math.exp(-v)),
    Tanh: lambda m, v: (math.exp(2 * v) - 1) / (math.exp(2 * v) + 1),
}

CASES = [
    case
    for kind, function in ELEMENTWISE.items()
    for case in (
        Case(kind.__name__, kind, (6, 5), reference=each(function)),
        Case(f"{kind.__name__}-image", kind, (2, 3, 4, 5), reference=each(function)),
        Case(f"{kind.__name__}-negative", kind, x=negative, reference=each(function)),
        Case(f"{kind.__name__}-zeros", kind, x=with_zeros, reference=each(function)),
    )
] + [
    Case(
        "LeakyReLU-steep",
        lambda: LeakyReLU(0.3),
        (4, 4),
        reference=each(lambda m, v: v if v > 0 else 0.3 * v),
    ),
    Case("Softmax", Softmax, (6, 5), reference=softmax),
    Case("Softmax-one_class", Softmax, (3, 1), reference=softmax),
    Case("Softmax-axis", lambda: Softmax(axis=1), (2, 3, 4), reference=softmax),
    Case("LogSoftmax", LogSoftmax, (6, 5), reference=log_softmax),
    Case("LogSoftmax-axis", lambda: LogSoftmax(axis=1), (2, 3, 4), reference=log_softmax),
]
