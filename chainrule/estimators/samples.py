"""LabeledRows: rows with their targets and weights; and which of them are held out.

Held-out rows decide when to stop, and calibrate what was learned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.data import train_test_split
from chainrule.ensemble.folds import Fold, stratified_folds
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
    numbers : ndarray, shape (N,), or None
        Their numbers in what the user gave; None if these are all rows.
    """

    X: Any
    y: Array
    sample_weight: Array | None = None
    numbers: Array | None = None

    def take(self, rows: Array) -> LabeledRows:
        """Return some of them."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        numbers = rows if self.numbers is None else self.numbers[rows]
        return LabeledRows(take_rows(self.X, rows), self.y[rows], weight, numbers)

    def that_count(self) -> LabeledRows:
        """Return them without those of weight 0."""
        weight = self.sample_weight
        return self if weight is None or weight.all() else self.take(np.flatnonzero(weight))


def take_rows(X: Any, rows: Array) -> Any:
    """Return some rows of an array or a data frame."""
    if not is_frame(X):
        return X[rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows.tolist()]


# ---------------------------------------------------------------- which are held out


def member_folds(
    y: Array, labels: Array | None, share: float, members: int, rng: np.random.Generator
) -> list[Fold] | None:
    """Return which rows each member learns from and leaves out; None if there are too few rows.

    A single member leaves out the share, at random. With several members each leaves out a fold of
    its own, of about that share: no row is lost to training.

    Parameters
    ----------
    y : ndarray
        What is distributed evenly over the folds of several members.
    labels : ndarray, shape (N,), or None
        Classes, by which everything is stratified.
    share : float
        The share of the rows to hold out.
    members : int
        How many members there are.
    """
    if members == 1:
        held_out = held_out_rows(len(y), share, labels, rng)
        return None if held_out is None else [(np.setdiff1d(np.arange(len(y)), held_out), held_out)]
    n_splits = min(max(2, round(1 / share)), len(y) // 2)
    if n_splits < 2:
        return None
    return stratified_folds(n_splits, y if labels is None else labels, rng)


def held_out_rows(
    count: int, share: float, labels: Array | None, rng: np.random.Generator
) -> Array | None:
    """Return the rows to hold out, stratified by class; None if there are too few.

    A class with a single row is not split: that row is learned from.
    """
    rows = np.arange(count)
    if labels is not None:
        sizes = np.bincount(labels)
        rows = rows[sizes[labels] > 1]
        labels = labels[rows]
    if len(rows) < 2:
        return None
    _, held_out = train_test_split(rows, test_size=share, stratify=labels, seed=rng)
    return np.sort(held_out) if len(held_out) > 1 else None
