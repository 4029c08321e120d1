"""Pooling beside PyTorch's: values and the gradient at the input."""

import contextlib
import itertools

import numpy as np
import pytest

from chainrule import ShapeError, layers
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
    y = ours.forward(x)
    expected = theirs(x_torch)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy.reshape(expected.shape)))
    assert y.size == expected.numel()
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


CEIL = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (4, 3), "stride": (5, 2), "padding": (2, 1)},
]


@pytest.mark.parametrize("options", CEIL, ids=str)
def test_one_more_window_for_what_is_left_over(options):
    x = images()
    options = {**options, "ceil_mode": True}
    compare(MaxPool2d(**options), torch.nn.MaxPool2d(**options), x)
    for counts in (False, True):
        both = {**options, "count_include_pad": counts}
        compare(AvgPool2d(**both), torch.nn.AvgPool2d(**both), x)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_every_way_in_which_something_is_left_over(kernel):
    """All sequences of up to 11 numbers, strides up to 5, and paddings that PyTorch takes."""
    compared = 0
    for length, stride, padding, dilation in itertools.product(
        range(1, 12), range(1, 6), range(kernel // 2 + 1), (1, 2)
    ):
        x = np.random.default_rng(length).standard_normal((1, 2, length))
        options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": True}
        pairs = [
            (AvgPool1d(**options, count_include_pad=counts), torch.nn.AvgPool1d, counts)
            for counts in (False, True)
        ]
        for ours, theirs, counts in pairs if dilation == 1 else []:
            compared += compare_or_both_refuse(ours, theirs(**options, count_include_pad=counts), x)
        options["dilation"] = dilation
        compared += compare_or_both_refuse(MaxPool1d(**options), torch.nn.MaxPool1d(**options), x)
    assert compared > 150


def compare_or_both_refuse(ours, theirs, x):
    """Return whether there was anything to compare."""
    try:
        ours.predict(x)
    except ShapeError:
        with contextlib.suppress(RuntimeError):  # PyTorch refuses it, too
            assert torch.isinf(theirs(torch.tensor(x))).any()  # a window on padding alone
        return False
    compare(ours, theirs, x)
    return True


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7)])
def test_global(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    axes = len(shape) - 2
    mean = getattr(torch.nn, f"AdaptiveAvgPool{axes}d")(1)
    largest = getattr(torch.nn, f"AdaptiveMaxPool{axes}d")(1)
    compare(GlobalAvgPool(), mean, x)
    compare(GlobalMaxPool(), largest, x)


@pytest.mark.parametrize("kind", ["AdaptiveAvgPool1d", "AdaptiveMaxPool1d"])
def test_adaptive_for_every_length_and_size(kind):
    for length, size in itertools.product(range(1, 10), range(1, 12)):
        x = np.random.default_rng(length).standard_normal((1, 2, length))
        compare(getattr(layers, kind)(size), getattr(torch.nn, kind)(size), x)


@pytest.mark.parametrize("kind", ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
@pytest.mark.parametrize("size", [1, 4, (2, 3), (9, 12), (None, 7), (3, None)], ids=str)
def test_adaptive(kind, size):
    compare(getattr(layers, kind)(size), getattr(torch.nn, kind)(size), images(ties="Max" in kind))
