"""How weights get their first values.

An initializer is any callable ``initializer(shape, rng) -> array``; `get_initializer` turns a
name into one. Shapes are those of the layers: a matrix is (in_features, out_features), a
convolution kernel (out_channels, in_channels / groups, *kernel).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_function, check_number, check_range
from chainrule.errors import ConfigurationError
from chainrule.parameter import Array, Initializer

__all__ = [
    "BY_NAME",
    "Constant",
    "Identity",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "Random",
    "TruncatedNormal",
    "Uniform",
    "XavierNormal",
    "XavierUniform",
    "Zero",
    "fans",
    "gain",
    "get_initializer",
]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out): how many inputs feed one output, and how many outputs one input.

    A vector is the weights of a single neuron: its length is the fan-in.
    """
    if len(shape) == 1:
        return shape[0], 1
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) > 2:
        receptive_field = math.prod(shape[2:])
        return shape[1] * receptive_field, shape[0] * receptive_field
    raise ConfigurationError("A single number has no fan-in; initialise it with Constant.")


def gain(activation: str, *, negative_slope: float = 0.01) -> float:
    """Return by what an activation's weights are enlarged so that the variance stays.

    The names are ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` (which uses
    `negative_slope`) and ``"selu"``, with the values that PyTorch gives: 1 / √E[f(x)²] for the
    rectifiers, and what has proved itself for tanh and SELU.
    """
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + negative_slope**2)),
        "selu": 3 / 4,
    }
    if activation not in gains:
        names = ", ".join(repr(name) for name in gains)
        raise ConfigurationError(f"No gain is known for {activation!r}; there are {names}.")
    return gains[activation]


# ---------------------------------------------------------------- whatever the layer's size


@dataclass(frozen=True)
class Constant:
    """Every value the same."""

    value: float = 0.0

    def __post_init__(self) -> None:
        check_number("value", self.value)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.full(shape, self.value)


class Zero(Constant):
    """All zero. Right for biases; for weights it is the classic mistake, kept to show it.

    With zero weights all neurons of a layer compute the same and get the same gradient, so
    they stay equal for ever (symmetry); behind a ReLU nothing but the last bias learns at all.
    """


@dataclass(frozen=True)
class Normal:
    """Normal, with a fixed standard deviation."""

    std: float = 0.1
    _: KW_ONLY
    mean: float = 0.0

    def __post_init__(self) -> None:
        check_range("std", self.std)
        check_number("mean", self.mean)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(self.mean, self.std, shape)


Random = Normal
"""What the name ``"random"`` stands for."""


@dataclass(frozen=True)
class Uniform:
    """Each value between `low` and `high` as likely as any other."""

    low: float = -0.1
    high: float = 0.1

    def __post_init__(self) -> None:
        check_number("low", self.low)
        check_number("high", self.high)
        if self.low > self.high:
            raise ConfigurationError(f"low must not lie above high, got {self!r}.")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class TruncatedNormal:
    """Normal, but what lies more than `cut` standard deviations from the mean is drawn again.

    `std` is that of the normal distribution before the cut; with cut = 2 that of the values is
    0.88 · std.
    """

    std: float = 0.1
    _: KW_ONLY
    mean: float = 0.0
    cut: float = 2.0

    def __post_init__(self) -> None:
        check_range("std", self.std)
        check_number("mean", self.mean)
        check_range("cut", self.cut, inclusive=False)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        z = np.asarray(rng.standard_normal(shape))
        outside = np.abs(z) > self.cut
        while outside.any():
            z[outside] = rng.standard_normal(np.count_nonzero(outside))
            outside = np.abs(z) > self.cut
        return self.mean + self.std * z


# ---------------------------------------------------------------- by the layer's size


@dataclass(frozen=True)
class KaimingNormal:
    """Normal, mean 0, std = gain / sqrt(fan_in): keeps the variance through layers of ReLU.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015, equation 10.
    """

    gain: float = math.sqrt(2.0)

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, _ = fans(shape)
        return rng.normal(0.0, self.gain / math.sqrt(fan_in), shape)


@dataclass(frozen=True)
class KaimingUniform:
    """Uniform, with the same standard deviation as KaimingNormal: up to gain · sqrt(3 / fan_in)."""

    gain: float = math.sqrt(2.0)

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, _ = fans(shape)
        limit = self.gain * math.sqrt(3 / fan_in)
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class XavierNormal:
    """Normal, mean 0, std = gain · sqrt(2 / (fan_in + fan_out)): fair to both passes.

    Glorot, Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    2010, equation 12.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(0.0, self.gain * math.sqrt(2 / sum(fans(shape))), shape)


@dataclass(frozen=True)
class XavierUniform:
    """Uniform, with the same standard deviation as XavierNormal; the paper's equation 16."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        limit = self.gain * math.sqrt(6 / sum(fans(shape)))
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class LecunNormal(KaimingNormal):
    """Normal, mean 0, std = 1 / sqrt(fan_in): keeps the variance through linear layers and SELU.

    LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998, equation 16.
    """

    gain: float = 1.0


@dataclass(frozen=True)
class LecunUniform(KaimingUniform):
    """Uniform, with the same standard deviation as LecunNormal: up to sqrt(3 / fan_in)."""

    gain: float = 1.0


# ---------------------------------------------------------------- with a structure


@dataclass(frozen=True)
class Orthogonal:
    """Rows or columns, whichever are fewer, at right angles and `gain` long.

    Drawn uniformly among all such matrices: the Q of a normal matrix's QR decomposition, each
    column with the sign of R's diagonal. A kernel counts as (out_channels, all else), a vector
    as one row.

    Saxe, McClelland, Ganguli, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep
    Linear Neural Networks", 2014.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fans(shape)  # refuses a single number
        rows = shape[0] if len(shape) > 1 else 1
        columns = math.prod(shape) // rows
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


@dataclass(frozen=True)
class Identity:
    """The layer begins by passing on its input, `gain` times as large.

    A matrix has ones on its diagonal. A kernel has them at its centre (to the right of it where
    the size is even), from each channel to itself.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        if len(shape) < 2:
            raise ConfigurationError(
                f"Identity needs a matrix or a kernel, got a parameter of shape {shape}."
            )
        values = np.zeros(shape)
        centre: tuple[Any, ...] = (..., *(size // 2 for size in shape[2:]))
        values[centre] = self.gain * np.eye(shape[0], shape[1])
        return values


BY_NAME: dict[str, Initializer] = {
    "kaiming": KaimingNormal(),
    "kaiming_normal": KaimingNormal(),
    "kaiming_uniform": KaimingUniform(),
    "xavier": XavierNormal(),
    "xavier_normal": XavierNormal(),
    "xavier_uniform": XavierUniform(),
    "lecun": LecunNormal(),
    "lecun_normal": LecunNormal(),
    "lecun_uniform": LecunUniform(),
    "orthogonal": Orthogonal(),
    "identity": Identity(),
    "zero": Zero(),
    "random": Random(),
    "normal": Normal(),
    "uniform": Uniform(),
    "truncated_normal": TruncatedNormal(),
}


def get_initializer(initialization: str | Initializer) -> Initializer:
    """Return the initializer of this name; one that is given as such is returned as it is."""
    if not isinstance(initialization, str):
        check_function(initialization, "initialization must be a name or a function (shape, rng)")
        return initialization
    if initialization not in BY_NAME:
        names = ", ".join(repr(name) for name in BY_NAME)
        raise ConfigurationError(
            f"Unknown initialization {initialization!r}. There are {names}; "
            "or give a function (shape, rng) -> array."
        )
    return BY_NAME[initialization]
