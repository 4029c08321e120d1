"""Log loss and Brier score against scikit-learn's, and against the losses that are trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from chainrule import BinaryCrossEntropy, CategoricalCrossEntropy, InputError
from chainrule.metrics import brier_score_loss, log_loss

METRICS = [log_loss, brier_score_loss]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)


def peer(metric, *arguments, **options):
    return getattr(metrics, metric.__name__)(*arguments, **options)


def weights(data, count):
    return data.draw(st.none() | arrays(float, count, elements=st.integers(1, 9)))


@each
@given(data=st.data(), count=st.integers(1, 10), classes=st.integers(3, 5))
def test_several_classes(metric, data, count, classes):
    true = data.draw(arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    p = data.draw(arrays(float, (count, classes), elements=st.integers(0, 6)))
    p[:, 0] += p.sum(axis=1) == 0
    p /= p.sum(axis=1, keepdims=True)
    given = {"sample_weight": weights(data, count)}
    expected = peer(metric, true, p, labels=range(classes), **given)
    for y_true in (true, true[:, None], true.astype(float), np.eye(classes)[true]):
        actual = metric(y_true, p, **given)
        assert actual == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert isinstance(actual, float)


@each
@given(data=st.data(), count=st.integers(1, 10))
def test_two_classes(metric, data, count):
    true = data.draw(arrays(np.int64, count, elements=st.integers(0, 1)))
    p = data.draw(arrays(float, count, elements=st.floats(0, 1)))
    given = {"sample_weight": weights(data, count)}
    known = {"labels": [0, 1]} if metric is log_loss else {"pos_label": 1}
    expected = peer(metric, true, p, **known, **given)
    for y_true in (true, true[:, None], true.astype(bool)):
        for y_pred in (p, p[:, None], np.stack([1 - p, p], axis=1)):
            actual = metric(y_true, y_pred, **given)
            assert actual == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_surest_mistake_is_finite_as_in_scikit_learn():
    for dtype in (np.float32, np.float64):
        p = np.array([[1, 0], [0.5, 0.5]], dtype)
        expected = metrics.log_loss([1, 0], p)
        assert log_loss([1, 0], p) == pytest.approx(expected, rel=1e-6)
    sure = np.array([0, 1], np.float32)
    assert log_loss([0, 1], sure) == pytest.approx(metrics.log_loss([0, 1], sure), rel=1e-3)
    assert 0 < log_loss([0, 1], sure) < 1e-6, "certain, and right"


def test_log_loss_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)
    soft = rng.dirichlet(np.ones(4), 30)
    for true in (labels, soft):
        assert log_loss(true, p) == pytest.approx(CategoricalCrossEntropy().forward(true, p))
    p, soft = rng.random((30, 1)), rng.random((30, 1))
    assert log_loss(soft, p) == pytest.approx(BinaryCrossEntropy().forward(soft, p))


@each
def test_sequences_count_each_place(metric):
    rng = np.random.default_rng(1)
    true, p, weight = rng.integers(0, 3, (4, 6)), rng.dirichlet(np.ones(3), (4, 6)), rng.random(4)
    flat = true.reshape(-1), p.reshape(-1, 3)
    expected = peer(metric, *flat, sample_weight=weight.repeat(6))
    assert metric(true, p, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


@each
@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([], [], "is empty: its shape is"),
        (1, 0.5, "got a single number"),
        ([0, 1], [0.1, np.nan], "NaN or infinity"),
        ([0, 1], [-2.0, 3.0], "from -2 to 3. End the network with a Sigmoid"),
        ([0, 1], [[-2.0, 3.0]] * 2, "from -2 to 3. End the network with a Softmax"),
        ([0, 1], [[0.9, 0.9]] * 2, "rows that sum to 1.8"),
        ([0, 2], [[0.5, 0.5]] * 2, "labels run from 0 to 1"),
        ([0, 2], [0.5, 0.5], "from 0 to 2"),
        ([0, 1, 1], [[0.5, 0.5]] * 2, "Got 3 labels and 2 predictions"),
        ([[1, 1], [0, 1]], [[0.5, 0.5]] * 2, "sum to 1; got rows that sum to 1 up to 2"),
    ],
)
def test_odd_input(metric, true, pred, message):
    with pytest.raises(InputError, match=message):
        metric(true, pred)
