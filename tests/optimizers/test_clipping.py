"""Clipping of gradients: lengths, directions, and what is refused."""

import math

import numpy as np
import pytest

from chainrule import (
    SGD,
    BackwardError,
    ConfigurationError,
    InputError,
    Linear,
    Network,
    ReLU,
    clip_by_global_norm,
    clip_by_value,
    gradient_norm,
)


def network_with(gradients, dtype="float64"):
    network = Network([Linear(2, 1)], seed=0, dtype=dtype)  # 3 parameters
    network.backward(np.ones_like(network.forward([[1.0, 1.0]])))
    network.flat.grads[:] = gradients
    return network


def test_norm():
    assert gradient_norm(network_with([3, 0, -4])) == 5
    assert gradient_norm(network_with([0, 0, 0])) == 0


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_the_norm_neither_overflows_nor_vanishes(size):
    network = network_with(np.array([3, 0, -4]) * size, "float32")
    assert gradient_norm(network) == pytest.approx(5 * size, rel=1e-6)
    assert clip_by_global_norm(network, size) == pytest.approx(5 * size, rel=1e-6)
    np.testing.assert_allclose(network.flat.grads / size, [0.6, 0, -0.8], rtol=1e-6)


def test_by_global_norm_keeps_the_direction():
    network = network_with([3, 0, -4])
    assert clip_by_global_norm(network, 1) == 5
    np.testing.assert_allclose(network.flat.grads, [0.6, 0, -0.8], rtol=1e-15)
    assert clip_by_global_norm(network, 2) == pytest.approx(1)
    np.testing.assert_allclose(network.flat.grads, [0.6, 0, -0.8], rtol=1e-15)


def test_a_gradient_within_bounds_is_left_as_it_is():
    network = network_with([3, 0, -4])
    assert clip_by_global_norm(network, 5) == clip_by_value(network, 4) == 5
    np.testing.assert_array_equal(network.flat.grads, [3, 0, -4])


def test_by_value():
    network = network_with([3, 0.5, -4])
    assert clip_by_value(network, 1) == pytest.approx(math.sqrt(25.25))
    np.testing.assert_array_equal(network.flat.grads, [1, 0.5, -1])


def test_types_are_kept_and_the_step_is_bounded():
    network = network_with([3, 0, -4], "float32")
    before = network.flat.values.copy()
    clip_by_global_norm(network, np.float64(1))
    assert network.flat.grads.dtype == np.float32
    SGD(1).step(network)
    assert np.linalg.norm(network.flat.values - before) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_by_value])
def test_what_is_refused(clip):
    for bad in (math.nan, math.inf, -math.inf):
        network = network_with([1, bad, -1])
        with pytest.raises(InputError, match="The gradient holds NaN or infinity: training has"):
            clip(network, 1)
        np.testing.assert_array_equal(network.flat.grads, [1, bad, -1])
    for limit in (0, -1, math.nan, "1"):
        with pytest.raises(ConfigurationError, match=r"must be a number with 0 < (max_norm|limit)"):
            clip(network, limit)
    with pytest.raises(BackwardError, match="no gradients to learn from yet"):
        clip(Network([Linear(2, 1)]), 1)


def test_a_network_without_parameters_has_no_gradient():
    network = Network([ReLU()])
    network.backward(np.ones_like(network.forward([[1.0]])))
    assert clip_by_global_norm(network, 1) == clip_by_value(network, 1) == 0


CLIPS = [clip_by_global_norm, clip_by_value, lambda network, _: gradient_norm(network)]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("wrong", [None, "x", Network, [Network([2, 1])], np.ones(3)])
def test_what_is_no_network_is_refused(clip, wrong):
    with pytest.raises(ConfigurationError, match="the gradients are those of a Network; got"):
        clip(wrong, 1.0)
