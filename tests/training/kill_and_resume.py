"""A program that trains, is killed with SIGKILL again and again, and goes on each time.

Run by test_checkpoint.py. Each training runs in a process of its own, forked from this one, so
that a kill is a real one and costs no new start of Python. It is killed after a random step, or
where it writes a checkpoint, or from outside at any moment. Prints one JSON line: how often it
was killed and how, and whether weights and history came out the same, bit for bit.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from chainrule import (
    Adam,
    BatchNorm,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    Linear,
    Network,
    ReduceOnPlateau,
    ReLU,
    Trainer,
)
from chainrule.metrics import accuracy

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
EPOCHS = 8


class KillAt(Callback):
    """Kills its own process after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, callbacks=()) -> None:
    layers = [Linear(4, 16), BatchNorm(16), ReLU(), Dropout(0.4), Linear(16, 2)]
    network = Network(layers, seed=0)
    loss = CategoricalCrossEntropy(from_logits=True)
    trainer = Trainer(network, loss, Adam(0.02), metrics=[accuracy], clip_norm=1.0, seed=1)
    checkpoint = Checkpoint(folder, every_steps=3)
    trainer.fit(
        X,
        Y,
        epochs=EPOCHS,
        batch_size=8,
        validation_split=0.2,
        augment=lambda x, rng: x + rng.normal(0, 0.01, x.shape).astype(x.dtype),
        callbacks=[
            checkpoint,
            EarlyStopping("val_accuracy", patience=50),
            ExponentialMovingAverage(0.9),
            ReduceOnPlateau(patience=1),
            *callbacks,
        ],
        progress=False,
        resume=checkpoint.last,
    )
    history = {k: v for k, v in trainer.history.epochs.items() if k != "seconds"}
    np.savez(folder / "result.npz", **network.state())
    (folder / "history.json").write_text(json.dumps([history, trainer.history.steps]))


def kill_while_writing(number: int) -> None:
    """Kill this process where it is about to flush a checkpoint for the number-th time."""
    flush, left = os.fsync, [number]

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(handle)

    os.fsync = fsync


def in_a_child(folder: Path, kind: str = "", when: float = 0) -> bool:
    """Train in a forked process; return whether it got to the end."""
    child = os.fork()
    if child == 0:
        if kind == "writing":
            kill_while_writing(int(when))
        train(folder, [KillAt(int(when))] if kind == "step" else [])
        os._exit(0)
    if kind == "outside":
        time.sleep(when)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def main(folder: Path, kills_wanted: int) -> None:
    rng_states = random.Random(2)
    whole = folder / "whole"
    began = time.monotonic()
    if not in_a_child(whole):
        sys.exit("the uninterrupted training failed")
    seconds = time.monotonic() - began
    expected = dict(np.load(whole / "result.npz"))
    steps = len(json.loads((whole / "history.json").read_text())[1]["loss"])
    latest = {"step": steps, "writing": steps, "outside": seconds}
    kills = dict.fromkeys(latest, 0)
    runs, equal = 0, []
    while min(kills.values()) < kills_wanted // 3:
        runs += 1
        part = folder / str(runs)
        for attempt in range(6):  # up to five kills in one training, then it may end
            kind = list(latest)[(runs + attempt) % 3] if attempt < 5 else ""
            when = rng_states.random() * latest.get(kind, 0)
            if in_a_child(part, kind, when if kind == "outside" else 1 + when):
                break
            kills[kind] += 1
        equal.append(
            all(np.array_equal(v, expected[k]) for k, v in np.load(part / "result.npz").items())
            and (part / "history.json").read_text() == (whole / "history.json").read_text()
            and not list(part.glob(".*.tmp"))
        )
    print(json.dumps({"kills": kills, "runs": runs, "equal": equal}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
