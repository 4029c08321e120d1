"""What the model of scaling says, where it can be said by hand; and that ranks take turns."""

import shutil
from dataclasses import replace

import pytest

from benchmarks.scaling import constants, model
from benchmarks.scaling.cost import (
    Line,
    Wire,
    allreduce,
    cheapest,
    ethernet,
    exchanges,
    pays_up_to,
)
from benchmarks.speed.command import chosen_sides
from benchmarks.speed.measure import make_job, measure
from benchmarks.speed.sides import OURS, SIDES
from benchmarks.speed.work import Work

WIRE = Wire("round numbers", 1.0, 0.25)
TINY = Work("tiny", "MLP 3-4-2, batch 4", "train", "mlp", (3, 4, 2), 4, 2)


@pytest.mark.parametrize(
    ("ranks", "size", "seconds"),
    [
        (1, 100, 0.0),
        (2, 2, 1 + 0.5 + 1),  # recursive doubling: in each round one message and one sum, of all
        (8, 2, 3 * (1 + 0.5 + 1)),
        (2, 100, 2 + 25 + 25),  # Rabenseifner: halves to and fro, half of it summed
        (8, 800, 2 * 3 + 2 * 7 / 8 * 200 + 7 / 8 * 400),
    ],
)
def test_an_allreduce_costs(ranks, size, seconds):
    assert allreduce(ranks, size, WIRE, 0.5) == pytest.approx(seconds)


def test_exchanges_cost():
    assert exchanges(8, WIRE) == 2 * (3 + 7 * 48 / 4)


def test_a_network_at_its_rate():
    assert ethernet(10, 1e-5).per_byte == pytest.approx(0.8e-9)


def test_more_ranks_than_pay():
    assert cheapest({1: 4.0, 2: 3.0, 4: 2.5, 8: 2.5, 16: 2.7}) == 4
    assert pays_up_to({1: 4.0, 2: 3.0, 4: 2.9, 8: 1.0}) == 2
    assert pays_up_to({1: 4.0, 2: 2.0}) == 2


def test_a_line_through_what_was_measured():
    line = constants.line_through({2: 5.0, 32: 65.0, 256: 513.0})
    assert (line.fixed, line.each) == (pytest.approx(1), pytest.approx(2))
    assert constants.line_through({2: 1.0, 32: 1.0}).each == pytest.approx(0, abs=1e-9)
    assert constants.line_through({2: 2.0, 32: 50.0}).fixed == 0.0


def network(step: Line) -> model.Trained:
    return model.Trained("some", 100, step, Line(0, step.each / 2), 0.0)


def test_efficiency_without_a_wire_is_whole():
    free = Wire("free", 0.0, 0.0)
    each = network(Line(0.0, 1e-3))
    assert each.strong(64, free) == pytest.approx(1)
    assert each.weak(64, free) == pytest.approx(1)
    assert each.hidden(64, free) == 0


def test_what_is_done_on_each_rank_limits_a_shared_batch():
    each = network(Line(1.0, 1.0))
    free = Wire("free", 0.0, 0.0)
    assert each.strong(2, free) == pytest.approx(2049 / (2 * 1025))
    assert each.weak(2, free) == pytest.approx(1)


def test_no_more_can_be_hidden_than_the_way_back_takes():
    each = network(Line(0.0, 1.0))
    slow = Wire("slow", 1e6, 0.0)
    assert each.hidden(2, slow) == pytest.approx(512 / each.shared(2, slow))


def test_tables_of_what_was_measured():
    of_one = {str(n): 1e-3 * n for n in (*constants.SAMPLES, constants.CHECKED // 2)}
    of_one[str(constants.CHECKED)] = 0.128
    given = {
        "where": ["somewhere"],
        "adding": 1e-10,
        "networks": {
            "0.1 M": {"sizes": [3, 2], "parameters": 8, "step": of_one, "backward": of_one}
        },
        "two": {
            "latency": 1e-6,
            "per_byte": 1e-10,
            "networks": {"0.1 M": {"step": 0.07, "apart": 0.06, "allreduce": 1e-6}},
        },
    }
    text = model.everything(given)
    assert "| 0.1 M      | 1 Gbit/s" in text
    assert "off by" in text


@pytest.mark.parametrize("name", ["alone", "blas", "workers"])
def test_sides_of_scaling_take_steps(name):
    pytest.importorskip("threadpoolctl")
    job = make_job(SIDES[name], TINY)
    job.run()
    assert job.units == 2


def test_extras_are_measured_only_when_asked_for():
    assert SIDES["ranks"] not in chosen_sides(None)
    assert chosen_sides(["ranks"]) == [OURS, SIDES["ranks"]]


@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="mpiexec is not installed")
def test_ranks_take_turns_and_end():
    pytest.importorskip("mpi4py")
    measured = measure(TINY, [OURS, SIDES["rank"], SIDES["ranks"]], rounds=2)
    assert not measured.skipped
    assert {name: len(found) for name, found in measured.seconds.items()} == {
        "chainrule": 2,
        "rank": 2,
        "ranks": 2,
    }


@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="mpiexec is not installed")
def test_ranks_that_cannot_do_the_work_are_left_out():
    pytest.importorskip("mpi4py")
    measured = measure(replace(TINY, model="unheard of"), [SIDES["ranks"], OURS], rounds=1)
    assert measured.skipped["ranks"] == "unheard of is not written for chainrule"
