"""Stacked layers, beyond the battery: K layers side by side compute what K layers alone do."""

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    ConfigurationError,
    Dropout,
    Linear,
    Network,
    ReLU,
    StackedBatchNorm,
    StackedDropout,
    StackedLinear,
)
from chainrule.module import cast


def rng():
    return np.random.default_rng(3)


def alone(stack, build, k):
    """Return a layer of its own with member k's values."""
    layer = build()
    cast(layer, stack.state()[next(iter(stack.state()))].dtype)
    layer.load_state({name: value[k] for name, value in stack.state().items()})
    return layer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("sizes", [(4, 10), (10, 3), (33, 20), (1, 1)])
def test_k_linear_layers_side_by_side(dtype, shared, sizes):
    stack = StackedLinear(5, *sizes, seed=0)
    stack.bias.value = rng().standard_normal(stack.bias.shape)
    cast(stack, dtype)
    x = rng().standard_normal((16, sizes[0]) if shared else (16, 5, sizes[0])).astype(dtype)
    dy = rng().standard_normal((16, 5, sizes[1])).astype(dtype)
    y = stack.forward(x)
    dx = stack.backward(dy)
    close = {
        "rtol": 1e-5 if dtype == "float32" else 1e-13,
        "atol": 1e-5 if dtype[-2:] == "32" else 1e-13,
    }
    total = 0
    for k in range(5):
        one = alone(stack, lambda: Linear(*sizes), k)
        np.testing.assert_allclose(y[:, k], one.forward(x if shared else x[:, k].copy()), **close)
        own = one.backward(dy[:, k].copy())
        total = total + own
        if not shared:
            np.testing.assert_allclose(dx[:, k], own, **close)
        np.testing.assert_allclose(stack.weight.grad[k], one.weight.grad, **close)
        np.testing.assert_allclose(stack.bias.grad[k], one.bias.grad, **close)
    if shared:
        np.testing.assert_allclose(dx, total, **close)


def test_every_member_begins_like_a_linear_layer():
    stack = StackedLinear(3, 300, 200, seed=0)
    for member in stack.weight.value:
        assert member.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert not stack.bias.value.any()
    shapes = []

    def drawn(shape, rng):
        shapes.append(shape)
        return rng.standard_normal(shape)

    again = StackedLinear(3, 4, 5, initialization=drawn, seed=0).weight.value
    assert shapes == [(4, 5)] * 3
    assert len({member.tobytes() for member in again}) == 3


def test_a_network_draws_each_member_as_such():
    network = Network([StackedLinear(4, 400, 100)], initialization="xavier", seed=0)
    expected = np.sqrt(2 / (400 + 100))
    assert network[0].weight.value.std(axis=(1, 2)) == pytest.approx([expected] * 4, rel=0.02)


def test_every_member_has_statistics_of_its_own():
    stack = StackedBatchNorm(3, 4, momentum=0.3)
    x = (rng().standard_normal((20, 3, 4)) * [[1], [5], [20]] + 2).astype(np.float32)
    y = stack.forward(x)
    dy = rng().standard_normal(y.shape).astype(np.float32)
    dx = stack.backward(dy)
    for k in range(3):
        one = BatchNorm(4, momentum=0.3)
        np.testing.assert_allclose(y[:, k], one.forward(x[:, k].copy()), atol=1e-5)
        np.testing.assert_allclose(dx[:, k], one.backward(dy[:, k].copy()), atol=1e-5)
        np.testing.assert_allclose(stack.weight.grad[k], one.weight.grad, atol=1e-4)
        for name, buffer in one.named_buffers().items():
            np.testing.assert_allclose(stack.state()[name][k], buffer.value, rtol=1e-5)


@pytest.mark.parametrize("huge", [np.nan, np.inf, 3e38])
def test_a_member_that_overflows_does_not_touch_the_others(huge):
    x = rng().standard_normal((8, 3, 2)).astype(np.float32)
    broken = x.copy()
    broken[0, 1] = huge
    stacks = [StackedBatchNorm(3, 2), StackedBatchNorm(3, 2)]
    with np.errstate(all="ignore"):
        whole, lost = stacks[0].forward(x), stacks[1].forward(broken)
    assert np.isnan(lost[:, 1]).all()
    np.testing.assert_array_equal(lost[:, [0, 2]], whole[:, [0, 2]])
    np.testing.assert_array_equal(stacks[1].running_mean.value[1], 0)
    np.testing.assert_allclose(stacks[1].running_var.value[1], 1, rtol=1e-6)
    for name in ("running_mean", "running_var"):
        values = [getattr(stack, name).value[[0, 2]] for stack in stacks]
        np.testing.assert_array_equal(*values)


def test_every_member_drops_what_a_dropout_alone_would():
    stack = StackedDropout([0.3, 0.0, 0.6], seed=0)
    stack.rngs = [np.random.default_rng(k) for k in range(3)]
    x = rng().standard_normal((7, 3, 5)).astype(np.float32)
    for _ in range(2):
        y = stack.forward(x)
        dx = stack.backward(x)
        np.testing.assert_array_equal(dx, y)
        np.testing.assert_array_equal(y[:, 1], x[:, 1])
    for k, p in ((0, 0.3), (2, 0.6)):
        one = Dropout(p, seed=np.random.default_rng(k))
        one.forward(x[:, k])
        np.testing.assert_array_equal(one.forward(x[:, k]), y[:, k])


def test_a_network_gives_every_member_a_generator_of_its_own():
    network = Network([StackedDropout([0.5, 0.5])], seed=0)
    y = network.forward(np.ones((50, 2, 4), np.float32))
    assert not np.array_equal(y[:, 0], y[:, 1])
    again = Network([StackedDropout([0.5, 0.5])], seed=0)
    np.testing.assert_array_equal(again.forward(np.ones((50, 2, 4), np.float32)), y)


def test_shapes_that_are_no_members_are_told_with_their_place():
    network = Network([StackedLinear(2, 3, 4), ReLU(), StackedLinear(2, 4, 1)])
    with pytest.raises(ValueError, match=r"StackedLinear \(layers.0\): expected \(N, 2, 3\)"):
        network.predict(np.ones((5, 3, 3)))
    with pytest.raises(ValueError, match=r"expected \(N, 3\) or \(N, 2, 3\), got .*\(5, 4\)"):
        network.predict(np.ones((5, 4)))


@pytest.mark.parametrize("p", [0.5, "0.5", [], None])
def test_rates_that_are_no_sequence(p):
    with pytest.raises(ConfigurationError, match="p must be a sequence of probabilities"):
        StackedDropout(p)


def test_a_rate_that_is_no_probability():
    with pytest.raises(ConfigurationError, match=r"p\[1\] must be a number with 0 <= p\[1\] < 1"):
        StackedDropout([0.1, 1.0])
