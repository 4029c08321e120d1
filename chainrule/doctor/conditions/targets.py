"""Conditions of the targets: wrong labels, missing and rare classes, scale, outliers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import rebuilding
from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Evidence, Finding, TrainCommand, filled
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import counted, listed
from chainrule.doctor.conditions.output_layer import (
    RANGES,
    REGRESSION,
    number_of_outputs,
    outputs,
)
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.loss_functions import CategoricalCrossEntropy, Huber
from chainrule.parameter import Array
from chainrule.pytree import PyTree


class LabelsOutOfRange(Condition):
    """Labels without an output.

    Class k is the network's k-th output, counted from 0. A label without an output has no
    probability that training could raise.
    """

    id = "labels-out-of-range"
    order = 20
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        y, classes = exam.y, number_of_outputs(exam.network)
        if not isinstance(exam.loss, CategoricalCrossEntropy) or not isinstance(y, np.ndarray):
            return
        if classes is None or y.dtype.kind not in "iu" or y.size != len(y) or not y.size:
            return
        flat = y.reshape(-1)
        counts = flat != exam.loss.ignore_index
        if not counts.any():
            return
        low, high = int(flat[counts].min()), int(flat[counts].max())
        if low >= 0 and high < classes:
            return
        rows = exam.names.of_rows(np.flatnonzero(counts & ((flat < 0) | (flat >= classes))))
        remedy = f"network = Network([..., Linear(h, {high + 1}), Softmax()])"
        if low == 1 and high == classes:
            remedy = "y = y - 1  # classes are numbered from 0"
        elif low < 0 or high > 2 * classes:
            remedy = "classes, y = np.unique(y, return_inverse=True)  # numbers them from 0"
        yield self.finding(
            "problem",
            f"y, {len(rows)} rows",
            f"the network has {classes} outputs, so labels run from 0 to {classes - 1}; y holds "
            f"labels from {low} to {high}",
            ("labels", f"{low} to {high}", f"0 to {classes - 1}"),
            remedy=remedy,
            rows=rows,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        classes = np.unique(setup.examination.y)
        outputs = number_of_outputs(setup.network)
        if outputs is None:
            return None
        if len(classes) <= outputs:
            setup.row_changes.append(
                lambda X, y: (X, np.searchsorted(classes, y).clip(0, outputs - 1))
            )
            return f"the labels {classes[0]} to {classes[-1]} are numbered from 0"
        network = rebuilding.with_outputs(setup.network, int(classes.max()) + 1)
        if network is None or classes.min() < 0:
            return None
        setup.replace_network(network)
        return f"the last Linear has {int(classes.max()) + 1} outputs, one for each class"


class LabelsNotOneHot(Condition):
    """Rows of targets that do not sum to 1.

    Cross-entropy reads a row of targets as the probabilities of the classes. A row with another sum
    asks for something that no softmax can give.
    """

    id = "labels-not-one-hot"
    order = 30
    static = True
    setup_fault = True
    remedy = """y = y.argmax(axis=1)  # one class for each sample
# several at once: BinaryCrossEntropy, with a Sigmoid at the end"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        y = exam.y
        if not isinstance(exam.loss, CategoricalCrossEntropy) or not isinstance(y, np.ndarray):
            return
        if y.ndim != 2 or y.shape[1] < 2:
            return
        if number_of_outputs(exam.network) not in (None, y.shape[1]):
            return
        with np.errstate(invalid="ignore"):
            wrong = (y.min(axis=1) < 0) | (np.abs(y.sum(axis=1) - 1) > 1e-3)
        if wrong.any():
            rows = exam.names.of_rows(np.flatnonzero(wrong))
            total = y.sum(axis=1)[wrong][0]
            yield self.finding(
                "problem",
                f"y, {len(rows)} rows",
                f"{len(rows)} rows of y do not sum to 1 (row {rows[0]} sums to {total:.3g}): each "
                "must be a distribution over the classes",
                ("rows of y that do not sum to 1", float(len(rows)), "0"),
                rows=rows,
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        def largest(X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
            y = np.asarray(y)
            return X, y.argmax(axis=1) if y.ndim == 2 else y

        setup.row_changes.append(largest)
        return "each row of y becomes the class of its largest value"


class ConstantTarget(Condition):
    """Targets that are all the same.

    Where every answer is the same, the best network ignores its input. Mostly the wrong column was
    taken, or a filter left one class.
    """

    id = "constant-target"
    order = 40
    static = True
    of_table = True
    setup_fault = True
    remedy = "print(np.unique(y, return_counts=True))"

    def find(self, exam: Examination) -> Iterator[Finding]:
        labels = exam.labels
        if labels is not None and len(labels) >= t.FEW and (labels == labels[0]).all():
            yield self._about(f"every sample has the class {exam.names.of_class(labels[0])}")
        for _, loss, y in outputs(exam):
            if not isinstance(loss, REGRESSION) or not isinstance(y, np.ndarray):
                continue
            if len(y) >= t.FEW and (y == y[:1]).all():
                yield self._about(f"every target is {np.ravel(y)[0]:g}")

    def _about(self, told: str) -> Finding:
        evidence = ("different targets", 1.0, "2 or more")
        return self.finding("problem", "y", f"{told}: there is nothing to learn", evidence)

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        names = listed(tuple(command.columns), most=12)
        return filled(f"give another --target ({names}), or the rows that a filter has left out")


class MissingClass(Condition):
    """A class without a sample.

    A class that never occurs is learned to be impossible. Mostly it was lost by taking the first
    rows of a table that is sorted by class, or by numbering classes from 1.
    """

    id = "missing-class"
    order = 310
    static = True
    symptom_of = ("labels-out-of-range",)
    remedy = (
        "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, "
        "stratify=y, seed=0)"
    )

    def find(self, exam: Examination) -> Iterator[Finding]:
        labels, classes = exam.labels, number_of_outputs(exam.network)
        if labels is None or not labels.size or not classes:
            return
        held = np.unique(labels[labels != exam.loss.ignore_index])
        of_classes = isinstance(exam.loss, CategoricalCrossEntropy)
        if len(held) <= 1 or not of_classes or held[-1] >= classes:
            return
        absent = sorted(set(range(classes)) - set(held.tolist()))
        if absent:
            told = ", ".join(map(exam.names.of_class, absent[:8]))
            yield self.finding(
                "warning",
                f"y, class {told}",
                f"the network has {classes} outputs, and no sample is of class {told}: was it lost "
                "in a split, or is y sorted?",
                ("classes without a sample", float(len(absent)), "0"),
            )


class ClassImbalance(Condition):
    """A rare class.

    The loss is a mean over samples, so a class with few of them hardly counts. Always predicting
    the common class is then nearly right, and training may settle there.
    """

    id = "class-imbalance"
    order = 280
    static = True
    symptom_of = ("symmetric-neurons", "learning-rate-too-low")
    remedy = """trainer.fit(X, y, class_weight="balanced")
# measure with balanced_accuracy_score or the F1 of the rare class"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        labels = exam.labels
        if labels is None or not labels.size:
            return
        held, counts = np.unique(labels, return_counts=True)
        ratio = float(counts.max() / counts.min())
        if len(held) < 2 or ratio < t.IMBALANCE:
            return
        rare = int(held[counts.argmin()])
        name, common = (exam.names.of_class(k) for k in (rare, int(held[counts.argmax()])))
        evidence: list[Evidence] = [
            ("largest class by the smallest", ratio, f"below {t.IMBALANCE:g}")
        ]
        severity, recall = "warning", exam.recall
        if recall is not None and rare < len(recall) and np.isfinite(recall[rare]):
            evidence.append((f"recall of class {name}", float(recall[rare]), "above 0.5"))
            if recall[rare] <= t.LOST_RECALL and np.nanmax(recall) > 0.5:
                severity = "problem"
        weights = exam.class_weight, getattr(exam.loss, "class_weight", None)
        if severity == "warning" and any(weight is not None for weight in weights):
            return
        yield self.finding(
            severity,
            f"y, class {name}",
            f"class {name} has {counts.min()} samples, class {common} {counts.max()}: accuracy "
            "says little, and the rare class may be given up",
            *evidence,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        if getattr(setup.loss, "class_weight", None) is not None:
            return None
        setup.class_weight = "balanced"
        return "all classes have the same total weight (class_weight='balanced')"

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        return command.with_options(balanced=True)


def recalls(labels: Array, predicted: Array) -> Array:
    """Return the recall of each class; NaN of those without a sample."""
    classes = int(labels.max()) + 1
    right = np.bincount(labels, weights=labels == predicted, minlength=classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / np.bincount(labels, minlength=classes)


class DominatingSamples(Condition):
    """A few samples that dominate the gradient.

    The squared error's gradient grows with the error, so one target that is a hundred times too far
    away pulls as hard as a hundred others. Mostly such values are typing errors, or stand for
    something missing (such as -999).
    """

    id = "dominating-samples"
    order = 130
    static = True
    setup_fault = True
    symptom_of = ("input-scale", "target-scale")

    def find(self, exam: Examination) -> Iterator[Finding]:
        if isinstance(exam.loss, REGRESSION):
            yield from self._by_target(exam)
            yield from self._by_gradient(exam)

    def _by_target(self, exam: Examination) -> Iterator[Finding]:
        """Find targets that lie far outside."""
        y = exam.y
        if not isinstance(y, np.ndarray) or len(y) < 20:
            return
        values = y.reshape(len(y), -1).astype(np.float64)
        if not np.isfinite(values).all():
            return
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        spread = np.where(high > low, high - low, np.inf)
        far = (np.abs(values - middle) / spread).max(axis=1)
        outside = far > t.OUTLIER
        if not 0 < outside.sum() < 0.1 * len(y):
            return
        rows = exam.names.of_rows(np.flatnonzero(outside))
        worst, share = float(far.max()), float((far[outside] ** 2).sum() / (far**2).sum())
        yield self.finding(
            "problem" if share > t.OWNED else "warning",
            f"y, rows {listed(rows)}",
            f"{counted(len(rows), 'target lies', 'targets lie')} up to {worst:.3g} interquartile "
            "ranges from the median, and dominate the gradient",
            ("furthest target, in interquartile ranges", worst, f"below {t.OUTLIER:g}"),
            ("their part of all squared deviations", share, f"below {t.OWNED:g}"),
            remedy=f"print(y[{list(rows[:8])}])  # correct them or leave them out; otherwise\n"
            "loss = Huber()  # whose gradient is bounded",
            rows=rows,
        )

    def _by_gradient(self, exam: Examination) -> Iterator[Finding]:
        """Find samples that make up most of the gradient at the output."""
        end = exam.end or exam.start
        if end is None or end.output_gradients is None:
            return
        if exam.learned is not None and exam.learned < 0:
            return  # where training failed, a few samples are always far off
        sizes = np.sort(end.output_gradients)[::-1]
        count = max(1, int(t.TOP * len(sizes)))
        if len(sizes) < 50 or not sizes.sum() > 0:
            return
        share = float(sizes[:count].sum() / sizes.sum())
        if share >= t.DOMINATED:
            yield self.finding(
                "warning",
                f"{count} of {len(sizes)} samples",
                f"{count} of {len(sizes)} samples make up {share:.0%} of the gradient: look at "
                "them, or use Huber's loss",
                (f"share of the gradient of {count} samples", share, f"below {t.DOMINATED:g}"),
                remedy="loss = Huber()  # whose gradient is bounded",
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        if not finding.rows:
            setup.loss = Huber()
            return "the loss is Huber's, in which a sample's gradient is bounded"
        y = setup.examination.y.reshape(len(setup.examination.y), -1)
        good = np.delete(y, setup.examination.names.row_positions(finding.rows), axis=0)
        low, high = good.min(), good.max()

        def inside(X: PyTree, y: PyTree) -> Array:
            flat = np.asarray(y).reshape(len(y), -1)
            wanted = ((flat >= low) & (flat <= high)).all(axis=1)
            return wanted if wanted.any() else ~wanted

        setup.keep_rows(inside)
        setup.try_rates("any")
        return f"samples whose target lies outside {low:.4g} to {high:.4g} are left out"

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str | None:
        if not finding.rows:
            return None
        return filled(
            f"look at the rows {listed(finding.rows, most=20)}: correct {command.target!r} there, "
            "or say with --missing which value stands for a missing one: --missing=-999"
        )


class TargetScale(Condition):
    """A regression's targets that are not of scale 1.

    The last layer has to grow to the targets' size, step by step, before it can tell them apart.
    Until then the squared error, and with it the gradient, is huge or next to nothing.
    """

    id = "target-scale"
    order = 140
    static = True
    setup_fault = True
    symptom_of = ("dominating-samples",)
    remedy = """scaler = Standardizer().fit(y_train)
network.target_preparation = scaler  # predict_raw then answers in y's units
trainer.fit(X_train, scaler.transform(y_train))"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        for layers, loss, y in outputs(exam):
            if not isinstance(loss, REGRESSION) or not isinstance(y, np.ndarray) or len(y) < 2:
                continue
            values = y.astype(np.float64)
            if not np.isfinite(values).all() or (values == values[:1]).all():
                continue
            if type(layers[-1]) in RANGES:
                continue  # `BoundedOutput`
            size, std = float(np.sqrt((values**2).mean())), float(values.std())
            if std >= t.TINY and size <= t.TARGET_LARGE:
                continue
            yield self.finding(
                "problem" if size > t.TARGET_WILD or std < t.TINY else "warning",
                "y",
                f"y has the root mean square {size:.3g} and the standard deviation {std:.3g}; a "
                "network's first outputs are of about 1: standardise y too",
                ("root mean square of y", size, f"below {t.TARGET_LARGE:g}"),
                ("standard deviation of y", std, f"above {t.TINY:g}"),
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        return setup.standardize_targets()
