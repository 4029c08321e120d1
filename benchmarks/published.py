"""Published results, reproduced: networks whose test accuracy others have published.

    python benchmarks/published.py --network mlp --validate     # how the settings were chosen
    python benchmarks/published.py --network mlp --seeds 0 1 2  # the figures of docs/results

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
    History,
    Linear,
    MaxPool2d,
    Network,
    OneCycle,
    ReLU,
    Softmax,
    Trainer,
)
from chainrule.data.augmentation import horizontal_flip, shift
from chainrule.data.files import read_mnist
from chainrule.metrics import accuracy
from chainrule.plots import plot_confusion, plot_mistakes

FOLDERS = {"fashion": "/usr/share/datasets/fashion-mnist", "mnist": "package/data"}
"""Where the files lie if `--folder` doesn't say: of Debian's package, and of npm's, unpacked."""
FASHION = ["T-shirt", "trousers", "pullover", "dress", "coat"]
FASHION += ["sandal", "shirt", "sneaker", "bag", "boot"]
CLASSES = {"fashion": FASHION, "mnist": list("0123456789")}


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
        *(Conv2d(1, 32, 3), MaxPool2d(2), ReLU()),
        *(Conv2d(32, 64, 3), MaxPool2d(2), ReLU()),
        *(Flatten(), Dropout(0.25), Linear(64 * 5 * 5, 128), ReLU()),
        Linear(128, 10),
    ]


def small() -> list:
    return [
        *(Conv2d(1, 32, 3, padding=1, bias=False), MaxPool2d(2), BatchNorm(32), ReLU()),
        *(Conv2d(32, 64, 3, bias=False), MaxPool2d(3), BatchNorm(64), ReLU()),
        *(Flatten(), Dropout(0.3), Linear(64 * 4 * 4, 72, bias=False), BatchNorm(72), ReLU()),
        *(Dropout(0.1), Linear(72, 10)),
    ]


def normalized() -> list:
    return [
        *(Conv2d(1, 32, 3, padding=1, bias=False), MaxPool2d(2), BatchNorm(32), ReLU()),
        *(Conv2d(32, 64, 3, padding=1, bias=False), MaxPool2d(2), BatchNorm(64), ReLU()),
        *(Flatten(), Dropout(0.4), Linear(64 * 7 * 7, 256, bias=False), BatchNorm(256), ReLU()),
        *(Dropout(0.4), Linear(256, 10)),
    ]


def mirrored(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror half of the images: a shirt stays a shirt."""
    return horizontal_flip(x, rng)


def moved(x: np.ndarray, rng: np.random.Generator, pixels: int = 2) -> np.ndarray:
    """Move by up to so many pixels; the border is background."""
    return shift(x, rng, pixels=pixels, fill=float(x.min()))


def mirrored_and_moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror half of the images, and move each by up to one pixel."""
    return moved(mirrored(x, rng), rng, pixels=1)


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained."""

    layers: Callable[[], list]
    published: float
    epochs: int
    peak: float  # learning rate of the one-cycle schedule
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None


RECIPES = {
    "mlp": Recipe(mlp, published=0.8833, epochs=30, peak=0.003),
    "convolutional": Recipe(
        convolutional, 0.916, epochs=20, peak=0.004, augment=mirrored_and_moved
    ),
    "small": Recipe(small, 0.925, epochs=14, peak=0.006, augment=mirrored),
    "normalized": Recipe(normalized, 0.934, epochs=24, peak=0.006, augment=mirrored),
}


def load(folder: Path) -> list[np.ndarray]:
    """Return training images (60000, 1, 28, 28) and labels, test images and labels."""
    try:
        images, labels, test_images, test_labels = read_mnist(folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{error} Then give their folder with --folder.") from None
    mean, std = images.mean(), images.std()  # of the training images alone
    X, X_test = (
        ((x[:, np.newaxis] - mean) / std).astype(np.float32) for x in (images, test_images)
    )
    return [X, labels.astype(int), X_test, test_labels.astype(int)]


def run(
    name: str,
    data: str,
    arrays: list[np.ndarray],
    seed: int,
    epochs: int,
    validate: bool,
    pictures: Path | None = None,
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
        metrics=[accuracy],
        seed=seed,
    )
    augment = moved if recipe.augment and data == "mnist" else recipe.augment  # no digit mirrored
    began = time.perf_counter()
    history = trainer.fit(
        X,
        y,
        epochs=epochs,
        batch_size=128,
        validation_data=(X_test, y_test) if validate else None,
        augment=augment,
        progress="lines",
    )
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
    if pictures is not None:
        draw(pictures / f"{data}_{name}_{seed}", CLASSES[data], history, X_test, y_test, scores)
    return result


def draw(
    stem: Path,
    names: list[str],
    history: History,
    images: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Write learning curves, confusion matrix and worst mistakes of a run."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    history.plot().savefig(f"{stem}_curves.png", dpi=110)
    plot_confusion(labels, scores, class_names=names).savefig(f"{stem}_confusion.png", dpi=110)
    probabilities = Softmax().predict(scores)
    mistakes = plot_mistakes(images, labels, probabilities, class_names=names)
    mistakes.savefig(f"{stem}_mistakes.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=RECIPES, required=True)
    parser.add_argument("--data", choices=FOLDERS, default="fashion")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--pictures", type=Path, help="a folder to draw each run into")
    chosen = parser.parse_args()
    arrays = load(chosen.folder or Path(FOLDERS[chosen.data]))
    epochs = chosen.epochs or RECIPES[chosen.network].epochs
    results = [
        run(chosen.network, chosen.data, arrays, seed, epochs, chosen.validate, chosen.pictures)
        for seed in chosen.seeds
    ]
    spread = np.std(results, ddof=1) if len(results) > 1 else float("nan")
    print(f"mean {np.mean(results):.4f}, spread {spread:.4f} over {len(results)} seeds")
    if chosen.data == "fashion":
        print(f"published: {RECIPES[chosen.network].published:.4f}")


if __name__ == "__main__":
    main()
