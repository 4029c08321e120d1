"""Kill a rank of a training at a random moment, again and again, and resume it each time.

    python -m benchmarks.scaling.kill_ranks --times 20

Each start resumes from the last checkpoint, on two or three ranks, and one of them is killed: while
it imports, looks at the data, takes steps or writes. The job has to end within seconds. In the end
the training runs to its end, in one process, and must have learned what an uninterrupted training
learns, to 1e-10 in float64. Exits with 1 if any of this fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS, STEPS = 100, 12
SLOWER = 0.002
"""Seconds that each step takes longer, so that the training outlives all kills."""

SOON = 10.0
"""Seconds within which a job has to end after a kill."""

LATEST = 2.5
"""Seconds after a rank's first line of Python until it is killed, at the most."""


def train(folder: Path) -> None:
    """Train, or resume; this is what each rank does."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    (folder / f"pid{world.Get_rank()}").write_text(str(os.getpid()))
    import numpy as np

    from chainrule import (
        Adam,
        BatchNorm,
        Callback,
        Dropout,
        Linear,
        MeanSquaredError,
        Network,
        ReLU,
        Trainer,
    )
    from chainrule.training import Checkpoint
    from chainrule.training.state import TrainingState

    class Slower(Callback):
        def on_step_end(self, state: TrainingState) -> None:
            time.sleep(SLOWER)

    rng = np.random.default_rng(0)
    X = rng.standard_normal((190, 6))
    y = np.sin(X[:, :2]) + 0.1 * rng.standard_normal((190, 2))
    layers = [Linear(6, 16, bias=False), BatchNorm(16), ReLU(), Dropout(0.2), Linear(16, 2)]
    network = Network(layers, seed=0, dtype="float64")
    trainer = Trainer(
        network,
        MeanSquaredError(),
        Adam(0.003),
        communicator=world,
        sync_batch_norm=True,
        seed=0,
    )
    trainer.fit(
        X,
        y,
        epochs=EPOCHS,
        batch_size=16,
        progress=False,
        callbacks=[Checkpoint(folder, every_steps=5), Slower()],
        resume=folder / "last.npz",
    )
    if world.Get_rank() == 0:
        learned = {name: value.tolist() for name, value in network.state().items()}
        (folder / "learned.json").write_text(json.dumps(learned))


def start(folder: Path, ranks: int) -> subprocess.Popen[str]:
    """Start the training on so many ranks."""
    for old in folder.glob("pid*"):
        old.unlink()
    program = [sys.executable, "-m", "mpi4py", "-m", "benchmarks.scaling.kill_ranks"]
    return subprocess.Popen(
        ["mpiexec", "-n", str(ranks), *program, "--train", str(folder)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill(process: subprocess.Popen[str], folder: Path, rank: int, seconds: float) -> float | None:
    """Kill a rank; return how many seconds the job then took to end, None if it had ended."""
    file = folder / f"pid{rank}"
    while not file.exists() or not file.read_text():
        time.sleep(0.005)
    time.sleep(seconds)
    try:
        os.kill(int(file.read_text()), signal.SIGKILL)
    except ProcessLookupError:
        process.communicate()
        return None
    began = time.perf_counter()
    process.communicate(timeout=60)
    return time.perf_counter() - began


def steps_done(folder: Path) -> int:
    """Return the step of the last checkpoint."""
    from chainrule.storage.archive import read_archive

    path = folder / "last.npz"
    return read_archive(path, "checkpoint")[1]["step"] if path.exists() else 0


def learned(folder: Path) -> dict[str, list[float]]:
    """Let the training run to its end, and return what it learned."""
    process = start(folder, 1)
    printed = process.communicate()[0]
    if process.returncode:
        raise SystemExit(printed)
    return json.loads((folder / "learned.json").read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train)
        return 0
    import numpy as np

    draw, failures = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as several:
        wanted, folder = learned(Path(one)), Path(several)
        for time_ in range(1, options.times + 1):
            ranks = draw.choice([2, 3])
            rank, seconds = draw.randrange(ranks), draw.uniform(0, LATEST)
            before = steps_done(folder)
            process = start(folder, ranks)
            took = kill(process, folder, rank, seconds)
            after = steps_done(folder)
            ended = "it had ended" if took is None else f"the job ended {took:.2f} s later"
            print(
                f"{time_:>3}: rank {rank} of {ranks} killed after {seconds:.2f} s, steps {before} "
                f"to {after}; {ended}, exit status {process.returncode}",
                flush=True,
            )
            failed = took is not None and (took > SOON or process.returncode == 0)
            failures += failed or after < before
        found = learned(folder)
        difference = max(
            float(np.abs(np.array(found[name]) - np.array(wanted[name])).max()) for name in wanted
        )
    print(f"learned what an uninterrupted process learns, to {difference:.1e}")
    print(f"{failures} of {options.times} went wrong")
    return int(failures > 0 or not difference < 1e-10)


if __name__ == "__main__":
    sys.exit(main())
