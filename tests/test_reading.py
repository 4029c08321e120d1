"""How far a reader has to walk stays within its limits, and the textbook's page computes the same.

The limits are in benchmarks/reading.py. Times are measured by benchmarks/textbook.py, and
asserted nowhere.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import reading, textbook

ROOT = Path(__file__).resolve().parent.parent


def test_no_flow_and_no_text_grows_beyond_its_limit():
    """In a fresh interpreter, where no cache of another test shortens a flow."""
    command = [sys.executable, "-m", "benchmarks.reading", "--files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") > len(reading.LIMITS)
    assert "network.py" in done.stdout


def test_calls_functions_and_files_are_counted():
    from chainrule import ReLU

    layer, x = ReLU(), np.ones((2, 3), np.float32)
    calls = reading.follow(lambda: [layer.forward(x) for _ in range(3)])
    assert calls["layers/activations.py", "ReLU.forward"] == 3
    assert all((reading.PACKAGE / file).is_file() for file, _ in calls)
    assert sys.getprofile() is None


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""One\n\ntwo."""\n\nx = 1  # three\n# four\n', 1),
        ("def f():\n    '''Say it.'''\n    return (\n        1,\n    )\n", 4),
        ("class A:\n    'Doc.'\n\n    text = 'no doc'\n", 2),
        ("if True:\n    'neither'\n    y = lambda: 'a value'\n", 2),
        ('text = """a\n\nb"""\n', 3),
    ],
)
def test_docstrings_comments_and_blank_lines_are_no_code(source, lines):
    assert reading.lines_of_code(source) == lines


@pytest.mark.parametrize("sizes", textbook.SIZES, ids=str)
def test_the_textbooks_network_learns_what_chainrule_does(sizes, monkeypatch):
    monkeypatch.setattr(textbook, "LEARNING_RATE", 0.01)
    sides = textbook.contenders(sizes)
    start = sides["lean"].values.copy()
    for side in sides.values():
        for _ in range(5):
            side.step()
    assert np.abs(sides["lean"].values - start).max() > 0.04
    for side in ("chainrule", "textbook"):
        np.testing.assert_allclose(sides[side].values, sides["lean"].values, rtol=1e-3, atol=1e-4)


def test_the_textbooks_network_checks_what_it_is_given():
    x = np.ones((2, 4), np.float32)
    network = textbook.Network((4, 3), np.ones(15, np.float32))
    for wrong, error in ((x.tolist(), TypeError), (x * np.inf, ValueError), (x[:, :3], ValueError)):
        with pytest.raises(error):
            network.forward(wrong)
    p = network.forward(x)
    for wrong in (np.ones((2, 2)), np.ones((3, 3))):
        with pytest.raises(ValueError, match="expected"):
            network.backward(wrong)
        with pytest.raises(ValueError, match="expected"):
            textbook.cross_entropy_gradient(wrong, p)
    with pytest.raises(ValueError, match="no probabilities"):
        textbook.cross_entropy_gradient(p, 2 * p)
    network.backward(p)
    with pytest.raises(RuntimeError, match="backward needs a forward pass"):
        network.backward(p)
