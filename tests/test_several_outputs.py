"""Losses of several outputs: the sum of each one's, or one of all."""

import numpy as np
import pytest

from chainrule import (
    CategoricalCrossEntropy,
    ConfigurationError,
    InputError,
    JointLoss,
    LossPerOutput,
    MeanSquaredError,
)

rng = np.random.default_rng(0)
PRED = {"class": rng.standard_normal((6, 3)), "size": rng.standard_normal((6, 2))}
TRUE = {"class": rng.integers(0, 3, 6), "size": rng.standard_normal((6, 2))}
WEIGHT = rng.uniform(0.5, 2, 6)


def losses():
    return {"class": CategoricalCrossEntropy(from_logits=True), "size": MeanSquaredError()}


class Distance(JointLoss):
    """Σ (a - b)² of each sample."""

    def losses(self, y_true, y_pred):
        return ((y_pred["a"] - y_pred["b"]) ** 2).sum(axis=1)

    def gradients(self, y_true, y_pred):
        difference = 2 * (y_pred["a"] - y_pred["b"])
        return {"a": difference, "b": -difference}


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("as_tuple", [False, True])
def test_the_sum_of_each_outputs_loss(weight, as_tuple):
    loss = LossPerOutput(losses(), weights={"size": 0.25})
    true = tuple(TRUE.values()) if as_tuple else TRUE
    parts = {n: one.value_and_gradient(TRUE[n], PRED[n], weight) for n, one in losses().items()}
    expected = parts["class"][0] + 0.25 * parts["size"][0]
    assert loss.forward(true, PRED, weight) == pytest.approx(expected, rel=1e-12)
    value, gradients = loss.value_and_gradient(true, PRED, weight)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradients["class"], parts["class"][1], rtol=1e-12)
    np.testing.assert_allclose(gradients["size"], 0.25 * parts["size"][1], rtol=1e-12)
    np.testing.assert_array_equal(loss.backward(true, PRED, weight)["size"], gradients["size"])


def test_each_loss_has_a_denominator_of_its_own():
    weighted = CategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 0.0, 5.0])
    loss = LossPerOutput({**losses(), "class": weighted})
    of_class = np.array([1.0, 0.0, 5.0])[TRUE["class"]]
    np.testing.assert_allclose(loss.total_weight(TRUE, PRED), [of_class.sum(), 6])
    expected = [WEIGHT @ of_class, WEIGHT.sum()]
    np.testing.assert_allclose(loss.total_weight(TRUE, PRED, WEIGHT), expected)


def test_an_output_of_which_no_row_counts_adds_nothing():
    weighted = CategoricalCrossEntropy(from_logits=True, class_weight=[0.0, 0.0, 5.0])
    loss = LossPerOutput({"class": weighted, "size": MeanSquaredError()})
    true = {**TRUE, "class": np.zeros(6, int)}
    value, gradient = loss.value_and_gradient(true, PRED)
    assert value == loss(true, PRED) == MeanSquaredError()(TRUE["size"], PRED["size"])
    assert not gradient["class"].any()
    with pytest.raises(InputError, match="All weights of this batch are 0"):
        loss(true, PRED, np.zeros(6))


@pytest.mark.parametrize(
    ("given", "weights", "message"),
    [
        ({}, None, "Give a loss for each output"),
        ({"a": MeanSquaredError}, None, r"loss of 'a' must be a Loss.*forget the \(\)"),
        ({"a": MeanSquaredError()}, {"b": 1.0}, r"weights for \['b'\], and losses for \['a'\]"),
        ({"a": MeanSquaredError()}, {"a": -1.0}, "the weight of 'a' must be a number"),
    ],
)
def test_losses_that_cannot_be(given, weights, message):
    with pytest.raises(ConfigurationError, match=message):
        LossPerOutput(given, weights=weights)


def test_names_that_do_not_match_are_told():
    loss = LossPerOutput(losses())
    with pytest.raises(InputError, match=r"targets are .*'size'.* is missing"):
        loss.forward({"class": TRUE["class"]}, PRED)
    with pytest.raises(InputError, match=r"outputs that have a loss are .*\['extra'\] is not one"):
        loss.forward(TRUE, {**PRED, "extra": PRED["size"]})
    with pytest.raises(InputError, match="got 1 of them"):
        loss.forward(TRUE["size"], PRED)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_joint_loss_is_a_mean_with_its_gradient(weight):
    pred = {"a": PRED["size"].copy(), "b": TRUE["size"].copy()}
    loss = Distance()
    shares = np.full(6, 1 / 6) if weight is None else weight / weight.sum()
    each = ((pred["a"] - pred["b"]) ** 2).sum(axis=1)
    value, gradients = loss.value_and_gradient(None, pred, weight)
    assert value == pytest.approx(shares @ each, rel=1e-12)
    assert value == loss.forward(None, pred, weight)
    for name in pred:
        measured = np.zeros_like(pred[name])
        for place in np.ndindex(measured.shape):
            values = []
            for move in (1e-6, -1e-6):
                moved = {k: v.copy() for k, v in pred.items()}
                moved[name][place] += move
                values.append(loss.forward(None, moved, weight))
            measured[place] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(gradients[name], measured, rtol=1e-6, atol=1e-9)
    assert loss.total_weight(None, pred, weight) == pytest.approx(
        6 if weight is None else weight.sum()
    )


def test_a_joint_loss_refuses_what_it_cannot_take():
    with pytest.raises(InputError, match="takes several outputs"):
        Distance().forward(None, PRED["size"])
    with pytest.raises(InputError, match="NaN or infinity"):
        Distance().forward(None, {"a": np.full((2, 2), np.nan), "b": np.ones((2, 2))})
    with pytest.raises(InputError, match="All weights of this batch are 0"):
        Distance().forward(None, {"a": np.ones((2, 2)), "b": np.ones((2, 2))}, np.zeros(2))
    with pytest.raises(NotImplementedError, match="JointLoss has no losses"):
        JointLoss().forward(None, {"a": np.ones((2, 2))})
    with pytest.raises(NotImplementedError, match="JointLoss has no gradients"):
        JointLoss().backward(None, {"a": np.ones((2, 2))})


def test_they_show_themselves():
    loss = LossPerOutput({"a": MeanSquaredError()}, weights={"a": 2.0})
    assert repr(loss) == "LossPerOutput({'a': MeanSquaredError()}, weights={'a': 2.0})"
    loss = LossPerOutput({"a": MeanSquaredError()})
    assert repr(loss) == "LossPerOutput({'a': MeanSquaredError()})"
