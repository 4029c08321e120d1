"""Which samples each member learns from, and on which it is validated.

Without folds all members learn from the same samples. With folds each member leaves out a part of
its own: together the members have learned from every sample, and for every sample there is a
member that has not seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_array, check_whole
from chainrule.data.weights import class_labels
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array

Fold = tuple[Array, Array]
"""The row numbers of the training samples, and those of the validation samples."""


def member_folds(cv: Any, y: Array, members: int, rng: np.random.Generator) -> list[Fold]:
    """Return the fold of each member: `cv` folds taken in turn, or those that were given."""
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        folds = [check_fold(fold, len(y)) for fold in cv]
        if not folds:
            raise ConfigurationError("cv holds no fold.")
    else:
        cv = check_whole("cv", cv, least=2)
        if cv > len(y):
            raise InputError(f"cv={cv} folds cannot be made of {len(y)} samples.")
        folds = stratified_folds(cv, y, rng)
    return [folds[k % len(folds)] for k in range(members)]


def check_fold(fold: Any, count: int) -> Fold:
    """Return a fold as two arrays of row numbers; refuse rows out of range or in both parts."""
    if not isinstance(fold, Sequence) or len(fold) != 2:
        raise ConfigurationError(
            "cv must be the number of folds, or hold a pair (training rows, validation rows) for "
            f"each fold; got {fold!r:.100}."
        )
    train, validation = (check_array("cv", rows) for rows in fold)
    for rows in (train, validation):
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows):
            raise ConfigurationError("Each part of a fold in cv must hold row numbers, (n,).")
        if rows.min() < 0 or rows.max() >= count:
            raise InputError(f"cv has row numbers outside the {count} rows that there are.")
    if np.intersect1d(train, validation).size:
        raise InputError("A fold in cv has the same row in both parts.")
    return train.astype(np.intp), validation.astype(np.intp)


def stratified_folds(n_splits: int, y: Array, rng: np.random.Generator) -> list[Fold]:
    """Return random folds in each of which `y` is distributed as it is in all samples.

    The samples are sorted by y, ties in random order, and dealt out like cards: in each round one
    to each fold, in a new order. So each fold gets its share of every class, or of small and large
    numbers.
    """
    labels = class_labels(y)
    keys = labels if labels is not None and labels.ndim == 1 else y.reshape(len(y), -1)[:, 0]
    order = np.lexsort((rng.permutation(len(y)), keys))
    rounds = -(-len(y) // n_splits)
    dealt = rng.permuted(np.tile(np.arange(n_splits), (rounds, 1)), axis=1).reshape(-1)[: len(y)]
    fold = np.empty(len(y), np.intp)
    fold[order] = dealt
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_splits)]


def as_columns(rows: Sequence[Array]) -> Array:
    """Return the members' row numbers as columns, (n, K), short ones padded with their first."""
    longest = max(len(own) for own in rows)
    padded = [np.pad(own, (0, longest - len(own)), constant_values=own[0]) for own in rows]
    return np.stack(padded, axis=1)
