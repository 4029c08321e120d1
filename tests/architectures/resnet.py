"""A small ResNet: blocks that add to their input, and where they halve it, to a shortcut of it.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.
"""

import numpy as np

from architectures import Architecture
from chainrule import (
    BatchNorm,
    CategoricalCrossEntropy,
    Conv2d,
    GlobalAvgPool,
    Linear,
    Network,
    ReLU,
    Residual,
    Sequential,
)
from chainrule.metrics import accuracy


def block(inputs, outputs, stride=1):
    body = Sequential(
        [
            Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            BatchNorm(outputs),
            ReLU(),
            Conv2d(outputs, outputs, 3, padding=1, bias=False),
            BatchNorm(outputs),
        ]
    )
    if stride == 1 and inputs == outputs:
        return Residual(body)
    shortcut = [Conv2d(inputs, outputs, 1, stride=stride, bias=False), BatchNorm(outputs)]
    return Residual(body, Sequential(shortcut))


def build(seed):
    return Network(
        [
            *(Conv2d(1, 4, 3, padding=1, bias=False), BatchNorm(4), ReLU()),
            *(block(4, 4), ReLU()),
            *(block(4, 8, stride=2), ReLU()),
            *(GlobalAvgPool(), Linear(8, 3)),
        ],
        seed=seed,
    )


def data(seed, count=180):
    """Stripes across, stripes down, or a chessboard, in noise."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    down, across = np.indices((8, 8)) // 2 % 2
    patterns = np.stack([down, across, down ^ across])
    x = patterns[kind][:, np.newaxis] + 0.5 * rng.standard_normal((count, 1, 8, 8))
    return x.astype(np.float32), kind


def reached(trainer):
    X, y = data(1)
    return accuracy(y, trainer.predict(X)) > 0.95


ARCHITECTURE = Architecture(
    build,
    data,
    lambda: CategoricalCrossEntropy(from_logits=True),
    epochs=8,
    reached=reached,
    batch_size=18,
)
