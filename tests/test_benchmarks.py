"""The speed benchmark runs, keeps its books right, and leaves out what is not there. No times."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import estimators_speed
from benchmarks.speed import bare, command, floor, ours, report
from benchmarks.speed.growth import Growth
from benchmarks.speed.measure import Measured, make_job, measure
from benchmarks.speed.sides import OURS, SIDES
from benchmarks.speed.work import WORK, Skip, Work, growing, inputs, samples, targets

ROOT = Path(__file__).resolve().parent.parent
BY_NAME = {work.name: work for work in WORK}
TINY = Work("tiny", "MLP 3-4-2, batch 5", "train", "mlp", (3, 4, 2), 5, 2, goals={"floor": 0.001})


def small(work: Work) -> Work:
    """Return the same work on a batch of 2."""
    return replace(work, batch=2, batches=1)


def made_up(work=TINY, **seconds) -> Measured:
    return Measured(work, seconds=seconds)


def test_one_row_from_the_command_line(tmp_path):
    file = tmp_path / "figures.json"
    arguments = ["-m", "benchmarks", "4-10-3", "--peers", "floor", "--rounds", "1", "--json", file]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "MLP 4-10-3, batch 32" in done.stdout
    (row,) = json.loads(file.read_text("utf-8"))["work"]
    assert row["sides"].keys() == {"chainrule", "floor"}
    assert all(side["median_seconds"] > 0 for side in row["sides"].values())


def test_sides_take_turns_in_processes_of_their_own():
    sides = [OURS, SIDES["floor"], SIDES["loop"]]
    measured = measure(TINY, sides, rounds=2)
    assert {name: len(found) for name, found in measured.seconds.items()} == {
        "chainrule": 2,
        "floor": 2,
    }
    assert measured.skipped == {"loop": "no train of loop by hand"}


def test_what_is_not_installed_is_left_out_and_said_so():
    missing = replace(SIDES["torch"], name="missing", package="no_such_package")
    measured = measure(TINY, [OURS, missing], rounds=1)
    assert measured.seconds.keys() == {"chainrule"}
    assert measured.skipped == {"missing": "no_such_package is not installed"}
    assert "Not installed, so left out: no_such_package." in report.where([OURS, missing])


def test_a_side_that_fails_is_left_out_and_the_rest_goes_on():
    wrong = replace(TINY, model="cnn", sizes=(1,))  # a CNN of one size cannot be unpacked
    measured = measure(wrong, [replace(SIDES["floor"], name="other"), OURS], rounds=1)
    assert not measured.seconds
    assert "it failed: ValueError" in measured.skipped["other"]


def test_without_us_nothing_is_measured():
    measured = measure(replace(TINY, model="unheard of"), [OURS, SIDES["floor"]], rounds=1)
    assert measured.skipped == {"chainrule": "unheard of is not written for chainrule"}
    assert not measured.seconds
    assert "–" in report.times([measured], [OURS, SIDES["floor"]])
    assert report.in_short(measured) == measured.skipped["chainrule"]


@pytest.mark.parametrize("name", [w.name for w in WORK if w.kind in ("train", "predict", "layer")])
def test_our_side_can_do_all_work(name):
    work = small(BY_NAME[name])
    try:
        job = make_job(OURS, work)
    except Skip as reason:
        pytest.skip(str(reason))
    job.run()
    assert job.units == work.members


@pytest.mark.parametrize("side", ["chainrule", "loop"])
def test_so_it_can_epochs(side):
    try:
        job = make_job(SIDES[side], small(BY_NAME["fit-4-10-3"]))
    except Skip as reason:
        pytest.skip(str(reason))
    job.run()
    assert job.units == 1


def test_a_convolution_tells_its_scratch_memory():
    assert ours.scratch_memory(lambda: bytes(1000)) < 500
    assert ours.scratch_memory(lambda: len(bytes(100_000))) >= 100_000


@pytest.mark.parametrize("model", ["mlp", "ensemble", "cnn", "conv", "lstm", "transformer"])
def test_all_sides_get_the_same_data(model):
    work = small(next(work for work in WORK if work.model == model))
    x, y = inputs(work), targets(work)
    assert x.shape[:2] == y.shape[:2] == (1, 2)
    assert (x == inputs(work)).all()
    assert (y == targets(work)).all()


def test_rows_of_a_fit_are_those_of_its_batches():
    X, y = samples(replace(BY_NAME["fit-4-10-3"], batches=3))
    assert X.shape == (96, 4)
    assert y.shape == (96,)


def test_the_floor_multiplies_what_a_step_multiplies():
    assert floor.chain(32, (4, 10, 3)) == [
        (1, 32, 4, 10),
        (1, 4, 32, 10),
        (1, 32, 10, 3),
        (1, 10, 32, 3),
        (1, 32, 3, 10),
    ]
    assert make_job(SIDES["floor"], TINY).units == 2


def test_bare_numpy_takes_the_very_same_steps(monkeypatch):
    monkeypatch.setattr(bare, "LEARNING_RATE", 0.01)
    work = replace(TINY, batches=5)
    written_out, network = bare.BareMLP(work.sizes), ours.build(work)
    written_out.values[...] = network.flat.values
    loss, optimizer = ours.loss_of(work), ours.chainrule.Adam(0.01)
    for x, y in zip(inputs(work), targets(work), strict=True):
        value, gradient = loss.value_and_gradient(y, network.forward(x))
        network.backward(gradient)
        optimizer.step(network)
        assert written_out.step(x, y) == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(written_out.values, network.flat.values, rtol=1e-4, atol=1e-6)
    assert make_job(SIDES["bare"], TINY).units == 2
    with pytest.raises(Skip, match="MLP"):
        make_job(SIDES["bare"], BY_NAME["lstm"])


def test_many_networks_at_once_beside_one_alone():
    work = replace(small(BY_NAME["ensemble-4-10-3"]), members=3)
    assert inputs(work).shape == (1, 2, 3, 4)
    assert targets(work).shape == (1, 2, 3)
    jobs = {side: make_job(SIDES[side], work) for side in ("chainrule", "one", "floor")}
    assert {side: job.units for side, job in jobs.items()} == {
        "chainrule": 3, "one": 1, "floor": 3,
    }  # fmt: skip
    for job in jobs.values():
        job.run()
    assert floor.products(work)[0] == (3, 2, 4, 10)
    with pytest.raises(Skip, match="beside an ensemble"):
        make_job(SIDES["one"], TINY)


def test_bare_numpy_predicts_the_very_same():
    work = small(BY_NAME["predict-silu-100"])
    written_out, network = bare.BareSiLU(work.sizes), ours.build(work)
    linear = [layer for layer in network if isinstance(layer, ours.chainrule.Linear)]
    written_out.weights = [layer.weight.value for layer in linear]
    (x,) = inputs(work)
    np.testing.assert_allclose(written_out.predict(x), network.predict(x), rtol=1e-5, atol=1e-6)
    assert make_job(SIDES["bare"], work).units == 1
    with pytest.raises(Skip, match="SiLU"):
        make_job(SIDES["bare"], BY_NAME["predict-1"])


@pytest.mark.parametrize("axis", ["batch", "width", "depth"])
def test_growing_work_grows_and_its_exponent_is_found(axis):
    series = growing(axis)
    amounts = [sum(2 * m * k * n for _, m, k, n in floor.products(w)) for w in series.values()]
    assert amounts == sorted(set(amounts))
    points = {n: made_up(work, chainrule=[3.0 * n**1.5]) for n, work in series.items()}
    assert Growth(axis, points).exponent("chainrule") == pytest.approx(1.5)


def test_the_ratio_is_the_median_over_rounds_not_of_medians():
    measured = made_up(chainrule=[1.0, 2.0, 10.0], torch=[3.0, 4.0, 50.0])
    assert measured.ratio("torch") == 3.0
    assert measured.median("torch") == 4.0
    assert report.in_short(measured) == "2 s, torch 3.00×"


@pytest.mark.parametrize(
    ("goals", "theirs", "said"),
    [
        ({"torch": 3.0}, 3.1, ["PyTorch takes ≥ 3.0 × our time", "3.10 ×", "yes"]),
        ({"torch": 3.0}, 2.9, ["2.90 ×", "**no**"]),
        ({"torch": 1 / 1.5}, 0.8, ["we take ≤ 1.5 × the time of PyTorch", "1.25 ×", "yes"]),
        ({"torch": 1 / 1.5}, 0.5, ["2.00 ×", "**no**"]),
    ],
)
def test_goals_are_judged(goals, theirs, said):
    row = made_up(replace(TINY, goals=goals), chainrule=[1.0], torch=[theirs])
    line = report.goals([row]).splitlines()[-1]
    assert all(text in line for text in said)


def test_limits_are_judged():
    row = made_up(BY_NAME["import"], chainrule=[0.14], floor=[0.1])
    assert "**no**" in report.goals([row])
    assert "40.0" in report.goals([row])
    assert report.goals([made_up(BY_NAME["import"], chainrule=[0.1])]) == ""
    row = made_up(BY_NAME["convolution"], chainrule=[1.0])
    row.figures["chainrule"] = {"scratch_bytes": 12e6}
    assert "12.0" in report.goals([row])
    assert "yes" in report.goals([row])


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0, "2 s"), (0.0123, "12.3 ms"), (4.5e-5, "45 µs"), (5e-7, "0.50 µs")]
)
def test_times_are_shown_in_the_unit_that_fits(value, shown):
    assert report.seconds(value) == shown


def test_everything_is_reported(tmp_path):
    row = made_up(chainrule=[1.0, 1.1], floor=[0.5, 0.5], torch=[2.0, 2.2])
    row.memory["chainrule"] = 40_000_000
    row.notes["torch"] = "channels_last"
    row.skipped["jax"] = "it failed: ValueError: no"
    points = {n: made_up(work, chainrule=[float(n)]) for n, work in growing("depth").items()}
    growths = [Growth("depth", points)]
    text = report.everything([row], growths, list(SIDES.values()))
    for expected in (
        row.work.title,
        "2.00×",
        "40",
        "channels_last",
        "it failed: ValueError",
        "1.00",
    ):
        assert expected in text
    figures = report.as_json([row], growths, list(SIDES.values()))
    assert figures["work"][0]["sides"]["torch"]["times_ours"] == 2.0
    assert len(figures["growth"][0]["points"]) == len(points)
    pytest.importorskip("matplotlib")
    report.plot([row], growths, tmp_path / "with.png")
    report.plot([row], [], tmp_path / "without.png")
    assert (tmp_path / "with.png").stat().st_size > (tmp_path / "without.png").stat().st_size > 0


def test_the_documents_table_is_replaced_between_its_marks():
    page = f"above\n{command.BEGIN}old\n{command.END}\nbelow\n"
    assert command.replaced(page, "new") == f"above\n{command.BEGIN}\nnew\n\n{command.END}\nbelow\n"
    with pytest.raises(SystemExit, match="needs the lines"):
        command.replaced("nothing here", "new")
    command.replaced(
        (ROOT / "docs" / "results" / "speed.md").read_text("utf-8"), "new"
    )  # it has the marks


def test_options():
    assert command.arguments(["784-*"]).work == ["784-*"]
    assert [side.name for side in command.chosen_sides(["torch"])] == ["chainrule", "torch"]
    assert [side.name for side in command.chosen_sides([])] == ["chainrule"]
    assert command.chosen_sides(None)[0] is OURS
    for wrong in (["no-such-row"], ["--rounds", "0"], ["--peers", "nobody"]):
        with pytest.raises(SystemExit):
            command.arguments(wrong)


def test_an_estimator_beside_scikit_learns_mlp(monkeypatch, capsys):
    rows = np.random.default_rng(0).standard_normal((40, 3))
    tiny = [
        ("tiny classes", rows, (rows[:, 0] > 0).astype(int), (4,), 2, 8),
        ("tiny numbers", rows, rows[:, 0], (4,), 2, 8),
    ]
    monkeypatch.setattr(estimators_speed, "works", lambda: tiny)
    monkeypatch.setattr(sys, "argv", ["estimators_speed.py", "1"])
    estimators_speed.main()
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 5
    assert told[1].startswith("tiny classes")
