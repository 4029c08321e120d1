"""Schedules against torch.optim.lr_scheduler, at every step."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
lr = torch.optim.lr_scheduler


def warmed_up(optimizer, then, steps=5, start=0.2):
    warm_up = lr.LinearLR(optimizer, start_factor=start, total_iters=steps)
    return lr.SequentialLR(optimizer, [warm_up, then], milestones=[steps])


PAIRS = {
    "StepLR": (cr.StepDecay(0.1, 7, factor=0.3), lambda o: lr.StepLR(o, 7, 0.3), 60),
    "MultiStepLR": (
        cr.MultiStepDecay(0.1, (5, 6, 30), factor=0.5),
        lambda o: lr.MultiStepLR(o, [5, 6, 30], 0.5),
        60,
    ),
    "ExponentialLR": (cr.ExponentialDecay(0.1, 0.93), lambda o: lr.ExponentialLR(o, 0.93), 60),
    "PolynomialLR": (cr.PolynomialDecay(0.1, 40), lambda o: lr.PolynomialLR(o, 40), 60),
    "PolynomialLR, power": (
        cr.PolynomialDecay(0.1, 40, power=2.5),
        lambda o: lr.PolynomialLR(o, 40, 2.5),
        60,
    ),
    "CosineAnnealingLR": (cr.CosineDecay(0.1, 60), lambda o: lr.CosineAnnealingLR(o, 60), 61),
    "CosineAnnealingLR, final": (
        cr.CosineDecay(0.1, 60, final=0.01),
        lambda o: lr.CosineAnnealingLR(o, 60, 0.01),
        61,
    ),
    "CosineAnnealingWarmRestarts": (
        cr.CosineRestarts(0.1, 7, final=0.001),
        lambda o: lr.CosineAnnealingWarmRestarts(o, 7, eta_min=0.001),
        60,
    ),
    "CosineAnnealingWarmRestarts, growth": (
        cr.CosineRestarts(0.1, 4, growth=3),
        lambda o: lr.CosineAnnealingWarmRestarts(o, 4, 3),
        200,
    ),
    "LinearLR": (
        cr.LinearWarmup(5, 0.1, start=0.2),
        lambda o: lr.LinearLR(o, start_factor=0.2, total_iters=5),
        20,
    ),
    "LinearLR, as it is": (cr.LinearLR(0.1), lr.LinearLR, 20),
    "LinearLR, both factors": (
        cr.LinearLR(0.1, start_factor=0.9, end_factor=0.2, total_iters=7),
        lambda o: lr.LinearLR(o, 0.9, 0.2, 7),
        20,
    ),
    "ConstantLR": (cr.ConstantLR(0.1), lr.ConstantLR, 20),
    "ConstantLR, options": (
        cr.ConstantLR(0.1, factor=0.7, total_iters=9),
        lambda o: lr.ConstantLR(o, 0.7, 9),
        20,
    ),
    "SequentialLR of LinearLR and CosineAnnealingLR": (
        cr.LinearWarmup(5, cr.CosineDecay(0.1, 30), start=0.2),
        lambda o: warmed_up(o, lr.CosineAnnealingLR(o, 30)),
        36,
    ),
    "SequentialLR of LinearLR and StepLR": (
        cr.LinearWarmup(5, cr.StepDecay(0.1, 4), start=0.2),
        lambda o: warmed_up(o, lr.StepLR(o, 4)),
        36,
    ),
    "OneCycleLR": (cr.OneCycle(0.1, 50), lambda o: lr.OneCycleLR(o, 0.1, 50), 50),
    "OneCycleLR, options": (
        cr.OneCycle(0.1, 33, warmup=0.25, start_divisor=10, final_divisor=100),
        lambda o: lr.OneCycleLR(o, 0.1, 33, pct_start=0.25, div_factor=10, final_div_factor=100),
        33,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_step(name):
    ours, build, steps = PAIRS[name]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR itself calls what PyTorch deprecates
        scheduler = build(optimizer)
        for step in range(steps):
            expected = optimizer.param_groups[0]["lr"]
            assert ours(step) == pytest.approx(expected, rel=1e-10, abs=1e-15), step
            optimizer.step()
            scheduler.step()


def test_a_plateau_beside_a_schedule():
    """PyTorch lets both multiply the optimizer's rate; it waits for one epoch more."""
    theirs = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    steps = lr.MultiStepLR(theirs, [7, 20], 0.5)
    plateau = lr.ReduceLROnPlateau(
        theirs, factor=0.6, patience=2, threshold=0.0, threshold_mode="abs"
    )
    ours = cr.SGD(cr.MultiStepDecay(0.1, (7, 20), factor=0.5))
    callback = cr.ReduceOnPlateau("loss", factor=0.6, patience=3)
    history = cr.History()
    state = SimpleNamespace(optimizer=ours, history=history, columns=["loss"], epoch=0)
    callback.on_fit_begin(state)
    reduced = 0
    for loss in np.random.default_rng(0).random(45).tolist():
        theirs.step()
        steps.step()
        plateau.step(loss)
        before = ours.learning_rate
        history.add_epoch({"loss": loss})
        ours.steps += 1
        state.epoch += 1
        callback.on_epoch_end(state)
        reduced += ours.learning_rate is not before
        expected = theirs.param_groups[0]["lr"]
        assert ours.current_learning_rate() == pytest.approx(expected, rel=1e-12)
    assert reduced > 5
