"""Linear, Neuron, Flatten, Dropout and Sequential are PyTorch's: values and every gradient."""

import numpy as np
import pytest

from chainrule import Dropout, Flatten, Linear, Neuron, Sequential, Tanh
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def hold(ours, theirs, shape, pairs, training=True):
    """Compare outputs, the input's gradient, and that of each (ours, theirs, shown) parameter."""
    rng = np.random.default_rng(0)
    cast(ours, np.float64)
    for parameter in ours.named_parameters().values():
        parameter.value = rng.standard_normal(parameter.shape)
    with torch.no_grad():
        for own, other, shown in pairs:
            other.copy_(torch.tensor(shown(own.value)))
    x = rng.standard_normal(shape)
    theirs_x = torch.tensor(x, requires_grad=True)
    theirs_y = theirs.train(training)(theirs_x)
    y = ours.forward(x, training=training)
    np.testing.assert_allclose(y, theirs_y.detach().numpy(), rtol=0, atol=1e-10)
    if not training:
        return
    dy = rng.standard_normal(y.shape)
    theirs_y.backward(torch.tensor(dy))
    np.testing.assert_allclose(ours.backward(dy), theirs_x.grad.numpy(), rtol=0, atol=1e-10)
    for own, other, shown in pairs:
        np.testing.assert_allclose(shown(own.grad), other.grad.numpy(), rtol=0, atol=1e-10)


def transposed(weight):
    return weight.T


def as_it_is(bias):
    return bias


def pairs_of(ours, theirs):
    """Pair Linear with torch.nn.Linear, whose matrix is transposed."""
    pairs = [(ours.weight, theirs.weight, transposed)]
    return pairs if ours.bias is None else [*pairs, (ours.bias, theirs.bias, as_it_is)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(6, 4), (1, 4), (2, 5, 4)])
def test_linear(shape, bias):
    ours = Linear(4, 3, bias=bias)
    theirs = torch.nn.Linear(4, 3, bias=bias, dtype=torch.float64)
    hold(ours, theirs, shape, pairs_of(ours, theirs))


def test_neuron():
    ours, theirs = Neuron(4), torch.nn.Linear(4, 1, dtype=torch.float64)
    pairs = [(ours.weight, theirs.weight, np.atleast_2d), (ours.bias, theirs.bias, as_it_is)]
    hold(ours, theirs, (6, 4), pairs)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4), (1, 2, 3)])
def test_flatten(shape):
    hold(Flatten(), torch.nn.Flatten(), shape, [])


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.5, False)])
def test_dropout_where_nothing_is_drawn(p, training):
    hold(Dropout(p), torch.nn.Dropout(p), (6, 4), [], training)


def test_sequential():
    first, last = Linear(4, 5), Linear(5, 2)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5, dtype=torch.float64),
        torch.nn.Tanh(),
        torch.nn.Linear(5, 2, dtype=torch.float64),
    )
    pairs = pairs_of(first, theirs[0]) + pairs_of(last, theirs[2])
    hold(Sequential([first, Tanh(), last]), theirs, (6, 4), pairs)
