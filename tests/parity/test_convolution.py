"""Convolution beside PyTorch's: values and all gradients."""

import itertools

import numpy as np
import pytest

from chainrule import Network
from chainrule.layers import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def compare(ours, theirs, x):
    """Give both the same weights; compare the output and every gradient."""
    network = Network([ours], dtype="float64")
    theirs = theirs.double()
    if ours.bias is not None:
        ours.bias.value = np.random.default_rng(2).standard_normal(ours.bias.shape)
        theirs.bias.data = torch.tensor(ours.bias.value.copy())
    theirs.weight.data = torch.tensor(ours.weight.value.copy())
    x_torch = torch.tensor(x, requires_grad=True)
    expected = theirs(x_torch)
    y = network.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    close = {"atol": 1e-10, "rtol": 0}
    np.testing.assert_allclose(y, expected.detach().numpy(), **close)
    np.testing.assert_allclose(network.backward(dy), x_torch.grad.numpy(), **close)
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), **close)
    if ours.bias is not None:
        np.testing.assert_allclose(ours.bias.grad, theirs.bias.grad.numpy(), **close)


def images(channels, height=9, width=11, count=3):
    return np.random.default_rng(0).standard_normal((count, channels, height, width))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    list(itertools.product((1, 3, (2, 4)), (1, 2, (3, 1)), (0, 2, (1, 0)), (1, 2), (1, 2, 4))),
)
def test_images(kernel, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    theirs = torch.nn.Conv2d(4, 8, kernel, **options)
    compare(Conv2d(4, 8, kernel, **options, seed=0), theirs, images(4))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(("kernel", "dilation"), list(itertools.product((1, 2, 3, (4, 5)), (1, 2))))
def test_same_padding(kernel, dilation):
    options = {"padding": "same", "dilation": dilation, "bias": False}
    theirs = torch.nn.Conv2d(3, 5, kernel, **options)
    compare(Conv2d(3, 5, kernel, **options, seed=0), theirs, images(3))


MODES = ("zeros", "reflect", "replicate", "circular")


@pytest.mark.parametrize(
    ("mode", "stride", "padding", "dilation", "groups"),
    list(itertools.product(MODES, (1, (2, 3)), (1, (3, 2)), (1, 2), (1, 2))),
)
def test_padding_modes(mode, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    theirs = torch.nn.Conv2d(4, 6, 3, **options, padding_mode=mode)
    compare(Conv2d(4, 6, 3, **options, padding_mode=mode, seed=0), theirs, images(4, 5, 6))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(("mode", "kernel"), list(itertools.product(MODES, (1, 4, 5))))
def test_padding_modes_of_sequences(mode, kernel):
    x = np.random.default_rng(0).standard_normal((3, 4, 7))
    options = {"padding": "same", "padding_mode": mode}
    compare(Conv1d(4, 6, kernel, **options, seed=0), torch.nn.Conv1d(4, 6, kernel, **options), x)


@pytest.mark.parametrize("stride", [1, 2])
def test_padding_per_side(stride):
    (top, bottom), (left, right) = padding = ((2, 0), (1, 3))
    theirs = torch.nn.Conv2d(2, 3, 3, stride)
    ours = Conv2d(2, 3, 3, stride=stride, padding=padding, seed=0)
    x = images(2)
    padder = torch.nn.ZeroPad2d((left, right, top, bottom))
    ours.bias.value = np.arange(3.0)
    theirs = theirs.double()
    theirs.weight.data = torch.tensor(ours.weight.value.astype(float))
    theirs.bias.data = torch.tensor(ours.bias.value.astype(float))
    network = Network([ours], dtype="float64")
    x_torch = torch.tensor(x, requires_grad=True)
    expected = theirs(padder(x_torch))
    y = network.forward(x)
    expected.backward(torch.ones_like(expected))
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(network.backward(np.ones_like(y)), x_torch.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    list(itertools.product((1, 4), (1, 3), (0, 2), (1, 2), (1, 2))),
)
def test_sequences(kernel, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = np.random.default_rng(0).standard_normal((3, 4, 12))
    theirs = torch.nn.Conv1d(4, 6, kernel, **options)
    compare(Conv1d(4, 6, kernel, **options, seed=0), theirs, x)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_padding", "dilation", "groups"),
    [
        (kernel, stride, padding, output_padding, dilation, groups)
        for kernel, stride, padding, output_padding, dilation, groups in itertools.product(
            (2, (3, 4)), (1, 2, (2, 3)), (0, 1), (0, 1), (1, 2), (1, 2)
        )
        if output_padding < np.min(stride)
    ],
)
def test_transposed(kernel, stride, padding, output_padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    options |= {"dilation": dilation, "groups": groups}
    theirs = torch.nn.ConvTranspose2d(4, 6, kernel, **options)
    compare(ConvTranspose2d(4, 6, kernel, **options, seed=0), theirs, images(4, 4, 5))


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation", "groups"),
    [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), (3, 2, 2, 2, 1), (3, 0, 0, 1, 2)],
)
def test_transposed_sequences(stride, padding, output_padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    options |= {"dilation": dilation, "groups": groups}
    x = np.random.default_rng(0).standard_normal((3, 4, 6))
    theirs = torch.nn.ConvTranspose1d(4, 6, 4, **options)
    compare(ConvTranspose1d(4, 6, 4, **options, seed=0), theirs, x)


def test_a_batch_of_several_blocks():
    compare(
        Conv2d(8, 4, 3, padding=1, seed=0),
        torch.nn.Conv2d(8, 4, 3, padding=1),
        images(8, 40, 40, 24),
    )
