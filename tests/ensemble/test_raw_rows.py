"""Ensembles with a preparation, partial_fit, astype and calibration."""

import copy
import dataclasses
from functools import partial

import numpy as np
import pytest

from chainrule import (
    SGD,
    AdamW,
    Ensemble,
    Huber,
    MeanSquaredError,
    Standardizer,
    TablePreparation,
)
from chainrule.errors import ConfigurationError, NotFiniteError

RNG = np.random.default_rng(0)
X = RNG.normal(50, 20, (60, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + 1000
CLASSES = (np.argsort(np.argsort(Y)) >= 30).astype(int)


@pytest.fixture(scope="module")
def regression():
    rows, targets = TablePreparation().fit(X), Standardizer().fit(Y[:, None])
    ensemble = Ensemble([4, 8, 1], 3, output="linear", seed=0)
    ensemble.fit(rows.transform(X), targets.transform(Y[:, None]), epochs=5, validation_split=0.3)
    ensemble.preparation, ensemble.target_preparation = rows, targets
    return ensemble


def test_raw_rows_are_predicted_in_the_units_of_the_targets(regression):
    mean, spread = regression.predict_raw(X, return_std=True)
    inner, inner_spread = regression.predict(regression.preparation.transform(X), return_std=True)
    targets = regression.target_preparation
    np.testing.assert_array_equal(mean, regression.predict_raw(X))
    np.testing.assert_allclose(mean, inner * targets.std + targets.mean, rtol=1e-6)
    np.testing.assert_allclose(spread, inner_spread * targets.std, rtol=1e-3)


def test_a_file_keeps_both_preparations(regression, tmp_path):
    regression.save(tmp_path / "ensemble.npz")
    loaded = Ensemble.load(tmp_path / "ensemble.npz")
    np.testing.assert_array_equal(loaded.predict_raw(X), regression.predict_raw(X))


def test_single_networks_have_the_preparations(regression):
    wide = regression.astype("float64")
    singles = [network.predict_raw(X) for network in wide.networks()]
    mean = np.tensordot(wide.weights, np.stack(singles), axes=1)
    np.testing.assert_allclose(mean, wide.predict_raw(X), rtol=1e-12)


def test_without_a_preparation_raw_rows_are_refused():
    with pytest.raises(ConfigurationError, match=r"Set ensemble\.preparation"):
        Ensemble([4, 3], 2).predict_raw(X)


def test_astype_copies(regression):
    wide = regression.astype("float64")
    before = regression.predict_raw(X)
    np.testing.assert_allclose(wide.predict_raw(X), before, rtol=1e-5)
    assert wide.network.dtype == np.float64
    assert regression.network.dtype == np.float32
    rows = np.concatenate([wide.predict_raw(row[None]) for row in X])
    np.testing.assert_allclose(rows, wide.predict_raw(X), rtol=1e-13)
    wide.network.load_state({k: 0 * v for k, v in wide.network.state().items()})
    np.testing.assert_array_equal(regression.predict_raw(X), before)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_temperature_divides_the_logits_of_every_member(output):
    ensemble = Ensemble([4, 6, 3], 2, output=output, seed=1, dtype="float64")
    x = (X - 50) / 20
    cooled = copy.deepcopy(ensemble)
    cooled.apply_temperature(2.5)
    p, q = ensemble.predict_members(x), cooled.predict_members(x)
    if output == "softmax":
        expected = p ** (1 / 2.5)
        expected /= expected.sum(axis=-1, keepdims=True)
    else:
        expected = 1 / (1 + (1 / p - 1) ** (1 / 2.5))
    np.testing.assert_allclose(q, expected, rtol=1e-10)
    np.testing.assert_allclose(cooled.predict(x), expected.mean(axis=1), rtol=1e-10)
    with pytest.raises(ConfigurationError, match="temperature must be a number with 0 <"):
        cooled.apply_temperature(0.0)


@pytest.mark.parametrize("members", [1, 3])
def test_n_calls_of_partial_fit_equal_n_epochs_of_fit(members):
    x = (X - 50) / 20
    weight = RNG.uniform(0.5, 2, len(x))
    hyperparameters = [{"learning_rate": 0.01 * (k + 1), "dropout": 0.1} for k in range(members)]
    at_once = Ensemble([4, 8, 2], hyperparameters, batch_norm=True, seed=0)
    at_once.fit(x, CLASSES, epochs=6, batch_size=16, sample_weight=weight)
    in_parts = Ensemble([4, 8, 2], hyperparameters, batch_norm=True, seed=0)
    for _ in range(6):
        in_parts.partial_fit(x, CLASSES, batch_size=16, sample_weight=weight)
    np.testing.assert_array_equal(at_once.predict(x), in_parts.predict(x))
    np.testing.assert_array_equal(at_once.history["loss"], in_parts.history["loss"])


@pytest.mark.parametrize(
    "change", [{"loss": Huber(0.1)}, {"optimizer": SGD}, {"optimizer": partial(AdamW, beta2=0.5)}]
)
def test_options_given_to_a_later_partial_fit_take_effect(change):
    x, y = (X - 50) / 20, (Y - Y.mean()) / Y.std()
    changed, unchanged, told_again = (
        Ensemble([4, 8, 1], 2, output="linear", seed=0).partial_fit(x, y) for _ in range(3)
    )
    changed.partial_fit(x, y, **change)
    unchanged.partial_fit(x, y)
    told_again.partial_fit(x, y, loss=MeanSquaredError(), optimizer=lambda *a, **k: AdamW(*a, **k))
    assert not np.array_equal(changed.predict(x), unchanged.predict(x))
    np.testing.assert_array_equal(told_again.predict(x), unchanged.predict(x))


def test_a_later_partial_fit_keeps_the_options_it_is_not_given():
    x, smoothing = (X - 50) / 20, {"label_smoothing": 0.2, "optimizer": SGD}
    once, each_time = (Ensemble([4, 8, 2], 2, seed=0) for _ in range(2))
    once.partial_fit(x, CLASSES, **smoothing).partial_fit(x, CLASSES)
    each_time.partial_fit(x, CLASSES, **smoothing).partial_fit(x, CLASSES, **smoothing)
    np.testing.assert_array_equal(once.predict(x), each_time.predict(x))
    plain = Ensemble([4, 8, 2], 2, seed=0).partial_fit(x, CLASSES, **smoothing)
    plain.partial_fit(x, CLASSES, label_smoothing=0.0)
    assert not np.array_equal(plain.predict(x), once.predict(x))


def test_changed_learning_rates_of_the_members_take_effect():
    x = (X - 50) / 20
    ensemble = Ensemble([4, 8, 2], 2, seed=0).partial_fit(x, CLASSES)
    before = ensemble.predict_members(x)
    first, second = ensemble.members
    ensemble.members = (dataclasses.replace(first, learning_rate=1e-12), second)
    after = ensemble.partial_fit(x, CLASSES).predict_members(x)
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-6)
    assert np.abs(after[:, 1] - before[:, 1]).max() > 1e-3


def test_partial_fit_starts_afresh_after_all_members_diverged():
    x = (X - 50) / 20
    ensemble = Ensemble([4, 8, 2], [{"learning_rate": 1e30}], seed=0)
    for _ in range(2):
        with pytest.raises(NotFiniteError, match="All 1 members"):
            ensemble.partial_fit(x, CLASSES, batch_size=8, optimizer=SGD)


def test_partial_fit_takes_other_rows_and_batch_sizes():
    x = (X - 50) / 20
    ensemble = Ensemble([4, 8, 2], 2, seed=0)
    losses = [
        ensemble.partial_fit(x[::step], CLASSES[::step], batch_size=size).history["loss"][-1].mean()
        for step, size in [(1, 8), (2, 4), (3, 60)] * 20
    ]
    assert losses[-1] < 0.75 * losses[0]
    ensemble.fit(x, CLASSES, epochs=1)  # begins a training of its own
    assert len(ensemble.history["loss"]) == 1
