"""Muon: weight matrices are moved as matrices, all other parameters by AdamW."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_choice, check_range, check_whole
from chainrule.errors import ConfigurationError
from chainrule.layers.category_embedding import CategoryTable
from chainrule.layers.embedding import Table
from chainrule.layers.stacked import StackedParameter
from chainrule.network import Network
from chainrule.optimizers.adam import AdamW
from chainrule.optimizers.base import LearningRate
from chainrule.parameter import Array, Parameter

__all__ = ["Muon"]

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""a, b, c of the polynomial a σ + b σ³ + c σ⁵, which takes singular values of (0, 1] close to 1."""

SMALLEST_NORM = 1e-7

SCALES: Mapping[str, Callable[[int, int], float]] = {
    "match_rms_adamw": lambda inputs, outputs: 0.2 * math.sqrt(max(inputs, outputs)),
    "original": lambda inputs, outputs: math.sqrt(max(1.0, outputs / inputs)),
}
"""How long a step is, by the shape of the matrix."""

TABLES = (Table, CategoryTable, StackedParameter)
"""Parameters whose rows or members are independent of each other: no matrices."""


@dataclass(eq=False, repr=False)
class Muon(AdamW):
    """Momentum whose singular values are all made 1, for the weight matrices of hidden layers.

    M ← μ M + (1 - μ) G;  W ← W - lr · scale · orthogonal((1 - μ) G + μ M). Where M = U S Vᵀ,
    orthogonal(M) is about U Vᵀ: all directions of a matrix move alike. It is found by a few
    Newton-Schulz iterations, X ← a X + (b X Xᵀ + c (X Xᵀ)²) X, from X = M / |M|.

    Matrices are the weights of linear, recurrent and attention layers, and the kernels of
    convolutions as one row for each output channel. The last of them, which makes the output,
    embeddings, biases and gains are moved by AdamW.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Liu et al.,
    "Muon is Scalable for LLM Training", 2025, for the scale that fits AdamW's.

    Parameters
    ----------
    learning_rate : float or callable
        lr, a number or a schedule, of both rules.
    momentum : float
        μ, how much of the mean gradient M is kept, 0 <= μ < 1.
    nesterov : bool
        Whether to look one step ahead, as above; otherwise orthogonal(M).
    newton_schulz_steps : int
        How many iterations.
    scale : {"match_rms_adamw", "original"}
        0.2 · √max(inputs, outputs), with which values move about as far as by AdamW, so that its
        learning rates can be used; or √max(1, outputs / inputs), which needs a learning rate of
        about 0.02, and `lr_multipliers` for the others.
    adamw : sequence of str
        Patterns of the names of further matrices that AdamW is to move, such as those of a table of
        positions or of a second output.
    weight_decay : float
        λ of the decoupled weight decay, w ← (1 - lr · λ) w, of both rules.
    beta1, beta2, epsilon, amsgrad
        As in `AdamW`, for what is moved by it.
    lr_multipliers
        As in `Optimizer`.

    Raises
    ------
    ConfigurationError
        At the first step: the network has no hidden weight matrix.

    Examples
    --------
    >>> from chainrule import Network
    >>> network = Network([4, 16, 16, 3], seed=0)
    >>> list(Muon().matrices(network))
    ['layers.0.weight', 'layers.2.weight']
    """

    elementwise = False

    learning_rate: LearningRate = 0.001
    _: KW_ONLY
    weight_decay: float = 0.1
    momentum: float = 0.95
    nesterov: bool = True
    newton_schulz_steps: int = 5
    scale: str = "match_rms_adamw"
    adamw: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = check_range("momentum", self.momentum, high=1)
        self.nesterov = check_bool("nesterov", self.nesterov)
        self.newton_schulz_steps = check_whole("newton_schulz_steps", self.newton_schulz_steps)
        check_choice("scale", self.scale, SCALES)
        if isinstance(self.adamw, str) or not all(isinstance(name, str) for name in self.adamw):
            raise ConfigurationError(f"adamw must be a list of names, got {self.adamw!r}.")
        self.adamw = tuple(self.adamw)

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        if w.ndim == 1:
            super().update_rule(w, g, learning_rate, *state)
            return
        m = state[0]
        m *= self.momentum
        m += (1 - self.momentum) * g
        direction = (1 - self.momentum) * g + self.momentum * m if self.nesterov else m
        w -= learning_rate * SCALES[self.scale](*w.shape) * self.orthogonal(direction)

    def orthogonal(self, matrix: Array) -> Array:
        """Return about U Vᵀ for the matrix U S Vᵀ: its singular values lie between 0.5 and 1.5.

        Parameters
        ----------
        matrix : ndarray, shape (inputs, outputs)

        Examples
        --------
        >>> Muon().orthogonal(np.diag([3.0, 1.0])).round(1)
        array([[0.8, 0. ],
               [0. , 1.1]])
        """
        a, b, c = COEFFICIENTS
        x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        largest = max(float(np.abs(x).max(initial=0)), float(np.finfo(x.dtype).tiny))
        x = x / largest  # so that no square overflows or vanishes
        x /= max(float(np.linalg.norm(x)), SMALLEST_NORM / largest)
        for _ in range(self.newton_schulz_steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        return x if matrix.shape[0] <= matrix.shape[1] else x.T

    def matrices(self, network: Network) -> Mapping[str, Callable[[Array], Array]]:
        """Return which parameters are moved as matrices: the view of each, by its name."""
        of_modules = [
            thing
            for module in network.named_modules().values()
            for thing in vars(module).values()
            if isinstance(thing, Parameter) and is_weight(thing)
        ]
        output = of_modules[-1] if of_modules else None  # of a tied head, an embedding's table
        return {
            name: view_of(parameter)
            for name, parameter in network.named_parameters().items()
            if is_weight(parameter)
            and not isinstance(parameter, TABLES)
            and parameter is not output
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.adamw)
        }

    def check_network(self, network: Network) -> None:
        super().check_network(network)
        names = list(network.named_parameters())
        for pattern in self.adamw:
            if not fnmatch.filter(names, pattern):
                raise ConfigurationError(
                    f"No parameter's name fits the pattern {pattern!r} of adamw; there are {names}."
                )
        if not self.matrices(network):
            raise ConfigurationError(
                "Muon moves the weight matrices of hidden layers, and this network has none: it "
                "would be AdamW. Use AdamW."
            )


def is_weight(parameter: Parameter) -> bool:
    """Whether weight decay applies, and there is more than one axis."""
    return parameter.decay and len(parameter.shape) > 1


def view_of(parameter: Parameter) -> Callable[[Array], Array]:
    """Return the function that views a part of a flat vector as (inputs, outputs).

    A kernel (out_channels, in_channels, ...) becomes a row for each output channel, transposed.
    """
    shape = parameter.shape
    if len(shape) == 2:
        return lambda vector: vector.reshape(shape)
    return lambda vector: vector.reshape(shape[0], -1).T
