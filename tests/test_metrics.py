"""Metrics against scikit-learn's on random data, and what they make of odd input."""

import numpy as np
import pytest
from sklearn import metrics

from chainrule import ConfigurationError, InputError
from chainrule.metrics import (
    accuracy,
    class_indices,
    confusion_matrix,
    mean_absolute_error,
    r2_score,
    roc_curve,
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


# ---------------------------------------------------------------- regression


@SEEDS
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_regression(seed, shape):
    rng = np.random.default_rng(seed)
    true = rng.standard_normal(shape)
    pred = true + 0.5 * rng.standard_normal(shape)
    assert mean_absolute_error(true, pred) == pytest.approx(metrics.mean_absolute_error(true, pred))
    expected = metrics.r2_score(true, pred, multioutput="variance_weighted")
    assert 0 < expected < 1
    assert r2_score(true, pred) == pytest.approx(expected)
    assert r2_score(true, true) == 1
    mean = np.broadcast_to(true.mean(axis=0), shape)
    assert r2_score(true, mean) == pytest.approx(0)
    assert isinstance(r2_score(true, pred), float)
    assert isinstance(mean_absolute_error(true, pred), float)


@pytest.mark.parametrize("metric", [mean_absolute_error, r2_score])
def test_a_column_and_a_vector_are_the_same_thing(metric):
    true, pred = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    expected = metric(true, pred)
    assert metric(true, np.array(pred)[:, None]) == expected
    assert metric(np.array(true)[:, None], pred) == expected


def test_whole_numbers_do_not_wrap():
    assert mean_absolute_error(np.array([0], np.uint8), np.array([2], np.uint8)) == 2


@pytest.mark.parametrize("true", [[0.1, 0.1, 0.1], [5], [[1, 2], [1, 2]]])
def test_r2_of_a_constant_truth_has_no_meaning(true):
    with pytest.raises(InputError, match="R² has no meaning where all true values are the same"):
        r2_score(true, np.zeros(np.shape(true)))


# ---------------------------------------------------------------- odd input

CLASSIFICATION = [accuracy, confusion_matrix, lambda t, p: top_k_accuracy(t, p, k=2)]
REGRESSION = [mean_absolute_error, r2_score]


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_nothing_to_measure(metric):
    with pytest.raises(InputError, match=r"There is nothing to measure: the shape is \(0,"):
        metric([], np.ones((0, 3)))


@pytest.mark.parametrize("metric", CLASSIFICATION)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_is_no_class(metric, bad):
    scores = np.array([[0.1, 0.9], [0.9, bad]])
    for true, pred in (([0, 1], scores), ([0.0, bad], scores[:1].repeat(2, axis=0))):
        with pytest.raises(InputError, match="hold NaN or infinity"):
            metric(true, pred)


@pytest.mark.parametrize("metric", CLASSIFICATION)
@pytest.mark.parametrize("labels", [["a", "b"], [None, 1], [1j, 0]])
def test_text_is_no_class(metric, labels):
    with pytest.raises(InputError, match=r"must be numbers, got .*; number classes from 0"):
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


@pytest.mark.parametrize("metric", REGRESSION)
@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ([1, 2, 3], [1, 2]),
        (1, 2),
        (np.ones((4, 2, 3)), np.ones((4, 3, 2))),
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones(6), np.ones((6, 2))),
        (np.ones((1, 6)), np.ones(6)),
    ],
)
def test_truth_and_predictions_must_match(metric, true, pred):
    with pytest.raises(InputError) as caught:
        metric(true, pred)
    expected = f"Truth and predictions must match, got {np.shape(true)} and {np.shape(pred)}."
    assert str(caught.value) == expected


def test_counts_that_cannot_be():
    for k in (0, 1.5, "2", True):
        with pytest.raises(ConfigurationError, match="k must be a whole number of at least 1"):
            top_k_accuracy([0, 1], np.ones((2, 3)), k=k)
    with pytest.raises(ConfigurationError, match="classes must be a whole number"):
        confusion_matrix([0, 1], [0, 1], classes=2.5)
    assert confusion_matrix([0, 1], [0, 1], classes=np.int64(3)).shape == (3, 3)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_ragged_rows(metric):
    with pytest.raises(InputError, match="differ in length"):
        metric([[1, 0], [1]], [[1, 0], [0, 1]])


@pytest.mark.parametrize("metric", REGRESSION)
def test_regression_of_nothing(metric):
    with pytest.raises(InputError, match="There is nothing to measure"):
        metric([], [])


@pytest.mark.parametrize("metric", REGRESSION)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_no_number_to_measure(metric, bad):
    for true, pred in (([1, 2], [1, bad]), ([1, bad], [1, 2])):
        with pytest.raises(InputError, match="Truth or predictions hold NaN or infinity"):
            metric(true, pred)


# ---------------------------------------------------------------- the ROC curve


@SEEDS
@pytest.mark.parametrize("drop_intermediate", [True, False])
@pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
def test_roc_curve(seed, drop_intermediate, decimals):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 2, 50)
    scores = (true + rng.normal(size=50)).round(decimals)
    expected = metrics.roc_curve(true, scores, drop_intermediate=drop_intermediate)
    for got, wanted in zip(
        roc_curve(true, scores[:, np.newaxis], drop_intermediate=drop_intermediate),
        expected,
        strict=True,
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("labels", "pos_label"),
    [([-1, -1, 1, 1], None), ([1, 1, 2, 2], 2), ([1, 1, 0, 0], 0), ([False, False, True, True], 1)],
)
def test_roc_curve_of_other_labels(labels, pos_label):
    scores = [0.1, 0.4, 0.35, 0.8]
    got = roc_curve(labels, scores, pos_label=pos_label)
    for mine, theirs in zip(
        got, metrics.roc_curve(labels, scores, pos_label=pos_label), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.bool_])
def test_roc_curve_of_scores_of_any_type(dtype):
    scores = np.array([0, 3, 3, 200]).astype(dtype)
    got = roc_curve([0, 0, 1, 1], scores)
    for mine, theirs in zip(got, metrics.roc_curve([0, 0, 1, 1], scores), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_roc_curve_of_one_threshold():
    fpr, tpr, thresholds = roc_curve([0, 1, 1], [0.5, 0.5, 0.5])
    np.testing.assert_array_equal([fpr, tpr, thresholds], [[0, 1], [0, 1], [np.inf, 0.5]])


@pytest.mark.parametrize(
    ("labels", "scores", "options", "message"),
    [
        ([1, 1], [0.1, 0.2], {}, "needs positive samples"),
        ([0, 0], [0.1, 0.2], {}, "needs positive samples"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {}, "must hold 0 and 1, or -1 and 1, got"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {"pos_label": 1}, "needs positive samples"),
        ([0, 1], [0.1, 0.2], {"pos_label": 3}, "needs positive samples"),
        ([1, 2], [0.1, 0.2], {}, "give pos_label"),
        ([0, 1], [0.1, 0.2, 0.3], {}, "Got 2 labels and"),
        ([0, 1], [0.1, np.nan], {}, "NaN"),
        ([], [], {}, "nothing to measure"),
    ],
)
def test_no_roc_curve(labels, scores, options, message):
    with pytest.raises(InputError, match=message):
        roc_curve(labels, scores, **options)
