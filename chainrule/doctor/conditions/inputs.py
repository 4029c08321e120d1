"""Conditions of the inputs: NaN, scale, constant and duplicate columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Evidence, Finding, TrainCommand
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import Name, counted, listed
from chainrule.doctor.conditions.output_layer import NORMALIZATIONS
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.layers.graph import Graph
from chainrule.network import in_a_row
from chainrule.parameter import Array
from chainrule.preparation import Standardizer
from chainrule.pytree import PyTree, first_array, named_arrays, tree_leaves


class NotFiniteData(Condition):
    """NaN or infinity in the data.

    One NaN in a batch makes the loss NaN, and with it every gradient and every weight. Fill in
    missing values, or leave their rows out, before training.
    """

    id = "not-finite-data"
    order = 10
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        for name, array in (named_arrays(exam.X, "X") | named_arrays(exam.y, "y")).items():
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                continue
            bad = ~np.isfinite(array)
            if not bad.any():
                continue
            flat = bad.reshape(len(bad), -1)
            rows = exam.names.of_rows(np.flatnonzero(flat.any(axis=1)))
            columns: tuple[Name, ...] = ()
            if bad.ndim == 2:
                positions = np.flatnonzero(flat.any(axis=0)).tolist()
                columns = exam.names.of_columns(positions) if name == "X" else tuple(positions)
            where = f", columns {listed(columns)}" if columns else ""
            yield self.finding(
                "problem",
                f"{name}, rows {listed(rows)}{where}",
                f"{name} holds NaN or infinity in {counted(len(rows), 'row')}: fill or drop them",
                (f"values of {name} that are not finite", float(bad.sum()), "0"),
                remedy=f"good = np.isfinite({name.partition('[')[0]}).reshape(len(X), -1)"
                ".all(axis=1)\nX, y = X[good], y[good]",
                rows=rows,
                columns=columns,
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        def finite(X: PyTree, y: PyTree) -> Array:
            good = np.ones(len(first_array(X)), bool)
            for array in [*tree_leaves(X), *tree_leaves(y)]:
                if array.dtype.kind == "f":
                    good &= np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            return good

        setup.keep_rows(finite)
        return "rows with NaN or infinity are left out"


class InputScale(Condition):
    """Inputs that are not standardised.

    Initial weights are drawn for inputs of about 1: larger ones make the first outputs, and so the
    gradients, as much too large. Where columns differ in scale, one learning rate is too high for
    the large ones and too low for the small ones.
    """

    id = "input-scale"
    order = 120
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        x = exam.x
        if x is None or len(x) < 2 or starts_with_normalization(exam):
            return
        x = x.astype(np.float64)
        if np.isfinite(x).all():  # else `NotFiniteData`
            yield from itertools.islice(self._all(exam, x), 1)

    def _all(self, exam: Examination, x: Array) -> Iterator[Finding]:
        """Yield everything that is wrong with the scale, the worst first."""
        largest = float(np.abs(x).max())
        size = float(np.sqrt((x**2).mean())) if largest < 1e100 else largest
        columns = x.reshape(-1, x.shape[1] if x.ndim == 2 else 1)
        with np.errstate(all="ignore"):  # overflow, where values are huge
            mean, std = columns.mean(axis=0), columns.std(axis=0)
        varying = np.flatnonzero((columns != columns[:1]).any(axis=0))
        if largest > t.WILD:
            yield self._about(
                exam,
                "problem" if size > t.LARGE else "warning",
                f"X holds values up to {largest:.4g}; networks learn best from values of about 1",
                ("largest |x|", largest, f"below {t.LARGE:g}"),
                np.flatnonzero(np.abs(mean) + 3 * std > t.WILD) if x.ndim == 2 else (),
            )
        if not len(varying):
            return
        wide, narrow = varying[std[varying].argmax()], varying[std[varying].argmin()]
        if std[wide] > t.WILD_RATIO * std[narrow]:
            first, second = (listed(exam.names.of_columns([c])) for c in (wide, narrow))
            ratio = float(std[wide] / std[narrow])
            yield self._about(
                exam,
                "warning",
                f"X's columns differ in scale: column {first} has the standard deviation "
                f"{std[wide]:.3g}, column {second} {std[narrow]:.3g}",
                ("largest standard deviation by the smallest", ratio, f"below {t.WILD_RATIO:g}"),
                (wide, narrow),
            )
        rms = f"X has the root mean square {size:.3g}"
        if size > t.LARGE:
            evidence = ("root mean square of X", size, f"below {t.LARGE:g}")
            told = f"{rms}; networks learn best from values of about 1"
            yield self._about(exam, "warning", told, evidence)
        if size < t.TINY:
            evidence = ("root mean square of X", size, f"above {t.TINY:g}")
            yield self._about(exam, "problem", f"{rms}, too small next to the biases", evidence)
        offset = float(np.median(np.abs(mean[varying]) / std[varying]))
        if x.ndim == 2 and offset > t.OFFSET:
            told = f"half of X's columns lie at least {offset:.3g} standard deviations from 0"
            what = "|mean| by standard deviation, median of the columns"
            yield self._about(exam, "warning", told, (what, offset, "below 3"))

    def _about(
        self,
        exam: Examination,
        severity: str,
        summary: str,
        evidence: Evidence,
        columns: Iterable[int] = (),
    ) -> Finding:
        remedy, what = STANDARDIZE, "Standardizer().fit(X_train) brings all columns to scale 1"
        if exam.X.ndim > 2:
            largest = np.abs(exam.X).max()
            remedy, what = f"X_train = X_train / {largest:g}", f"divide them by {largest:g}"
        names = exam.names.of_columns(columns)
        where = f"X, columns {listed(names)}" if names else "X"
        summary = f"{summary}: {what}"
        return self.finding(severity, where, summary, evidence, remedy=remedy, columns=names)

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        x = setup.examination.x
        if x is None:
            return None
        if x.ndim == 2:
            setup.network.preparation = Standardizer().fit(setup.raw_data()[0])
            return "X is standardised: every column gets mean 0 and standard deviation 1"
        finite = x[np.isfinite(x)] if x.dtype.kind == "f" else x
        setup.input_divisor = float(np.abs(finite).max()) or 1.0
        return f"X is divided by {setup.input_divisor:g}, its largest value"


STANDARDIZE = """scaler = Standardizer().fit(X_train)
network.preparation = scaler
trainer.fit(scaler.transform(X_train), y_train)"""


def starts_with_normalization(exam: Examination) -> bool:
    """Whether the first layer brings its inputs to scale 1 itself."""
    body = exam.network.body
    return not isinstance(body, Graph) and isinstance(in_a_row(body)[0], NORMALIZATIONS)


class DuplicateColumns(Condition):
    """Columns that repeat another one.

    A column that is given twice counts twice: its weights get the same gradient, so that together
    they learn at twice the rate. Often it means that tables were joined wrongly.
    """

    id = "duplicate-columns"
    order = 320
    static = True
    of_table = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        x = exam.table
        if x is None or x.shape[1] > t.MOST_COLUMNS or len(x) < 3:
            return
        first: dict[bytes, int] = {}
        pairs: list[tuple[Name, ...]] = []
        for c in range(x.shape[1]):
            column = np.ascontiguousarray(x[:, c])
            if (column == column[0]).all():
                continue
            original = first.setdefault(column.tobytes(), c)
            if original != c:
                pairs.append(exam.names.of_columns((c, original)))
        if pairs:
            repeated = ", ".join(f"{c!r} repeats {original!r}" for c, original in pairs[:5])
            columns = tuple(c for c, _ in pairs)
            yield self.finding(
                "warning",
                f"X, columns {listed(columns)}",
                f"columns of X are there twice: {repeated}",
                ("columns that repeat another", float(len(pairs)), "0"),
                remedy=without_columns(columns),
                columns=columns,
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        return setup.drop_columns(finding.columns)

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        return command.with_options(drop=tuple(map(str, finding.columns)))


class ConstantColumns(Condition):
    """Columns that never change.

    A column that is the same for every sample says nothing about any of them. It acts as a second
    bias: harmless, but useless.
    """

    id = "constant-columns"
    order = 370
    static = True
    of_table = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        x = exam.table
        if x is None or len(x) < 2:
            return
        constant = np.flatnonzero((x == x[:1]).all(axis=0))
        if len(constant):
            columns = exam.names.of_columns(constant)
            yield self.finding(
                "note",
                f"X, columns {listed(columns)}",
                f"{counted(len(columns), 'column')} of X never "
                f"{'changes' if len(columns) == 1 else 'change'}",
                ("columns that never change", float(len(columns)), "0"),
                remedy=without_columns(columns),
                columns=columns,
            )

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        return command.with_options(drop=tuple(map(str, finding.columns)))

    def for_shell(self, finding: Finding, command: TrainCommand) -> Finding:
        """Warn: networks do not mind such columns, but `chainrule train` refuses the table."""
        summary = f"{finding.summary}, so `chainrule train` refuses the table"
        return replace(super().for_shell(finding, command), severity="warning", summary=summary)


def without_columns(names: tuple[Name, ...], most: int = 20) -> str:
    """Return the code that drops columns: of a data frame, or of an array."""
    few = list(names[:most])
    if any(isinstance(name, str) for name in few):
        return f"X = X.drop(columns={few})"
    return f"X = np.delete(X, {few[0] if len(names) == 1 else few}, axis=1)"
