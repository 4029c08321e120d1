"""Standardizer: mean 0 and standard deviation 1, of arrays and data frames."""

import numpy as np
import pytest
from sklearn import preprocessing

from chainrule import ConfigurationError, InputError, Standardizer

X = np.random.default_rng(0).normal([5, -300, 1e-12, 0], [2, 1e4, 1e-13, 1e9], (200, 4))


def test_standardised_data_has_mean_0_and_deviation_1():
    Z = Standardizer().fit_transform(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-13)
    np.testing.assert_allclose(Z, preprocessing.StandardScaler().fit_transform(X), atol=1e-12)


def test_the_figures_are_those_of_the_training_part_alone():
    scaler = Standardizer().fit(X[:50])
    assert scaler.fit(X[:50]) is scaler
    np.testing.assert_array_equal(scaler.mean, X[:50].mean(axis=0))
    np.testing.assert_allclose(
        scaler.transform(X[50:]), (X[50:] - X[:50].mean(axis=0)) / X[:50].std(axis=0), rtol=1e-12
    )


def test_inverse_transform_undoes_transform():
    scaler = Standardizer().fit(X)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.0, 1e6, 1e-15, 1e-300])
def test_a_feature_that_never_changes_is_only_centred(constant):
    data = np.column_stack([np.full(1000, constant), np.arange(1000)])
    scaler = Standardizer().fit(data)
    assert scaler.std[0] == 1
    Z = scaler.transform(data)
    np.testing.assert_allclose(Z[:, 0], 0, atol=1e-9 * max(abs(constant), 1e-9))
    assert scaler.transform([[constant + 2, 0]])[0, 0] == pytest.approx(2, rel=1e-6)


def test_rounding_is_no_change():
    data = [[0.3], [0.1 + 0.2], [0.3]]
    assert data[0] != data[1]
    assert Standardizer().fit(data).std == 1


@pytest.mark.parametrize("unit", [1e-100, 1e-30, 1e-12, 1, 1e12])
def test_the_unit_of_a_feature_does_not_matter(unit):
    data = np.random.default_rng(0).normal(3, 1, (100, 1))
    expected = Standardizer().fit_transform(data)
    np.testing.assert_allclose(Standardizer().fit_transform(data * unit), expected, rtol=1e-9)


def test_images_and_sequences_position_by_position():
    data = np.random.default_rng(0).standard_normal((50, 3, 4))
    scaler = Standardizer().fit(data)
    assert scaler.mean.shape == scaler.std.shape == (3, 4)
    np.testing.assert_allclose(scaler.transform(data).std(axis=0), 1, rtol=1e-12)


def test_lists_of_whole_numbers_are_taken():
    np.testing.assert_array_equal(Standardizer().fit_transform([[1], [3]]), [[-1], [1]])


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_transform_before_fit(method):
    with pytest.raises(InputError, match=r"has not been fitted: call fit\(X_train\) first"):
        getattr(Standardizer(), method)(X)


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 3), "Fitted on rows of 4 columns, got rows of 3 columns."),
        ((5, 1), "Fitted on rows of 4 columns, got rows of 1 columns."),
        (
            (4,),
            "Fitted on rows of 4 columns, got the shape (4,); one row goes in as a table of one "
            "row, X[None].",
        ),
        ((5, 4, 1), "Fitted on samples of the shape (4,), got samples of the shape (4, 1)."),
        ((), "Fitted on samples of the shape (4,), got samples of the shape ()."),
    ],
)
def test_another_number_of_features(method, shape, message):
    scaler = Standardizer().fit(X)
    with pytest.raises(InputError) as caught:
        getattr(scaler, method)(np.ones(shape))
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [[], np.ones((0, 3)), 5])
def test_fit_wants_rows(data):
    with pytest.raises(InputError, match=r"Expected samples in rows, \(N, features\), got the"):
        Standardizer().fit(data)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fit_refuses_nan_and_infinity(bad):
    with pytest.raises(InputError, match=r"holds NaN or infinity, .* Fill or drop those rows"):
        Standardizer().fit([[1.0, bad], [2.0, 3.0]])


@pytest.mark.parametrize(
    ("X", "message"), [([[1, 2], [3]], "rows of X differ in length"), ([["a"]], "X must hold num")]
)
def test_what_is_no_table_cannot_be_standardized(X, message):
    with pytest.raises(InputError, match=message):
        Standardizer().fit(X)
    with pytest.raises(InputError, match=message):
        Standardizer([0.0], [1.0]).transform(X)


# ---------------------------------------------------------------- targets, one number a sample


def test_targets_are_a_column_with_or_without_an_axis_of_its_own():
    y = np.array([3.0, 5.0, 10.0])
    flat, column = Standardizer().fit(y), Standardizer().fit(y[:, None])
    assert flat.mean.shape == ()
    for scaler in (flat, column):
        scaled = scaler.transform(y)
        assert scaled.shape == (3,)
        np.testing.assert_allclose(scaled.std(), 1)
        np.testing.assert_array_equal(scaler.transform(y[:, None])[:, 0], scaled)
        np.testing.assert_allclose(scaler.inverse_transform(scaled[:, None])[:, 0], y)


def test_numbers_too_large_to_square_are_refused():
    with pytest.raises(InputError, match="too large to square"):
        Standardizer().fit([[1e200], [-1e200]])


# ---------------------------------------------------------------- what is no number, and where


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_numbers_are_arrays_whose_columns_have_names(library):
    frames = pytest.importorskip(library)
    columns = {"width": [1.0, 2.5, 4.0], "height": [3, 5, 9], "wet": [True, False, True]}
    frame = frames.DataFrame(columns)
    array = np.column_stack(list(columns.values())).astype(float)
    scaler = Standardizer().fit(frame)
    expected = Standardizer().fit_transform(array)
    np.testing.assert_array_equal(scaler.transform(frame), expected)
    np.testing.assert_array_equal(scaler.transform(array), expected)
    assert scaler.feature_names_in_ == list(columns)
    turned = frames.DataFrame({**dict(reversed(columns.items())), "name": ["a", "b", "c"]})
    np.testing.assert_array_equal(scaler.transform(turned), expected)
    with pytest.raises(InputError, match=r"The column 'height' is missing; there are \['wet', 'w"):
        scaler.transform(turned[["wet", "width"]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", "b"], r"X must hold numbers, got the text 'a' in row 0, column 1 \('b'\); encode"),
        ([1.0, None], r"X holds NaN or infinity, first in row 1, column 1 \('b'\)\. Fill"),
    ],
)
def test_the_column_of_a_frame_that_holds_no_numbers_is_named(library, column, message):
    frame = pytest.importorskip(library).DataFrame({"a": [1.0, 2.0], "b": column})
    with pytest.raises(InputError, match=message):
        Standardizer().fit(frame)


def test_none_in_an_array_is_named_with_its_place():
    with pytest.raises(InputError, match=r"got None in row 1, column 0; .* fill what is missing"):
        Standardizer().fit(np.array([[1, 2], [None, 3]], object))


def test_frames_whose_columns_cannot_be_told_apart_are_refused():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="Several columns have the name 'a'"):
        Standardizer().fit(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match=r"must be text or whole numbers, got \('a', 'b'\)"):
        Standardizer().fit(pandas.DataFrame([[1]], columns=[("a", "b")]))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([1.0], None, "together"),
        ([1.0, 2.0], [1.0], "must be equal"),
        ([1.0], [0.0], "std must be positive"),
        ([1.0], [-1.0], "std must be positive"),
        ([np.nan], [1.0], "must be finite"),
        ([1.0], [np.inf], "must be finite"),
    ],
)
def test_figures_that_make_no_sense(mean, std, message):
    with pytest.raises(ConfigurationError, match=message):
        Standardizer(mean=mean, std=std)


def test_every_column_comes_out_as_itself():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"u": [1.0, 2.0], "v": [3.0, 5.0]})
    assert Standardizer().fit(frame).input_columns() == ["u", "v"]
    assert Standardizer().fit(frame.to_numpy()).input_columns() == [0, 1]
