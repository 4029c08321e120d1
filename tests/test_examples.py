"""Every file in examples/ runs, from a checkout, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FIND_CHECKOUT = "sys.path.insert(0, str(Path(__file__).resolve().parent.parent))"


def run(example: Path, folder: Path) -> str:
    """Run an example without arguments, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=folder,  # so that a file it may write is not left in the checkout
        env=environment | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,  # no example needs more than 20 s on a machine that is not busy
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_runs(example, tmp_path):
    assert FIND_CHECKOUT in example.read_text(), "so that it runs where nothing is installed"
    assert run(example, tmp_path).strip()


def test_your_own_layer(tmp_path):
    printed = run(ROOT / "examples" / "01_your_own_layer.py", tmp_path)
    assert "Swish(3): all gradients are right\n" in printed
    assert "WrongSwish(3): wrong: input, b\n" in printed
    assert "it looks like: off by the factor 0.125 = 1 / the batch size: mean or sum?" in printed
    assert "begin with layers.1.b" in printed
