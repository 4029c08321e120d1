"""Precision, recall and F1 against scikit-learn's, on all that they may be asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from chainrule import ConfigurationError, InputError
from chainrule.metrics import f1_score, precision_score, recall_score

METRICS = [precision_score, recall_score, f1_score]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
ZERO_DIVISION = st.sampled_from([0, 1, 0.0, 1.0, np.nan, np.float64("nan")])


def peer(metric, *arguments, **options):
    options.setdefault("zero_division", 0)
    return getattr(metrics, metric.__name__)(*arguments, **options)


def draw_classes(data, classes):
    """Return true and predicted classes, few enough for some to be missing, and weights."""
    count = data.draw(st.integers(1, 12))
    label = st.integers(0, classes - 1)
    true, pred = (data.draw(arrays(np.int64, count, elements=label)) for _ in range(2))
    weight = data.draw(st.none() | arrays(float, count, elements=st.integers(1, 9)))
    return true, pred, weight


@each
@given(data=st.data(), average=st.sampled_from(["macro", "micro", "weighted", None]))
def test_averages(metric, data, average):
    classes = data.draw(st.integers(1, 5))
    true, pred, weight = draw_classes(data, classes)
    some = st.lists(st.integers(0, 5), min_size=1, unique=True)
    options = {
        "average": average,
        "labels": data.draw(st.none() | some),
        "sample_weight": weight,
        "zero_division": data.draw(ZERO_DIVISION),
    }
    expected = peer(metric, true, pred, **options)
    one_hot = np.eye(6)
    for y_true, y_pred in ((true, pred), (one_hot[true], one_hot[pred] * 0.9 + 0.01)):
        actual = metric(y_true, y_pred, **options)
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)
    assert average is None or isinstance(actual, float)


@each
@given(data=st.data(), pos_label=st.sampled_from([0, 1]))
def test_two_classes(metric, data, pos_label):
    true, pred, weight = draw_classes(data, 2)
    zero_division = data.draw(ZERO_DIVISION)
    options = {"sample_weight": weight, "zero_division": zero_division}
    if len(set(true) | set(pred)) == 2 or pos_label == 1:
        options["pos_label"] = pos_label
    expected = peer(metric, true, pred, **options)
    probabilities = np.where(pred == 1, 0.75, 0.25)
    for y_pred in (pred, probabilities, probabilities[:, None], np.eye(2)[pred]):
        np.testing.assert_allclose(metric(true, y_pred, **options), expected, rtol=1e-12)


@each
def test_classes_that_are_not_0_and_1(metric):
    true, pred = [-1, 1, 1, -1, 1], [1, 1, -1, -1, 1]
    assert metric(true, pred) == peer(metric, true, pred)
    true, pred = [3, 7, 7, 3, 7], [7, 7, 3, 3, 7]
    assert metric(true, pred, pos_label=7) == peer(metric, true, pred, pos_label=7)
    with pytest.raises(
        ConfigurationError, match=r"pos_label=1 is not one of the classes, \[3, 7\]"
    ):
        metric(true, pred)


@each
def test_sequences_count_each_place(metric):
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 3, (8, 5)), rng.random((8, 5, 3))
    expected = peer(metric, labels.reshape(-1), scores.argmax(-1).reshape(-1), average="macro")
    assert metric(labels, scores, average="macro") == pytest.approx(expected, rel=1e-12)


def test_nothing_to_divide_by():
    """No warning, which would end a training run under -W error; 0 as in scikit-learn, or NaN."""
    assert precision_score([1, 0], [0, 0]) == 0
    assert recall_score([0, 0], [1, 0]) == 0
    assert f1_score([0, 0], [0, 0]) == 0
    assert np.isnan(f1_score([0, 0], [0, 0], zero_division=np.nan))
    assert f1_score([1, 0], [0, 0], zero_division=np.nan) == 0, "a class that is true is known"
    macro = precision_score([0, 1, 2], [0, 1, 1], average="macro", zero_division=np.nan)
    assert macro == pytest.approx((1 + 0.5) / 2), "NaN is left out of means"


@each
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "average='binary' is for two classes, and there are 3"),
        ({"average": "samples"}, "average must be one of"),
        ({"average": "macro", "pos_label": 2}, r"for one class give labels=\[2\]"),
        ({"labels": [1]}, "average='binary' takes pos_label, not labels"),
        ({"average": "macro", "labels": []}, "at least one class"),
        ({"average": "macro", "labels": ["a"]}, "labels must be a sequence of whole numbers"),
        ({"average": "macro", "zero_division": 0.5}, "zero_division must be 0, 1 or NaN, got 0.5"),
        ({"average": "macro", "zero_division": "warn"}, "zero_division must be 0, 1 or NaN"),
        ({"pos_label": "yes"}, "pos_label must be a whole number"),
    ],
)
def test_options_that_make_no_sense(metric, options, message):
    with pytest.raises(ConfigurationError, match=message):
        metric([0, 1, 1], [[0.9, 0.1, 0.0]] * 3, **options)


@each
def test_odd_input(metric):
    for true, pred, message in (
        ([], [], "is empty: its shape is"),
        ([0, 1], [0], "Got 2 labels and 1 predictions"),
        ([0, 1], [0.5, np.nan], "holds NaN or infinity"),
        ([[1, 1], [0, 1]], [[0.5, 0.5], [0.5, 0.5]], "does not hold a single 1"),
    ):
        with pytest.raises(InputError, match=message):
            metric(true, pred)
