"""Fashion-MNIST: a small convolutional network learns 60,000 images of clothes.

    python examples/03_fashion_mnist.py                # a few minutes; see --help for more

Stop it whenever you like, with Ctrl-C or a kill, and start it again: it continues where it was, and
ends with the same weights, bit for bit, as if it had never been stopped. To start over, delete its
folder, fashion_mnist_run. It leaves the trained network there, and three plots.

Needs NumPy and the data (it says how to get it); for the plots, matplotlib.
"""

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import (
    Adam,
    CategoricalCrossEntropy,
    Checkpoint,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    MissingExtraError,
    Network,
    OneCycle,
    ReLU,
    Softmax,
    Trainer,
    read_mnist,
)
from chainrule.metrics import accuracy
from chainrule.plots import plot_confusion, plot_mistakes

CLASSES = ["T-shirt", "trousers", "pullover", "dress", "coat"]
CLASSES += ["sandal", "shirt", "sneaker", "bag", "boot"]
BATCH = 128


def small_cnn(seed):
    """Return a network for images (N, 1, 28, 28) with fewer than 100,000 parameters."""
    return Network(
        [
            *(Conv2d(1, 24, 3, padding=1), MaxPool2d(2), ReLU()),  # (N, 24, 14, 14)
            *(Conv2d(24, 48, 3, padding=1), MaxPool2d(2), ReLU()),  # (N, 48, 7, 7)
            *(Flatten(), Dropout(0.25), Linear(48 * 7 * 7, 36), ReLU()),
            *(Linear(36, 10), Softmax()),
        ],
        seed=seed,
    )


def read(folder, count):
    """Return the training data, the test data, and the images' mean and standard deviation."""
    try:
        images, labels, *test = read_mnist(folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{error}\nIf they are elsewhere: --data FOLDER.") from None
    images, labels = images[:count], labels[:count]
    scale = float(images.mean()), float(images.std())  # of the training images only
    return (images, labels), test, scale


def as_input(images, mean, std):
    """Return images (N, 28, 28) of bytes as (N, 1, 28, 28), standardized."""
    return (images[:, np.newaxis].astype(np.float32) - mean) / std


def draw(history, images, labels, probabilities, folder):
    """Write the three plots of a run."""
    history.plot().savefig(folder / "learning_curves.png", dpi=110)
    plot_confusion(labels, probabilities, class_names=CLASSES).savefig(
        folder / "confusion.png", dpi=110
    )
    plot_mistakes(images, labels, probabilities, class_names=CLASSES).savefig(
        folder / "mistakes.png", dpi=110
    )
    print(f"plots: learning_curves.png, confusion.png and mistakes.png in {folder}")


def main():
    """Train or continue, then measure once on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--run", type=Path, default="fashion_mnist_run", help="folder for results")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000, help="how many to learn from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    (images, labels), (test_images, test_labels), (mean, std) = read(options.data, options.images)
    X, X_test = as_input(images, mean, std), as_input(test_images, mean, std)

    network = small_cnn(options.seed)
    print(network.summary((1, 28, 28)))
    steps = options.epochs * -(-len(X) * 9 // 10 // BATCH)  # a tenth is held out
    trainer = Trainer(
        network,
        CategoricalCrossEntropy(),
        Adam(OneCycle(0.004, steps)),
        metrics=[accuracy],
        seed=options.seed,
    )
    checkpoint = Checkpoint(options.run, every_steps=50)
    history = trainer.fit(
        X,
        labels,
        epochs=options.epochs,
        batch_size=BATCH,
        validation_split=0.1,
        callbacks=[checkpoint],
        resume=checkpoint.last,
    )
    if history.stop_reason:
        print(f"stopped: {history.stop_reason}. The same command continues from here.")
        return
    probabilities = trainer.predict(X_test)
    print(f"\ntest accuracy {accuracy(test_labels, probabilities):.4f}")
    print(f"fingerprint of the weights {zlib.crc32(network.flat.values.tobytes()):08x}")
    network.metadata |= {"pixel_mean": mean, "pixel_std": std}
    network.save(options.run / "network.npz", class_names=CLASSES)
    try:
        draw(history, test_images, test_labels, probabilities, options.run)
    except MissingExtraError as error:
        print(f"no plots: {error}")


if __name__ == "__main__":
    main()
