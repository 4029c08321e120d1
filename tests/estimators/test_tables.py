"""Raw data frames: numbers, categories, missing values; and what is refused."""

import datetime

import numpy as np
import pytest

from chainrule import Ensemble, Network, Standardizer, TablePreparation
from chainrule.estimators import NetworkClassifier, NetworkRegressor

UNKNOWN = pytest.mark.filterwarnings("ignore:column .*unknown category")

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

KINDS = ["pandas", "polars"]
QUICK = {"hidden_layers": (8,), "members": 2, "epochs": 25, "learning_rate": 0.03}


def columns(rows=120):
    rng = np.random.default_rng(0)
    size = rng.normal(10, 3, rows)
    size[::10] = np.nan
    colour = rng.choice(["red", "green", "blue"], rows).tolist()
    wet = rng.random(rows) > 0.5
    return {"size": size, "colour": colour, "wet": wet}


def target(table):
    return np.array(["sink" if c == "red" else "swim" for c in table["colour"]])


def frame(kind, table):
    if kind == "pandas":
        return pd.DataFrame(table)
    return pl.DataFrame({name: list(column) for name, column in table.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_a_raw_data_frame(kind):
    table = columns()
    X, y = frame(kind, table), target(table)
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(X, y)
    assert classifier.score(X, y) > 0.95
    assert classifier.feature_names_in_.tolist() == ["size", "colour", "wet"]
    assert isinstance(classifier.network_.preparation, TablePreparation)
    again = NetworkClassifier(**QUICK, random_state=0).fit(frame("pandas", table), y)
    np.testing.assert_array_equal(
        classifier.predict_proba(X), again.predict_proba(frame("pandas", table))
    )


@UNKNOWN
@pytest.mark.parametrize("kind", KINDS)
def test_unknown_categories_and_new_missing_values_are_predicted(kind):
    table = columns()
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(frame(kind, table), target(table))
    new = {"size": [1.0, float("nan")], "colour": ["mauve", None], "wet": [True, False]}
    p = classifier.predict_proba(frame(kind, new))
    assert np.isfinite(p).all()


@pytest.mark.parametrize("kind", KINDS)
def test_targets_may_be_columns_of_a_frame(kind):
    table = columns()
    X = frame(kind, table)
    Y = frame(kind, {"label": target(table).tolist(), "size": np.arange(120.0)})
    assert NetworkClassifier(**QUICK, random_state=0).fit(X, Y["label"]).score(X, Y["label"]) > 0.9
    regressor = NetworkRegressor(**QUICK, random_state=0).fit(X, Y["size"])
    assert regressor.predict(X).shape == (120,)


@pytest.mark.parametrize("kind", KINDS)
def test_dates_are_refused_with_advice(kind):
    table = columns(20) | {"day": [datetime.datetime(2024, 1, 1 + i) for i in range(20)]}
    with pytest.raises(ValueError, match="'day'"):
        NetworkRegressor(**QUICK).fit(frame(kind, table), np.arange(20.0))


def test_missing_values_in_arrays_are_imputed_and_infinity_is_refused():
    X = np.random.default_rng(0).standard_normal((60, 3))
    y = X[:, 0] > 0
    X[::7, 1] = np.nan
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(X, y)
    assert classifier.score(X, y) > 0.9
    with pytest.raises(ValueError, match="infinity"):
        classifier.predict(np.where(np.isnan(X), np.inf, X))
    with pytest.raises(ValueError, match="NaN"):
        NetworkClassifier(**QUICK, preparation=None).fit(X, y)


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_the_file_predicts_raw_rows_as_the_estimator_does(kind, tmp_path):
    table = columns()
    X = frame("pandas", table)
    y = target(table) if kind is NetworkClassifier else np.arange(120.0)
    estimator = kind(**QUICK, random_state=0).fit(X, y)
    estimator.save(tmp_path / "model.npz")
    model = Ensemble.load(tmp_path / "model.npz")
    predict = getattr(estimator, "predict_proba", estimator.predict)
    np.testing.assert_allclose(
        model.predict_raw(X).reshape(predict(X).shape), predict(X), rtol=1e-12
    )
    if kind is NetworkClassifier:
        assert model.metadata["class_names"] == ["sink", "swim"]


def test_a_given_preparation_is_copied():
    X = np.random.default_rng(0).normal(100, 30, (60, 3))
    mine = Standardizer()
    regressor = NetworkRegressor(**QUICK, preparation=mine, random_state=0).fit(X, X[:, 0])
    assert not mine.fitted
    assert regressor.network_.preparation.fitted
    assert regressor.score(X, X[:, 0]) > 0.8


@UNKNOWN
def test_the_held_out_rows_do_not_leak_into_the_preparation():
    X = np.random.default_rng(0).standard_normal((100, 2))
    regressor = NetworkRegressor(**QUICK, preparation=Standardizer(), random_state=0)
    regressor.fit(X, X[:, 0], validation_data=(X + 1000, X[:, 0]))
    np.testing.assert_allclose(regressor.network_.preparation.mean, X.mean(axis=0))


def test_a_column_that_is_constant_at_first_is_learned_from_later():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 2))
    regressor = NetworkRegressor(20, members=2, learning_rate=0.02, random_state=0)
    regressor.partial_fit(np.column_stack([X[:, 0], np.zeros(64)]), X[:, 0])
    for _ in range(40):
        regressor.partial_fit(X, X[:, 1])
    assert regressor.score(X, X[:, 1]) > 0.5


def test_text_in_an_array_is_refused_with_advice():
    X = np.array([["red", 1.0], ["blue", 2.0]] * 30, dtype=object)
    with pytest.raises(ValueError, match=r"X holds text .*red.* as a data frame"):
        NetworkRegressor(**QUICK).fit(X, np.arange(60.0))
    NetworkRegressor(**QUICK).fit(pd.DataFrame(X), np.arange(60.0))


def test_columns_of_pandas_extension_types():
    table = pd.DataFrame(
        {
            "count": pd.array([1, 2, None, 4] * 20, dtype="Int64"),
            "share": pd.array([0.5, None, 1.5, 2.5] * 20, dtype="Float64"),
            "open": pd.array([True, None, False, True] * 20, dtype="boolean"),
            "kind": pd.Series(["a", "b", None, "a"] * 20, dtype="string"),
            "group": pd.Categorical([1, 2, 3, 1] * 20),
        }
    )
    labels = pd.Series(["x", "y", "z", "x"] * 20, dtype="string")
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(table, labels)
    assert classifier.score(table, labels) == 1.0
    assert classifier.score(table[::2], pd.Categorical(labels[::2])) == 1.0


def test_a_given_network_prepares_rows_if_it_has_a_preparation():
    table = frame("pandas", columns())
    preparation = TablePreparation().fit(table)
    network = Network([len(preparation.get_feature_names_out()), 8, 2], seed=0)
    options = {"epochs": 25, "learning_rate": 0.03, "random_state": 0}
    with pytest.raises(ValueError, match="could not convert string"):
        NetworkClassifier(network=network, **options).fit(table, target(table))
    network.preparation = preparation
    classifier = NetworkClassifier(network=network, **options).fit(table, target(table))
    assert classifier.score(table, target(table)) > 0.95
    np.testing.assert_allclose(
        classifier.network_.predict_raw(table), classifier.predict_proba(table), rtol=1e-12
    )
    given = NetworkClassifier(network=build, preparation=TablePreparation(), **options)
    assert given.fit(table, target(table)).score(table, target(table)) > 0.95


def build(features, outputs):
    return Network([features, 8, outputs], seed=0)
