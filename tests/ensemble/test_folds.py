"""Cross-validation by member: each learns from all samples except those of its own fold."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Ensemble, InputError, Network
from chainrule.ensemble.folds import as_columns, member_folds, stratified_folds
from chainrule.metrics import accuracy, mean_absolute_error


def table(samples=100, features=4, classes=3, seed=0):
    """Return a task that can be learned: classes by which feature is the largest."""
    X = np.random.default_rng(seed).standard_normal((samples, features)).astype(np.float32)
    return X, X[:, :classes].argmax(axis=1)


RNG = np.random.default_rng


@pytest.mark.parametrize("count", [10, 11, 13])
def test_folds_hold_every_sample_once_and_are_stratified(count):
    y = np.arange(count) % 2
    folds = stratified_folds(5, y, RNG(0))
    held_out = np.concatenate([part for _, part in folds])
    assert sorted(held_out) == list(range(count))
    for train, part in folds:
        assert sorted([*train, *part]) == list(range(count))
        assert abs(len(part) - count / 5) < 1
        assert abs((y[part] == 1).mean() - y.mean()) <= 0.5


def test_classes_and_numbers_are_spread_evenly():
    y = RNG(1).permutation(np.repeat([0, 1, 2], [50, 30, 20]))
    counts = [np.bincount(y[part], minlength=3) for _, part in stratified_folds(10, y, RNG(0))]
    assert np.sum(counts, axis=0).tolist() == [50, 30, 20]
    assert np.ptp(counts, axis=0).max() <= 1
    numbers = RNG(2).standard_normal((100, 1))
    means = [numbers[part].mean() for _, part in stratified_folds(5, numbers, RNG(0))]
    at_random = [numbers[RNG(s).permutation(100)[:20]].mean() for s in range(20)]
    assert np.std(means) < 0.3 * np.std(at_random)


def test_members_take_the_folds_in_turn():
    folds = member_folds(3, np.arange(9) % 2, 7, RNG(0))
    assert len(folds) == 7
    for k in (3, 4, 5, 6):
        assert np.array_equal(folds[k][1], folds[k - 3][1])
    given = [(np.array([0, 1]), np.array([2])), ([1, 2], [0])]
    assert [list(part) for _, part in member_folds(given, np.arange(3), 3, RNG(0))] == [
        [2],
        [0],
        [2],
    ]


def test_rows_as_columns():
    columns = as_columns([np.array([3, 4, 5]), np.array([7])])
    assert columns.tolist() == [[3, 7], [4, 7], [5, 7]]


def test_a_member_does_not_learn_from_the_fold_it_leaves_out():
    X, y = table(60)
    folds = stratified_folds(4, y, RNG(0))
    wrong = y.copy()
    wrong[folds[1][1]] = (y[folds[1][1]] + 1) % 3  # only member 1 does not learn from these

    def trained(targets):
        ensemble = Ensemble([4, 8, 3], 4, seed=0)
        return ensemble.fit(X, targets, epochs=3, cv=folds).network.state()

    one, other = trained(y), trained(wrong)
    for name, values in one.items():
        same = [np.array_equal(values[k], other[name][k]) for k in range(4)]
        assert same == [False, True, False, False]


def test_each_member_is_validated_on_its_own_fold():
    X, y = table()
    folds = stratified_folds(3, y, RNG(0))
    ensemble = Ensemble([4, 10, 3], 3, seed=1)
    ensemble.fit(X, y, epochs=12, cv=folds, metric="accuracy")
    outputs = ensemble.predict_members(X)
    for k, (_, part) in enumerate(folds):
        best = ensemble.history["val_accuracy"][:, k].max()
        assert accuracy(y[part], outputs[part, k]) == pytest.approx(best)
        assert ensemble.history["val_accuracy"][ensemble.best_epochs[k], k] == best
    assert np.array_equal(ensemble.weights, [1 / 3] * 3)


def test_out_of_fold_predictions_are_of_members_that_have_not_seen_the_sample():
    X, y = table()
    folds = stratified_folds(4, y, RNG(0))
    ensemble = Ensemble([4, 10, 3], 8, seed=1).fit(X, y, epochs=10, cv=folds)
    outputs = ensemble.predict_members(X)
    for fold, (_, part) in enumerate(folds):
        expected = (outputs[part, fold] + outputs[part, fold + 4]) / 2
        np.testing.assert_allclose(ensemble.out_of_fold[part], expected, rtol=1e-5, atol=1e-7)
    few = Ensemble([4, 10, 3], 3, seed=1).fit(X, y, epochs=2, cv=folds)
    missing = np.isnan(few.out_of_fold).any(axis=1)
    assert np.array_equal(np.flatnonzero(missing), np.sort(folds[3][1]))
    assert few.fit(X, y, epochs=1, validation_split=0.2).out_of_fold is None


def test_members_stop_separately_and_the_result_is_reproducible():
    X, y = table(80)
    y[::8] = (y[::8] + 1) % 3  # wrong labels, so that a member can learn too much
    fits = [
        Ensemble([4, 16, 3], [{"learning_rate": 0.03}] * 5, seed=3).fit(
            X, y, epochs=200, cv=5, patience=3
        )
        for _ in range(2)
    ]
    epochs = np.isfinite(fits[0].history["loss"]).sum(axis=0)
    assert len(set(epochs)) > 1
    assert epochs.max() < 200
    assert np.array_equal(fits[0].out_of_fold, fits[1].out_of_fold)
    assert accuracy(y, fits[0].out_of_fold) > 0.7


def test_numbers_and_weights():
    X = RNG(0).standard_normal((90, 3))
    y = X[:, :1] - 2 * X[:, 1:2]
    weight = np.ones(90)
    weight[:30] = 0
    members = [{"learning_rate": 0.03}] * 3
    ensemble = Ensemble([3, 16, 1], members, output="linear", seed=0)
    ensemble.fit(X, y, epochs=60, cv=3, sample_weight=weight)
    assert ensemble.out_of_fold.shape == (60, 1)
    assert mean_absolute_error(y[30:], ensemble.out_of_fold) < 0.5
    with pytest.raises(InputError, match="weight 0"):
        ensemble.fit(X, y, cv=[(np.arange(60), np.arange(60, 90))], sample_weight=weight)


def test_one_member_with_a_fold_equals_validation_data():
    X, y = table()
    train, part = stratified_folds(4, y, RNG(0))[0]
    one, other = (Ensemble([4, 8, 3], 1, seed=0, dtype="float64") for _ in range(2))
    one.fit(X, y, epochs=5, cv=[(train, part)])
    other.fit(X[train], y[train], epochs=5, validation_data=(X[part], y[part]))
    networks = [ensemble.networks()[0] for ensemble in (one, other)]
    assert isinstance(networks[0], Network)
    np.testing.assert_allclose(*[network.predict(X) for network in networks], rtol=1e-12)


@pytest.mark.parametrize(
    ("cv", "error", "message"),
    [
        (1, ConfigurationError, "cv"),
        (True, ConfigurationError, "cv"),
        (101, InputError, "cannot be made of 100 samples"),
        ("kfold", ConfigurationError, "cv"),
        ([], ConfigurationError, "no fold"),
        ([3, 4], ConfigurationError, "cv must be the number of folds"),
        ([([0, 1], [])], ConfigurationError, "row numbers"),
        ([([0.0, 1.0], [2.0])], ConfigurationError, "row numbers"),
        ([([0, 1], [100])], InputError, "outside the 100"),
        ([([0, 1], [1, 2])], InputError, "same row"),
    ],
)
def test_invalid_folds(cv, error, message):
    X, y = table()
    with pytest.raises(error, match=message):
        Ensemble([4, 3], 2, seed=0).fit(X, y, cv=cv)


def test_only_one_kind_of_validation_may_be_given():
    X, y = table()
    with pytest.raises(ConfigurationError, match="Give one of"):
        Ensemble([4, 3], 2, seed=0).fit(X, y, cv=5, validation_split=0.2)
