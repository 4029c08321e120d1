"""Sequences of different lengths: an LSTM learns whether a sequence rises at its end.

    python examples/04_sequences.py

Sequences are padded to the longest one. Their lengths are a further input, under the name of the
layers' argument, and reach every layer that takes it: what follows the end is never read.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import (
    LSTM,
    Adam,
    CategoricalCrossEntropy,
    LastStep,
    Linear,
    Network,
    Softmax,
    Trainer,
)
from chainrule.metrics import accuracy

LONGEST = 12


def make_sequences(count, seed):
    """Return sequences (N, T, 1), their lengths, and whether the last step of each goes up.

    What follows the end is noise of the same kind: only the length says where it is.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, LONGEST, 1))
    lengths = rng.integers(3, LONGEST + 1, count)
    rows = np.arange(count)
    y = (x[rows, lengths - 1, 0] > x[rows, lengths - 2, 0]).astype(int)
    return x, lengths, y


def main():
    """Train without the lengths and with them, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    x, lengths, y = make_sequences(400, seed=0)
    x_new, lengths_new, y_new = make_sequences(400, seed=1)
    for name, X, X_new in (
        ("without", x, x_new),
        ("with lengths", {"x": x, "lengths": lengths}, {"x": x_new, "lengths": lengths_new}),
    ):
        network = Network([LSTM(1, 16), LastStep(), Linear(16, 2), Softmax()], seed=0)
        trainer = Trainer(network, CategoricalCrossEntropy(), Adam(0.02), seed=0)
        trainer.fit(X, y, epochs=options.epochs, progress=False)
        print(
            f"{name:>12}: accuracy {accuracy(y_new, trainer.predict(X_new)):.3f} on new sequences"
        )

    some = {"x": x_new[:3], "lengths": lengths_new[:3]}
    print(f"\nthree predictions: {network.predict(some).argmax(axis=1)}, targets {y_new[:3]}")


if __name__ == "__main__":
    main()
