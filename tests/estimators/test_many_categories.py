"""Columns of very many categories: embedding, unknown categories, files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Ensemble, InputError, TablePreparation
from chainrule.estimators import NetworkClassifier, NetworkRegressor
from chainrule.layers import StackedCategoryEmbedding

UNKNOWN = pytest.mark.filterwarnings("ignore:column .*unknown category")

QUICK = {"hidden_layers": (32,), "members": 2, "epochs": 40, "learning_rate": 0.01}
TOWNS = 300


def table(rows=6 * TOWNS, seed=0, unknown=False):
    """Return a table with about six rows for each town, and targets that depend on town and x."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(99).standard_normal(TOWNS)
    towns, x = rng.integers(0, TOWNS, rows), rng.standard_normal(rows)
    names = [f"new {n}" if unknown else f"town {n}" for n in towns]
    return {"town": names, "x": x}, effects[towns] + 0.7 * x + 0.3 * rng.standard_normal(rows)


def as_frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


@UNKNOWN
@pytest.mark.parametrize("kind", [NetworkRegressor, NetworkClassifier])
def test_embedding_is_better_than_grouping_rare_categories(kind):
    (X, y), (unseen, truth) = table(), table(1500, seed=1)
    if kind is NetworkClassifier:
        y, truth = y > 0, truth > 0
    scores = []
    for preparation in ("auto", TablePreparation()):
        estimator = kind(**QUICK, preparation=preparation, random_state=0)
        scores.append(estimator.fit(as_frame(X), y).score(as_frame(unseen), truth))
    embedded, grouped = scores
    assert 1 - embedded < 0.6 * (1 - grouped)
    assert embedded > 0.75


@UNKNOWN
def test_unknown_and_missing_categories_are_predicted(tmp_path):
    X, y = table()
    regressor = NetworkRegressor(**QUICK, random_state=0).fit(as_frame(X), y)
    assert isinstance(regressor.network_.network[0], StackedCategoryEmbedding)
    new, truth = table(200, seed=2, unknown=True)
    new["town"][:9] = [None] * 9
    predicted = regressor.predict(as_frame(new))
    assert np.isfinite(predicted).all()
    assert ((predicted - truth) ** 2).mean() < 1.3 * truth.var()  # what is unknown says nothing
    same_x = as_frame({"town": ["?", "!", None], "x": [0.5] * 3})
    assert len(set(regressor.predict(same_x).tolist())) == 1


@UNKNOWN
def test_the_file_predicts_the_same_with_numpy_alone(tmp_path):
    X, y = table()
    regressor = NetworkRegressor(**QUICK | {"epochs": 2}, random_state=0).fit(as_frame(X), y)
    path = tmp_path / "model.npz"
    regressor.save(path)
    new = {"town": ["town 3", "town 77", "Atlantis"], "x": [0.1, 0.2, 0.3]}
    expected = regressor.predict(as_frame(new))
    assert Ensemble.load(path).predict_raw(new)[:, 0] == pytest.approx(expected, rel=1e-12)
    program = f"""
import sys, numpy.random
before = set(sys.modules)
from chainrule import Ensemble
print(*Ensemble.load({str(path)!r}).predict_raw({new!r})[:, 0])
print(*{{name.split(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    numbers, packages = done.stdout.splitlines()
    assert [float(number) for number in numbers.split()] == pytest.approx(expected, rel=1e-12)
    assert set(packages.split()) <= {"chainrule", "numpy"}


def test_tables_of_few_categories_are_one_hot():
    rng = np.random.default_rng(0)
    towns = rng.integers(0, 50, 400)
    X = as_frame({"town": [f"town {n}" for n in towns], "x": rng.standard_normal(400)})
    found = []
    for preparation in ("auto", TablePreparation()):
        regressor = NetworkRegressor(**QUICK | {"epochs": 2}, preparation=preparation)
        found.append(regressor.set_params(random_state=0).fit(X, towns % 7).predict(X))
        assert not isinstance(regressor.network_.network[0], StackedCategoryEmbedding)
    np.testing.assert_array_equal(*found)


def test_a_given_preparation_may_embed():
    X, y = table(200)
    X["town"] = [f"town {n % 10}" for n in range(200)]
    for embed_from, embedded in ((9, True), (10, False), (None, False)):
        own = TablePreparation(embed_from=embed_from)
        regressor = NetworkRegressor(**QUICK | {"epochs": 2}, preparation=own)
        first = regressor.fit(as_frame(X), y).network_.network[0]
        assert isinstance(first, StackedCategoryEmbedding) is embedded


@UNKNOWN
def test_partial_fit_continues_with_unknown_categories():
    X, y = table()
    regressor = NetworkRegressor(**QUICK, random_state=0).partial_fit(as_frame(X), y)
    later, truth = table(100, seed=3)
    later["town"][:50] = [f"later {n}" for n in range(50)]
    for _ in range(2):
        regressor.partial_fit(as_frame(later), truth)
    assert np.isfinite(regressor.predict(as_frame(later))).all()
    tables = regressor.network_.network[0].tables
    assert (tables[0].value[:, 0] != 0).all(), "code 0 has learned from them"


def test_a_given_network_with_other_categories_refuses_codes():
    X, y = table(300)

    def own(features, outputs):
        from chainrule import CategoryEmbedding, Linear, Network

        return Network([CategoryEmbedding(features, (5,), 2), Linear(features + 1, outputs)])

    with pytest.raises(InputError, match="holds codes of categories, whole numbers from 0 to 4"):
        NetworkRegressor(network=own, preparation=TablePreparation(embed_from=20), epochs=1).fit(
            as_frame(X), y
        )
