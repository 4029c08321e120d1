"""Initialisers: their statistics against theory, and how they are named."""

import math

import numpy as np
import pytest

from chainrule import ConfigurationError
from chainrule.initializers import (
    BY_NAME,
    Constant,
    KaimingNormal,
    Random,
    Zero,
    fans,
    get_initializer,
)

SHAPE = (400, 500)  # 200,000 draws: the standard deviation is known to 0.16 %


def rng():
    return np.random.default_rng(0)


def check_moments(draws, std, mean=0.0, fourth=3.0):
    """Mean and deviation within four standard errors; `fourth` is E[(x - mean)⁴] / std⁴."""
    count = draws.size
    assert abs(draws.mean() - mean) < 4 * std / math.sqrt(count)
    assert abs(draws.std() / std - 1) < 4 * math.sqrt((fourth - 1) / (4 * count))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((7,), (7, 1)),
        ((4, 8), (4, 8)),
        ((16, 3, 5), (15, 80)),
        ((16, 3, 5, 4), (60, 320)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


def test_a_number_has_no_fans():
    with pytest.raises(ConfigurationError, match="A single number has no fan-in"):
        fans(())


def test_constants():
    np.testing.assert_array_equal(Constant(0.5)((2, 3), rng()), np.full((2, 3), 0.5))
    np.testing.assert_array_equal(Zero()((2, 3), rng()), np.zeros((2, 3)))


def test_random():
    check_moments(Random()(SHAPE, rng()), 0.1)
    check_moments(Random(2.0)(SHAPE, rng()), 2.0)


def test_kaiming():
    check_moments(KaimingNormal()(SHAPE, rng()), math.sqrt(2 / 400))
    check_moments(KaimingNormal(gain=1)((64, 100, 5, 5), rng()), math.sqrt(1 / 2500))


@pytest.mark.parametrize("name", BY_NAME)
def test_by_name(name):
    initializer = get_initializer(name)
    first, second = initializer((6, 4), rng()), initializer((6, 4), rng())
    assert first.shape == (6, 4)
    np.testing.assert_array_equal(first, second)
    assert eval(repr(initializer), {type(initializer).__name__: type(initializer)}) == initializer


def test_kaiming_is_normal():
    assert get_initializer("kaiming") == KaimingNormal()


def test_a_function_is_taken_as_it_is():
    def ones(shape, rng):
        return np.ones(shape)

    assert get_initializer(ones) is ones


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ConfigurationError, match="Unknown initialization 'kiaming'") as caught:
        get_initializer("kiaming")
    for name in BY_NAME:
        assert repr(name) in str(caught.value)
