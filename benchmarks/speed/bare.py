"""The same in bare NumPy: the steps of an MLP with its loss and Adam written out, and nothing else.

Also what a network of Linear and SiLU predicts, as anyone would write it.

No modules, no checks, softmax and cross-entropy in one: what is left is what NumPy itself needs
for each of its calls. What chainrule takes beyond it is the price of being a library; what this
takes beyond the floor is that of computing step by step.
"""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.speed.work import LEARNING_RATE, Job, Skip, Work, inputs, targets

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class BareSiLU:
    """Linear layers with SiLU between them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self.weights = [
            rng.standard_normal(pair, dtype=np.float32) * np.float32((2 / pair[0]) ** 0.5)
            for pair in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(size, np.float32) for size in sizes[1:]]

    def predict(self, x: np.ndarray) -> np.ndarray:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = x @ weight + bias
            x = z / (1 + np.exp(-z))
        return x @ self.weights[-1] + self.biases[-1]


class BareMLP:
    """Linear layers with ReLU between them: parameters and gradients in two vectors."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        shapes = list(itertools.pairwise(sizes))
        count = sum(a * b + b for a, b in shapes)
        self.values, self.gradients, self.mean, self.square = np.zeros((4, count), np.float32)
        self.weights, self.biases = views(self.values, shapes)
        self.weight_gradients, self.bias_gradients = views(self.gradients, shapes)
        self.steps = 0
        rng = np.random.default_rng(0)
        for weight in self.weights:
            weight[...] = rng.standard_normal(weight.shape) * (2 / len(weight)) ** 0.5

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Take one step and return the loss before it."""
        seen = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            z = seen[-1].dot(weight)
            z += bias
            seen.append(z if weight is self.weights[-1] else np.maximum(z, 0, out=z))
        p = seen.pop()
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -float(np.log(p[rows, y]).mean())
        p[rows, y] -= 1
        p /= len(y)
        self._backward(seen, p)
        self._adam()
        return loss

    def _backward(self, seen: list[np.ndarray], dy: np.ndarray) -> None:
        for place in reversed(range(len(seen))):
            np.dot(seen[place].T, dy, out=self.weight_gradients[place])
            np.add.reduce(dy, axis=0, out=self.bias_gradients[place])
            if place:
                dy = dy.dot(self.weights[place].T)
                dy *= seen[place] > 0

    def _adam(self) -> None:
        self.steps += 1
        root = (1 - BETA2**self.steps) ** 0.5
        rate = LEARNING_RATE * root / (1 - BETA1**self.steps)
        g, change = self.gradients, np.empty_like(self.gradients)
        self.mean *= BETA1
        self.mean += np.multiply(g, 1 - BETA1, out=change)
        self.square *= BETA2
        np.multiply(g, g, out=change)
        change *= 1 - BETA2
        self.square += change
        np.sqrt(self.square, out=change)
        change += root * EPSILON
        np.divide(self.mean, change, out=change)
        change *= rate
        self.values -= change


def views(
    vector: np.ndarray, shapes: list[tuple[int, int]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return a vector's parts as weights (a, b) and biases (b,)."""
    weights, biases, start = [], [], 0
    for a, b in shapes:
        weights.append(vector[start : start + a * b].reshape(a, b))
        biases.append(vector[start + a * b : start + a * b + b])
        start += a * b + b
    return weights, biases


def train(work: Work) -> Job:
    if work.model != "mlp":
        raise Skip("only the MLP is written out")
    network = BareMLP(work.sizes)
    data = list(zip(inputs(work), targets(work), strict=True))

    def run() -> None:
        for x, y in data:
            network.step(x, y)

    return Job(run, len(data))


def predict(work: Work) -> Job:
    if work.model != "silu":
        raise Skip("only the network of Linear and SiLU is written out")
    network, data = BareSiLU(work.sizes), inputs(work)

    def run() -> None:
        for x in data:
            network.predict(x)

    return Job(run, len(data))


JOBS = {"train": train, "predict": predict}
