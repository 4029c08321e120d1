"""A graph: two inputs, one encoder for both, and a loss that takes both outputs.

    python examples/05_graph.py

A siamese network (Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant
Mapping", 2006) learns which points are alike: the codes of a pair of the same kind end up close
together, others far apart. The encoder is one module at two nodes: its gradients are summed.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import (
    Adam,
    Graph,
    JointLoss,
    Linear,
    Network,
    Node,
    Sequential,
    Tanh,
    Trainer,
    check_module,
)

MARGIN = 1.0


class ContrastiveLoss(JointLoss):
    """loss_n = d² for a pair of the same kind, else max(margin - d, 0)²; d = |a - b|."""

    def losses(self, y_true, y_pred):
        d = np.linalg.norm(y_pred["a"] - y_pred["b"], axis=1)  # (N,)
        return np.where(y_true == 1, d**2, np.maximum(MARGIN - d, 0) ** 2)

    def gradients(self, y_true, y_pred):
        difference = y_pred["a"] - y_pred["b"]  # (N, features)
        d = np.linalg.norm(difference, axis=1)
        apart = -2 * np.maximum(MARGIN - d, 0) / np.maximum(d, 1e-12)
        slope = np.where(y_true == 1, 2, apart).astype(difference.dtype)
        da = slope[:, np.newaxis] * difference
        return {"a": da, "b": -da}


def pairs(count, seed):
    """Return pairs of points on two concentric circles, and 1 for a pair on the same one."""
    rng = np.random.default_rng(seed)
    circle, angle = rng.integers(0, 2, (2, count)), rng.uniform(0, 2 * np.pi, (2, count))
    points = (0.5 + circle)[..., np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return {"left": points[0], "right": points[1]}, (circle[0] == circle[1]).astype(int)


def share_right(trainer, X, same):
    """Return how often the distance of the codes tells correctly whether a pair is of one kind."""
    codes = trainer.predict(X)
    distance = np.linalg.norm(codes["a"] - codes["b"], axis=1)
    return ((distance < MARGIN / 2) == same).mean()


def main():
    """Build the graph, check its gradients, train it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()

    encoder = Sequential([Linear(2, 16), Tanh(), Linear(16, 2)])
    graph = Graph(
        inputs=["left", "right"],
        nodes={"a": Node(encoder, "left"), "b": Node(encoder, "right")},
        outputs=["a", "b"],
    )
    network, loss = Network(graph, seed=0), ContrastiveLoss()
    print(network.summary({"left": (2,), "right": (2,)}))

    X, same = pairs(400, seed=0)
    few = {name: points[:4] for name, points in X.items()}
    print(f"\n{check_module(network, few, loss=loss, y_true=same[:4])}\n")

    trainer = Trainer(network, loss, Adam(0.02), seed=0)
    X_new, same_new = pairs(400, seed=1)
    print(f"new pairs told apart before: {share_right(trainer, X_new, same_new):.3f}")
    trainer.fit(X, same, epochs=options.epochs, progress=False)
    print(f"new pairs told apart after:  {share_right(trainer, X_new, same_new):.3f}")


if __name__ == "__main__":
    main()
