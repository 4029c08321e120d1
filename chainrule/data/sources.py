"""Where the batches of a training come from: arrays that are shuffled, or an iterable of batches.

`make_source` turns what the user gave into a `Source`. From there on only the source is asked.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks import check_whole
from chainrule.data.arrays import check_lengths
from chainrule.data.fingerprint import fingerprint
from chainrule.data.samples import (
    Batch,
    Samples,
    as_arrays,
    batch_bounds,
    check_samples,
    rows_of,
)
from chainrule.data.weights import rows_that_count, sample_weights
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.class_weight import ClassWeight, check_class_weight
from chainrule.parameter import Array
from chainrule.pytree import concatenate, first_array, is_tuple, take, tree_leaves, tree_map

CHANGING = "other batches each time"
"""The fingerprint of an iterable that shuffles itself in an order that cannot be reproduced."""

Share = tuple[Batch, Callable[[], Batch]]
"""Some rows of a batch, and a function that returns the whole batch."""


class ArraySource:
    """Batches from arrays, in memory or memory-mapped.

    Parameters
    ----------
    samples : Samples
        The data.
    batch_size : int
        Samples per batch; see `batch_bounds` about the last one.
    drop_last : bool
        Whether to leave out a smaller last batch.
    """

    def __init__(self, samples: Samples, batch_size: int, drop_last: bool = False) -> None:
        self.samples, self.batch_size, self.drop_last = samples, batch_size, drop_last
        self.class_weight = samples.class_weight
        self.bounds = batch_bounds(len(samples), batch_size, drop_last)

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return len(self.bounds) - 1

    def fingerprint(self) -> str:
        """Return a short text that other data would not have."""
        return self.samples.fingerprint()

    def first(self) -> Batch:
        """Return the first batch, not shuffled."""
        return self._batch(self.samples.rows, 0, slice(None))

    def order(self, rng: np.random.Generator | None) -> Array:
        """Return the row numbers of one epoch, shuffled if `rng` is given."""
        rows = self.samples.rows
        return rows if rng is None else rng.permutation(rows)

    def batches(self, order: Array, start: int = 0, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, beginning with batch number `start`."""
        return self.samples.batches(self.batch_size, order, start, self.drop_last)

    def shares(
        self, order: Array, start: int, epoch: int, rows: Callable[[int], slice]
    ) -> Iterator[Share]:
        """Yield some rows of each batch: of a batch of n samples, those in ``rows(n)``.

        For processes that share each batch: no other rows are read.
        """
        sizes = np.diff(self.bounds).tolist()
        for number in range(start, len(self)):
            share = self._batch(order, number, rows(sizes[number]))
            yield share, partial(self._batch, order, number, slice(None))

    def _batch(self, order: Array, number: int, rows: slice) -> Batch:
        return self.samples.take(order[self.bounds[number] : self.bounds[number + 1]][rows])


class IterableSource:
    """Batches ``(x, y)`` or ``(x, y, weight)`` from an iterable.

    Each batch is copied as it comes: an iterable may yield the same arrays again and again, filled
    with other numbers.

    An iterable that shuffles itself has a method ``set_epoch(epoch)``, which is called before each
    epoch: its order must follow from that number, so that a training can be resumed. The methods
    are those of `ArraySource`.
    """

    samples = None
    batch_size, drop_last = 0, False

    def __init__(
        self,
        iterable: Iterable[Any],
        class_weight: ClassWeight | str | None,
        epochs: int,
        called: str = "",
    ) -> None:
        if isinstance(iterable, Iterator) and epochs > 1:
            raise ConfigurationError(
                f"This {type(iterable).__name__}{called} can be read only once, not for {epochs} "
                "epochs. Give a list of batches or an object whose __iter__ starts anew."
            )
        if isinstance(class_weight, str) and class_weight == "balanced":
            raise ConfigurationError(
                "class_weight='balanced' needs all labels at once; for an iterable of batches "
                "give the weight of each class: {0: 1.0, 1: 5.0}."
            )
        self.iterable = iterable
        self.class_weight = None if class_weight is None else check_class_weight(class_weight)
        self.called = called

    def __len__(self) -> int:
        """Return the number of batches per epoch; 0 if unknown."""
        count = getattr(self.iterable, "__len__", None)
        return 0 if count is None else int(count())

    def fingerprint(self) -> str:
        """Return a short text about the first batch; `CHANGING` if it differs each time."""
        if isinstance(self.iterable, Iterator):
            return "an iterator"  # which can be read only once
        taken = []
        for _ in range(2):
            x, y, weight = next(self._epoch(0), (np.empty(0), np.empty(0), None))
            taken.append(fingerprint(x=x, y=y, weight=weight))
        return taken[0] if taken[0] == taken[1] else CHANGING

    def first(self) -> Batch:
        """Return the first batch; it is not lost from an iterator."""
        if isinstance(self.iterable, Iterator):
            taken = copy.deepcopy(list(itertools.islice(self.iterable, 1)))
            self.iterable = itertools.chain(taken, self.iterable)
            batch = next(self._checked(taken), None)
        else:
            batch = next(self._epoch(0), None)
        if batch is None:
            raise InputError(f"The iterable{self.called} yielded no batch.")
        return batch

    def order(self, rng: np.random.Generator | None) -> Array:
        """Return no rows: the iterable has its own order."""
        return np.empty(0, np.intp)

    def batches(self, order: Array, start: int = 0, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches; a last one of a single sample joins the one before it."""
        batches = join_last(self._epoch(epoch))
        first = next(batches, None)
        if first is None:
            raise InputError(f"The iterable{self.called} yielded no batch.")
        yield from itertools.islice(itertools.chain([first], batches), start, None)

    def shares(
        self, order: Array, start: int, epoch: int, rows: Callable[[int], slice]
    ) -> Iterator[Share]:
        """Yield some rows of each batch, as `ArraySource` does."""
        for batch in self.batches(order, start, epoch):
            share = rows_of(batch, rows(len(first_array(batch[0]))))
            yield share, partial(rows_of, batch, slice(None))

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        set_epoch = getattr(self.iterable, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        return self._checked(self.iterable)

    def _checked(self, batches: Iterable[Any]) -> Iterator[Batch]:
        try:
            batches = iter(batches)
        except TypeError as error:
            raise InputError(
                f"{type(self.iterable).__name__}.__iter__{self.called} returned no iterator. "
                "Write it with yield: for ...: yield x, y."
            ) from error
        for batch in batches:
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                raise InputError(
                    f"Expected batches (x, y) or (x, y, weight) from the iterable{self.called}, "
                    f"got {_described(batch)}."
                )
            # copies: batches wait here and in metrics, and an iterable may fill its arrays anew
            x = tree_map(np.array, as_arrays(batch[0], "x", self.called))
            y = tree_map(np.array, as_arrays(batch[1], "y", self.called))
            check_lengths(*tree_leaves(x), *tree_leaves(y))
            given = batch[2] if len(batch) == 3 else None
            weight = sample_weights(y, given, self.class_weight)
            rows = None if weight is None else rows_that_count(weight)
            if weight is None or rows is None or len(rows) == len(weight):
                yield x, y, weight
            else:  # as of arrays
                yield take(x, rows), take(y, rows), weight[rows]


Source = ArraySource | IterableSource


def training_batches(source: Source, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield `steps` batches, epoch after epoch, each epoch of arrays in a new random order."""
    for epoch in itertools.count():
        for batch in source.batches(source.order(rng), epoch=epoch):
            if steps <= 0:
                return
            yield batch
            steps -= 1


def join_last(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches, with a last one of a single sample joined to the one before it.

    Where the two do not fit, such as sequences of different lengths, it stays alone.
    """
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if len(waiting) == 3:
            yield waiting.pop(0)
    joined = _joined(*waiting) if len(waiting) == 2 else None
    yield from waiting if joined is None else [joined]


def _joined(before: Batch, last: Batch) -> Batch | None:
    """Return a batch and the single sample after it as one batch; None if they do not fit."""
    single = len(first_array(before[0])) > 1 == len(first_array(last[0]))
    if not single or (before[2] is None) != (last[2] is None):
        return None
    try:
        x, y = (concatenate([before[place], last[place]]) for place in (0, 1))
        weight = None if before[2] is None else np.concatenate([before[2], last[2]])
    except (ValueError, KeyError):
        return None
    return x, y, weight


def make_source(
    X: Any,
    y: Any = None,
    batch_size: int = 32,
    *,
    sample_weight: Any = None,
    class_weight: ClassWeight | str | None = None,
    epochs: int = 1,
    drop_last: bool = False,
    called: str = "",
) -> Source:
    """Return the source for what a user gave: arrays X and y, or an iterable of batches as X.

    See `Trainer.fit` for the parameters, and `check_samples` for `called`.
    """
    batch_size = check_whole("batch_size", batch_size)
    if y is not None:
        samples = check_samples(X, y, sample_weight, class_weight, called)
        return ArraySource(samples, batch_size, drop_last)
    if not isinstance(X, Iterable) or isinstance(X, np.ndarray | Mapping) or is_tuple(X):
        raise InputError(
            f"Give X and y{called}, or an iterable of batches (x, y); got {_described(X)} "
            "without y."
        )
    if sample_weight is not None:
        raise ConfigurationError("With an iterable, yield the weights: (x, y, weight).")
    if drop_last:
        raise ConfigurationError(
            "drop_last is for arrays; an iterable should yield only the batches that are wanted."
        )
    return IterableSource(X, class_weight, epochs, called)


def _described(thing: Any) -> str:
    shape = getattr(thing, "shape", None)
    if isinstance(thing, list | tuple | dict):
        return f"{type(thing).__name__} of {len(thing)}"
    return type(thing).__name__ + (f" of shape {shape}" if shape is not None else "")
