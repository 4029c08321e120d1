"""Activations: what happens far out and exactly at the corners; the rest is in the battery."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from chainrule import ConfigurationError, layers
from chainrule.module import cast

# (y, dy/dx) at -10,000 and at +10,000
FAR_OUT = {
    "ReLU": (layers.ReLU, (0, 0), (1e4, 1)),
    "LeakyReLU": (layers.LeakyReLU, (-100, 0.01), (1e4, 1)),
    "PReLU": (layers.PReLU, (-2500, 0.25), (1e4, 1)),
    "PReLU-channels": (lambda: layers.PReLU(3), (-2500, 0.25), (1e4, 1)),
    "HardSigmoid": (layers.HardSigmoid, (0, 0), (1, 0)),
    "HardSwish": (layers.HardSwish, (0, 0), (1e4, 1)),
    "Sigmoid": (layers.Sigmoid, (0, 0), (1, 0)),
    "Tanh": (layers.Tanh, (-1, 0), (1, 0)),
    "Softsign": (layers.Softsign, (-1e4 / 10001, 10001**-2), (1e4 / 10001, 10001**-2)),
    "ELU": (lambda: layers.ELU(0.3), (-0.3, 0), (1e4, 1)),
    "CELU": (lambda: layers.CELU(0.3), (-0.3, 0), (1e4, 1)),
    "LogSigmoid": (layers.LogSigmoid, (-1e4, 1), (0, 0)),
    "HardTanh": (lambda: layers.HardTanh(-2, 3), (-2, 0), (3, 0)),
    "ReLU6": (layers.ReLU6, (0, 0), (6, 0)),
    "SELU": (layers.SELU, (-1.7580993408473766, 0), (10507.009873554805, 1.0507009873554805)),
    "Softplus": (lambda: layers.Softplus(2.0), (0, 0), (1e4, 1)),
    "GELU": (layers.GELU, (0, 0), (1e4, 1)),
    "GELU-tanh": (lambda: layers.GELU("tanh"), (0, 0), (1e4, 1)),
    "SiLU": (layers.SiLU, (0, 0), (1e4, 1)),
    "Mish": (layers.Mish, (0, 0), (1e4, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("build", "left", "right"), FAR_OUT.values(), ids=FAR_OUT)
def test_saturates_at_the_right_values_without_overflow(build, left, right, dtype):
    layer = build()
    cast(layer, dtype)
    for x, (y, slope) in ((-1e4, left), (1e4, right)):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            got = layer.forward(np.full((2, 3), x, dtype))
            dx = layer.backward(np.full((2, 3), 2, dtype))
        assert got.dtype == dx.dtype == dtype
        np.testing.assert_allclose(got, np.full((2, 3), y), rtol=1e-6, atol=1e-30)
        np.testing.assert_allclose(dx, np.full((2, 3), 2 * slope), rtol=1e-6, atol=1e-30)


def test_every_activation_is_looked_at_far_out():
    public = {*layers.activations.__all__, *layers.smooth_activations.__all__}
    assert {name.split("-")[0] for name in FAR_OUT} == public - {"GLU", "Softmax", "LogSoftmax"}


GATES = {
    "Sigmoid": (layers.Sigmoid, lambda x: 1 / (1 + (-x).exp())),
    "SiLU": (layers.SiLU, lambda x: x / (1 + (-x).exp())),
    "Mish": (layers.Mish, lambda x: x * (1 - 2 / ((1 + x.exp()) ** 2 + 1))),
    "Softplus": (layers.Softplus, lambda x: (1 + x.exp()).ln()),
    "LogSigmoid": (layers.LogSigmoid, lambda x: -(1 + (-x).exp()).ln()),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("build", "exact"), GATES.values(), ids=GATES)
def test_what_is_built_on_the_sigmoid_is_right_to_rounding_however_small_it_is(build, exact, dtype):
    x = np.concatenate([np.linspace(-80, 100, 901), np.linspace(-1, 1, 100)])
    x = np.append(x, [-700, -300]).astype(dtype) if dtype == "float64" else x.astype(dtype)
    expected = []
    for value in x.tolist():
        with localcontext(prec=400 if value < -80 else 80):  # 1 + exp(x) has to hold exp(x)
            expected.append(float(exact(Decimal(value))))
    error = np.abs(build().predict(x) - expected)
    error /= np.maximum(np.abs(expected), np.finfo(dtype).tiny)
    assert error.max() < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silu_of_the_largest_numbers_of_all(dtype):
    largest = np.finfo(dtype).max
    y = layers.SiLU().predict(np.array([-largest, largest]))
    np.testing.assert_array_equal(y, [0, largest])


@pytest.mark.parametrize("kind", [layers.Softmax, layers.LogSoftmax])
def test_softmax_of_huge_scores(kind):
    layer = kind()
    y = layer.forward(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], np.float32))
    assert np.isfinite(y).all()
    assert np.isfinite(layer.backward(np.ones_like(y))).all()


def test_a_gate_far_out_is_open_or_shut():
    layer = layers.GLU()
    y = layer.forward(np.array([[5.0, 5.0, -1e4, 1e4]], np.float32))
    np.testing.assert_array_equal(y, [[0, 5]])
    np.testing.assert_array_equal(layer.backward(np.ones_like(y)), [[0, 1, 0, 0]])


SLOPES_AT_ZERO = {
    "ReLU": (layers.ReLU, 0),
    "LeakyReLU": (lambda: layers.LeakyReLU(0.1), 0.1),
    "PReLU": (layers.PReLU, 0.25),
    "ELU": (layers.ELU, 1),
    "ELU-alpha": (lambda: layers.ELU(0.5), 0.5),
    "CELU-alpha": (lambda: layers.CELU(0.5), 1),
    "ReLU6": (layers.ReLU6, 0),
    "Softsign": (layers.Softsign, 1),
    "HardSigmoid": (layers.HardSigmoid, 1 / 6),
    "GELU": (layers.GELU, 0.5),
    "SiLU": (layers.SiLU, 0.5),
}


@pytest.mark.parametrize(("build", "slope"), SLOPES_AT_ZERO.values(), ids=SLOPES_AT_ZERO)
def test_slope_at_zero(build, slope):
    layer = build()
    layer.forward(np.zeros((1, 1), np.float32))
    assert layer.backward(np.ones((1, 1), np.float32))[0, 0] == pytest.approx(slope)


@pytest.mark.parametrize("kind", [layers.HardSigmoid, layers.HardSwish])
def test_hard_activations_are_flat_or_straight_from_their_corners_on(kind):
    layer = kind()
    layer.forward(np.array([[-3.0, 3.0]]))
    outside = 1.0 if kind is layers.HardSwish else 0.0
    np.testing.assert_array_equal(layer.backward(np.ones((1, 2))), [[0.0, outside]])


def test_prelu_adds_up_the_gradient_of_a_shared_slope():
    x = np.array([[[-1.0, 2.0], [-3.0, -4.0]]])  # (1, 2, 2)
    shared, by_channel = layers.PReLU(), layers.PReLU(2)
    for layer in (shared, by_channel):
        layer.forward(x)
        layer.backward(np.full((1, 2, 2), 10.0))
    np.testing.assert_array_equal(shared.weight.grad, [-80])
    np.testing.assert_array_equal(by_channel.weight.grad, [-10, -70])
    assert not shared.weight.decay


def test_selu_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal((1000, 1000))
    y = layers.SELU().predict(x)
    assert abs(y.mean()) < 0.005  # standard error: 0.001
    assert abs(y.var() - 1) < 0.01


def test_tanh_gelu_is_near_the_exact_one_but_has_a_gradient_of_its_own():
    x = np.linspace(-6, 6, 1201)[:, np.newaxis]
    exact, approximate = layers.GELU(), layers.GELU("tanh")
    difference = np.abs(exact.forward(x) - approximate.forward(x)).max()
    assert 1e-4 < difference < 5e-4
    ones = np.ones_like(x)
    assert np.abs(exact.backward(ones) - approximate.backward(ones)).max() > 1e-4


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: layers.GELU("erf"), "approximate"),
        (lambda: layers.Softplus(0), "beta"),
        (lambda: layers.Softplus(float("nan")), "beta"),
        (lambda: layers.PReLU(0), "num_parameters"),
        (lambda: layers.PReLU(1.5), "num_parameters"),
        (lambda: layers.PReLU(init="no"), "init"),
    ],
)
def test_refuses_options_that_make_no_sense(build, named):
    with pytest.raises(ConfigurationError, match=named):
        build()
