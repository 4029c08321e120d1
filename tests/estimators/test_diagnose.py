"""The estimators ask the doctor about the network that their options would train."""

import numpy as np
import pytest

from chainrule import Linear, Network, ReLU, Softmax
from chainrule.estimators import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
X = RNG.standard_normal((300, 4)) + 1.5 * np.eye(3, 4)[Y]


def test_healthy_options_have_no_problem_and_the_estimator_is_left_alone():
    classifier = NetworkClassifier(members=2, epochs=20, random_state=np.random.RandomState(0))
    before = str(classifier.random_state.get_state()), dict(vars(classifier))
    report = classifier.diagnose(X * 1000, np.array(["a", "b", "c"])[Y])
    assert report.problems == []  # its preparation has brought the rows to size
    assert (str(classifier.random_state.get_state()), dict(vars(classifier))) == before
    assert NetworkRegressor(members=1, epochs=20).diagnose(X, X[:, 0] * 5000).problems == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"learning_rate": 1e-7, "epochs": 20}, "learning-rate-too-low"),
        ({"learning_rate": 5.0, "epochs": 60}, "learning-rate-too-high"),
        ({"preparation": None, "epochs": 20}, "input-scale"),
    ],
)
def test_options_that_are_sick_are_named(options, found):
    report = NetworkClassifier(members=1, random_state=0, **options).diagnose(X * 1000, Y)
    assert report.findings[0].id == found


def test_a_ready_network_is_asked_about_too():
    network = Network([Linear(4, 8), ReLU(), Linear(8, 3), Softmax()], initialization="zero")
    state = network.state()
    report = NetworkClassifier(network=network, epochs=20).diagnose(X, Y)
    assert report.findings[0].id == "symmetric-neurons"
    assert all(np.array_equal(v, state[k]) for k, v in network.state().items())
