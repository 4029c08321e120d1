"""LabeledRows: rows with their targets and weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.parameter import Array
from chainrule.preparation.frames import is_frame


class LabeledRows(NamedTuple):
    """Rows, what to learn of them, and how much each counts.

    Attributes
    ----------
    X : data frame or ndarray
        The rows.
    y : ndarray
        The targets, as the user gave them or encoded for the network.
    sample_weight : ndarray, shape (N,), or None
        The weights.
    """

    X: Any
    y: Array
    sample_weight: Array | None = None

    def take(self, rows: Array) -> LabeledRows:
        """Return some of them."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return LabeledRows(take_rows(self.X, rows), self.y[rows], weight)


def take_rows(X: Any, rows: Array) -> Any:
    """Return some rows of an array or a data frame."""
    if not is_frame(X):
        return X[rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows.tolist()]
