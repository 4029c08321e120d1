"""iris_example.py as one would write it with PyTorch: same options, same report, same training.

python benchmarks/speed/iris_torch.py
python benchmarks/speed/iris_torch.py --hidden 32 16 --optimizer momentum --learning-rate 0.05
"""

import argparse
import itertools

import torch
from sklearn.datasets import load_iris
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9),
    "nesterov": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr, fused=True),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr, fused=True),
}
INITIALIZERS = {
    "kaiming": nn.init.kaiming_normal_,
    "xavier": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "zero": nn.init.zeros_,
}


def build(sizes, initialization):
    """Return a network with ReLU between its layers, which ends in logits."""
    layers = []
    for inside, outside in itertools.pairwise(sizes):
        layer = nn.Linear(inside, outside)
        INITIALIZERS[initialization](layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(X, y, options):
    """Return a network that has learned to tell the classes y of the standardised rows X."""
    network = build([X.shape[1], *options.hidden, int(y.max()) + 1], options.initialization)
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1]}
        | {"weight_decay": options.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim == 1]},  # biases
    ]
    optimizer = OPTIMIZERS[options.optimizer](groups, lr=options.learning_rate)
    loss_fn = nn.CrossEntropyLoss()
    report = max(1, options.epochs // 10)
    for epoch in range(1, options.epochs + 1):
        for rows in torch.randperm(len(X)).split(16):
            optimizer.zero_grad()
            loss_fn(network(X[rows]), y[rows]).backward()
            optimizer.step()
        if epoch % report == 0 or epoch == 1:
            with torch.inference_mode():
                logits = network(X)
                loss = loss_fn(logits, y).item()
            accuracy = (logits.argmax(dim=1) == y).float().mean().item()
            print(f"epoch {epoch:4d}   loss {loss:.4f}   accuracy {accuracy:.3f}")
    return network


def print_summary(network):
    """Print each layer and how many numbers it learns."""
    for name, layer in network.named_children():
        print(f"{name:>3}  {layer!s:<60} {sum(p.numel() for p in layer.parameters()):>6}")
    print(f"parameters: {sum(p.numel() for p in network.parameters())}\n")


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
    torch.manual_seed(options.seed)
    iris = load_iris()
    X_train, X_test, y_train, y_test = train_test_split(
        iris.data, iris.target, test_size=0.2, stratify=iris.target, random_state=options.seed
    )
    scaler = StandardScaler().fit(X_train)
    X_train = torch.from_numpy(scaler.transform(X_train)).float()
    X_test = torch.from_numpy(scaler.transform(X_test)).float()

    print(f"{len(X_train)} flowers to learn from, {len(X_test)} to be tested on")
    network = train(X_train, torch.from_numpy(y_train), options)
    print_summary(network)

    with torch.inference_mode():
        probabilities = network(X_test).softmax(dim=1).numpy()
    guesses = probabilities.argmax(axis=1)
    print(f"test accuracy {(guesses == y_test).mean():.3f}\n")
    print_confusion(confusion_matrix(y_test, guesses), iris.target_names)

    print("\nsome flowers of the test part:")
    flowers = scaler.inverse_transform(X_test.numpy())[:5]
    for flower, p, truth in zip(flowers, probabilities, y_test, strict=False):
        guess = iris.target_names[p.argmax()]
        measures = " ".join(f"{cm:.1f}" for cm in flower)
        print(f"  {measures} cm  ->  {guess} ({p.max():.0%}), in truth {iris.target_names[truth]}")


if __name__ == "__main__":
    main()
