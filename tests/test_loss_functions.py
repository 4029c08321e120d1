"""Losses: values and gradients, and what is refused at the door."""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule
from chainrule import (
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    CategoricalCrossEntropy,
    CategoricalFocalCrossEntropy,
    CategoricalHinge,
    ConfigurationError,
    CosineSimilarity,
    Hinge,
    Huber,
    InputError,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiMargin,
    Poisson,
    Quantile,
    check_loss,
)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ---------------------------------------------------------------- one row a loss


@dataclass(frozen=True)
class Case:
    """A loss, data for it, and the loss of one sample as the formula says, in plain Python.

    y_true and y_pred are functions (rng, samples) -> array; reference takes one sample's rows;
    target_weights says how much a sample counts, by its y_true.
    """

    loss: Loss
    y_true: Callable
    y_pred: Callable
    reference: Callable
    target_weights: Callable = lambda y: 1.0

    @property
    def name(self):
        return repr(self.loss)

    def data(self, samples=6, seed=0):
        rng = np.random.default_rng(seed)
        return self.y_true(rng, samples), self.y_pred(rng, samples)


def labels(rng, n):
    return rng.integers(0, 4, n)


def one_hot_rows(rng, n):
    return np.eye(4)[rng.integers(0, 4, n)]


def distributions(rng, n):
    return softmax(rng.standard_normal((n, 4)))


def logits(rng, n):
    return 2 * rng.standard_normal((n, 4))


def probabilities(rng, n):
    return 0.8 * softmax(logits(rng, n)) + 0.05  # far enough from 0 for finite differences


def yes_or_no(rng, n):
    return rng.integers(0, 2, (n, 3))


def shares_of_yes(rng, n):
    return rng.uniform(0, 1, (n, 3))


def three(rng, n):
    return 2 * rng.standard_normal((n, 3))


def chances(rng, n):
    return 0.8 * sigmoid(three(rng, n)) + 0.1


def categorical(y, p):
    return -sum(a * math.log(b) for a, b in zip(y, p, strict=True))


def of_label(y, p):
    return -math.log(p[int(y)])


def binary(y, p):
    terms = [-a * math.log(b) - (1 - a) * math.log(1 - b) for a, b in zip(y, p, strict=True)]
    return sum(terms) / len(terms)


def mean_over_outputs(term):
    return lambda y, p: sum(term(a, b) for a, b in zip(y, p, strict=True)) / len(p)


def huber(delta):
    def term(a, b):
        error = abs(a - b)
        return error**2 / 2 if error <= delta else delta * (error - delta / 2)

    return mean_over_outputs(term)


def focal(gamma, weight=(1, 1, 1, 1)):
    def loss(y, p):
        return -sum(
            w * a * (1 - b) ** gamma * math.log(b) for w, a, b in zip(weight, y, p, strict=True)
        )

    return loss


def binary_focal(gamma, alpha):
    return mean_over_outputs(
        lambda a, b: (
            -alpha * a * (1 - b) ** gamma * math.log(b)
            - (1 - alpha) * (1 - a) * b**gamma * math.log(1 - b)
        )
    )


def counts(rng, n):
    return rng.poisson(2.0, (n, 3))


def rates(rng, n):
    return rng.uniform(0.5, 4, (n, 3))


def signs(rng, n):
    return rng.choice([-1, 1], (n, 3))


def divergence(y, p):
    return sum(a * math.log(a / b) for a, b in zip(y, p, strict=True) if a > 0)


def pinball(q):
    return mean_over_outputs(lambda a, b: q * (a - b) if a >= b else (1 - q) * (b - a))


def keras_hinge(y, s):
    rival = max((1 - a) * b for a, b in zip(y, s, strict=True))
    return max(0, 1 + rival - sum(a * b for a, b in zip(y, s, strict=True)))


def multi_margin(margin):
    def loss(y, s):
        rivals = (margin + s[c] - s[y] for c in range(len(s)) if c != y)
        return sum(max(0, excess) for excess in rivals) / len(s)

    return loss


def one_less_cosine(y, p):
    lengths = math.sqrt(sum(a * a for a in y)) * math.sqrt(sum(b * b for b in p))
    return 1 - sum(a * b for a, b in zip(y, p, strict=True)) / lengths


def unit(label):
    return np.eye(4)[label]


WEIGHTS = (1.0, 0.5, 3.0, 0.25)


def smooth(y):
    return 0.9 * np.asarray(y) + 0.1 / 4


def weighed(y, p):
    return -sum(w * a * math.log(b) for w, a, b in zip(WEIGHTS, y, p, strict=True))


CASES = [
    Case(CategoricalCrossEntropy(), labels, probabilities, of_label),
    Case(CategoricalCrossEntropy(), one_hot_rows, probabilities, categorical),
    Case(CategoricalCrossEntropy(), distributions, probabilities, categorical),
    Case(
        CategoricalCrossEntropy(from_logits=True),
        labels,
        logits,
        lambda y, z: of_label(y, softmax(z)),
    ),
    Case(
        CategoricalCrossEntropy(from_logits=True),
        distributions,
        logits,
        lambda y, z: categorical(y, softmax(z)),
    ),
    Case(
        CategoricalCrossEntropy(label_smoothing=0.1),
        labels,
        probabilities,
        lambda y, p: categorical(smooth(unit(y)), p),
    ),
    Case(
        CategoricalCrossEntropy(class_weight=WEIGHTS),
        labels,
        probabilities,
        lambda y, p: WEIGHTS[y] * of_label(y, p),
        lambda y: WEIGHTS[y],
    ),
    Case(
        CategoricalCrossEntropy(from_logits=True, label_smoothing=0.1, class_weight=WEIGHTS),
        distributions,
        logits,
        lambda y, z: weighed(smooth(y), softmax(z)),
        lambda y: np.dot(WEIGHTS, y),
    ),
    Case(KLDivergence(), distributions, probabilities, divergence),
    Case(KLDivergence(), one_hot_rows, probabilities, divergence),
    Case(
        KLDivergence(from_logits=True),
        distributions,
        logits,
        lambda y, z: divergence(y, softmax(z)),
    ),
    Case(
        CategoricalFocalCrossEntropy(),
        labels,
        probabilities,
        lambda y, p: focal(2)(unit(y), p),
    ),
    Case(
        CategoricalFocalCrossEntropy(gamma=0.5, class_weight=WEIGHTS),
        one_hot_rows,
        probabilities,
        focal(0.5, WEIGHTS),
        lambda y: np.dot(WEIGHTS, y),
    ),
    Case(
        CategoricalFocalCrossEntropy(gamma=1.5, from_logits=True, label_smoothing=0.1),
        distributions,
        logits,
        lambda y, z: focal(1.5)(smooth(y), softmax(z)),
    ),
    Case(BinaryCrossEntropy(), yes_or_no, chances, binary),
    Case(BinaryCrossEntropy(), shares_of_yes, chances, binary),
    Case(
        BinaryCrossEntropy(from_logits=True),
        yes_or_no,
        three,
        lambda y, z: binary(y, sigmoid(z)),
    ),
    Case(
        BinaryCrossEntropy(label_smoothing=0.1, pos_weight=3.0),
        yes_or_no,
        chances,
        mean_over_outputs(
            lambda a, b: -3 * (0.9 * a + 0.05) * math.log(b) - (0.95 - 0.9 * a) * math.log(1 - b)
        ),
    ),
    Case(
        BinaryCrossEntropy(from_logits=True, pos_weight=0.2),
        yes_or_no,
        three,
        mean_over_outputs(
            lambda a, b: 0.2 * a * math.log(1 + math.exp(-b)) + (1 - a) * math.log(1 + math.exp(b))
        ),
    ),
    Case(BinaryFocalCrossEntropy(), yes_or_no, chances, binary_focal(2, 0.25)),
    Case(BinaryFocalCrossEntropy(0.5, alpha=0.6), shares_of_yes, chances, binary_focal(0.5, 0.6)),
    Case(
        BinaryFocalCrossEntropy(1.5, alpha=0.6, from_logits=True),
        shares_of_yes,
        three,
        lambda y, z: binary_focal(1.5, 0.6)(y, sigmoid(z)),
    ),
    Case(Hinge(), signs, three, mean_over_outputs(lambda a, b: max(0, 1 - a * b))),
    Case(Hinge(), yes_or_no, three, mean_over_outputs(lambda a, b: max(0, 1 - (2 * a - 1) * b))),
    Case(CategoricalHinge(), one_hot_rows, logits, keras_hinge),
    Case(CategoricalHinge(), labels, logits, lambda y, s: keras_hinge(unit(y), s)),
    Case(CategoricalHinge(), distributions, logits, keras_hinge),
    Case(MultiMargin(), labels, logits, multi_margin(1)),
    Case(MultiMargin(margin=2.5), labels, logits, multi_margin(2.5)),
    Case(MeanSquaredError(), three, three, mean_over_outputs(lambda a, b: (a - b) ** 2)),
    Case(MeanAbsoluteError(), three, three, mean_over_outputs(lambda a, b: abs(a - b))),
    Case(Huber(), three, three, huber(1)),
    Case(Huber(delta=0.3), three, three, huber(0.3)),
    Case(Quantile(), three, three, pinball(0.5)),
    Case(Quantile(quantile=0.9), three, three, pinball(0.9)),
    Case(Poisson(), counts, rates, mean_over_outputs(lambda a, b: b - a * math.log(b))),
    Case(
        Poisson(log_input=True),
        counts,
        three,
        mean_over_outputs(lambda a, b: math.exp(b) - a * b),
    ),
    Case(CosineSimilarity(), three, three, one_less_cosine),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_every_loss_has_a_case():
    public = {
        name
        for name, thing in vars(chainrule).items()
        if isinstance(thing, type) and issubclass(thing, Loss) and thing is not Loss
    }
    several = {"JointLoss", "LossPerOutput"}  # test_several_outputs.py
    assert public - several == {type(case.loss).__name__ for case in CASES}


@every_case
@pytest.mark.parametrize("samples", [1, 6])
def test_the_value_is_the_mean_of_the_formula(case, samples):
    y, p = case.data(samples)
    expected = np.sum([case.reference(a, b) for a, b in zip(y, p, strict=True)])
    expected /= np.sum([case.target_weights(a) for a in y])
    loss = case.loss.forward(y, p)
    assert type(loss) is float
    assert loss == pytest.approx(expected, rel=1e-12)


@every_case
@pytest.mark.parametrize("samples", [1, 6])
def test_the_gradient_is_that_of_the_value(case, samples):
    report = check_loss(case.loss, *case.data(samples))
    assert report.passed, str(report)


@every_case
def test_weights_weigh_the_mean(case):
    y, p = case.data()
    weight = np.array([0.5, 0, 2, 1, 3, 0.1])
    each = [case.reference(a, b) for a, b in zip(y, p, strict=True)]
    expected = np.dot(weight, each) / np.dot(weight, [case.target_weights(a) for a in y])
    assert case.loss.forward(y, p, weight) == pytest.approx(expected, rel=1e-12)
    assert (report := check_loss(WeightedLoss(case.loss, weight), y, p)).passed, str(report)


@every_case
@pytest.mark.parametrize("weight", [None, [0.5, 0, 2, 1, 3, 0.1]])
def test_parts_of_a_batch_weighed_by_their_total_make_the_whole(case, weight):
    y, p = case.data()
    parts, total, value, gradients = [slice(0, 2), slice(2, 6)], 0.0, 0.0, []
    for part in parts:
        w = None if weight is None else weight[part]
        counts = case.loss.total_weight(y[part], p[part], w)
        total += counts
        value += counts * case.loss.forward(y[part], p[part], w)
        gradients.append(counts * case.loss.backward(y[part], p[part], w))
    assert total == pytest.approx(case.loss.total_weight(y, p, weight))
    assert value / total == pytest.approx(case.loss.forward(y, p, weight), rel=1e-12)
    whole = case.loss.backward(y, p, weight)
    np.testing.assert_allclose(np.concatenate(gradients) / total, whole, rtol=1e-12, atol=1e-15)


class WeightedLoss:
    """A loss with its weights, to be checked as a whole."""

    def __init__(self, loss, weight):
        self.forward = lambda y, p: loss.forward(y, p, weight)
        self.backward = lambda y, p: loss.backward(y, p, weight)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradient_are_those_of_forward_and_backward(case, dtype):
    y, p = case.data()
    p = p.astype(dtype)
    for weight in (None, [0.5, 0, 2, 1, 3, 0.1]):
        value, gradient = case.loss.value_and_gradient(y, p, weight)
        assert type(value) is float
        assert value == pytest.approx(case.loss.forward(y, p, weight), rel=1e-6)
        assert gradient.dtype == dtype
        rtol = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(gradient, case.loss.backward(y, p, weight), rtol, rtol / 100)


@every_case
def test_weights_of_one_are_no_weights(case):
    y, p = case.data()
    ones = np.ones(len(p))
    assert case.loss.forward(y, p, ones) == pytest.approx(case.loss.forward(y, p), rel=1e-14)
    np.testing.assert_allclose(case.loss.backward(y, p, ones), case.loss.backward(y, p), rtol=1e-14)


@every_case
def test_weight_two_is_the_same_as_the_sample_twice(case):
    y, p = case.data()
    twice = [0, 1, 1, 2, 3, 4, 5]
    weight = [1, 2, 1, 1, 1, 1]
    assert case.loss.forward(y, p, weight) == pytest.approx(
        case.loss.forward(y[twice], p[twice]), rel=1e-14
    )
    gradient = case.loss.backward(y[twice], p[twice])
    gradient[1] += gradient[2]
    np.testing.assert_allclose(
        case.loss.backward(y, p, weight), np.delete(gradient, 2, axis=0), rtol=1e-13, atol=1e-16
    )


@every_case
def test_a_batch_given_twice_has_the_same_loss_and_half_the_gradient(case):
    y, p = case.data()
    y2, p2 = np.concatenate([y, y]), np.concatenate([p, p])
    assert case.loss.forward(y2, p2) == pytest.approx(case.loss.forward(y, p), rel=1e-14)
    gradient = case.loss.backward(y, p)
    np.testing.assert_allclose(
        case.loss.backward(y2, p2), np.concatenate([gradient, gradient]) / 2, rtol=1e-13
    )


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_is_shaped_and_typed_like_the_predictions(case, dtype):
    y, p = case.data()
    for weight in (None, np.arange(1.0, 7.0)):
        gradient = case.loss.backward(y, p.astype(dtype), weight)
        assert gradient.shape == p.shape
        assert gradient.dtype == dtype


@every_case
def test_nothing_given_is_written_to(case):
    y, p = case.data()
    weight = np.arange(1.0, 7.0)
    for array in (y, p, weight):
        array.flags.writeable = False
    kept = case.loss.backward(y, p, weight)
    assert not np.shares_memory(kept, p)
    assert not np.shares_memory(kept, y)
    before = kept.copy()
    case.loss.forward(y, p, weight)
    case.loss.backward(y, p + 0.001 * (1 - p), weight)
    np.testing.assert_array_equal(kept, before)


@every_case
def test_lists_are_taken(case):
    y, p = case.data()
    loss = case.loss.forward(y, p)
    assert case.loss.forward(y.tolist(), p.tolist(), [1] * 6) == pytest.approx(loss, rel=1e-14)
    gradient = case.loss.backward(y.tolist(), p.tolist())
    np.testing.assert_array_equal(gradient, case.loss.backward(y, p))


@every_case
def test_the_repr_builds_the_same_loss(case):
    again = eval(repr(case.loss), vars(chainrule))
    assert type(again) is type(case.loss)
    assert vars(again) == vars(case.loss)


# ---------------------------------------------------------------- numbers that are hard


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_huge_logits_is_exact(dtype):
    z = np.array([[10_000, -10_000, 0], [0, 0, -10_000]], dtype)
    loss = CategoricalCrossEntropy(from_logits=True)
    assert loss.forward([1, 2], z) == pytest.approx((20_000 + 10_000 + math.log(2)) / 2, rel=1e-6)
    expected = np.array([[1, -1, 0], [0.5, 0.5, -1]]) / 2
    np.testing.assert_allclose(loss.backward([1, 2], z), expected, atol=1e-7)


def hard_predictions(case, dtype):
    """Return the truth and the worst that a network can put out for it."""
    y, p = case.data(samples=24)
    rng = np.random.default_rng(1)
    if case.y_pred in (probabilities, chances):
        z = rng.choice([-10_000, -90, 0, 90, 10_000], p.shape).astype(dtype)
        layer = chainrule.Softmax() if case.y_pred is probabilities else chainrule.Sigmoid()
        return y, layer.predict(z)
    if case.y_pred is rates:
        return y, rng.choice([0, 1e-30, 1, 10_000], p.shape).astype(dtype)
    return y, rng.choice([-10_000, -90, 0, 90, 10_000], p.shape).astype(dtype)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_stays_finite(case, dtype):
    y, p = hard_predictions(case, dtype)
    value, gradient = case.loss.value_and_gradient(y, p)
    assert math.isfinite(value)
    assert value == pytest.approx(case.loss.forward(y, p), rel=1e-6)
    assert np.isfinite(gradient).all()
    assert np.isfinite(case.loss.backward(y, p)).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_focal_gradient_survives_softmax_and_sigmoid(gamma, dtype):
    """Both ways, through probabilities and from logits, give the same gradient at the logits."""
    z = np.array([[10_000, -10_000], [-90, 20], [-3, 5], [0, 0], [1, 2]], dtype)
    y = np.array([[0, 1], [1, 0], [0, 1], [1, 0], [0, 1]])
    for layer, loss_class in (
        (chainrule.Softmax(), CategoricalFocalCrossEntropy),
        (chainrule.Sigmoid(), BinaryFocalCrossEntropy),
    ):
        fused = loss_class(gamma, from_logits=True).backward(y, z)
        p = layer.forward(z)
        in_two_steps = layer.backward(loss_class(gamma).backward(y, p))
        np.testing.assert_allclose(in_two_steps, fused, atol=1e-6)
        assert np.abs(fused[0]).max() > 0.04, "the worst mistake has a gradient"


def test_focal_loss_without_focus_is_cross_entropy():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    options = {"from_logits": True, "label_smoothing": 0.1, "class_weight": WEIGHTS}
    focal_loss = CategoricalFocalCrossEntropy(0, **options)
    loss = CategoricalCrossEntropy(**options)
    assert focal_loss.forward(y, z) == pytest.approx(loss.forward(y, z), rel=1e-14)
    np.testing.assert_allclose(focal_loss.backward(y, z), loss.backward(y, z), atol=1e-16)
    half = BinaryFocalCrossEntropy(0, alpha=0.5, from_logits=True)
    whole = BinaryCrossEntropy(from_logits=True)
    y = rng.integers(0, 2, z.shape)
    assert half.forward(y, z) == pytest.approx(whole.forward(y, z) / 2, rel=1e-14)


def test_a_perfect_prediction_has_no_divergence():
    y = np.array([[0.5, 0.5, 0], [1, 0, 0]])
    assert KLDivergence().forward(y, y) == 0
    assert CosineSimilarity().forward(y, 3 * y) == pytest.approx(0, abs=1e-15)


def test_a_vector_of_zeros_has_no_direction():
    zeros, ones = np.zeros((1, 2)), np.ones((1, 2))
    assert CosineSimilarity().forward(zeros, ones) == 1
    assert CosineSimilarity().forward(ones, zeros) == 1
    assert not CosineSimilarity().backward(zeros, ones).any()


def test_equal_rivals_share_nothing():
    gradient = CategoricalHinge().backward([0], [[0.5, 2.0, 2.0]])
    np.testing.assert_array_equal(gradient, [[-1, 1, 0]])
    np.testing.assert_array_equal(CategoricalHinge().backward([0], [[4.0, 2.0, 2.0]]), [[0, 0, 0]])


def test_the_minimum_of_the_quantile_loss_is_the_quantile():
    y = np.arange(1.0, 101)
    losses = [Quantile(0.9).forward(y, np.full(100, guess)) for guess in np.arange(0, 102, 0.5)]
    assert np.arange(0, 102, 0.5)[np.argmin(losses)] == pytest.approx(90, abs=1)
    assert not Quantile(0.9).backward(y, y).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_then_cross_entropy_gives_p_minus_y(dtype):
    z = np.array([[10_000, -10_000, 0], [-5, -5, -9_000], [1, 2, 3]], dtype)
    y = np.array([1, 2, 0])
    layer, loss = chainrule.Softmax(), CategoricalCrossEntropy()
    p = layer.forward(z)
    assert math.isfinite(loss.forward(y, p))
    dz = layer.backward(loss.backward(y, p))
    np.testing.assert_allclose(dz, (softmax(z.astype("float64")) - np.eye(3)[y]) / 3, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_then_cross_entropy_gives_p_minus_y(dtype):
    z = np.array([[10_000], [-10_000], [10_000], [-10_000], [0.5]], dtype)
    y = np.array([0, 1, 1, 0, 1])
    layer, loss = chainrule.Sigmoid(), BinaryCrossEntropy()
    p = layer.forward(z)
    assert math.isfinite(loss.forward(y, p))
    dz = layer.backward(loss.backward(y, p))
    expected = np.array([1, -1, 0, 0, sigmoid(0.5) - 1]).reshape(5, 1) / 5
    np.testing.assert_allclose(dz, expected, atol=1e-6)
    fused = BinaryCrossEntropy(from_logits=True)
    np.testing.assert_allclose(fused.backward(y, z), expected, atol=1e-7)
    assert fused.forward(y[:2], z[:2]) == 10_000


def test_binary_loss_of_a_sure_and_right_answer_keeps_its_digits():
    z = np.array([[40.0]])
    assert BinaryCrossEntropy(from_logits=True).forward([1], z) == pytest.approx(math.exp(-40))


# ---------------------------------------------------------------- shapes


def test_a_vector_goes_with_a_column():
    y, p = np.array([1.0, 2.0, 4.0]), np.array([[1.5], [2.0], [3.0]])
    loss = MeanSquaredError()
    assert loss.forward(y, p) == pytest.approx((0.25 + 0 + 1) / 3)
    assert loss.backward(y, p).shape == (3, 1)
    assert loss.forward(p, y) == loss.forward(y, p)
    assert loss.backward(p, y).shape == (3,)
    assert loss.forward(y, p[:, 0]) == loss.forward(y, p)


def test_sequences_of_one_output_go_with_sequences_of_numbers():
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 1))
    loss = MeanSquaredError()
    assert loss.forward(y, p) == pytest.approx(((y - p[:, :, 0]) ** 2).mean())
    weight = rng.uniform(0, 1, (2, 3))
    expected = (weight * (y - p[:, :, 0]) ** 2).sum() / weight.sum()
    assert loss.forward(y, p, weight) == pytest.approx(expected)
    assert loss.backward(y, p, weight).shape == (2, 3, 1)


def test_whole_numbers_as_predictions():
    gradient = MeanSquaredError().backward([1, 2], [[3], [5]])
    np.testing.assert_array_equal(gradient, [[2.0], [3.0]])


@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ((3,), (3, 2)),
        ((3, 1), (3, 2)),
        ((1, 3), (3, 1)),
        ((3,), (1, 3)),
        ((1,), (3, 1)),
        ((), (1, 1)),
        ((2, 3), (3, 2)),
        ((4, 2), (3, 2)),
        ((6,), (2, 3)),
        ((3,), (3, 1, 1)),
        ((2, 3), (2, 1, 3)),
    ],
)
def test_shapes_that_would_only_broadcast_are_refused(true, pred):
    message = rf"y_true has the shape {true} and y_pred {pred}".replace("(", r"\(")
    for method in (MeanSquaredError().forward, MeanSquaredError().backward):
        with pytest.raises(InputError, match=message.replace(")", r"\)")):
            method(np.zeros(true), np.zeros(pred))


def test_sequences_count_each_position():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((2, 3, 4)), rng.integers(0, 4, (2, 3))
    loss = CategoricalCrossEntropy(from_logits=True)
    assert loss.forward(y, z) == pytest.approx(loss.forward(y.reshape(6), z.reshape(6, 4)))
    gradient = loss.backward(y, z)
    assert gradient.shape == (2, 3, 4)
    np.testing.assert_allclose(gradient.reshape(6, 4), loss.backward(y.reshape(6), z.reshape(6, 4)))


@every_case
def test_padding_of_sequences_can_be_left_out(case):
    """Rows 4 and 5 are padding: the loss is that of the others, and they get no gradient."""
    y, p = case.data()
    y_sequences, p_sequences = y.reshape(2, 3, *y.shape[1:]), p.reshape(2, 3, *p.shape[1:])
    weight = np.array([[1, 1, 1], [1, 0, 0]])
    loss = case.loss.forward(y_sequences, p_sequences, weight)
    assert loss == pytest.approx(case.loss.forward(y[:4], p[:4]), rel=1e-12)
    gradient = case.loss.backward(y_sequences, p_sequences, weight)
    assert gradient.shape == p_sequences.shape
    np.testing.assert_allclose(
        gradient.reshape(p.shape)[:4], case.loss.backward(y[:4], p[:4]), rtol=1e-12, atol=1e-15
    )
    assert not gradient[1, 1:].any()

    by_sequence = case.loss.forward(y_sequences, p_sequences, [3, 1])
    by_place = case.loss.forward(y_sequences, p_sequences, [[3, 3, 3], [1, 1, 1]])
    assert by_sequence == pytest.approx(by_place, rel=1e-14)
    message = r"Sample weights of the shape \(6,\) do not fit .* give \(2,\) or \(2, 3\)"
    refused(case.loss, y_sequences, p_sequences, message, np.ones(6))


def test_images_are_averaged_over_everything():
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 3, 2, 4, 5))
    assert MeanSquaredError().forward(y, p) == pytest.approx(((y - p) ** 2).mean())
    np.testing.assert_allclose(MeanSquaredError().backward(y, p), 2 * (p - y) / p.size)


# ---------------------------------------------------------------- what is refused


def refused(loss, y_true, y_pred, message, weight=None):
    for method in (loss.forward, loss.backward):
        with pytest.raises(InputError, match=message):
            method(y_true, y_pred, weight)


@every_case
def test_what_every_loss_refuses(case):
    y, p = case.data()
    broken = p.copy()
    for bad in (np.nan, np.inf if getattr(case.loss, "from_logits", False) else -np.inf):
        broken[2, 1] = bad
        diverged = "y_pred holds NaN or infinity, first in row 2, column 1. Training has diverged"
        refused(case.loss, y, broken, diverged)
    refused(case.loss, y[:0], p[:0], r"y_pred is empty: its shape is \(0, ")
    refused(case.loss, y[0], 0.5, "y_pred must be a batch of predictions, got the single number")
    refused(case.loss, y, p.astype(complex), "y_pred must hold numbers, got complex128; give")
    refused(case.loss, y, [[0.1], [0.1, 0.2]], "rows of y_pred differ in length")
    refused(case.loss, [[1], [1, 2]], p, "rows of y_true differ in length")
    refused(
        case.loss,
        np.full(y.shape, "cat"),
        p,
        "y_true must hold numbers, got the text 'cat' in row 0",
    )
    refused(case.loss, np.full(y.shape, np.nan), p, "y_true holds NaN or infinity")
    refused(case.loss, y[:5], p, "y_true has the shape .* and y_pred ")


BAD_WEIGHTS = [
    ([1, 2, 3], r"Sample weights of the shape \(3,\) do not fit predictions \(6, .\); give \(6,\)"),
    (1.0, r"Sample weights of the shape \(\) do not fit"),
    (np.ones((6, 1)), r"Sample weights of the shape \(6, 1\) do not fit .* give \(6,\)"),
    ([[1], [1, 2]], "rows of sample_weight differ in length"),
    (["a"] * 6, "sample_weight must hold numbers, got the text 'a' in row 0"),
    ([1, 1, 1, 1, 1, -1], "Sample weights must not be negative"),
    ([1, 1, 1, 1, 1, np.inf], "sample_weight holds NaN or infinity, first in row 5"),
    ([0] * 6, "All weights of this batch are 0"),
]


@every_case
def test_weights_that_every_loss_refuses(case):
    for weight, message in BAD_WEIGHTS:
        refused(case.loss, *case.data(), message, weight)


def test_classes_that_do_not_count_need_others_in_the_batch():
    loss = CategoricalCrossEntropy(class_weight=[0, 1, 1])
    p = np.full((2, 3), 1 / 3)
    assert loss.forward([0, 1], p) == pytest.approx(math.log(3))
    refused(loss, [0, 0], p, "All weights of this batch are 0")


def test_labels_outside_the_classes():
    loss = CategoricalCrossEntropy()
    p = np.full((2, 3), 1 / 3)
    message = r"There are 3 classes, so labels run from 0 to 2; got labels from {} to {}"
    refused(loss, [0, 3], p, message.format(0, 3))
    refused(loss, [-1, 2], p, message.format(-1, 2))
    refused(loss, [0.0, 1.0], p, "Class labels are whole numbers from 0 to 2, got float64")
    refused(loss, [True, False], p, "Class labels are whole numbers from 0 to 2, got bool")


def test_rows_that_are_no_distribution():
    loss = CategoricalCrossEntropy()
    p = np.full((2, 3), 1 / 3)
    refused(loss, [[1, 1, 0], [0, 0, 1]], p, "Each row of y_true must be a distribution")
    refused(loss, [[2, -1, 0], [0, 0, 1]], p, "Each row of y_true must be a distribution")


def spoiled(rows, row, *values):
    rows = rows.copy()
    rows[row] = values
    return rows


ROWS = np.array([[0, 1, 0], [0.25, 0.25, 0.5]], "float32")
P = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], "float32")


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        (spoiled(ROWS, 1, 0.5, 0.25, 0.5), P, "Each row of y_true must be a distribution"),
        (spoiled(ROWS, 1, 1.5, -0.5, 0), P, "Each row of y_true must be a distribution"),
        (spoiled(ROWS, 0, 0, 0.5, 0), P, "Each row of y_true must be a distribution"),
        (spoiled(ROWS, 0, 0, np.nan, 1), P, "y_true holds NaN or infinity, first in row 0"),
        (ROWS, spoiled(P, 1, 0.5, np.nan, 0.5), "y_pred holds NaN or infinity, first in row 1"),
        (ROWS, spoiled(P, 0, np.inf, 0, 0), "y_pred holds NaN or infinity, first in row 0"),
        (ROWS, spoiled(P, 0, 1.5, 0, 0), "y_pred must hold probabilities, got values from 0"),
        (ROWS, spoiled(P, 0, -0.5, 1, 0.5), "y_pred must hold probabilities, got values from -0.5"),
        (ROWS[:, :1] * 0 + 1, P[:, :1], "One output is no choice between classes"),
        (ROWS[:0], P[:0], "y_pred is empty"),
        (P, np.eye(3, dtype="float32")[:2], "swapped"),
    ],
)
def test_arrays_that_fit_in_shape_and_type_are_checked_as_well(y_true, y_pred, message):
    """Two contiguous arrays of one type take a short cut, which must let nothing else through."""
    refused(CategoricalCrossEntropy(), y_true, y_pred, message)
    kind = "probabilities|swapped|NaN or infinity, first in row 0"
    if not re.search(kind, message):
        refused(CategoricalCrossEntropy(from_logits=True), y_true, y_pred, message)


@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]), from_logits=st.booleans())
def test_the_short_cut_accepts_nothing_that_the_long_way_refuses(data, dtype, from_logits):
    numbers = st.sampled_from([-1e-3, -0.0, 0.0, 1e-40, 1e-3, 0.5, 1.0, 1.0005, 2.0, np.nan])
    y_true = data.draw(arrays(dtype, (2, 2), elements=numbers.map(np.dtype(dtype).type)))
    y_pred = data.draw(arrays(dtype, (2, 2), elements=numbers.map(np.dtype(dtype).type)))
    loss = CategoricalCrossEntropy(from_logits=from_logits)
    results = []
    for form in (np.ascontiguousarray, np.asfortranarray):
        try:
            results.append(loss.value_and_gradient(form(y_true), form(y_pred)))
        except InputError as error:
            results.append(str(error))
    if isinstance(results[1], str):
        assert results[0] == results[1]
    else:
        assert results[0][0] == pytest.approx(results[1][0], rel=1e-6, nan_ok=True)
        np.testing.assert_array_equal(results[0][1], results[1][1])


def test_predictions_without_a_class_axis():
    refused(CategoricalCrossEntropy(), [0, 1], [0.5, 0.5], r"y_pred must be \(N, classes\)")


def test_labels_for_columns_are_refused():
    message = r"class of each sample, \(2,\) \(y.reshape.*, or one row for each sample, \(2, 3\)"
    refused(CategoricalCrossEntropy(), [[0], [1]], np.full((2, 3), 1 / 3), message)


@pytest.mark.parametrize(
    ("loss", "y", "layer"),
    [(CategoricalCrossEntropy(), [0, 1], "Softmax"), (BinaryCrossEntropy(), np.eye(2), "Sigmoid")],
)
def test_logits_where_probabilities_belong(loss, y, layer):
    message = f"must hold probabilities, got values from -3 to 5. End the network with a {layer}"
    refused(loss, y, [[-3.0, 5.0], [0.5, 0.5]], message)
    rounded = np.array([[-1e-5, 1 + 1e-5], [0.5, 0.5]])
    assert math.isfinite(loss.forward(y, rounded))


def test_binary_answers_outside_zero_and_one():
    loss = BinaryCrossEntropy()
    refused(loss, [1, 2], [0.5, 0.5], r"y_true must lie in \[0, 1\], got values from 1 to 2")
    refused(loss, [-1, 1], [0.5, 0.5], r"got values from -1 to 1; name the two classes 0 and 1")


def test_answers_that_are_neither_yes_nor_no():
    refused(Hinge(), [0.5, 1], [0.5, 0.5], "y_true must hold 1 for yes and -1 or 0 for no, got")
    refused(Hinge(), [-2, 1], [0.5, 0.5], "got values from -2 to 1")


def test_a_margin_needs_one_true_class():
    rows = [[0.5, 0.5, 0], [0, 0, 1]]
    refused(MultiMargin(), rows, np.zeros((2, 3)), "MultiMargin takes one true class a row")


def test_counts_and_rates_below_zero():
    refused(Poisson(), [1, -1], [1.0, 1.0], "Counts cannot be negative, got y_true down to -1")
    refused(Poisson(), [1, 1], [1.0, -0.5], "Rates cannot be negative, got y_pred down to -0.5")
    assert Poisson(log_input=True).forward([1, 1], [1.0, -0.5]) > 0


def test_single_numbers_have_no_direction():
    refused(
        CosineSimilarity(), [1, 2], [1.0, 2.0], r"y_pred must be \(N, features\), got the shape"
    )


def test_class_weights_that_do_not_fit():
    loss = CategoricalCrossEntropy(class_weight=[1, 2])
    refused(loss, [0, 1], np.full((2, 3), 1 / 3), "class_weight has 2 weights for 3 classes")
    for class_weight in ([1, 1, 1, 2], {3: 2.0}):
        loss = CategoricalCrossEntropy(class_weight=class_weight)
        expected = "class_weight is for 4 classes, and y_pred has 3"
        refused(loss, [0, 1], np.full((2, 3), 1 / 3), expected)


@pytest.mark.parametrize("kind", [CategoricalCrossEntropy, CategoricalFocalCrossEntropy])
def test_classes_that_a_mapping_does_not_name_count_one(kind):
    y = np.array([0, 1, 2, 2])
    p = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    named, listed = kind(class_weight={2: 5.0}), kind(class_weight=[1, 1, 5])
    for of_mapping, of_sequence in zip(
        named.value_and_gradient(y, p), listed.value_and_gradient(y, p), strict=True
    ):
        np.testing.assert_array_equal(of_mapping, of_sequence)
    assert named.total_weight(y, p) == listed.total_weight(y, p) == 12
    assert repr(named) == f"{kind.__name__}(class_weight={{2: 5.0}})"
    assert repr(listed) == f"{kind.__name__}(class_weight=(1.0, 1.0, 5.0))"


def test_class_weights_become_plain_numbers():
    for weight in ({np.int64(1): np.float32(2)}, np.array([1, 2], np.float32), [1, np.int64(2)]):
        loss = CategoricalCrossEntropy(class_weight=weight)
        assert repr(eval(repr(loss))) == repr(loss)
        assert "np." not in repr(loss)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CategoricalCrossEntropy(label_smoothing=1), "0 <= label_smoothing < 1, got 1"),
        (lambda: CategoricalCrossEntropy(class_weight=[1, -1]), r"0 <= class_weight\[1\], got -1"),
        (lambda: CategoricalCrossEntropy(class_weight={0: np.nan}), r"class_weight\[0\], got nan"),
        (lambda: CategoricalCrossEntropy(class_weight={-1: 1}), "at least 0, got -1"),
        (lambda: CategoricalCrossEntropy(class_weight={"cat": 1}), "at least 0, got 'cat'"),
        (lambda: CategoricalCrossEntropy(class_weight=3), "or one weight for each class; got 3"),
        (lambda: CategoricalCrossEntropy(class_weight="balanced"), "fit, .* also takes 'balanced'"),
        (lambda: CategoricalCrossEntropy(class_weight=[0, 0]), "class_weight needs a weight above"),
        (lambda: BinaryCrossEntropy(label_smoothing=-0.1), "0 <= label_smoothing < 1, got -0.1"),
        (lambda: BinaryCrossEntropy(pos_weight=0), "0 < pos_weight, got 0"),
        (lambda: CategoricalFocalCrossEntropy(gamma=-1), "0 <= gamma, got -1"),
        (lambda: BinaryFocalCrossEntropy(gamma=-1), "0 <= gamma, got -1"),
        (lambda: BinaryFocalCrossEntropy(alpha=1), "0 < alpha < 1, got 1"),
        (lambda: MultiMargin(margin=0), "0 < margin, got 0"),
        (lambda: Quantile(1), "0 < quantile < 1, got 1"),
        (lambda: Quantile(0), "0 < quantile < 1, got 0"),
    ],
)
def test_options_that_make_no_sense(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (CategoricalCrossEntropy, "from_logits"),
        (CategoricalFocalCrossEntropy, "from_logits"),
        (KLDivergence, "from_logits"),
        (BinaryCrossEntropy, "from_logits"),
        (BinaryFocalCrossEntropy, "from_logits"),
        (Poisson, "log_input"),
    ],
)
@pytest.mark.parametrize("value", ["no", 0, None])
def test_options_that_are_true_or_false(kind, name, value):
    with pytest.raises(ConfigurationError, match=f"{name} must be True or False, got"):
        kind(**{name: value})
    assert getattr(kind(**{name: np.True_}), name) is True


@pytest.mark.parametrize("delta", [0, -1, np.nan, np.inf, "1", None, True])
def test_huber_needs_a_positive_delta(delta):
    with pytest.raises(ConfigurationError, match="delta must be a number with 0 < delta, got"):
        Huber(delta)


def test_a_numpy_scalar_as_an_option_does_not_change_the_type():
    p = np.ones((2, 1), "float32")
    assert Huber(np.float64(0.5)).backward([0, 0], p).dtype == np.float32


# ---------------------------------------------------------------- a loss of one's own


class FourthPower(Loss):
    def losses(self, y_true, y_pred):
        return ((y_pred - y_true) ** 4).sum(axis=1)

    def gradients(self, y_true, y_pred):
        return 4 * (y_pred - y_true) ** 3


def test_a_loss_of_ones_own_takes_two_methods():
    rng = np.random.default_rng(0)
    assert check_loss(FourthPower(), rng.standard_normal(5), rng.standard_normal((5, 1))).passed
    assert repr(FourthPower()) == "FourthPower()"


def test_a_loss_without_its_methods_says_so():
    for method, name in ((Loss().forward, "losses"), (Loss().backward, "gradients")):
        with pytest.raises(NotImplementedError, match=f"Loss has no {name}"):
            method([1.0], [1.0])


# ---------------------------------------------------------------- the wrong way round


def test_truth_and_predictions_that_are_swapped():
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    rows = np.array([[0, 1, 0], [0, 0, 1]])
    with pytest.raises(InputError, match=r"swapped. The targets come first"):
        CategoricalCrossEntropy().forward(p, rows)
    with pytest.raises(InputError, match=r"got the shape \(2,\)\. The targets come first"):
        CategoricalCrossEntropy().forward(p, [1, 2])
    with pytest.raises(InputError, match=r"swapped. The targets come first"):
        BinaryCrossEntropy().value_and_gradient(p[0], rows[0])
    # who is sure of each class, and whose truth is sure too, may be
    assert np.isfinite(CategoricalCrossEntropy().forward(rows, rows))
    assert CategoricalCrossEntropy()([1, 2], p) == CategoricalCrossEntropy().forward(rows, p)


@pytest.mark.parametrize("kind", [CategoricalCrossEntropy, MeanSquaredError, Huber, Hinge])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 3e38), ("float64", 1e300)])
def test_no_warning_escapes_where_numbers_overflow(kind, dtype, size):
    loss = kind(from_logits=True) if kind is CategoricalCrossEntropy else kind()
    p = (np.array([[1, -1, 1], [-1, 1, 1]]) * size).astype(dtype)
    y = np.array([1, 2]) if kind is CategoricalCrossEntropy else np.sign(-p)
    loss.forward(y, p)
    loss.backward(y, p)
    loss.value_and_gradient(y, p)


@pytest.mark.parametrize("loss", [CategoricalCrossEntropy(from_logits=True), MeanSquaredError()])
def test_columns_that_lie_together_in_memory_give_the_same(loss):
    rng = np.random.default_rng(0)
    true, pred = rng.dirichlet(np.ones(4), 50), rng.standard_normal((50, 4))
    by_rows = loss.losses_and_gradients(true, pred)
    by_columns = loss.losses_and_gradients(np.asfortranarray(true), np.asfortranarray(pred))
    for expected, found in zip(by_rows, by_columns, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("parent", [CategoricalCrossEntropy, MeanSquaredError])
def test_who_writes_losses_or_gradients_anew_is_asked_for_them(parent):
    class Doubled(parent):
        def losses(self, y_true, y_pred):
            return 2 * super().losses(y_true, y_pred)

    class Halved(parent):
        def gradients(self, y_true, y_pred):
            return super().gradients(y_true, y_pred) / 2

    y, p = np.eye(3)[[0, 2]], np.array([[0.2, 0.3, 0.5], [0.1, 0.2, 0.7]])
    value, gradient = parent().value_and_gradient(y, p)
    for loss, factors in ((Doubled(), (2, 1)), (Halved(), (1, 0.5))):
        found = loss.value_and_gradient(y, p)
        assert found[0] == pytest.approx(factors[0] * value)
        np.testing.assert_allclose(found[1], factors[1] * gradient)


# ---------------------------------------------------------------- targets that are ignored

IGNORING = [
    make
    for name, make in vars(chainrule).items()
    if isinstance(make, type)
    and issubclass(make, Loss)
    and "ignore_index" in inspect.signature(make).parameters
]
SMOOTHED = [CategoricalCrossEntropy, CategoricalFocalCrossEntropy]


def test_the_losses_that_ignore_targets():
    assert {make.__name__ for make in IGNORING} == {
        "CategoricalCrossEntropy",
        "CategoricalFocalCrossEntropy",
        "CategoricalHinge",
        "MultiMargin",
    }


@pytest.mark.parametrize("weight", [None, [0.5, 0, 2, 1, 3, 0.1]])
@pytest.mark.parametrize("ignore", [-100, 1, 255])
@pytest.mark.parametrize("make", IGNORING)
def test_ignored_targets_are_as_if_they_were_not_there(make, ignore, weight):
    y, z = np.array([0, 2, 0, 2, 1, 0]), np.random.default_rng(0).standard_normal((6, 3))
    y[[1, 4]] = ignore
    kept = y != ignore
    rest = None if weight is None else np.array(weight)[kept]
    options = [{}]
    if make in SMOOTHED:
        options = [{"from_logits": True}, {"from_logits": True, "label_smoothing": 0.3}]
        options += [{**options[1], "class_weight": [2.0, 5.0, 0.5]}]
    for option in options:
        loss, plain = make(**option, ignore_index=ignore), make(**option)
        assert loss(y, z, weight) == pytest.approx(plain(y[kept], z[kept], rest), rel=1e-14)
        gradient = loss.backward(y, z, weight)
        np.testing.assert_allclose(gradient[kept], plain.backward(y[kept], z[kept], rest))
        assert not gradient[~kept].any()
        value, both = loss.value_and_gradient(y, z, weight)
        assert value == pytest.approx(loss(y, z, weight), rel=1e-14)
        np.testing.assert_allclose(both, gradient, rtol=1e-13, atol=1e-16)
        expected = plain.total_weight(y[kept], z[kept], rest)
        assert loss.total_weight(y, z, weight) == pytest.approx(expected)
        sequences = loss(y.reshape(3, 2), z.reshape(3, 2, 3))
        assert sequences == pytest.approx(loss(y, z))
        assert repr(loss).endswith(f"ignore_index={ignore})")


@pytest.mark.parametrize("make", IGNORING)
def test_what_cannot_be_ignored_is_told(make):
    loss = make(ignore_index=-1)
    p = np.full((2, 3), 1 / 3)
    with pytest.raises(InputError, match="ignore_index is for class numbers"):
        loss(np.eye(3)[:2], p)
    with pytest.raises(InputError, match="All weights of this batch are 0"):
        loss([-1, -1], p)
    with pytest.raises(InputError, match="got labels from -2 to 0"):
        loss([-1, -2], p)
    with pytest.raises(ConfigurationError, match="ignore_index must be a whole number"):
        make(ignore_index=0.5)


# ---------------------------------------------------------------- logits of -inf

OF_LOGITS = [case for case in CASES if getattr(case.loss, "from_logits", False)]


def masked_case(case, dtype=np.float64):
    """Return targets, logits with -inf where these are 0, and the same with very low logits."""
    y, z = case.data()
    z = z.astype(dtype)
    named = np.eye(z.shape[1])[y] if y.ndim == 1 else np.asarray(y)
    free = (named == 0) & (np.arange(z.size).reshape(z.shape) % 2 == 0)
    return y, np.where(free, -np.inf, z), np.where(free, -1e4, z)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", OF_LOGITS, ids=lambda case: case.name)
def test_logits_of_minus_infinity_count_nothing_where_the_target_is_0(case, dtype):
    y, masked, low = masked_case(case, dtype)
    if not np.isinf(masked).any():
        masked[:, 0], low[:, 0] = -np.inf, -1e4
        y = np.array(y)
        y[:, 0] = 0
        if y.shape[1] == masked.shape[1] and case.y_true is distributions:
            y /= y.sum(axis=1, keepdims=True)
    if getattr(case.loss, "label_smoothing", 0):
        with pytest.raises(InputError, match=r"The loss is infinite.*label_smoothing asks"):
            case.loss(y, masked)
        return
    rel = 1e-12 if dtype == "float64" else 1e-5
    for weight in (None, [0.5, 0, 2, 1, 3, 0.1]):
        value, gradient = case.loss.value_and_gradient(y, masked, weight)
        assert value == pytest.approx(case.loss(y, low, weight), rel=rel)
        assert value == case.loss(y, masked, weight)
        np.testing.assert_allclose(gradient, case.loss.backward(y, low, weight), atol=rel)
        assert np.isfinite(gradient).all()
        assert not gradient[np.isinf(masked)].any()


@pytest.mark.parametrize("case", OF_LOGITS, ids=lambda case: case.name)
def test_minus_infinity_where_something_is_true_is_an_infinite_loss(case):
    y, z = case.data()
    true = y[2] if y.ndim == 1 else int(np.argmax(y[2]))
    z[2, true] = -np.inf
    if y.ndim > 1:
        y = y.astype(float)
        y[2, true] = max(y[2, true], 0.5)
        if z.shape[1] > 3 or case.y_true in (distributions, one_hot_rows):
            y[2] /= y[2].sum()
    with pytest.raises(InputError, match=f"The loss is infinite: .* in row 2, column {true}"):
        case.loss(y, z)
    weight = np.array([1.0, 1, 0, 1, 1, 1])  # of a row that does not count nothing is infinite
    others = weight > 0
    assert case.loss(y, z, weight) == pytest.approx(case.loss(y[others], z[others]))
    assert not case.loss.backward(y, z, weight)[2].any()
    z[2] = -np.inf
    with pytest.raises(InputError, match="The loss is infinite"):
        case.loss(y, z)


def test_the_usual_mask():
    loss = CategoricalCrossEntropy(from_logits=True)
    assert loss([0], [[1.0, 2.0, -np.inf]]) == pytest.approx(1.3132616875)
    assert loss([[0, 1]], [[[1.0, 2.0, -np.inf]] * 2]) == pytest.approx(0.8132616875)
    ignoring = CategoricalCrossEntropy(from_logits=True, label_smoothing=0.1, ignore_index=-1)
    z = [[1.0, 2.0, 0.0], [-np.inf] * 3]
    assert ignoring([1, -1], z) == ignoring([1], z[:1])
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="Training has diverged"):
            loss([0], [[1.0, 2.0, bad]])
    with pytest.raises(InputError, match="Training has diverged"):
        MeanSquaredError()([0.0], [-np.inf])
