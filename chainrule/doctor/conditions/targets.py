"""Conditions of the targets: labels that are wrong or missing, classes that are rare, outliers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.endings import REGRESSION, outputs
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.names import listed
from chainrule.layers import BatchNorm, Linear
from chainrule.loss_functions import CategoricalCrossEntropy
from chainrule.network import in_a_row
from chainrule.parameter import Array


def labels_out_of_range(case: Case) -> Iterator[Finding]:
    """Find labels that no output stands for."""
    y, classes = case.y, number_of_outputs(case)
    if not isinstance(case.loss, CategoricalCrossEntropy) or not isinstance(y, np.ndarray):
        return
    if classes is None or y.dtype.kind not in "iu" or y.size != len(y) or not y.size:
        return
    low, high = int(y.min()), int(y.max())
    if low >= 0 and high < classes:
        return
    flat = y.reshape(-1)
    rows = case.names.of_rows(np.flatnonzero((flat < 0) | (flat >= classes)))
    remedy = f"network = Network([..., Linear(h, {high + 1}), Softmax()])"
    if low == 1 and high == classes:
        remedy = "y = y - 1  # classes are numbered from 0"
    elif low < 0 or high > 2 * classes:
        remedy = "classes, y = np.unique(y, return_inverse=True)  # numbers them from 0"
    yield Finding(
        "labels-out-of-range",
        PROBLEM,
        f"y, {len(rows)} rows",
        f"the network has {classes} outputs, so labels run from 0 to {classes - 1}; y holds labels "
        f"from {low} to {high}",
        (Evidence("labels", f"{low} to {high}", f"0 to {classes - 1}"),),
        "Class k is the network's k-th output, counted from 0. A label without an output of its "
        "own has no probability that training could raise.",
        remedy,
        rows=rows,
    )


def labels_not_one_hot(case: Case) -> Iterator[Finding]:
    """Find rows of targets that are no distribution over the classes."""
    y = case.y
    if not isinstance(case.loss, CategoricalCrossEntropy) or not isinstance(y, np.ndarray):
        return
    if y.ndim != 2 or y.shape[1] < 2 or y.shape[1] != (number_of_outputs(case) or y.shape[1]):
        return
    with np.errstate(invalid="ignore"):
        wrong = (y.min(axis=1) < 0) | (np.abs(y.sum(axis=1) - 1) > 1e-3)
    rows = case.names.of_rows(np.flatnonzero(wrong))
    if rows:
        sums = y.sum(axis=1)[wrong]
        yield Finding(
            "labels-not-one-hot",
            PROBLEM,
            f"y, {len(rows)} rows",
            f"{len(rows)} rows of y do not sum to 1 (row {rows[0]} sums to {sums[0]:.3g}): each "
            "must be a distribution over the classes",
            (Evidence("rows of y that do not sum to 1", float(len(rows)), "0"),),
            "Cross-entropy reads a row of targets as the probabilities of the classes. A row of "
            "another sum asks for what no softmax can give.",
            "y = y.argmax(axis=1)  # one class a sample\n"
            "# several at once: BinaryCrossEntropy, with a Sigmoid in the end",
            rows=rows,
        )


def missing_class(case: Case) -> Iterator[Finding]:
    """Find outputs whose class no sample has, and targets that are all the same."""
    labels, classes = case.labels, number_of_outputs(case)
    if labels is None or not labels.size:
        return
    held = np.unique(labels)
    if len(held) == 1:
        if len(labels) >= t.FEW:
            yield constant("y", f"every sample has the class {case.names.of_class(held[0])}")
    elif isinstance(case.loss, CategoricalCrossEntropy) and classes and held[-1] < classes:
        absent = sorted(set(range(classes)) - set(held.tolist()))
        told = ", ".join(map(case.names.of_class, absent[:8]))
        if absent:
            yield Finding(
                "missing-class",
                WARNING,
                f"y, class {told}",
                f"the network has {classes} outputs, and no sample is of class {told}: was it lost "
                "in a split, or is y sorted?",
                (Evidence("classes without a sample", float(len(absent)), "0"),),
                "A class that is never seen is learned to be impossible. Mostly it was lost by "
                "taking the first rows of a table that is sorted by class, or by numbering from 1.",
                "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, "
                "stratify=y, seed=0)",
            )


def constant_target(case: Case) -> Iterator[Finding]:
    """Find a regression's targets that never change."""
    for _, loss, y in outputs(case.network, case.loss, case.y):
        if not isinstance(loss, REGRESSION) or not isinstance(y, np.ndarray):
            continue
        if len(y) >= t.FEW and (y == y[:1]).all():
            yield constant("y", f"every target is {np.ravel(y)[0]:g}")


def constant(where: str, told: str) -> Finding:
    """Return the finding about targets that are all the same."""
    return Finding(
        "constant-target",
        PROBLEM,
        where,
        f"{told}: there is nothing to learn",
        (Evidence("different targets", 1.0, "2 or more"),),
        "Where every answer is the same, the best network ignores its input. Mostly the wrong "
        "column was taken, or a filter left one class.",
        "print(np.unique(y, return_counts=True))",
    )


def class_imbalance(case: Case) -> Iterator[Finding]:
    """Find classes that are much rarer than others; a problem where one has been given up."""
    labels = case.labels
    if labels is None or not labels.size:
        return
    held, counts = np.unique(labels, return_counts=True)
    if len(held) < 2:
        return
    ratio = counts.max() / counts.min()
    if ratio < t.IMBALANCE:
        return
    rare = int(held[counts.argmin()])
    called, common = (case.names.of_class(k) for k in (rare, int(held[counts.argmax()])))
    weighted = case.class_weight is not None or getattr(case.loss, "class_weight", None) is not None
    evidence = [Evidence("largest class by the smallest", float(ratio), f"below {t.IMBALANCE:g}")]
    severity = WARNING
    if case.recall is not None and rare < len(case.recall) and np.isfinite(case.recall[rare]):
        evidence.append(
            Evidence(f"recognised of class {called}", float(case.recall[rare]), "above 0.5")
        )
        if case.recall[rare] <= t.LOST_RECALL and np.nanmax(case.recall) > 0.5:
            severity = PROBLEM
    if weighted and severity == WARNING:
        return
    yield Finding(
        "class-imbalance",
        severity,
        f"y, class {called}",
        f"class {called} has {counts.min()} samples, class {common} {counts.max()}: "
        "accuracy says little, and the rare class may be given up",
        tuple(evidence),
        "The loss is a mean over samples, so a class with few of them hardly counts. Always "
        "answering the common class is then nearly right, and training may settle there.",
        'trainer.fit(X, y, class_weight="balanced")\n'
        "# measure with balanced_accuracy_score or the F1 of the rare class",
    )


def outlying_targets(case: Case) -> Iterator[Finding]:
    """Find a regression's targets that lie so far out that they own the gradient."""
    y = case.y
    if not isinstance(case.loss, REGRESSION) or not isinstance(y, np.ndarray) or len(y) < 20:
        return
    values = y.reshape(len(y), -1).astype(np.float64)
    if not np.isfinite(values).all():
        return
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, np.inf)
    far = (np.abs(values - middle) / spread).max(axis=1)
    outside = far > t.OUTLIER
    rows = case.names.of_rows(np.flatnonzero(outside))
    if rows and len(rows) < 0.1 * len(y):
        worst, share = float(far.max()), float((far[outside] ** 2).sum() / (far**2).sum())
        yield Finding(
            "dominating-samples",
            PROBLEM if share > t.OWNED else WARNING,
            f"y, rows {listed(rows)}",
            f"{len(rows)} targets lie up to {worst:.3g} interquartile ranges from the median: they "
            "dominate the gradient",
            (
                Evidence("furthest target, in interquartile ranges", worst, f"below {t.OUTLIER:g}"),
                Evidence("their part of all squared deviations", share, f"below {t.OWNED:g}"),
            ),
            "The squared error's gradient grows with the error, so one target that is a hundred "
            "times too far away pulls as hard as a hundred others. Mostly such values are typing "
            "errors, or stand for something missing (such as -999).",
            f"print(y[{list(rows[:8])}])  # right them or leave them out; else\n"
            "loss = Huber()  # whose pull is bounded",
            rows=rows,
        )


def number_of_outputs(case: Case) -> int | None:
    """Return how many numbers the last layer with weights puts out, where that can be told."""
    for layer in reversed(in_a_row(case.network.body)):
        if isinstance(layer, Linear):
            return layer.out_features
        if layer.parameters() and not isinstance(layer, BatchNorm):
            return None
    return None


def recall_of(labels: Array, predicted: Array) -> Array:
    """Return which share of each class is recognised; NaN where there is none of it."""
    classes = int(labels.max()) + 1
    right = np.bincount(labels, weights=labels == predicted, minlength=classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / np.bincount(labels, minlength=classes)


CONDITIONS = (
    labels_out_of_range,
    labels_not_one_hot,
    missing_class,
    constant_target,
    class_imbalance,
    outlying_targets,
)
