"""Optimizers: 200 steps on a real loss of a small network, against PyTorch, in float64."""

import inspect

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
    "AdaGrad, started": (
        cr.AdaGrad(0.05, initial_accumulator_value=0.1),
        torch.optim.Adagrad,
        {"lr": 0.05, "initial_accumulator_value": 0.1},
    ),
    "Momentum, dampened": (
        cr.Momentum(0.05, momentum=0.8, dampening=0.3),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
    ),
    "Adadelta": (cr.Adadelta(), torch.optim.Adadelta, {}),
    "Adadelta, options": (
        cr.Adadelta(0.5, rho=0.8, epsilon=1e-4),
        torch.optim.Adadelta,
        {"lr": 0.5, "rho": 0.8, "eps": 1e-4},
    ),
    "RMSprop": (cr.RMSprop(0.01, rho=0.9), torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
    "RMSprop, momentum": (
        cr.RMSprop(0.01, rho=0.9, momentum=0.7),
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.7},
    ),
    "RMSprop, centered": (
        cr.RMSprop(0.01, rho=0.9, centered=True),
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.9, "centered": True},
    ),
    "RMSprop, both": (
        cr.RMSprop(0.001, rho=0.8, epsilon=1e-4, momentum=0.5, centered=True),
        torch.optim.RMSprop,
        {"lr": 0.001, "alpha": 0.8, "eps": 1e-4, "momentum": 0.5, "centered": True},
    ),
    "Adam": (cr.Adam(0.01), torch.optim.Adam, {"lr": 0.01}),
    "Adam, options": (
        cr.Adam(0.01, beta1=0.8, beta2=0.9, epsilon=1e-3),
        torch.optim.Adam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3},
    ),
    "Adam, amsgrad": (
        cr.Adam(0.01, beta2=0.9, amsgrad=True),
        torch.optim.Adam,
        {"lr": 0.01, "betas": (0.9, 0.9), "amsgrad": True},
    ),
    "Adamax": (cr.Adamax(0.01), torch.optim.Adamax, {"lr": 0.01}),
    "Adamax, options": (
        cr.Adamax(0.01, beta1=0.8, beta2=0.9, epsilon=1e-3),
        torch.optim.Adamax,
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
    "AdamW, amsgrad": (
        cr.AdamW(0.01, beta2=0.9, amsgrad=True),
        torch.optim.AdamW,
        {"lr": 0.01, "betas": (0.9, 0.9), "amsgrad": True},
    ),
}


RPROP = {
    "Rprop": (cr.Rprop(0.01), torch.optim.Rprop, {"lr": 0.01}),
    "Rprop, options": (
        cr.Rprop(0.1, eta_minus=0.3, eta_plus=1.5, min_step=1e-3, max_step=0.3),
        torch.optim.Rprop,
        {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.3)},
    ),
}
"""These have no weight decay in PyTorch."""


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


def copy_of(optimizer, **changed):
    names = inspect.signature(type(optimizer)).parameters
    return type(optimizer)(**{name: getattr(optimizer, name) for name in names} | changed)


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


@pytest.fixture
def double_precision():
    """NAdam keeps the product of its momenta in PyTorch's default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def several_shapes():
    """Return a network of parameters of different shapes, after a backward pass."""
    layers = [
        cr.Conv2d(2, 3, 3),
        cr.ReLU(),
        cr.Flatten(),
        cr.Linear(12, 5),
        cr.PReLU(5),
        cr.Linear(5, 1),
    ]
    network = cr.Network(layers, seed=3, dtype="float64")
    network.backward(network.forward(np.ones((2, 2, 4, 4))))
    return network


def given_gradients(shapes):
    """Yield gradients of changing sizes for 120 steps, and five times five steps of zeros."""
    rng = np.random.default_rng(5)
    for step in range(120):
        size = [1.0, 1e-3, 0.0, 30.0][step // 5 % 4]
        yield [size * rng.standard_normal(shape) for shape in shapes]


def largest_difference(network, optimizer, theirs, their_optimizers, as_theirs=lambda array: array):
    """Let both take steps by the same gradients; return the difference relative to the values."""
    ours, largest = list(network.parameters()), 0.0
    for gradients in given_gradients([p.shape for p in ours]):
        for p, q, gradient in zip(ours, theirs, gradients, strict=True):
            p.grad = gradient
            q.grad = torch.tensor(as_theirs(gradient))
        optimizer.step(network)
        for each in their_optimizers:
            each.step()
        for p, q in zip(ours, theirs, strict=True):
            expected = q.detach().numpy()
            difference = np.abs(as_theirs(p.value) - expected) / (1 + np.abs(expected))
            largest = max(largest, difference.max())
    return largest


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", [*PAIRS, *RPROP])
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_given_gradients(name, weight_decay):
    optimizer, their_class, options = {**PAIRS, **RPROP}[name]
    if name in RPROP:
        weight_decay = 0.0
    network = several_shapes()
    theirs = [torch.nn.Parameter(torch.tensor(p.value)) for p in network.parameters()]
    decays = [weight_decay * p.decay for p in network.parameters()]
    groups = [
        {"params": [q]} if name in RPROP else {"params": [q], "weight_decay": decay}
        for q, decay in zip(theirs, decays, strict=True)
    ]
    before = network.flat.values.copy()
    difference = largest_difference(
        network,
        copy_of(optimizer, weight_decay=weight_decay),
        theirs,
        [their_class(groups, **options)],
    )
    assert difference < 1e-10
    assert np.abs(network.flat.values - before).max() > 0.01, "nothing has moved"


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
def test_muon_with_adamw_beside_it(weight_decay, nesterov, scale, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # which would keep 8 bits
    layers = [cr.Linear(4, 9), cr.Linear(9, 6), cr.Linear(6, 6), cr.Linear(6, 2)]
    network = cr.Network(layers, seed=3, dtype="float64")
    network.backward(network.forward(np.ones((2, 4))))
    names = list(network.named_parameters())
    theirs = [torch.nn.Parameter(torch.tensor(p.value.T.copy())) for p in network.parameters()]
    hidden = [f"layers.{k}.weight" for k in range(3)]
    matrices = [q for name, q in zip(names, theirs, strict=True) if name in hidden]
    groups = [
        {"params": [q], "weight_decay": weight_decay * name.endswith("weight")}
        for name, q in zip(names, theirs, strict=True)
        if name not in hidden
    ]
    muon = torch.optim.Muon(
        matrices, 0.02, weight_decay, momentum=0.9, nesterov=nesterov, adjust_lr_fn=scale
    )
    optimizer = cr.Muon(
        0.02, weight_decay=weight_decay, momentum=0.9, nesterov=nesterov, scale=scale
    )
    adamw = torch.optim.AdamW(groups, 0.02)
    difference = largest_difference(
        network, optimizer, theirs, [muon, adamw], lambda array: array.T.copy()
    )
    assert difference < 1e-10


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("history_size", [3, 20])
@pytest.mark.parametrize("learning_rate", [1.0, 0.1])
def test_lbfgs_for_thirty_steps(weight_decay, history_size, learning_rate):
    ours = our_network()
    theirs = their_network(ours)
    loss, their_loss = cr.CategoricalCrossEntropy(from_logits=True), torch.nn.CrossEntropyLoss()
    losses, passes = [], {"ours": 0, "theirs": 0}

    def closure():
        passes["ours"] += 1
        y_pred = ours.forward(X)
        ours.backward(loss.backward(Y, y_pred))
        losses.append(loss.forward(Y, y_pred))
        return losses[-1]

    def their_closure():
        passes["theirs"] += 1
        their_optimizer.zero_grad()
        value = their_loss(theirs(torch.tensor(X)), torch.tensor(Y))
        value = value + weight_decay / 2 * sum((theirs[k].weight ** 2).sum() for k in (0, 2))
        value.backward()
        return value

    optimizer = cr.LBFGS(learning_rate, history_size=history_size, weight_decay=weight_decay)
    their_optimizer = torch.optim.LBFGS(
        theirs.parameters(),
        learning_rate,
        max_iter=1,
        max_eval=26,
        history_size=history_size,
        line_search_fn="strong_wolfe",
    )
    for _ in range(30):
        optimizer.step(ours, closure)
        their_optimizer.step(their_closure)
        assert max(differences(ours, theirs)) < 1e-8
    assert passes["ours"] == passes["theirs"]
    assert losses[-1] < 0.2 * losses[0] or weight_decay


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
