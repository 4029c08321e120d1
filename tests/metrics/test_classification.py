"""Metrics of classes against scikit-learn's on random data, and what they make of odd input."""

import numpy as np
import pytest
from sklearn import metrics

from chainrule import ConfigurationError, InputError
from chainrule.metrics import (
    accuracy,
    balanced_accuracy_score,
    class_indices,
    confusion_matrix,
    top_k_accuracy,
)

SEEDS = pytest.mark.parametrize("seed", range(5))


def drawn(seed, classes=4, count=60):
    """Return labels (N,), scores (N, C), and the classes that the scores mean."""
    rng = np.random.default_rng(seed)
    scores = rng.random((count, classes))
    labels = rng.integers(0, classes, count)
    return labels, scores / scores.sum(axis=1, keepdims=True), scores.argmax(axis=1)


# ---------------------------------------------------------------- classification


@SEEDS
def test_accuracy(seed):
    labels, scores, predicted = drawn(seed)
    expected = metrics.accuracy_score(labels, predicted)
    assert 0 < expected < 1
    for y_true in (labels, np.eye(4)[labels], list(labels), labels.astype(float), labels[:, None]):
        for y_pred in (scores, predicted, np.eye(4)[predicted], predicted.astype(np.float32)):
            assert accuracy(y_true, y_pred) == pytest.approx(expected)
    assert isinstance(accuracy(labels, scores), float)


@SEEDS
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_binary_accuracy_from_probabilities(seed, shape):
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(0, 2, 50), rng.random(50).astype(np.float32)
    expected = metrics.accuracy_score(labels, probabilities >= 0.5)
    for y_true in (labels, labels.astype(bool), labels.astype(float), labels[:, None]):
        assert accuracy(y_true, probabilities.reshape(shape)) == pytest.approx(expected)


def test_a_probability_of_a_half_is_a_yes():
    np.testing.assert_array_equal(class_indices([[0.5], [0.499], [1.0], [0.0]]), [1, 0, 1, 0])


def test_small_probabilities_alone_are_still_probabilities():
    np.testing.assert_array_equal(class_indices([0.1, 0.2]), [0, 0])
    np.testing.assert_array_equal(class_indices([1.0, 1.0]), [1, 1])
    np.testing.assert_array_equal(class_indices([2.0, 0.0]), [2, 0])
    np.testing.assert_array_equal(class_indices([-1.0, 1.0]), [-1, 1])


@SEEDS
def test_sequences_count_each_position(seed):
    labels, scores, predicted = drawn(seed)
    expected = metrics.accuracy_score(labels, predicted)
    assert accuracy(labels.reshape(12, 5), scores.reshape(12, 5, 4)) == pytest.approx(expected)
    one_hot = np.eye(4)[labels].reshape(12, 5, 4)
    assert accuracy(one_hot, scores.reshape(12, 5, 4)) == pytest.approx(expected)
    np.testing.assert_array_equal(
        confusion_matrix(labels.reshape(12, 5), scores.reshape(12, 5, 4)),
        metrics.confusion_matrix(labels, predicted),
    )


@SEEDS
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_accuracy(seed, k):
    labels, scores, _ = drawn(seed)
    expected = 1.0  # of 4 classes the right one is always among the best 4
    if k < 4:
        expected = metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(4))
    assert top_k_accuracy(labels, scores, k=k) == pytest.approx(expected)
    assert top_k_accuracy(np.eye(4)[labels], scores, k=k) == pytest.approx(expected)
    assert top_k_accuracy(labels, scores, k=1) == accuracy(labels, scores)


def test_top_k_of_small_unsigned_scores():
    votes = np.array([[0, 5, 3], [9, 0, 1]], np.uint8)
    assert top_k_accuracy([1, 0], votes, k=1) == 1
    assert top_k_accuracy([2, 1], votes, k=2) == 0.5


@SEEDS
def test_confusion_matrix(seed):
    labels, scores, predicted = drawn(seed)
    expected = metrics.confusion_matrix(labels, predicted)
    assert (expected != expected.T).any(), "rows and columns can be told apart"
    np.testing.assert_array_equal(confusion_matrix(labels, predicted), expected)
    np.testing.assert_array_equal(confusion_matrix(np.eye(4)[labels], scores), expected)
    np.testing.assert_array_equal(
        confusion_matrix(labels, predicted, classes=6),
        metrics.confusion_matrix(labels, predicted, labels=range(6)),
    )


def test_confusion_matrix_has_room_for_the_largest_class():
    np.testing.assert_array_equal(confusion_matrix([0, 0], [0, 2]), [[1, 0, 1], [0] * 3, [0] * 3])
    np.testing.assert_array_equal(confusion_matrix([1], [0]), [[0, 0], [1, 0]])


@pytest.mark.parametrize(("true", "pred"), [([0, 3], [0, 1]), ([0, 1], [0, 3]), ([-1, 0], [0, 0])])
def test_classes_outside_the_matrix(true, pred):
    with pytest.raises(InputError, match="Classes must run from 0 to 2, got one outside"):
        confusion_matrix(true, pred, classes=3)


@SEEDS
def test_balanced_accuracy(seed):
    labels, scores, predicted = drawn(seed)
    for adjusted in (False, True):
        expected = metrics.balanced_accuracy_score(labels, predicted, adjusted=adjusted)
        for y_true, y_pred in ((labels, scores), (np.eye(4)[labels], predicted)):
            actual = balanced_accuracy_score(y_true, y_pred, adjusted=adjusted)
            assert actual == pytest.approx(expected, rel=1e-12)


def test_balanced_accuracy_where_classes_are_missing():
    assert balanced_accuracy_score([0, 0, 1], [0, 2, 1]) == 0.75, "a class that is never true"
    assert balanced_accuracy_score([0, 0], [0, 1]) == 0.5
    assert np.isnan(balanced_accuracy_score([0, 0], [0, 1], adjusted=True))
    weight = [1, 1, 0]
    assert balanced_accuracy_score([0, 0, 1], [0, 0, 0], sample_weight=weight) == 1


@SEEDS
def test_sample_weights(seed):
    labels, scores, predicted = drawn(seed)
    weight = np.random.default_rng(seed).random(60)
    given = {"sample_weight": weight}
    for mine, theirs in (
        (accuracy, metrics.accuracy_score),
        (balanced_accuracy_score, metrics.balanced_accuracy_score),
        (confusion_matrix, metrics.confusion_matrix),
    ):
        expected = theirs(labels, predicted, **given)
        np.testing.assert_allclose(mine(labels, scores, **given), expected, rtol=1e-12)
    expected = metrics.top_k_accuracy_score(labels, scores, k=2, labels=range(4), **given)
    assert top_k_accuracy(labels, scores, k=2, **given) == pytest.approx(expected, rel=1e-12)


def test_weights_of_each_place_of_a_sequence_or_of_each_sequence():
    labels, scores = np.array([[0, 1], [1, 1]]), np.eye(2)[[[0, 0], [1, 1]]]
    assert accuracy(labels, scores, sample_weight=[[1, 0], [1, 1]]) == 1
    assert accuracy(labels, scores, sample_weight=[3, 1]) == pytest.approx(5 / 8)


# ---------------------------------------------------------------- odd input

CLASSIFICATION = [
    accuracy,
    balanced_accuracy_score,
    confusion_matrix,
    lambda t, p: top_k_accuracy(t, p, k=2),
]


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_nothing_to_measure(metric):
    with pytest.raises(InputError, match=r"is empty: its shape is \(0,"):
        metric([], np.ones((0, 3)))


@pytest.mark.parametrize("metric", CLASSIFICATION)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_no_class(metric, bad):
    scores = np.array([[0.1, 0.9], [0.9, bad]])
    for true, pred in (([0, 1], scores), ([0.0, bad], scores[:1].repeat(2, axis=0))):
        with pytest.raises(InputError, match="holds NaN or infinity"):
            metric(true, pred)


@pytest.mark.parametrize("metric", CLASSIFICATION)
@pytest.mark.parametrize("labels", [["a", "b"], [None, 1], [1j, 0]])
def test_text_is_no_class(metric, labels):
    with pytest.raises(InputError, match=r"must hold numbers, got .*; number the classes from 0"):
        metric(labels, np.ones((2, 3)))


@pytest.mark.parametrize("metric", [accuracy, confusion_matrix])
def test_classification_of_different_length(metric):
    with pytest.raises(InputError, match="Got 3 labels and 2 predictions"):
        metric([0, 1, 1], [0, 1])


@pytest.mark.parametrize(
    ("labels", "scores", "k"),
    [
        ([0, 1, 1], np.ones((2, 3)), 1),
        ([0, 1], np.ones(2), 1),
        ([0, 1], np.ones((2, 3)), 4),
    ],
)
def test_top_k_that_cannot_be(labels, scores, k):
    with pytest.raises(InputError) as caught:
        top_k_accuracy(labels, scores, k=k)
    expected = f"Expected {len(labels)} rows of at least k = {k} scores, got {np.shape(scores)}."
    assert str(caught.value) == expected


def test_counts_that_cannot_be():
    for k in (0, 1.5, "2", True):
        with pytest.raises(ConfigurationError, match="k must be a whole number of at least 1"):
            top_k_accuracy([0, 1], np.ones((2, 3)), k=k)
    with pytest.raises(ConfigurationError, match="classes must be a whole number"):
        confusion_matrix([0, 1], [0, 1], classes=2.5)
    assert confusion_matrix([0, 1], [0, 1], classes=np.int64(3)).shape == (3, 3)


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_ragged_rows(metric):
    with pytest.raises(InputError, match="differ in length"):
        metric([[1, 0], [1]], [[1, 0], [0, 1]])


@pytest.mark.parametrize("metric", [accuracy, balanced_accuracy_score, confusion_matrix])
def test_several_labels_a_sample_are_refused(metric):
    for true in ([[1, 0, 0], [1, 1, 0]], [[1, 0, 0], [0, 0, 0]], [[0, 1, 0], [2, 0, -1]]):
        with pytest.raises(
            InputError, match=r"shape \(2, 3\), but its row 1 does not hold a single"
        ):
            metric(true, [[0.9, 0.1, 0.2], [0.8, 0.7, 0.3]])
    with pytest.raises(InputError, match="row 0, 1 does not"):
        metric(np.eye(2, 3)[None] * [[[1], [0]]], np.ones((1, 2, 3)))


@pytest.mark.parametrize("metric", CLASSIFICATION[:3])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2], r"Sample weights of the shape \(2,\) do not fit"),
        ([1, 2, -1], "must not be negative"),
        ([0, 0, 0], "All sample weights are 0"),
    ],
)
def test_weights_that_cannot_be(metric, weight, message):
    with pytest.raises(InputError, match=message):
        metric([0, 1, 1], [0, 1, 0], sample_weight=weight)


def test_class_numbers_of_a_billion_are_refused_before_memory_is_taken():
    for true, pred, options in (([0, 10**9], [0, 1], {}), ([0, 1], [0, 1], {"classes": 10**9})):
        with pytest.raises(InputError, match="Number the classes from 0, without gaps"):
            confusion_matrix(true, pred, **options)
