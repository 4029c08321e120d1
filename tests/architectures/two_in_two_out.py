"""A picture and a row of numbers go in; a kind and a size come out, each with its own loss."""

import numpy as np

from architectures import Architecture
from chainrule import (
    CategoricalCrossEntropy,
    Concatenate,
    Conv2d,
    Graph,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    ReLU,
    Reshape,
    Sequential,
)
from chainrule.metrics import accuracy, r2_score


def build(seed):
    seen = Sequential([Conv2d(1, 4, 3), ReLU(), Reshape([4 * 4 * 4])])
    graph = Graph(
        inputs=["picture", "row"],
        nodes={
            "seen": Node(seen, "picture"),
            "read": Node(Sequential([Linear(3, 8), ReLU()]), "row"),
            "both": Node(Concatenate(), "seen", "read"),
            "common": Node(Sequential([Linear(72, 16), ReLU()]), "both"),
            "kind": Node(Linear(16, 2), "common"),
            "size": Node(Linear(16, 1), "common"),
        },
        outputs=["kind", "size"],
    )
    return Network(graph, seed=seed)


def data(seed, count=240):
    """A bar, upright or lying, in a noisy picture; the size is its brightness times the row's."""
    rng = np.random.default_rng(seed)
    kind, bright = rng.integers(0, 2, count), rng.uniform(1, 2, count)
    picture = 0.1 * rng.standard_normal((count, 1, 6, 6)).astype(np.float32)
    for image, lying, light in zip(picture[:, 0], kind, bright, strict=True):
        (image if lying else image.T)[rng.integers(0, 6)] += light
    row = rng.standard_normal((count, 3)).astype(np.float32)
    size = (bright + row[:, 0])[:, np.newaxis].astype(np.float32)
    return {"picture": picture, "row": row}, {"kind": kind, "size": size}


def reached(trainer):
    X, y = data(1)
    y_pred = trainer.predict(X)
    right = accuracy(y["kind"], y_pred["kind"]) > 0.95
    return right and r2_score(y["size"], y_pred["size"]) > 0.9


ARCHITECTURE = Architecture(
    build,
    data,
    lambda: {"kind": CategoricalCrossEntropy(from_logits=True), "size": MeanSquaredError()},
    epochs=20,
    reached=reached,
    loss_weights={"size": 0.5},
)
