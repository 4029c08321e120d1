"""Padding beside PyTorch's: values and the gradient at the input."""

import numpy as np
import pytest

from chainrule.layers import Pad1d, Pad2d

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

THEIRS = {
    "constant": lambda axes, padding: getattr(torch.nn, f"ConstantPad{axes}d")(padding, 1.5),
    "reflect": lambda axes, padding: getattr(torch.nn, f"ReflectionPad{axes}d")(padding),
    "replicate": lambda axes, padding: getattr(torch.nn, f"ReplicationPad{axes}d")(padding),
    "circular": lambda axes, padding: getattr(torch.nn, f"CircularPad{axes}d")(padding),
}


@pytest.mark.parametrize("mode", THEIRS)
@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (0, 2, 3, 1), (3, 0, 0, 4)])
def test_images_and_sequences(mode, sides):
    top, bottom, left, right = sides
    value = {"value": 1.5} if mode == "constant" else {}
    for ours, theirs, shape in (
        (
            Pad2d(((top, bottom), (left, right)), mode=mode, **value),
            THEIRS[mode](2, (left, right, top, bottom)),
            (2, 3, 4, 5),
        ),
        (Pad1d((left, right), mode=mode, **value), THEIRS[mode](1, (left, right)), (2, 3, 5)),
    ):
        x = np.random.default_rng(0).standard_normal(shape)
        x_torch = torch.tensor(x, requires_grad=True)
        expected = theirs(x_torch)
        y = ours.forward(x)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        expected.backward(torch.tensor(dy))
        np.testing.assert_array_equal(y, expected.detach().numpy())
        np.testing.assert_allclose(ours.backward(dy), x_torch.grad.numpy(), atol=1e-12, rtol=0)
