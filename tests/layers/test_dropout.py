"""Dropout in training: what its mask looks like, and that backward has the one of its forward."""

import copy

import numpy as np
import pytest

from chainrule import AlphaDropout, ConfigurationError, Dropout, Linear, Network

X = np.random.default_rng(0).uniform(0.5, 1.5, (200, 50))  # no zeros, so the mask can be seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_numbers_are_dropped_or_scaled_up(p, dtype):
    x = X.astype(dtype)
    y = Dropout(p, seed=0).forward(x)
    kept = y != 0
    scale = x.dtype.type(1 / (1 - p))
    np.testing.assert_array_equal(y, np.where(kept, x * scale, 0))
    spread = np.sqrt(p * (1 - p) / x.size)
    assert abs(kept.mean() - (1 - p)) < 4 * spread
    assert y.mean() == pytest.approx(x.mean(), rel=0.05), "what is expected does not change"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_alpha_dropout_keeps_mean_0_and_variance_1(p, dtype):
    """Dropped numbers become a α' + b, the others a x + b; a and b from the paper's formulas."""
    x = np.random.default_rng(0).standard_normal((400, 500)).astype(dtype)
    layer = AlphaDropout(p, seed=0)
    y = layer.forward(x)
    assert y.dtype == dtype
    dx = layer.backward(np.ones_like(x))
    dropped = dx == 0
    low = -1.0507009873554805 * 1.6732632423543772
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    b = -a * p * low
    expected = np.where(dropped, a * low + b, a * x + b)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    assert dropped.mean() == pytest.approx(p, abs=0.01)
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.var() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(dx[~dropped], a, rtol=1e-6)


def test_backward_has_the_mask_of_its_forward():
    dropout = Dropout(0.5, seed=0)
    dy = np.random.default_rng(1).uniform(1, 2, X.shape)
    masks = []
    for _ in range(3):
        y = dropout.forward(X)
        mask = y / X
        np.testing.assert_allclose(dropout.backward(dy), dy * mask, rtol=1e-15)
        masks.append(mask)
    assert not np.array_equal(masks[0], masks[1]), "each pass has a mask of its own"


def test_predict_between_forward_and_backward_leaves_the_mask_alone():
    dropout = Dropout(0.5, seed=0)
    mask = dropout.forward(X) / X
    dropout.predict(X)
    np.testing.assert_allclose(dropout.backward(X), X * mask, rtol=1e-15)


def test_each_number_is_dropped_alone():
    kept = Dropout(0.5, seed=0).forward(X) != 0
    assert 0 < kept.mean(axis=0).min() < kept.mean(axis=0).max() < 1
    assert 0 < kept.mean(axis=1).min() < kept.mean(axis=1).max() < 1


def test_predict_passes_through_and_draws_nothing():
    dropout = Dropout(0.5, seed=0)
    before = copy.deepcopy(dropout.rng.bit_generator.state)
    np.testing.assert_array_equal(dropout.predict(X), X)
    assert dropout.rng.bit_generator.state == before


def test_nothing_is_dropped_with_probability_zero():
    dropout = Dropout(0)
    np.testing.assert_array_equal(dropout.forward(X), X)
    np.testing.assert_array_equal(dropout.backward(X), X)


def test_the_same_seed_gives_the_same_masks():
    one, two, other = Dropout(seed=1), Dropout(seed=1), Dropout(seed=2)
    for _ in range(2):
        expected = one.forward(X)
        np.testing.assert_array_equal(two.forward(X), expected)
        assert not np.array_equal(other.forward(X), expected)
    assert not np.array_equal(Dropout().forward(X), Dropout().forward(X))


def test_a_copy_goes_on_with_the_same_masks():
    dropout = Dropout(seed=1)
    dropout.forward(X)
    again = copy.deepcopy(dropout)
    np.testing.assert_array_equal(again.forward(X), dropout.forward(X))


def test_in_a_network_it_is_off_in_predict_alone():
    network = Network([Dropout(0.5), Linear(50, 1)], seed=0)
    assert not np.array_equal(network.forward(X), network.forward(X))
    np.testing.assert_array_equal(network.predict(X), network.predict(X))
    alone = Network([network[1]])
    np.testing.assert_array_equal(network.predict(X), alone.predict(X))


@pytest.mark.parametrize("p", [1, 1.5, -0.1, np.nan])
def test_probabilities_out_of_range(p):
    with pytest.raises(ConfigurationError) as caught:
        Dropout(p)
    assert str(caught.value) == f"p must be a number with 0 <= p < 1, got {p!r}."
