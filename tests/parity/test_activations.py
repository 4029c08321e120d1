"""Activations equal PyTorch's: values, and the gradients of input and slopes, in float64."""

import numpy as np
import pytest

from chainrule import layers
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

nn = torch.nn


class HardSigmoid(nn.Module):
    """PyTorch's formula; the gradient of nn.Hardsigmoid has a float32 1 / 6 in it, off by 3e-8."""

    def forward(self, x):
        return nn.functional.relu6(x + 3) / 6


PAIRS = {
    "ReLU": (layers.ReLU, nn.ReLU),
    "LeakyReLU": (lambda: layers.LeakyReLU(0.2), lambda: nn.LeakyReLU(0.2)),
    "PReLU": (lambda: layers.PReLU(init=0.3), lambda: nn.PReLU(init=0.3)),
    "PReLU-channels": (lambda: layers.PReLU(4), lambda: nn.PReLU(4)),
    "HardSigmoid": (layers.HardSigmoid, HardSigmoid),
    "HardSwish": (layers.HardSwish, nn.Hardswish),
    "Sigmoid": (layers.Sigmoid, nn.Sigmoid),
    "Tanh": (layers.Tanh, nn.Tanh),
    "Softsign": (layers.Softsign, nn.Softsign),
    "ELU": (layers.ELU, nn.ELU),
    "ELU-alpha": (lambda: layers.ELU(0.7), lambda: nn.ELU(0.7)),
    "SELU": (layers.SELU, nn.SELU),
    "CELU": (layers.CELU, nn.CELU),
    # PyTorch keeps 1 / α in float32, in which 1 / 0.5 is exact
    "CELU-alpha": (lambda: layers.CELU(0.5), lambda: nn.CELU(0.5)),
    "LogSigmoid": (layers.LogSigmoid, nn.LogSigmoid),
    "HardTanh": (layers.HardTanh, nn.Hardtanh),
    "HardTanh-bounds": (lambda: layers.HardTanh(-2, 0.5), lambda: nn.Hardtanh(-2, 0.5)),
    "ReLU6": (layers.ReLU6, nn.ReLU6),
    "GLU": (lambda: layers.GLU(1), lambda: nn.GLU(1)),
    "GELU": (layers.GELU, nn.GELU),
    "GELU-tanh": (lambda: layers.GELU("tanh"), lambda: nn.GELU("tanh")),
    "SiLU": (layers.SiLU, nn.SiLU),
    "Mish": (layers.Mish, nn.Mish),
    # PyTorch turns to y = x from a threshold on; ours is exact everywhere, so put it out of reach.
    "Softplus": (layers.Softplus, lambda: nn.Softplus(threshold=1e6)),
    "Softplus-beta": (lambda: layers.Softplus(2.5), lambda: nn.Softplus(2.5, threshold=1e6)),
    "Softmax": (layers.Softmax, lambda: nn.Softmax(-1)),
    "Softmax-axis": (lambda: layers.Softmax(axis=1), lambda: nn.Softmax(1)),
    "LogSoftmax": (layers.LogSoftmax, lambda: nn.LogSoftmax(-1)),
    "LogSoftmax-axis": (lambda: layers.LogSoftmax(axis=1), lambda: nn.LogSoftmax(1)),
}
GRID = np.linspace(-30, 30, 4 * 601).reshape(4, 601).T  # (601, 4), 0 and ±3 among them
INPUTS = {
    "table": np.random.default_rng(0).standard_normal((6, 4)),
    "image": np.random.default_rng(1).standard_normal((2, 4, 3, 5)),
    "wide": GRID,
    "zeros": np.zeros((2, 4)),
}


@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_values_and_gradients(pair, x):
    ours, theirs = pair[0](), pair[1]().double()
    cast(ours, "float64")
    if isinstance(ours, layers.PReLU):
        ours.weight.value = np.linspace(-0.3, 0.6, ours.weight.size)
        theirs.weight.data = torch.tensor(ours.weight.value.copy())
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = theirs(x_torch)
    dy = np.random.default_rng(2).standard_normal(y_torch.shape)
    y_torch.backward(torch.tensor(dy))
    np.testing.assert_allclose(ours.forward(x), y_torch.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours.backward(dy), x_torch.grad.numpy(), rtol=1e-10, atol=1e-10)
    if isinstance(ours, layers.PReLU):
        slopes = theirs.weight.grad.numpy()
        np.testing.assert_allclose(ours.weight.grad, slopes, rtol=1e-10, atol=1e-10)
