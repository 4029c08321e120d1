"""Schedules: step -> learning rate, as their formulas say, before, at and after their ends."""

import math

import numpy as np
import pytest

import chainrule
from chainrule import (
    SGD,
    ConfigurationError,
    ConstantLR,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    LinearLR,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
)
from chainrule.optimizers import schedules as file
from chainrule.optimizers.schedules import Scaled, scaled

SCHEDULES = [
    StepDecay(0.1, 3),
    StepDecay(0.1, every=2, factor=0.5),
    MultiStepDecay(0.1, (2, 5, 6)),
    ExponentialDecay(0.1, 0.9),
    PolynomialDecay(0.1, 8),
    PolynomialDecay(0.1, 8, power=2.0, final=0.01),
    CosineDecay(0.1, 8),
    CosineRestarts(0.1, 4),
    CosineRestarts(0.1, 3, growth=2, final=0.01),
    LinearWarmup(4, 0.1),
    LinearWarmup(4, CosineDecay(0.1, 10), start=0.0),
    LinearLR(0.1),
    LinearLR(0.1, start_factor=1.0, end_factor=0.0, total_iters=7),
    ConstantLR(0.1),
    ConstantLR(0.1, factor=0.5, total_iters=3),
    OneCycle(0.1, 20),
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def rates(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_every_schedule_is_tested():
    assert {type(schedule).__name__ for schedule in SCHEDULES} == set(file.__all__)


@every_schedule
def test_is_a_number_not_below_zero_and_shows_itself(schedule):
    for step in (*range(50), 10**6):
        rate = schedule(step)
        assert isinstance(rate, float)
        assert 0 <= rate <= 0.1 + 1e-15
        assert schedule(np.int64(step)) == pytest.approx(rate, rel=1e-12)
    assert eval(repr(schedule), vars(chainrule)) == schedule


@every_schedule
def test_drives_an_optimizer(schedule):
    network = chainrule.Network([chainrule.Linear(1, 1, bias=False)], dtype="float64")
    network.flat.values[:] = 0
    optimizer = SGD(schedule)
    for _ in range(12):
        network.forward([[1.0]])
        network.backward([[-1.0]])
        optimizer.step(network)
    assert network.flat.values[0] == pytest.approx(sum(rates(schedule, 12)))


def test_step_decay():
    assert rates(StepDecay(8.0, 2, factor=0.5), 6) == [8, 8, 4, 4, 2, 2]


def test_multi_step_decay():
    assert rates(MultiStepDecay(8.0, [1, 4], factor=0.5), 6) == [8, 4, 4, 4, 2, 2]
    assert rates(MultiStepDecay(8.0, []), 2) == [8, 8]


def test_exponential_decay():
    assert rates(ExponentialDecay(8.0, 0.5), 4) == [8, 4, 2, 1]


def test_polynomial_decay_stays_at_its_end():
    assert rates(PolynomialDecay(1.0, 4), 6) == [1, 0.75, 0.5, 0.25, 0, 0]
    assert rates(PolynomialDecay(5.0, 2, power=2, final=1), 4) == [5, 2, 1, 1]


def test_cosine_decay_stays_at_its_end():
    half = 0.5 + math.sqrt(0.125)
    expected = [1, half, 0.5, 1 - half, 0, 0]
    assert rates(CosineDecay(1.0, 4), 6) == pytest.approx(expected, abs=1e-15)
    assert rates(CosineDecay(3.0, 2, final=1), 4) == pytest.approx([3, 2, 1, 1])


def test_cosine_restarts():
    assert rates(CosineRestarts(1.0, 2), 6) == pytest.approx([1, 0.5] * 3)
    waves = [rate for length in (2, 6, 18) for rate in rates(CosineDecay(1.0, length), length)]
    assert rates(CosineRestarts(1.0, 2, growth=3), 26) == pytest.approx(waves)


def test_warm_up_in_front_of_a_number_and_of_a_schedule():
    assert rates(LinearWarmup(4, 1.0, start=0), 6) == [0, 0.25, 0.5, 0.75, 1, 1]
    then = StepDecay(8.0, 2, factor=0.5)
    assert rates(LinearWarmup(2, then, start=0.5), 6) == [4, 6, 8, 8, 4, 4]


def test_a_line_between_two_factors_stays_at_its_end():
    schedule = LinearLR(8.0, start_factor=0.25, end_factor=0.75, total_iters=2)
    assert rates(schedule, 4) == [2, 4, 6, 6]


def test_a_constant_factor_ends():
    assert rates(ConstantLR(8.0, factor=0.25, total_iters=2), 4) == [2, 2, 8, 8]


def test_a_schedule_times_a_factor():
    line = PolynomialDecay(4.0, 4)
    assert rates(scaled(line, 0.5), 5) == [2, 1.5, 1, 0.5, 0]
    assert rates(scaled(line, 10.0), 3) == [40, 30, 20]
    twice = scaled(scaled(line, 0.5, lowest=0.2), 0.5, lowest=0.8)
    assert twice == Scaled(line, 0.25, lowest=0.8)
    assert rates(twice, 5) == [1, 0.8, 0.8, 0.8, 0], "what is low already stays"
    assert scaled(0.1, 0.5) == 0.05
    assert (scaled(0.1, 0.1, lowest=0.03), scaled(0.01, 0.1, lowest=0.03)) == (0.03, 0.01)


def test_one_cycle():
    schedule = OneCycle(1.0, 10, warmup=0.3)
    assert schedule(0) == pytest.approx(1 / 25)
    assert schedule(2) == 1
    assert schedule(9) == schedule(99) == pytest.approx(1 / 25 / 1e4)
    assert np.argmax(rates(schedule, 10)) == 2
    assert OneCycle(1.0, 10, warmup=0.1)(0) == 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: StepDecay(0, 3), "0 < initial, got 0"),
        (lambda: StepDecay(0.1, 0), "every must be a whole number of at least 1, got 0"),
        (lambda: StepDecay(0.1, 3, factor=-1), "0 <= factor, got -1"),
        (
            lambda: MultiStepDecay(0.1, [0, 2]),
            "milestones must be a sequence of whole num",
        ),
        (lambda: MultiStepDecay(0.1, [3, 2]), r"milestones must rise, got \[3, 2\]"),
        (lambda: MultiStepDecay(-0.1, [3]), "0 < initial, got -0.1"),
        (lambda: MultiStepDecay(0.1, [3], factor=-2), "0 <= factor, got -2"),
        (lambda: ExponentialDecay(0.1, 0), "0 < factor, got 0"),
        (lambda: PolynomialDecay(0.1, 2.5), "steps must be a whole number of at least 1, got 2.5"),
        (lambda: PolynomialDecay(0.1, 2, power=0), "0 < power, got 0"),
        (lambda: PolynomialDecay(0.1, 2, final=-1), "0 <= final, got -1"),
        (lambda: CosineDecay(0.1, 0), "steps must be a whole number"),
        (lambda: CosineDecay(math.nan, 5), "0 < initial, got nan"),
        (lambda: CosineRestarts(0.1, 5, growth=0), "growth must be a whole number"),
        (lambda: LinearWarmup(0, 0.1), "steps must be a whole number"),
        (lambda: LinearWarmup(5, 0), "0 < then, got 0"),
        (lambda: LinearWarmup(5, 0.1, start=-1), "0 <= start, got -1"),
        (lambda: LinearLR(0.1, total_iters=0), "total_iters must be a whole number of at least 1"),
        (lambda: LinearLR(0.1, start_factor=0), "0 < start_factor, got 0"),
        (lambda: LinearLR(0.1, end_factor=-1), "0 <= end_factor, got -1"),
        (lambda: ConstantLR(0.1, factor=-1), "0 <= factor, got -1"),
        (lambda: ConstantLR(0, factor=0.5), "0 < initial, got 0"),
        (lambda: LinearWarmup(then=0.1, total_iters=5), "'total_iters': it is called steps"),
        (lambda: OneCycle(0.1, 2), "OneCycle needs at least one step of warm-up, got 0.3 of 2"),
        (lambda: OneCycle(0.1, 10, warmup=1), "0 <= warmup < 1, got 1"),
        (lambda: OneCycle(0.1, 10, start_divisor=0), "0 < start_divisor, got 0"),
        (lambda: OneCycle(0.1, 10, final_divisor=0), "0 < final_divisor, got 0"),
    ],
)
def test_options_that_make_no_sense(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()
