"""Shape layers: options that make no sense, and what a message says."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Network, ShapeError
from chainrule.layers import BatchNorm, Flatten, Linear, Reshape, Transpose


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Reshape((-1, -1)), "-1 at most once"),
        (lambda: Reshape((0, 3)), "at least 1"),
        (lambda: Reshape((2, -2)), "at least 1"),
        (lambda: Reshape((2.0,)), "whole numbers"),
        (lambda: Transpose((1, 2)), "numbered from 0"),
        (lambda: Transpose((0, 0)), "each once"),
        (lambda: Transpose(()), "axes"),
    ],
)
def test_refuses_options_that_make_no_sense(build, named):
    with pytest.raises(ConfigurationError, match=named):
        build()


@pytest.mark.parametrize(
    ("shape", "needed"), [((2, 3), "samples of 6 numbers"), ((4, -1), "a multiple of 4 numbers")]
)
def test_reshape_says_how_many_numbers_it_needs(shape, needed):
    with pytest.raises(ShapeError, match=needed) as caught:
        Reshape(shape).predict(np.ones((5, 7)))
    assert "(5, 7), with 7 numbers in each" in str(caught.value)


def test_reshape_refuses_twice_the_numbers_that_it_needs():
    with pytest.raises(ShapeError, match="expected samples of 6 numbers for the shape"):
        Reshape((2, 3)).predict(np.ones((5, 12)))


def test_there_and_back_through_a_network():
    x = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float32)
    network = Network([Transpose((1, 0)), BatchNorm(4), Flatten(), Reshape((4, 3)), Linear(3, 2)])
    assert network.forward(x).shape == (5, 4, 2)
    assert network.backward(np.ones((5, 4, 2))).shape == x.shape
