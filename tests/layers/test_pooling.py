"""Pooling, beyond the battery: who gets the gradient, and what is refused."""

import numpy as np
import pytest

from chainrule import ConfigurationError, ShapeError
from chainrule.layers import AvgPool2d, GlobalMaxPool, MaxPool1d, MaxPool2d


def test_of_equal_pixels_the_first_gets_the_whole_gradient():
    pool = MaxPool2d(2)
    pool.forward(np.array([[[[5.0, 5.0], [5.0, 5.0]]]]))
    np.testing.assert_array_equal(
        pool.backward(np.array([[[[3.0]]]])), [[[[3.0, 0.0], [0.0, 0.0]]]]
    )
    everywhere = GlobalMaxPool()
    everywhere.forward(np.array([[[1.0, 4.0, 4.0]]]))
    np.testing.assert_array_equal(everywhere.backward(np.array([[2.0]])), [[[0.0, 2.0, 0.0]]])


def test_a_pixel_that_wins_in_several_windows_gets_all_their_gradients():
    pool = MaxPool1d(3, stride=1)
    pool.forward(np.array([[[0.0, 1.0, 9.0, 1.0, 0.0]]]))
    np.testing.assert_array_equal(pool.backward(np.ones((1, 1, 3))), [[[0.0, 0.0, 3.0, 0.0, 0.0]]])


def test_padding_never_wins_over_negative_pixels():
    y = MaxPool2d(3, stride=1, padding=1).predict(np.full((1, 1, 4, 4), -7.0))
    np.testing.assert_array_equal(y, np.full((1, 1, 4, 4), -7.0))


def test_a_window_that_covers_only_padding_is_refused():
    with pytest.raises(ShapeError, match=r"not only padding, got an input of .*1, 3, 3"):
        MaxPool2d(2, stride=1, padding=2).predict(np.ones((1, 1, 3, 3)))
    with pytest.raises(ShapeError, match="not only padding"):
        AvgPool2d(2, 1, padding=2, count_include_pad=False).predict(np.ones((1, 1, 3, 3)))
    assert AvgPool2d(2, 1, padding=2).predict(np.ones((1, 1, 3, 3)))[0, 0, 0, 0] == 0


@pytest.mark.parametrize("options", [{"kernel_size": 0}, {"kernel_size": 2, "stride": 0}])
def test_sizes_of_nothing_are_refused(options):
    with pytest.raises(ConfigurationError, match="must be a whole number of at least 1"):
        MaxPool2d(**options)


@pytest.mark.parametrize("kernel", [255, 256, 257, 300])
def test_windows_may_have_more_elements_than_a_byte_can_count(kernel):
    x = np.arange(600, dtype=np.float32).reshape(1, 1, 600)
    pool = MaxPool1d(kernel, stride=1)
    np.testing.assert_array_equal(pool.forward(x)[0, 0], np.arange(kernel - 1, 600))
    dx = pool.backward(np.ones((1, 1, 601 - kernel), np.float32))
    np.testing.assert_array_equal(dx[0, 0], np.arange(600) >= kernel - 1)


def test_ties_in_two_directions_go_by_rows():
    """Of (0, 1) and (1, 0) the first row's wins, though its column is the later one."""
    pool = MaxPool2d(2)
    pool.forward(np.array([[[[0.0, 5.0], [5.0, 0.0]]]]))
    np.testing.assert_array_equal(pool.backward(np.ones((1, 1, 1, 1))), [[[[0, 1], [0, 0]]]])


def test_infinity_and_nan_pass_through():
    x = np.array([[[-np.inf, -np.inf, 1.0, np.nan]]])
    np.testing.assert_array_equal(MaxPool1d(2).predict(x), [[[-np.inf, np.nan]]])
