"""Losses: values and gradients against PyTorch, in float64."""

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
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
COUNTS = RNG.poisson(2.0, (7, 3)).astype(float)
IGNORED = np.where(np.arange(7) % 3 == 1, -100, LABELS)
WEIGHTS = [1.0, 0.5, 3.0, 0.0, 2.0]
CLASS_WEIGHTS = torch.tensor(WEIGHTS, dtype=torch.float64)


def sigmoid_focal(z, y, alpha, gamma):
    p = torch.sigmoid(z)
    right = p * y + (1 - p) * (1 - y)
    weight = alpha * y + (1 - alpha) * (1 - y)
    surprise = nn.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (weight * (1 - right) ** gamma * surprise).mean()


def softmax_focal(z, y, gamma):
    log_p = z.log_softmax(1).gather(1, y[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


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
    "categorical, smoothed labels": (
        cr.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.2),
        LABELS,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, label_smoothing=0.2),
    ),
    "categorical, smoothed rows": (
        cr.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.2),
        ROWS,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, label_smoothing=0.2),
    ),
    "categorical, class weights": (
        cr.CategoricalCrossEntropy(from_logits=True, class_weight=WEIGHTS),
        LABELS,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, CLASS_WEIGHTS),
    ),
    "categorical, class weights and one-hot rows": (
        cr.CategoricalCrossEntropy(from_logits=True, class_weight=WEIGHTS),
        np.eye(5)[LABELS],
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y.argmax(1), CLASS_WEIGHTS),
    ),
    "categorical, class weights and probabilities": (
        cr.CategoricalCrossEntropy(class_weight=WEIGHTS),
        LABELS,
        PROBABILITIES,
        lambda p, y: nn.nll_loss(p.log(), y, CLASS_WEIGHTS),
    ),
    "categorical, everything": (
        cr.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.2, class_weight=WEIGHTS),
        LABELS,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, CLASS_WEIGHTS, label_smoothing=0.2),
    ),
    "categorical, ignored labels": (
        cr.CategoricalCrossEntropy(from_logits=True, ignore_index=2),
        LABELS,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, ignore_index=2),
    ),
    "categorical, ignored labels and probabilities": (
        cr.CategoricalCrossEntropy(ignore_index=-100),
        IGNORED,
        PROBABILITIES,
        lambda p, y: nn.nll_loss(p.log(), y),
    ),
    "categorical, ignored labels and everything": (
        cr.CategoricalCrossEntropy(
            from_logits=True, label_smoothing=0.2, class_weight=WEIGHTS, ignore_index=-100
        ),
        IGNORED,
        LOGITS,
        lambda z, y: nn.cross_entropy(z, y, CLASS_WEIGHTS, label_smoothing=0.2),
    ),
    "categorical, ignored steps of sequences": (
        cr.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.1, ignore_index=0),
        RNG.integers(0, 5, (4, 3)),
        RNG.standard_normal((4, 3, 5)),
        lambda z, y: nn.cross_entropy(z.transpose(1, 2), y, label_smoothing=0.1, ignore_index=0),
    ),
    "divergence": (
        cr.KLDivergence(),
        ROWS,
        PROBABILITIES,
        lambda p, y: nn.kl_div(p.log(), y, reduction="batchmean"),
    ),
    "divergence, logits": (
        cr.KLDivergence(from_logits=True),
        ROWS,
        LOGITS,
        lambda z, y: nn.kl_div(z.log_softmax(1), y, reduction="batchmean"),
    ),
    "binary, positive weight": (
        cr.BinaryCrossEntropy(from_logits=True, pos_weight=3),
        ANSWERS,
        10 * REAL,
        lambda z, y: nn.binary_cross_entropy_with_logits(z, y, pos_weight=torch.tensor(3.0)),
    ),
    "focal": (  # autograd's account of the paper's formula
        cr.BinaryFocalCrossEntropy(2, alpha=0.25, from_logits=True),
        ANSWERS,
        REAL,
        lambda z, y: sigmoid_focal(z, y, 0.25, 2),
    ),
    "focal, categorical": (
        cr.CategoricalFocalCrossEntropy(1.5, from_logits=True),
        LABELS,
        LOGITS,
        lambda z, y: softmax_focal(z, y, 1.5),
    ),
    "multi-margin": (cr.MultiMargin(), LABELS, LOGITS, nn.multi_margin_loss),
    "multi-margin, margin": (
        cr.MultiMargin(2.5),
        LABELS,
        LOGITS,
        lambda s, y: nn.multi_margin_loss(s, y, margin=2.5),
    ),
    "poisson": (
        cr.Poisson(),
        COUNTS,
        np.exp(REAL),
        lambda r, y: nn.poisson_nll_loss(r, y, log_input=False, eps=0),
    ),
    "poisson, log": (cr.Poisson(log_input=True), COUNTS, REAL, nn.poisson_nll_loss),
    "cosine": (
        cr.CosineSimilarity(),
        REAL,
        OTHER,
        lambda p, y: nn.cosine_embedding_loss(p, y, torch.ones(7)),
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
