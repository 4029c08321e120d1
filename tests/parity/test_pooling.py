"""Pooling beside PyTorch's: values and the gradient at the input."""

import numpy as np
import pytest

from chainrule.layers import (
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MAX = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0)},
]
MEAN = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0)},
]


def compare(ours, theirs, x):
    x_torch = torch.tensor(x, requires_grad=True)
    expected = theirs(x_torch)
    y = ours.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy.reshape(expected.shape)))
    np.testing.assert_allclose(y, expected.detach().numpy().reshape(y.shape), atol=1e-10, rtol=0)
    np.testing.assert_allclose(ours.backward(dy), x_torch.grad.numpy(), atol=1e-10, rtol=0)


def images(ties=False):
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10))
    return np.round(x) if ties else x


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("options", MAX, ids=str)
def test_max(options, ties):
    compare(MaxPool2d(**options), torch.nn.MaxPool2d(**options), images(ties))


@pytest.mark.parametrize("options", MEAN, ids=str)
def test_average(options):
    compare(AvgPool2d(**options), torch.nn.AvgPool2d(**options), images())


@pytest.mark.parametrize("options", MAX[:4], ids=str)
def test_max_of_sequences(options):
    compare(MaxPool1d(**options), torch.nn.MaxPool1d(**options), images()[:, :, 0])


@pytest.mark.parametrize("options", MEAN[:4], ids=str)
def test_average_of_sequences(options):
    compare(AvgPool1d(**options), torch.nn.AvgPool1d(**options), images()[:, :, 0])


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7)])
def test_global(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    axes = len(shape) - 2
    mean = getattr(torch.nn, f"AdaptiveAvgPool{axes}d")(1)
    largest = getattr(torch.nn, f"AdaptiveMaxPool{axes}d")(1)
    compare(GlobalAvgPool(), mean, x)
    compare(GlobalMaxPool(), largest, x)
