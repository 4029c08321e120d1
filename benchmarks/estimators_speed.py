"""A single network behind an estimator beside scikit-learn's MLP, which does the same work.

    python benchmarks/estimators_speed.py [rounds]

Both get the same rows, sizes, batches, epochs and Adam; nothing is held out, nothing stops early.
They take turns, round by round, in one process with one thread of BLAS. What is measured is
processor time, which others on the machine disturb least; the ratio is the median over rounds of
theirs / ours, so that above 1 ours is faster. It is the whole of `fit`, checks and all. As
scikit-learn's MLP prepares nothing, the rows are standardised for both and ours goes without
(`preparation=None`). Both compute in the same type: scikit-learn's MLP in that of the rows.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

sys.path.insert(0, str(Path(__file__).parents[1]))

from chainrule.estimators import NetworkClassifier, NetworkRegressor

ROUNDS = 9


def works():
    """Yield the name, the data, the sizes and the epochs and batch of each work."""
    X, y = load_iris(return_X_y=True)
    yield "iris, 4-10-3", scale(X), y, (10,), 100, 32
    X, y = load_digits(return_X_y=True)
    yield "digits, 64-64-10", scale(X), y, (64,), 20, 32
    yield "digits, 64-128-128-10", scale(X), y, (128, 128), 20, 200
    X, y = make_regression(5000, 20, noise=10.0, random_state=0)
    yield "regression, 20-100-1", scale(X), scale(y), (100,), 20, 200


def ours(classes, sizes, epochs, batch_size, dtype):
    kind = NetworkClassifier if classes else NetworkRegressor
    return kind(
        sizes,
        members=1,
        epochs=epochs,
        batch_size=batch_size,
        optimizer="adam",
        learning_rate=0.001,
        weight_decay=0.0001,
        dropout=0.0,
        batch_norm=False,
        early_stopping=False,
        preparation=None,
        dtype=dtype,
        random_state=0,
    )


def theirs(classes, sizes, epochs, batch_size):
    kind = MLPClassifier if classes else MLPRegressor
    return kind(
        hidden_layer_sizes=sizes,
        max_iter=epochs,
        batch_size=batch_size,
        tol=0,
        n_iter_no_change=10**9,
        random_state=0,
    )


def seconds(estimator, X, y) -> float:
    begin = time.process_time()
    estimator.fit(X, y)
    return time.process_time() - begin


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"{'work':<24}{'type':<9}{'ours':>9}{'theirs':>9}{'theirs / ours':>15}   (range)")
    for name, X, y, *plan in works():
        classes = y.dtype.kind == "i"
        for dtype in ("float32", "float64"):
            rows = X.astype(dtype)
            pair = ours(classes, *plan, dtype), theirs(classes, *plan)
            times = []
            for turn in range(rounds + 1):
                order = pair if turn % 2 else pair[::-1]
                found = {id(one): seconds(one, rows, y) for one in order}
                times.append([found[id(one)] for one in pair])
            mine, other = np.array(times[1:]).T  # the first round warms up
            ratios = other / mine
            print(
                f"{name:<24}{dtype:<9}{statistics.median(mine):8.3f}s{statistics.median(other):8.3f}s"
                f"{np.median(ratios):15.2f}   ({ratios.min():.2f} to {ratios.max():.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
