"""The work in scikit-learn: MLPClassifier's own fit, a step being its share of an epoch.

For steps on batches at hand it does not shuffle, for epochs it does. Several epochs are run in
one fit, so that what fit does once weighs little.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.speed.work import LEARNING_RATE, Job, Skip, Work, inputs, samples, targets


def train(work: Work) -> Job:
    return fitting(work, epochs=5, shuffle=False)


def fit(work: Work) -> Job:
    return fitting(work, epochs=1 if work.unit == "epoch" else 5, shuffle=True)


def fitting(work: Work, epochs: int, shuffle: bool) -> Job:
    classifier, (X, y) = build(work, epochs, shuffle), flat(work)

    def run() -> None:
        classifier.fit(X, y)

    warnings.simplefilter("ignore", ConvergenceWarning)  # a few epochs are what is wanted
    return Job(run, epochs if work.unit == "epoch" else epochs * work.batches)


def predict(work: Work) -> Job:
    warnings.simplefilter("ignore")  # one epoch on a handful of rows: enough to have the weights
    features, classes = work.sizes[0], work.sizes[-1]
    classifier, data = build(work, epochs=1, shuffle=False), inputs(work)
    classifier.set_params(batch_size=classes)
    classifier.fit(np.zeros((classes, features), np.float32), np.arange(classes))

    def run() -> None:
        for x in data:
            classifier.predict_proba(x)

    return Job(run, len(data))


def build(work: Work, epochs: int, shuffle: bool) -> MLPClassifier:
    if work.model not in ("mlp", "fashion-mnist"):
        raise Skip("scikit-learn has multilayer perceptrons only")
    return MLPClassifier(
        work.sizes[1:-1],
        batch_size=work.batch,
        learning_rate_init=LEARNING_RATE,
        alpha=0,  # no weight decay, as everywhere here
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        shuffle=shuffle,
        random_state=0,
    )


def flat(work: Work) -> tuple[np.ndarray, np.ndarray]:
    if work.kind == "fit":
        return samples(work)
    return inputs(work).reshape(-1, work.sizes[0]), targets(work).reshape(-1)


JOBS = {"train": train, "fit": fit, "predict": predict}
