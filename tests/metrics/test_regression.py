"""Metrics of numbers against scikit-learn's, and what they make of odd input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn import metrics

from chainrule import ConfigurationError, InputError
from chainrule.metrics import (
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

REGRESSION = [mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error]
each = pytest.mark.parametrize("metric", REGRESSION, ids=lambda metric: metric.__name__)
NUMBERS = st.integers(-1000, 1000).map(lambda n: n / 8)  # exact: no mean has a rounding error


def peer(metric):
    return getattr(metrics, metric.__name__)


@each
@given(data=st.data())
def test_equal_to_scikit_learn(metric, data):
    shape = data.draw(array_shapes(min_dims=1, max_dims=2, max_side=6))
    true = data.draw(arrays(np.float64, shape, elements=NUMBERS))
    pred = data.draw(arrays(np.float64, shape, elements=NUMBERS))
    weight = data.draw(st.none() | arrays(float, shape[0], elements=st.integers(1, 5)))
    if metric is r2_score and shape[0] < 2:
        assert np.isnan(metric(true, pred, sample_weight=weight))
        return
    expected = peer(metric)(true, pred, sample_weight=weight)
    actual = metric(true, pred, sample_weight=weight)
    assert actual == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert isinstance(actual, float)


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_r2_by_variance(shape):
    rng = np.random.default_rng(0)
    true = rng.standard_normal(shape)
    pred = true + 0.5 * rng.standard_normal(shape)
    given = {"multioutput": "variance_weighted", "sample_weight": rng.random(40)}
    expected = metrics.r2_score(true, pred, **given)
    assert 0 < expected < 1
    assert r2_score(true, pred, **given) == pytest.approx(expected, rel=1e-12)
    assert r2_score(np.ones(3), np.zeros(3), multioutput="variance_weighted") == 0
    with pytest.raises(ConfigurationError, match="multioutput must be one of 'uniform_average', "):
        r2_score(true, pred, multioutput="raw_values")


def test_r2_of_the_truth_and_of_its_mean():
    true = np.random.default_rng(1).standard_normal((30, 2))
    assert r2_score(true, true) == 1
    assert r2_score(true, np.broadcast_to(true.mean(axis=0), true.shape)) == pytest.approx(0)


def test_r2_where_all_true_values_are_the_same():
    """The rounding of their mean must not pass for a spread."""
    assert r2_score([0.1, 0.1, 0.1], [0.1, 0.1, 0.2]) == 0
    assert r2_score([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]) == 1
    assert r2_score([[1, 1], [2, 1]], [[1, 1], [2, 1]]) == 1
    assert r2_score([[1, 1], [2, 1]], [[1, 0], [2, 1]]) == 0.5
    assert r2_score([0.1, 0.1, 0.1, 5], [0, 0, 0, 0], sample_weight=[1, 1, 1, 0]) == 0


def test_places_of_a_sequence_are_samples():
    rng = np.random.default_rng(2)
    true, pred = rng.standard_normal((2, 4, 5, 3))
    weight = rng.random((4, 5))
    for metric in REGRESSION:
        expected = peer(metric)(true.reshape(-1, 3), pred.reshape(-1, 3))
        assert metric(true, pred) == pytest.approx(expected, rel=1e-12)
        flat = (true.reshape(-1, 3), pred.reshape(-1, 3))
        expected = peer(metric)(*flat, sample_weight=weight.reshape(-1))
        assert metric(true, pred, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


@each
def test_a_column_and_a_vector_are_the_same_thing(metric):
    true, pred = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    expected = metric(true, pred)
    assert metric(true, np.array(pred)[:, None]) == expected
    assert metric(np.array(true)[:, None], pred) == expected
    assert metric(true, np.array(pred)[:, None], sample_weight=[2, 2, 2]) == pytest.approx(expected)


def test_whole_numbers_do_not_wrap():
    small = np.array([0], np.uint8), np.array([200], np.uint8)
    assert mean_absolute_error(*small) == 200
    assert mean_squared_error(*small) == 40_000


def test_numbers_whose_squares_overflow_give_no_warning():
    huge = np.array([1e200, -1e200])
    assert mean_squared_error(huge, -huge) == np.inf
    assert root_mean_squared_error(huge, -huge) == pytest.approx(2e200)
    assert r2_score(huge, -huge) == -3
    largest = np.array([np.finfo(np.float64).max])
    assert mean_absolute_error(largest, -largest) == np.inf


@pytest.mark.parametrize("exponent", [-1000, -600, -200, 0, 200, 600, 1000])
@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_of_numbers_of_any_size(exponent, outputs):
    rng = np.random.default_rng(0)
    true = rng.standard_normal((20, outputs)) * [1, 3, 8][:outputs]
    pred = true + 0.3 * rng.standard_normal((20, outputs))
    weight = rng.uniform(1, 2, 20)
    scaled = np.ldexp(true, exponent), np.ldexp(pred, exponent)
    for multioutput in ("uniform_average", "variance_weighted"):
        options = {"sample_weight": weight, "multioutput": multioutput}
        assert r2_score(*scaled, **options) == r2_score(true, pred, **options)
        assert 0 < r2_score(true, pred, **options) < 1
    found = root_mean_squared_error(*scaled, sample_weight=weight)
    expected = root_mean_squared_error(true, pred, sample_weight=weight)
    assert found == np.ldexp(expected, exponent) > 0
    assert r2_score(scaled[0], scaled[0]) == 1
    assert r2_score(true, np.full_like(true, 1e300)) < -1e200


@each
@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ([1, 2, 3], [1, 2]),
        (1, 2),
        (np.ones((4, 2, 3)), np.ones((4, 3, 2))),
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones(6), np.ones((6, 2))),
        (np.ones((1, 6)), np.ones(6)),
    ],
)
def test_truth_and_predictions_must_match(metric, true, pred):
    with pytest.raises(InputError) as caught:
        metric(true, pred)
    expected = f"y_true and y_pred must match, got {np.shape(true)} and {np.shape(pred)}."
    assert str(caught.value) == expected


@each
def test_ragged_rows(metric):
    with pytest.raises(InputError, match="differ in length"):
        metric([[1, 0], [1]], [[1, 0], [0, 1]])


@each
def test_regression_of_nothing(metric):
    with pytest.raises(InputError, match="is empty: its shape"):
        metric([], [])


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_no_number_to_measure(metric, bad):
    for true, pred in (([1, 2], [1, bad]), ([1, bad], [1, 2])):
        with pytest.raises(InputError, match="holds NaN or infinity"):
            metric(true, pred)


@each
def test_weights_that_cannot_be(metric):
    with pytest.raises(InputError, match="All sample weights are 0"):
        metric([1, 2], [1, 3], sample_weight=[0, 0])
    with pytest.raises(InputError, match="do not fit"):
        metric([1, 2], [1, 3], sample_weight=[1, 1, 1])
