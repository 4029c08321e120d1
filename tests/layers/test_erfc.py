"""erfc against the standard library's, which takes one number at a time."""

import math

import numpy as np
import pytest

from chainrule.layers.erfc import BLOCK, FAR, NEAR, erfc

DENSE = np.concatenate(
    [
        np.linspace(-7, 7, 140_001),
        np.logspace(-300, 0, 3001),
        -np.logspace(-300, 0, 3001),
        np.nextafter([NEAR, NEAR, -NEAR, -NEAR], [0, 1, 0, -1]),  # both sides of the seams
        np.nextafter([FAR, FAR], [0, 9]),
    ]
)


def relative_error(x):
    expected = np.array([math.erfc(float(v)) for v in x])
    return (np.abs(erfc(x).astype(np.float64) - expected) / expected).max()


def test_exact_to_rounding_in_float64():
    assert len(DENSE) > 4 * BLOCK
    assert relative_error(DENSE[DENSE <= 1]) < 1e-15
    assert relative_error(DENSE) < 2.5e-15  # up to 4 x² is rounded before exp(-x²)


def test_erf_is_exact_to_rounding_too():
    ours, exact = 1 - erfc(DENSE), np.array([math.erf(v) for v in DENSE])
    assert np.abs(ours - exact).max() < 5e-16


def test_exact_to_rounding_down_to_the_smallest_normal_number():
    assert math.erfc(26.54) > np.finfo("float64").tiny > math.erfc(26.55)
    assert relative_error(np.linspace(FAR, 26.54, 30_001)) < 2e-15
    assert math.erfc(9.19) > np.finfo("float32").tiny > math.erfc(9.2)
    assert relative_error(np.linspace(FAR, 9.19, 30_001, dtype=np.float32)) < 5e-7


def test_the_last_numbers_before_nothing_are_left():
    x = np.linspace(26.54, 28, 1001)
    expected = np.array([math.erfc(v) for v in x])
    np.testing.assert_allclose(erfc(x), expected, rtol=0, atol=1e-321)


def test_float32_stays_float32_and_is_exact_to_its_rounding():
    x = np.linspace(-4, 4, 40_001, dtype=np.float32)
    assert erfc(x).dtype == np.float32
    assert relative_error(x) < 2e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_out_there_is_nothing_left(dtype):
    x = np.array([0, 40, 1e4, 1e30, -40, -1e4, -1e30], dtype)
    np.testing.assert_array_equal(erfc(x), [1, 0, 0, 0, 2, 2, 2])


def test_takes_any_shape_and_layout():
    x = np.random.default_rng(0).standard_normal((3, 5, 4)).transpose(2, 0, 1)
    expected = np.vectorize(math.erfc)(x)
    np.testing.assert_allclose(erfc(x), expected, rtol=1e-14)
    assert erfc(np.ones((2, 0))).shape == (2, 0)
