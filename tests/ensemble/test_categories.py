"""An ensemble whose members embed categories: training, stopping, saving and unstacking."""

import itertools

import numpy as np
import pytest

from chainrule import (
    AdamW,
    ConfigurationError,
    Ensemble,
    InputError,
    MeanSquaredError,
    Network,
    check_module,
)
from chainrule.data.samples import batch_bounds
from chainrule.layers import CategoryEmbedding, StackedCategoryEmbedding

CATEGORIES = (12, 5)
OPTIONS = {"output": "linear", "categories": CATEGORIES, "embedding_dim": 3}


def table(samples=200, seed=0):
    """Return two columns of numbers and two of codes, where each code has its own effect."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(9).standard_normal(12)
    first, second = (rng.integers(0, count, samples) for count in CATEGORIES)
    x = rng.standard_normal((samples, 2))
    y = effects[first] + (second == 2) + 0.3 * x[:, 0]
    return np.column_stack([x, first, second]).astype(np.float32), y


def build(members=3, **options):
    return Ensemble([4, 8, 1], members, seed=0, **(OPTIONS | options))


def test_each_member_starts_with_its_own_embedding():
    ensemble = build(batch_norm=True)
    first = ensemble.network[0]
    assert isinstance(first, StackedCategoryEmbedding)
    assert [table.shape for table in first.tables] == [(3, 12, 3), (3, 5, 3)]
    assert ensemble.network[1].in_features == 2 + 2 * 3
    assert not np.array_equal(*first.tables[0].value[:2])
    assert ensemble.architecture.sizes == (4, 8, 1)


def test_it_learns_the_effects_of_categories():
    X, y = table()
    members = [{"learning_rate": rate} for rate in (0.01, 0.02, 0.03)]
    ensemble = build(members).fit(X, y, epochs=150, validation_split=0.2, patience=30)
    unseen, truth = table(seed=1)
    error = ((ensemble.predict(unseen)[:, 0] - truth) ** 2).mean()
    assert error < 0.1 * truth.var()


def test_a_member_among_others_is_a_network_trained_alone():
    X, y = table(90)
    members = [{"learning_rate": 0.01, "weight_decay": 0.1 * k, "seed": k} for k in range(3)]
    ensemble = build(members, dtype="float64")
    (network,) = build(members[1:2], dtype="float64").networks()
    order_from = np.random.default_rng([1, 1])
    optimizer, loss = AdamW(0.01, weight_decay=0.1), MeanSquaredError()
    for _ in range(3):
        order = order_from.permutation(len(X))
        for start, stop in itertools.pairwise(batch_bounds(len(X), 32)):
            rows = order[start:stop]
            _, gradient = loss.value_and_gradient(y[rows, None], network.forward(X[rows]))
            network.backward_parameters(gradient)
            optimizer.step(network)
    ensemble.fit(X, y, epochs=3)
    predicted = ensemble.predict_members(X)[:, 1]
    np.testing.assert_allclose(predicted, network.predict(X), rtol=1e-8, atol=1e-10)


def test_a_member_that_stops_or_meets_nan_leaves_the_others_as_they_were():
    X, y = table(120)
    data = {"validation_data": (X[:40], y[:40]), "batch_size": 16, "epochs": 25}
    rates = [{"learning_rate": rate} for rate in (0.02, 0.01, 0.01)]
    found = []
    for first in (rates[0], {"learning_rate": 1e30}):
        for patience in (3, None):
            ensemble = build([first, *rates[1:]]).fit(X[40:], y[40:], patience=patience, **data)
            found.append(ensemble.history["val_loss"][:, 1:])
    for other in found[1:]:
        rows = min(len(found[0]), len(other))
        one, other = found[0][:rows], other[:rows]
        both = np.isfinite(one) & np.isfinite(other)
        assert both.sum() >= 8
        np.testing.assert_array_equal(one[both], other[both])


def test_the_stack_passes_the_gradient_check():
    ensemble = build(activation="tanh", batch_norm=True)
    X = table(18)[0]
    for given in (X, X.reshape(6, 3, 4)):
        report = check_module(ensemble.network, given)
        assert report.passed, str(report)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load(tmp_path, dtype):
    X, y = table()
    path = tmp_path / "ensemble.npz"
    ensemble = build(dtype=dtype).fit(X, y, epochs=3)
    ensemble.save(path)
    again = Ensemble.load(path)
    assert again.architecture == ensemble.architecture
    np.testing.assert_array_equal(again.predict(X), ensemble.predict(X))
    members = ensemble.predict_members(X)
    np.testing.assert_array_equal(Network.load(path).predict(X), members)
    for k, network in enumerate(again.networks()):
        assert isinstance(network[0], CategoryEmbedding)
        network.save(path)
        alone = Network.load(path).predict(X)
        np.testing.assert_allclose(alone, members[:, k], rtol=1e-4, atol=1e-5)
    wide = ensemble.astype("float64")
    np.testing.assert_allclose(wide.predict(X), ensemble.predict(X), rtol=1e-4, atol=1e-5)
    assert wide.network[0].tables[0].dtype == np.float64


@pytest.mark.parametrize("code", [12, -1, 0.5])
def test_invalid_codes_are_refused(code):
    X, y = table(60)
    ensemble = build()
    X[7, 2] = code
    for use in (lambda: ensemble.fit(X, y, epochs=1), lambda: ensemble.predict(X)):
        with pytest.raises(InputError, match=r"Column 2 .* from 0 to 11; row 7 has"):
            use()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": 3}, "categories must be a sequence of whole numbers"),
        ({"categories": (3, 0)}, "categories must be a sequence of whole numbers"),
        ({"categories": (2,) * 5}, "1 to 4 of them"),
        ({"embedding_dim": 0}, "embedding_dim must be a whole number"),
    ],
)
def test_invalid_options_of_an_embedding(options, message):
    with pytest.raises(ConfigurationError, match=message):
        build(**options)


def test_every_column_may_hold_codes():
    X, y = table(60)
    ensemble = Ensemble([2, 1], 2, seed=0, **OPTIONS).fit(X[:, 2:], y, epochs=2)
    assert np.isfinite(ensemble.predict(X[:, 2:])).all()
