"""The gradient checker: right modules pass, wrong ones don't, and the verdict names the bug.

That it notices every way of breaking every module is tested in test_sabotage.py.
"""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    BackwardError,
    BinaryCrossEntropy,
    Buffer,
    CategoricalCrossEntropy,
    ConfigurationError,
    Dropout,
    Huber,
    InputError,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MeanAbsoluteError,
    MeanSquaredError,
    Module,
    Network,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    check_loss,
    check_module,
)
from chainrule.diagnosis.gradient_check import compare
from chainrule.diagnosis.gradient_check.compare import Pair, relative_errors
from chainrule.diagnosis.gradient_check.slopes import rounding_noise, slope, steps
from chainrule.errors import ModuleError
from chainrule.loss_functions import Loss


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class SeveralDropouts(Module):
    """A module whose generators stand in a list, as those of a stack do."""

    def __init__(self):
        self.rngs = [np.random.default_rng(seed) for seed in range(2)]

    def forward(self, x, training=True):
        masks = [rng.random(x.shape) > 0.5 for rng in self.rngs] if training else [1]
        self.save_for_backward(sum(masks), training=training)
        return x * sum(masks)

    def backward(self, dy):
        (mask,) = self.saved_values()
        return dy * mask


def test_generators_in_a_list_are_put_back_too():
    report = check_module(SeveralDropouts(), normal(4, 3))
    assert report.passed, str(report)


class Affine(Module):
    """A layer as a student writes it; the bugs below replace one of its three gradients."""

    def __init__(self, in_features=3, out_features=2):
        rng = np.random.default_rng(7)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(rng.standard_normal((in_features, out_features)))
        self.bias = Parameter(rng.standard_normal(out_features))

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x @ self.weight.value + self.bias.value

    def backward(self, dy):
        (x,) = self.saved_values()
        self.set_weight(x, dy)
        self.set_bias(dy)
        return self.dx(dy)

    def set_weight(self, x, dy):
        self.weight.grad = x.T @ dy

    def set_bias(self, dy):
        self.bias.grad = dy.sum(axis=0)

    def dx(self, dy):
        return dy @ self.weight.value.T


def affine(in_features=3, out_features=2, **methods):
    """Return an Affine with some of its methods replaced."""
    return type("Affine", (Affine,), methods)(in_features, out_features)


class Elementwise(Module):
    """y = function(x), dx = dy · derivative(x)."""

    def __init__(self, function, derivative):
        self.function, self.derivative = function, derivative

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return self.function(x)

    def backward(self, dy):
        (x,) = self.saved_values()
        return dy * self.derivative(x)


def relu(slope_left=0.0, slope_right=1.0):
    """A ReLU whose backward may be wrong on either side."""
    return Elementwise(
        lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, slope_right, slope_left)
    )


def result_of(report, name):
    (result,) = (r for r in report.gradients if r.name == name)
    return result


# ---------------------------------------------------------------- right modules pass


@pytest.mark.parametrize("seed", range(200))
def test_no_false_alarm_on_random_networks(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, rng.integers(2, 4))
    layers = []
    for in_features, out_features in itertools.pairwise(sizes):
        activation = (ReLU, LeakyReLU, Tanh, Sigmoid, LogSoftmax, Softmax)[rng.integers(6)]
        layers += [Linear(int(in_features), int(out_features), seed=rng), activation()]
    x = rng.standard_normal((rng.integers(1, 4), sizes[0]))
    report = check_module(Network(layers), x, seed=seed)
    assert report, str(report)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    exponents=st.tuples(*[st.integers(-8, 6)] * 3),
    activation=st.sampled_from([ReLU, Tanh, Softmax, LogSoftmax]),
)
def test_no_false_alarm_at_any_scale(exponents, activation):
    first, last = Linear(3, 4, seed=0), Linear(4, 2, seed=1)
    first.weight.value = first.weight.value * 10.0 ** exponents[0]
    last.weight.value = last.weight.value * 10.0 ** exponents[1]
    x = normal(3, 3) * 10.0 ** exponents[2]
    report = check_module(Network([first, activation(), last]), x)
    assert report, str(report)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e6])
@pytest.mark.parametrize("bug", [False, True])
def test_large_and_tiny_outputs_hide_nothing(scale, bug):
    def scaled_dx(self, dy):
        return scale * dy @ self.weight.value.T * (1 + 1e-5 * bug)

    def scaled_weight(self, x, dy):
        self.weight.grad = scale * x.T @ dy

    module = affine(
        forward=lambda self, x, training=True: scale * Affine.forward(self, x, training),
        dx=scaled_dx,
        set_weight=scaled_weight,
        set_bias=lambda self, dy: setattr(self.bias, "grad", scale * dy.sum(axis=0)),
    )
    report = check_module(module, normal(4, 3))
    assert [r.name for r in report.gradients if not r.passed] == ["input"] * bug


@pytest.mark.parametrize("loss", [MeanSquaredError(), MeanAbsoluteError(), Huber()])
def test_a_network_with_a_regression_loss(loss):
    report = check_module(Network([3, 6, 2], seed=1), normal(5, 3), loss=loss, y_true=normal(5, 2))
    assert report, str(report)


def test_a_network_with_a_classification_loss():
    net, x, classes = Network([3, 6, 4], seed=0), normal(5, 3), [0, 1, 2, 3, 0]
    assert check_module(net, x, loss=CategoricalCrossEntropy(), y_true=classes)
    logits = Network([Linear(3, 4, seed=0)])
    loss = CategoricalCrossEntropy(from_logits=True)
    assert check_module(logits, x, loss=loss, y_true=classes)


def test_a_loss_close_to_zero_is_no_false_alarm():
    net = Network([Linear(2, 2, seed=0), Softmax()])
    net.layers[0].weight.value = [[20.0, -20.0], [-20.0, 20.0]]
    report = check_module(net, np.eye(2), loss=CategoricalCrossEntropy(), y_true=[0, 1])
    assert report, str(report)


def test_as_many_kinks_as_a_convolution_has(monkeypatch):
    monkeypatch.setattr(compare, "MOST_ELEMENTS", 20)
    net = Network([5, 3000, 2], seed=0)  # 96,000 corners: there is always one within 1e-4
    report = check_module(net, normal(32, 5))
    assert report, str(report)


def test_integers_and_lists_are_taken():
    assert check_module(Linear(2, 1, seed=0), [[1, 2], [3, 4]])
    assert check_loss(MeanSquaredError(), [1, 2], [3, 5])


def test_one_number_as_parameter():
    class Gain(Module):
        def __init__(self):
            self.gain = Parameter(2.0)

        def forward(self, x, training=True):
            self.save_for_backward(x, training=training)
            return self.gain.value * x

        def backward(self, dy):
            (x,) = self.saved_values()
            self.gain.grad = (dy * x).sum() * self.factor
            return self.gain.value * dy

    Gain.factor = 1.0
    assert check_module(Gain(), normal(2, 2))
    Gain.factor = 1.1
    result = result_of(check_module(Gain(), normal(2, 2)), "gain")
    assert result.worst == ()
    assert result.hint == "1 of 1 elements are off, by no common factor: is a term missing?"


def test_a_module_that_normalizes_and_keeps_running_statistics():
    class Centre(Module):
        def __init__(self):
            self.mean = Buffer(np.zeros(3))

        def forward(self, x, training=True):
            self.save_for_backward(training=training)
            mean = x.mean(axis=0)
            self.mean.value = 0.9 * self.mean.value + 0.1 * mean
            return x - mean + self.mean.value  # the running mean shows, so it must be put back

        def backward(self, dy):
            self.saved_values()
            return dy - 0.9 * dy.mean(axis=0)

    for offset in (0.0, 1e6):
        report = check_module(Centre(), normal(4, 3) + offset)
        assert report, str(report)


def test_rounding_inside_the_module_is_no_false_alarm():
    module = Elementwise(lambda x: (x + 1e7) - 1e7, np.ones_like)
    report = check_module(module, normal(3, 3))
    assert report, str(report)
    assert result_of(report, "input").error > 1e-12  # there was rounding to forgive


def test_a_function_that_is_not_defined_everywhere():
    logarithm = Elementwise(np.log, lambda x: 1 / x)
    report = check_module(logarithm, [[1e-6, 0.1, 1.0, 1e3]])
    assert report, str(report)
    root = Elementwise(lambda x: np.sqrt(1 - x), lambda x: -0.5 / np.sqrt(1 - x))
    report = check_module(root, [[0.999999, 0.9999, 0.5]])  # close by, beyond 1, it is NaN
    assert report, str(report)


def test_dy_is_not_the_x_that_was_drawn_with_the_same_seed():
    class Guided(ReLU):
        def backward(self, dy):
            self.saved_values()
            return dy * (dy > 0)  # right where dy is x

    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((4, 4))
        assert not check_module(Guided(), x, seed=seed)


def test_a_function_that_refuses_what_is_outside():
    def arcsine(x):
        if np.abs(x).max() > 1:
            raise InputError("x must lie between -1 and 1.")
        return np.arcsin(x)

    right = Elementwise(arcsine, lambda x: 1 / np.sqrt(1 - x**2))
    for x in (0.9999, -0.9999999):  # a step, and a move, would leave the domain
        report = check_module(right, [[x, 0.5]])
        assert report, str(report)
    assert not check_module(Elementwise(arcsine, lambda x: 1 / (1 - x**2)), [[0.9999, 0.5]])
    with pytest.raises(InputError, match="between -1 and 1"):
        check_module(Elementwise(arcsine, np.ones_like), [[1.1]])


# ---------------------------------------------------------------- inputs of other kinds


class Lookup(Module):
    """y = table[x], and optionally + context: an embedding."""

    takes_indices = True

    def __init__(self):
        self.table = Parameter(normal(5, 2))

    def forward(self, x, training=True, context=None):
        self.save_for_backward(x, context is not None, training=training)
        y = self.table.value[x]
        return y if context is None else y + context**2 * 0.5

    def backward(self, dy):
        x, has_context = self.saved_values()
        grad = np.zeros(self.table.shape)
        np.add.at(grad, x, dy)
        self.table.grad = grad
        return (None, dy * CONTEXT) if has_context else None


CONTEXT = normal(3, 2, seed=5)


def test_indices_get_no_gradient():
    report = check_module(Lookup(), [0, 3, 3])
    assert report, str(report)
    assert [r.name for r in report.gradients] == ["table"]
    report = check_module(Lookup(), np.array([0, 3, 3]), arguments={"context": CONTEXT})
    assert {r.name: r.passed for r in report.gradients} == {"context": False, "table": True}
    # CONTEXT is a constant in that backward: right at this point, but not close by
    assert result_of(report, "context").hint.endswith("(seen at a point close to this x)")


class Memory(Module):
    """y = x · memory where mask: two inputs that get a gradient, and one that does not."""

    gradients = 2

    def forward(self, x, training=True, mask=None, memory=None):
        self.save_for_backward(x, mask, memory, training=training)
        return np.where(mask, x * memory, 0.0)

    def backward(self, dy):
        x, mask, memory = self.saved_values()
        dy = np.where(mask, dy, 0.0)
        return (dy * memory, dy * x, dy)[: self.gradients]


def test_further_arguments_of_forward():
    mask = np.array([[True, False, True]] * 2)
    arguments = {"mask": mask, "memory": normal(2, 3, seed=1).astype(np.float32)}
    report = check_module(Memory(), normal(2, 3), arguments=arguments)
    assert report, str(report)
    assert [r.name for r in report.gradients] == ["input", "memory"]

    module = Memory()
    module.gradients = 3
    with pytest.raises(ModuleError, match=r"returned 3 gradient\(s\), expected 2: of input, memo"):
        check_module(module, normal(2, 3), arguments=arguments)


@pytest.mark.parametrize("p", [0.1, 0.9])
def test_dropout_keeps_its_mask_during_the_check(p):
    net = Network([Linear(3, 5, seed=0), Dropout(p), Linear(5, 2, seed=1), Dropout(p)], seed=3)
    assert check_module(net, normal(4, 3))


# ---------------------------------------------------------------- kinks


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("side", [-1, 1])
def test_points_close_to_a_kink(distance, side):
    x = normal(3, 4)
    x[:, 1] = side * distance
    report = check_module(relu(), x)
    assert report, str(report)
    moved = result_of(report, "input").moved
    assert moved == (3 if distance < 1e-10 else 0 if distance > 1e-4 else moved)
    assert moved == 0 or f"{moved} of them at a point moved away from a kink" in str(report)
    # a slope that is wrong by one part in 10,000 on either side is noticed
    assert not check_module(relu(slope_right=1.0001), np.abs(x))
    assert not check_module(relu(slope_left=0.0001), -np.abs(x))


@pytest.mark.parametrize("slopes", [(0.0, 1.001), (0.001, 1.0), (1.0, 1.0), (0.0, 0.0), (0.0, -1)])
def test_all_elements_at_a_kink(slopes):
    x = np.zeros((4, 4))
    assert check_module(relu(), x)
    report = check_module(relu(*slopes), x)
    assert not report
    assert result_of(report, "input").moved == 16


class Maximum(Module):
    """y = the largest of each row; `share` of its gradient goes to the first largest."""

    share = 1.0

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x.max(axis=1, keepdims=True)

    def backward(self, dy):
        (x,) = self.saved_values()
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), x.argmax(axis=1)] = self.share * dy[:, 0]
        return dx


@pytest.mark.parametrize("gap", [0.0, 1e-8, 1e-6, 1e-5, 1e-4])
def test_ties(gap):
    x = np.ones((3, 4))
    x[:, 2] += gap
    report = check_module(Maximum(), x)
    assert report, str(report)
    wrong = Maximum()
    wrong.share = 1.0001
    assert not check_module(wrong, x)


def test_kinks_in_a_loss():
    y = normal(4, 3)
    report = check_loss(MeanAbsoluteError(), y, y)  # at its corner everywhere
    assert report, str(report)
    assert result_of(report, "y_pred").moved == 12
    assert check_loss(Huber(1.0), y, y + 1.0)


def test_a_kink_that_no_single_variable_shows():
    # Σ leaky(w leaky(b)) with w < 0 is smooth at b = 0, its slope is 0.1 w. By the chain rule it
    # is 0.01 w there: LeakyReLU's gradient at 0 is that of its negative side, twice.
    layers = [Linear(1, 1, seed=0), LeakyReLU(0.1), Linear(1, 1, seed=0), LeakyReLU(0.1)]
    layers[2].weight.value = [[-1.0]]
    report = check_module(Network(layers), np.zeros((2, 1)))
    assert report, str(report)
    layers[1] = Elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x: (x > 0) * 0.9 + 0.11)
    assert not check_module(Network(layers), np.zeros((2, 1)))


def test_a_gradient_that_is_wrong_at_one_point_alone():
    at_zero = Elementwise(np.sin, lambda x: np.where(x == 0, 0.0, np.cos(x)))
    assert not check_module(at_zero, np.zeros((2, 2)))
    with np.errstate(invalid="ignore"):
        assert not check_module(Elementwise(np.abs, lambda x: x / np.abs(x)), [[0.0, 1.0]])


def test_where_a_function_is_flat():
    cube = Elementwise(lambda x: x**3, lambda x: 3 * x**2)
    assert check_module(cube, np.zeros((3, 3)))
    assert not check_module(Elementwise(cube.function, lambda x: 3.01 * x**2), np.zeros((3, 3)))


def test_kinks_in_the_parameters():
    net = Network([Linear(3, 4, initialization="zero"), ReLU(), Linear(4, 2, seed=0)])
    report = check_module(net, normal(5, 3))  # every hidden unit is at its corner
    assert report, str(report)
    assert result_of(report, "layers.0.weight").moved == 12


@pytest.mark.parametrize(
    "function",
    [lambda x: x + 0.1 * np.sin(1e11 * x), lambda x: np.sin(1e12 * x)],
)
def test_a_function_without_slopes_is_not_called_right(function):
    report = check_module(Elementwise(function, np.zeros_like), normal(4, 4))
    assert not report
    assert "8 of 8 elements could not be measured: forward jumps" in str(report)


def test_a_large_array_whose_slope_along_a_direction_cannot_be_measured():
    x = normal(20, 20)

    def function(values):  # smooth while one element moves, rough where all do
        return values + (np.count_nonzero(values != x) > 1) * np.sin(1e12 * values)

    report = check_module(Elementwise(function, np.ones_like), x)
    assert not report
    assert result_of(report, "input").error < 1e-6
    assert "the slope along a direction could not be measured" in str(report)


def test_a_jump_is_not_excused_as_rounding():
    step = Elementwise(lambda x: np.where(x >= 0.7, x + 1.0, x), lambda x: np.full_like(x, 1.001))
    report = check_module(step, np.full((2, 2), 0.7))
    assert not report
    assert check_module(Elementwise(step.function, np.ones_like), np.full((2, 2), 0.7))


# ---------------------------------------------------------------- small errors, hidden ones


@pytest.mark.parametrize("place", [(0, 0), (5, 9), (15, 15)])
def test_a_subtle_error_in_one_element_of_256(place):
    def set_weight(self, x, dy):
        grad = x.T @ dy
        grad[place] *= 1 + 1e-5
        self.weight.grad = grad

    assert check_module(affine(16, 16), normal(4, 16))
    result = result_of(check_module(affine(16, 16, set_weight=set_weight), normal(4, 16)), "weight")
    assert not result.passed
    assert result.worst == place
    assert result.error == pytest.approx(1e-5, rel=0.01)
    assert result.hint == "1 of 256 elements are off"
    assert result.compared == 256


@pytest.mark.parametrize("seed", range(10))
def test_an_error_among_the_elements_that_are_not_compared(seed):
    place = tuple(np.random.default_rng(seed).integers(0, (200, 50)))

    def set_weight(self, x, dy):
        grad = x.T @ dy
        grad[place] += 1.0
        self.weight.grad = grad

    report = check_module(affine(200, 50, set_weight=set_weight), normal(3, 200), seed=seed)
    result = result_of(report, "weight")
    assert not result.passed
    assert result.worst == place, "it is found by halving"
    assert result.got - result.expected == pytest.approx(1.0, rel=0.01)


def test_an_error_that_shows_along_a_direction_alone():
    def set_weight(self, x, dy):  # every element is within the tolerance, 1e-6
        self.weight.grad = x.T @ dy * (1 + 0.9e-6 * np.sign(normal(5, 4)))

    module = affine(5, 4, set_weight=set_weight)
    reports = [check_module(module, normal(3, 5), seed=seed) for seed in range(10)]
    (first, *_) = [result_of(report, "weight") for report in reports if not report]
    assert first.worst is None
    assert 1e-6 < first.error < 1e-5
    assert "along a direction: backward says" in str(first)


@pytest.mark.parametrize("x", [np.ones((4, 3)), np.zeros((4, 3)), np.full((4, 3), -2.0)])
def test_an_input_that_hides_the_error(x):
    def set_weight(self, x, dy):
        self.weight.grad = np.outer(x[0], dy.sum(axis=0))  # as if all samples were the first

    report = check_module(affine(set_weight=set_weight), x)
    assert [r.name for r in report.gradients if not r.passed] == ["weight"]
    assert "(seen at a point close to this x)" in result_of(report, "weight").hint
    assert check_module(Affine(), x)


def test_nothing_tested_is_said():
    report = check_module(ReLU(), -np.ones((2, 2)))
    assert report
    assert result_of(report, "input").zero
    assert "zero, as it should be" in str(report)
    report = check_module(Linear(3, 2, seed=0), np.zeros((2, 3)))
    assert not result_of(report, "weight").zero, "it is zero at x, but tested close by"
    vanishing = Elementwise(lambda x: 1 + 1e-14 * x, lambda x: -1e-14 * np.ones_like(x))
    assert result_of(check_module(vanishing, normal(2, 2)), "input").zero


# ---------------------------------------------------------------- hints


def add_to_weight(self, x, dy):
    self.weight.grad += x.T @ dy


def part_of_weight(self, x, dy):
    self.weight.grad[:2] = (x.T @ dy)[:2]


def changed_weight(change):
    """Return a set_weight whose right gradient goes through `change`."""

    def set_weight(self, x, dy):
        self.weight.grad = change(x.T @ dy)

    return {"set_weight": set_weight}


def scaled(*index, by):
    def change(grad):
        grad = grad.copy()
        grad[index] *= by
        return grad

    return changed_weight(change)


def changed_dx(change):
    return {"dx": lambda self, dy: change(dy @ self.weight.value.T)}


@pytest.mark.parametrize(
    ("bug", "shape", "hint"),
    [
        (changed_weight(np.negative), (3, 2), "the right gradient with its sign flipped"),
        (changed_weight(lambda g: g * 5), (3, 2), "off by the factor 5 = the batch size: mean or"),
        (changed_weight(lambda g: -g * 5), (3, 2), "off by the factor -5 = -the batch size: mean"),
        (
            changed_weight(lambda g: g / 5),
            (3, 2),
            "off by the factor 0.2 = 1 / the batch size: mean or sum?",
        ),
        (
            changed_weight(lambda g: g * 3),
            (3, 2),
            "off by the factor 3 = the length of axis 0: mean or sum?",
        ),
        (changed_weight(lambda g: g * 3), (2, 3), "factor 3 = the number of outputs: mean or sum?"),
        (changed_weight(lambda g: g * 2), (3, 3), "off by the factor 2: is a 1/2 missing?"),
        (changed_weight(lambda g: g / 2), (3, 3), "off by the factor 0.5: is a 2 missing?"),
        (changed_weight(lambda g: g * 1.7), (3, 2), "off by the factor 1.7 everywhere"),
        (changed_weight(lambda g: g * 0), (3, 2), "zero everywhere"),
        (changed_weight(lambda g: g * np.nan), (3, 2), "6 values that are NaN or infinite"),
        (scaled(1, by=np.inf), (3, 2), "2 values that are NaN or infinite, only at 1 of axis 0"),
        (changed_weight(np.transpose), (3, 3), "transposed (axes 0 and 1)"),
        (
            changed_weight(lambda g: g.T.reshape(3, 2)),
            (3, 2),
            "a reshape where axes 0 and 1 must be transposed",
        ),
        (changed_weight(lambda g: g[::-1]), (3, 2), "reversed along axis 0"),
        (changed_weight(lambda g: g[::-1, ::-1]), (3, 4), "reversed along the last two axes"),
        (changed_weight(lambda g: np.roll(g, 1, 1)), (3, 4), "shifted by 1 along axis 1"),
        (changed_weight(lambda g: np.roll(g, -1, 0)), (3, 4), "shifted by -1 along axis 0"),
        (
            scaled(-1, by=0),
            (3, 2),
            "zero in 2 of 6 elements, only at the last of axis 0: is a part left out?",
        ),
        (scaled(slice(None), 1, by=0), (3, 3), "zero in 3 of 9 elements, only at 1 of axis 1: is"),
        (scaled(slice(None), 0, by=-1), (4, 3), "its sign flipped in 4 of 12 elements, only at 0 "),
        (scaled([0, 2], by=5), (4, 3), "a factor 5 = the batch size: mean or sum? in 6 of 12 "),
        (scaled([0, 2], by=[[1.5], [3.0]]), (4, 2), "4 of 8 elements are off, only at 0, 2 of ax"),
        (
            changed_weight(lambda g: g + 1),
            (3, 2),
            "6 of 6 elements are off, by no common factor: is a term missing?",
        ),
        ({"set_weight": lambda self, x, dy: None}, (3, 2), "backward never sets it"),
        ({"set_weight": add_to_weight}, (3, 2), "backward adds it to what was there; set it"),
        (
            {"set_weight": part_of_weight},
            (3, 2),
            "backward sets only a part; 2 of 6 elements keep what an earlier pass left there",
        ),
    ],
)
def test_hints_about_a_parameter(bug, shape, hint):
    report = check_module(affine(*shape, **bug), normal(5, shape[0]))
    assert [r.name for r in report.gradients if not r.passed] == ["weight"]
    assert hint in result_of(report, "weight").hint
    assert f"it looks like: {result_of(report, 'weight').hint}" in str(report)


@pytest.mark.parametrize(
    ("bug", "hint"),
    [
        (lambda dx: None, "backward returns None; is its return missing?"),
        (np.transpose, "shape (3, 5) for an array of shape (5, 3): transposed"),
        (lambda dx: dx.sum(axis=0), "of shape (3,) for an array of shape (5, 3): summed over the"),
        (lambda dx: dx.reshape(-1), "shape (15,) for an array of shape (5, 3): a reshape is miss"),
        (lambda dx: dx[1:], "a gradient of shape (4, 3) for an array of shape (5, 3)"),
    ],
)
def test_hints_about_the_input(bug, hint):
    report = check_module(affine(**changed_dx(bug)), normal(5, 3))
    result = result_of(report, "input")
    assert not result.passed
    assert result.error == np.inf
    assert hint in result.hint
    assert f"WRONG  input (5, 3): {result.hint}" in str(report)
    assert result_of(report, "weight").passed


@pytest.mark.parametrize(
    ("slopes", "hint"),
    [
        (
            (1.0, 1.0),
            "not zero in 8 of 12 elements where it should be, only where the input is negative: "
            "is a mask missing?",
        ),
        ((1.0, 0.0), "zero where it should not be, and the reverse: is a mask inverted"),
        ((0.0, 1.5), "off by the factor 1.5 everywhere"),
        ((0.0, 0.0), "zero everywhere"),
    ],
)
def test_hints_about_a_mask(slopes, hint):
    report = check_module(relu(*slopes), normal(4, 3, seed=3))
    assert hint in result_of(report, "input").hint


def test_hints_about_the_sign_of_the_input():
    leaky = Elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.where(x > 0, 1.5, 0.1))
    chequered = np.where(np.indices((4, 3)).sum(axis=0) % 2, 1.0, -1.0) * (1 + normal(4, 3) ** 2)
    hint = result_of(check_module(leaky, chequered), "input").hint
    assert hint == "a factor 1.5 in 6 of 12 elements, only where the input is positive"
    at_zero = np.where(normal(3, 4) > 0.5, 0.0, normal(3, 4))
    odd = Elementwise(lambda x: x * 1.0, lambda x: np.where(x == 0, 3.0 + np.arange(4), 1.0))
    hint = result_of(check_module(odd, at_zero), "input").hint
    assert "only where the input is zero" in hint


def test_hints_about_dy():
    class Skip(Residual):
        def backward(self, dy):
            return self.body.backward(dy)

    hint = result_of(check_module(Skip(Linear(3, 3, seed=0)), normal(4, 3)), "input").hint
    assert hint == "dy is missing from it: where y = x + ..., dx = dy + ..."
    square = Elementwise(np.square, np.ones_like)
    hint = result_of(check_module(square, normal(4, 3)), "input").hint
    assert hint == "dy passed on unchanged: is a derivative or a mask missing?"
    missing = Elementwise(np.exp, lambda x: np.exp(x) + x)
    hint = result_of(check_module(missing, normal(4, 3)), "input").hint
    assert hint == "12 of 12 elements are off, by no common factor: is a term missing?"


def test_hints_at_moved_points():
    hint = result_of(check_module(relu(1.0, 1.0), np.zeros((4, 4))), "input").hint
    assert hint.startswith("not zero in")
    assert hint.endswith("where it should be: is a mask missing?")


# ---------------------------------------------------------------- rules


class Careless(Tanh):
    """Tanh, that breaks the rule it is asked to break."""

    def __init__(self, rule):
        self.rule = rule
        self.buffers = {}

    def reused(self, name, array):
        """Return `array` in memory that is the same at every call."""
        self.buffers.setdefault(name, np.empty_like(array))[...] = array
        return self.buffers[name]

    def forward(self, x, training=True):
        if self.rule == "forward writes into its input":
            x[0] = 1.0
        y = np.tanh(x)
        if self.rule == "a second forward writes into the first one's output":
            y = self.reused("y", y)
        self.save_for_backward(x, y, training=training)
        return y

    def backward(self, dy):
        x, y = self.saved_values()
        if self.rule == "backward writes into its input dy":
            dy[0] = 0.0  # twice makes no difference, so the first time must be noticed
        dx = dy * (1 - y * y)
        if self.rule == "backward writes into the input of forward":
            x *= 2
        if self.rule == "backward writes into the output of forward":
            y *= 2
        if self.rule == "a second backward writes into what the first returned":
            dx = self.reused("dx", dx)
        if self.rule == "backward changes the type of dy":
            dx = dx.astype(np.float32)
        return dx


@pytest.mark.parametrize(
    "rule",
    [
        "forward writes into its input",
        "a second forward writes into the first one's output",
        "backward writes into its input dy",
        "backward writes into the input of forward",
        "backward writes into the output of forward",
        "a second backward writes into what the first returned",
        "backward changes the type of dy",
    ],
)
def test_broken_rules(rule):
    assert check_module(Careless(""), normal(3, 2))
    report = check_module(Careless(rule), normal(3, 2))
    assert not report
    assert [problem for problem in report.problems if problem.startswith(rule)]
    assert f"  WRONG  {rule}" in str(report)
    if all(result.passed for result in report.gradients):
        assert "the gradients are right, but a rule is broken" in str(report)


def test_read_only_arrays_are_never_given_to_the_module_as_its_own():
    x = normal(3, 2)
    x.flags.writeable = False
    assert check_module(Tanh(), x)


def random_numbers(x):
    return x * np.random.default_rng().random()


@pytest.mark.parametrize(
    ("module", "x", "problem"),
    [
        (Elementwise(random_numbers, np.ones_like), 1.0, "the same input gives different outputs"),
        (Elementwise(lambda x: x / 0 * 0, np.ones_like), 1.0, "returns NaN or infinity, in 4 of 4"),
        (Elementwise(np.float32, np.ones_like), 1.0, "forward returns float32 for float64"),
        (
            Elementwise(lambda x: np.float32(x).astype(x.dtype), np.ones_like),
            0.3,
            "forward does not react to a change of its input by 1e-9",
        ),
    ],
)
def test_what_cannot_be_checked(module, x, problem):
    with np.errstate(all="ignore"):
        report = check_module(module, np.full((2, 2), x))
    assert not report
    assert report.gradients == []
    assert problem in report.problems[0]
    assert "cannot be checked" in str(report)


def test_a_backward_that_learns_by_itself():
    def set_weight(self, x, dy):
        self.weight.grad = x.T @ dy
        self.weight.value -= 0.1 * self.weight.grad

    report = check_module(affine(set_weight=set_weight), normal(4, 3))
    assert report.problems == [
        "a pass changes the values of the parameters; leave that to the optimizer."
    ]


def test_a_plain_array_is_told():
    module = Affine()
    module.scale = np.ones(3)
    report = check_module(Sequential([module]), normal(4, 3))
    assert report
    assert "note   layers.0.scale is a plain array, so it is a constant: neither learned" in str(
        report
    )


# ---------------------------------------------------------------- errors


class Forgetful(Module):
    """Forward saves nothing."""

    def forward(self, x, training=True):
        return 2 * x

    def backward(self, dy):
        self.saved_values()
        return 2 * dy


class Clumsy(Module):
    """Backward multiplies by a matrix that does not fit."""

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        return 2 * x

    def backward(self, dy):
        self.saved_values()
        return dy @ np.ones((7, 7))


@pytest.mark.parametrize("container", [Sequential, Network])
def test_errors_in_a_pass_name_the_place(container):
    with pytest.raises(BackwardError, match=r"Forgetful \(layers.1\): there is no forw") as caught:
        check_module(container([Linear(3, 2, seed=0), Forgetful()]), normal(4, 3))
    assert "self.save_for_backward(..., training=training)" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="matmul") as caught:
        check_module(container([Linear(3, 2, seed=0), Clumsy()]), normal(4, 3))
    assert caught.value.__notes__ == ["in Clumsy (layers.1), given an array of shape (4, 2)"]
    with pytest.raises(ShapeError, match=r"Linear \(layers.0\): expected 3 features"):
        check_module(container([Linear(3, 2, seed=0)]), normal(4, 5))


def test_a_parameter_gradient_of_the_wrong_shape():
    wrong = affine(set_weight=lambda self, x, dy: setattr(self.weight, "grad", dy.T @ x))
    with pytest.raises(ShapeError, match=r"Affine \(layers.0\): .* cannot become \(2, 3\); .*tran"):
        check_module(Sequential([wrong]), normal(4, 3))


@pytest.mark.parametrize("output", [None, [1.0], np.float64(3.0), np.array(3.0)])
def test_forward_must_return_an_array(output):
    with pytest.raises(ModuleError, match="forward must return an array with one row a sample"):
        check_module(Elementwise(lambda x: output, np.ones_like), normal(2, 2))


@pytest.mark.parametrize(
    ("module", "x", "options", "error", "message"),
    [
        (ReLU, [[1.0]], {}, ConfigurationError, r"takes a Module.*Did you forget the \(\)\?"),
        (np.tanh, [[1.0]], {}, ConfigurationError, "takes a Module"),
        (ReLU(), [[1.0]], {"y_true": [0]}, ConfigurationError, "loss and y_true together"),
        (ReLU(), 1.0, {}, InputError, "x must be a batch of at least one sample"),
        (ReLU(), np.zeros((0, 3)), {}, InputError, "x must be a batch of at least one sample"),
        (ReLU(), [[np.nan]], {}, InputError, "x holds NaN or infinity"),
    ],
)
def test_wrong_use(module, x, options, error, message):
    with pytest.raises(error, match=message):
        check_module(module, x, **options)


def test_the_same_module_at_two_places_has_one_gradient():
    layer = Linear(3, 3, seed=0)
    report = check_module(Sequential([layer, ReLU(), layer]), normal(2, 3))
    assert report.passed, str(report)
    assert [r.name for r in report.gradients] == ["input", "layers.0.weight", "layers.0.bias"]


# ---------------------------------------------------------------- losses


class Cubic(Loss):
    """loss_n = Σ |p - y|³ / 3, with a place for each bug."""

    def __init__(self, bug=""):
        self.bug = bug

    def losses(self, y_true, y_pred):
        if self.bug == "infinite":
            return np.full(len(y_true), np.inf)
        if self.bug == "writes":
            y_pred[0] = 0.0
        return (np.abs(y_pred - y_true) ** 3).sum(axis=1) / 3

    def gradients(self, y_true, y_pred):
        return np.abs(y_pred - y_true) * (y_pred - y_true)

    def backward(self, y_true, y_pred, sample_weight=None):
        gradient = super().backward(y_true, y_pred, sample_weight)
        return {"none": None, "sum": gradient * len(gradient), "row": gradient[0]}.get(
            self.bug, gradient
        )


@pytest.mark.parametrize(
    ("bug", "text"),
    [
        ("none", "backward returns None"),
        ("sum", "off by the factor 4 = the batch size: mean or sum?"),
        ("row", "of shape (3,) for an array of shape (4, 3)"),
        ("infinite", "the loss is inf"),
        ("writes", "the loss writes into y_pred; make a new array instead"),
    ],
)
def test_losses(bug, text):
    assert check_loss(Cubic(), normal(4, 3), normal(4, 3, seed=1))
    report = check_loss(Cubic(bug), normal(4, 3), normal(4, 3, seed=1))
    assert not report
    assert text in str(report)


def test_sample_weights():
    weight = [1.0, 0.0, 3.0, 0.5]
    y_true, y_pred = normal(4, 3), normal(4, 3, seed=1)
    assert check_loss(Cubic(), y_true, y_pred, sample_weight=weight)

    class Unweighted(Cubic):
        def backward(self, y_true, y_pred, sample_weight=None):
            return super().backward(y_true, y_pred)

    assert check_loss(Unweighted(), y_true, y_pred)
    assert not check_loss(Unweighted(), y_true, y_pred, sample_weight=weight)


def test_a_loss_of_probabilities_close_to_their_edge():
    p = np.array([[1e-9, 1 - 1e-9], [0.999999, 0.000001]])
    assert check_loss(CategoricalCrossEntropy(), [0, 1], p)
    assert check_loss(BinaryCrossEntropy(), [1, 0], p[:, 1])


def test_a_module_with_a_loss_that_is_not_finite():
    report = check_module(Tanh(), normal(4, 3), loss=Cubic("infinite"), y_true=normal(4, 3))
    assert report.problems == ["the loss is NaN or infinite."]


# ---------------------------------------------------------------- the report, the user's module


def test_the_report_as_it_is_printed():
    def set_bias(self, dy):
        self.bias.grad = dy.mean(axis=0)

    report = check_module(affine(set_bias=set_bias), normal(4, 3))
    lines = str(report).splitlines()
    assert lines[0] == "Affine(): wrong: bias"
    assert lines[1].startswith("  right  input (4, 3): relative error ")
    assert lines[2].startswith("  right  weight (3, 2): relative error ")
    assert lines[3] == "  WRONG  bias (2,): relative error 7.5e-01"
    result = result_of(report, "bias")
    assert lines[4] == (
        f"         worst at {result.worst}: backward says {result.got:.6g}, "
        f"finite differences say {result.expected:.6g}"
    )
    assert lines[5] == (
        "         it looks like: off by the factor 0.25 = 1 / the batch size: mean or sum?"
    )
    assert len(lines) == 6


def test_the_report_of_a_right_module():
    report = check_module(Affine(30, 20), normal(4, 30))
    assert report.passed
    first, second, *_ = str(report).splitlines()
    assert first == "Affine(in_features=30, out_features=20): all gradients are right"
    assert second.startswith("  right  input (4, 30): relative error ")
    assert "weight (30, 20): relative error" in str(report)
    assert ", 256 elements compared" in str(report)


def test_where_to_begin_in_a_network():
    wrong = affine(4, 3, **scaled(0, by=2), **changed_dx(np.negative))
    report = check_module(
        Network([Linear(3, 4, seed=0), wrong, Linear(3, 2, seed=1)]), normal(4, 3)
    )
    assert [r.name for r in report.gradients if not r.passed] == [
        "input",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
    ]
    assert "note   a wrong backward makes all gradients before it wrong" in str(report)
    assert "start with layers.1.weight" in str(report)
    assert check_module(wrong, normal(4, 4)).notes == [], "one module: it is clear where"


def test_the_fields_of_a_result():
    result = result_of(check_module(affine(**scaled(1, 1, by=2)), normal(4, 3)), "weight")
    assert (result.name, result.shape, result.worst) == ("weight", (3, 2), (1, 1))
    assert result.got == pytest.approx(2 * result.expected, rel=1e-9)
    assert result.error == pytest.approx(1.0, rel=1e-6)
    assert (result.compared, result.moved, result.zero, result.passed) == (6, 0, False, False)
    right = result_of(check_module(Affine(), normal(4, 3)), "weight")
    assert (right.hint, right.worst, right.passed) == ("", None, True)
    assert 0 <= right.error < 1e-9


def test_the_tolerance_is_the_users():
    module = affine(**changed_weight(lambda g: g * 1.0001))
    assert not check_module(module, normal(4, 3))
    assert check_module(module, normal(4, 3), tolerance=1e-3)


def test_the_same_seed_gives_the_same_report():
    net, x = Network([3, 40, 2], seed=0), normal(40, 3)
    assert str(check_module(net, x, seed=4)) == str(check_module(net, x, seed=4))


def test_nothing_of_the_users_changes():
    np.random.seed(3)  # noqa: NPY002
    net = Network([Linear(3, 4, seed=0), Dropout(0.5, seed=0), ReLU(), Linear(4, 2, seed=1)])
    x, y_true, context = normal(4, 3), normal(4, 2), {}
    net.flat  # noqa: B018  (made when first looked at)
    y = net.forward(x)
    net.backward(np.ones_like(y))
    y = net.forward(x)  # a pass that is under way
    chance = copy.deepcopy(net.layers[1].rng.bit_generator.state)
    before = pickle.dumps([net.flat.values, net.flat.grads, net.state(), x, y_true, y])
    saved = [layer._saved for layer in net.layers]
    everywhere = np.random.get_state()[1].copy()  # noqa: NPY002
    assert check_module(net, x, loss=MeanSquaredError(), y_true=y_true, arguments=context)
    assert pickle.dumps([net.flat.values, net.flat.grads, net.state(), x, y_true, y]) == before
    assert net.layers[1].rng.bit_generator.state == chance
    assert all(now is then for now, then in zip([m._saved for m in net.layers], saved, strict=True))
    assert net.flat.current
    assert net.dtype == np.float32
    np.testing.assert_array_equal(np.random.get_state()[1], everywhere)  # noqa: NPY002
    net.backward(np.ones_like(y))  # the pass goes on


def test_arguments_are_left_alone():
    arguments = {"mask": np.ones((2, 3), bool), "memory": normal(2, 3)}
    kept = copy.deepcopy(arguments)
    assert check_module(Memory(), normal(2, 3), arguments=arguments)
    for name, value in kept.items():
        np.testing.assert_array_equal(arguments[name], value)


# ---------------------------------------------------------------- slopes


def measured(function, at, noise=1e-16, least=0.0, tolerance=1e-6):
    variable = np.array([at])
    found = slope(
        lambda: float(function(variable[0])),
        variable,
        np.ones(1),
        noise=noise,
        least=least,
        tolerance=tolerance,
    )
    assert variable[0] == at, "put back"
    return found


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (np.exp, 0.5, np.exp(0.5)),
        (np.sin, 1e6, np.cos(1e6)),
        (np.log, 1e-7, 1e7),
        (lambda v: 1 / v, -1e-8, -1e16),
        (lambda v: np.tanh(1e5 * v), 1e-6, 1e5 / np.cosh(0.1) ** 2),
        (abs, 1e-5, 1.0),
        (abs, -1e-6, -1.0),
    ],
)
def test_slopes(function, at, expected):
    found = measured(function, at)
    assert found is not None
    assert abs(found.value - expected) <= 1e-6 * abs(expected) + found.uncertainty


@pytest.mark.parametrize(
    "function",
    [abs, lambda v: max(v, 0.0), lambda v: abs(v) + np.sin(v), lambda v: np.cbrt(v), np.sign],
)
def test_there_is_no_slope_at_a_kink(function):
    assert measured(function, 0.0) is None


def test_a_slope_that_rounding_drowns_is_not_measured():
    assert measured(lambda v: 1e-6 * abs(v - 1e-6), 0.0, noise=1e-13) is None


@pytest.mark.parametrize("distance", 10.0 ** -np.arange(1, 9, 0.25))
def test_a_kink_at_any_distance_never_gives_a_wrong_slope(distance):
    found = measured(lambda v: max(v - distance, 0.0) + v, 0.0)
    assert found is None or abs(found.value - 1) <= 1e-6 + found.uncertainty


def test_steps_are_powers_of_two_that_suit_the_numbers():
    for size, own_size in itertools.product((1e-8, 1.0, 3e6), repeat=2):
        found = list(steps(size, own_size))
        assert found[0] >= 2.0**-10 * max(size, 1)
        assert found[-1] <= 2.0**-30 * min(size, own_size, 1)
        assert all(np.frexp(step)[0] == 0.5 for step in found)


def test_rounding_noise_is_relative_and_leaves_the_variables():
    x = normal(100)
    kept, rng = x.copy(), np.random.default_rng(0)
    exact = rounding_noise(lambda: float(x.sum()), [x], float(np.abs(x).sum()), rng)
    assert 1e-16 < exact < 1e-15
    far = x + 1e6
    rough = rounding_noise(lambda: float(((far - far.mean()) ** 2).sum()), [far], 100.0, rng)
    assert rough > 10 * exact
    jump = rounding_noise(lambda: float((x > kept).sum()), [x], 1.0, rng)
    assert jump < 1.1e-10
    np.testing.assert_array_equal(x, kept)


def test_the_gap_between_two_accounts():
    assert Pair(1.0, 3.0).gap() == 2.0
    assert Pair(np.nan, 3.0).gap() == np.inf
    assert Pair(1.0, np.nan).gap() == 0.0, "there is nothing to compare with"


def test_relative_errors():
    errors = relative_errors(
        np.array([1.1, np.nan, np.inf, 5.0, 1e-5, 1e-12]),
        np.array([1.0, 1.0, 1.0, np.nan, 0.0, 0.0]),
        np.zeros(6),
    )
    np.testing.assert_allclose(errors, [0.1, np.inf, np.inf, 0.0, 1e-2, 1e-9])
