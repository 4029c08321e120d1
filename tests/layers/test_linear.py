"""Neuron and Linear, beyond the battery: many neurons are a linear layer; initial values."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Linear, LinearLayer, Neuron
from chainrule.module import cast


def neurons_of(linear):
    """Return one Neuron for each column of a Linear layer."""
    neurons = [Neuron(linear.in_features) for _ in range(linear.out_features)]
    for column, neuron in enumerate(neurons):
        cast(neuron, linear.weight.dtype)
        neuron.weight.value = linear.weight.value[:, column]
        neuron.bias.value = linear.bias.value[[column]]
    return neurons


def layer(draw, n_inputs, n_outputs):
    linear = Linear(n_inputs, n_outputs)
    cast(linear, "float64")
    linear.weight.value = draw((n_inputs, n_outputs))
    linear.bias.value = draw(n_outputs)
    return linear


def both_ways(linear, x, dy):
    """Return (y, dx, weight gradient, bias gradient) of the layer and of its neurons."""
    y = linear.forward(x)
    whole = y, linear.backward(dy), linear.weight.grad, linear.bias.grad
    neurons = neurons_of(linear)
    ys = np.concatenate([neuron.forward(x) for neuron in neurons], axis=-1)
    dx = sum(n.backward(dy[..., [column]]) for column, n in enumerate(neurons))
    weight_grad = np.stack([neuron.weight.grad for neuron in neurons], axis=1)
    bias_grad = np.concatenate([neuron.bias.grad for neuron in neurons])
    return whole, (ys, dx, weight_grad, bias_grad)


@pytest.mark.parametrize("n_outputs", [1, 2, 7])
@pytest.mark.parametrize("batch", [(1,), (5,), (2, 3)])
def test_neurons_compute_exactly_what_a_linear_layer_computes(n_outputs, batch):
    rng = np.random.default_rng(n_outputs)

    def draw(shape):  # whole numbers: every sum is exact, in whatever order it is taken
        return rng.integers(-9, 10, shape).astype(np.float64)

    linear = layer(draw, 4, n_outputs)
    whole, alone = both_ways(linear, draw((*batch, 4)), draw((*batch, n_outputs)))
    for expected, got in zip(whole, alone, strict=True):
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("n_outputs", [1, 2, 7])
@pytest.mark.parametrize("batch", [(1,), (5,), (2, 3)])
def test_neurons_and_linear_agree_up_to_rounding(n_outputs, batch):
    rng = np.random.default_rng(n_outputs)
    linear = layer(rng.standard_normal, 4, n_outputs)
    x, dy = rng.standard_normal((*batch, 4)), rng.standard_normal((*batch, n_outputs))
    whole, alone = both_ways(linear, x, dy)
    # What rounding is relative to: the sum of the terms' sizes.
    weight, rows, dy_rows = abs(linear.weight.value), abs(x).reshape(-1, 4), abs(dy)
    dy_rows = dy_rows.reshape(-1, n_outputs)
    terms = (
        abs(x) @ weight + abs(linear.bias.value),
        abs(dy) @ weight.T,
        rows.T @ dy_rows,
        dy_rows.sum(axis=0),
    )
    for expected, got, size in zip(whole, alone, terms, strict=True):
        assert (abs(got - expected) <= 1e-15 * size).all()


def test_linear_layer_is_linear_by_its_first_name():
    assert LinearLayer is Linear


def test_bias_can_be_left_out():
    linear = Linear(3, 2, bias=False, seed=0)
    assert linear.bias is None
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(linear.forward(x), x @ linear.weight.value)
    linear.backward(np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(linear.weight.grad, 4)


@pytest.mark.parametrize("build", [lambda **options: Linear(300, 200, **options)])
def test_first_values_of_linear(build):
    linear = build(seed=0)
    assert linear.weight.value.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert not linear.bias.value.any()
    np.testing.assert_array_equal(build(seed=0).weight.value, linear.weight.value)
    assert not np.array_equal(build(seed=1).weight.value, linear.weight.value)
    assert not np.array_equal(build().weight.value, build().weight.value)
    assert not build(initialization="zero").weight.value.any()
    sevens = build(initialization=lambda shape, rng: np.full(shape, 7)).weight.value
    assert (sevens == 7).all()


def test_first_values_of_a_neuron():
    neuron = Neuron(5000, seed=0)
    assert neuron.weight.value.std() == pytest.approx(np.sqrt(2 / 5000), rel=0.05)
    assert not neuron.bias.value.any()
    np.testing.assert_array_equal(Neuron(5000, seed=0).weight.value, neuron.weight.value)
    assert not Neuron(3, initialization="zero").weight.value.any()


def test_a_generator_as_seed_goes_on():
    rng = np.random.default_rng(0)
    one, two = Linear(3, 2, seed=rng), Linear(3, 2, seed=rng)
    assert not np.array_equal(one.weight.value, two.weight.value)


def test_weights_decay_and_biases_do_not():
    assert Linear(2, 2).weight.decay
    assert not Linear(2, 2).bias.decay
    assert Neuron(2).weight.decay
    assert not Neuron(2).bias.decay


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True, np.float64(3)])
def test_sizes_that_make_no_layer(size):
    for name, build in (
        ("in_features", lambda: Linear(size, 3)),
        ("out_features", lambda: Linear(3, size)),
        ("in_features", lambda: Neuron(size)),
    ):
        with pytest.raises(ConfigurationError) as caught:
            build()
        expected = f"{name} must be a whole number of at least 1, got {size!r}."
        assert str(caught.value) == expected


def test_sizes_from_numpy_become_plain_integers():
    labels = np.array([0, 2, 1])
    assert repr(Linear(np.int64(4), labels.max() + 1)) == "Linear(4, 3)"
    assert repr(Neuron(np.uint8(4))) == "Neuron(4)"


def test_an_unknown_initialization():
    for build in (
        lambda: Linear(2, 2, initialization="magic"),
        lambda: Neuron(2, initialization="magic"),
    ):
        with pytest.raises(ConfigurationError, match="Unknown initialization 'magic'"):
            build()
