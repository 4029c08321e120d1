"""The piecewise linear encoding of numbers: its formula, its knots, its columns in a table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.preparation import TablePreparation
from chainrule.preparation.piecewise_linear import piecewise_linear, quantile_knots

RNG = np.random.default_rng(0)


def test_it_is_the_formula_of_the_paper():
    knots = [-1.0, 0.0, 4.0, 5.0]
    x = np.array([-7.0, -1.0, -0.25, 0.0, 3.0, 4.5, 5.0, 70.0])
    expected = np.empty((8, 3))
    for row, number in enumerate(x):
        for t in range(3):
            share = (number - knots[t]) / (knots[t + 1] - knots[t])
            expected[row, t] = min(1, max(0, share))
    np.testing.assert_allclose(piecewise_linear(x, knots), (2 * expected - 1) / np.sqrt(3))


def test_each_bin_holds_about_as_many_numbers():
    x = RNG.lognormal(size=1000)
    knots = quantile_knots(x, 8)
    counts, _ = np.histogram(x, knots)
    assert len(knots) == 9
    assert (knots[0], knots[-1]) == (x.min(), x.max())
    assert counts.min() >= 124
    assert counts.max() <= 126


def test_few_different_numbers_are_their_own_knots():
    assert quantile_knots(np.array([3.0, 1.0, 2.0, 3.0, 3.0]), 16) == (1.0, 2.0, 3.0)
    assert quantile_knots(np.array([3.0, 1.0, 3.0]), 16) == ()  # no more than a line
    assert quantile_knots(np.zeros(5), 16) == ()


def test_a_number_that_is_nearly_always_the_same_has_fewer_knots():
    x = np.concatenate([np.zeros(900), RNG.uniform(1, 2, 100)])
    knots = quantile_knots(x, 16)
    assert 3 <= len(knots) <= 4
    assert np.all(np.diff(knots) > 0)


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=200)
@given(st.lists(finite, min_size=3, max_size=30), st.lists(finite, min_size=1, max_size=5))
def test_numbers_of_every_size_are_encoded_between_the_ends(x, later):
    knots = quantile_knots(np.array(x), 4)
    if knots:
        assert np.all(np.array(knots[1:]) > knots[:-1])
        encoded = piecewise_linear(np.array(later), knots)
        assert (np.linalg.norm(encoded, axis=1) <= 1 + 1e-12).all()
        assert (encoded[:, :-1] >= encoded[:, 1:]).all()  # bins are passed one after the other


def test_a_line_on_it_bends_at_the_knots():
    """Any function that is linear between the knots is a linear function of the encoding."""
    knots = quantile_knots(RNG.standard_normal(500), 6)
    heights = RNG.standard_normal(7)
    x = np.linspace(knots[0], knots[-1], 200)
    encoded = np.column_stack([piecewise_linear(x, knots), np.ones(200)])
    weights, *_ = np.linalg.lstsq(encoded, np.interp(x, knots, heights), rcond=None)
    np.testing.assert_allclose(encoded @ weights, np.interp(x, knots, heights), atol=1e-9)


def test_in_a_table_it_stands_beside_the_number_and_a_gap_is_nothing():
    table = {"size": [1.0, 2.0, 3.0, np.nan], "garden": [True, False, True, True]}
    preparation = TablePreparation(n_bins=2).fit(table)
    names = ["size", "size_bin0", "size_bin1", "missingindicator_size", "garden"]
    assert preparation.get_feature_names_out() == names
    out = preparation.transform({"size": [1.5, np.nan, 9.0], "garden": [True, True, True]})
    np.testing.assert_allclose(out[:, 1:3] * np.sqrt(2), [[0, -1], [0, 0], [1, 1]], atol=1e-6)
    plain = TablePreparation().fit(table).transform(table)
    np.testing.assert_array_equal(preparation.transform(table)[:, [0, 3, 4]], plain)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e300, 1.7e308])
def test_the_largest_and_smallest_numbers(scale):
    table = {"x": np.array([-1.0, -0.5, 0.0, 0.5, 1.0, np.nan]) * scale, "y": np.arange(6.0)}
    out = TablePreparation(n_bins=3).fit(table).transform(table)
    assert np.isfinite(out).all()
