"""Options changed between calls of partial_fit or a warm start take effect, or are refused."""

import copy
import functools

import numpy as np
import pytest
from sklearn.datasets import load_iris

from chainrule import SGD, Adam, Embedding, Flatten, Huber, Linear, Network, Standardizer
from chainrule.errors import ConfigurationError
from chainrule.estimators import NetworkClassifier, NetworkRegressor

X, Y = load_iris(return_X_y=True)
CLASSES = [0, 1, 2]
SMALL = {"hidden_layers": (8,), "members": 2, "epochs": 2, "random_state": 0}
READY = Network([4, 6, 3], seed=0)
NETWORKS = pytest.mark.parametrize("network", [None, READY], ids=["ensemble", "network"])


def values(estimator):
    predictor = estimator.network_
    return getattr(predictor, "network", predictor).flat.values.copy()


@NETWORKS
@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 1e-9, "weight_decay": 0.0},
        {"weight_decay": 50.0},
        {"optimizer": SGD},
        {"optimizer": functools.partial(Adam, beta2=0.5)},
        {"batch_size": 7},
        {"class_weight": {0: 100.0}},
    ],
    ids=str,
)
def test_changed_options_of_partial_fit_take_effect(network, change):
    first = NetworkClassifier(**SMALL, network=network).partial_fit(X, Y, classes=CLASSES)
    before = values(first)
    as_before = values(copy.deepcopy(first).partial_fit(X, Y))
    changed = values(first.set_params(**change).partial_fit(X, Y))
    assert not np.array_equal(changed, as_before)
    if "learning_rate" in change:
        np.testing.assert_allclose(changed, before, rtol=1e-4, atol=1e-6)
        assert not np.allclose(as_before, before, rtol=1e-4, atol=1e-6)


@NETWORKS
def test_partial_fit_reports_once_it_is_verbose(network, capsys):
    classifier = NetworkClassifier(**SMALL, network=network).partial_fit(X, Y, classes=CLASSES)
    assert capsys.readouterr() == ("", "")
    classifier.set_params(verbose=True).partial_fit(X, Y)
    assert "".join(capsys.readouterr()).startswith("epoch ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_layers", (9,)),
        ("activation", "tanh"),
        ("dropout", 0.5),
        ("batch_norm", True),
        ("loss", Huber()),
        ("members", 3),
        ("preparation", Standardizer()),
        ("network", lambda features, outputs: Network([features, outputs])),
        ("dtype", "float64"),
        ("random_state", 1),
    ],
)
def test_options_that_can_no_longer_change_are_refused(name, value):
    regressor = NetworkRegressor(**SMALL, warm_start=True).fit(X[:, :3], X[:, 3])
    before = values(regressor)
    regressor.set_params(**{name: value})
    for train in (regressor.fit, regressor.partial_fit):
        with pytest.raises(ConfigurationError, match=f"^{name} was .* when training started"):
            train(X[:, :3], X[:, 3])
    np.testing.assert_array_equal(values(regressor), before)
    regressor.set_params(warm_start=False).fit(X[:, :3], X[:, 3])


def test_the_same_value_in_another_form_is_no_change():
    classifier = NetworkClassifier(**SMALL).partial_fit(X, Y, classes=CLASSES)
    classifier.set_params(hidden_layers=np.array([8]), members=np.int64(2)).partial_fit(X, Y)
    classifier.set_params(hidden_layers=8).partial_fit(X, Y)


def test_a_weight_decay_that_was_zero_for_a_while_comes_back():
    classifier = NetworkClassifier(**SMALL, weight_decay=0.1, early_stopping=False)
    classifier.partial_fit(X, Y, classes=CLASSES)
    decays = [member.weight_decay for member in classifier.network_.members]
    for weight_decay in (0.0, 0.1):
        classifier.set_params(weight_decay=weight_decay).partial_fit(X, Y)
    assert [member.weight_decay for member in classifier.network_.members] == decays


# ---------------------------------------------------------------- whole numbers


def words(features, outputs):
    return Network([Embedding(50, 6), Flatten(), Linear(6 * features, outputs)], seed=0)


@pytest.mark.parametrize("own", ["network", "function"])
@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_an_embedding_gets_whole_numbers(kind, own):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 50, (200, 3))
    y = (X[:, 0] < 25).astype(int)
    network = words if own == "function" else words(3, 2 if kind is NetworkClassifier else 1)
    estimator = kind(network=network, epochs=30, learning_rate=0.05, random_state=0).fit(X, y)
    assert estimator.score(X, y) > 0.7
    estimator.partial_fit(X.astype(np.uint8), y)
    assert estimator.predict(X.tolist()).shape == (200,)
    assert estimator.diagnose(X, y) is not None


def test_whole_numbers_that_float32_cannot_hold_survive():
    first = 2**24
    X = np.repeat([[first], [first + 1]], 40, axis=0)
    shown = []

    class Record(Embedding):
        def forward(self, x, training=True):
            shown.append(np.unique(x))
            return super().forward(x - x.min(), training)

    network = Network([Record(2, 4), Flatten(), Linear(4, 2)], seed=0)
    classifier = NetworkClassifier(
        network=network, epochs=40, learning_rate=0.05, early_stopping=False, random_state=0
    )
    assert classifier.fit(X, X[:, 0]).score(X, X[:, 0]) == 1.0
    assert any(np.array_equal(seen, [first, first + 1]) for seen in shown)
