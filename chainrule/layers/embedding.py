"""Embedding: integers, such as word indices, become learned vectors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_seed, check_sizes, check_whole
from chainrule.errors import InputError, ShapeError
from chainrule.initializers import Random
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter, filled

__all__ = ["Embedding"]


class Embedding(Module):
    """y = weight[x]: each integer in x picks its row of a table.

    For x (N, ...) of any integer type, y is (N, ..., embedding_dim). This is the product of one-hot
    rows with the table, without the zeros.

    Backward: the gradient of row i is the sum of dy over the places where x is i. Integers have no
    gradient, so backward returns None.
    Bengio et al., "A Neural Probabilistic Language Model", 2003.

    Parameters
    ----------
    num_embeddings : int
        The number of rows of the table: x holds integers from 0 to num_embeddings - 1.
    embedding_dim : int
        The length of each row. The initial rows are normal, with mean 0 and standard deviation 1.
    padding_idx : int, optional
        The index that pads short sequences. Its y is zero, so it gets no gradient; its row of the
        table starts at zero and stays there.
    seed : int, optional
        The same seed gives the same table.

    Raises
    ------
    InputError
        In forward: x does not hold integers, or one is not in the table.
    ShapeError
        In forward: x is a single number.

    Examples
    --------
    >>> layer = Embedding(100, 8, padding_idx=0, seed=0)
    >>> layer(np.array([[3, 7, 0]])).shape
    (1, 3, 8)
    """

    takes_indices = True

    option_advice: ClassVar[dict[str, str]] = dict.fromkeys(
        ("max_norm", "scale_grad_by_freq", "sparse"), "every vector learns alike here"
    )

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        sizes = check_sizes(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = sizes
        if padding_idx is not None:
            padding_idx = check_whole("padding_idx", padding_idx, 0, self.num_embeddings - 1)
        self.padding_idx = padding_idx
        self.weight = Table(sizes, padding_idx)
        self.weight.initialize(check_seed(seed))

    def forward(self, x: ArrayLike, training: bool = True) -> Array:
        indices = self._checked(x)
        self.save_for_backward(indices, training=training)
        y = self.weight.value[indices]  # (N, ..., embedding_dim)
        if self.padding_idx is not None:
            y[indices == self.padding_idx] = 0
        return y

    def backward(self, dy: Array) -> None:
        (indices,) = self.saved_values()
        # All features are summed at once, as bins of one long vector: 5 times as fast as np.add.at
        # (1600 places, 1000 rows of 64), and twice as fast as sorting the places first.
        rows, columns = self.weight.shape
        bins = indices.reshape(-1, 1) * columns + np.arange(columns)  # (places, columns)
        sums = np.bincount(bins.reshape(-1), dy.reshape(-1), rows * columns)
        self.weight.grad = sums.reshape(rows, columns)
        if self.padding_idx is not None:
            self.weight.grad[self.padding_idx] = 0

    def _checked(self, x: ArrayLike) -> Array:
        """Return the indices as integers for indexing; refuse anything else."""
        indices = check_array("the input of Embedding", x)
        if indices.dtype.kind not in "iu":
            raise InputError(
                f"Embedding takes integers, got {indices.dtype}; x.astype(int) converts "
                "whole-valued floats."
            )
        if indices.ndim == 0:
            raise ShapeError(
                f"expected a batch of indices (N, ...), got an input of shape {indices.shape}.",
                self,
            )
        wrong = (indices < 0) | (indices >= self.num_embeddings)
        if wrong.any():
            first = tuple(int(place) for place in np.argwhere(wrong)[0])
            raise InputError(
                f"Embedding has rows 0 to {self.num_embeddings - 1}, got the index "
                f"{indices[first]} at {first}. Use one index for rare and unknown values, or build "
                "the table with more rows."
            )
        return indices.astype(np.intp)  # a copy: the caller may reuse x before backward


class Table(Parameter):
    """The rows of an Embedding; initializing sets the row of the padding to zero."""

    def __init__(self, shape: tuple[int, ...], padding_idx: int | None) -> None:
        super().__init__(filled(shape, 0.0), initializer=Random(std=1.0))
        self.padding_idx = padding_idx

    def initialize(self, rng: np.random.Generator, initializer: Initializer | None = None) -> None:
        super().initialize(rng, initializer)
        if self.padding_idx is not None:
            self.value[self.padding_idx] = 0
