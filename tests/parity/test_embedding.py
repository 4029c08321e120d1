"""Embedding is PyTorch's: the same rows, the same gradient, the same silence of the padding."""

import numpy as np
import pytest

from chainrule import Embedding
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("padding_idx", [None, 0, 8])
def test_embedding(padding_idx):
    rng = np.random.default_rng(0)
    ours = Embedding(9, 5, padding_idx=padding_idx, seed=1)
    cast(ours, np.float64)
    theirs = torch.nn.Embedding(9, 5, padding_idx, dtype=torch.float64)
    theirs.load_state_dict({"weight": torch.tensor(ours.weight.value)})
    x = rng.integers(0, 9, (6, 7))
    dy = rng.standard_normal((6, 7, 5))
    y = theirs(torch.tensor(x))
    y.backward(torch.tensor(dy))
    np.testing.assert_allclose(ours.forward(x), y.detach().numpy(), rtol=0, atol=1e-10)
    assert ours.backward(dy) is None
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=0, atol=1e-10)
