"""Searches and cross-validation give the same bits with every backend of joblib."""

import os
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from chainrule import SGD, Network
from chainrule.estimators import NetworkClassifier, NetworkRegressor

QUICK = {"hidden_layers": (8,), "members": 2, "epochs": 6, "learning_rate": 0.03}
BACKENDS = ["loky", "threading", pytest.param("dask", marks=pytest.mark.long)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Limit BLAS to one thread in this process, where a search refits its best estimator."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module", autouse=True)
def no_process_is_left():
    """Stop loky's processes."""
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="module")
def cluster():
    """Start dask's processes, and restore the environment afterwards.

    It sets what malloc keeps, for the processes that it starts, and so for those of other tests.
    """
    from distributed import Client, LocalCluster  # late: it takes a second

    with (
        mock.patch.dict(os.environ),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as processes,
        Client(processes) as client,
    ):
        yield client


@pytest.fixture(params=BACKENDS)
def side_by_side(request):
    """Return a context manager that selects a backend of joblib.

    loky maps arrays of more than a megabyte, read-only; here of more than a hundred bytes.
    """
    if request.param == "dask":
        request.getfixturevalue("cluster")
    more = {"inner_max_num_threads": 1, "max_nbytes": 100} if request.param == "loky" else {}
    return lambda: joblib.parallel_config(request.param, n_jobs=2, **more)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def searched(X, y, **options):
    classifier = NetworkClassifier(**QUICK, random_state=0)
    grid = {"hidden_layers": [(4,), (8, 8)], "dropout": [0.0, 0.2]}
    return GridSearchCV(classifier, grid, cv=2, scoring="neg_log_loss", **options).fit(X, y)


def test_a_search_gives_the_same_result(iris, side_by_side):
    alone = searched(*iris)
    with side_by_side():
        search = searched(*iris)
    assert search.best_params_ == alone.best_params_
    for fold in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(search.cv_results_[fold], alone.cv_results_[fold])
        assert len(set(search.cv_results_[fold])) == 4  # no two candidates are alike
    np.testing.assert_array_equal(search.predict_proba(iris[0]), alone.predict_proba(iris[0]))


@pytest.mark.parametrize("random_state", [3, np.random.RandomState(3)], ids=["number", "state"])
def test_cross_validation_gives_the_same_scores(side_by_side, random_state):
    regressor = NetworkRegressor(**QUICK, random_state=random_state)
    X, y = load_diabetes(return_X_y=True)
    alone = cross_val_score(regressor, X, y, cv=3)
    with side_by_side():
        np.testing.assert_array_equal(cross_val_score(regressor, X, y, cv=3), alone)


def test_the_users_objects_are_passed_along(iris, side_by_side):
    """Networks, and functions that another process could not import."""
    ready = Network([4, 6, 3], seed=0)
    built = lambda features, outputs: Network([features, 6, outputs], seed=1)  # noqa: E731
    descent = lambda rate, **more: SGD(rate, **more)  # noqa: E731
    for options in ({"network": ready}, {"network": built}, {"optimizer": descent}):
        classifier = NetworkClassifier(**QUICK | options, random_state=0)
        alone = cross_val_score(classifier, *iris, cv=2, scoring="neg_log_loss")
        with side_by_side():
            scores = cross_val_score(classifier, *iris, cv=2, scoring="neg_log_loss")
        np.testing.assert_array_equal(scores, alone)


def test_a_data_frame_gives_the_same_scores(side_by_side):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"length": rng.normal(size=90), "colour": rng.choice(["red", "blue"], 90)})
    frame.loc[::7, "length"] = np.nan
    y = np.where(frame["colour"] == "red", "ripe", "not yet")
    classifier = NetworkClassifier(**QUICK, random_state=0)
    alone = cross_val_score(classifier, frame, y, cv=3, scoring="neg_log_loss")
    with side_by_side():
        scores = cross_val_score(classifier, frame, y, cv=3, scoring="neg_log_loss")
    np.testing.assert_array_equal(scores, alone)


@pytest.mark.long
def test_dasks_workers_give_blas_one_thread(cluster):
    """As dask's documentation says; otherwise they would compete for the processors."""
    numbers = cluster.run(lambda: [library["num_threads"] for library in threadpool_info()])
    assert len(numbers) == 2
    assert {number for of_one in numbers.values() for number in of_one} == {1}


# ---------------------------------------------------------------- arrays that may not be changed


def mapped(folder, array):
    """Return an array as joblib passes large ones to its processes: memory-mapped, read-only."""
    path = folder / f"{len(os.listdir(folder))}.joblib"
    joblib.dump(array, path)
    array = joblib.load(path, mmap_mode="r")
    assert not array.flags.writeable
    return array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [{}, {"preparation": None}, {"network": Network([4, 6, 3], seed=0), "preparation": None}],
    ids=["prepared", "as they are", "given network"],
)
def test_rows_may_be_mapped_and_read_only(iris, tmp_path, dtype, options):
    X, y = iris[0].astype(dtype), iris[1]
    weight = np.linspace(0.5, 2, len(y))
    given = [mapped(tmp_path, array) for array in (X, y, weight)]
    classifier = NetworkClassifier(**QUICK | options, random_state=0)
    expected = classifier.fit(X, y, sample_weight=weight).predict_proba(X)
    classifier.fit(given[0], given[1], sample_weight=given[2])
    np.testing.assert_array_equal(classifier.predict_proba(given[0]), expected)
    classifier.calibrate(*given)
    classifier.partial_fit(*given[:2], classes=[0, 1, 2])
    np.testing.assert_array_equal(given[0], X)


def test_numbers_may_be_mapped_and_read_only(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    X[::5, 3] = np.nan
    given = [mapped(tmp_path, array) for array in (X, y)]
    regressor = NetworkRegressor(**QUICK, random_state=0)
    expected = regressor.fit(X, y).predict_interval(X)
    found = regressor.fit(*given).predict_interval(given[0])
    np.testing.assert_array_equal(found, expected)


def test_several_targets_are_learned_in_parallel(iris, side_by_side):
    """Each estimator gets the whole of X, memory-mapped in loky's processes."""
    X, y = iris
    several = np.stack([y, (y + 1) % 3], axis=1)
    classifier = MultiOutputClassifier(NetworkClassifier(**QUICK, random_state=0))
    alone = classifier.fit(X, several).predict_proba(X)
    with side_by_side():
        np.testing.assert_array_equal(classifier.fit(X, several).predict_proba(X), alone)
