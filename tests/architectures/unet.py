"""A U-Net: down to what a picture shows, and up again to where it shows it.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.
"""

import numpy as np

from architectures import Architecture
from chainrule import (
    BinaryCrossEntropy,
    Concatenate,
    Conv2d,
    ConvTranspose2d,
    Graph,
    MaxPool2d,
    Network,
    Node,
    ReLU,
    Sequential,
)


def convolved(inputs, outputs):
    return Sequential([Conv2d(inputs, outputs, 3, padding=1), ReLU()])


def build(seed):
    graph = Graph(
        inputs="picture",
        nodes={
            "fine": Node(convolved(1, 6), "picture"),
            "half": Node(MaxPool2d(2), "fine"),
            "middle": Node(convolved(6, 8), "half"),
            "quarter": Node(MaxPool2d(2), "middle"),
            "bottom": Node(convolved(8, 12), "quarter"),
            "up1": Node(ConvTranspose2d(12, 8, 2, stride=2), "bottom"),
            "join1": Node(Concatenate(), "up1", "middle"),
            "wide1": Node(convolved(16, 8), "join1"),
            "up2": Node(ConvTranspose2d(8, 6, 2, stride=2), "wide1"),
            "join2": Node(Concatenate(), "up2", "fine"),
            "wide2": Node(convolved(12, 6), "join2"),
            "scores": Node(Conv2d(6, 1, 1), "wide2"),
        },
        outputs="scores",
    )
    return Network(graph, seed=seed)


def data(seed, count=128):
    """A filled square in noise; thin crosses of the same brightness do not count."""
    rng = np.random.default_rng(seed)
    x = 0.3 * rng.standard_normal((count, 1, 12, 12)).astype(np.float32)
    y = np.zeros((count, 1, 12, 12), np.float32)
    for image, truth in zip(x[:, 0], y[:, 0], strict=True):
        row, column = rng.integers(0, 8, 2)
        image[rng.integers(0, 12)] += 1
        image[:, rng.integers(0, 12)] += 1
        image[row : row + 4, column : column + 4] = 1
        truth[row : row + 4, column : column + 4] = 1
    return x, y


def reached(trainer):
    X, y = data(1)
    found = trainer.predict(X) > 0
    overlap = (found & (y == 1)).sum() / (found | (y == 1)).sum()
    return overlap > 0.8


ARCHITECTURE = Architecture(
    build, data, lambda: BinaryCrossEntropy(from_logits=True), epochs=15, reached=reached
)
