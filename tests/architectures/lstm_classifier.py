"""An LSTM that reads sequences of different lengths and says how they began."""

import numpy as np

from architectures import Architecture, sequences
from chainrule import LSTM, CategoricalCrossEntropy, LastStep, Linear, Network, Softmax
from chainrule.metrics import accuracy

STEPS = 8


def build(seed):
    return Network([LSTM(2, 12), LastStep(), Linear(12, 2), Softmax()], seed=seed)


def data(seed, count=240):
    """The sign of the first number, then noise; behind each sequence's end stands rubbish."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, STEPS, 2)).astype(np.float32)
    y = rng.integers(0, 2, count)
    x[:, 0, 0] = 2.0 * y - 1
    lengths, padding = sequences(rng, count, STEPS)
    x[padding] = 99.0
    return {"x": x, "lengths": lengths}, y


def reached(trainer):
    X, y = data(1)
    return accuracy(y, trainer.predict(X)) > 0.95


ARCHITECTURE = Architecture(
    build, data, CategoricalCrossEntropy, epochs=15, reached=reached, learning_rate=0.02
)
