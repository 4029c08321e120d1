"""Masks and noise in training, and their statistics."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Network
from chainrule.layers import Dropout, GaussianNoise, Linear, SpatialDropout

ONES = np.ones((200, 50, 10), np.float32)


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout])
@pytest.mark.parametrize("p", [0.2, 0.75])
def test_drops_a_share_of_p_and_scales_the_rest(kind, p):
    y = kind(p, seed=0).forward(ONES)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
    draws = 100_000 if kind is Dropout else 10_000
    error = (p * (1 - p) / draws) ** 0.5  # one standard deviation
    assert abs((y == 0).mean() - p) < 4 * error


def test_channel_dropout_drops_whole_channels_of_single_samples():
    y = SpatialDropout(0.5, seed=0).forward(ONES)
    np.testing.assert_array_equal(y.min(axis=2), y.max(axis=2))
    channels = y[:, :, 0] == 0  # (200, 50)
    assert len(np.unique(channels, axis=0)) == 200, "every sample has a mask of its own"
    assert Dropout(0.5, seed=0).forward(ONES)[0, 0].std() > 0, "unlike Dropout"


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout])
def test_the_gradient_goes_through_the_same_mask(kind):
    layer = kind(0.5, seed=0)
    y = layer.forward(ONES)
    np.testing.assert_array_equal(layer.backward(3 * ONES), 3 * y)


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout, GaussianNoise])
def test_every_pass_draws_anew_and_the_same_seed_the_same(kind):
    one, other = kind(0.5, seed=7), kind(0.5, seed=7)
    first, second = one.forward(ONES), one.forward(ONES)
    assert (first != second).any()
    np.testing.assert_array_equal(other.forward(ONES), first)
    np.testing.assert_array_equal(other.forward(ONES), second)
    assert (kind(0.5, seed=8).forward(ONES) != first).any()


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout, GaussianNoise])
def test_predict_passes_through(kind):
    np.testing.assert_array_equal(kind(0.5, seed=0).predict(ONES), ONES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_has_mean_0_and_its_standard_deviation(dtype):
    layer = GaussianNoise(0.3, seed=0)
    noise = layer.forward(np.full((100_000, 1), 5, dtype)) - 5
    assert noise.dtype == dtype
    assert abs(noise.mean()) < 4 * 0.3 / 100_000**0.5
    assert abs(noise.std() / 0.3 - 1) < 4 / 200_000**0.5
    dy = np.ones((100_000, 1), dtype)
    np.testing.assert_array_equal(layer.backward(dy), dy)


def test_a_network_s_seed_decides_masks_and_noise():
    def outputs(seed):
        network = Network([GaussianNoise(), Linear(4, 6), Dropout()], seed=seed)
        return network.forward(np.ones((3, 4)))

    np.testing.assert_array_equal(outputs(1), outputs(1))
    assert (outputs(1) != outputs(2)).any()


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Dropout(1.0), "p must be"),
        (lambda: Dropout(-0.1), "p must be"),
        (lambda: SpatialDropout(1.5), "p must be"),
        (lambda: GaussianNoise(-1), "std"),
        (lambda: GaussianNoise(float("inf")), "std"),
    ],
)
def test_refuses_options_that_make_no_sense(build, named):
    with pytest.raises(ConfigurationError, match=named):
        build()
