"""Data in arrays: batches, splits, one-hot labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_range, check_seed, check_whole
from chainrule.errors import InputError
from chainrule.loss_functions import one_hot
from chainrule.parameter import Array

__all__ = ["batches", "one_hot", "train_test_split"]

Seed: TypeAlias = "int | np.random.Generator | None"


def check_lengths(*arrays: Any) -> int:
    """Return how many samples the arrays hold; raise InputError if that differs or is 0."""
    if not arrays:
        raise InputError("There is no data: give at least one array.")
    if any(np.ndim(array) == 0 for array in arrays):
        raise InputError("Expected arrays with one entry for each sample, got a single value.")
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise InputError(
            f"The arrays must have the same number of samples, got {[len(a) for a in arrays]}."
        )
    if lengths == {0}:
        raise InputError("The data is empty.")
    return lengths.pop()


def batches(
    *arrays: ArrayLike, batch_size: int, shuffle: bool = True, seed: Seed = None
) -> Iterator[tuple[Array, ...]]:
    """Yield the arrays in batches, each sample once; the last batch may be smaller.

    Parameters
    ----------
    *arrays : array_like
        Of equal length, such as X and y.
    batch_size : int
        Samples per batch.
    shuffle : bool
        Whether the order is random.
    seed : int or Generator, optional
        Determines the order. Pass the same Generator to the call of every epoch, so that epochs
        differ and the run can be repeated.

    Examples
    --------
    >>> X, y = np.arange(5.0), np.arange(5) % 2
    >>> [x.tolist() for x, _ in batches(X, y, batch_size=2, shuffle=False)]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """
    held = [check_array(f"array {place}", array) for place, array in enumerate(arrays)]
    count = check_lengths(*held)
    batch_size = check_whole("batch_size", batch_size)
    order = check_seed(seed).permutation(count) if shuffle else np.arange(count)

    def take() -> Iterator[tuple[Array, ...]]:  # so that the checks above run at the call
        for start in range(0, count, batch_size):
            chosen = order[start : start + batch_size]
            yield tuple(array[chosen] for array in held)

    return take()


def train_test_split(
    *arrays: ArrayLike,
    test_size: float = 0.2,
    stratify: ArrayLike | None = None,
    seed: Seed = None,
) -> list[Array]:
    """Split arrays at random into a training and a test part.

    Parameters
    ----------
    *arrays : array_like
        Of equal length, such as X and y.
    test_size : float
        The share of the test part, between 0 and 1.
    stratify : array_like, shape (N,), optional
        The class of each sample: every class is then split in the same proportion.
    seed : int or Generator, optional
        The same seed gives the same split.

    Returns
    -------
    list of ndarray
        ``X_train, X_test, y_train, y_test`` for ``train_test_split(X, y)``.

    Raises
    ------
    InputError
        The arrays differ in length, or a class has a single sample.

    Examples
    --------
    >>> X, y = np.arange(10.0), np.arange(10) % 2
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, seed=0)
    >>> len(X_train), sorted(y_test.tolist())
    (8, [0, 1])
    """
    held = [check_array(f"array {place}", array) for place, array in enumerate(arrays)]
    count = check_lengths(*held)
    test_size = check_range("test_size", test_size, high=1, inclusive=False)
    rng = check_seed(seed)
    if stratify is None:
        groups = [np.arange(count)]
    else:
        labels = check_array("stratify", stratify)
        if labels.shape != (count,):
            raise InputError(f"stratify must hold {count} labels, got the shape {labels.shape}.")
        classes, place = np.unique(labels, return_inverse=True)
        groups = [np.flatnonzero(place == index) for index in range(len(classes))]
    is_test = np.zeros(count, np.bool_)
    for members, size in zip(groups, _test_sizes(groups, test_size), strict=True):
        is_test[rng.choice(members, size, replace=False)] = True
    train, test = (
        rng.permutation(np.flatnonzero(~is_test)),
        rng.permutation(np.flatnonzero(is_test)),
    )
    return [part for array in held for part in (array[train], array[test])]


def _test_sizes(groups: list[Array], test_size: float) -> list[int]:
    """Return the test size of each group, at least 1 and at most all but one.

    The sizes are rounded down, and what is missing from the total goes to the largest remainders.
    """
    smallest = min(len(group) for group in groups)
    if smallest < 2:
        raise InputError(
            f"A class (or the data) with {smallest} sample cannot be split into two parts; "
            "at least 2 are needed."
        )
    exact = np.array([len(group) * test_size for group in groups])
    sizes = np.floor(exact).astype(int)
    missing = round(exact.sum()) - sizes.sum()
    sizes[np.argsort(sizes - exact, kind="stable")[:missing]] += 1
    most = np.array([len(group) - 1 for group in groups])
    return list(np.clip(sizes, 1, most))
