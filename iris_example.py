"""Learn Iris: 150 flowers, four measurements each, three species.

    python iris_example.py
    python iris_example.py --hidden 32 16 --optimizer momentum --learning-rate 0.05

Needs NumPy and scikit-learn (for the data alone).
"""

import argparse

import numpy as np
from sklearn.datasets import load_iris

from chainrule.data import Standardizer, batches, train_test_split
from chainrule.initializers import BY_NAME as INITIALIZERS
from chainrule.loss_functions import CategoricalCrossEntropy
from chainrule.metrics import accuracy, confusion_matrix
from chainrule.network import Network
from chainrule.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop

OPTIMIZERS = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def train(
    X,
    y,
    *,
    hidden=(16,),
    epochs=100,
    learning_rate=0.01,
    weight_decay=0.01,
    optimizer="adam",
    initialization="kaiming",
    seed=0,
    report=0,
):
    """Return a network that has learned to tell the classes y of the standardised rows X.

    The defaults were chosen on validation parts of training data, never on test flowers.
    `report` is the number of epochs between progress lines; 0 keeps quiet.
    """
    classes = int(y.max()) + 1
    network = Network([X.shape[1], *hidden, classes], initialization=initialization, seed=seed)
    loss_fn = CategoricalCrossEntropy()
    steps = OPTIMIZERS[optimizer](learning_rate, weight_decay=weight_decay)
    rng = np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        for x_batch, y_batch in batches(X, y, batch_size=16, seed=rng):
            predictions = network.forward(x_batch)
            network.backward(loss_fn.backward(y_batch, predictions))
            steps.step(network)
        if report and (epoch % report == 0 or epoch == 1):
            predictions = network.predict(X)
            loss = loss_fn.forward(y, predictions)
            print(f"epoch {epoch:4d}   loss {loss:.4f}   accuracy {accuracy(y, predictions):.3f}")
    return network


def print_confusion(matrix, names):
    """Print how often each species was taken for which."""
    width = max(map(len, names))
    print(" " * (width + 6) + "  ".join(f"{name:>{width}}" for name in names))
    for name, row in zip(names, matrix, strict=True):
        print(f"true {name:>{width}} " + "  ".join(f"{count:>{width}}" for count in row))


def arguments():
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(
        description="Train a network on Iris and show what it learned.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=[16], metavar="N", help="sizes of hidden layers"
    )
    parser.add_argument("--epochs", type=int, default=100, help="passes over the training data")
    parser.add_argument("--learning-rate", type=float, default=0.01, help="size of a step")
    parser.add_argument(
        "--weight-decay", type=float, default=0.01, help="how strongly weights are kept small"
    )
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="how to step")
    parser.add_argument(
        "--initialization", choices=INITIALIZERS, default="kaiming", help="the first weights"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same run")
    chosen = parser.parse_args()
    if min(chosen.hidden) < 1 or chosen.epochs < 1 or not chosen.learning_rate > 0:
        parser.error("--hidden, --epochs and --learning-rate must be positive")
    return chosen


def main():
    """Split, standardise, train, and report on flowers the network has never seen."""
    options = arguments()
    iris = load_iris()
    X_train, X_test, y_train, y_test = train_test_split(
        iris.data, iris.target, test_size=0.2, stratify=iris.target, seed=options.seed
    )
    scaler = Standardizer().fit(X_train)  # by the training part alone

    print(f"{len(X_train)} flowers to learn from, {len(X_test)} to be tested on")
    network = train(
        scaler.transform(X_train),
        y_train,
        hidden=options.hidden,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        optimizer=options.optimizer,
        initialization=options.initialization,
        seed=options.seed,
        report=max(1, options.epochs // 10),
    )
    network.preparation = scaler  # so that it predicts from centimetres, and is saved with it
    print(f"\n{network.summary()}\n")

    probabilities = network.predict_raw(X_test)
    print(f"test accuracy {accuracy(y_test, probabilities):.3f}\n")
    print_confusion(confusion_matrix(y_test, probabilities, classes=3), iris.target_names)

    print("\nsome flowers of the test part:")
    for flower, p, truth in zip(X_test[:5], probabilities, y_test, strict=False):
        guess = iris.target_names[p.argmax()]
        measures = " ".join(f"{cm:.1f}" for cm in flower)
        print(f"  {measures} cm  ->  {guess} ({p.max():.0%}), in truth {iris.target_names[truth]}")


if __name__ == "__main__":
    main()
