"""Where batches come from: arrays that are shuffled, or any iterable that yields batches.

Everything about the data that can be wrong is told here, at fit's door, before the first step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.checks import check_numbers, check_range, check_whole
from chainrule.data.arrays import Seed, check_lengths, train_test_split
from chainrule.data.fingerprint import fingerprint
from chainrule.data.mapped import Mappings
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.base import refuse_huge_weights
from chainrule.loss_functions.class_weight import (
    ClassWeight,
    check_class_weight,
    weight_of_classes,
)
from chainrule.parameter import Array
from chainrule.pytree import (
    PyTree,
    concatenate,
    first_array,
    is_tuple,
    named_arrays,
    take,
    tree_leaves,
    tree_map,
)

Batch = tuple[PyTree, PyTree, Array | None]
"""Inputs, targets, and the samples' weights where there are any."""

CHUNK_BYTES = 1 << 20
"""About how much of a shuffled epoch is gathered at once.

One `take` for many small batches costs less than one for each; and no more than this (or one
batch) is ever copied, so that a memory-mapped array may be larger than the memory.
"""


CHANGING = "other batches each time"
"""The fingerprint of an iterable that shuffles itself, by no rule that is known here."""


class ArraySource:
    """Batches out of arrays, in memory or mapped.

    Parameters
    ----------
    X, y : ndarray, or a tuple or dict of ndarray
        Samples along the first axis.
    weight : ndarray, optional
        How much each sample (or position of a sequence) counts.
    rows : ndarray of int
        Which samples to take.
    batch_size : int
        Samples in a batch. The last one may be smaller; a single sample that is left over joins the
        batch before it.
    drop_last : bool
        Whether a last batch that would be smaller is left out of the epoch.
    """

    def __init__(
        self,
        X: PyTree,
        y: PyTree,
        weight: Array | None,
        rows: Array,
        batch_size: int,
        drop_last: bool = False,
    ) -> None:
        self.X = tree_map(np.asarray, X)  # of a mapped array: a view, still mapped
        self.y = tree_map(np.asarray, y)
        self.weight, self.rows, self.batch_size = weight, rows, batch_size
        self.drop_last = drop_last
        self.samples = len(rows)
        self.bounds = batch_bounds(len(rows), batch_size, drop_last)
        sample_bytes = max(1, sum(array.nbytes // len(array) for array in tree_leaves(self.X)))
        self.chunk = max(1, CHUNK_BYTES // (sample_bytes * batch_size))  # in batches
        self._mappings = Mappings(self.X, self.y)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def part(self, rows: Array, batch_size: int, drop_last: bool = False) -> ArraySource:
        """Return a source of some of the samples."""
        return ArraySource(self.X, self.y, self.weight, rows, batch_size, drop_last)

    def fingerprint(self) -> str:
        """Return a short text that other data would not have."""
        return fingerprint(X=self.X, y=self.y, weight=self.weight)

    def extremes(self) -> Array:
        """Return the samples with the least and the greatest target."""
        places: list[int] = []
        for array in tree_leaves(self.y):
            targets = array.take(self.rows, axis=0).reshape(len(self.rows), -1)
            places += [int(targets.min(axis=1).argmin()), int(targets.max(axis=1).argmax())]
        return self.rows[places]

    def order(self, rng: np.random.Generator | None) -> Array:
        """Return the samples of one epoch in the order to take them: drawn anew, or as they are."""
        return self.rows if rng is None else rng.permutation(self.rows)

    def batch(self, order: Array, number: int, part: slice | None = None) -> Batch:
        """Return one batch of an epoch, or a part of it; of a mapped array no more is read."""
        rows = order[self.bounds[number] : self.bounds[number + 1]][part or slice(None)]
        return self._taken(rows)

    def batches(self, order: Array, start: int = 0, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from the one with the number `start` on."""
        for first in range(start, len(self), self.chunk):
            bounds = self.bounds[first : first + self.chunk + 1]
            rows = order[bounds[0] : bounds[-1]]
            x, y, weight = self._taken(rows)
            for a, b in itertools.pairwise((bounds - bounds[0]).tolist()):
                part = slice(a, b)
                yield take(x, part), take(y, part), None if weight is None else weight[part]

    def _taken(self, rows: Array) -> Batch:
        """Return copies of these samples, and give back what was read for them."""
        weight = None if self.weight is None else self.weight.take(rows, axis=0)
        taken = take(self.X, rows), take(self.y, rows), weight
        self._mappings.release()
        return taken


def batch_bounds(samples: int, size: int, drop_last: bool = False) -> Array:
    """Return where each batch begins, and where the last one ends.

    >>> batch_bounds(70, 32).tolist(), batch_bounds(65, 32).tolist()
    ([0, 32, 64, 70], [0, 32, 65])
    """
    bounds = np.append(np.arange(0, samples, size), samples)
    rest = samples - bounds[-2]
    if drop_last and rest < size:
        if len(bounds) == 2:
            raise ConfigurationError(
                f"drop_last leaves nothing: there are {samples} samples and batch_size is {size}."
            )
        return bounds[:-1]
    if rest == 1 and size > 1 and len(bounds) > 2:  # one sample has no statistics of its own
        return np.delete(bounds, -2)
    return bounds


class IterableSource:
    """Batches ``(x, y)`` or ``(x, y, weight)`` as an iterable yields them, every epoch anew.

    One that shuffles itself has a method ``set_epoch(epoch)``, which is called before each epoch:
    the order must follow from that number, so that a training can go on in the middle.
    """

    def __init__(
        self,
        iterable: Iterable[Any],
        class_weight: ClassWeight | str | None,
        epochs: int,
        called: str = "",
    ) -> None:
        if isinstance(iterable, Iterator) and epochs > 1:
            raise ConfigurationError(
                f"This {type(iterable).__name__}{called} can be gone through only once, not for "
                f"{epochs} epochs. Give a list of batches or an object whose __iter__ begins anew."
            )
        if isinstance(class_weight, str):
            raise ConfigurationError(
                "class_weight='balanced' needs all labels at once; for an iterable of batches "
                "give the weight of each class: {0: 1.0, 1: 5.0}."
            )
        self.samples = self.batch_size = 0  # nobody knows
        self.drop_last = False
        self.called = called
        self.iterable = iterable
        self.class_weight = class_weight

    def __len__(self) -> int:
        count = getattr(self.iterable, "__len__", None)
        return 0 if count is None else int(count())  # 0: nobody knows

    def fingerprint(self) -> str:
        """Return a short text that other data would not have, taken from the first batch.

        It is `CHANGING` where that is another one each time.
        """
        if isinstance(self.iterable, Iterator):
            return "an iterator"  # which nobody can look into twice
        taken = []
        for _ in range(2):
            x, y, weight = next(self._checked(0), (np.empty(0), np.empty(0), None))
            taken.append(fingerprint(x=x, y=y, weight=weight))
        return taken[0] if taken[0] == taken[1] else CHANGING

    def first(self) -> Batch:
        """Return the first batch, looked at; none is lost by it."""
        if isinstance(self.iterable, Iterator):
            taken = list(itertools.islice(self.iterable, 1))
            self.iterable = itertools.chain(taken, self.iterable)
            batch = next(self._looked_at(taken), None)
        else:
            batch = next(self._checked(0), None)
        if batch is None:
            raise InputError(f"The iterable{self.called} yielded no batch.")
        return batch

    def order(self, rng: np.random.Generator | None) -> Array:
        """Return no order: the iterable has its own."""
        return np.empty(0, np.intp)

    def batches(self, order: Array, start: int = 0, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch; the first `start` ones are passed over.

        A last batch of one sample joins the one before it, as with arrays.
        """
        batches = last_one_joined(self._checked(epoch))
        first = next(batches, None)
        if first is None:
            raise InputError(f"The iterable{self.called} yielded no batch.")
        yield from itertools.islice(itertools.chain([first], batches), start, None)

    def _checked(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches as they come, each looked at."""
        set_epoch = getattr(self.iterable, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        return self._looked_at(self.iterable)

    def _looked_at(self, batches: Iterable[Any]) -> Iterator[Batch]:
        for batch in batches:
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                raise InputError(
                    f"Expected batches (x, y) or (x, y, weight) from the iterable{self.called}, "
                    f"got {_described(batch)}."
                )
            x = as_arrays(batch[0], "x", self.called)
            y = as_arrays(batch[1], "y", self.called)
            check_lengths(*tree_leaves(x), *tree_leaves(y))
            given = batch[2] if len(batch) == 3 else None
            yield x, y, sample_weights(y, given, self.class_weight)


def last_one_joined(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches; a last one of a single sample as a part of the one before it.

    Where the two do not fit together, such as sequences of another length, it stays alone.
    """
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if len(waiting) == 3:
            yield waiting.pop(0)
    whole = joined(*waiting) if len(waiting) == 2 else None
    yield from waiting if whole is None else [whole]


def joined(before: Batch, last: Batch) -> Batch | None:
    """Return a batch and the single sample behind it as one; None where that is not what they are.

    Nor do they fit together where the sequences of one are longer than those of the other.
    """
    alone = len(first_array(before[0])) > 1 == len(first_array(last[0]))
    if not alone or (before[2] is None) != (last[2] is None):
        return None
    try:
        x, y = (concatenate([before[place], last[place]]) for place in (0, 1))
        weight = None if before[2] is None else np.concatenate([before[2], last[2]])
    except (ValueError, KeyError):
        return None
    return x, y, weight


Source = ArraySource | IterableSource


# ---------------------------------------------------------------- checks at fit's door


def make_source(
    X: Any,
    y: Any = None,
    batch_size: int = 32,
    sample_weight: Any = None,
    class_weight: ClassWeight | str | None = None,
    epochs: int = 1,
    drop_last: bool = False,
    called: str = "",
) -> Source:
    """Return the source for what a user gave: arrays X and y, or an iterable of batches as X.

    `called` stands behind X and y in messages, such as " of validation_data".
    """
    batch_size = check_whole("batch_size", batch_size)
    balanced = isinstance(class_weight, str) and class_weight == "balanced"
    if class_weight is not None and not balanced:
        class_weight = check_class_weight(class_weight)
    if y is None:
        if not isinstance(X, Iterable) or isinstance(X, np.ndarray | Mapping) or is_tuple(X):
            raise InputError(
                f"Give X and y{called}, or an iterable of batches (x, y); "
                f"got {_described(X)} without y."
            )
        if sample_weight is not None:
            raise ConfigurationError("With an iterable, yield the weights: (x, y, weight).")
        if drop_last:
            raise ConfigurationError(
                "drop_last is for arrays; an iterable yields only the batches that are wanted."
            )
        return IterableSource(X, class_weight, epochs, called)
    columns = getattr(X, "columns", None)  # of a data frame
    X, y = as_arrays(X, "X", called), as_arrays(y, "y", called)
    refuse_other_lengths(X, y, called)
    for name, array in (named_arrays(X, "X") | named_arrays(y, "y")).items():
        refuse_not_finite(array, name + called, columns if name == "X" else None)
    weight = sample_weights(y, sample_weight, class_weight)
    if class_weight is not None and not isinstance(class_weight, str):
        refuse_absent_classes(y, class_weight)
    rows = np.arange(len(first_array(X)))
    if weight is not None:  # a sample that counts for nothing is left out
        rows = rows[weight.reshape(len(weight), -1).any(axis=1)]
    return ArraySource(X, y, weight, rows, batch_size, drop_last)


def as_arrays(data: PyTree, name: str, called: str = "") -> Any:
    """Return the data with every part of it as an array; see `as_array`."""
    names = iter(named_arrays(data, name))
    return tree_map(lambda values: as_array(values, next(names) + called), data)


def refuse_other_lengths(X: PyTree, y: PyTree, called: str) -> None:
    """Raise InputError unless all arrays hold as many samples, and some."""
    arrays = named_arrays(X, "X") | named_arrays(y, "y")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"X and y{called} must have the same number of samples: {told}.")
    check_lengths(*arrays.values())


def as_array(values: Any, name: str) -> Array:
    """Return an array (a mapped one stays mapped) of at least one axis that holds numbers."""
    array = check_numbers(name, values, "encode text and number classes from 0")
    if array.ndim == 0:
        raise InputError(f"{name} must hold samples along its first axis, got a single number.")
    return array


def refuse_not_finite(array: Array, name: str, columns: Any = None) -> None:
    """Raise InputError where an array in memory holds NaN or infinity; it is looked at in parts.

    A mapped array is not read through for this: each batch is checked when it comes.
    """
    if array.dtype.kind != "f" or isinstance(array, np.memmap):
        return
    step = max(1, CHUNK_BYTES * len(array) // max(1, array.nbytes))
    for start in range(0, len(array), step):
        finite = np.isfinite(array[start : start + step])
        if not finite.all():
            row, *rest = (int(place) for place in np.argwhere(~finite)[0])
            column = f", column {rest[0]}" if len(rest) == 1 else ""
            column += f" ({columns[rest[0]]!r})" if column and columns is not None else ""
            raise InputError(
                f"{name} holds NaN or infinity, first in row {row + start}{column}. Fill or drop "
                "those rows."
            )


def sample_weights(
    y: PyTree, sample_weight: Any, class_weight: ClassWeight | str | None
) -> Array | None:
    """Return the weight of every sample: its own times its class's. None where all are equal."""
    weight = None
    if sample_weight is not None:
        weight = as_array(sample_weight, "sample_weight").astype(np.float64)
        samples = len(first_array(y))
        if len(weight) != samples:
            raise InputError(f"Got {len(weight)} sample weights for {samples} samples.")
        if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
            raise InputError("Sample weights must be finite, not negative, and not all zero.")
    if class_weight is not None:
        labels = class_labels(y) if isinstance(y, np.ndarray) else None
        if labels is None:
            raise InputError(
                "class_weight needs classes: y must hold whole numbers or one-hot rows."
            )
        of_class = weight_of_labels(labels, class_weight)
        with np.errstate(over="ignore"):  # refused below
            weight = of_class if weight is None else weight * of_class
        if not weight.any():
            raise InputError("class_weight gives every sample the weight zero.")
    if weight is not None:
        refuse_huge_weights(weight)
    return weight


def weight_of_labels(labels: Array, class_weight: ClassWeight | str) -> Array:
    """Return the weight of each label's class, shaped like `labels`."""
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    places = places.reshape(labels.shape)
    if isinstance(class_weight, str):  # "balanced"
        return (labels.size / (len(classes) * counts))[places]
    if isinstance(class_weight, Mapping):
        return np.array([class_weight.get(int(label), 1.0) for label in classes])[places]
    return weight_of_classes(class_weight, int(classes[-1]) + 1)[labels]


def refuse_absent_classes(y: Array, class_weight: ClassWeight) -> None:
    """Raise InputError where a weight is given to a class that no sample has.

    A sequence has a weight for each class up to the last one that is there.
    """
    labels = class_labels(y)
    held = set() if labels is None else set(np.unique(labels).tolist())
    absent = sorted(set(class_weight) - held) if isinstance(class_weight, Mapping) else []
    if labels is not None and not isinstance(class_weight, Mapping):
        absent = list(range(max(held) + 1, len(class_weight)))
    if labels is not None and absent:
        raise InputError(
            f"class_weight names the classes {absent}, which no sample has; y holds "
            f"{sorted(held)[:20]}."
        )


def class_labels(y: Array) -> Array | None:
    """Return the class of each sample, or None where `y` holds no classes.

    Classes are whole numbers from 0, (N,) or (N, 1), (N, T) for sequences, or one-hot rows.
    """
    if y.dtype.kind == "b" or (y.dtype.kind in "iu" and y.size and y.min() >= 0):
        if y.ndim == 2 and y.shape[1] > 1 and _one_hot(y):
            return y.argmax(axis=1)
        return y.reshape(len(y)).astype(np.intp) if y.size == len(y) else y.astype(np.intp)
    if y.ndim == 2 and y.shape[1] > 1 and _one_hot(y):
        return y.argmax(axis=1)
    if y.dtype.kind == "f" and y.size == len(y) and ((y == 0) | (y == 1)).all():
        return y.reshape(len(y)).astype(np.intp)  # yes or no, for the binary cross-entropy
    return None


def _one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def split(source: ArraySource, share: float, seed: Seed) -> tuple[Array, str]:
    """Return the rows for validation, and how they were chosen, in words.

    They are shuffled; where `y` holds one class a sample, each class is split alike.
    """
    share = check_range("validation_split", share, high=1, inclusive=False)
    y = source.y
    labels = class_labels(y.take(source.rows, axis=0)) if isinstance(y, np.ndarray) else None
    how = "shuffled, not stratified: y does not hold classes"
    if labels is not None and labels.ndim == 1:
        fewest = np.unique(labels, return_counts=True)[1].min()
        how = "shuffled, stratified by class"
        if fewest < 2:
            labels, how = None, "shuffled, not stratified: a class has a single sample"
    else:
        labels = None
    _, validation = train_test_split(source.rows, test_size=share, stratify=labels, seed=seed)
    words = f"{len(validation):,} of {len(source.rows):,} samples for validation, {how}"
    return validation, words


def _described(thing: Any) -> str:
    shape = getattr(thing, "shape", None)
    return type(thing).__name__ + (f" of shape {shape}" if shape is not None else "")
