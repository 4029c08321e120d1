"""Which rows each member of an estimator learns from and leaves out."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from chainrule import Network
from chainrule.estimators import NetworkClassifier, NetworkRegressor
from chainrule.estimators.samples import member_folds

RNG = np.random.default_rng


def test_several_members_leave_out_every_row_once():
    labels = np.repeat([0, 1, 2], [40, 40, 8])
    folds = member_folds(labels, labels, 0.25, 8, RNG(0))
    assert len(folds) == 4
    left_out = np.concatenate([held_out for _, held_out in folds])
    np.testing.assert_array_equal(np.sort(left_out), np.arange(88))
    for learning, held_out in folds:
        np.testing.assert_array_equal(np.union1d(learning, held_out), np.arange(88))
        np.testing.assert_array_equal(np.bincount(labels[held_out]), [10, 10, 2])


def test_one_member_leaves_out_one_share():
    labels = np.repeat([0, 1], [60, 20])
    [(learning, held_out)] = member_folds(labels, labels, 0.2, 1, RNG(0))
    assert len(learning) + len(held_out) == 80
    np.testing.assert_array_equal(np.bincount(labels[held_out]), [12, 4])


@pytest.mark.parametrize(("share", "parts"), [(0.125, 8), (0.1, 10), (0.9, 2), (0.001, 30)])
def test_the_share_determines_the_number_of_folds(share, parts):
    folds = member_folds(np.arange(60.0), None, share, 3, RNG(0))
    assert len(folds) == parts
    assert all(len(held_out) >= 2 for _, held_out in folds)


def test_nothing_is_held_out_of_too_few_rows():
    assert member_folds(np.arange(3.0), None, 0.5, 4, RNG(0)) is None
    assert member_folds(np.arange(1.0), None, 0.5, 1, RNG(0)) is None


def test_members_do_not_know_the_rows_they_left_out():
    X = RNG(0).standard_normal((64, 3))
    y = np.zeros(64, int)
    X[7], y[7] = 40.0, 1  # nothing is like it
    options = {"members": 8, "epochs": 60, "weight_decay": 0.0, "dropout": 0.0, "random_state": 0}
    options |= {"batch_norm": False, "learning_rate": 0.02, "patience": 60}
    classifier = NetworkClassifier((16,), **options).fit(X, y)
    x = classifier.network_.preparation.transform(X[[7]])
    known = classifier.network_.predict_members(x)[0, :, 1]
    assert known.min() < 0.4
    assert np.sort(known)[1] > 0.8


def test_rows_of_weight_zero_do_not_count():
    X, weight = RNG(0).standard_normal((90, 2)), np.arange(90) % 3 > 0
    options = {"members": 3, "epochs": 5, "random_state": 0}
    regressor = NetworkRegressor(8, **options).fit(X, X[:, 0], sample_weight=weight)
    alone = NetworkRegressor(8, **options).fit(X[weight], X[weight, 0])
    for ends, expected in zip(
        regressor.predict_interval(X), alone.predict_interval(X), strict=True
    ):
        np.testing.assert_allclose(ends, expected, rtol=1e-5)


def test_a_given_network_leaves_out_one_fold():
    X = RNG(0).standard_normal((100, 2))
    ready = NetworkRegressor(network=Network([2, 8, 1], seed=0), epochs=5, members=8)
    low, high = ready.fit(X, X[:, 0]).predict_interval(X, coverage=0.5)
    assert (low < high).all()
    assert len(ready.validation_scores_) == 5
