"""The network of a textbook's page beside chainrule: how long one step of training takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.textbook

Below stand Linear, ReLU, Softmax, categorical cross-entropy and Adam as one would write them on a
page: each layer saves once what its backward pass needs; the input, the predictions and the
targets are checked once. `lean` is the same arithmetic without layers and without checks: what
NumPy itself takes. The three take turns in one process, so that what else the machine does
disturbs them alike; the ratio of chainrule's time to the textbook's is the median over rounds.
"""

import math
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

import chainrule as cr

SIZES = ((4, 10, 3), (64, 64, 10), (20, 64, 64, 3))
BATCH, LEARNING_RATE = 32, 1e-5
WARM_UP, ROUNDS, STEPS_PER_ROUND = 500, 21, 300

Array = np.ndarray


class Parameter:
    """An array and its gradient."""

    def __init__(self, value: Array) -> None:
        self.value, self.grad = value, np.zeros_like(value)


class Layer:
    """What a layer keeps from forward for backward."""

    saved: tuple[Array, ...] | None = None

    def save_for_backward(self, *values: Array, training: bool) -> None:
        if training:
            self.saved = values

    def saved_values(self) -> tuple[Array, ...]:
        values, self.saved = self.saved, None
        if values is None:
            raise RuntimeError("backward needs a forward pass with training=True before it")
        return values


class Linear(Layer):
    """y = x W + b."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs = inputs
        self.weight = Parameter(np.zeros((inputs, outputs), np.float32))
        self.bias = Parameter(np.zeros(outputs, np.float32))

    def forward(self, x: Array, training: bool = True) -> Array:
        if x.shape[-1] != self.inputs:
            raise ValueError(f"expected {self.inputs} features, got an input of shape {x.shape}")
        self.save_for_backward(x, training=training)
        y = x.dot(self.weight.value)  # (N, outputs)
        y += self.bias.value
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        (x,) = self.saved_values()
        np.dot(x.T, dy, out=self.weight.grad)
        np.add.reduce(dy, axis=0, out=self.bias.grad)
        return dy.dot(self.weight.value.T) if input_gradient else None


class ReLU(Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(x, 0)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * (y > 0)


class Softmax(Layer):
    """y_c = exp(x_c) / Σ_k exp(x_k)."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = x - np.maximum.reduce(x, axis=1, keepdims=True)
        np.exp(y, out=y)
        y /= np.add.reduce(y, axis=1, keepdims=True)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        dx = dy - np.vecdot(dy, y)[:, None]
        dx *= y
        return dx


class Network:
    """Linear layers with ReLU between them and Softmax at the end; parameters in one vector."""

    def __init__(self, sizes: tuple[int, ...], values: Array) -> None:
        self.linear = [Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
        between = [ReLU() for _ in self.linear[1:]] + [Softmax()]
        self.layers = [layer for pair in zip(self.linear, between, strict=True) for layer in pair]
        self.values, self.grads = values.copy(), np.zeros_like(values)
        end = 0
        for parameter in (p for layer in self.linear for p in (layer.weight, layer.bias)):
            start, end, shape = end, end + parameter.value.size, parameter.value.shape
            parameter.value = self.values[start:end].reshape(shape)
            parameter.grad = self.grads[start:end].reshape(shape)

    def forward(self, x: Array, training: bool = True) -> Array:
        if type(x) is not np.ndarray or x.dtype != np.float32:
            raise TypeError("expected an array of float32")
        flat = x.ravel()
        if not math.isfinite(flat.dot(flat)):
            raise ValueError("the input holds NaN or infinity")
        before = np.seterr(all="ignore")
        try:
            for layer in self.layers:
                x = layer.forward(x, training)
        finally:
            np.seterr(**before)
        self.shape = x.shape
        return x

    def backward(self, dy: Array) -> None:
        if dy.shape != self.shape:
            raise ValueError(f"expected a gradient of shape {self.shape}, got {dy.shape}")
        before = np.seterr(all="ignore")
        try:
            for layer in self.layers[:0:-1]:
                dy = layer.backward(dy)
            self.layers[0].backward(dy, input_gradient=False)
        finally:
            np.seterr(**before)


def cross_entropy_gradient(y: Array, p: Array) -> Array:
    """Return the gradient of -Σ y log(p) / N at the probabilities p."""
    if y.shape != p.shape:
        raise ValueError(f"expected targets of shape {p.shape}, got {y.shape}")
    if not (abs(np.add.reduce(p, axis=1) - 1) < 1e-3).all() or p.min() < 0:
        raise ValueError("the predictions are no probabilities")
    gradient = y / np.maximum(p, 1e-38)
    gradient *= -1 / len(y)
    return gradient


class Adam:
    """Adam with β₁ = 0.9, β₂ = 0.999 and ε = 1e-8, in place."""

    def __init__(self, size: int, learning_rate: float) -> None:
        self.m, self.v = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.steps, self.learning_rate = 0, learning_rate

    def step(self, values: Array, grads: Array) -> None:
        self.steps += 1
        self.m *= 0.9
        self.m += 0.1 * grads
        self.v *= 0.999
        self.v += 0.001 * (grads * grads)
        correction = math.sqrt(1 - 0.999**self.steps)
        update = np.sqrt(self.v)
        update += correction * 1e-8
        np.divide(self.m, update, out=update)
        update *= self.learning_rate * correction / (1 - 0.9**self.steps)
        values -= update


class Contender(NamedTuple):
    """One step of training, and the vector of parameters that it changes."""

    step: Callable[[], None]
    values: Array


def contenders(sizes: tuple[int, ...], batch: int = BATCH) -> dict[str, Contender]:
    """Return chainrule, the textbook's network and the lean arithmetic, with equal parameters."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    y = np.eye(sizes[-1], dtype=np.float32)[rng.integers(0, sizes[-1], batch)]
    network = cr.Network(list(sizes), seed=0)
    start = network.flat.values.copy()
    return {
        "chainrule": by_chainrule(network, x, y),
        "textbook": by_the_textbook(Network(sizes, start), x, y),
        "lean": by_lean_arithmetic(Network(sizes, start), x, y),
    }


def by_chainrule(network: cr.Network, x: Array, y: Array) -> Contender:
    loss, adam = cr.CategoricalCrossEntropy(), cr.Adam(LEARNING_RATE)

    def step() -> None:
        network.backward_parameters(loss.backward(y, network.forward(x)))
        adam.step(network)

    return Contender(step, network.flat.values)


def by_the_textbook(network: Network, x: Array, y: Array) -> Contender:
    adam = Adam(len(network.values), LEARNING_RATE)

    def step() -> None:
        network.backward(cross_entropy_gradient(y, network.forward(x)))
        adam.step(network.values, network.grads)

    return Contender(step, network.values)


def by_lean_arithmetic(network: Network, x: Array, y: Array) -> Contender:
    linear, adam = network.linear, Adam(len(network.values), LEARNING_RATE)

    def step() -> None:
        h, inputs = x, [x]
        for layer in linear:
            h = h.dot(layer.weight.value)
            h += layer.bias.value
            if layer is not linear[-1]:
                h = np.maximum(h, 0)
                inputs.append(h)
        h -= np.maximum.reduce(h, axis=1, keepdims=True)
        np.exp(h, out=h)
        h /= np.add.reduce(h, axis=1, keepdims=True)
        d = h - y  # Softmax and cross-entropy together
        d /= len(x)
        for layer in reversed(linear):
            h = inputs.pop()
            np.dot(h.T, d, out=layer.weight.grad)
            np.add.reduce(d, axis=0, out=layer.bias.grad)
            if layer is not linear[0]:
                d = d.dot(layer.weight.value.T)
                d *= h > 0
        adam.step(network.values, network.grads)

    return Contender(step, network.values)


def microseconds(step: Callable[[], None], times: int) -> float:
    """Return how long one step takes, on average over so many."""
    start = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - start) / times * 1e6


def main() -> None:
    for sizes in SIZES:
        sides = contenders(sizes)
        for side in sides.values():
            microseconds(side.step, WARM_UP)
        rounds = [
            {name: microseconds(side.step, STEPS_PER_ROUND) for name, side in sides.items()}
            for _ in range(ROUNDS)
        ]
        medians = {name: statistics.median(times[name] for times in rounds) for name in sides}
        ratio = statistics.median(times["chainrule"] / times["textbook"] for times in rounds)
        shown = ", ".join(f"{name} {time_:.1f} µs" for name, time_ in medians.items())
        print(f"{'-'.join(map(str, sizes))}: {shown}; chainrule / textbook {ratio:.2f}")


if __name__ == "__main__":
    main()
