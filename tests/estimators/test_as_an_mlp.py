"""What scikit-learn tests of its own MLP."""

import _thread
import pickle
import threading
import warnings

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import (
    load_digits,
    load_iris,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler, scale

from chainrule import Network
from chainrule.errors import InputError, NotFiniteError
from chainrule.estimators import NetworkClassifier, NetworkRegressor

KINDS = [NetworkClassifier, NetworkRegressor]
MEMBERS = [1, 3]
SGD = {"optimizer": "sgd", "learning_rate": 0.2, "dropout": 0.0, "early_stopping": False}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return MinMaxScaler().fit_transform(X[:200]), y[:200]


@pytest.fixture(scope="module")
def two_digits():
    X, y = load_digits(n_class=2, return_X_y=True)
    return MinMaxScaler().fit_transform(X[:200]), y[:200]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def regression():
    X, y = make_regression(n_samples=200, n_features=10, bias=20.0, noise=100.0, random_state=7)
    return X, scale(y)


def values(estimator):
    return estimator.network_.network.state()


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("members", MEMBERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "gelu"])
def test_classes_are_learned_with_every_activation(digits, activation, members):
    X, y = digits
    classifier = NetworkClassifier(
        50, activation=activation, members=members, epochs=80, learning_rate=0.01, random_state=1
    ).fit(X[:150], y[:150])
    assert classifier.score(X[150:], y[150:]) > 0.87
    assert classifier.predict(X).dtype == y.dtype


@pytest.mark.parametrize("members", MEMBERS)
def test_numbers_are_learned(regression, members):
    X, y = regression
    regressor = NetworkRegressor(
        50,
        members=members,
        epochs=150,
        learning_rate=0.01,
        dropout=0.0,
        weight_decay=0.0,
        batch_norm=False,
        early_stopping=False,
        random_state=1,
    ).fit(X, y)
    assert regressor.score(X, y) > 0.98
    linear = NetworkRegressor((), members=members, epochs=150, random_state=1).fit(X, y)
    assert 0.5 < linear.score(X, y) < regressor.score(X, y)


def test_more_weight_decay_leaves_smaller_weights(two_digits):
    X, y = two_digits
    sums = []
    for decay in (0.0, 0.1, 1.0):
        classifier = NetworkClassifier(
            10, members=1, weight_decay=decay, optimizer="adam", epochs=40, random_state=1
        ).fit(X[:100], y[:100])
        sums.append(np.abs(values(classifier)["layers.0.weight"]).sum())
    assert sums[0] > sums[1] > sums[2]


def test_several_labels_are_learned():
    X, y = make_multilabel_classification(n_samples=100, random_state=0, return_indicator=True)
    options = {"epochs": 80, "learning_rate": 0.01, "dropout": 0.0, "random_state": 0}
    classifier = NetworkClassifier(50, early_stopping=False, **options).fit(X, y)
    assert classifier.score(X, y) > 0.97
    assert classifier.predict(X).shape == y.shape
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2, 3, 4])

    classifier = NetworkClassifier(50, members=2, **options)
    for _ in range(80):
        classifier.partial_fit(X, y, classes=[0, 1, 2, 3, 4])
    assert classifier.score(X, y) > 0.9
    assert NetworkClassifier(early_stopping=True, epochs=3).fit(X, y).predict(X).shape == y.shape


def test_several_numbers_are_learned():
    X, y = make_regression(n_samples=200, n_targets=5, random_state=11)
    regressor = NetworkRegressor(
        50, members=2, epochs=100, learning_rate=0.01, dropout=0.0, random_state=1
    ).fit(X, y)
    assert regressor.score(X, y) > 0.9
    assert regressor.predict(X[:7]).shape == (7, 5)


def test_sparse_rows_equal_dense_ones(two_digits):
    X, y = two_digits
    options = {"hidden_layers": 15, "members": 2, "epochs": 5, "random_state": 1}
    dense = NetworkClassifier(**options).fit(X, y)
    sparse = NetworkClassifier(**options).fit(csr_array(X), y)
    np.testing.assert_array_equal(dense.predict_proba(X), sparse.predict_proba(csr_array(X)))


# ---------------------------------------------------------------- probabilities


@pytest.mark.parametrize("members", MEMBERS)
def test_probabilities_of_two_classes(two_digits, members):
    X, y = two_digits
    classifier = NetworkClassifier(8, members=members, epochs=30, random_state=1).fit(X, y)
    p, log_p = classifier.predict_proba(X), classifier.predict_log_proba(X)
    assert p.shape == (200, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(p.argmax(axis=1), log_p.argmax(axis=1))
    np.testing.assert_allclose(log_p, np.log(p))
    assert roc_auc_score(y, p[:, 1]) > 0.99


def test_probabilities_of_several_labels_do_not_sum_to_one():
    X, y = make_multilabel_classification(n_samples=50, random_state=0, return_indicator=True)
    classifier = NetworkClassifier(
        30,
        members=2,
        epochs=200,
        dropout=0.0,
        learning_rate=0.01,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)
    p = classifier.predict_proba(X)
    assert p.shape == y.shape
    np.testing.assert_array_equal(p > 0.5, y)
    assert np.abs(p.sum(axis=1) - 1).max() > 0.1
    np.testing.assert_allclose(classifier.predict_log_proba(X), np.log(p))


# ---------------------------------------------------------------- partial_fit, warm_start


@pytest.mark.parametrize("members", MEMBERS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_epochs_of_partial_fit_equal_those_of_fit(digits, members, optimizer):
    X, y = digits
    options = {**SGD, "optimizer": optimizer, "learning_rate": 0.01, "members": members}
    options |= {"preparation": None, "batch_norm": False, "random_state": 1}
    at_once = NetworkClassifier(20, epochs=12, **options).fit(X, y)
    in_parts = NetworkClassifier(20, **options)
    for _ in range(12):
        in_parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(at_once.predict_proba(X), in_parts.predict_proba(X))
    assert in_parts.loss_curve_ == at_once.loss_curve_
    assert in_parts.n_iter_ == 12


def test_epochs_of_partial_fit_equal_those_of_fit_for_numbers(regression):
    X, y = regression
    options = {**SGD, "learning_rate": 0.01, "members": 2, "random_state": 1, "preparation": None}
    options["batch_norm"] = False
    at_once = NetworkRegressor(20, epochs=10, **options).fit(X, y)
    in_parts = NetworkRegressor(20, **options)
    for _ in range(10):
        in_parts.partial_fit(X, y)
    np.testing.assert_array_equal(at_once.predict(X), in_parts.predict(X))


def test_partial_fit_sees_some_classes_later():
    classifier = NetworkClassifier(members=2, random_state=0, learning_rate=0.03)
    classifier.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    for _ in range(30):
        classifier.partial_fit([[4]], ["d"])
    assert classifier.predict([[4]]).tolist() == ["d"]
    with pytest.raises(InputError, match=r"classes \['e'\] that are not in"):
        classifier.partial_fit([[4]], ["e"])


def test_partial_fit_needs_the_classes():
    X, y = [[3, 2], [1, 6]], [1, 0]
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NetworkClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="only one class"):
        NetworkClassifier().partial_fit(X, y, classes=[2])
    classifier = NetworkClassifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="not the same as on the first call"):
        classifier.partial_fit(X, y, classes=[1, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_holds_nothing_out(kind, iris):
    assert not hasattr(kind(early_stopping=True), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        kind(early_stopping=True).partial_fit(*iris)


def test_fine_tuning_after_joblib(tmp_path):
    regressor = NetworkRegressor(20, members=1, dropout=0.0, learning_rate=0.05, random_state=42)
    regressor.fit([[2.0], [2.0]], [4.0, 4.0])
    joblib.dump(regressor, tmp_path / "regressor.joblib")
    loaded = joblib.load(tmp_path / "regressor.joblib")
    for _ in range(150):
        loaded.partial_fit([[2.0]], [1.0])
    np.testing.assert_allclose(loaded.predict([[2.0]]), [1.0], rtol=1e-2)
    np.testing.assert_allclose(regressor.predict([[2.0]]), [4.0], rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_continues_for_all_its_epochs(kind, iris):
    X, y = iris
    estimator = kind(8, members=2, epochs=5, warm_start=True, random_state=0, early_stopping=False)
    first = estimator.fit(X, y).loss_
    assert estimator.n_iter_ == 5
    estimator.set_params(epochs=7).fit(X, y)
    assert estimator.n_iter_ == 7
    assert estimator.loss_ < first
    held_out = kind(8, epochs=5, warm_start=True, early_stopping=True).fit(X, y).fit(X, y)
    assert len(held_out.validation_scores_) == held_out.n_iter_


def test_warm_start_follows_a_changed_learning_rate(iris):
    X, y = iris
    options = {"warm_start": True, "early_stopping": False, "random_state": 0}
    classifier = NetworkClassifier(8, members=2, epochs=3, weight_decay=0.0, **options).fit(X, y)
    before = classifier.network_.members
    classifier.set_params(learning_rate=classifier.learning_rate / 10, weight_decay=0.5).fit(X, y)
    for old, new in zip(before, classifier.network_.members, strict=True):
        assert new.learning_rate == pytest.approx(old.learning_rate / 10)
        assert new.weight_decay == 0.5


def test_warm_start_needs_the_same_classes(iris):
    X, y = iris
    classifier = NetworkClassifier(4, members=2, epochs=2, warm_start=True).fit(X, y)
    classifier.fit(X, np.array([0] * 40 + [1] * 40 + [2] * 70))
    for other in ([0] * 75 + [1] * 75, [0] * 50 + [1] * 50 + [3] * 50):
        with pytest.raises(ValueError, match=r"Previously got \[0 1 2\], `y` has"):
            classifier.fit(X, other)


# ---------------------------------------------------------------- early stopping


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_ends_before_the_last_epoch(kind, two_digits):
    X, y = two_digits
    estimator = kind(
        20,
        members=2,
        epochs=3000,
        patience=4,
        early_stopping=True,
        random_state=0,
        learning_rate=0.02,
    ).fit(X[:100], y[:100])
    assert estimator.n_iter_ < 3000
    assert len(estimator.validation_scores_) == len(estimator.loss_curve_) == estimator.n_iter_
    assert max(estimator.validation_scores_) == estimator.best_validation_score_
    without = kind(8, epochs=3, early_stopping=False).fit(X, y)
    assert without.n_iter_ == 3
    assert without.validation_scores_ is None
    assert without.best_validation_score_ is None


@pytest.mark.parametrize("members", MEMBERS)
def test_patience_decides_how_long(two_digits, members):
    X, y = two_digits
    epochs = [
        NetworkClassifier(
            8,
            members=members,
            epochs=400,
            patience=patience,
            early_stopping=True,
            random_state=0,
            learning_rate=0.1,
        )
        .fit(X, y)
        .n_iter_
        for patience in (1, 10, 60)
    ]
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]


def test_a_class_of_one_row_is_learned_from_and_not_held_out():
    X = np.arange(40.0).reshape(20, 2)
    y = np.array([0] * 19 + [1])
    classifier = NetworkClassifier(4, epochs=2, early_stopping=True, random_state=0).fit(X, y)
    assert len(classifier.validation_scores_) == 2
    with pytest.raises(ValueError, match="The validation set is too small"):
        NetworkRegressor(early_stopping=True).fit(X[:2], [1.0, 2.0])


def test_text_labels_with_early_stopping():
    X, y = make_classification(
        n_samples=200, n_features=10, n_classes=3, n_informative=5, random_state=42
    )
    labels = np.array(["class_a", "class_b", "class_c"], dtype=object)[y]
    classifier = NetworkClassifier(
        20, early_stopping=True, epochs=20, members=2, random_state=42
    ).fit(X, labels)
    assert np.isfinite(classifier.validation_scores_).all()
    assert set(classifier.predict(X)) <= set(labels)
    assert classifier.score(X, labels) > 0.7


def test_weights_of_one_equal_no_weights(regression):
    X, y = regression
    options = {"hidden_layers": 10, "members": 2, "epochs": 5, "early_stopping": True}
    with_weights = NetworkRegressor(**options, random_state=0).fit(X, y, np.ones(len(y)))
    without = NetworkRegressor(**options, random_state=0).fit(X, y)
    np.testing.assert_allclose(with_weights.predict(X), without.predict(X), rtol=1e-5)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_of_the_rows_changes_nothing(kind, dtype, digits):
    X, y = digits
    X = np.round(X * 16).astype(np.float64)
    options = {"hidden_layers": (5, 3), "members": 2, "epochs": 5, "random_state": 1}
    wide = kind(**options, dtype=dtype).fit(X, y)
    narrow = kind(**options, dtype=dtype).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(wide.predict(X), narrow.predict(X.astype(np.float32)))
    assert wide._state.model.ensemble.network.dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("members", MEMBERS)
def test_the_same_seed_gives_the_same_bits(kind, members, iris):
    def fitted(seed):
        return kind(8, members=members, epochs=4, batch_norm=True, random_state=seed).fit(*iris)

    def outputs(estimator):
        return getattr(estimator, "predict_proba", estimator.predict)(iris[0])

    np.testing.assert_array_equal(outputs(fitted(3)), outputs(fitted(3)))
    np.testing.assert_array_equal(
        outputs(fitted(np.random.RandomState(3))), outputs(fitted(np.random.RandomState(3)))
    )
    assert not np.array_equal(outputs(fitted(3)), outputs(fitted(4)))
    assert not np.array_equal(outputs(fitted(None)), outputs(fitted(None)))
    one_state = np.random.RandomState(3)
    assert not np.array_equal(outputs(fitted(one_state)), outputs(fitted(one_state)))


def test_diverging_raises():
    X, y = np.random.default_rng(0).standard_normal((2, 100, 3))
    with pytest.raises(NotFiniteError, match="smaller learning rate"):
        NetworkRegressor(
            100,
            optimizer="sgd",
            learning_rate=1e12,
            members=1,
            dropout=0.0,
            epochs=20,
            preparation=None,
        ).fit(X, y)


@pytest.mark.parametrize("go_on", [False, True])
@pytest.mark.parametrize("network", [None, Network([4, 5, 3], seed=0)])
def test_a_failed_fit_does_not_change_the_estimator(iris, go_on, network):
    X, y = iris
    options = {"optimizer": "sgd", "epochs": 3, "preparation": None, "random_state": 0}
    classifier = NetworkClassifier(4, members=1, warm_start=go_on, network=network, **options)
    before = classifier.fit(X, y).predict_proba(X)
    attributes = dict(vars(classifier))
    classifier.set_params(learning_rate=1e30, epochs=4)
    with pytest.raises(NotFiniteError):
        classifier.fit(X, y)
    with pytest.raises(ValueError, match=r"inconsistent numbers|2 features"):
        classifier.fit(X[:, :2], y[:-1])
    classifier.set_params(learning_rate=attributes["learning_rate"], epochs=3)
    assert vars(classifier) == attributes
    np.testing.assert_array_equal(classifier.predict_proba(X), before)


def test_huge_numbers_are_prepared():
    rng = np.random.RandomState(0)
    X = np.finfo(np.float64).max * rng.uniform(size=(60, 2))
    regressor = NetworkRegressor(8, members=2, epochs=3, random_state=0)
    assert np.isfinite(regressor.fit(X, rng.standard_normal(60)).predict(X)).all()
    with pytest.raises(ValueError, match="too large for float32"):
        regressor.set_params(preparation=None).fit(X, rng.standard_normal(60))


@pytest.mark.parametrize("members", MEMBERS)
def test_verbose_reports_every_epoch(capsys, iris, members):
    NetworkClassifier(4, members=members, epochs=3, verbose=True).fit(*iris)
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 3
    assert printed[0].startswith("epoch 1/3  loss ")
    assert "val_loss" in printed[0]
    NetworkClassifier(4, members=members, epochs=3).fit(*iris)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("network", [None, Network([4, 5, 3], seed=0)])
def test_ctrl_c_keeps_what_was_learned(iris, network):
    classifier = NetworkClassifier(4, members=2, epochs=10**6, patience=10**6, network=network)
    interruption = threading.Timer(0.7, _thread.interrupt_main)
    interruption.start()
    with pytest.warns(UserWarning, match="Training was interrupted after .* of 1000000 epochs"):
        classifier.fit(*iris)
    interruption.join()
    assert 0 < classifier.n_iter_ < 10**6
    assert classifier.predict(iris[0]).shape == (150,)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_columns_are_kept_with_early_stopping(kind):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.RandomState(0).randn(60, 2), columns=["a", "b"])
    y = pd.Series([0, 1] * 30, name="y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = kind(4, epochs=2, early_stopping=True).fit(X, y)
        estimator.predict(X)
    assert estimator.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(X.rename(columns={"a": "c"}))


def test_a_pickle_continues_as_the_estimator_would(iris):
    X, y = iris
    estimator = NetworkClassifier(8, members=2, random_state=0, dropout=0.2)
    estimator.partial_fit(X, y, classes=[0, 1, 2])
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        estimator.partial_fit(X, y).predict_proba(X), copy.partial_fit(X, y).predict_proba(X)
    )
