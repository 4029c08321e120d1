"""Which samples each member learns from, and which it is measured on.

Without folds all members learn from the same samples. With them each member leaves out a part of
its own, so that all members together have learned from every sample, and for every sample there is
a member that has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_array, check_whole
from chainrule.data.sources import class_labels
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array

Fold = tuple[Array, Array]
"""The samples to learn from and those to be measured on, as numbers of rows."""


def folds_from(cv: Any, y: Array, members: int, rng: np.random.Generator) -> list[Fold]:
    """Return the fold of each member: so many parts in turn, or those that were given."""
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        folds = [checked_fold(fold, len(y)) for fold in cv]
        if not folds:
            raise ConfigurationError("cv holds no fold.")
    else:
        cv = check_whole("cv", cv, least=2)
        if cv > len(y):
            raise InputError(f"cv={cv} parts cannot be made of {len(y)} samples.")
        folds = split_into(cv, y, rng)
    return [folds[k % len(folds)] for k in range(members)]


def checked_fold(fold: Any, count: int) -> Fold:
    """Return a fold as two arrays of rows; refuse rows that are not there, and samples in both."""
    if not isinstance(fold, Sequence) or len(fold) != 2:
        raise ConfigurationError(
            "cv must be a number of parts, or hold a pair (rows to learn from, rows to be measured "
            f"on) for each fold; got {fold!r:.100}."
        )
    train, held_out = (check_array("cv", rows) for rows in fold)
    for rows in (train, held_out):
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows):
            raise ConfigurationError("Each part of a fold in cv must hold row numbers, (n,).")
        if rows.min() < 0 or rows.max() >= count:
            raise InputError(f"cv names rows outside the {count} that there are.")
    if np.intersect1d(train, held_out).size:
        raise InputError("A fold in cv has the same row in both parts.")
    return train.astype(np.intp), held_out.astype(np.intp)


def split_into(parts: int, y: Array, rng: np.random.Generator) -> list[Fold]:
    """Return so many folds at random, in each of which `y` is spread as it is in all samples.

    The samples are put in the order of y, equal ones at random, and dealt out like cards: each
    round, one to each part, in a new order. So each part has its share of each class, or of small
    and large numbers.
    """
    labels = class_labels(y)
    of_row = labels if labels is not None and labels.ndim == 1 else y.reshape(len(y), -1)[:, 0]
    order = np.lexsort((rng.permutation(len(y)), of_row))
    rounds = -(-len(y) // parts)
    dealt = rng.permuted(np.tile(np.arange(parts), (rounds, 1)), axis=1).reshape(-1)[: len(y)]
    part = np.empty(len(y), np.intp)
    part[order] = dealt
    return [(np.flatnonzero(part != p), np.flatnonzero(part == p)) for p in range(parts)]


def side_by_side(rows: Sequence[Array]) -> Array:
    """Return rows of each member in columns, (n, K); a shorter one is filled up with its first."""
    longest = max(len(own) for own in rows)
    columns = np.empty((longest, len(rows)), np.intp)
    for k, own in enumerate(rows):
        columns[: len(own), k] = own
        columns[len(own) :, k] = own[0]
    return columns
