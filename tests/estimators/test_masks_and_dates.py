"""What NumPy would take for numbers in silence: what is masked, dates, and gaps in labels."""

import numpy as np
import pytest

from chainrule import InputError, TablePreparation
from chainrule.estimators import NetworkClassifier, NetworkRegressor

X = np.arange(60.0)[:, np.newaxis]
Y = np.sin(X[:, 0] / 9)
LABELS = np.where(Y > 0, 1, 0)
HIDDEN = np.ma.masked_array(Y, mask=np.arange(60) == 7)
DAYS = np.arange("2020-01-01", "2020-03-01", dtype="M8[D]")
FAST = {"epochs": 1, "members": 2, "hidden_layers": (4,), "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    return NetworkRegressor(**FAST).fit(X, Y)


USES = {
    "fit": lambda r, x, y, w: NetworkRegressor(**FAST).fit(x, y, w),
    "validation": lambda r, x, y, w: NetworkRegressor(**FAST).fit(X, Y, validation_data=(x, y)),
    "classes": lambda r, x, y, w: NetworkClassifier(**FAST).fit(x, np.ma.where(y > 0, 1, 0), w),
    "partial_fit": lambda r, x, y, w: NetworkRegressor(**FAST).partial_fit(x, y),
    "score": lambda r, x, y, w: r.score(x, y, w),
    "calibrate": lambda r, x, y, w: r.calibrate(x, y, w),
    "diagnose": lambda r, x, y, w: r.diagnose(x, y),
}


@pytest.mark.parametrize("use", USES)
def test_masked_targets_and_weights_are_refused(fitted, use):
    with pytest.raises(InputError, match=r"y has 1 masked value\(s\), the first at index \(7,\)"):
        USES[use](fitted, X, HIDDEN, None)
    if use in ("fit", "classes", "score", "calibrate"):
        with pytest.raises(InputError, match="sample_weight has 1 masked value"):
            USES[use](fitted, X, Y, abs(HIDDEN) + 1)


@pytest.mark.parametrize("method", ["predict", "predict_interval", "score"])
def test_masked_values_in_rows_are_gaps(method):
    masked = np.ma.masked_array(X, mask=np.arange(60)[:, np.newaxis] % 9 == 0)
    masked.data[masked.mask] = 1e6
    as_nan = np.where(masked.mask, np.nan, X)
    estimators = [NetworkRegressor(**FAST, early_stopping=True).fit(x, Y) for x in (masked, as_nan)]
    more = (Y,) if method == "score" else ()
    found, expected = (
        getattr(estimator, method)(x, *more)
        for estimator, x in zip(estimators, (masked, as_nan), strict=True)
    )
    np.testing.assert_array_equal(found, expected)


def test_masked_columns_of_tables_are_gaps():
    column = np.ma.masked_array([1.0, 2.0, 9.0, 4.0], mask=[0, 0, 1, 0])
    words = np.ma.masked_array(["a", "b", "c", "a"], mask=[0, 0, 1, 0])
    expected = {"n": [1.0, 2.0, None, 4.0], "w": ["a", "b", None, "a"]}
    for X in ({"n": column, "w": words}, {"n": column, "w": words.astype(object)}):
        found = TablePreparation().fit(X)
        assert found.columns_ == TablePreparation().fit(expected).columns_
    rows = np.ma.masked_array([[1.0, 5.0], [2.0, 6.0], [9.0, 7.0]], mask=[[0, 0], [0, 0], [1, 0]])
    plain = [[1.0, 5.0], [2.0, 6.0], [np.nan, 7.0]]
    np.testing.assert_array_equal(
        TablePreparation().fit_transform(rows), TablePreparation().fit_transform(plain)
    )


@pytest.mark.parametrize("dates", [DAYS, DAYS - DAYS[0]], ids=["dates", "durations"])
def test_dates_are_no_numbers(fitted, dates):
    pandas = pytest.importorskip("pandas")
    for y in (dates, pandas.Series(dates)):
        with pytest.raises(InputError, match="y holds dates or times"):
            NetworkRegressor(**FAST).fit(X, y)
        with pytest.raises(InputError, match="y holds dates or times"):
            fitted.score(X, y)
    for call in (fitted.predict, lambda x: NetworkRegressor(**FAST).fit(x, Y)):
        with pytest.raises(InputError, match="X holds dates or times"):
            call(dates[:, np.newaxis])


@pytest.mark.parametrize(
    "gap", [[None], [float("nan")], np.array(["NaT"], "M8[D]")], ids=["None", "NaN", "NaT"]
)
def test_missing_labels_are_named_by_their_row(gap):
    labels = np.array([*LABELS[:-1].tolist(), None], object)
    if isinstance(gap, np.ndarray):
        labels = np.concatenate([DAYS[LABELS[:-1]], gap])
    else:
        labels[-1:] = gap
    with pytest.raises(InputError, match="y holds no label in row 59"):
        NetworkClassifier(**FAST).fit(X, labels)


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("Int64", "i"), ("boolean", "b"), ("string", "O"), ("int64[pyarrow]", "i"), ("category", "i")],
)
def test_labels_of_pandas_come_back_in_their_own_type(dtype, kind):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    y = pandas.Series(LABELS)
    y = y.astype(str).astype(dtype) if dtype == "string" else y.astype(dtype)
    classifier = NetworkClassifier(**FAST).fit(X, y)
    assert classifier.predict(X).dtype.kind == kind
    assert classifier.classes_.tolist() == sorted(set(y.tolist()))
    missing = y.copy()
    missing[3] = None
    with pytest.raises(InputError, match="y holds no label in row 3"):
        NetworkClassifier(**FAST).fit(X, missing)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_large_whole_numbers_with_gaps_keep_their_digits(library):
    ids = [2**53 + 1, 2**53, None, 2**53 + 1, 2**53]
    if library == "pandas":
        column = pytest.importorskip("pandas").Series(ids, dtype="Int64")
    else:
        column = pytest.importorskip("polars").Series(ids)
    preparation = TablePreparation(categorical_features=["id"]).fit({"id": column})
    assert preparation.columns_[0].categories == [str(2**53), str(2**53 + 1)]


def test_rows_in_messages_are_those_of_the_users_table(monkeypatch):
    """Whatever was left out, and however many rows go through the network at a time."""
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr("chainrule.estimators.base.ROWS_AT_ONCE", 16)
    frame = pandas.DataFrame({"x": X[:, 0], "kind": ["a", "b", "c"] * 20})
    weight = np.ones(60)
    weight[:20] = 0
    estimator = NetworkRegressor(**FAST).fit(frame, Y, weight)
    with_text = frame.astype({"x": object})
    with_text.loc[41, "x"] = "forty"
    for call in (estimator.predict, lambda rows: estimator.score(rows, Y)):
        with pytest.raises(InputError, match="the text 'forty' in row 41"):
            call(with_text)
    new = frame.assign(kind=["a"] * 50 + ["z"] * 10)
    with pytest.warns(UserWarning, match="unknown category in 10 rows, the first is row 50|in 8"):
        estimator.predict(new)
    infinite = frame.assign(x=np.where(np.arange(60) == 33, np.inf, frame.x))
    with pytest.raises(InputError, match="in row 33"):
        NetworkRegressor(**FAST).fit(infinite, Y, weight)
