"""How weights get their initial values.

An initializer is any callable ``initializer(shape, rng) -> array``; `get_initializer` turns a
name into one. Shapes are those of the layers: a matrix is (in_features, out_features), a
convolution kernel (out_channels, in_channels / groups, *kernel).

    Linear(784, 100, initialization="xavier")
    Linear(784, 100, initialization=KaimingUniform(gain("leaky_relu")))
    Linear(784, 100, initialization=lambda shape, rng: rng.laplace(0, 0.05, shape))
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_function, check_number, check_range, is_own
from chainrule.checks.own_code import check_call
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

    Parameters
    ----------
    shape : tuple of int
        The shape of a weight. A vector holds the weights of a single neuron: its length is the
        fan-in.

    Raises
    ------
    ConfigurationError
        The shape is that of a single number.

    Examples
    --------
    >>> fans((784, 100))  # of a Linear
    (784, 100)
    >>> fans((64, 32, 3, 3))  # of a Conv2d from 32 to 64 channels
    (288, 576)
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
    """Return the variance-preserving gain of an activation: the factor of the weights before it.

    The values are PyTorch's: 1 / √E[f(x)²], with x standard normal, for the rectifiers, and values
    that work well in practice for tanh and SELU.

    Parameters
    ----------
    activation : str
        ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
    negative_slope : float
        The slope of a leaky ReLU to the left of 0.

    Raises
    ------
    ConfigurationError
        The activation is unknown.

    Examples
    --------
    >>> round(gain("relu"), 4)
    1.4142
    """
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + negative_slope**2)),
        "selu": 3 / 4,
    }
    if not isinstance(activation, str) or activation not in gains:
        names = ", ".join(repr(name) for name in gains)
        raise ConfigurationError(f"No gain is known for {activation!r}; there are {names}.")
    return gains[activation]


# ---------------------------------------------------------------- independent of the layer's size


@dataclass(frozen=True)
class Constant:
    """The same value everywhere.

    Parameters
    ----------
    value : float
        The value.

    Examples
    --------
    >>> Constant(0.5)((2,), np.random.default_rng(0))
    array([0.5, 0.5])
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_number("value", self.value)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Zero:
    """All zeros: right for biases, and the classic mistake for weights, kept to demonstrate it.

    With zero weights all neurons of a layer compute the same and get the same gradient, so they
    stay equal for ever (symmetry). With ReLU, only the last bias learns at all.

    Examples
    --------
    >>> Zero()((2,), np.random.default_rng(0))
    array([0., 0.])
    """

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Normal:
    """Normal distribution with a fixed standard deviation.

    Parameters
    ----------
    std : float
        The standard deviation.
    mean : float
        The mean.

    Examples
    --------
    >>> Normal(0.01)((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """

    std: float = 0.1
    _: KW_ONLY
    mean: float = 0.0

    def __post_init__(self) -> None:
        check_range("std", self.std)
        check_number("mean", self.mean)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(self.mean, self.std, shape)


Random = Normal
"""`Normal`, which is what the name ``"random"`` stands for."""


@dataclass(frozen=True)
class Uniform:
    """Uniform distribution between `low` and `high`.

    Parameters
    ----------
    low, high : float
        The bounds.

    Raises
    ------
    ConfigurationError
        `low` is above `high`.

    Examples
    --------
    >>> Uniform(0, 1)((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """

    low: float = -0.1
    high: float = 0.1

    def __post_init__(self) -> None:
        check_number("low", self.low)
        check_number("high", self.high)
        if self.low > self.high:
            raise ConfigurationError(f"low must not be above high, got {self!r}.")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class TruncatedNormal:
    """Normal distribution in which values more than `cut` standard deviations off are redrawn.

    Parameters
    ----------
    std : float
        The standard deviation before the cut; with cut = 2 that of the values is 0.88 · std.
    mean : float
        The mean.
    cut : float
        The largest distance from the mean, in standard deviations.

    Examples
    --------
    >>> bool(np.abs(TruncatedNormal(0.1)((1000,), np.random.default_rng(0))).max() <= 0.2)
    True
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


# ---------------------------------------------------------------- scaled by the layer's size


@dataclass(frozen=True)
class KaimingNormal:
    """Normal distribution, std = gain / sqrt(fan_in): preserves the variance through ReLU layers.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015, equation 10.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(KaimingNormal()((800, 100), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = math.sqrt(2.0)

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, _ = fans(shape)
        return rng.normal(0.0, self.gain / math.sqrt(fan_in), shape)


@dataclass(frozen=True)
class KaimingUniform:
    """Uniform between ±gain · sqrt(3 / fan_in): the standard deviation of KaimingNormal.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(KaimingUniform()((800, 100), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = math.sqrt(2.0)

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, _ = fans(shape)
        limit = self.gain * math.sqrt(3 / fan_in)
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class XavierNormal:
    """Normal distribution, std = gain · sqrt(2 / (fan_in + fan_out)).

    A compromise between preserving the variance of values, forward, and of gradients, backward.
    Glorot, Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    2010, equation 12.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(XavierNormal()((600, 200), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(0.0, self.gain * math.sqrt(2 / sum(fans(shape))), shape)


@dataclass(frozen=True)
class XavierUniform:
    """Uniform between ±gain · sqrt(6 / (fan_in + fan_out)): the standard deviation of XavierNormal.

    Equation 16 of the same paper.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(XavierUniform()((600, 200), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_range("gain", self.gain)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        limit = self.gain * math.sqrt(6 / sum(fans(shape)))
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class LecunNormal(KaimingNormal):
    """Normal distribution, std = gain / sqrt(fan_in): for linear layers and SELU, with gain = 1.

    LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998, equation 16.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(LecunNormal()((400, 100), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = 1.0


@dataclass(frozen=True)
class LecunUniform(KaimingUniform):
    """Uniform between ±gain · sqrt(3 / fan_in): the standard deviation of LecunNormal.

    Parameters
    ----------
    gain : float
        The factor that makes up for the activation behind the weights; see `gain`.

    Examples
    --------
    >>> float(LecunUniform()((400, 100), np.random.default_rng(0)).std().round(2))
    0.05
    """

    gain: float = 1.0


# ---------------------------------------------------------------- structured


@dataclass(frozen=True)
class Orthogonal:
    """A random orthogonal matrix, times `gain`: its rows or columns, whichever are fewer.

    It is drawn uniformly: the Q of the QR decomposition of a normal matrix, each column with the
    sign of R's diagonal. A kernel is treated as a matrix (out_channels, all other axes), a vector
    as a single row.

    Saxe, McClelland, Ganguli, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep
    Linear Neural Networks", 2014.

    Parameters
    ----------
    gain : float
        The length of each row or column.

    Examples
    --------
    >>> w = Orthogonal()((3, 3), np.random.default_rng(0))
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
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
    """The layer starts as the identity, times `gain`.

    A matrix has ones on its diagonal. A kernel has them at its centre (just after it if the size is
    even), from each channel to itself.

    Parameters
    ----------
    gain : float
        The value in place of the ones.

    Raises
    ------
    ConfigurationError
        When called: the shape is not that of a matrix or a kernel.

    Examples
    --------
    >>> Identity()((2, 2), np.random.default_rng(0))
    array([[1., 0.],
           [0., 1.]])
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
"""The initializers by the names that layers and networks accept."""


def get_initializer(initialization: str | Initializer) -> Initializer:
    """Return the initializer of this name; an initializer is returned as it is.

    Parameters
    ----------
    initialization : str or callable
        A name in `BY_NAME`, or a function ``(shape, rng) -> array``.

    Raises
    ------
    ConfigurationError
        The name is unknown, or what was given cannot be called.

    Examples
    --------
    >>> get_initializer("xavier")
    XavierNormal(gain=1.0)
    """
    if not isinstance(initialization, str):
        check_function(initialization, "initialization must be a name or a function (shape, rng)")
        if is_own(initialization):
            check_call(initialization, ("shape", "rng"), "def initializer(shape, rng)")
        return initialization
    if initialization not in BY_NAME:
        names = ", ".join(repr(name) for name in BY_NAME)
        raise ConfigurationError(
            f"Unknown initialization {initialization!r}. There are {names}; "
            "or give a function (shape, rng) -> array."
        )
    return BY_NAME[initialization]
