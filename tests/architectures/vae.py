"""A variational autoencoder: a picture becomes a cloud of codes, and a code a picture again.

Kingma, Welling, "Auto-Encoding Variational Bayes", 2014.
"""

import numpy as np

from architectures import Architecture
from chainrule import Graph, JointLoss, Linear, Module, Network, Node, Sequential, Tanh

PIXELS, CODE = 16, 2


class Sample(Module):
    """z = μ + exp(log σ² / 2) ε with normal ε: (μ, log σ²) to z; outside training z = μ."""

    joins = True

    def __init__(self, *, seed=None):
        self.rng = np.random.default_rng(seed)

    def forward(self, x, training=True):
        mean, log_variance = x
        if not training:
            return mean
        noise = self.rng.standard_normal(mean.shape).astype(mean.dtype)
        deviation = np.exp(log_variance / 2) * noise
        self.save_for_backward(deviation, training=training)
        return mean + deviation

    def backward(self, dy):
        (deviation,) = self.saved_values()
        return dy, dy * deviation / 2


class EvidenceBound(JointLoss):
    """Σ (y - x)² / 2 + KL(N(μ, σ²) | N(0, 1)), the second being Σ (μ² + σ² - log σ² - 1) / 2."""

    def losses(self, y_true, y_pred):
        mean, log_variance = y_pred["mean"], y_pred["log_variance"]
        divergence = mean**2 + np.exp(log_variance) - log_variance - 1
        error = (y_pred["picture"] - y_true) ** 2
        return (error.sum(axis=1) + divergence.sum(axis=1)) / 2

    def gradients(self, y_true, y_pred):
        return {
            "picture": y_pred["picture"] - y_true.astype(y_pred["picture"].dtype),
            "mean": y_pred["mean"],
            "log_variance": (np.exp(y_pred["log_variance"]) - 1) / 2,
        }


def build(seed):
    graph = Graph(
        inputs="x",
        nodes={
            "seen": Node(Sequential([Linear(PIXELS, 24), Tanh()]), "x"),
            "mean": Node(Linear(24, CODE), "seen"),
            "log_variance": Node(Linear(24, CODE), "seen"),
            "code": Node(Sample(), "mean", "log_variance"),
            "picture": Node(Sequential([Linear(CODE, 24), Tanh(), Linear(24, PIXELS)]), "code"),
        },
        outputs=["picture", "mean", "log_variance"],
    )
    return Network(graph, seed=seed)


def data(seed, count=240):
    """A bump on a line of pixels: its place and its height are all that there is to know."""
    rng = np.random.default_rng(seed)
    place, height = rng.uniform(3, 12, (count, 1)), rng.uniform(2, 6, (count, 1))
    x = height * np.exp(-((np.arange(PIXELS) - place) ** 2) / 8)
    return x.astype(np.float32), x.astype(np.float32)


def reached(trainer):
    X, _ = data(1)
    made = trainer.predict(X)
    explained = 1 - ((made["picture"] - X) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
    unused = np.abs(made["mean"].mean(axis=0)).max()
    return explained > 0.85 and unused < 0.5


ARCHITECTURE = Architecture(
    build, data, EvidenceBound, epochs=40, reached=reached, own_modules=[Sample]
)
