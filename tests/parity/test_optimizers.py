"""Optimizers: 200 steps on a real loss of a small network, against PyTorch, in float64."""

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

STEPS = 200
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
Y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
BATCHES = [RNG.choice(60, 20, replace=False) for _ in range(STEPS)]


class NAdamW(cr.NAdam):
    decoupled = True


PAIRS = {
    "SGD": (cr.SGD(0.1), torch.optim.SGD, {"lr": 0.1}),
    "Momentum": (cr.Momentum(0.05, momentum=0.8), torch.optim.SGD, {"lr": 0.05, "momentum": 0.8}),
    "Nesterov": (
        cr.Nesterov(0.05, momentum=0.8),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
    ),
    "AdaGrad": (cr.AdaGrad(0.05), torch.optim.Adagrad, {"lr": 0.05}),
    "RMSprop": (cr.RMSprop(0.01, rho=0.9), torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
    "Adam": (cr.Adam(0.01), torch.optim.Adam, {"lr": 0.01}),
    "Adam, options": (
        cr.Adam(0.01, beta1=0.8, beta2=0.9, epsilon=1e-3),
        torch.optim.Adam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3},
    ),
    "NAdam": (cr.NAdam(0.01), torch.optim.NAdam, {"lr": 0.01}),
    "NAdam, options": (
        cr.NAdam(0.01, beta1=0.8, beta2=0.9, epsilon=1e-3, momentum_decay=0.1),
        torch.optim.NAdam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1},
    ),
    "NAdam, decoupled": (
        NAdamW(0.01),
        torch.optim.NAdam,
        {"lr": 0.01, "decoupled_weight_decay": True},
    ),
    "RAdam": (cr.RAdam(0.01), torch.optim.RAdam, {"lr": 0.01}),
    "RAdam, options": (
        cr.RAdam(0.01, beta1=0.8, beta2=0.9, epsilon=1e-3),
        torch.optim.RAdam,
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
    hidden = ("steps", "state_vectors", "lr_multipliers")
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


def test_factors_are_learning_rates_of_parameter_groups():
    ours = our_network()
    theirs = their_network(ours)
    groups = [
        {"params": theirs[0].parameters(), "lr": 0.0},
        {"params": [theirs[2].weight], "lr": 0.03},
        {"params": [theirs[2].bias], "lr": 0.01, "weight_decay": 0.0},
    ]
    optimizer = cr.AdamW(0.01, weight_decay=0.1, lr_multipliers={"layers.0.*": 0, "*.weight": 3})
    theirs_optimizer = torch.optim.AdamW(groups, weight_decay=0.1)
    assert train_both(ours, optimizer, theirs, theirs_optimizer) < 1e-8


def test_schedules_in_optimizers():
    ours = our_network()
    theirs = their_network(ours)
    their_optimizer = torch.optim.Adam(theirs.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(their_optimizer, STEPS)
    optimizer = cr.Adam(cr.CosineDecay(0.02, STEPS))
    assert train_both(ours, optimizer, theirs, their_optimizer, scheduler) < 1e-8


@pytest.mark.parametrize("limit", [0.1, 0.5, 100.0])
@pytest.mark.parametrize("by", ["norm", "value"])
def test_clipping(by, limit):
    ours = our_network()
    theirs = their_network(ours)
    loss, their_loss = cr.CategoricalCrossEntropy(from_logits=True), torch.nn.CrossEntropyLoss()
    ours.backward(5 * loss.backward(Y, ours.forward(X)))
    (5 * their_loss(theirs(torch.tensor(X)), torch.tensor(Y))).backward()
    expected = torch.nn.utils.get_total_norm([p.grad for p in theirs.parameters()])
    if by == "norm":
        norm = cr.clip_by_global_norm(ours, limit)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    else:
        norm = cr.clip_by_value(ours, limit)
        torch.nn.utils.clip_grad_value_(theirs.parameters(), limit)
    assert norm == pytest.approx(expected.item(), rel=1e-10)
    for index in (0, 2):
        weight = theirs[index].weight.grad.numpy().T
        # PyTorch divides by the norm plus 1e-6
        np.testing.assert_allclose(ours[index].weight.grad, weight, rtol=1e-5)
        np.testing.assert_allclose(ours[index].bias.grad, theirs[index].bias.grad, rtol=1e-5)


def test_moving_average():
    ours = our_network()
    theirs = their_network(ours)
    average = cr.ExponentialMovingAverage(0.9)
    swa = torch.optim.swa_utils
    their_average = swa.AveragedModel(theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    rng = np.random.default_rng(0)
    for _ in range(20):
        for index in (0, 2):
            for mine, other in (
                (ours[index].weight, theirs[index].weight),
                (ours[index].bias, theirs[index].bias),
            ):
                mine.value = rng.standard_normal(mine.shape)
                other.data = torch.tensor(mine.value.T.copy())
        average.update(ours)
        their_average.update_parameters(theirs)
    average.copy_to(ours)
    assert max(differences(ours, their_average.module)) < 1e-10
