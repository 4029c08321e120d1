"""TablePreparation: numbers, categories and gaps; names and order; in a file and back."""

import copy
import datetime
import decimal
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    ConfigurationError,
    FileFormatError,
    InputError,
    Linear,
    Network,
    TablePreparation,
)
from chainrule.preparation import table
from chainrule.preparation.base import read_preparation, write_preparation
from chainrule.preparation.packing import pack
from chainrule.storage.archive import read_archive, write_archive

UNKNOWN = pytest.mark.filterwarnings("ignore:column .*unknown category")

LIBRARIES = ["pandas", "polars"]
NAN = float("nan")


def frame_of(library, columns):
    return pytest.importorskip(library).DataFrame(columns)


def fitted(X, **options):
    return TablePreparation(**options).fit(X)


def transformed(X, **options):
    return TablePreparation(**options, dtype="float64").fit_transform(X)


MIXED = {
    "size": [1.5, 2.0, NAN, 8.0, 3.0, 4.0],
    "rooms": [1, 2, 2, 9, 3, 1],
    "garden": [True, False, True, True, False, True],
    "town": ["Ulm", "Bonn", "Ulm", None, "Kiel", "Bonn"],
    "sex": ["f", "m", "m", "f", "f", "m"],
}


# ---------------------------------------------------------------- numbers


def by_the_paper(x):
    """Return robust scaling and a smooth clip as RealMLP's paper writes them (appendix A)."""
    first, median, third = np.percentile(x, [25, 50, 75])
    s = 1 / (third - first) if first != third else 2 / (x.max() - x.min())
    z = s * (x - median)
    return z / np.sqrt(1 + (z / 3) ** 2)


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(5, 3, 100),
        np.random.default_rng(0).standard_cauchy(101) * 1e-12,
        np.array([0, 0, 0, 0, 0, 7.0]),  # equal quartiles
        np.array([0.0, 1.0]),
    ],
)
def test_numbers_are_scaled_as_in_the_paper(x):
    np.testing.assert_allclose(transformed(x[:, None])[:, 0], by_the_paper(x), rtol=1e-12)


def test_no_number_is_far_away_and_order_is_kept():
    preparation = fitted(np.arange(100.0)[:, None], dtype="float64")
    largest = np.finfo(np.float64).max
    x = np.array([-largest, -1e200, -1e10, 0, 50, 1e10, 1e200, largest])
    z = preparation.transform(x[:, None])[:, 0]
    assert np.abs(z).max() <= 3
    assert (np.diff(z) >= 0).all()
    assert z[0] == -z[-1] == -3


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-30, 1e30, 1e300, 1.7e308])
def test_numbers_of_every_size(scale):
    x = np.array([-1, -0.5, 0, 0.25, 1.0])
    z = transformed(scale * x[:, None])[:, 0]
    np.testing.assert_allclose(z, by_the_paper(x), rtol=1e-2 if scale < 1e-310 else 1e-9)


def test_of_every_column_that_comes_out_it_is_known_of_which_it_was_made():
    X = {"a": [1.0, NAN, 3.0, 5.0], "kind": ["x", "y", "z", "x"], 7: [1.0, 2.0, 3.0, 4.0]}
    X |= {"same": [1, 1, 1, 1], "many": ["p", "q", "p", "q"]}
    preparation = fitted(X)
    names = preparation.get_feature_names_out()
    assert names == ["a", "missingindicator_a", "kind_x", "kind_y", "kind_z", "7", "many_q"]
    assert preparation.input_columns() == ["a", "a", "kind", "kind", "kind", 7, "many"]
    embedded = TablePreparation(embed_from=1).fit({"many": X["many"], "size": X[7]})
    assert embedded.input_columns() == ["size", "many"]  # codes come last
    array = np.array([[1.0, 5.0, 2.0], [2.0, 5.0, 3.0], [NAN, 5.0, 4.0]])
    assert fitted(array).input_columns() == [0, 0, 2]


def test_missing_numbers_become_the_median_and_are_marked_where_there_were_some():
    X = {"a": [1.0, NAN, 3.0, 5.0], "b": [1.0, 2.0, 3.0, 4.0]}
    preparation = fitted(X)
    assert preparation.get_feature_names_out() == ["a", "missingindicator_a", "b"]
    np.testing.assert_array_equal(preparation.transform(X)[:, 1], [0, 1, 0, 0])
    later = preparation.transform({"a": [NAN, 3.0], "b": [NAN, 2.5]})
    np.testing.assert_array_equal(later, [[0, 1, 0], [0, 0, 0]])


@UNKNOWN
def test_what_never_changes_is_left_out_and_noted():
    preparation = fitted(
        {
            "constant": [3, 3, 3],
            "empty": [None, NAN, None],
            "one": ["x", "x", "x"],
            "x": [1, 2, 3],
            "no category": np.array([None, None, None], object),
            "or nothing": [7.0, 7.0, NAN],
            "or none": ["x", None, "x"],
        }
    )
    names = ["x", "missingindicator_or nothing", "missingindicator_or none"]
    assert preparation.get_feature_names_out() == names
    assert preparation.notes_ == [
        "column 'constant' is left out: it never changes",
        "column 'empty' is left out: it is missing in every row",
        "column 'one' is left out: it never changes",
        "column 'no category' is left out: it is missing in every row",
    ]
    later = preparation.transform({"x": [2], "or nothing": [None], "or none": ["y"]})
    np.testing.assert_array_equal(later, [[0, 1, 0]])


def test_nothing_to_learn_from():
    with pytest.raises(InputError, match="No column of the table ever changes"):
        fitted({"a": [1, 1], "b": ["x", "x"]})


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 10**400])
def test_infinity_is_refused_with_its_place(bad):
    with pytest.raises(InputError, match=r"Column 'a' holds infinity, or .* in row 1"):
        fitted({"a": [1, bad, 2]})
    with pytest.raises(InputError, match=r"Column 'a' holds infinity, or .* in row 0"):
        fitted({"a": [1, 3, 2]}).transform({"a": [bad]})


def test_numbers_of_every_kind_are_numbers():
    kinds = [
        np.array([1, 2, 4], np.int8),
        np.array([1, 2, 4], np.uint64),
        np.array([1, 2, 4], np.float16),
        [1, 2.0, np.float32(4)],
        [decimal.Decimal(1), decimal.Decimal(2), decimal.Decimal(4)],
        np.array([1, 2, 4], object),
    ]
    for column in kinds:
        np.testing.assert_allclose(transformed({"a": column}), transformed({"a": [1.0, 2.0, 4.0]}))
    np.testing.assert_array_equal(
        transformed({"a": [True, False, None]}), transformed({"a": [1, 0, NAN]})
    )


# ---------------------------------------------------------------- categories


@UNKNOWN
def test_categories_become_columns_in_the_order_of_their_names():
    preparation = fitted({"town": ["Ulm", "Bonn", "Kiel", "Bonn"]})
    assert preparation.get_feature_names_out() == ["town_Bonn", "town_Kiel", "town_Ulm"]
    np.testing.assert_array_equal(
        preparation.transform({"town": ["Ulm", "Bonn", "Kiel", "Köln", None]}),
        [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]],
    )


@UNKNOWN
def test_two_categories_are_one_column():
    preparation = fitted({"sex": ["m", "f", "m"]})
    assert preparation.get_feature_names_out() == ["sex_m"]
    later = preparation.transform({"sex": ["f", "m", "x", None]})
    np.testing.assert_array_equal(later[:, 0], [-1, 1, 0, 0])


@UNKNOWN
def test_missing_categories_have_a_column_where_there_were_some():
    preparation = fitted({"sex": ["m", "f", None]})
    assert preparation.get_feature_names_out() == ["sex_m", "missingindicator_sex"]
    later = preparation.transform({"sex": ["f", None, "x"]})
    np.testing.assert_array_equal(later, [[-1, 0], [0, 1], [0, 0]])


@UNKNOWN
def test_rare_categories_are_a_group_that_unknown_ones_join():
    town = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]
    preparation = fitted({"town": town}, min_frequency=3)
    assert preparation.get_feature_names_out() == ["town_a", "town_b", "town_infrequent"]
    later = preparation.transform({"town": ["a", "c", "d", "new", None]})
    np.testing.assert_array_equal(later, [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
    assert preparation.notes_ == ["column 'town': 2 rare categories are one group"]
    two = fitted({"town": town}, min_frequency=4)
    assert two.get_feature_names_out() == ["town_infrequent"]
    np.testing.assert_array_equal(two.transform({"town": ["a", "b", "new"]})[:, 0], [-1, 1, 1])


def test_no_more_columns_than_allowed_and_the_most_frequent_have_them():
    town = [f"t{i:03}" for i in range(100) for _ in range(1 + i % 7)]
    preparation = fitted({"town": town}, max_categories=10)
    names = preparation.get_feature_names_out()
    assert len(names) == 10
    assert names[-1] == "town_infrequent"
    counts = {name.removeprefix("town_"): town.count(name[5:]) for name in names[:-1]}
    assert min(counts.values()) == 7
    assert preparation.transform({"town": town}).sum() == len(town)


def test_a_name_of_each_row_is_left_out():
    ids = [f"customer {i}" for i in range(200)]
    preparation = fitted({"id": ids, "x": range(200)})
    assert preparation.get_feature_names_out() == ["x"]
    assert "'id' is left out: its categories are all rare" in preparation.notes_[0]
    assert preparation.transform({"x": [1, 2]}).shape == (2, 1)  # and is not missed later


def test_very_many_rare_categories_are_not_all_remembered():
    town = ["home"] * 5 + [f"t{i}" for i in range(20_000)]
    preparation = fitted({"town": town})
    assert preparation.columns_[0].rare == []
    np.testing.assert_array_equal(
        preparation.transform({"town": ["home", "t7", "new"]})[:, 0], [-1, 1, 1]
    )
    assert not preparation.report({"town": ["new"]})
    assert preparation.notes_ == ["column 'town': very many rare categories are one group"]


def test_numbers_can_be_categories():
    X = {"zip": [10115, 89073, 10115, 53111], "x": [1, 2, 3, 4]}
    preparation = fitted(X, categorical_features=["zip"])
    assert preparation.get_feature_names_out() == ["zip_10115", "zip_53111", "zip_89073", "x"]
    expected = preparation.transform(X)
    for again in ([10115.0, 89073.0, 10115.0, 53111.0], ["10115", "89073", "10115", "53111"]):
        np.testing.assert_array_equal(preparation.transform({**X, "zip": again}), expected)
    array = np.column_stack([X["zip"], X["x"]]).astype(float)
    by_place = fitted(array, categorical_features=[0])
    np.testing.assert_array_equal(by_place.transform(array), expected)
    assert by_place.get_feature_names_out()[0] == "x0_10115"


@UNKNOWN
@pytest.mark.parametrize("library", LIBRARIES)
def test_categoricals_are_categories_even_of_numbers(library):
    frames = pytest.importorskip(library)
    if library == "pandas":
        column = frames.Series([3, 1, 3, 2]).astype("category")
    else:
        column = frames.Series(["3", "1", "3", "2"], dtype=frames.Categorical)
    preparation = fitted(frames.DataFrame({"a": column}))
    assert preparation.get_feature_names_out() == ["a_1", "a_2", "a_3"]
    np.testing.assert_array_equal(
        preparation.transform({"a": [3, 2.0, "1", 4]}),
        [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]],
    )


def test_a_categorical_that_is_missing_in_every_row_says_nothing():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [None, None], "b": [1, 2]}).astype({"a": "category"})
    preparation = fitted(frame)
    assert preparation.get_feature_names_out() == ["b"]
    assert preparation.notes_ == ["column 'a' is left out: it is missing in every row"]


def test_intervals_of_pandas_are_categories():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.cut(pandas.Series([1.0, 2.0, 3.0]), 3)})
    assert fitted(frame).transform(frame).sum() == 3


def test_few_texts_that_are_nearly_all_numbers_stay_categories_and_are_noted():
    """Such as years of study that end with "15 or more"."""
    (note,) = fitted({"power": [*map(str, range(15)), "15 or more"] * 2}).notes_
    assert "'power' holds numbers but for text such as '15 or more'" in note


def test_spaces_around_categories_mean_nothing():
    X = {"churn": [" No", "No", "Yes ", "Yes", "  "], "x": [1, 2, 3, 4, 5]}
    with pytest.warns(UserWarning, match="^column 'churn'") as told:
        preparation = fitted(X)
    notes = ["column 'churn': 'Yes ' is taken for 'Yes'"]
    notes += ["column 'churn': blank cells are taken for missing values"]
    assert [str(warning.message) for warning in told] == preparation.notes_ == notes
    assert preparation.get_feature_names_out() == ["churn_Yes", "missingindicator_churn", "x"]
    np.testing.assert_array_equal(preparation.transform(X)[:, 0], [-1, -1, 1, 1, 0])
    assert not preparation.report({"churn": ["No  ", b"Yes"], "x": [1, 2]})


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "column",
    [
        np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        np.array([1, 2], "m8[s]"),
        [datetime.date(2020, 1, 1), None],
        [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)],
        [datetime.time(1), datetime.time(2)],
        [datetime.timedelta(1), datetime.timedelta(2)],
    ],
)
def test_dates_are_refused_with_advice(column):
    with pytest.raises(InputError, match=r"Column 'when' holds dates .*day of the week"):
        fitted({"x": [1, 2], "when": column})


@pytest.mark.parametrize("library", LIBRARIES)
def test_dates_of_frames_are_refused(library):
    dates = [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)]
    with pytest.raises(InputError, match="Column 'when' holds dates"):
        fitted(frame_of(library, {"when": dates}))


def test_dates_with_zones_and_periods_are_refused():
    pandas = pytest.importorskip("pandas")
    zoned = pandas.Series(pandas.to_datetime(["2020-01-01", "2021-01-01"])).dt.tz_localize("UTC")
    categories = pandas.Series(pandas.to_datetime(["2020-01-01", "2021-01-01"])).astype("category")
    for column in (zoned, pandas.period_range("2020", periods=2, freq="M"), categories):
        with pytest.raises(InputError, match="Column 'when' holds dates"):
            fitted(pandas.DataFrame({"when": column}))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1], [2]], "Column 'a' holds values of the type list"),
        ([{"b": 1}, {"b": 2}], "Column 'a' holds values of the type dict"),
        ([object(), 1], "Column 'a' holds values of the type object"),
        (np.array([1j, 2]), "Column 'a' holds complex128"),
        ([1j, 2], "Column 'a' holds values of the type complex"),
        (np.ones((2, 2)), "Column 'a' holds several values in a row"),
        ("ab", "Column 'a' must be an array or a list, got 'ab'"),
        (3, "Column 'a' must be an array or a list, got 3"),
        ([1, 2, 3], r"The columns differ in length: {'x': 2, 'a': 3}"),
    ],
)
def test_what_is_no_column_is_refused(column, message):
    with pytest.raises(InputError, match=message):
        fitted({"x": [1, 2], "a": column})


def test_structures_of_polars_are_refused():
    with pytest.raises(InputError, match="Column 'a' holds"):
        fitted(frame_of("polars", {"a": [{"b": 1}, {"b": 2}]}))
    with pytest.raises(InputError, match="Column 'a' holds"):
        fitted(frame_of("polars", {"a": [[1, 2], [3]]}))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1, 2, 3], r"Expected a table .* got list of the shape \(3,\)\."),
        (5, r"Expected a table .* got int\."),
        (None, r"Expected a table .* got NoneType\."),
        (np.ones((2, 2, 2)), r"of the shape \(2, 2, 2\)"),
        ([[1, 2], [3]], "The rows of X differ in length"),
        (np.ones((0, 3)), "The table is empty: it has 0 rows and 3 columns"),
        ({}, "The table is empty: it has 0 rows and 0 columns"),
        ({1.5: [1, 2]}, r"names of columns must be text or whole numbers, got 1\.5"),
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises(InputError, match=message):
        fitted(X)


def test_a_lazy_frame_is_told_to_be_collected():
    lazy = frame_of("polars", {"a": [1, 2]}).lazy()
    with pytest.raises(InputError, match=r"collected first: frame\.collect\(\)"):
        fitted(lazy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_categories": 1}, "max_categories must be a whole number of at least 2"),
        ({"n_bins": -1}, "n_bins must be a whole number of at least 0"),
        ({"min_frequency": 0.5}, "min_frequency must be a whole number of at least 1"),
        ({"dtype": "int8"}, "dtype must be float32 or float64"),
        ({"categorical_features": "zip"}, "categorical_features must be a list"),
        ({"categorical_features": 3}, "categorical_features must be a list"),
        ({"categorical_features": [1.5]}, "categorical_features must be a list"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigurationError, match=message):
        TablePreparation(**options)


def test_a_categorical_feature_that_is_not_there():
    with pytest.raises(InputError, match=r"categorical_features \['zap'\] are no columns"):
        fitted({"zip": [1, 2]}, categorical_features=["zap"])


@pytest.mark.parametrize("method", ["transform", "report", "get_feature_names_out"])
def test_before_fit(method):
    with pytest.raises(InputError, match="TablePreparation has not been fitted"):
        getattr(TablePreparation(), method)(*([MIXED] if method != "get_feature_names_out" else []))


def test_text_where_training_had_numbers():
    preparation = fitted({"a": [1, 2]})
    for column in (["3", "n/a"], np.array(["3", "n/a"])):
        with pytest.raises(InputError, match=r"Column 'a' held numbers .* the text '3' in row 0"):
            preparation.transform({"a": column})
    with pytest.raises(InputError, match=r"Column 'a' held numbers .* it holds 1j in row 1"):
        preparation.transform({"a": [1, 1j]})
    with pytest.raises(InputError, match="Column 'a' holds dates or times"):
        preparation.transform({"a": np.array(["2020-01-01"], "M8[ns]")})
    with pytest.raises(InputError, match="Column 'a' holds lists or other containers"):
        fitted({"a": ["x", "y"]}).transform({"a": [["x"], "y"]})


# ---------------------------------------------------------------- names and their order


def tables():
    """Return the same table in every form with names of columns."""
    yield "dict", MIXED
    for library in LIBRARIES:
        yield library, frame_of(library, MIXED)
    named = {name: np.array(column, object) for name, column in MIXED.items()}
    yield "arrays", named


def test_every_form_of_a_table_gives_the_same():
    expected = fitted(MIXED).transform(MIXED)
    assert expected.shape == (6, 9)
    for _, X in tables():
        preparation = fitted(X)
        for _, later in tables():
            np.testing.assert_array_equal(preparation.transform(later), expected)


def test_rows_in_lists_and_arrays():
    rows = [list(row) for row in zip(*MIXED.values(), strict=True)]
    expected = fitted(MIXED).transform(MIXED)
    for X in (rows, np.array(rows, object)):
        preparation = fitted(X)
        assert preparation.feature_names_in_ is None
        np.testing.assert_array_equal(preparation.transform(X), expected)
        np.testing.assert_array_equal(preparation.transform(frame_of("pandas", MIXED)), expected)
    np.testing.assert_array_equal(fitted(MIXED).transform(rows), expected)
    with pytest.raises(InputError, match=r"Fitted on rows of 5 columns, got rows of 4 columns\."):
        preparation.transform([row[:4] for row in rows])


def test_numbers_beside_text_in_a_list_stay_numbers():
    preparation = fitted([["a", 1.5], ["b", 2.5], ["c", 9.0]])
    assert preparation.get_feature_names_out() == ["x0_a", "x0_b", "x0_c", "x1"]


def test_structured_arrays():
    X = np.array([(1.5, "a"), (2.5, "b")], [("x", float), ("y", "U1")])
    assert fitted(X).get_feature_names_out() == ["x", "y_b"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_order_of_columns_does_not_matter(library):
    frame = frame_of(library, MIXED)
    preparation = fitted(frame)
    turned = frame[list(MIXED)[::-1]]
    np.testing.assert_array_equal(preparation.transform(turned), preparation.transform(frame))
    with pytest.raises(InputError, match=r"The columns 'rooms', 'sex' are missing; there are \["):
        preparation.transform(frame[["size", "town", "garden"]])


def test_names_may_be_whole_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.arange(6.0).reshape(3, 2))
    preparation = fitted(frame)
    assert preparation.feature_names_in_ == [0, 1]
    turned = preparation.transform(frame[[1, 0]])
    np.testing.assert_array_equal(turned, preparation.transform(frame))
    assert preparation.get_feature_names_out() == ["0", "1"]


def test_nothing_is_written_into_the_table():
    X = np.array([[1.0, NAN], [2.0, 3.0], [4.0, 1.0]])
    X.setflags(write=False)
    frame = {"a": X[:, 0], "b": X[:, 1]}
    fitted(frame).transform(frame)
    fitted(X).report(X)


def test_no_rows_are_no_rows():
    assert fitted(MIXED).transform({name: [] for name in MIXED}).shape == (0, 9)


# ---------------------------------------------------------------- pandas and polars agree

numbers = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32))
whole = st.one_of(st.none(), st.integers(-(2**40), 2**40))
truth = st.one_of(st.none(), st.booleans())
words = st.one_of(  # digits would be numbers
    st.none(),
    st.text(st.characters(exclude_categories=["N"]), max_size=3).map(lambda t: t.replace("\0", "")),
)


@st.composite
def tables_of(draw):
    """Return a table with columns of several kinds and missing values anywhere."""
    rows = draw(st.integers(2, 12))
    few = st.sampled_from(["a", "b", "c", None])
    kinds = {"numbers": numbers, "whole": whole, "truth": truth, "words": words, "few": few}
    columns = {}
    for name, values in kinds.items():
        columns[name] = draw(st.lists(values, min_size=rows, max_size=rows))
    columns["varies"] = list(range(rows))  # so that there is something to learn from
    return columns


@pytest.mark.filterwarnings("ignore:column 'words'")  # of spaces
@settings(deadline=None, max_examples=30)
@given(tables_of(), st.permutations(["numbers", "whole", "truth", "words", "few", "varies"]))
def test_pandas_polars_and_dicts_give_the_same_bits_in_any_order(columns, order):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    schema = {
        "numbers": polars.Float64,
        "whole": polars.Int64,
        "truth": polars.Boolean,
        "words": polars.String,
        "few": polars.String,
        "varies": polars.Int64,
    }
    nullable = {"whole": "Int64", "truth": "boolean", "words": "string"}
    frames = {
        "dict": columns,
        "pandas": pandas.DataFrame(columns),
        "nullable": pandas.DataFrame(columns).astype(nullable),
        "categorical": pandas.DataFrame(columns).astype({"few": "category"}),
        "polars": polars.DataFrame(columns, schema=schema),
    }
    first = fitted(columns)
    expected = first.transform(columns)
    assert np.isfinite(expected).all()
    assert expected.shape == (len(columns["varies"]), len(first.get_feature_names_out()))
    for frame in frames.values():
        preparation = fitted(frame)
        assert preparation.get_feature_names_out() == first.get_feature_names_out()
        turned = {name: frame[name] for name in order} if frame is columns else frame[list(order)]
        assert preparation.transform(turned).tobytes() == expected.tobytes()
        assert not preparation.report(turned)


@UNKNOWN
@pytest.mark.filterwarnings("ignore:column 'words'")  # of spaces
@settings(deadline=None, max_examples=30)
@given(tables_of(), tables_of(), st.integers(0, 4))
def test_later_rows_are_numbers_whatever_they_hold_and_files_keep_every_bit(columns, later, bins):
    preparation = fitted(columns, n_bins=bins)
    expected = preparation.transform(later)
    assert np.isfinite(expected).all()
    assert len(expected) == len(later["varies"])
    description, arrays = write_preparation(preparation)
    again = read_preparation(description, arrays)
    assert again.transform(later).tobytes() == expected.tobytes()
    assert str(again.report(later)) == str(preparation.report(later))
    assert repr(write_preparation(again)) == repr((description, arrays))


# ---------------------------------------------------------------- what is odd in new rows


def test_what_is_odd_in_new_rows_is_told():
    X = {"size": [1.0, 2.0, 3.0], "sex": ["m", "f", "m"], "town": ["a", "b", "c"]}
    preparation = fitted(X)
    assert not preparation.report(X)
    later = {
        "size": [3.5, NAN, 9.0, -7.5],
        "sex": ["m", None, "x", "x"],
        "town": ["a", "z", "y", "z"],
        "more": [1, 2, 3, 4],
    }
    report = preparation.report(later)
    assert len(report) == 6
    assert str(report).splitlines() == [
        "column 'size': missing value in 1 row, the first is row 1",
        "column 'size': far outside the training range in 2 rows, the first is row 2 (-7.5, "
        "trained on 1 to 3)",
        "column 'sex': missing value in 1 row, the first is row 1",
        "column 'sex': unknown category in 2 rows, the first is row 2 ('x')",
        "column 'town': unknown category in 3 rows, the first is row 1 ('z', 'y')",
        "column 'more': unused column",
    ]
    finding = next(iter(report))
    assert (finding.column, finding.kind, finding.rows, finding.first_row) == (
        "size",
        "missing value",
        1,
        1,
    )


def test_nothing_odd_is_said_of_what_training_had():
    X = {"a": [1.0, NAN, 3.0], "b": ["x", None, "y"]}
    report = fitted(X).report({"a": [NAN, 5.0, -1.0], "b": [None, "x", "y"]})
    assert not report
    assert str(report) == "These rows hold nothing that the training rows did not."


def test_unknown_categories_are_told_or_refused(tmp_path):
    X = {"town": ["Ulm", "Bonn", "Kiel", "Ulm"], "x": [1, 2, 3, 4]}
    new = {"town": ["Ulm", "Oslo", "Rom"], "x": [1, 2, 3]}
    told = r"column 'town': unknown category in 2 rows, the first is row 1 \('Oslo', 'Rom'\)"
    with pytest.warns(UserWarning, match=f"^{told}$"):
        expected = fitted(X).transform(new)
    with pytest.raises(InputError, match=f"The {told}. Correct it"):
        fitted(X, handle_unknown="error").transform(new)
    quiet = fitted(X, handle_unknown="ignore")
    np.testing.assert_array_equal(quiet.transform(new), expected)
    Network([Linear(4, 1)], seed=0).save(tmp_path / "m.npz", preparation=quiet)
    assert Network.load(tmp_path / "m.npz").preparation.handle_unknown == "ignore"
    with pytest.raises(ConfigurationError, match="handle_unknown must be one of"):
        TablePreparation(handle_unknown="use_encoded_value")


def test_rare_categories_are_known_and_unknown_ones_are_told():
    preparation = fitted({"a": ["x"] * 5 + ["y"] * 5 + ["rare"]}, min_frequency=2)
    (finding,) = preparation.report({"a": ["rare", "new", "x"]})
    assert (finding.kind, finding.examples) == ("unknown category", ("'new'",))


# ---------------------------------------------------------------- codes


CODED = {
    "town": ["Ulm", "Bonn", "Ulm", None, "Kiel", "Bonn", "Kiel", "Rom", "Ulm"],
    "size": [1.0, 2.0, 4.0, 3.0, 5.0, 9.0, 7.0, 8.0, 6.0],
    "item": ["a", "c", "b", "a", "b", "c", "a", "b", "c"],
    "wet": ["no", "yes", "no", "no", "yes", "no", "no", "yes", "yes"],
}


def test_columns_of_very_many_categories_become_codes_at_the_end():
    preparation = fitted(CODED, embed_from=2)
    assert preparation.get_feature_names_out() == ["size", "wet_yes", "town_code", "item_code"]
    assert preparation.code_categories_ == (5, 4)
    x = preparation.transform(CODED)
    assert x[:, 2].tolist() == [4, 2, 4, 1, 3, 2, 3, 0, 4]  # Rom is there but once
    assert x[:, 3].tolist() == [1, 3, 2, 1, 2, 3, 1, 2, 3]
    plain = fitted(CODED)
    assert plain.code_categories_ == ()
    others = [plain.get_feature_names_out().index(name) for name in ("size", "wet_yes")]
    np.testing.assert_array_equal(x[:, :2], plain.transform(CODED)[:, others])
    assert preparation.notes_ == [
        "column 'town': 3 categories, each with a code for embedding, and rare ones that share a "
        "code",
        "column 'item': 3 categories, each with a code for embedding",
    ]


def test_columns_with_no_more_categories_are_as_before():
    for embed_from in (None, 3, 50):
        preparation = fitted(CODED, embed_from=embed_from)
        assert preparation.transform(CODED).tobytes() == fitted(CODED).transform(CODED).tobytes()
        assert preparation.columns_ == fitted(CODED).columns_
    identity = {"id": [f"no. {n}" for n in range(100)], "x": list(range(100))}
    assert fitted(identity, embed_from=2).get_feature_names_out() == ["x"]


@UNKNOWN
def test_unknown_and_missing_categories_have_codes():
    preparation = fitted(CODED, embed_from=2)
    new = {**{name: values[:3] for name, values in CODED.items()}, "item": ["z", None, "a"]}
    new["town"] = ["Oslo", None, "Rom"]
    x = preparation.transform(new)
    assert x[:, 2].tolist() == [0, 1, 0]
    assert x[:, 3].tolist() == [0, 0, 1]  # no item was missing in training
    assert [str(finding) for finding in preparation.report(new)] == [
        "column 'town': unknown category in 1 row, the first is row 0 ('Oslo')",
        "column 'item': missing value in 1 row, the first is row 1",
        "column 'item': unknown category in 1 row, the first is row 0 ('z')",
    ]


def test_a_category_that_is_too_rare_has_no_code():
    preparation = fitted(CODED, embed_from=2, min_frequency=3)
    assert preparation.code_categories_ == (4,)  # the town, but for Ulm, is too rare
    assert preparation.get_feature_names_out()[-1] == "item_code"


def test_more_categories_than_can_be_told_apart(monkeypatch):
    monkeypatch.setattr(table, "MOST_CODES", 100)
    words = [f"w{n}" for n in range(300) for _ in range(2 + (n == 7))]
    preparation = fitted({"word": words}, embed_from=50)
    assert preparation.code_categories_ == (100,)
    assert preparation.transform({"word": ["w7"]})[0, 0] > 0
    codes = preparation.transform({"word": words})[:, 0]
    assert len(set(codes.tolist())) == 100


@pytest.mark.parametrize("library", LIBRARIES)
def test_codes_of_frames_and_arrays(library):
    expected = fitted(CODED, embed_from=2).transform(CODED)
    frame = frame_of(library, CODED)
    np.testing.assert_array_equal(fitted(frame, embed_from=2).transform(frame), expected)
    rows = np.array(list(zip(*CODED.values(), strict=True)), object)
    preparation = fitted(rows, embed_from=2)
    np.testing.assert_array_equal(preparation.transform(rows), expected)
    assert preparation.get_feature_names_out() == ["x1", "x3_yes", "x0_code", "x2_code"]


@pytest.mark.parametrize("embed_from", [0, -1, 2.5, "50", True])
def test_a_number_of_categories_that_makes_no_sense(embed_from):
    with pytest.raises(ConfigurationError, match="embed_from must be a whole number"):
        TablePreparation(embed_from=embed_from)


def test_codes_in_a_file(tmp_path):
    preparation = fitted(CODED, embed_from=2)
    description, arrays = write_preparation(preparation)
    again = read_preparation(description, arrays)
    assert again.columns_ == preparation.columns_
    assert again.code_categories_ == (5, 4)
    assert again.notes_ == preparation.notes_
    assert again.transform(CODED).tobytes() == preparation.transform(CODED).tobytes()
    for wrong in (
        {"codes": np.array([True, True])},
        {"codes": np.array([1, 1, 0])},
        pack("categories", ["Bonn"]) | {"categories/counts": np.array([1, 0, 0])},
    ):
        with pytest.raises(FileFormatError, match="TablePreparation in the file cannot be built"):
            read_preparation(description, {**arrays, **wrong})


# ---------------------------------------------------------------- copies and files


@pytest.mark.parametrize("again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_transform_the_same(again):
    preparation = fitted(MIXED, max_categories=3)
    copied = again(preparation)
    np.testing.assert_array_equal(copied.transform(MIXED), preparation.transform(MIXED))
    assert repr(copied) == "TablePreparation(max_categories=3)"


def test_a_network_predicts_a_table_as_it_is(tmp_path):
    path = tmp_path / "model.npz"
    preparation = fitted(MIXED, categorical_features=["rooms"], max_categories=3)
    width = len(preparation.get_feature_names_out())
    network = Network([Linear(width, 2)], seed=0)
    network.save(path, preparation=preparation)
    loaded = Network.load(path)
    assert repr(loaded.preparation) == repr(preparation)
    assert loaded.preparation.notes_ == preparation.notes_
    frame = frame_of("polars", MIXED)
    np.testing.assert_array_equal(loaded.predict_raw(frame), network.predict_raw(MIXED))
    with pytest.raises(InputError, match="The column 'size' is missing"):
        loaded.predict_raw(frame[["town", "rooms", "garden", "sex"]])
    with pytest.raises(ConfigurationError, match="TablePreparation does cannot be undone"):
        loaded.preparation.inverse_transform(np.ones((1, width)))


def test_a_saved_network_predicts_without_pandas(tmp_path):
    """A fresh interpreter reads the file and predicts with NumPy and chainrule alone."""
    path = tmp_path / "model.npz"
    preparation = fitted(frame_of("pandas", MIXED))
    Network([Linear(9, 1)], seed=0).save(path, preparation=preparation)
    program = f"""
import sys, numpy.random
before = set(sys.modules)
from chainrule import Network
rows = {{"size": [2.0], "rooms": [3], "garden": [True], "town": ["Ulm"], "sex": ["m"]}}
assert Network.load({str(path)!r}).predict_raw(rows).shape == (1, 1)
print(*{{name.split(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"chainrule", "numpy"}


def mutated(description, arrays):
    """Yield descriptions and arrays that are wrong in one place each."""

    def settings_with(**changes):
        return {"settings": {**description["settings"], **changes}}, arrays

    def arrays_with(**changes):
        return description, {
            **arrays,
            **{name.replace("__", "/"): a for name, a in changes.items()},
        }

    yield {}, arrays
    yield {"settings": 3}, arrays
    yield {"settings": {}}, arrays
    yield {**description, "more": 1}, arrays
    yield settings_with(more=1)
    yield settings_with(max_categories="x")
    yield settings_with(embed_from=0)
    yield settings_with(dtype="O")
    yield settings_with(embed_from=[1] * 3000)
    yield settings_with(categorical_features=3)
    yield arrays_with(more=np.ones(3))
    for name, array in arrays.items():
        yield description, {other: a for other, a in arrays.items() if other != name}
        yield description, {**arrays, name: array[None]}
        yield description, {**arrays, name: array.astype(np.float32)}
        if array.size:
            yield description, {**arrays, name: array[:-1]}
            yield description, {**arrays, name: np.concatenate([array, array])}
    yield arrays_with(is_category=~arrays["is_category"])
    for place, value in [((0, 0), NAN), ((0, 1), 0), ((0, 1), -1), ((0, 1), np.inf), ((0, 2), NAN)]:
        figures = arrays["numbers"].copy()
        figures[place] = value
        yield arrays_with(numbers=figures)
    yield arrays_with(knots=arrays["knots"][::-1].copy())
    yield arrays_with(knots=arrays["knots"] * NAN)
    yield arrays_with(knots=arrays["knots"] * 0)
    yield arrays_with(knots__counts=arrays["knots/counts"][::-1] - 1)
    yield arrays_with(knots=np.arange(2.0), knots__counts=np.array([2, 0, 0]))
    figures = arrays["numbers"].copy()
    figures[0, 2] = figures[0, 3] + 1
    yield arrays_with(numbers=figures)
    lengths = arrays["categories/lengths"]
    yield arrays_with(categories__lengths=lengths - [2**62] + [2**62, *[0] * (len(lengths) - 1)])
    yield arrays_with(categories__lengths=np.array([-1, lengths.sum() + 1, 0, 0, 0]))
    yield arrays_with(categories__counts=arrays["categories/counts"] + [1, 0])
    yield arrays_with(categories__counts=np.array([6, -1]))
    bent = arrays["categories/bytes"].copy()
    bent[0] = 255  # never stands in UTF-8
    yield arrays_with(categories__bytes=bent)
    same = pack("categories", ["Ulm"] * 5)
    yield description, {**arrays, **same}
    yield description, {**arrays, **pack("rare", ["z"]), "rare/counts": np.array([1, 0])}
    yield description, {**arrays, **pack("names", ["a"] * 5)}
    yield arrays_with(names__whole=np.ones(5, bool))


def test_hostile_descriptions_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    preparation = fitted(MIXED, n_bins=2)
    width = len(preparation.get_feature_names_out())
    network = Network([Linear(width, 1)], seed=0)
    network.save(path, preparation=preparation)
    own, whole = read_archive(path, "module")
    description, arrays = write_preparation(network.preparation)
    assert read_preparation(description, arrays).columns_ == network.preparation.columns_
    wrong = list(mutated({"settings": description["settings"]}, arrays))
    assert len(wrong) > 80
    for plain, figures in wrong:
        with pytest.raises(
            FileFormatError, match="TablePreparation in the file cannot be built"
        ) as message:
            read_preparation({"class": "TablePreparation", **plain}, figures)
        assert len(str(message.value)) < 500
    described = {"preparation": {"class": "TablePreparation", "settings": 3}}
    write_archive(path, "module", own, {**whole, "preparations": described})
    with pytest.raises(FileFormatError, match="TablePreparation in the file cannot be built"):
        Network.load(path)


def test_a_files_description_stays_short_however_large_the_table(tmp_path):
    X = {f"x[{place}]": [1.0, 2.0, 4.0] for place in range(3000)}
    X |= {f"c{{{place}}}": [f"[{place}", "{", "}"] for place in range(500)}
    preparation = fitted(X)
    description, arrays = write_preparation(preparation)
    assert len(str(description)) < 300
    assert len(arrays) < 20
    again = read_preparation(description, arrays)
    assert again.transform(X).tobytes() == preparation.transform(X).tobytes()


def test_text_of_every_kind_comes_back(tmp_path):
    odd = ["ö", "ä", "\nx", "'\"", "日本", "\ud800", "😀", "a/b", "c"] * 2
    path = tmp_path / "model.npz"
    preparation = fitted({"a": odd, "b/c ": list(range(18))})
    network = Network([Linear(10, 1)], seed=0)
    network.save(path, preparation=preparation)
    loaded = Network.load(path).preparation
    assert loaded.columns_ == preparation.columns_
    assert loaded.feature_names_in_ == ["a", "b/c "]
