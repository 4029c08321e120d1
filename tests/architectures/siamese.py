"""A siamese network: one encoder looks at both of a pair, and alike ones come to lie together.

Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006.
"""

import numpy as np

from architectures import Architecture
from chainrule import Graph, JointLoss, Linear, Network, Node, Sequential, Tanh

MARGIN = 1.0


class ContrastiveLoss(JointLoss):
    """loss_n = d² for a pair of the same kind, and max(margin - d, 0)² for others; d = |a - b|."""

    def losses(self, y_true, y_pred):
        d = np.linalg.norm(y_pred["a"] - y_pred["b"], axis=1)
        return np.where(y_true == 1, d**2, np.maximum(MARGIN - d, 0) ** 2)

    def gradients(self, y_true, y_pred):
        difference = y_pred["a"] - y_pred["b"]
        d = np.linalg.norm(difference, axis=1)
        apart = -2 * np.maximum(MARGIN - d, 0) / np.maximum(d, 1e-12)
        slope = np.where(y_true == 1, 2, apart).astype(difference.dtype)
        da = slope[:, np.newaxis] * difference
        return {"a": da, "b": -da}


def build(seed):
    encoder = Sequential([Linear(2, 16), Tanh(), Linear(16, 2)])
    graph = Graph(
        inputs=["left", "right"],
        nodes={"a": Node(encoder, "left"), "b": Node(encoder, "right")},
        outputs=["a", "b"],
    )
    return Network(graph, seed=seed)


def data(seed, count=320):
    """Points on two circles, one in the other: the same circle, or not?"""
    rng = np.random.default_rng(seed)
    circles, angles = rng.integers(0, 2, (2, count)), rng.uniform(0, 2 * np.pi, (2, count))
    radii = 0.5 + circles
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1)
    left, right = points.astype(np.float32)
    return {"left": left, "right": right}, (circles[0] == circles[1]).astype(int)


def reached(trainer):
    X, same = data(1)
    codes = trainer.predict(X)
    distance = np.linalg.norm(codes["a"] - codes["b"], axis=1)
    return ((distance < MARGIN / 2) == same).mean() > 0.95


ARCHITECTURE = Architecture(
    build, data, ContrastiveLoss, epochs=30, reached=reached, learning_rate=0.02
)
