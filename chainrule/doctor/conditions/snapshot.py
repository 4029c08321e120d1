"""Snapshot: one forward and backward pass as a few numbers for each layer and parameter.

`Recorder` keeps the arrays of a pass while it is watched, and computes the numbers afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.doctor.conditions.thresholds import NEAR_THE_END
from chainrule.layers import (
    ELU,
    GELU,
    Conv2d,
    ConvTranspose2d,
    LeakyReLU,
    Linear,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from chainrule.module import Module
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.watching import Watcher

WEIGHTED = (Linear, Conv2d, ConvTranspose2d)
"""Layers that multiply by weights: signals and gradients are compared between these."""

ACTIVATIONS = (ReLU, LeakyReLU, PReLU, ELU, GELU, SiLU, Sigmoid, Tanh)

MOST_VALUES = 200_000
"""Of larger outputs only every k-th sample is looked at."""


@dataclass
class LayerStatistics:
    """What one module's output was like, and the gradient at it.

    Attributes
    ----------
    path, kind : str
        Where the module is, and its class.
    weighted, activation : bool
        Whether it multiplies by weights; whether it is an activation.
    rms : float
        Root mean square of the output.
    signal : float
        How much the output depends on the sample: the standard deviation over the samples, root
        mean square over the units.
    dead : ndarray of bool, or None
        Which units of a ReLU, or of a user's own activation, are 0 for every sample.
    saturated : float
        The share of a tanh's or sigmoid's outputs close to its limits; NaN for others.
    gradient : float
        Root mean square of the loss's gradient at the output, times the batch size; NaN without a
        backward pass.
    """

    path: str
    kind: str
    weighted: bool
    activation: bool
    rms: float
    signal: float
    dead: Array | None = None
    saturated: float = float("nan")
    gradient: float = float("nan")

    @property
    def dead_share(self) -> float:
        """The share of units that are dead."""
        return 0.0 if self.dead is None else float(self.dead.mean())


@dataclass
class ParameterStatistics:
    """Root mean squares of a parameter's value, of its gradient, and of its update in one step.

    `is_weight` is False for biases and gains, which start at 0 or change by more than their size.
    """

    path: str
    is_weight: bool
    value: float
    gradient: float
    update: float = float("nan")

    @property
    def update_ratio(self) -> float:
        """The update relative to the value."""
        return self.update / self.value if self.value > 0 else float("nan")


@dataclass
class Snapshot:
    """One pass: its step, its loss, its layers in order, its parameters.

    Attributes
    ----------
    input_signal : float
        The signal of the network's input.
    output_gradients : ndarray of shape (N,), or None
        The size of each sample's gradient at the network's output.
    """

    step: int
    loss: float
    input_signal: float = float("nan")
    layers: list[LayerStatistics] = field(default_factory=list)
    parameters: list[ParameterStatistics] = field(default_factory=list)
    output_gradients: Array | None = None

    @property
    def weighted(self) -> list[LayerStatistics]:
        """The layers that multiply by weights."""
        return [layer for layer in self.layers if layer.weighted]

    @property
    def hidden_activations(self) -> list[LayerStatistics]:
        """The activations before the last layer with weights."""
        positions = [i for i, layer in enumerate(self.layers) if layer.weighted]
        last = positions[-1] if positions else 0
        return [layer for layer in self.layers[:last] if layer.activation]


class Recorder(Watcher):
    """Keeps the arrays of the last pass; nothing is computed before `snapshot`.

    A prediction, which has no backward pass, is forgotten when the next pass starts.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.outputs: dict[str, tuple[Module, Any, Any]] = {}
        self.gradients: dict[str, Any] = {}
        self._done = False

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        if self._done and not self.gradients:
            self.clear()
        if self.gradients:  # the wanted pass is complete
            return
        self.outputs[path] = (module, x, y)
        self._done = path == ""

    def on_backward(self, path: str, module: Module, dy: Any, dx: Any) -> None:
        self.gradients[path] = dy

    def snapshot(self, network: Network, step: int, loss: float, before: Array | None) -> Snapshot:
        """Return the pass as numbers; `before` are the flat values before the step."""
        found = Snapshot(step, loss)
        with np.errstate(all="ignore"):
            for path, (module, x, y) in self.outputs.items():
                if (
                    path
                    and is_floats(y)
                    and (
                        isinstance(module, (*WEIGHTED, *ACTIVATIONS, Softmax))
                        or not has_children(module)
                    )
                ):
                    dy = self.gradients.get(path)
                    found.layers.append(layer_statistics(path, module, x, y, dy))
            if "" in self.outputs and is_floats(self.outputs[""][1]):
                found.input_signal = signal(self.outputs[""][1])
            dy = self.gradients.get("")
            if isinstance(dy, np.ndarray):
                found.output_gradients = np.abs(dy).reshape(len(dy), -1).sum(axis=1) * len(dy)
            found.parameters = list(parameter_statistics(network, before))
        return found


def is_floats(value: Any) -> bool:
    """Whether a value is an array of floating-point numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def has_children(module: Module) -> bool:
    """Whether there are modules inside."""
    for _, value in module.children():
        items = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(item, Module) for item in items):
            return True
    return False


def layer_statistics(path: str, module: Module, x: Any, y: Array, dy: Any) -> LayerStatistics:
    """Return what a module's output was like."""
    same_shape = isinstance(x, np.ndarray) and x.shape == y.shape
    users_activation = same_shape and not module.built_in and not module.parameters()
    if y.size > MOST_VALUES:
        y = y[:: -(-y.size // MOST_VALUES)]
    found = LayerStatistics(
        path,
        type(module).__name__,
        isinstance(module, WEIGHTED),
        users_activation or isinstance(module, ACTIVATIONS),
        rms(y),
        signal(y),
    )
    if (users_activation or isinstance(module, ReLU)) and len(y):
        axes = tuple(a for a in range(y.ndim) if a != (1 if y.ndim == 4 else y.ndim - 1))
        found.dead = (y == 0).all(axis=axes)
    elif isinstance(module, Tanh):
        found.saturated = float((np.abs(y) > NEAR_THE_END).mean())
    elif isinstance(module, Sigmoid):
        found.saturated = float((np.abs(2 * y - 1) > NEAR_THE_END).mean())
    if is_floats(dy):
        found.gradient = rms(dy) * len(dy)
    return found


def rms(array: Array) -> float:
    """Return the root mean square."""
    flat = array.ravel().astype(np.float64, copy=False)
    return float(np.sqrt(np.dot(flat, flat) / max(1, flat.size)))


def signal(y: Array) -> float:
    """Return how much values depend on the sample: their deviation from the samples' mean."""
    if len(y) < 2:
        return float("nan")
    return rms(y - y.mean(axis=0))


def parameter_statistics(network: Network, before: Array | None) -> Iterator[ParameterStatistics]:
    """Yield the numbers of each parameter, with its change since `before`."""
    flat = network.flat
    for path, place in flat.slices.items():
        values = flat.values[place]
        update = float("nan") if before is None else rms(values - before[place])
        is_weight = bool(flat.decay[place][:1].all())
        yield ParameterStatistics(path, is_weight, rms(values), rms(flat.grads[place]), update)
