"""docs/layers.md says what the code and the recorded results say."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

DOCS = Path(__file__).parents[1] / "docs"
COMMAND = "python docs/generate_layers.py"

PARITY_TESTS = """
import pytest
from chainrule import Conv1d, Linear, Network, ReLU, Sequential, Tanh

pytestmark = pytest.mark.torch

@pytest.mark.parametrize("size", [2, 3])
def test_values_and_gradients(size):
    layers = Sequential([Linear(size, 1), Tanh()])
    layers.backward(layers.forward(np.ones((1, size))))

class Own(ReLU):
    pass

def test_values():
    ReLU().predict(np.ones((1, 2)))
    Own().predict(np.ones((1, 2)))
    assert np

def test_a_network_of_one_layer():
    network = Network([Conv1d(1, 1, 1)])  # whose forward is inherited
    network.backward(network.forward(np.ones((1, 1, 2))))
    Network([Own()]).predict(np.ones((1, 2)))
"""


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(DOCS / "generate_layers.py"))


def recorded(name):
    return json.loads((DOCS / name).read_text(encoding="utf-8"))


def test_the_page_is_up_to_date(generator):
    written = (DOCS / "layers.md").read_text(encoding="utf-8")
    assert generator["page"]() == written, f"run `{COMMAND}` and commit the page"


def test_the_page_has_every_public_class(generator):
    listed = {cls.__name__ for find in generator["SECTIONS"].values() for cls in find()}
    parents = (chainrule.Module, chainrule.Loss, chainrule.Optimizer)
    things = [thing for thing in vars(chainrule).values() if isinstance(thing, type)]
    public = {thing.__name__ for thing in things if issubclass(thing, parents)}
    assert public - listed == {"Module", "Loss", "Optimizer"}


def test_every_formula_is_one_sentence(generator):
    for find in generator["SECTIONS"].values():
        for cls in find():
            assert len(generator["formula"](cls)) > 10, cls


def test_recorded_results_are_about_classes_that_exist(generator):
    listed = {cls.__name__ for find in generator["SECTIONS"].values() for cls in find()}
    conformance = recorded("onnx_conformance.json")
    parts = {part for parts in conformance["parts"].values() for part in parts}
    ran = {result["part"] for result in conformance["results"] if "part" in result}
    assert ran <= parts <= listed
    assert set(recorded("torch_parity.json")["classes"]) <= listed
    counted = len(conformance["results"]) + conformance["expanded"] + conformance["elsewhere"]
    assert counted == conformance["cases"]


def test_cells_of_a_class(generator):
    class Loudness(chainrule.Module):
        """y = |x| · gain,
        for every number.

        More about it.
        """

        def __init__(self, gain: float = 2.0, *, axis: int | None = None) -> None: ...

    parity = {"classes": {"Loudness": {"shown": ["gradients", "values"], "tests": 1}}}
    results = [
        {"operator": "Abs", "outcome": "passed", "part": "Loudness"},
        {"operator": "Abs", "outcome": "in part", "part": "Loudness"},
        {"operator": "Abs", "outcome": "passed", "part": "Other"},
        {"operator": "Abs", "outcome": "not expressible"},
    ]
    conformance = {"parts": {"Abs": ["Loudness", "Other"], "Cast": ["Other"]}, "results": results}
    assert generator["formula"](Loudness) == "y = |x| · gain, for every number."
    assert generator["options"](Loudness) == "`gain=2.0`, `*`, `axis=None`"
    assert generator["known"](Loudness, parity) == "values, gradients (1 test)"
    assert generator["known"](Loudness, {"classes": {}}) == "–"
    assert generator["passed"](Loudness, conformance) == "Abs 1/4 (1 in part)"
    assert "y = \\|x\\|" in generator["table"]([["y = |x|"]])


@pytest.mark.torch
@pytest.mark.parametrize(("head", "passes"), [("import numpy as np", True), ("np = None", False)])
def test_recording_what_parity_tests_call(tmp_path, head, passes):
    """What a test calls itself counts, be it as the one layer of a network (Conv1d).

    What runs inside it together with others (Linear, Tanh) does not.
    """
    pytest.importorskip("torch")
    (tmp_path / "test_some.py").write_text(head + PARITY_TESTS)
    output = tmp_path / "parity.json"
    script = [sys.executable, DOCS / "record_torch_parity.py"]
    done = subprocess.run([*script, "--tests", tmp_path, "--output", output], cwd=DOCS.parent)
    assert done.returncode == (0 if passes else 1)
    assert output.exists() == passes
    if passes:
        classes = json.loads(output.read_text(encoding="utf-8"))["classes"]
        assert classes == {
            "Conv1d": {"shown": ["gradients", "values"], "tests": 1},
            "Network": {"shown": ["gradients", "values"], "tests": 1},
            "ReLU": {"shown": ["values"], "tests": 1},
            "Sequential": {"shown": ["gradients", "values"], "tests": 2},
        }
