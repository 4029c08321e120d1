"""Conditions of data that give away more than they should: the target, or the held-out rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Finding, TrainCommand, filled
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.inputs import without_columns
from chainrule.doctor.conditions.names import listed
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.parameter import Array
from chainrule.pytree import first_array


class LeakingColumn(Condition):
    """A column that gives the target away.

    A column that follows from the target makes every other one needless, and the network learns to
    copy it. On new data, where it is not known yet, nothing is left.
    """

    id = "leaking-column"
    order = 70
    of_table = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        x, y, labels = exam.table, exam.y, exam.labels
        if x is None or not isinstance(y, np.ndarray) or len(x) < 20:
            return
        if labels is None and (y.size != len(y) or y.dtype.kind not in "fiu"):
            return
        for c in range(min(x.shape[1], t.MOST_COLUMNS)):
            finite = np.isfinite(x[:, c])
            if finite.sum() < 20:
                continue
            column = x[finite, c].astype(np.float64)
            known = (
                correlation(column, y.reshape(len(y))[finite])
                if labels is None
                else purity(column, labels[finite])
            )
            if known >= t.LEAK:
                columns = exam.names.of_columns([c])
                yield self.finding(
                    "problem" if x.shape[1] > 1 else "warning",
                    f"X, column {listed(columns)}",
                    f"column {listed(columns)} of X gives the target away: it may not be known "
                    "when predicting",
                    ("how well it alone predicts the target", known, f"below {t.LEAK:g}"),
                    remedy=f"{without_columns(columns)}  # unless it is known before the target is",
                    columns=columns,
                )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        return setup.drop_columns(finding.columns)

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        without = command.with_options(drop=tuple(map(str, finding.columns)))
        return f"{without}\n# unless it is known before the target is"


def correlation(a: Array, b: Array) -> float:
    """Return the absolute value of Pearson's correlation; 0 where one does not vary."""
    a, b = a - a.mean(), b.astype(np.float64) - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return abs(float(a @ b)) / size if size > 0 else 0.0


def purity(column: Array, labels: Array) -> float:
    """Return the share of samples whose class follows from a column of codes.

    Columns of many values are no codes, and give 0; so does a class of a handful of samples, which
    may be told by chance.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < t.FEW:
        return 0.0
    if len(np.unique(column[:200])) > 2 * len(classes):  # most columns: seen at a glance
        return 0.0
    values, codes = np.unique(np.round(column, 9), return_inverse=True)
    if not 2 <= len(values) <= 2 * len(classes):
        return 0.0
    counts = np.zeros((len(values), int(labels.max()) + 1))
    np.add.at(counts, (codes.reshape(-1), labels), 1)
    return float(counts.max(axis=1).sum() / len(labels)) if len(classes) > 1 else 0.0


class DuplicateRows(Condition):
    """Rows that are there several times.

    Where a row is trained on and its copy is held out, the network is asked what it has been told.
    It looks better than it is, and early stopping waits for an overfitting that it cannot see.
    """

    id = "duplicate-rows"
    order = 80
    of_table = True
    remedy = "table = table.drop_duplicates()  # before any split"

    def find(self, exam: Examination) -> Iterator[Finding]:
        x, y = exam.table, exam.y
        if not exam.as_given or x is None or not isinstance(y, np.ndarray) or len(x) < t.FEW:
            return
        rows = np.column_stack([x, y.reshape(len(y), -1)]).astype(np.float64) + 0.0  # -0 is 0
        first, copies = repeated(rows)
        share = len(copies) / len(rows)
        chance = share_by_chance(np.delete(rows, copies, axis=0))
        usual = max(t.OVERLAP, t.BEYOND_CHANCE * chance)
        if share < usual:
            return
        numbers, originals = exam.names.of_rows(copies), exam.names.of_rows(first)
        pairs = zip(numbers[:5], originals[:5], strict=True)
        told = ", ".join(f"{number} repeats {original}" for number, original in pairs)
        grave = share >= t.MUCH_OVERLAP and share > t.FAR_BEYOND_CHANCE * chance
        yield self.finding(
            "problem" if grave else "warning",
            f"rows {listed(numbers)}",
            f"{share:.0%} of the rows repeat an earlier one, target included ({told}): scores on "
            "held-out rows are too good",
            (
                "share of rows that repeat another",
                share,
                f"below {usual:.2g}; by chance {chance:.2g}",
            ),
            rows=numbers,
        )

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        rows = listed(finding.rows, most=20)
        told = filled(f"take out the rows {rows}; all of them in Python:")
        return f"{told}\ntable = table.drop_duplicates()  # a data frame of pandas"


def repeated(rows: Array) -> tuple[Array, Array]:
    """Return the originals and the rows that repeat them, (copies,) each."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.strides[0]))).reshape(-1)
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    originals = first[inverse.reshape(-1)]
    copies = np.flatnonzero(originals != np.arange(len(rows)))
    return originals[copies], copies


def share_by_chance(rows: Array) -> float:
    """Return the share of different rows that would have an equal if columns were independent.

    Two rows agree in a column with probability Σ p², in all columns with the product of these; a
    table of N rows has that many chances.
    """
    agree = 1.0
    for column in rows.T:
        _, counts = np.unique(column, return_counts=True)
        agree *= float(((counts / len(column)) ** 2).sum())
    return float(-np.expm1(-(len(rows) - 1) * agree))


class ValidationOverlap(Condition):
    """Validation rows that are training rows.

    A network can memorise the rows that it was trained on. Measured on those it looks better than
    it is, and early stopping waits for an overfitting that it cannot see.
    """

    id = "validation-overlap"
    order = 290
    symptom_of = ("leaking-column", "duplicate-rows")
    remedy = """from chainrule import train_test_split
X, first = np.unique(X, axis=0, return_index=True)  # each row once, before the split
X_train, X_val, y_train, y_val = train_test_split(X, y[first], test_size=0.2, seed=0)"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.validation is None:
            return
        known, held = first_array(exam.X), first_array(exam.validation[0])
        if not isinstance(known, np.ndarray) or known.shape[1:] != held.shape[1:] or not len(held):
            return
        training_rows = set(as_bytes(known))
        rows = tuple(i for i, row in enumerate(as_bytes(held)) if row in training_rows)
        share = len(rows) / len(held)
        if share >= t.OVERLAP:
            yield self.finding(
                "problem" if share >= t.MUCH_OVERLAP else "warning",
                f"validation data, rows {listed(rows)}",
                f"{share:.0%} of the validation rows are training rows too: scores on them say "
                "nothing about new data",
                ("share of validation rows among the training rows", share, "0"),
                rows=rows,
            )


def as_bytes(array: Array) -> list[bytes]:
    """Return the rows in a form that can be compared."""
    return [row.tobytes() for row in array.reshape(len(array), -1).astype(np.float64)]
