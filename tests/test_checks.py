"""Checks that several files share."""

import numpy as np
import pytest

from chainrule import ConfigurationError
from chainrule.checks import all_finite, check_range


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_all_finite(dtype):
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(dtype)
    assert all_finite(x)
    assert all_finite(x.transpose(2, 0, 1)[:, ::2])
    assert all_finite(x[:0])
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = x.copy()
        spoiled[4, 6, 2] = bad
        assert not all_finite(spoiled)
        assert not all_finite(spoiled[:, ::-2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_numbers_whose_squares_overflow_are_finite_themselves(dtype):
    x = np.full(100, np.finfo(dtype).max)
    assert all_finite(x)
    x[3] = np.nan
    assert not all_finite(x)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_a_number_within_its_range_becomes_a_python_float(value):
    assert type(check_range("rate", value)) is float


@pytest.mark.parametrize("value", [-0.1, 1, "1", True, None, np.nan, np.inf])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(ConfigurationError, match=r"rate must be a number with 0 <= rate < 1"):
        check_range("rate", value, high=1)
    with pytest.raises(ConfigurationError, match="0 < rate"):
        check_range("rate", 0, inclusive=False)
