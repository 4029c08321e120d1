"""The gradient checker notices every way of breaking every backward.

First generically: every gradient of every case of the battery is spoilt after its backward has
run. Then by hand: the backwards of the core, broken as people really break them.
"""

import numpy as np
import pytest
from cases import Case, all_cases

from chainrule import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Dropout,
    Huber,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MeanAbsoluteError,
    MeanSquaredError,
    Module,
    Neuron,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    check_loss,
    check_module,
)
from chainrule.diagnosis.gradient_check import compare
from chainrule.layers.activations import softmax
from chainrule.module import cast
from chainrule.network import code_columns

WAYS = 4  # in which each gradient is broken
LONG = 5  # of so many cases the short run takes one
Array = np.ndarray

# ---------------------------------------------------------------- every module, generically


def flipped(right, dy, before):
    return -right


def doubled(right, dy, before):
    return 2 * right


def summed_over_the_batch(right, dy, before):
    return len(dy) * right


def without_the_last_row(right, dy, before):
    wrong = right.copy()
    wrong[-1:] = 0.0
    return wrong


def without_the_largest(right, dy, before):
    wrong = right.copy()
    wrong.reshape(-1)[np.abs(right).argmax()] = 0.0
    return wrong


def rolled(right, dy, before):
    return np.roll(right, 1, axis=int(np.argmax(right.shape)))


def turned(right, dy, before):
    """Reshape where a transpose is needed."""
    return right.T.reshape(right.shape)


def without_its_mask(right, dy, before):
    """Let dy through where the gradient is zero."""
    return np.where(right == 0, dy if dy.shape == right.shape else 1.0, right)


def never_set(right, dy, before):
    return before


SABOTAGES = (
    flipped,
    without_the_last_row,
    doubled,
    rolled,
    without_its_mask,
    without_the_largest,
    never_set,
    turned,
    summed_over_the_batch,
)


class Sabotaged(Module):
    """A module all of whose gradients go through spoil(name, right, dy, before)."""

    def __init__(self, module, spoil):
        self.module, self.spoil = module, spoil
        self.takes_indices = module.takes_indices
        self.code_columns = code_columns(module)

    def forward(self, x, training=True, **arguments):
        return self.module.forward(x, training, **arguments)

    def backward(self, dy):
        parameters = self.module.named_parameters()
        before = {name: p.grad.copy() for name, p in parameters.items()}
        returned = self.module.backward(dy)
        for name, p in parameters.items():
            p.grad = self.spoil(name, p.grad.copy(), dy, before[name])
        gradients = returned if isinstance(returned, tuple) else (returned,)
        spoilt = tuple(
            dx if dx is None else self.spoil(f"input {i}", dx, dy, np.zeros_like(dx))
            for i, dx in enumerate(gradients)
        )
        return spoilt if isinstance(returned, tuple) else spoilt[0]


def changes(wrong: Array, right: Array, dy: Array) -> bool:
    """Whether a sabotage has changed anything, beyond rounding."""
    least = 1e-3 * np.abs(right).max(initial=0.0) + 1e-9 * np.abs(dy).max()
    return bool((np.abs(wrong - right) > least).any())


def working_sabotages(case: Case) -> dict[str, list]:
    """Return those that change something, by the name of the gradient."""
    found: dict[str, list] = {}

    def spoil(name, right, dy, before):
        found[name] = [s for s in SABOTAGES if changes(s(right, dy, before), right, dy)]
        return right

    module, x = Sabotaged(case.build(), spoil), case.input()
    cast(module, np.float64)
    y = module.forward(x, True, **case.arguments)
    module.backward(np.random.default_rng(0).standard_normal(y.shape))
    return found


def name_in_report(name: str, case: Case) -> str:
    floats = [n for n, value in case.arguments.items() if np.asarray(value).dtype.kind == "f"]
    place = name.removeprefix("input ")
    return f"module.{name}" if place == name else ["input", *floats][int(place)]


def measured_once(slope):
    """Return `slope` with a memory: what is measured at a point does not depend on backward."""
    memory: dict[bytes, object] = {}

    def remembered(value, variable, direction, **options):
        if not hasattr(value, "__self__"):  # along no single variable
            return slope(value, variable, direction, **options)
        everything = value.__self__.subject.variables.items()
        place = [name.encode() + array.tobytes() for name, array in everything]
        moving = [name.encode() for name, array in everything if array is variable]
        key = b" ".join([*place, *moving, direction.tobytes()])
        if key not in memory:
            memory[key] = slope(value, variable, direction, **options)
        return memory[key]

    return remembered


@pytest.mark.parametrize(
    ("number", "case"),
    [
        pytest.param(n, case, id=case.name, marks=[pytest.mark.long] if n % LONG else [])
        for n, case in enumerate(all_cases())
    ],
)
def test_every_sabotage_of_every_gradient_is_noticed(number, case, monkeypatch):
    monkeypatch.setattr(compare, "MOST_ELEMENTS", 4)  # for speed, as the next line
    monkeypatch.setattr(compare, "slope", measured_once(compare.slope))
    working = working_sabotages(case)
    chosen = {  # others for every case, so that all of them have their turn
        name: [sabotages[(number + i) % len(sabotages)] for i in range(min(WAYS, len(sabotages)))]
        for name, sabotages in working.items()
    }
    for way in range(WAYS):
        assigned = {name: some[way] for name, some in chosen.items() if way < len(some)}
        changed: dict[str, bool] = {}

        def spoil(name, right, dy, before, assigned=assigned, changed=changed):
            if name not in assigned:
                return right
            wrong = assigned[name](right, dy, before)
            changed.setdefault(name, changes(wrong, right, dy))  # at the first pass, at x itself
            return wrong

        module = Sabotaged(case.build(), spoil)
        report = check_module(module, case.input(), arguments=case.arguments)
        passed = {result.name: result.passed for result in report.gradients}
        for name in working:
            noticed = not passed[name_in_report(name, case)]
            expected = changed.get(name, False)
            assert noticed or not expected, f"{assigned[name].__name__} of {name}\n{report}"
            assert expected or name in assigned or not noticed, f"{name} is right\n{report}"


def test_most_gradients_are_broken_in_several_ways():
    working = [
        (case.name, *item) for case in all_cases() for item in working_sabotages(case).items()
    ]
    few = [f"{case}: {name}" for case, name, sabotages in working if len(sabotages) < WAYS]
    assert len(few) < 0.1 * len(working), few
    used = {sabotage for _, _, sabotages in working for sabotage in sabotages}
    assert used == set(SABOTAGES)


# ---------------------------------------------------------------- the core, by hand


def broken(kind, backward):
    """Return a subclass whose backward calls backward(self, dy, *saved)."""

    class Broken(kind):
        def backward(self, dy):
            return backward(self, dy, *self.saved_values())

    return Broken


def linear(weight=None, bias=None, dx=None):
    """Return a Linear, one of whose three gradients is another formula."""

    def backward(self, dy, x):
        w = self.weight.value
        self.weight.grad = x.T @ dy if weight is None else weight(x, dy)
        self.bias.grad = dy.sum(axis=0) if bias is None else bias(x, dy)
        return dy @ w.T if dx is None else dx(dy, w)

    return broken(Linear, backward)(4, 4, seed=0)


def neuron(weight=None, bias=None, dx=None):
    def backward(self, dy, x):
        w = self.weight.value
        self.weight.grad = dy[:, 0] @ x if weight is None else weight(x, dy)
        self.bias.grad = dy.sum(axis=0) if bias is None else bias(x, dy)
        return dy * w if dx is None else dx(dy, w)

    return broken(Neuron, backward)(4, seed=0)


def residual(backward):
    """Return a Residual; its backward gets the dx of the body, which saves nothing itself."""

    class Broken(Residual):
        def backward(self, dy):
            return backward(dy, self.body.backward(dy))

    return Broken(Sequential([Linear(4, 4, seed=0), Tanh()]))


def sequential(backward):
    class Broken(Sequential):
        def backward(self, dy):
            return backward(self.layers, dy)

    return Broken([Linear(4, 4, seed=0), Tanh(), Linear(4, 4, seed=1)])


def wrong_order(layers, dy):
    for layer in layers:
        dy = layer.backward(dy)
    return dy


def without_the_middle(layers, dy):
    return layers[0].backward(layers[2].backward(dy))


def without_the_first(layers, dy):
    return layers[1].backward(layers[2].backward(dy))


def dy_to_each(layers, dy):
    return [layer.backward(dy) for layer in reversed(layers)][-1]


def doubled_on_the_way(layers, dy):
    return layers[0].backward(2 * layers[1].backward(layers[2].backward(dy)))


def without_scale(dy, mask):
    return dy * (mask != 0)


def total(dy):
    """Σ_j dy_j, along the last axis."""
    return dy.sum(axis=-1, keepdims=True)


def simple(kind, *formulas, **options):
    return [broken(kind, lambda self, dy, *s, f=f: f(dy, *s))(**options) for f in formulas]


BROKEN_BY_HAND = {
    "Linear": [
        linear(weight=lambda x, dy: -x.T @ dy),
        linear(weight=lambda x, dy: dy.T @ x),
        linear(weight=lambda x, dy: x.T @ dy / len(x)),
        linear(weight=lambda x, dy: x.T @ np.ones_like(dy)),
        linear(weight=lambda x, dy: np.outer(x[0], dy[0])),
        linear(bias=lambda x, dy: dy.mean(axis=0)),
        linear(bias=lambda x, dy: dy[0]),
        linear(bias=lambda x, dy: np.full(4, dy.sum())),
        linear(bias=lambda x, dy: np.zeros(4)),
        linear(dx=lambda dy, w: dy @ w),
        linear(dx=lambda dy, w: -dy @ w.T),
        linear(dx=lambda dy, w: dy @ w.T / len(dy)),
        linear(dx=lambda dy, w: dy),
    ],
    "Neuron": [
        neuron(weight=lambda x, dy: -dy[:, 0] @ x),
        neuron(weight=lambda x, dy: (dy * x).mean(axis=0)),
        neuron(weight=lambda x, dy: x.sum(axis=0)),
        neuron(bias=lambda x, dy: dy.mean(axis=0)),
        neuron(bias=lambda x, dy: dy[0]),
        neuron(dx=lambda dy, w: np.tile(w, (len(dy), 1))),
        neuron(dx=lambda dy, w: dy * w[::-1]),
        neuron(dx=lambda dy, w: dy * w / len(dy)),
    ],
    "ReLU": simple(
        ReLU,
        lambda dy, y: dy,
        lambda dy, y: -dy * (y > 0),
        lambda dy, y: dy * (y <= 0),
        lambda dy, y: y * (y > 0),
        lambda dy, y: dy * (dy > 0),
        lambda dy, y: (y > 0) * 1.0,
    ),
    "LeakyReLU": simple(
        LeakyReLU,
        lambda dy, x: dy * (x > 0),
        lambda dy, x: np.where(x > 0, 0.3 * dy, dy),
        lambda dy, x: np.where(x > 0, dy, -0.3 * dy),
        lambda dy, x: np.where(x > 0, dy, 0.3),
        lambda dy, x: np.where(x > 0, dy, dy / 0.3),
        negative_slope=0.3,
    ),
    "Sigmoid": simple(
        Sigmoid,
        lambda dy, y: dy * y,
        lambda dy, y: dy * (1 - y),
        lambda dy, y: -dy * y * (1 - y),
        lambda dy, y: dy * y * (1 + y),
        lambda dy, y: y * (1 - y),
        lambda dy, y: dy * y * (1 - y * y),
    ),
    "Tanh": simple(
        Tanh,
        lambda dy, y: dy * (1 - y),
        lambda dy, y: dy * (1 + y * y),
        lambda dy, y: dy * (y * y - 1),
        lambda dy, y: 1 - y * y,
        lambda dy, y: dy * (1 - np.tanh(y) ** 2),
    ),
    "Softmax": simple(
        Softmax,
        lambda dy, y: dy * y,
        lambda dy, y: dy * y * (1 - y),
        lambda dy, y: y * (dy + total(dy * y)),
        lambda dy, y: y * (dy - total(dy)),
        lambda dy, y: y * (dy - (dy * y).sum(axis=0)),
        lambda dy, y: dy - total(dy * y),
        lambda dy, y: y * (dy - (dy * y).mean(axis=-1, keepdims=True)),
    ),
    "LogSoftmax": simple(
        LogSoftmax,
        lambda dy, y: dy,
        lambda dy, y: dy + np.exp(y) * total(dy),
        lambda dy, y: dy - y * total(dy),
        lambda dy, y: dy - np.exp(y) * dy,
        lambda dy, y: dy - np.exp(y) * dy.sum(axis=0),
        lambda dy, y: dy - total(dy) / 4,
    ),
    "Dropout": simple(
        Dropout,
        lambda dy, mask: dy,
        lambda dy, mask: dy * (mask == 0),
        without_scale,
        lambda dy, mask: -dy * mask,
        lambda dy, mask: dy * mask * mask,
        p=0.5,
        seed=0,
    ),
    "Residual": [
        residual(lambda dy, dx: dx),
        residual(lambda dy, dx: dy),
        residual(lambda dy, dx: dy - dx),
        residual(lambda dy, dx: dx - dy),
        residual(lambda dy, dx: (dy + dx) / 2),
        residual(lambda dy, dx: dy * dx),
    ],
    "Sequential": [
        sequential(wrong_order),
        sequential(without_the_middle),
        sequential(without_the_first),
        sequential(dy_to_each),
        sequential(doubled_on_the_way),
        sequential(lambda layers, dy: -Sequential.backward(Sequential(layers), dy)),
    ],
}

UNBROKEN = [
    linear(),
    neuron(),
    ReLU(),
    LeakyReLU(0.3),
    Sigmoid(),
    Tanh(),
    Softmax(),
    LogSoftmax(),
    Dropout(0.5, seed=0),
    residual(lambda dy, dx: dy + dx),
    sequential(lambda layers, dy: Sequential.backward(Sequential(layers), dy)),
]


def batch():
    return np.random.default_rng(0).standard_normal((4, 4))


@pytest.mark.parametrize("module", UNBROKEN, ids=repr)
def test_the_core_unbroken(module):
    report = check_module(module, batch())
    assert report, str(report)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        pytest.param(name, module, id=f"{name}-{place}")
        for name, modules in BROKEN_BY_HAND.items()
        for place, module in enumerate(modules)
    ],
)
def test_the_core_broken_by_hand(name, module):
    report = check_module(module, batch())
    assert not report, str(report)
    assert not all(result.passed for result in report.gradients), "a gradient, not a rule, is wrong"
    assert report.gradients[0].name == "input"


def test_each_of_the_core_is_broken_in_several_ways():
    assert all(len(modules) >= WAYS for modules in BROKEN_BY_HAND.values())
    assert len(BROKEN_BY_HAND) == len(UNBROKEN)


# ---------------------------------------------------------------- losses, by hand

CLASSES = np.array([0, 2, 1, 0, 2])


def probabilities():
    return softmax(np.random.default_rng(1).standard_normal((5, 3)))


def numbers(seed):
    return np.random.default_rng(seed).standard_normal((5, 3))


YES_OR_NO = (numbers(3) > 0).astype(float)

LOSSES = [  # each with data, and wrong gradients of single samples
    (
        CategoricalCrossEntropy(),
        CLASSES,
        probabilities(),
        [
            lambda y, p: y / p,
            lambda y, p: -1 / p,
            lambda y, p: p - y,
            lambda y, p: -y / p / len(p),
            lambda y, p: -y * np.log(p),
            lambda y, p: -y / p / p.shape[1],
        ],
    ),
    (
        CategoricalCrossEntropy(from_logits=True),
        CLASSES,
        numbers(2),
        [
            lambda y, z: y - softmax(z),
            lambda y, z: softmax(z),
            lambda y, z: softmax(z, axis=0) - y,
            lambda y, z: -y / softmax(z),
            lambda y, z: (softmax(z) - y) / 3,
            lambda y, z: y * (softmax(z) - y),
        ],
    ),
    (
        BinaryCrossEntropy(),
        YES_OR_NO,
        probabilities(),
        [
            lambda y, p: -y / p / 3,
            lambda y, p: (y / p - (1 - y) / (1 - p)) / 3,
            lambda y, p: (1 - y) / (1 - p) - y / p,
            lambda y, p: (p - y) / 3,
            lambda y, p: (-(1 - y) / (1 - p) - y / p) / 3,
        ],
    ),
    (
        BinaryCrossEntropy(from_logits=True),
        YES_OR_NO,
        numbers(2),
        [
            lambda y, z: 1 / (1 + np.exp(-z)) - y,
            lambda y, z: (y - 1 / (1 + np.exp(-z))) / 3,
            lambda y, z: (z - y) / 3,
            lambda y, z: 1 / (1 + np.exp(-z)) / 3,
        ],
    ),
    (
        MeanSquaredError(),
        numbers(1),
        numbers(2),
        [
            lambda y, p: (p - y) / 3,
            lambda y, p: 2 * (y - p) / 3,
            lambda y, p: 2 * (p - y),
            lambda y, p: 2 * p / 3,
            lambda y, p: 2 * np.abs(p - y) / 3,
        ],
    ),
    (
        MeanAbsoluteError(),
        numbers(1),
        numbers(2),
        [
            lambda y, p: np.sign(p - y),
            lambda y, p: np.sign(y - p) / 3,
            lambda y, p: np.sign(p) / 3,
            lambda y, p: (p - y) / 3,
            lambda y, p: np.ones_like(p) / 3,
        ],
    ),
    (
        Huber(0.5),
        numbers(1),
        numbers(2),
        [
            lambda y, p: (p - y) / 3,
            lambda y, p: np.sign(p - y) * 0.5 / 3,
            lambda y, p: np.clip(p - y, -1, 1) / 3,
            lambda y, p: np.clip(y - p, -0.5, 0.5) / 3,
            lambda y, p: np.clip(p - y, -0.5, 0.5),
            lambda y, p: np.clip(p - y, None, 0.5) / 3,
        ],
    ),
]


@pytest.mark.parametrize("row", LOSSES, ids=lambda row: repr(row[0]))
def test_losses_broken_by_hand(row):
    loss, y_true, y_pred, formulas = row
    report = check_loss(loss, y_true, y_pred)
    assert report, str(report)
    assert len(formulas) >= WAYS
    kind = type(loss)
    for place, formula in enumerate(formulas):

        class Broken(kind):
            def gradients(self, y_true, y_pred, formula=formula):
                return formula(y_true, y_pred)

        wrong = Broken(**vars(loss))
        assert not check_loss(wrong, y_true, y_pred), f"{kind.__name__}, gradient {place}"


@pytest.mark.parametrize("row", LOSSES, ids=lambda row: repr(row[0]))
@pytest.mark.parametrize(
    "spoil",
    [
        lambda gradient: gradient * len(gradient),
        lambda gradient: gradient / len(gradient),
        lambda gradient: -gradient,
        lambda gradient: np.where(np.arange(len(gradient))[:, None] == 4, 0.0, gradient),
        lambda gradient: gradient[::-1],
    ],
)
def test_the_mean_of_losses_broken_by_hand(row, spoil):
    loss, y_true, y_pred, _ = row

    class Broken(type(loss)):
        def backward(self, y_true, y_pred, sample_weight=None):
            return spoil(super().backward(y_true, y_pred, sample_weight))

    assert not check_loss(Broken(**vars(loss)), y_true, y_pred)
