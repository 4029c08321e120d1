"""Conditions of the inputs: their size, columns, what is no number, what knows too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.endings import NORMALIZATIONS, first_layer
from chainrule.doctor.conditions.finding import NOTE, PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.names import Name, listed, without_columns
from chainrule.parameter import Array
from chainrule.pytree import first_array, named_arrays

STANDARDIZE = """scaler = Standardizer().fit(X_train)
network.preparation = scaler
trainer.fit(scaler.transform(X_train), y_train)"""

SCALE_CAUSE = (
    "Weights are drawn for inputs of about 1: larger ones make the first outputs, and so the "
    "gradients, as much too large. Where columns differ in size, one learning rate is too high for "
    "the large ones and too low for the small ones."
)


def input_scale(case: Case) -> Iterator[Finding]:
    """Find inputs that are far from standardised."""
    x = case.x
    if x is None or isinstance(first_layer(case.network), NORMALIZATIONS) or len(x) < 2:
        return
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        return  # told by `not_finite_data`
    largest = float(np.abs(x).max())
    with np.errstate(all="ignore"):  # of huge numbers, which are told below
        std = x.std(axis=0) if x.ndim == 2 else np.full(1, x.std())
        mean = x.mean(axis=0) if x.ndim == 2 else np.full(1, x.mean())
    varies = (x != x[:1]).any(axis=0) if x.ndim == 2 else std > 0
    varying, names = np.flatnonzero(varies), case.names
    cure = "Standardizer().fit(X_train) brings all columns to size 1"
    remedy = STANDARDIZE
    if x.ndim > 2:
        cure, remedy = f"divide them by {largest:g}", f"X_train = X_train / {largest:g}"
    said: tuple[str, str, Evidence, tuple[int, ...]] | None = None
    size = float(np.sqrt((x**2).mean())) if largest < 1e100 else largest
    if largest > t.WILD:
        columns = tuple(int(c) for c in np.flatnonzero(np.abs(mean) + 3 * std > t.WILD))
        said = (
            PROBLEM if size > t.LARGE else WARNING,
            f"X holds numbers up to {largest:.4g}; networks learn best from about 1: {cure}",
            Evidence("largest |x|", largest, f"below {t.LARGE:g}"),
            columns if x.ndim == 2 else (),
        )
    elif len(varying) and std[varying].max() > t.WILD_RATIO * std[varying].min():
        wide, narrow = varying[std[varying].argmax()], varying[std[varying].argmin()]
        said = (
            WARNING,
            f"X's columns differ in size: column {listed(names.of_columns([wide]))} has the "
            f"standard deviation {std[wide]:.3g}, column {listed(names.of_columns([narrow]))} "
            f"{std[narrow]:.3g}: {cure}",
            Evidence(
                "largest standard deviation by the smallest",
                float(std[wide] / std[narrow]),
                f"below {t.WILD_RATIO:g}",
            ),
            (int(wide), int(narrow)),
        )
    elif size > t.LARGE:
        said = (
            WARNING,
            f"X has the root mean square {size:.3g}; networks learn best from about 1: {cure}",
            Evidence("root mean square of X", size, f"below {t.LARGE:g}"),
            (),
        )
    elif len(varying) and size < t.TINY:
        said = (
            PROBLEM,
            f"X has the root mean square {size:.3g}, too small to be told from nothing: {cure}",
            Evidence("root mean square of X", size, f"above {t.TINY:g}"),
            (),
        )
    elif x.ndim == 2 and len(varying) and _offset(mean[varying], std[varying]) > t.OFFSET:
        offset = _offset(mean[varying], std[varying])
        said = (
            WARNING,
            f"X's columns lie {offset:.3g} standard deviations from 0 (half of them at least): "
            f"{cure}",
            Evidence("|mean| by standard deviation, the median of columns", offset, "below 3"),
            (),
        )
    if said is not None:
        severity, summary, evidence, columns = said
        called = names.of_columns(columns)
        where = f"X, columns {listed(called)}" if columns else "X"
        yield Finding(
            "input-scale", severity, where, summary, (evidence,), SCALE_CAUSE, remedy,
            columns=called,
        )  # fmt: skip


def _offset(mean: Array, std: Array) -> float:
    """Return how many standard deviations the columns lie from 0: their median."""
    return float(np.median(np.abs(mean) / std))


def constant_columns(case: Case) -> Iterator[Finding]:
    """Find columns that never change."""
    x = case.x
    if x is None or x.ndim != 2 or len(x) < 2:
        return
    columns = case.names.of_columns(np.flatnonzero((x == x[:1]).all(axis=0)))
    if columns:
        yield Finding(
            "constant-columns",
            NOTE,
            f"X, columns {listed(columns)}",
            f"{_count(columns, 'column')} of X never "
            f"{'changes' if len(columns) == 1 else 'change'}",
            (Evidence("columns that never change", float(len(columns)), "0"),),
            "A column that is the same for every sample tells nothing about any of them. It acts "
            "as a second bias: harmless, but of no use.",
            without_columns(columns),
            columns=columns,
        )


def duplicate_columns(case: Case) -> Iterator[Finding]:
    """Find columns that are another one again."""
    x = case.x
    if x is None or x.ndim != 2 or x.shape[1] > t.MOST_COLUMNS or len(x) < 3:
        return
    first: dict[bytes, int] = {}
    again: list[tuple[int, int]] = []
    for c in range(x.shape[1]):
        column = np.ascontiguousarray(x[:, c])
        if (column == column[0]).all():
            continue
        seen = first.setdefault(column.tobytes(), c)
        if seen != c:
            again.append((c, seen))
    if again:
        called = [case.names.of_columns(pair) for pair in again]
        told = ", ".join(f"{c!r} is {seen!r} again" for c, seen in called[:5])
        columns = tuple(c for c, _ in called)
        yield Finding(
            "duplicate-columns",
            WARNING,
            f"X, columns {listed(columns)}",
            f"columns of X stand there twice: {told}",
            (Evidence("columns that repeat another", float(len(again)), "0"),),
            "A column that is given twice counts twice: its weights get the same gradient, so that "
            "together they learn at twice the rate. Often it means that tables were joined "
            "wrongly.",
            without_columns(columns),
            columns=columns,
        )


def not_finite_data(case: Case) -> Iterator[Finding]:
    """Find NaN and infinity, by row and column."""
    for name, array in (named_arrays(case.X, "X") | named_arrays(case.y, "y")).items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            continue
        bad = ~np.isfinite(array)
        if not bad.any():
            continue
        flat = bad.reshape(len(bad), -1)
        rows = case.names.of_rows(np.flatnonzero(flat.any(axis=1)))
        columns: tuple[Name, ...] = ()
        if bad.ndim == 2:
            places = np.flatnonzero(flat.any(axis=0)).tolist()
            columns = case.names.of_columns(places) if name == "X" else tuple(places)
        where = f"{name}, rows {listed(rows)}" + (f", columns {listed(columns)}" if columns else "")
        yield Finding(
            "not-finite-data",
            PROBLEM,
            where,
            f"{name} holds NaN or infinity in {_count(rows, 'row')}: fill or drop them",
            (Evidence(f"values of {name} that are not finite", float(bad.sum()), "0"),),
            "One NaN in a batch makes the loss NaN, and with it every gradient and every weight. "
            "What is missing has to be filled, or its row left out, before training.",
            f"good = np.isfinite({name.partition('[')[0]}).reshape(len(X), -1).all(axis=1)\n"
            "X, y = X[good], y[good]",
            rows=rows,
            columns=columns,
        )


def leaking_column(case: Case) -> Iterator[Finding]:
    """Find a column that is the target in other words."""
    x, y = case.x, case.y
    if x is None or x.ndim != 2 or not isinstance(y, np.ndarray) or len(x) < 20:
        return
    labels = case.labels
    if labels is None and (y.size != len(y) or y.dtype.kind not in "fiu"):
        return
    for c in range(min(x.shape[1], t.MOST_COLUMNS)):
        there = np.isfinite(x[:, c])
        if there.sum() < 20:
            continue
        column = x[there, c].astype(np.float64)
        known = (
            _correlation(column, y.reshape(len(y))[there])
            if labels is None
            else _coded(column, labels[there])
        )
        if known >= t.LEAK:
            columns = case.names.of_columns([c])
            yield Finding(
                "leaking-column",
                PROBLEM if x.shape[1] > 1 else WARNING,
                f"X, column {listed(columns)}",
                f"column {listed(columns)} of X gives the target away: it may not be known when "
                "predicting",
                (Evidence("how far it tells the target alone", known, f"below {t.LEAK:g}"),),
                "A column that follows from the target makes every other one needless, and the "
                "network learns to copy it. With new data, where it is not known yet, nothing is "
                "left.",
                f"{without_columns(columns)}  # unless it is known before the target is",
                columns=columns,
            )


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b.astype(np.float64) - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return abs(float(a @ b)) / size if size > 0 else 0.0


def _coded(column: Array, labels: Array) -> float:
    """Return how purely a column that is as good as a code, a value a class, tells the class.

    That it tells a class of a handful of samples may well be chance.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < t.FEW:
        return 0.0
    if len(np.unique(column[:200])) > 2 * len(classes):  # most columns: no code at a glance
        return 0.0
    values, places = np.unique(np.round(column, 9), return_inverse=True)
    if not 2 <= len(values) <= 2 * len(classes):
        return 0.0
    counts = np.zeros((len(values), int(labels.max()) + 1))
    np.add.at(counts, (places.reshape(-1), labels), 1)
    return float(counts.max(axis=1).sum() / len(labels)) if len(classes) > 1 else 0.0


def validation_overlap(case: Case) -> Iterator[Finding]:
    """Find rows of the validation data that are training rows too."""
    if case.validation is None:
        return
    known, held = first_array(case.X), first_array(case.validation[0])
    if not isinstance(known, np.ndarray) or known.shape[1:] != held.shape[1:] or not len(held):
        return
    there = {row.tobytes() for row in _comparable(known)}
    rows = tuple(i for i, row in enumerate(_comparable(held)) if row.tobytes() in there)
    share = len(rows) / len(held)
    if share >= t.OVERLAP:
        yield Finding(
            "validation-overlap",
            PROBLEM if share >= t.MUCH_OVERLAP else WARNING,
            f"validation data, rows {listed(rows)}",
            f"{share:.0%} of the validation rows are training rows too: what is measured on them "
            "says nothing about new data",
            (Evidence("share of validation rows among the training rows", share, "0"),),
            "A network can know rows by heart that it was trained on. Measured on those it looks "
            "better than it is, and early stopping waits for an overfitting that it cannot see.",
            "from chainrule import train_test_split\n"
            "X, first = np.unique(X, axis=0, return_index=True)  # each row once, before the "
            "split\n"
            "X_train, X_val, y_train, y_val = train_test_split(X, y[first], test_size=0.2, seed=0)",
            rows=rows,
        )


def _comparable(array: Array) -> Any:
    return np.ascontiguousarray(array.reshape(len(array), -1).astype(np.float64))


def _count(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


CONDITIONS = (input_scale, constant_columns, duplicate_columns, not_finite_data)
COSTLY = (leaking_column, validation_overlap)
"""Those that the trainer leaves out: they look at every pair of rows or columns."""
