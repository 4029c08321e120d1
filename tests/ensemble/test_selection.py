"""Which members predict together, compared with plain loops."""

import numpy as np
import pytest

from chainrule import CategoricalCrossEntropy, Ensemble, MeanSquaredError
from chainrule.ensemble.scorer import Scorer
from chainrule.ensemble.selection import greedy_selection
from chainrule.metrics import accuracy


def by_hand(outputs, loss, rounds):
    """Select greedily: every candidate's mean is computed and scored one by one."""
    chosen, history = [], []
    for _ in range(rounds):
        tried = []
        for k in range(outputs.shape[1]):
            bag = [*chosen, k]
            tried.append(loss(sum(outputs[:, member] for member in bag) / len(bag)))
        chosen.append(int(np.argmin(tried)))
        history.append(min(tried))
    length = int(np.argmin(history)) + 1
    return np.bincount(chosen[:length], minlength=outputs.shape[1]) / length, history[length - 1]


@pytest.mark.parametrize("seed", range(8))
def test_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((40, 2))
    noise = rng.standard_normal((40, 7, 2)) * rng.uniform(0.2, 2, (7, 1))
    outputs = y[:, np.newaxis] + noise
    loss = MeanSquaredError()
    rule = Scorer("loss", None, loss, False)
    found = greedy_selection(outputs, lambda p: rule.cost(rule((y, y), p, None)), 20)
    expected, best = by_hand(outputs, lambda p: loss.forward(y, p), 20)
    np.testing.assert_allclose(found, expected)
    mean = np.einsum("nkc,k->nc", outputs, found)
    assert loss.forward(y, mean) == pytest.approx(best)
    alone = [loss.forward(y, outputs[:, k]) for k in range(7)]
    assert best <= min(alone)


def test_a_metric_to_maximize_and_a_single_member():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    outputs = rng.dirichlet(np.ones(3), (60, 5)) + 0.3 * np.eye(3)[y][:, np.newaxis]
    rule = Scorer("accuracy", None, CategoricalCrossEntropy(), False)
    found = greedy_selection(outputs, lambda p: rule.cost(rule((y, y), p, None)), 15)
    expected, _ = by_hand(outputs, lambda p: -accuracy(y, p), 15)
    np.testing.assert_allclose(found, expected)
    assert greedy_selection(outputs[:, :1], lambda p: rule.cost(rule((y, y), p, None)), 9) == [1.0]


def test_a_member_that_is_not_finite_is_never_chosen():
    y = np.zeros((10, 1))
    outputs = np.stack([np.full((10, 1), np.nan), np.ones((10, 1)), np.full((10, 1), 0.5)], axis=1)
    rule = Scorer("rmse", None, MeanSquaredError(), False)
    found = greedy_selection(outputs, lambda p: rule.cost(rule((y, y), p, None)), 3)
    assert found.tolist() == [0, 0, 1]


def test_the_ensemble_is_at_least_as_good_as_its_best_member_on_validation_samples():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 5))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    members = [{"learning_rate": rate} for rate in (0.0001, 0.003, 0.01, 0.03)]
    ensemble = Ensemble([5, 12, 2], members, seed=0)
    held = X[:60], y[:60]
    ensemble.fit(X[60:], y[60:], epochs=30, validation_data=held)
    loss = CategoricalCrossEntropy()
    best = np.nanmin(ensemble.history["val_loss"])
    assert loss.forward(held[1], ensemble.predict(held[0])) <= best + 1e-6
    assert ensemble.weights.sum() == pytest.approx(1)
    all_alike = Ensemble([5, 12, 2], members, seed=0)
    all_alike.fit(X[60:], y[60:], epochs=2, validation_data=held, selection_rounds=0)
    assert all_alike.weights.tolist() == [0.25] * 4


def test_weights_of_validation_samples_count():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((30, 1))
    outputs = np.stack([np.where(np.arange(30)[:, None] < 15, y, 5.0), y + 1], axis=1)
    loss = MeanSquaredError()
    rule = Scorer("loss", None, loss, False)
    scores = rule((y, y), outputs, np.r_[np.ones(15), np.zeros(15)])
    assert scores == pytest.approx([0, 1])
    expected = [
        loss.forward(y, outputs[:, k], np.r_[np.ones(15), np.full(15, 2.0)]) for k in (0, 1)
    ]
    assert rule((y, y), outputs, np.r_[np.ones(15), np.full(15, 2.0)]) == pytest.approx(expected)
