"""Every file in examples/ runs, from a checkout, in a process of its own."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from chainrule import Network

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FASHION_MNIST = ROOT / "examples" / "03_fashion_mnist.py"
SHARED_OUT = ROOT / "examples" / "06_workers_and_ranks.py"
FIND_CHECKOUT = "sys.path.insert(0, str(Path(__file__).resolve().parent.parent))"


def start(
    example: Path, folder: Path, *arguments: str, command: Sequence[str] = (sys.executable,)
) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen(
        [*command, str(example), *arguments],
        cwd=folder,  # so that a file it may write is not left in the checkout
        env=environment | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(example: Path, folder: Path, *arguments: str) -> str:
    """Run an example, and return what it prints."""
    process = start(example, folder, *arguments)
    # no example needs more than 20 s on a machine that is not busy
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return printed


@cache
def printed_by(example: Path) -> str:
    """Return what an example prints that needs no arguments; it runs once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return run(example, Path(folder))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_runs(example):
    assert FIND_CHECKOUT in example.read_text(), "so that it runs where nothing is installed"
    if example not in (FASHION_MNIST, SHARED_OUT):  # which need data, below
        assert printed_by(example).strip()


def test_your_own_layer():
    printed = printed_by(ROOT / "examples" / "01_your_own_layer.py")
    assert "Swish(3): all gradients are right\n" in printed
    assert "WrongSwish(3): wrong: input, b\n" in printed
    assert "it looks like: off by the factor 0.125 = 1 / the batch size: mean or sum?" in printed
    assert "start with layers.1.b" in printed


def test_sequences_need_their_lengths():
    printed = printed_by(ROOT / "examples" / "04_sequences.py")
    right = [float(number) for number in re.findall(r"accuracy (\S+) on", printed)]
    assert right[0] < 0.75, "without lengths there is little to learn"
    assert right[1] > 0.9
    answers, truth = re.search(r"three predictions: \[(.*)\], targets \[(.*)\]", printed).groups()
    assert answers == truth, "of the network that has the lengths"


def test_a_graph_that_tells_pairs_apart():
    printed = printed_by(ROOT / "examples" / "05_graph.py")
    assert "all gradients are right" in printed
    assert "shared" in printed
    before, after = (float(number) for number in re.findall(r"told apart \w+: +(\S+)", printed))
    assert before < 0.8
    assert after > 0.95


def test_the_model_of_text_has_learned_from_it():
    printed = printed_by(ROOT / "examples" / "02_character_model.py")
    different = int(re.search(r"(\d+) different ones", printed)[1])
    perplexity = float(re.search(r"held-out sequences: (\S+) characters", printed)[1])
    assert perplexity < 0.2 * different


def test_the_smallest_loop_learns_what_can_be_known():
    printed = run(ROOT / "train_example.py", ROOT)
    reached, best = re.search(r"on new points: accuracy (\S+); .* reaches (\S+)", printed).groups()
    assert float(reached) > float(best) - 0.03


@pytest.fixture
def few_images(tmp_path):
    """Write a folder like Fashion-MNIST's, of 400 images and 50: a bright row tells the class."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 400), ("t10k", 50)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 2 * labels + 4] += 190
        for kind, array in (("images", images), ("labels", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            file = tmp_path / f"{name}-{kind}-idx{array.ndim}-ubyte"
            file.write_bytes(head + array.tobytes())
    return tmp_path


def fingerprint(printed: str) -> str:
    return re.search(r"fingerprint of the weights (\w{8})\n", printed)[1]


@pytest.mark.long
def test_fashion_mnist_killed_and_started_again_ends_with_the_same_weights(few_images):
    arguments = ("--data", str(few_images), "--epochs", "6")
    whole = run(FASHION_MNIST, few_images, *arguments, "--run", "whole")
    process = start(FASHION_MNIST, few_images, *arguments, "--run", "killed")
    while not (few_images / "killed" / "last.npz").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode != 0, "it was to be killed before its end"
    resumed = run(FASHION_MNIST, few_images, *arguments, "--run", "killed")
    assert "resumed from killed" in resumed
    assert fingerprint(resumed) == fingerprint(whole)
    accuracies = [re.search(r"test accuracy (.*)\n", text)[1] for text in (whole, resumed)]
    assert accuracies[0] == accuracies[1]
    metadata = Network.load(few_images / "killed" / "network.npz").metadata
    assert metadata["class_names"][9] == "boot"
    assert metadata["metrics"]["accuracy"] > 0
    pictures = {path.name for path in (few_images / "killed").glob("*.png")}
    if "no plots" not in resumed:
        assert pictures == {"learning_curves.png", "confusion.png", "mistakes.png"}


@pytest.mark.long
def test_workers_and_ranks_learn_what_one_process_does(few_images):
    arguments = ("--data", str(few_images), "--epochs", "2")
    printed = [run(SHARED_OUT, few_images, *arguments, "--workers", n) for n in ("1", "2")]
    if shutil.which("mpiexec") and importlib.util.find_spec("mpi4py"):
        command = ["mpiexec", "-n", "2", sys.executable, "-m", "mpi4py", str(SHARED_OUT)]
        process = start(Path("--ranks"), few_images, *arguments, command=command)
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "2 process(es) of 1 worker(s)" in told
        printed.append(told)
    losses = [re.findall(r"loss (\S+)", text) for text in printed]
    assert all(numbers == losses[0] for numbers in losses)
    assert losses[0]


def test_fashion_mnist_without_the_data_says_how_to_get_it(tmp_path):
    process = start(FASHION_MNIST, tmp_path, "--data", "nowhere")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "There is no train-images-idx3-ubyte" in errors
    assert "apt-get install dataset-fashion-mnist" in errors
    assert "Traceback" not in errors
