"""Activations, beyond the battery: extreme numbers, kinks, saturation, and what their sums are."""

import math

import numpy as np
import pytest

from chainrule import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from chainrule.layers.activations import log_softmax, sigmoid, softmax, tiny

TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
EXTREME = [-10_000.0, -800.0, -100.0, -50.0, -1.0, 0.0, 1.0, 50.0, 100.0, 800.0, 10_000.0]


def rows(dtype):
    """Return (N, 4) logits of every size, ties among them."""
    rng = np.random.default_rng(0)
    drawn = [rng.uniform(-size, size, (20, 4)) for size in (1, 30, 100, 1000, 10_000)]
    ties = [[0, 0, 0, 0], [10_000] * 4, [-10_000] * 4, [10_000, -10_000, 10_000, -10_000]]
    return np.concatenate([*drawn, ties]).astype(dtype)


def exact_softmax(row):
    """Return the probabilities and their logarithms, in Python's own floats."""
    distances = [float(v) - float(max(row)) for v in row]
    total = math.fsum(map(math.exp, distances))
    return [math.exp(d) / total for d in distances], [d - math.log(total) for d in distances]


@TYPES
@pytest.mark.parametrize("kind", [ReLU, LeakyReLU, Sigmoid, Tanh, Softmax, LogSoftmax])
def test_extreme_numbers_stay_finite_in_both_passes(kind, dtype):
    x = np.array([EXTREME], dtype)
    module = kind()
    y = module.forward(x)
    dx = module.backward(np.linspace(-1, 1, x.size, dtype=dtype).reshape(x.shape))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    assert y.dtype == dx.dtype == dtype


@TYPES
def test_sigmoid_is_exact_for_every_size(dtype):
    x = np.array(EXTREME, dtype)
    exact = [1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in EXTREME]
    np.testing.assert_allclose(sigmoid(x), exact, rtol=4 * np.finfo(dtype).eps, atol=tiny(x.dtype))
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, rtol=2 * np.finfo(dtype).eps)


@TYPES
def test_sigmoid_never_becomes_zero_and_its_gradient_neither(dtype):
    module = Sigmoid()
    y = module.forward(np.array([[-10_000, 10_000]], dtype))
    assert y[0, 0] == tiny(y.dtype)
    assert y[0, 1] == 1
    assert (module.backward(np.ones_like(y)) > 0).all()


@TYPES
def test_softmax_is_exact_for_every_size(dtype):
    x = rows(dtype)
    exact = np.array([exact_softmax(row)[0] for row in x])
    eps = np.finfo(dtype).eps
    # exp(d) has a relative error of about d · eps; below -70 the result is as good as 0
    np.testing.assert_allclose(softmax(x), exact, rtol=100 * eps, atol=1e-30)
    np.testing.assert_allclose(softmax(x).sum(axis=1), 1, rtol=4 * eps)


@TYPES
def test_log_softmax_is_exact_where_the_probability_underflows(dtype):
    x = rows(dtype)
    exact = np.array([exact_softmax(row)[1] for row in x])
    np.testing.assert_allclose(
        log_softmax(x), exact, rtol=4 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps
    )
    assert log_softmax(np.array([[10_000, -10_000]], dtype))[0, 1] == -20_000


@TYPES
def test_softmax_never_becomes_zero(dtype):
    y = Softmax().forward(np.array([[10_000, -10_000, 0]], dtype))
    np.testing.assert_array_equal(y, [[1, tiny(y.dtype), tiny(y.dtype)]])


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
def test_a_constant_added_to_all_logits_changes_nothing(kind):
    x = np.random.default_rng(0).integers(-8, 9, (5, 4)).astype(np.float64)
    np.testing.assert_array_equal(kind().predict(x + 1024), kind().predict(x))
    module = kind()
    module.forward(x)
    dx = module.backward(np.random.default_rng(1).standard_normal((5, 4)))
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis(axis):
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    np.testing.assert_allclose(Softmax(axis).predict(x).sum(axis=axis), 1, rtol=1e-14)
    np.testing.assert_allclose(np.exp(LogSoftmax(axis).predict(x)), Softmax(axis).predict(x))


def test_gradients_at_the_kink_and_far_out():
    x = np.array([[-2.0, 0.0, 3.0]])
    for module, expected in ((ReLU(), [0, 0, 1]), (LeakyReLU(0.25), [0.25, 0.25, 1])):
        module.forward(x)
        np.testing.assert_array_equal(module.backward(np.ones((1, 3))), [expected])
    tanh = Tanh()
    tanh.forward(np.array([[-10_000.0, 0.0, 10_000.0]]))
    np.testing.assert_array_equal(tanh.backward(np.ones((1, 3))), [[0, 1, 0]])
