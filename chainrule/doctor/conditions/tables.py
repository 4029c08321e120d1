"""Conditions of a table as it was given, before numbers for a network were prepared from it.

A preparation leaves out columns that never change, spreads categories over several columns and
bends what is far outside: a column that repeats another, or the target, is no longer told by it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.inputs import constant_columns, duplicate_columns, leaking_column
from chainrule.doctor.conditions.names import listed
from chainrule.doctor.conditions.targets import constant_target
from chainrule.parameter import Array


def duplicate_rows(case: Case) -> Iterator[Finding]:
    """Find rows that stand there several times, target and all, more often than by chance."""
    x, y = case.x, case.y
    if x is None or x.ndim != 2 or not isinstance(y, np.ndarray) or len(x) < t.FEW:
        return
    rows = np.column_stack([x, y.reshape(len(y), -1)]).astype(np.float64) + 0.0  # -0 is 0
    first, copies = repeated(rows)
    share = len(copies) / len(rows)
    chance = by_chance(np.delete(rows, copies, axis=0))
    usual = max(t.OVERLAP, t.BEYOND_CHANCE * chance)
    if share < usual:
        return
    numbers, originals = case.names.of_rows(copies), case.names.of_rows(first)
    told = ", ".join(
        f"{number} is {original} again"
        for number, original in zip(numbers[:5], originals[:5], strict=True)
    )
    grave = share >= t.MUCH_OVERLAP and share > t.FAR_BEYOND_CHANCE * chance
    yield Finding(
        "duplicate-rows",
        PROBLEM if grave else WARNING,
        f"rows {listed(numbers)}",
        f"{share:.0%} of the rows, target included, stand there before ({told}): what is measured "
        "on rows held out is too good",
        (
            Evidence(
                "share of rows that repeat another",
                share,
                f"below {usual:.2g}; by chance {chance:.2g}",
            ),
        ),
        "Where a row is learned from and its copy is held out, the network is asked what it has "
        "been told. It looks better than it is, and early stopping waits for an overfitting that "
        "it cannot see.",
        "table = table.drop_duplicates()  # before any split",
        rows=numbers,
    )


def repeated(rows: Array) -> tuple[Array, Array]:
    """Return the rows that repeat an earlier one, behind those that they repeat, (copies,) each."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.strides[0]))).reshape(-1)
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    originals = first[inverse.reshape(-1)]
    copies = np.flatnonzero(originals != np.arange(len(rows)))
    return originals[copies], copies


def by_chance(rows: Array) -> float:
    """Return which share of different rows would have an equal if columns were independent.

    Two rows agree in a column with the probability Σ p², in all with the product of these; N rows
    are that many chances.
    """
    agree = 1.0
    for column in rows.T:
        _, counts = np.unique(column, return_counts=True)
        agree *= float(((counts / len(column)) ** 2).sum())
    return float(-np.expm1(-(len(rows) - 1) * agree))


OF_A_TABLE = (constant_target, constant_columns, duplicate_columns, leaking_column, duplicate_rows)
"""What is asked of the table as it was given, where there is one; the last of it alone."""
