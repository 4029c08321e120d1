"""Layers that change the size of images are PyTorch's: values and the gradient at the input."""

import numpy as np
import pytest

from chainrule.layers import PixelShuffle, PixelUnshuffle, Upsample

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

nn = torch.nn
PAIRS = {
    "Upsample": (Upsample(3), nn.Upsample(scale_factor=3), (2, 3, 4, 5)),
    "Upsample-sequence": (Upsample(2), nn.Upsample(scale_factor=2), (2, 3, 4)),
    "Upsample-linear_sequence": (
        Upsample(3, mode="linear"),
        nn.Upsample(scale_factor=3, mode="linear"),
        (2, 3, 4),
    ),
    "Upsample-bilinear": (
        Upsample((2, 5), mode="linear"),
        nn.Upsample(scale_factor=(2, 5), mode="bilinear"),
        (2, 3, 4, 3),
    ),
    "Upsample-one_pixel": (
        Upsample(4, mode="linear"),
        nn.Upsample(scale_factor=4, mode="bilinear"),
        (1, 1, 1, 2),
    ),
    "PixelShuffle": (PixelShuffle(3), nn.PixelShuffle(3), (2, 18, 2, 3)),
    "PixelUnshuffle": (PixelUnshuffle(2), nn.PixelUnshuffle(2), (2, 3, 4, 6)),
}


@pytest.mark.parametrize(("ours", "theirs", "shape"), PAIRS.values(), ids=PAIRS)
def test_values_and_gradients(ours, theirs, shape):
    x = np.random.default_rng(0).standard_normal(shape)
    x_torch = torch.tensor(x, requires_grad=True)
    expected = theirs(x_torch)
    y = ours.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.backward(dy), x_torch.grad.numpy(), rtol=0, atol=1e-10)
