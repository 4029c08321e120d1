"""The ROC curve against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from chainrule import InputError
from chainrule.metrics import roc_curve

SEEDS = pytest.mark.parametrize("seed", range(5))


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
        ([1, 1], [0.1, 0.2], {}, "needs samples of the positive class"),
        ([0, 0], [0.1, 0.2], {}, "needs samples of the positive class"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {}, "must hold 0 and 1, or -1 and 1, got"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {"pos_label": 1}, "needs samples of the positive class"),
        ([0, 1], [0.1, 0.2], {"pos_label": 3}, "needs samples of the positive class"),
        ([1, 2], [0.1, 0.2], {}, "give pos_label"),
        ([0, 1], [0.1, 0.2, 0.3], {}, "Got 2 labels and"),
        ([0, 1], [0.1, np.nan], {}, "NaN"),
        ([], [], {}, "is empty: its shape is"),
    ],
)
def test_no_roc_curve(labels, scores, options, message):
    with pytest.raises(InputError, match=message):
        roc_curve(labels, scores, **options)
