"""Activations, each against its formula written number by number."""

import math

import numpy as np

from cases import Case
from chainrule.layers import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    HardSigmoid,
    HardSwish,
    HardTanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)


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


def wide(rng):
    """Numbers on both sides of every threshold: of -3 and 3 in HardSwish, of the tails of GELU."""
    return rng.uniform(-8, 8, (10, 6))


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def selu(m, v):
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * (v if v > 0 else alpha * (math.exp(v) - 1))


def gelu_tanh(m, v):
    return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


def hard_sigmoid(v):
    return 0.0 if v <= -3 else 1.0 if v >= 3 else v / 6 + 0.5


def glu(module, x, training):
    a, b = np.split(x, 2, axis=module.axis)
    return a * np.vectorize(sigmoid)(b)


def prelu(module, x, training):
    slopes = np.broadcast_to(module.weight.value, x.shape[1] if x.ndim > 1 else 1)
    y = x.copy()
    for place in np.ndindex(x.shape):
        if x[place] <= 0:
            y[place] *= slopes[place[1]]
    return y


def with_slopes(layer):
    """Give each channel another slope, one of them negative."""
    layer.weight.value = np.linspace(-0.2, 0.7, layer.weight.size) + 0.05
    return layer


ELEMENTWISE = {
    ReLU: lambda m, v: max(v, 0.0),
    LeakyReLU: lambda m, v: v if v > 0 else m.negative_slope * v,
    Sigmoid: lambda m, v: 1 / (1 + math.exp(-v)),
    Tanh: lambda m, v: (math.exp(2 * v) - 1) / (math.exp(2 * v) + 1),
    Softsign: lambda m, v: v / (1 + abs(v)),
    HardSigmoid: lambda m, v: hard_sigmoid(v),
    HardSwish: lambda m, v: v * hard_sigmoid(v),
    HardTanh: lambda m, v: -1.0 if v <= -1 else min(v, 1.0),
    ReLU6: lambda m, v: min(max(v, 0.0), 6.0),
    CELU: lambda m, v: v if v > 0 else m.alpha * (math.exp(v / m.alpha) - 1),
    LogSigmoid: lambda m, v: math.log(sigmoid(v)),
    ELU: lambda m, v: v if v > 0 else m.alpha * (math.exp(v) - 1),
    SELU: selu,
    Softplus: lambda m, v: math.log(1 + math.exp(m.beta * v)) / m.beta,
    GELU: lambda m, v: v * (1 + math.erf(v / math.sqrt(2))) / 2,
    SiLU: lambda m, v: v * sigmoid(v),
    Mish: lambda m, v: v * math.tanh(math.log(1 + math.exp(v))),
}

# The second derivative of ELU and CELU jumps at 0: no kink, but enough to put an extrapolated slope
# off by 1e-5. The gradient there is looked at in tests/layers/test_activations.py.
CASES = [
    case
    for kind, function in ELEMENTWISE.items()
    for case in (
        Case(kind.__name__, kind, (6, 5), reference=each(function)),
        Case(f"{kind.__name__}-image", kind, (2, 3, 4, 5), reference=each(function)),
        Case(f"{kind.__name__}-negative", kind, x=negative, reference=each(function)),
        Case(f"{kind.__name__}-zeros", kind, x=with_zeros, reference=each(function)),
        Case(f"{kind.__name__}-wide", kind, x=wide, reference=each(function)),
    )
    if case.name not in ("ELU-zeros", "CELU-zeros")
] + [
    Case(
        "LeakyReLU-steep",
        lambda: LeakyReLU(0.3),
        (4, 4),
        reference=each(lambda m, v: v if v > 0 else 0.3 * v),
    ),
    Case(
        "CELU-alpha",
        lambda: CELU(0.4),
        x=wide,
        reference=each(lambda m, v: v if v > 0 else 0.4 * (math.exp(v / 0.4) - 1)),
    ),
    Case(
        "HardTanh-bounds",
        lambda: HardTanh(-2, 0.5),
        x=wide,
        reference=each(lambda m, v: min(max(v, -2.0), 0.5)),
    ),
    Case("GLU", GLU, (5, 6), reference=glu, bad_shape=(5, 3)),
    Case("GLU-channels", lambda: GLU(1), (2, 4, 3, 5), reference=glu, bad_shape=(2, 3, 4, 4)),
    Case("GLU-one", GLU, (1, 2), reference=glu),
    Case("PReLU", lambda: with_slopes(PReLU()), (5, 4), reference=prelu),
    Case(
        "PReLU-one_slope_image",
        lambda: PReLU(init=0.1),
        (2, 3, 2, 4),
        reference=prelu,
    ),
    Case(
        "PReLU-channels",
        lambda: with_slopes(PReLU(3)),
        (2, 3, 4, 5),
        reference=prelu,
        bad_shape=(2, 4, 4, 5),
    ),
    Case("PReLU-features", lambda: with_slopes(PReLU(4)), (3, 4), reference=prelu, bad_shape=(4,)),
    Case("PReLU-negative", lambda: with_slopes(PReLU(5)), x=negative, reference=prelu),
    Case("PReLU-zeros", lambda: with_slopes(PReLU(5)), x=with_zeros, reference=prelu),
    Case("PReLU-one_sample", lambda: with_slopes(PReLU(2)), (1, 2, 3), reference=prelu),
    Case(
        "ELU-alpha",
        lambda: ELU(0.4),
        x=wide,
        reference=each(lambda m, v: v if v > 0 else 0.4 * (math.exp(v) - 1)),
    ),
    Case(
        "ELU-alpha_zeros",
        lambda: ELU(0.4),
        x=with_zeros,
        reference=each(lambda m, v: v if v > 0 else 0.4 * (math.exp(v) - 1)),
    ),
    Case(
        "Softplus-beta",
        lambda: Softplus(3.0),
        x=wide,
        reference=each(lambda m, v: math.log(1 + math.exp(3 * v)) / 3),
    ),
    Case("GELU-tanh", lambda: GELU("tanh"), (6, 5), reference=each(gelu_tanh)),
    Case("GELU-tanh_wide", lambda: GELU(approximate="tanh"), x=wide, reference=each(gelu_tanh)),
    Case("GELU-tanh_zeros", lambda: GELU("tanh"), x=with_zeros, reference=each(gelu_tanh)),
    Case("Softmax", Softmax, (6, 5), reference=softmax),
    Case("Softmax-one_class", Softmax, (3, 1), reference=softmax),
    Case("Softmax-axis", lambda: Softmax(axis=1), (2, 3, 4), reference=softmax),
    Case("LogSoftmax", LogSoftmax, (6, 5), reference=log_softmax),
    Case("LogSoftmax-axis", lambda: LogSoftmax(axis=1), (2, 3, 4), reference=log_softmax),
]
