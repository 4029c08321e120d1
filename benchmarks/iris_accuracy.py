"""Iris over 50 stratified splits: iris_example.py's network beside scikit-learn's MLPClassifier.

    python benchmarks/iris_accuracy.py

Both get the same splits, the same standardised data and one hidden layer of 16. The network
trains with the example's own defaults; MLPClassifier with its own, and as many iterations as
it wants (at its default limit of 200 it stops before it has converged, and is worse).
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))  # iris_example.py stands at the root

from chainrule.data import Standardizer
from chainrule.metrics import accuracy
from iris_example import train

SPLITS = 50
HIDDEN = 16


def main() -> None:
    X, y = load_iris(return_X_y=True)
    ours, theirs = [], []
    splits = StratifiedShuffleSplit(n_splits=SPLITS, test_size=0.2, random_state=0)
    for seed, (train_rows, test_rows) in enumerate(splits.split(X, y)):
        scaler = Standardizer().fit(X[train_rows])
        X_train, X_test = scaler.transform(X[train_rows]), scaler.transform(X[test_rows])
        network = train(X_train, y[train_rows], hidden=[HIDDEN], seed=seed)
        peer = MLPClassifier(hidden_layer_sizes=(HIDDEN,), max_iter=5000, random_state=seed)
        peer.fit(X_train, y[train_rows])
        ours.append(accuracy(y[test_rows], network.predict(X_test)))
        theirs.append(peer.score(X_test, y[test_rows]))
    for name, scores in (("chainrule", ours), ("MLPClassifier", theirs)):
        spread = np.std(scores, ddof=1)
        print(f"{name:<14} mean test accuracy {np.mean(scores):.4f}   spread {spread:.4f}")
    difference = np.subtract(ours, theirs)
    error = difference.std(ddof=1) / np.sqrt(SPLITS)
    print(f"difference     {difference.mean():+.4f} ± {error:.4f} (standard error, paired)")


if __name__ == "__main__":
    main()
