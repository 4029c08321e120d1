"""Snapshot: what one pass forward and back looked like, layer by layer, as a few numbers each.

`Recorder` keeps the arrays of a pass while it is watched, and makes the numbers of them afterwards.
"""

from __future__ import annotations

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

WEIGHING = (Linear, Conv2d, ConvTranspose2d)
"""Layers that multiply by weights: between these, signals and gradients are compared."""

ACTIVATIONS = (ReLU, LeakyReLU, PReLU, ELU, GELU, SiLU, Sigmoid, Tanh)

MOST_NUMBERS = 200_000
"""Of larger arrays every k-th sample is looked at."""


@dataclass
class LayerNumbers:
    """What one module's output and the gradient at it looked like.

    Attributes
    ----------
    path, kind : str
    weighs, activates : bool
        Whether it multiplies by weights; whether it is an activation.
    rms : float
        Root mean square of the output.
    signal : float
        How much the output depends on the sample: the standard deviation over the samples, root
        mean square over the units.
    dead : ndarray of bool, or None
        Which units of a ReLU, or of an activation of the user's own, are 0 for every sample.
    saturated : float
        The share of a tanh's or sigmoid's outputs near its ends; NaN for others.
    gradient : float
        Root mean square of the loss's gradient at the output, times the batch's size; NaN where
        there was no way back.
    """

    path: str
    kind: str
    weighs: bool
    activates: bool
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
class ParameterNumbers:
    """Root mean squares of a parameter's value, its gradient, and its move in one step.

    `weighs` is False for biases and gains, which begin at 0 or move by more than their size.
    """

    path: str
    weighs: bool
    value: float
    gradient: float
    update: float = float("nan")

    @property
    def update_ratio(self) -> float:
        """The move as a part of the value."""
        return self.update / self.value if self.value > 0 else float("nan")


@dataclass
class Snapshot:
    """One pass: its step, its loss, its layers in their order, its parameters."""

    step: int
    loss: float
    input_signal: float = float("nan")
    layers: list[LayerNumbers] = field(default_factory=list)
    parameters: list[ParameterNumbers] = field(default_factory=list)
    output_gradients: Array | None = None
    """The size of each sample's gradient at the network's output, (N,)."""

    @property
    def weighing(self) -> list[LayerNumbers]:
        """The layers that multiply by weights."""
        return [layer for layer in self.layers if layer.weighs]


class Recorder(Watcher):
    """Keeps the arrays of the last pass; nothing is computed until `snapshot`.

    A pass in prediction, which has no way back, is forgotten when the next one begins.
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
        if self.gradients:  # the pass that was wanted is complete
            return
        self.outputs[path] = (module, x, y)
        self._done = path == ""

    def on_backward(self, path: str, module: Module, dy: Any, dx: Any) -> None:
        self.gradients[path] = dy

    def snapshot(self, network: Network, step: int, loss: float, before: Array | None) -> Snapshot:
        """Return the numbers of the pass; `before` are the flat values before the step."""
        found = Snapshot(step, loss)
        with np.errstate(all="ignore"):
            for path, (module, x, y) in self.outputs.items():
                if path == "" or not isinstance(y, np.ndarray) or y.dtype.kind != "f":
                    continue
                if isinstance(module, WEIGHING + ACTIVATIONS + (Softmax,)) or not has_children(
                    module
                ):
                    dy = self.gradients.get(path)
                    found.layers.append(numbers_of(path, module, x, y, dy))
            whole = self.outputs.get("")
            if (
                whole is not None
                and isinstance(whole[1], np.ndarray)
                and whole[1].dtype.kind == "f"
            ):
                found.input_signal = signal(whole[1])
            dy = self.gradients.get("")
            if isinstance(dy, np.ndarray):
                found.output_gradients = np.abs(dy).reshape(len(dy), -1).sum(axis=1) * len(dy)
            found.parameters = list(parameters_of(network, before))
        return found


def has_children(module: Module) -> bool:
    """Whether there are modules inside."""
    for _, value in module.children():
        items = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(item, Module) for item in items):
            return True
    return False


def of_the_library(module: Module) -> bool:
    """Whether a module is chainrule's own, and not the user's."""
    return type(module).__module__.startswith("chainrule.")


def own_activation(module: Module, x: Any, y: Array) -> bool:
    """Whether a module is one of the user's own that has no weights and keeps the shape."""
    alike = isinstance(x, np.ndarray) and x.shape == y.shape
    return alike and not of_the_library(module) and not module.parameters()


def numbers_of(path: str, module: Module, x: Any, y: Array, dy: Any) -> LayerNumbers:
    """Return what a module's output looked like."""
    own = own_activation(module, x, y)
    if y.size > MOST_NUMBERS:
        y = y[:: -(-y.size // MOST_NUMBERS)]
    dead, saturated = None, float("nan")
    if (own or isinstance(module, ReLU)) and len(y):
        axes = tuple(a for a in range(y.ndim) if a != (1 if y.ndim == 4 else y.ndim - 1))
        dead = (y == 0).all(axis=axes)
    elif isinstance(module, Tanh):
        saturated = float((np.abs(y) > NEAR_THE_END).mean())
    elif isinstance(module, Sigmoid):
        saturated = float((np.abs(2 * y - 1) > NEAR_THE_END).mean())
    gradient = float("nan")
    if isinstance(dy, np.ndarray) and dy.dtype.kind == "f":
        gradient = rms(dy) * len(dy)
    kinds = (isinstance(module, WEIGHING), own or isinstance(module, ACTIVATIONS))
    name = type(module).__name__
    return LayerNumbers(path, name, *kinds, rms(y), signal(y), dead, saturated, gradient)


def rms(array: Array) -> float:
    """Return the root mean square."""
    flat = array.ravel()
    return float(np.sqrt(np.dot(flat, flat) / max(1, flat.size)))


def signal(y: Array) -> float:
    """Return how much numbers depend on the sample: their deviation over the samples."""
    if len(y) < 2:
        return float("nan")
    return rms(y - y.mean(axis=0))


def parameters_of(network: Network, before: Array | None) -> Any:
    """Yield the numbers of each parameter, with its move since `before`."""
    flat = network.flat
    for path, place in flat.slices.items():
        values = flat.values[place]
        moved = float("nan") if before is None else rms(values - before[place])
        weighs = bool(flat.decay[place][:1].all())
        yield ParameterNumbers(path, weighs, rms(values), rms(flat.grads[place]), moved)
