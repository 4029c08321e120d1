"""ONNX's node cases: none fails, and what once passed goes on passing."""

import dataclasses
import json

import numpy as np
import pytest

import chainrule
from benchmarks.onnx_conformance import report
from benchmarks.onnx_conformance.__main__ import conformance, main
from benchmarks.onnx_conformance.adapters import COUNTERPARTS
from benchmarks.onnx_conformance.cases import NodeCase, collect
from benchmarks.onnx_conformance.outcome import (
    FAILED,
    IN_PART,
    NOT_EXPRESSIBLE,
    PASSED,
    Counterpart,
    Expression,
    NotExpressible,
    predicts,
    run,
)

pytestmark = pytest.mark.onnx
onnx = pytest.importorskip("onnx")

MAIN = "benchmarks.onnx_conformance.__main__"


@pytest.fixture(scope="module")
def collected():
    return collect()


@pytest.fixture(scope="module")
def found(collected):
    return conformance(*collected)


@pytest.fixture(scope="module")
def recorded():
    return json.loads(report.RESULTS.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the cases


def test_no_case_fails(found):
    assert [result for result in found.results if result.outcome == FAILED] == []


def test_what_passed_still_passes(found, recorded):
    """A version of onnx other than the recorded one may lack some of the cases."""
    now = {result.name: result for result in found.results}
    before = [row for row in recorded["results"] if row["name"] in now]
    kept = [row for row in before if row["outcome"] in (PASSED, IN_PART)]
    assert len(kept) > 100
    lost = [row for row in kept if now[row["name"]].outcome not in (row["outcome"], PASSED)]
    assert lost == []


def test_every_case_is_accounted_for(found, recorded):
    names = [result.name for result in found.results]
    assert len(set(names)) == len(names)
    assert {result.operator for result in found.results} <= set(COUNTERPARTS)
    if onnx.__version__ == recorded["onnx"]:
        assert found.total == recorded["cases"]
        assert set(names) == {row["name"] for row in recorded["results"]}
        assert set(COUNTERPARTS) == {row["operator"] for row in recorded["results"]}
        assert report.page(found) == report.PAGE.read_text(encoding="utf-8")
        assert report.to_json(found) == report.RESULTS.read_text(encoding="utf-8")


def test_only_what_did_not_run_is_not_expressible(found):
    for result in found.results:
        assert bool(result.part) == (result.outcome in (PASSED, IN_PART)), result
        assert bool(result.note) == (result.outcome != PASSED), result


def test_nothing_passes_without_what_is_tested(collected, found, monkeypatch):
    def switched_off(self, *args, **kwargs):
        raise RuntimeError("switched off")

    for part in {part for counterpart in COUNTERPARTS.values() for part in counterpart.parts}:
        for method in ("forward", "losses", "step"):
            if hasattr(getattr(chainrule, part), method):
                monkeypatch.setattr(getattr(chainrule, part), method, switched_off)
    ran = [result.name for result in found.results if result.part]
    off = [result for result in conformance(*collected).results if result.part]
    assert [result.name for result in off] == ran
    assert {result.outcome for result in off} == {FAILED}
    assert {result.note for result in off} == {"RuntimeError: switched off"}


# ---------------------------------------------------------------- the judge itself

X = np.array([[-1.0, 2.0]], np.float32)
Y = np.array([[0.0, 2.0]], np.float32)
CASE = NodeCase("test_relu", "Relu", {}, (X,), {"y": Y}, (0,), rtol=1e-3, atol=1e-7)
RELU = Counterpart(("ReLU",), lambda case: predicts(chainrule.ReLU(), case.input(0)))


def outcome(counterpart=RELU, **changes):
    return run(dataclasses.replace(CASE, **changes), counterpart)


def test_equal_outputs_pass():
    assert outcome().outcome == PASSED
    assert outcome().part == "ReLU"


@pytest.mark.parametrize(
    "y",
    [Y + np.float32(0.01), Y[0], Y.astype(np.float64), -Y, Y * np.float32("nan")],
    ids=["value", "shape", "type", "sign", "nan"],
)
def test_outputs_that_differ_fail(y):
    assert outcome(outputs={"y": y}).outcome == FAILED


def test_a_wrong_module_fails(monkeypatch):
    monkeypatch.setattr(chainrule.ReLU, "forward", lambda self, x, training=True: x)
    result = outcome()
    assert (result.outcome, result.part) == (FAILED, "ReLU")
    assert "Not equal" in result.note


def test_an_error_is_a_failure_not_an_excuse():
    result = outcome(Counterpart(("Linear",), lambda case: predicts(chainrule.Linear(3, 1), X)))
    assert result.outcome == FAILED
    assert "expected 3 features" in result.note


def test_a_module_that_is_not_named_fails():
    assert outcome(Counterpart(("Tanh",), RELU.express)).outcome == FAILED


def test_a_further_output_makes_it_in_part():
    result = outcome(outputs={"y": Y, "mask": Y > 0}, positions=(0, 1))
    assert (result.outcome, result.note) == (IN_PART, "without mask")
    result = outcome(outputs={"y": Y + 1, "mask": Y > 0}, positions=(0, 1))
    assert result.outcome == FAILED


def test_nothing_to_compare_fails():
    result = outcome(outputs={"mask": Y > 0}, positions=(1,))
    assert (result.outcome, "nothing came out" in result.note) == (FAILED, True)
    nothing = Counterpart(("ReLU",), lambda c: Expression(chainrule.ReLU(), list, (), list))
    assert outcome(nothing).outcome == FAILED


def test_what_cannot_be_said_is_not_run():
    def refuse(case):
        raise NotExpressible("a reason")

    result = outcome(Counterpart(("ReLU",), refuse))
    assert (result.outcome, result.part, result.note) == (NOT_EXPRESSIBLE, "", "a reason")
    assert outcome(inputs=(X.astype(np.float16),)).note == "float16"
    assert outcome(inputs=([X],)).note == "a sequence of tensors"


# ---------------------------------------------------------------- the report


def test_the_table_counts_every_case(found):
    *_, total = report.table(found).splitlines()
    numbers = [int(cell) for cell in total.split("|")[3:8]]
    assert numbers[0] == len(found.results) == sum(numbers[1:])


def test_the_command_tells_of_failures(found, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(f"{MAIN}.collect", lambda: ([], 0))
    broken = dataclasses.replace(found.results[0], outcome=FAILED, part="Linear", note="wrong")
    for results, status in ((found.results, 0), ([broken], 1)):
        made = dataclasses.replace(found, results=results)
        monkeypatch.setattr(f"{MAIN}.conformance", lambda *collected, made=made: made)
        assert main(["Relu"]) == status
        assert ("test_relu" in capsys.readouterr().out) == (status == 0)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "onnx.md")
    main(["--write"])
    assert json.loads(report.RESULTS.read_text())["results"][0]["note"] == "wrong"
    assert report.PAGE.read_text().startswith("# ONNX's node cases")
