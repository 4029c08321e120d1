"""Uncertainty: the members' spread, prediction intervals, calibrated probabilities."""

import numpy as np
import pytest

from chainrule import Linear, Network, Residual, Softmax, Tanh
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import NetworkClassifier, NetworkRegressor
from chainrule.estimators.calibration import (
    fit_binary_temperature,
    fit_temperature,
    interval_half_width,
)

RNG = np.random.default_rng(0)
QUICK = {"hidden_layers": (16,), "epochs": 30, "learning_rate": 0.02}


def noisy(rows, seed, outputs=1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (rows, 3))
    noise = rng.standard_normal((rows, outputs)) * [1.0, 10.0][:outputs]
    Y = (np.sin(2 * X[:, :1]) + X[:, 1:2]) * 3 + noise
    return X, Y[:, 0] if outputs == 1 else Y


# ---------------------------------------------------------------- the spread of the members


def test_members_agree_near_training_rows_only():
    X, y = noisy(300, 0)
    regressor = NetworkRegressor(**QUICK, members=6, random_state=0, preparation=None).fit(X, y)
    prediction, near = regressor.predict(X, return_std=True)
    np.testing.assert_array_equal(prediction, regressor.predict(X))
    _, far = regressor.predict(X * 20, return_std=True)
    assert near.shape == y.shape
    assert far.mean() > 5 * near.mean() > 0


def test_the_spread_of_probabilities():
    X, y = noisy(200, 0)
    labels = np.array(["low", "high"])[(y > 0).astype(int)]
    classifier = NetworkClassifier(**QUICK, members=4, random_state=0).fit(X, labels)
    found, std = classifier.predict(X, return_std=True)
    p, all_std = classifier.predict_proba(X, return_std=True)
    np.testing.assert_array_equal(found, classifier.classes_[p.argmax(axis=1)])
    np.testing.assert_array_equal(std, all_std[np.arange(200), p.argmax(axis=1)])
    np.testing.assert_allclose(all_std[:, 0], all_std[:, 1], rtol=1e-7)  # p and 1 - p
    several = NetworkClassifier(**QUICK, members=3, random_state=0).fit(X, X > 0)
    assert several.predict(X, return_std=True)[1].shape == (200, 3)


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_one_network_has_no_spread(kind):
    X, y = noisy(60, 0)
    estimator = kind(**QUICK, members=1).fit(X, y > 0)
    with pytest.raises(ConfigurationError, match="needs several members"):
        estimator.predict(X, return_std=True)


# ---------------------------------------------------------------- intervals


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("members", [1, 4])
def test_intervals_have_the_promised_coverage(coverage, members):
    X, y = noisy(400, 1)
    regressor = NetworkRegressor(**QUICK, members=members, random_state=0).fit(X, y)
    regressor.calibrate(*noisy(1000, 2))
    X_new, y_new = noisy(4000, 3)
    low, high = regressor.predict_interval(X_new, coverage=coverage)
    np.testing.assert_allclose((low + high) / 2, regressor.predict(X_new), rtol=1e-9)
    held = ((low <= y_new) & (y_new <= high)).mean()
    assert abs(held - coverage) < 0.05  # 4 standard deviations of so many rows


@pytest.mark.parametrize("members", [1, 2, 5, 8])
def test_coverage_of_intervals_from_left_out_rows(members):
    X, y = noisy(600, 1)
    regressor = NetworkRegressor(**QUICK, members=members, random_state=0).fit(X, y)
    X_new, y_new = noisy(4000, 3)
    low, high = regressor.predict_interval(X_new, coverage=0.8)
    assert 0.72 < ((low <= y_new) & (y_new <= high)).mean() < 0.88


def test_intervals_of_an_overfitted_model_have_the_coverage():
    X, y = noisy(80, 1)
    options = {"members": 8, "weight_decay": 0.0, "dropout": 0.0, "learning_rate": 0.01}
    regressor = NetworkRegressor((64, 64), **options, random_state=0).fit(X, y)
    fitted = np.abs(y - regressor.predict(X)).mean()
    X_new, y_new = noisy(2000, 3)
    low, high = regressor.predict_interval(X_new, coverage=0.8)
    assert fitted < 0.7 * np.abs(y_new - regressor.predict(X_new)).mean()
    assert 0.7 < ((low <= y_new) & (y_new <= high)).mean() < 0.95


def test_each_output_has_its_own_interval():
    X, Y = noisy(400, 1, outputs=2)
    regressor = NetworkRegressor(**QUICK, members=2, random_state=0).fit(X, Y)
    low, high = regressor.calibrate(*noisy(600, 2, outputs=2)).predict_interval(X)
    assert low.shape == Y.shape
    width = (high - low)[0]
    np.testing.assert_allclose(regressor.interval_half_width(), width / 2, rtol=1e-9)
    assert 2.5 < width[0] < 8  # noise of 1: 2 · 1.64, and what was not learned
    assert 25 < width[1] < 60


def test_widths_are_the_order_statistic_in_the_formula():
    residuals = RNG.permutation(np.arange(1.0, 20.0))[:, None]  # 19 rows
    ones = np.ones(19)
    for coverage, place in [(0.9, 18), (0.5, 10), (0.95, 19), (0.05, 1), (0.051, 2)]:
        assert interval_half_width(residuals, ones, coverage) == place
        assert interval_half_width(residuals, 7 * ones, coverage) == place
    with pytest.raises(InputError, match=r"coverage=0.96 needs at least 24 held-out rows.*19"):
        interval_half_width(residuals, ones, 0.96)
    with pytest.raises(ConfigurationError, match="coverage must be a number with 0 < coverage < 1"):
        interval_half_width(residuals, ones, 1.0)


def test_row_weights_change_the_width():
    residuals = np.arange(1.0, 41.0)[:, None]
    large = np.where(residuals[:, 0] > 20, 3.0, 1.0)
    even = interval_half_width(residuals, np.ones(40), 0.5)
    assert interval_half_width(residuals, large, 0.5) > even
    assert interval_half_width(residuals, 1 / large, 0.5) < even


def test_without_held_out_rows_there_is_no_interval():
    X, y = noisy(100, 0)
    regressor = NetworkRegressor(**QUICK, members=2, early_stopping=False).fit(X, y)
    with pytest.raises(ConfigurationError, match=r"call calibrate\(X, y\)"):
        regressor.predict_interval(X)
    regressor.partial_fit(X, y).calibrate(X, y).predict_interval(X)
    with pytest.raises(ConfigurationError, match=r"call calibrate\(X, y\)"):
        regressor.partial_fit(X, y).predict_interval(X)  # it has moved on since


# ---------------------------------------------------------------- probabilities


def drawn(rows, classes, sharpness, seed=0):
    """Return logits of two members, too confident by a factor, and labels drawn from the true p."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((rows, classes)) * 1.5
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(max=classes - 1)
    return np.stack([z, z]) * sharpness, y


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_the_true_temperature_is_found(sharpness):
    z, y = drawn(20_000, 4, sharpness)
    found = fit_temperature(z, np.array([0.25, 0.75]), y, np.ones(len(y)))
    assert found == pytest.approx(sharpness, rel=0.05)
    answers = RNG.random((20_000, 3)) < 1 / (1 + np.exp(-z[0, :, :3] / sharpness))
    found = fit_binary_temperature(z[:, :, :3], np.array([0.5, 0.5]), answers, np.ones(20_000))
    assert found == pytest.approx(sharpness, rel=0.05)


def test_the_temperature_minimizes_the_cross_entropy():
    z, y = drawn(200, 3, 2.0)
    z[1] += RNG.standard_normal(z[1].shape)
    counts, weight = np.array([0.4, 0.6]), RNG.uniform(0, 2, 200)

    def cross_entropy(temperature):
        q = np.exp(z / temperature)
        q /= q.sum(axis=-1, keepdims=True)
        q = np.einsum("k,knc->nc", counts, q)
        target = np.full((200, 3), 1 / 203) + np.eye(3)[y] * 200 / 203
        return -(weight[:, None] * target * np.log(q)).sum()

    found = fit_temperature(z, counts, y, weight)
    grid = np.geomspace(0.05, 20, 3000)
    assert found == pytest.approx(grid[np.argmin([cross_entropy(t) for t in grid])], rel=0.01)


def test_few_correct_predictions_do_not_lead_to_certainty():
    z = np.array([[[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]]])
    assert fit_temperature(z, np.ones(1), np.array([0, 1, 0]), np.ones(3)) > 0.5


def expected_calibration_error(p, y, bins=10):
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return sum(
        abs(sure[place == b].mean() - right[place == b].mean()) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    )


@pytest.mark.parametrize("network", [None, Network([3, 60, 60, 2], seed=0)])
def test_probabilities_of_an_overfitted_network_are_calibrated(network):
    def rows(count, seed):
        X, y = noisy(count, seed)
        return X, (y > 0).astype(int)

    classifier = NetworkClassifier(
        (60, 60),
        members=1,
        epochs=150,
        learning_rate=0.01,
        dropout=0.0,
        weight_decay=0.0,
        early_stopping=False,
        random_state=0,
        network=network,
    ).fit(*rows(200, 0))
    X_new, y_new = rows(3000, 1)
    before = expected_calibration_error(classifier.predict_proba(X_new), y_new)
    labels = classifier.predict(X_new)
    classifier.calibrate(*rows(500, 2))
    assert classifier.temperature_ > 1.2
    after = expected_calibration_error(classifier.predict_proba(X_new), y_new)
    assert after < before / 2
    np.testing.assert_array_equal(classifier.predict(X_new), labels)
    raw = classifier.network_.predict_raw if network is None else classifier.network_.predict
    np.testing.assert_allclose(raw(X_new), classifier.predict_proba(X_new))  # calibrated itself
    first = classifier.temperature_
    assert classifier.calibrate(*rows(500, 2)).temperature_ == pytest.approx(first, rel=0.01)


def test_temperature_scaling_is_an_option():
    X, y = noisy(200, 0)
    options = {**QUICK, "members": 1, "random_state": 0}
    plain = NetworkClassifier(**options, temperature_scaling=False).fit(X, y > 0)
    scaled = NetworkClassifier(**options, temperature_scaling=True).fit(X, y > 0)
    assert plain.temperature_ == 1.0
    assert scaled.temperature_ != 1.0
    assert not np.array_equal(plain.predict_proba(X), scaled.predict_proba(X))
    several = NetworkClassifier(**options).fit(X, X > 0)
    assert several.temperature_ != 1.0


def test_several_members_are_calibrated_on_further_rows_only():
    X, y = noisy(200, 0)
    options = {**QUICK, "members": 3, "random_state": 0}
    classifier = NetworkClassifier(**options).fit(X, y > 0)
    assert classifier.temperature_ == 1.0
    X_more, y_more = noisy(200, 1)
    assert classifier.calibrate(X_more, y_more > 0).temperature_ != 1.0
    classifier.fit(X, y > 0, validation_data=(X_more, y_more > 0))
    assert classifier.temperature_ != 1.0


def test_a_linear_layer_within_a_residual_is_not_calibrated():
    X, y = noisy(200, 0)
    body = [Linear(3, 2), Residual(Linear(2, 2)), Softmax()]
    classifier = NetworkClassifier(network=Network(body, seed=0), epochs=2, random_state=0)
    classifier.fit(X, y > 0)
    assert classifier.temperature_ == 1.0
    with pytest.raises(ConfigurationError, match="cannot be calibrated"):
        classifier.calibrate(X, y > 0)


def test_a_network_within_a_network_is_calibrated():
    X, y = noisy(200, 0)
    inner = Network([Linear(3, 8), Tanh(), Linear(8, 2), Softmax()], seed=0)
    classifier = NetworkClassifier(network=Network([inner]), epochs=2, random_state=0)
    assert classifier.fit(X, y > 0).temperature_ != 1.0


def test_training_continues_from_uncalibrated_values():
    X, y = noisy(200, 0)
    options = {**QUICK, "members": 1, "random_state": 0, "warm_start": True, "epochs": 3}
    plain = NetworkClassifier(**options, temperature_scaling=False)
    scaled = NetworkClassifier(**options, temperature_scaling=True)
    for _ in range(2):
        plain.fit(X, y > 0)
        scaled.fit(X, y > 0)
    assert plain.loss_curve_ == scaled.loss_curve_


def test_rows_of_weight_0_have_no_part_in_it():
    """As if they had not been given: in validation data and in calibrate."""
    X, y = noisy(240, 0)
    learned, held_out, left = slice(0, 120), slice(120, 200), slice(160, 200)
    weight = np.repeat([0.0, 1.0], 40)
    for calibrated in (False, True):
        found = []
        for own, counts in ((held_out, weight), (left, None)):
            given = X[own], y[own], counts
            regressor = NetworkRegressor(**QUICK, members=2, random_state=0)
            classifier = NetworkClassifier(**QUICK, members=1, random_state=0)
            of_classes = X[own], y[own] > 0, counts
            if calibrated:
                regressor.fit(X[learned], y[learned]).calibrate(*given)
                classifier.fit(X[learned], y[learned] > 0).calibrate(*of_classes)
            else:
                regressor.fit(X[learned], y[learned], validation_data=given)
                classifier.fit(X[learned], y[learned] > 0, validation_data=of_classes)
            found.append((regressor.interval_half_width(0.9)[0], classifier.temperature_))
        assert found[0] == pytest.approx(found[1])
