"""Optimizers: 200 steps on a real loss of a small network, against PyTorch, in float64."""

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", minversion="2")  # this folder alone would pass for `torch`

STEPS = 200
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
Y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
BATCHES = [RNG.choice(60, 20, replace=False) for _ in range(STEPS)]

PAIRS = {
    "SGD": (cr.SGD(0.1), torch.optim.SGD, {"lr": 0.1}),
    "Momentum": (cr.Momentum(0.05, 0.8), torch.optim.SGD, {"lr": 0.05, "momentum": 0.8}),
    "Nesterov": (
        cr.Nesterov(0.05, 0.8),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
    ),
    "AdaGrad": (cr.AdaGrad(0.05), torch.optim.Adagrad, {"lr": 0.05}),
    "RMSprop": (cr.RMSprop(0.01, 0.9), torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
    "Adam": (cr.Adam(0.01), torch.optim.Adam, {"lr": 0.01}),
    "Adam, options": (
        cr.Adam(0.01, 0.8, 0.9, 1e-3),
        torch.optim.Adam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3},
    ),
    "AdamW": (cr.AdamW(0.01, weight_decay=0), torch.optim.AdamW, {"lr": 0.01}),
}


def our_network():
    layers = [cr.Linear(5, 7), cr.Tanh(), cr.Linear(7, 3)]
    return cr.Network(layers, seed=1, dtype="float64")


def their_network(ours):
    parts = [torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)]
    theirs = torch.nn.Sequential(*parts).double()
    with torch.no_grad():
        for index in (0, 2):
            theirs[index].weight.copy_(torch.tensor(ours[index].weight.value.T))
            theirs[index].bias.copy_(torch.tensor(ours[index].bias.value))
    return theirs


def copy_of(optimizer, **options):
    hidden = ("steps", "memory")
    mine = {k: v for k, v in vars(optimizer).items() if k not in hidden and k[0] != "_"}
    return type(optimizer)(**mine | options)


def differences(ours, theirs):
    for index in (0, 2):
        yield np.abs(ours[index].weight.value - theirs[index].weight.detach().numpy().T).max()
        yield np.abs(ours[index].bias.value - theirs[index].bias.detach().numpy()).max()


def train_both(ours, optimizer, theirs, their_optimizer, scheduler=None):
    """Train both on the same batches; return the largest difference after any step."""
    loss, their_loss = cr.CategoricalCrossEntropy(from_logits=True), torch.nn.CrossEntropyLoss()
    largest = 0.0
    for batch in BATCHES:
        ours.backward(loss.backward(Y[batch], ours.forward(X[batch])))
        optimizer.step(ours)
        their_optimizer.zero_grad()
        their_loss(theirs(torch.tensor(X[batch])), torch.tensor(Y[batch])).backward()
        their_optimizer.step()
        if scheduler is not None:
            scheduler.step()
        largest = max(largest, *differences(ours, theirs))
    return largest


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_two_hundred_steps(name, weight_decay):
    optimizer, their_class, options = PAIRS[name]
    ours = our_network()
    theirs = their_network(ours)
    weights = [p for n, p in theirs.named_parameters() if n.endswith("weight")]
    biases = [p for n, p in theirs.named_parameters() if n.endswith("bias")]
    groups = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    before = ours.flat.values.copy()
    largest = train_both(
        ours, copy_of(optimizer, weight_decay=weight_decay), theirs, their_class(groups, **options)
    )
    assert largest < 1e-8
    assert np.abs(ours.flat.values - before).max() > 0.1, "nothing was learned"
