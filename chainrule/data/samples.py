"""Samples: inputs, targets and weights in arrays, and how they become batches.

Whatever a user gives (arrays, lists, data frames, tuples or dicts of them) is validated once, by
`check_samples`. From there on only `Samples` is asked. There is one rule for cutting rows into
batches, `batch_bounds`, so training, trial runs and measurements see the same batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.checks import check_finite, check_numbers, check_range
from chainrule.data.arrays import train_test_split
from chainrule.data.fingerprint import fingerprint
from chainrule.data.mapped import Mappings
from chainrule.data.weights import (
    balanced,
    class_labels,
    refuse_absent_classes,
    rows_that_count,
    sample_weights,
)
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.class_weight import ClassWeight, check_class_weight
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, named_arrays, take, tree_leaves, tree_map

Batch = tuple[PyTree, PyTree, Array | None]
"""Inputs, targets, and the weights of the samples, or None."""

CHUNK_BYTES = 1 << 20
"""About how many bytes of a shuffled epoch are gathered at once.

One `take` for many small batches costs less than one for each. No more than this (or one batch) is
ever copied, so a memory-mapped array may be larger than the memory.
"""


class Samples:
    """Rows of arrays, in memory or memory-mapped.

    Parameters
    ----------
    X : ndarray, or a tuple or dict of ndarray
        Inputs, with the samples along the first axis.
    y : ndarray, or a tuple or dict of ndarray, optional
        Targets.
    weight : ndarray, optional
        How much each sample (or each position of a sequence) counts.
    rows : ndarray of int, optional
        Which rows to use; all of them by default.
    class_weight : mapping of int to float, or sequence of float, optional
        The weights of classes that are part of `weight`.

    Examples
    --------
    >>> samples = Samples(np.arange(5.0), np.arange(5) % 2)
    >>> [x.tolist() for x, y, weight in samples.batches(2)]
    [[0.0, 1.0], [2.0, 3.0, 4.0]]
    >>> len(samples.subset(np.array([1, 3])))
    2
    """

    def __init__(
        self,
        X: PyTree,
        y: PyTree = None,
        weight: Array | None = None,
        rows: Array | None = None,
        class_weight: ClassWeight | None = None,
    ) -> None:
        self.X = tree_map(np.asarray, X)  # of a memory-mapped array: a view, still mapped
        self.y: Any = None if y is None else tree_map(np.asarray, y)
        self.weight, self.class_weight = weight, class_weight
        self.rows = np.arange(len(first_array(self.X))) if rows is None else rows
        own = tree_leaves(self.X) + tree_leaves(self.y)
        views = [array for array in own if getattr(array, "base", None) is not None]
        self._mappings = Mappings(*views) if views else None  # only a view can be mapped

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, rows: Array) -> Samples:
        """Return some of the samples; `rows` are row numbers of the arrays."""
        return Samples(self.X, self.y, self.weight, rows, self.class_weight)

    def take(self, rows: Array) -> Batch:
        """Return copies of these rows; pages of a memory-mapped file are released."""
        taken = (
            take(self.X, rows),
            None if self.y is None else take(self.y, rows),
            None if self.weight is None else self.weight.take(rows, axis=0),
        )
        if self._mappings is not None:
            self._mappings.release()
        return taken

    # ------------------------------------------------------------ batches

    def batches(
        self, batch_size: int, order: Array | None = None, start: int = 0, drop_last: bool = False
    ) -> Iterator[Batch]:
        """Yield the batches of one epoch, beginning with batch number `start`.

        `order` holds the row numbers in the order to use them; `rows` by default.
        """
        order = self.rows if order is None else order
        bounds = batch_bounds(len(order), batch_size, drop_last)
        row_bytes = max(1, sum(array.nbytes // len(array) for array in tree_leaves(self.X)))
        chunk = max(1, CHUNK_BYTES // (row_bytes * batch_size))  # in batches
        for first in range(start, len(bounds) - 1, chunk):
            ends = bounds[first : first + chunk + 1]
            gathered = self.take(order[ends[0] : ends[-1]])
            for a, b in itertools.pairwise((ends - ends[0]).tolist()):
                yield rows_of(gathered, slice(a, b))

    # ------------------------------------------------------------ what the samples are like

    def fingerprint(self) -> str:
        """Return a short text that other data would not have."""
        return fingerprint(X=self.X, y=self.y, weight=self.weight)

    def extremes(self) -> Array:
        """Return the rows with the smallest and the largest target."""
        places: list[int] = []
        for array in tree_leaves(self.y):
            targets = array.take(self.rows, axis=0).reshape(len(self.rows), -1)
            places += [int(targets.min(axis=1).argmin()), int(targets.max(axis=1).argmax())]
        return self.rows[places]

    def split(self, share: float, rng: np.random.Generator) -> tuple[Array, str]:
        """Return random rows to hold out for validation, and in words how they were chosen.

        Where `y` holds one class per sample, the same share of each class is held out.
        """
        share = check_range("validation_split", share, high=1, inclusive=False)
        y, how = self.y, "shuffled, not stratified: y does not hold classes"
        labels = class_labels(y.take(self.rows, axis=0)) if isinstance(y, np.ndarray) else None
        if labels is not None and labels.ndim > 1:
            labels = None
        if labels is not None:
            how = "shuffled, stratified by class"
            if np.unique(labels, return_counts=True)[1].min() < 2:
                labels, how = None, "shuffled, not stratified: a class has a single sample"
        _, held_out = train_test_split(self.rows, test_size=share, stratify=labels, seed=rng)
        words = f"{len(held_out):,} of {len(self.rows):,} samples for validation, {how}"
        return held_out, words


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Return some rows of a batch, as views.

    >>> rows_of((np.arange(4), np.arange(4), None), slice(0, 2))
    (array([0, 1]), array([0, 1]), None)
    """
    x, y, weight = batch
    return (
        take(x, rows),
        None if y is None else take(y, rows),
        None if weight is None else weight[rows],
    )


def batch_bounds(samples: int, size: int, drop_last: bool = False) -> Array:
    """Return where each batch begins, and where the last one ends.

    The last batch may be smaller, or is dropped with `drop_last`. A single sample that is left
    over joins the batch before it: one sample has no batch statistics.

    >>> batch_bounds(70, 32).tolist(), batch_bounds(65, 32).tolist()
    ([0, 32, 64, 70], [0, 32, 65])
    """
    bounds = np.append(np.arange(0, samples, size), samples)
    rest = samples - bounds[-2]
    if drop_last and rest < size:
        if len(bounds) == 2:
            raise ConfigurationError(
                f"drop_last leaves no batch: there are {samples} samples and batch_size is {size}."
            )
        return bounds[:-1]
    if rest == 1 and size > 1 and len(bounds) > 2:
        return np.delete(bounds, -2)
    return bounds


# ---------------------------------------------------------------- input validation


def check_samples(
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: ClassWeight | str | None = None,
    called: str = "",
) -> Samples:
    """Return validated samples; without `y`, those to predict.

    Samples of weight 0 are left out of `Samples.rows`.

    Parameters
    ----------
    X, y : array_like, or a tuple or dict of array_like
        Inputs and targets.
    sample_weight, class_weight
        As in `Trainer.fit`.
    called : str
        What stands behind X and y in error messages, such as ``" of validation_data"``.

    Raises
    ------
    InputError
        Not numbers, not of equal length, empty, NaN or infinite; or weights that cannot be used.
    """
    columns = getattr(X, "columns", None)  # of a data frame
    X = as_arrays(X, "X", called)
    named = named_arrays(X, "X")
    if y is not None:
        y = as_arrays(y, "y", called)
        named |= named_arrays(y, "y")
    lengths = {name: len(array) for name, array in named.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"X and y{called} must have the same number of samples: {words}.")
    if not lengths or 0 in lengths.values():
        raise InputError(f"There are no samples: X{called} is empty.")
    for name, array in named.items():
        if not isinstance(array, np.memmap):  # whose batches are checked when they are used
            check_finite(name + called, array, columns=columns if name == "X" else None)
    weight = None
    if sample_weight is not None or class_weight is not None:
        if class_weight is not None and class_weight != "balanced":
            class_weight = check_class_weight(class_weight)
        weight = sample_weights(y, sample_weight, class_weight)
    if weight is None:
        return Samples(X, y)
    of_classes: ClassWeight | None = None
    if isinstance(class_weight, str):
        of_classes = balanced(y)
    elif class_weight is not None:
        of_classes = class_weight
        refuse_absent_classes(y, class_weight)
    return Samples(X, y, weight, rows_that_count(weight), of_classes)


def as_arrays(data: PyTree, name: str, called: str = "") -> Any:
    """Return the data with every part as an array of numbers; memory-mapped ones stay mapped."""
    names = iter(named_arrays(data, name))

    def as_array(values: Any) -> Array:
        what = next(names) + called
        array = check_numbers(
            what,
            values,
            finite=False,
            empty=True,
            advice="encode text and number classes from 0",
        )
        if array.ndim == 0:
            raise InputError(f"{what} must hold samples along its first axis, got a single number.")
        return array

    return tree_map(as_array, data)
