"""Losses: values and gradients against PyTorch, in float64."""

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", minversion="2")  # this folder alone would pass for `torch`
nn = torch.nn.functional

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 7)
LOGITS = 3 * RNG.standard_normal((7, 5))
ROWS = RNG.dirichlet(np.ones(5), 7)
PROBABILITIES = RNG.dirichlet(np.ones(5), 7)
ANSWERS = RNG.integers(0, 2, (7, 3)).astype(float)
SHARES = RNG.uniform(0, 1, (7, 3))
CHANCES = RNG.uniform(0.01, 0.99, (7, 3))
REAL, OTHER = 2 * RNG.standard_normal((2, 7, 3))

CASES = {
    "categorical, labels": (
        cr.CategoricalCrossEntropy(),
        LABELS,
        PROBABILITIES,
        lambda p, y: nn.nll_loss(p.log(), y),
    ),
    "categorical, rows": (
        cr.CategoricalCrossEntropy(),
        ROWS,
        PROBABILITIES,
        lambda p, y: -(y * p.log()).sum(1).mean(),
    ),
    "categorical, labels and logits": (
        cr.CategoricalCrossEntropy(from_logits=True),
        LABELS,
        LOGITS,
        nn.cross_entropy,
    ),
    "categorical, rows and logits": (
        cr.CategoricalCrossEntropy(from_logits=True),
        ROWS,
        LOGITS,
        nn.cross_entropy,
    ),
    "categorical, sequences": (
        cr.CategoricalCrossEntropy(from_logits=True),
        RNG.integers(0, 5, (4, 3)),
        RNG.standard_normal((4, 3, 5)),
        lambda z, y: nn.cross_entropy(z.transpose(1, 2), y),
    ),
    "binary": (cr.BinaryCrossEntropy(), ANSWERS, CHANCES, nn.binary_cross_entropy),
    "binary, shares": (cr.BinaryCrossEntropy(), SHARES, CHANCES, nn.binary_cross_entropy),
    "binary, logits": (
        cr.BinaryCrossEntropy(from_logits=True),
        SHARES,
        10 * REAL,
        nn.binary_cross_entropy_with_logits,
    ),
    "squared": (cr.MeanSquaredError(), REAL, OTHER, nn.mse_loss),
    "absolute": (cr.MeanAbsoluteError(), REAL, OTHER, nn.l1_loss),
    "huber": (cr.Huber(), REAL, OTHER, nn.huber_loss),
    "huber, delta": (
        cr.Huber(delta=0.3),
        REAL,
        OTHER,
        lambda p, y: nn.huber_loss(p, y, delta=0.3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    loss, y, p, reference = CASES[name]
    their_p = torch.tensor(p, requires_grad=True)
    value = reference(their_p, torch.tensor(y))
    value.backward()
    assert loss.forward(y, p) == pytest.approx(value.item(), rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(loss.backward(y, p), their_p.grad.numpy(), rtol=1e-10, atol=1e-10)
