"""The area under the ROC curve against scikit-learn's, ties and missing classes included."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from chainrule import ConfigurationError, InputError
from chainrule.metrics import roc_auc_score

COUNTS = st.integers(2, 15)
FEW = st.sampled_from([-2.0, 0.0, 0.25, 0.5, 1.0, 1e30])  # so that scores are often equal


def peer(*arguments, **options):
    """Return scikit-learn's value; what it warns of is NaN here without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metrics.roc_auc_score(*arguments, **options)


def same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def weights(data, count):
    return data.draw(st.none() | arrays(float, count, elements=st.integers(1, 9)))


def distributions(data, count, classes):
    scores = data.draw(arrays(float, (count, classes), elements=st.integers(1, 6)))
    return scores / scores.sum(axis=1, keepdims=True)


@given(data=st.data(), count=COUNTS)
def test_two_classes(data, count):
    true = data.draw(arrays(np.int64, count, elements=st.integers(0, 1)))
    scores = data.draw(arrays(float, count, elements=FEW))
    weight = weights(data, count)
    expected = peer(true, scores, sample_weight=weight)
    for y_true in (true, true[:, None], 2 * true - 1):
        for y_pred in (scores, scores[:, None]):
            same(roc_auc_score(y_true, y_pred, sample_weight=weight), expected)
    p = np.where(scores > 0.3, 0.75, 0.125)
    same(roc_auc_score(true, np.stack([1 - p, p], axis=1)), peer(true, p))


@given(data=st.data(), count=COUNTS, average=st.sampled_from(["macro", "weighted", "micro", None]))
def test_each_class_against_all_others(data, count, average):
    classes = data.draw(st.integers(3, 5))
    true = data.draw(arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    p, weight = distributions(data, count, classes), weights(data, count)
    options = {"average": average, "sample_weight": weight, "multi_class": "ovr"}
    expected = peer(true, p, labels=range(classes), **options)
    for y_true in (true, np.eye(classes)[true], np.eye(classes, dtype=bool)[true]):
        same(roc_auc_score(y_true, p, **options), expected)
    same(roc_auc_score(true, p, average=average, sample_weight=weight), expected)


@given(data=st.data(), count=COUNTS, average=st.sampled_from(["macro", "weighted"]))
def test_each_class_against_each_other(data, count, average):
    classes = data.draw(st.integers(3, 5))
    true = data.draw(arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    p = distributions(data, count, classes)
    options = {"average": average, "multi_class": "ovo"}
    expected = np.nan  # of a single class scikit-learn raises
    if len(set(true)) > 1:
        expected = peer(true, p, labels=range(classes), **options)
    same(roc_auc_score(true, p, **options), expected)
    same(roc_auc_score(np.eye(classes)[true], p, **options), expected)


@given(data=st.data(), count=COUNTS, average=st.sampled_from(["macro", "weighted", "micro", None]))
def test_several_labels_a_sample(data, count, average):
    true = data.draw(arrays(np.int64, (count, 3), elements=st.integers(0, 1)))
    scores = data.draw(arrays(float, (count, 3), elements=FEW))
    options = {"average": average, "sample_weight": weights(data, count)}
    same(roc_auc_score(true, scores, **options), peer(true, scores, **options))


def test_sequences_count_each_place():
    rng = np.random.default_rng(0)
    true, p = rng.integers(0, 3, (6, 5)), rng.dirichlet(np.ones(3), (6, 5))
    expected = peer(true.reshape(-1), p.reshape(-1, 3), multi_class="ovr")
    same(roc_auc_score(true, p), expected)
    weight = rng.random((6, 5))
    same(
        roc_auc_score(true, p, sample_weight=weight),
        peer(
            true.reshape(-1),
            p.reshape(-1, 3),
            multi_class="ovr",
            sample_weight=weight.reshape(-1),
        ),
    )


def test_where_it_is_not_defined():
    assert np.isnan(roc_auc_score([0, 0], [0.1, 0.2]))
    assert np.isnan(roc_auc_score([1], [0.1]))
    assert np.isnan(roc_auc_score([0, 1], [0.1, 0.2], sample_weight=[1, 0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multi_class": "raise"}, "multi_class must be one of 'ovr', 'ovo'; got 'raise'"),
        ({"average": "samples"}, "average must be one of .* with multi_class='ovr'"),
        ({"average": "micro", "multi_class": "ovo"}, r"one of \('macro', 'weighted'\) with"),
        ({"multi_class": "ovo", "sample_weight": [1, 1]}, "not for multi_class='ovo'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigurationError, match=message):
        roc_auc_score([0, 1], [0.1, 0.9], **options)


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([], [], "is empty: its shape is"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "y_true has 3 classes, but y_score has one column"),
        ([0, 1], [0.1, np.nan], "NaN or infinity"),
        ([0, 1, 1], [0.1, 0.3], "Got 3 labels and 2 predictions"),
        ([0, 3], [[0.2, 0.3, 0.5]] * 2, "labels run from 0 to 2"),
        ([0, 1], [[-4.0, 1.0, 2.0]] * 2, "Expected probabilities from 0 to 1"),
        ([0, 1], [[0.9, 0.9, 0.9]] * 2, "sum to 1; got rows that sum to 2.7"),
        ([[0, 2], [1, 0]], [[0.5, 0.5]] * 2, "must hold 0 and 1"),
    ],
)
def test_odd_input(true, pred, message):
    with pytest.raises(InputError, match=message):
        roc_auc_score(true, pred)


def test_each_against_each_is_for_one_class_a_sample():
    with pytest.raises(InputError, match="does not hold a single 1"):
        roc_auc_score([[1, 1, 0], [0, 1, 0]], [[0.2, 0.3, 0.5]] * 2, multi_class="ovo")
