"""A small convolutional network reads scikit-learn's digits: only right layers learn that well."""

import numpy as np
from sklearn.datasets import load_digits

from chainrule import (
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Conv2d,
    CosineDecay,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Network,
    ReLU,
    Trainer,
    train_test_split,
)
from chainrule.metrics import accuracy


def test_a_small_cnn_reads_digits_it_has_not_seen():
    digits = load_digits()
    images = (digits.images[:, np.newaxis] / 16 - 0.3).astype(np.float32)  # (1797, 1, 8, 8)
    X_train, X_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, seed=0
    )
    network = Network(
        [
            *(Conv2d(1, 32, 3, padding=1), BatchNorm(32), ReLU(), MaxPool2d(2)),
            *(Conv2d(32, 64, 3, padding=1), BatchNorm(64), ReLU(), MaxPool2d(2)),
            *(Flatten(), Dropout(0.4), Linear(256, 10)),
        ],
        seed=0,
    )
    epochs, batch_size = 20, 32
    steps = epochs * -(-len(X_train) // batch_size)
    optimizer = Adam(CosineDecay(0.005, steps))
    trainer = Trainer(network, CategoricalCrossEntropy(from_logits=True), optimizer, seed=0)

    trainer.fit(X_train, y_train, epochs=epochs, batch_size=batch_size, progress=False)
    assert accuracy(y_test, trainer.predict(X_test)) >= 0.985
