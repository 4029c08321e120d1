"""The estimators in place of scikit-learn's: pipelines, searches, meta-estimators."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule import CategoricalCrossEntropy, Graph, Linear, Network, Node, ReLU, Softmax
from chainrule.estimators import NetworkClassifier, NetworkRegressor

QUICK = {"hidden_layers": (8,), "members": 2, "epochs": 15, "learning_rate": 0.03}


@pytest.fixture
def classifier():
    return NetworkClassifier(**QUICK, random_state=0)


@pytest.fixture
def regressor():
    return NetworkRegressor(**QUICK, random_state=0)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def test_what_they_are(classifier, regressor):
    assert is_classifier(classifier)
    assert is_regressor(regressor)


def test_in_a_pipeline(classifier, iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), classifier).fit(X, y)
    assert pipeline.score(X, y) > 0.9
    weights = np.where(y == 0, 3.0, 1.0)
    assert pipeline.fit(X, y, networkclassifier__sample_weight=weights).score(X, y) > 0.9


def test_behind_a_column_transformer_whose_output_is_sparse(classifier):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 30, (90, 2))
    y = X[:, 0] > 14
    encoder = ColumnTransformer([("codes", OneHotEncoder(handle_unknown="ignore"), [0, 1])])
    assert make_pipeline(encoder, classifier).fit(X, y).score(X, y) > 0.9


def test_in_a_search_over_options(classifier, iris):
    grid = {"hidden_layers": [(4,), (8, 8)], "members": [1, 3], "dropout": [0.0, 0.2]}
    search = GridSearchCV(classifier.set_params(epochs=4), grid, cv=2).fit(*iris)
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.predict(iris[0]).shape == (150,)


def test_in_cross_validation(regressor, diabetes):
    scores = cross_val_score(regressor, *diabetes, cv=3)
    assert scores.mean() > 0.25
    sizes, _, scores = learning_curve(regressor, *diabetes, cv=2, train_sizes=[0.2, 1.0])
    assert len(sizes) == len(scores) == 2


def test_a_clone_is_not_fitted(classifier, iris):
    classifier.fit(*iris)
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert not hasattr(copy, "network_")
    np.testing.assert_array_equal(
        copy.fit(*iris).predict_proba(iris[0]), classifier.predict_proba(iris[0])
    )


def test_a_given_network_is_cloned_with_it(iris):
    network = Network([4, 6, 3], seed=0)
    before = network.state()
    classifier = NetworkClassifier(network=network, epochs=20, learning_rate=0.03, random_state=0)
    copy = clone(classifier).fit(*iris)
    classifier.fit(*iris)
    np.testing.assert_array_equal(copy.predict(iris[0]), classifier.predict(iris[0]))
    assert classifier.network is network
    for name, value in network.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_calibrated_by_scikit_learn(classifier, iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, y) > 0.8


def test_in_permutation_importance(regressor, diabetes):
    X, y = diabetes
    regressor.fit(X, y)
    importances = permutation_importance(regressor, X, y, n_repeats=2, random_state=0)
    assert importances.importances_mean.argmax() in (2, 8)  # bmi and s5 are known to matter most


def test_in_scikit_learns_ensembles(classifier, regressor, iris, diabetes):
    bagging = BaggingClassifier(classifier, n_estimators=2, random_state=0).fit(*iris)
    assert bagging.score(*iris) > 0.8
    voting = VotingClassifier(
        [("network", classifier), ("line", LogisticRegression(max_iter=500))], voting="soft"
    ).fit(*iris)
    assert voting.score(*iris) > 0.9
    stacking = StackingRegressor([("network", regressor), ("line", Ridge())], cv=2).fit(*diabetes)
    assert stacking.score(*diabetes) > 0.3
    X, y = iris
    several = MultiOutputClassifier(classifier).fit(X, np.stack([y, (y + 1) % 3], axis=1))
    assert several.predict(X).shape == (150, 2)


def test_in_a_transformed_target_regressor(regressor, diabetes):
    X, y = diabetes
    logarithm = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp)
    assert logarithm.fit(X, y).score(X, y) > 0.2


def test_a_pickle_predicts_the_same(regressor, diabetes):
    X, y = diabetes
    regressor.fit(X, y)
    copy = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(copy.predict(X), regressor.predict(X))
    np.testing.assert_array_equal(copy.predict_interval(X), regressor.predict_interval(X))


def test_repr_shows_changed_options(classifier):
    assert repr(NetworkClassifier()) == "NetworkClassifier()"
    assert "members=2" in repr(classifier)


# ---------------------------------------------------------------- given networks


def logits(features, outputs):
    return Network([Linear(features, 8), ReLU(), Linear(8, outputs)], seed=0)


def yes(features, outputs):
    return Network([features, 8, 1], seed=0)  # ends in a Sigmoid: the probability of yes


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_function_builds_the_network_that_fits(iris, early_stopping):
    X, y = iris
    options = {"epochs": 30, "learning_rate": 0.03, "random_state": 0}
    classifier = NetworkClassifier(network=logits, early_stopping=early_stopping, **options)
    p = classifier.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert classifier.score(X, y) > 0.9
    assert len(classifier.loss_curve_) == classifier.n_iter_
    assert (classifier.validation_scores_ is not None) == early_stopping


def test_a_network_with_one_output_is_a_binary_classifier(iris):
    X, y = iris
    X, y = X[:100], np.array(["no", "yes"])[y[:100]]
    for network in (yes, lambda features, outputs: logits(features, 1)):
        classifier = NetworkClassifier(
            network=network, epochs=30, learning_rate=0.03, random_state=0
        ).fit(X, y)
        p = classifier.predict_proba(X)
        assert p.shape == (100, 2)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert classifier.score(X, y) > 0.95


@pytest.mark.parametrize("ends", [True, False])
def test_a_graph_with_and_without_a_softmax(iris, ends):
    nodes = {"hidden": Node(Linear(4, 8), "x"), "active": Node(ReLU(), "hidden")}
    nodes["out"] = Node(Linear(8, 3), "active")
    if ends:
        nodes["p"] = Node(Softmax(), "out")
    graph = Graph(inputs="x", nodes=nodes, outputs="p" if ends else "out")
    options = {"epochs": 40, "learning_rate": 0.03, "random_state": 0, "early_stopping": False}
    classifier = NetworkClassifier(network=Network(graph, seed=0), **options).fit(*iris)
    p = classifier.predict_proba(iris[0])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert classifier.score(*iris) > 0.9
    assert p.max() > 0.9  # a softmax of a softmax would never exceed e / (e + 2)
    smooth = CategoricalCrossEntropy(from_logits=not ends, label_smoothing=0.3)
    other = NetworkClassifier(network=Network(graph, seed=0), loss=smooth, **options).fit(*iris)
    assert other.predict_proba(iris[0]).max() < p.max()
    with pytest.raises(ValueError, match="loss must be one of 'log_loss'"):
        NetworkClassifier(network=Network(graph, seed=0), loss="hinge").fit(*iris)


def test_a_given_network_for_regression(diabetes):
    X, y = diabetes
    regressor = NetworkRegressor(
        network=logits, preparation=None, epochs=40, learning_rate=0.03, random_state=0
    ).fit(X * 20, y)
    assert regressor.score(X * 20, y) > 0.3
    np.testing.assert_allclose(
        regressor.network_.predict_raw(X * 20)[:, 0], regressor.predict(X * 20), rtol=1e-12
    )
    with pytest.raises(ValueError, match="needs several members"):
        regressor.predict(X, return_std=True)


def test_a_function_that_builds_something_else_is_refused(iris):
    with pytest.raises(ValueError, match="must return a Network, got 'net'"):
        NetworkClassifier(network=lambda features, outputs: "net").fit(*iris)
    with pytest.raises(ValueError, match="function \\(features, outputs\\)"):
        NetworkClassifier(network="net").fit(*iris)
    with pytest.raises(ValueError, match="returns 2 numbers for a row, and there are 3 classes"):
        NetworkClassifier(network=Network([4, 2])).fit(*iris)
