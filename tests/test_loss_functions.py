"""Losses: values and gradients, and what is refused at the door."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule
from chainrule import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigurationError,
    Huber,
    InputError,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
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

    y_true and y_pred are functions (rng, samples) -> array; reference takes one sample's rows.
    """

    loss: Loss
    y_true: Callable
    y_pred: Callable
    reference: Callable

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
    Case(BinaryCrossEntropy(), yes_or_no, chances, binary),
    Case(BinaryCrossEntropy(), shares_of_yes, chances, binary),
    Case(
        BinaryCrossEntropy(from_logits=True),
        yes_or_no,
        three,
        lambda y, z: binary(y, sigmoid(z)),
    ),
    Case(MeanSquaredError(), three, three, mean_over_outputs(lambda a, b: (a - b) ** 2)),
    Case(MeanAbsoluteError(), three, three, mean_over_outputs(lambda a, b: abs(a - b))),
    Case(Huber(), three, three, huber(1)),
    Case(Huber(delta=0.3), three, three, huber(0.3)),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_every_loss_has_a_case():
    public = {
        name
        for name, thing in vars(chainrule).items()
        if isinstance(thing, type) and issubclass(thing, Loss) and thing is not Loss
    }
    assert public == {type(case.loss).__name__ for case in CASES}


@every_case
@pytest.mark.parametrize("samples", [1, 6])
def test_the_value_is_the_mean_of_the_formula(case, samples):
    y, p = case.data(samples)
    expected = np.mean([case.reference(a, b) for a, b in zip(y, p, strict=True)])
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
    expected = np.dot(weight, each) / weight.sum()
    assert case.loss.forward(y, p, weight) == pytest.approx(expected, rel=1e-12)
    assert (report := check_loss(WeightedLoss(case.loss, weight), y, p)).passed, str(report)


class WeightedLoss:
    """A loss with its weights, to be checked as a whole."""

    def __init__(self, loss, weight):
        self.forward = lambda y, p: loss.forward(y, p, weight)
        self.backward = lambda y, p: loss.backward(y, p, weight)


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
    assert case.loss.forward(y.tolist(), p.tolist(), [1] * 6) == case.loss.forward(y, p)
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


# ---------------------------------------------------------------- what is refused


def refused(loss, y_true, y_pred, message, weight=None):
    for method in (loss.forward, loss.backward):
        with pytest.raises(InputError, match=message):
            method(y_true, y_pred, weight)


@every_case
def test_what_every_loss_refuses(case):
    y, p = case.data()
    broken = p.copy()
    broken[2, 1] = np.nan
    refused(case.loss, y, broken, "y_pred holds NaN or infinity: training has diverged")
    broken[2, 1] = -np.inf
    refused(case.loss, y, broken, "y_pred holds NaN or infinity: training has diverged")
    refused(case.loss, y[:0], p[:0], r"y_pred must be a batch of predictions, got .* \(0, ")
    refused(case.loss, y[0], 0.5, r"y_pred must be a batch of predictions, got the shape \(\)")
    refused(case.loss, y, p.astype(complex), "y_pred must hold real numbers, got complex128")
    refused(case.loss, y, [[0.1], [0.1, 0.2]], "y_pred's rows differ in length")
    refused(case.loss, [[1], [1, 2]], p, "y_true's rows differ in length")
    refused(case.loss, np.full(y.shape, "cat"), p, "y_true must hold numbers, got <U3")
    refused(case.loss, np.full(y.shape, np.nan), p, "y_true holds NaN or infinity")
    refused(case.loss, y[:5], p, "y_true has the shape .* and y_pred ")


@every_case
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2, 3], "Got 3 sample weights for 6 samples"),
        ([1, 1, 1, 1, 1, -1], "Sample weights must be finite, not negative"),
        ([1, 1, 1, 1, 1, np.inf], "Sample weights must be finite, not negative"),
        ([0] * 6, "not all zero"),
    ],
)
def test_weights_that_every_loss_refuses(case, weight, message):
    refused(case.loss, *case.data(), message, weight)


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


def test_predictions_without_a_class_axis():
    refused(CategoricalCrossEntropy(), [0, 1], [0.5, 0.5], r"y_pred must be \(N, classes\)")


def test_labels_for_columns_are_refused():
    message = r"Give the class of each sample, \(2,\), or one row a sample, \(2, 3\)"
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
