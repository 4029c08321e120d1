"""What is planted: each disease is a function that makes a healthy set-up ill, more or less.

Strength is 0 (mild), 1 or 2 (obvious). A disease that does not fit a set-up returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.clinic.setup import Setup
from chainrule import (
    GELU,
    RNN,
    BatchNorm,
    CategoricalCrossEntropy,
    LastStep,
    Linear,
    Module,
    Network,
    Parameter,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)

Plant = Callable[[Setup, int, np.random.Generator], Setup | None]


@dataclass(frozen=True)
class Disease:
    """`names` are the findings that name it; `harms` is False where no score shows it.

    `mendable` is False where no set-up brings back what the healthy twin has: rows that are gone,
    labels that were changed, a backward that is wrong.
    """

    id: str
    plant: Plant
    names: tuple[str, ...]
    harms: bool = True
    mendable: bool = True


# ---------------------------------------------------------------- the data


def wild_inputs(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    factor = np.float32((50, 300, 3000)[strength])

    def view(X: Any) -> Any:
        return X * factor

    return replace(setup, X=view(setup.X), view=view)


def wild_column(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.X.ndim != 2:
        return None
    column, factor = rng.integers(setup.X.shape[1]), np.float32((200, 2000, 20000)[strength])

    def view(X: Any) -> Any:
        X = X.copy()
        X[:, column] = X[:, column] * factor + factor
        return X

    return replace(setup, X=view(setup.X), view=view)


def not_finite(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    X = setup.X.copy()
    rows = rng.permutation(len(X))[: (1, 5, 30)[strength]]
    X[rows, ..., 0] = np.nan if rng.random() < 0.7 else np.inf
    return replace(setup, X=X)


def shifted_labels(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    return replace(setup, y=setup.y + (1, 1, 10)[strength])


def broken_one_hot(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    y = np.eye(setup.classes)[setup.y]
    rows = rng.permutation(len(y))[: int(len(y) * (0.02, 0.2, 0.5)[strength]) + 1]
    y[rows] += np.eye(setup.classes)[rng.integers(0, setup.classes, len(rows))] * 0.5
    return replace(setup, y=y)


def rare_class(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    rare = int(rng.integers(setup.classes))
    rows = np.flatnonzero(setup.y == rare)
    kept = max(2, len(rows) // (15, 30, 60)[strength])
    keep = np.concatenate([np.flatnonzero(setup.y != rare), rows[:kept]])
    counts = np.bincount(setup.y[keep], minlength=setup.classes)
    if counts.max() < 10 * kept:
        return None
    return replace(setup, X=setup.X[keep], y=setup.y[keep])


def overlap(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    count = len(setup.X_test)
    rows = rng.permutation(len(setup.X))[: int(count * (0.1, 0.4, 0.9)[strength])]
    X = np.concatenate([setup.X_test[: count - len(rows)], setup.X[rows]])
    y = np.concatenate([setup.y_test[: count - len(rows)], setup.y[rows]])
    return replace(setup, validation=(X, y))


def leak(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.X.ndim != 2:
        return None
    known = setup.y.reshape(len(setup.y), 1).astype(np.float32)
    noise = rng.standard_normal(known.shape) * (0.002, 0.001, 0)[strength] * known.std()
    if setup.classes:
        noise = noise * 0
    column = (known - known.mean()) / known.std() + noise
    nothing = np.zeros((len(setup.X_test), 1), np.float32)
    X = np.concatenate([setup.X, column], axis=1).astype(np.float32)

    def view(X: Any) -> Any:
        return np.concatenate([X, nothing[: len(X)]], axis=1)

    return replace(setup, X=X, view=view, layers=with_more_inputs(setup, 1))


def with_more_inputs(setup: Setup, more: int) -> Callable[[int], Sequence[Module]]:
    """Return the layers with a first Linear of so many inputs more."""

    def build(seed: int) -> Sequence[Module]:
        first, *rest = setup.layers(seed)
        assert isinstance(first, Linear)
        return [Linear(first.in_features + more, first.out_features, seed=seed), *rest]

    return build


def repeated_columns(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Columns that are given twice: of the first layer's weights they only make more."""
    return with_columns(setup, lambda X: X[:, : min(X.shape[1], (1, 2, 4)[strength])])


def empty_columns(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Columns that never change."""
    value = np.float32(rng.integers(0, 3))
    return with_columns(setup, lambda X: np.full((len(X), (1, 2, 4)[strength]), value, np.float32))


def with_columns(setup: Setup, more: Callable[[Any], Any]) -> Setup | None:
    """Return the set-up with further columns, a function of the others."""
    if setup.X.ndim != 2 or not isinstance(setup.layers(0)[0], Linear):
        return None

    def view(X: Any) -> Any:
        return np.concatenate([X, more(X)], axis=1)

    X = view(setup.X)
    layers = with_more_inputs(setup, X.shape[1] - setup.X.shape[1])
    return replace(setup, X=X, view=view, layers=layers)


def wrong_labels(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    rows = rng.permutation(len(setup.y))[: int(len(setup.y) * (0.03, 0.08, 0.15)[strength])]
    y = setup.y.copy()
    y[rows] = (y[rows] + rng.integers(1, setup.classes, len(rows))) % setup.classes
    return replace(setup, y=y)


def lost_class(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """No row of some classes is left."""
    if setup.classes < 3:
        return None
    lost = rng.permutation(setup.classes)[: min(strength + 1, setup.classes - 2)]
    keep = np.flatnonzero(~np.isin(setup.y, lost))
    return replace(setup, X=setup.X[keep], y=setup.y[keep])


def one_answer(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return replace(setup, y=np.repeat(setup.y[:1], len(setup.y), axis=0))


def far_targets(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes:
        return None
    y = setup.y.copy()
    rows = rng.permutation(len(y))[: (3, 6, 12)[strength]]
    y[rows] += np.float32((80, 300, 999)[strength])
    return replace(setup, y=y)


def large_targets(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes:
        return None
    size, offset = (60, 300, 2000)[strength], (100, 1000, 20000)[strength]
    return replace(setup, y=setup.y * size + offset, answer=lambda out: (out - offset) / size)


# ---------------------------------------------------------------- the end of the network


def changed(setup: Setup, change: Callable[[list[Module]], list[Module]]) -> Setup:
    """Return the set-up with other layers."""
    return replace(setup, layers=lambda seed: change(list(setup.layers(seed))))


def softmax_twice(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not setup.classes:
        return None
    if strength == 0:
        return changed(setup, lambda layers: [*layers, Softmax()])
    return replace(setup, loss=CategoricalCrossEntropy(from_logits=True))


def no_softmax(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return changed(setup, lambda layers: layers[:-1]) if setup.classes else None


def sigmoids(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if setup.classes < 3:
        return None
    return changed(setup, lambda layers: [*layers[:-1], Sigmoid()])


def bounded(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    kind = (ReLU, Tanh, Sigmoid)[strength]
    if setup.classes:
        return changed(
            setup, lambda layers: [*layers[:-1], (ReLU, Tanh)[strength % 2](), Softmax()]
        )
    return changed(setup, lambda layers: [*layers, kind()])


# ---------------------------------------------------------------- the weights


def with_weights(
    setup: Setup, change: Callable[[str, Parameter], None], hidden: bool = False
) -> Setup:
    """Return the set-up with something done to each weight matrix (but the last)."""

    def make_ill(network: Network) -> None:
        weights = [(p, w) for p, w in network.named_parameters().items() if w.decay]
        for path, weight in weights[:-1] if hidden else weights:
            change(path, weight)

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


def symmetric(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    value = (0.1, 0.01, 0.0)[strength]

    def change(path: str, weight: Parameter) -> None:
        weight.value = np.full(weight.shape, value)

    return with_weights(setup, change)


def scaled(setup: Setup, factor: float) -> Setup:
    def change(path: str, weight: Parameter) -> None:
        weight.value = weight.value * np.float32(factor)

    return with_weights(setup, change)


def large_weights(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return scaled(setup, (6, 15, 50)[strength])


def small_weights(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return scaled(setup, (0.1, 0.02, 0.003)[strength])


def dead(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not has(setup, ReLU) or has(setup, BatchNorm):
        return None
    bias = (-4.0, -8.0, -20.0)[strength]

    def make_ill(network: Network) -> None:
        biases = [p for path, p in network.named_parameters().items() if path.endswith("bias")]
        for parameter in biases[:-1]:
            parameter.value = np.full(parameter.shape, bias)

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


def has(setup: Setup, kind: type[Module]) -> bool:
    return any(isinstance(layer, kind) for layer in setup.layers(0))


def deep_sigmoids(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Sigmoids in a deep chain: gradients vanish."""
    depth, size, out = (6, 9, 12)[strength], int(np.prod(setup.X.shape[1:])), outputs(setup)

    def build(seed: int) -> Sequence[Module]:
        from chainrule import Flatten

        rng = np.random.default_rng(seed)
        layers: list[Module] = [Flatten()] if setup.X.ndim > 2 else []
        width = size
        for _ in range(depth):
            layers += [Linear(width, 24, initialization="xavier", seed=rng), Sigmoid()]
            width = 24
        end: list[Module] = [Softmax()] if setup.classes else []
        return [*layers, Linear(width, out, initialization="xavier", seed=rng), *end]

    return replace(setup, layers=build)


def outputs(setup: Setup) -> int:
    return setup.classes or 1


def too_small(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    width, size, out = (2, 1, 1)[strength], int(np.prod(setup.X.shape[1:])), outputs(setup)
    if setup.X.ndim > 2:
        return None

    def build(seed: int) -> Sequence[Module]:
        rng = np.random.default_rng(seed)
        end: list[Module] = [Softmax()] if setup.classes else []
        return [Linear(size, width, seed=rng), Tanh(), Linear(width, out, seed=rng), *end]

    return replace(setup, layers=build)


def recurrence(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """A plain recurrent layer whose weights from step to step are far too large."""
    if setup.X.ndim != 3:
        return None
    factor, out = np.float32((4, 7, 12)[strength]), outputs(setup)

    def build(seed: int) -> Sequence[Module]:
        rng = np.random.default_rng(seed)
        cell = RNN(setup.X.shape[2], 24, nonlinearity="relu", seed=rng)
        end: list[Module] = [Softmax()] if setup.classes else []
        return [cell, LastStep(), Linear(24, out, seed=rng), *end]

    def make_ill(network: Network) -> None:
        weight = network.named_parameters()["layers.0.cells.0.weight_hh"]
        weight.value = weight.value * factor

    return replace(setup, layers=build, after_drawing=[*setup.after_drawing, make_ill])


def sure_from_the_start(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """The last layer's weights are so large that the first answers are sure and wrong."""
    if not setup.classes:
        return None

    def make_ill(network: Network) -> None:
        weight = [w for w in network.named_parameters().values() if w.decay][-1]
        weight.value = weight.value * np.float32((15, 40, 120)[strength])

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


def saturated(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Tanh behind biases that push it to its ends."""
    if not has(setup, Tanh):
        return None

    def make_ill(network: Network) -> None:
        biases = [p for path, p in network.named_parameters().items() if path.endswith("bias")]
        for parameter in biases[:-1]:
            sign = np.where(rng.random(parameter.shape) < 0.5, -1, 1)
            parameter.value = sign * (5.0, 8.0, 15.0)[strength]

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])


# ---------------------------------------------------------------- the steps


def with_rate(setup: Setup, factor: float) -> Setup:
    def optimizer() -> Any:
        made = setup.optimizer()
        made.learning_rate = made.learning_rate * factor
        return made

    return replace(setup, optimizer=optimizer)


def high_rate(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return with_rate(setup, (30, 100, 1000)[strength])


def low_rate(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return with_rate(setup, (0.01, 0.003, 0.0003)[strength])


def stopped_early(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return replace(setup, epochs=max(2, setup.epochs // (5, 8, 12)[strength]))


def frozen(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Freeze the first weights, all but the last, or all, though they are freshly drawn."""
    weights = [p for p, w in setup.network().named_parameters().items() if w.decay]
    still = (weights[:1], weights[:-1], weights)[strength]
    if not still:
        return None

    def optimizer() -> Any:
        made = setup.optimizer()
        made.lr_multipliers = dict.fromkeys(still, 0.0)
        return made

    return replace(setup, optimizer=optimizer)


def slow_statistics(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Let running means not arrive within the training."""
    if not has(setup, BatchNorm):
        return None
    momentum = (0.003, 0.001, 0.0003)[strength]

    def change(layers: list[Module]) -> list[Module]:
        for layer in layers:
            if isinstance(layer, BatchNorm):
                layer.momentum = momentum
        return layers

    return changed(setup, change)


def tiny_batches(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if not has(setup, BatchNorm) or setup.X.ndim > 2:
        return None
    return replace(setup, batch_size=(4, 3, 2)[strength], epochs=max(3, setup.epochs // 4))


def overtrained(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """Few rows with wrong labels among them, many epochs, and a large network."""
    rows = rng.permutation(len(setup.X))[:80]
    X, y = setup.X[rows], setup.y[rows].copy()
    wrong = rng.permutation(80)[: (8, 16, 24)[strength]]
    y[wrong] = (
        y[rng.permutation(wrong)]
        if not setup.classes
        else rng.integers(0, setup.classes, len(wrong))
    )
    size, out = int(np.prod(setup.X.shape[1:])), outputs(setup)

    def build(seed: int) -> Sequence[Module]:
        from chainrule import Flatten

        rng = np.random.default_rng(seed)
        end: list[Module] = [Softmax()] if setup.classes else []
        front: list[Module] = [Flatten()] if setup.X.ndim > 2 else []
        return [*front, Linear(size, 128, seed=rng), ReLU(), Linear(128, out, seed=rng), *end]

    half = len(setup.X_test) // 2
    return replace(
        setup, X=X, y=y, layers=build, epochs=150, optimizer=adam, batch_size=16,
        validation=(setup.X_test[:half], setup.y_test[:half]),
    )  # fmt: skip


def adam() -> Any:
    from chainrule import Adam

    return Adam(0.005)


# ---------------------------------------------------------------- code


class WrongSignLinear(Linear):
    """A Linear whose gradient at the input has the wrong sign."""

    def backward(self, dy: Any) -> Any:
        return -super().backward(dy)


class ForgetfulLinear(Linear):
    """A Linear that never sets its weight's gradient."""

    def backward_parameters(self, dy: Any) -> None:
        super().backward_parameters(dy)
        self.weight.grad = np.zeros(self.weight.shape)


def wrong_backward(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    kind = (ForgetfulLinear, WrongSignLinear, WrongSignLinear)[strength]
    if sum(type(layer) is Linear for layer in setup.layers(0)) < 2:
        return None

    def change(layers: list[Module]) -> list[Module]:
        place = [i for i, layer in enumerate(layers) if type(layer) is Linear][
            1 if kind is WrongSignLinear else 0
        ]
        old: Any = layers[place]
        new = kind(old.in_features, old.out_features)
        new.weight.value = old.weight.value
        layers[place] = new
        return layers

    return changed(setup, change)


class Detached(Module):
    """Hands its input on, and no gradient back."""

    def forward(self, x: Any) -> Any:
        return x

    def backward(self, dy: Any) -> Any:
        return np.zeros_like(dy)


class OwnLog(Module):
    """ln(x + shift), which has no result where x is below -shift."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def forward(self, x: Any) -> Any:
        self._x = x + x.dtype.type(self.shift)
        return np.log(self._x)

    def backward(self, dy: Any) -> Any:
        return dy / self._x


class OwnThreshold(Module):
    """max(x - threshold, 0): a ReLU of one's own, dead where the threshold is far above x."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def forward(self, x: Any) -> Any:
        self._passes = x > self.threshold
        return np.where(self._passes, x - x.dtype.type(self.threshold), 0)

    def backward(self, dy: Any) -> Any:
        return dy * self._passes


def detached(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    """End the gradient behind the first activation; mild, behind the second."""
    return behind_activation(setup, 1 if strength == 0 else 0, Detached)


def logarithm(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    return behind_activation(setup, 0, lambda: OwnLog((0.5, 0.1, 0.0)[strength]))


def own_relu(setup: Setup, strength: int, rng: np.random.Generator) -> Setup | None:
    if has(setup, BatchNorm):
        return None
    return behind_activation(setup, 0, lambda: OwnThreshold((5.0, 10.0, 30.0)[strength]), True)


def behind_activation(
    setup: Setup, which: int, module: Callable[[], Module], instead: bool = False
) -> Setup | None:
    """Return the set-up with a module behind (or instead of) one of its hidden activations."""

    def places(layers: Sequence[Module]) -> list[int]:
        return [i for i, layer in enumerate(layers) if isinstance(layer, ReLU | Tanh | GELU)]

    if len(places(setup.layers(0))) <= which:
        return None

    def change(layers: list[Module]) -> list[Module]:
        place = places(layers)[which]
        layers[place : place + 1] = [module()] if instead else [layers[place], module()]
        return layers

    return changed(setup, change)


DISEASES = [
    Disease("input-scale", wild_inputs, ("input-scale",)),
    Disease("one wild column", wild_column, ("input-scale",)),
    Disease("not-finite-data", not_finite, ("not-finite-data",)),
    Disease("labels-out-of-range", shifted_labels, ("labels-out-of-range",)),
    Disease("labels-not-one-hot", broken_one_hot, ("labels-not-one-hot",)),
    Disease("class-imbalance", rare_class, ("class-imbalance",), mendable=False),
    Disease("validation-overlap", overlap, ("validation-overlap",), harms=False),
    Disease("leaking-column", leak, ("leaking-column",)),
    Disease("duplicate-columns", repeated_columns, ("duplicate-columns",), harms=False),
    Disease("constant-columns", empty_columns, ("constant-columns",), harms=False),
    Disease("mislabelled-rows", wrong_labels, ("mislabelled-rows",), mendable=False),
    Disease("missing-class", lost_class, ("missing-class",), mendable=False),
    Disease("constant-target", one_answer, ("constant-target",), mendable=False),
    Disease("dominating-samples", far_targets, ("dominating-samples",)),
    Disease("target-scale", large_targets, ("target-scale",)),
    Disease("softmax-twice", softmax_twice, ("softmax-twice",)),
    Disease("no-softmax", no_softmax, ("no-softmax",)),
    Disease("sigmoid-for-classes", sigmoids, ("sigmoid-for-classes",)),
    Disease("bounded-output", bounded, ("bounded-output",)),
    Disease("symmetric-neurons", symmetric, ("symmetric-neurons",)),
    Disease("initialization-too-large", large_weights, ("initialization-too-large",)),
    Disease("initialization-too-small", small_weights, ("initialization-too-small",)),
    Disease("loss-at-start", sure_from_the_start, ("loss-at-start", "initialization-too-large")),
    Disease("dead-relu", dead, ("dead-relu",)),
    Disease("a dead ReLU of one's own", own_relu, ("dead-relu",)),
    Disease("saturated-activation", saturated, ("saturated-activation",)),
    Disease(
        "vanishing-gradients", deep_sigmoids, ("vanishing-gradients", "initialization-too-small")
    ),
    Disease("exploding-gradients", recurrence, ("exploding-gradients", "initialization-too-large")),
    Disease("underfitting", too_small, ("underfitting",)),
    Disease("learning-rate-too-high", high_rate, ("learning-rate-too-high", "not-a-number")),
    Disease("learning-rate-too-low", low_rate, ("learning-rate-too-low",)),
    Disease("still-improving", stopped_early, ("still-improving", "learning-rate-too-low")),
    Disease("unchanged-layer", frozen, ("unchanged-layer",)),
    Disease("train-predict-gap", slow_statistics, ("train-predict-gap",)),
    Disease("small-batches-for-batch-norm", tiny_batches, ("small-batches-for-batch-norm",)),
    Disease("overfitting", overtrained, ("overfitting",), mendable=False),
    Disease("wrong-backward", wrong_backward, ("wrong-backward",), mendable=False),
    Disease("a detached layer", detached, ("wrong-backward", "unchanged-layer"), mendable=False),
    Disease("not-a-number", logarithm, ("not-a-number",), mendable=False),
]

BY_ID = {disease.id: disease for disease in DISEASES}

PAIRS = [
    ("input-scale", "learning-rate-too-low"),
    ("input-scale", "softmax-twice"),
    ("softmax-twice", "learning-rate-too-low"),
    ("target-scale", "learning-rate-too-low"),
    ("initialization-too-large", "learning-rate-too-high"),
    ("not-finite-data", "softmax-twice"),
    ("not-finite-data", "learning-rate-too-low"),
    ("wrong-backward", "input-scale"),
]
"""Two at once: whichever is named first is right, and the other should be named too."""
