"""CategoryEmbedding: columns of category codes in a table become learned vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_seed, check_sizes, check_whole_numbers
from chainrule.errors import ConfigurationError, InputError
from chainrule.initializers import Random
from chainrule.layers.shape_checks import check_shape
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter, filled

__all__ = ["CategoryEmbedding"]


class CategoryTable(Parameter):
    """The vectors of the categories of one column, (..., categories, embedding_dim).

    Initializing sets that of code 0, for unknown categories, to zero: if no training row has this
    code, it stays neutral instead of random.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(filled(shape, 0.0), initializer=Random(std=shape[-1] ** -0.5))

    def drawn(self, initializer: Initializer, rng: np.random.Generator) -> Array:
        value = super().drawn(initializer, rng)
        value[..., 0, :] = 0
        return value


class CategoryEmbedding(Module):
    """y = [x_1 ... x_p, T_1[x_p+1] ... T_c[x_p+c]]: the last c columns of x pick rows of tables.

    For x (N, in_features), whose last columns hold codes as `TablePreparation(embed_from=...)`
    makes them, y is (N, in_features - c + c · embedding_dim): the other columns as they are, then
    the vector of each code. The codes are whole numbers in the floating-point type of x.

    Backward: the gradient of each vector is the sum of dy over the rows that picked it; dx is dy in
    the columns of numbers, and 0 in the columns of codes.
    Guo, Berkhahn, "Entity Embeddings of Categorical Variables", 2016.

    Parameters
    ----------
    in_features : int
        The number of columns of x, those of codes included.
    categories : sequence of int
        The number of categories m_j of each column of codes, which holds 0 to m_j - 1.
    embedding_dim : int
        The length of each vector. Initial vectors are normal, with mean 0 and standard deviation
        1 / √embedding_dim; those of code 0, for unknown categories, are 0.
    seed : int, optional
        The same seed gives the same tables.

    Raises
    ------
    ConfigurationError
        There are more columns of codes than columns.
    ShapeError
        In forward: x is not (N, in_features).
    InputError
        In forward: a column of codes holds something else.

    Examples
    --------
    >>> layer = CategoryEmbedding(3, [7], 2, seed=0)
    >>> layer(np.array([[0.5, 0.1, 0.0]]))
    array([[0.5, 0.1, 0. , 0. ]])
    """

    def __init__(
        self,
        in_features: int,
        categories: Sequence[int],
        embedding_dim: int,
        *,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        sizes = check_sizes(in_features=in_features, embedding_dim=embedding_dim)
        self.in_features, self.embedding_dim = sizes
        self.categories = check_categories(categories, self.in_features)
        self.code_columns = len(self.categories)
        self.tables = [self.table(count) for count in self.categories]
        rng = check_seed(seed)
        for table in self.tables:
            table.initialize(rng)

    def table(self, categories: int) -> CategoryTable:
        """Return the vectors of one column, not yet initialized."""
        return CategoryTable((categories, self.embedding_dim))

    @property
    def out_features(self) -> int:
        """The number of columns of y."""
        return self.in_features + self.code_columns * (self.embedding_dim - 1)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.check(x)
        kept = self.in_features - self.code_columns
        places = self.places(codes_of(x, self.categories))  # one array for each column of codes
        self.save_for_backward(places, x.shape, training=training)
        y = np.empty((*places[0].shape, self.out_features), x.dtype)
        y[..., :kept] = self.side_by_side(x[..., :kept])
        for place, own, table in zip(self._slices(), places, self.tables, strict=True):
            y[..., place] = table.value.reshape(-1, self.embedding_dim)[own]
        return y

    def backward(self, dy: Array) -> Array:
        shape = self._set_gradients(dy)
        kept = self.in_features - self.code_columns
        others = dy[..., :kept]
        dx = np.zeros(shape, dy.dtype)
        dx[..., :kept] = others if len(shape) == dy.ndim else others.sum(axis=1)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        self._set_gradients(dy)

    def _set_gradients(self, dy: Array) -> tuple[int, ...]:
        """Add up dy over the places of each vector; return the shape of x."""
        places, shape = self.saved_values()
        columns = np.arange(self.embedding_dim)
        for place, own, table in zip(self._slices(), places, self.tables, strict=True):
            # As bins of one long vector, as in `Embedding`.
            bins = own.reshape(-1, 1) * self.embedding_dim + columns
            sums = np.bincount(bins.reshape(-1), dy[..., place].reshape(-1), table.size)
            table.grad = sums.reshape(table.shape)
        return shape

    def _slices(self) -> list[slice]:
        """Return the columns of y that hold the vectors of each column of codes."""
        kept, size = self.in_features - self.code_columns, self.embedding_dim
        return [slice(kept + j * size, kept + j * size + size) for j in range(self.code_columns)]

    # ------------------------------------------------------------ what a stack does differently

    def check(self, x: Array) -> None:
        """Raise ShapeError unless `x` is (N, in_features)."""
        fits = x.ndim == 2 and x.shape[1] == self.in_features
        check_shape(self, x, fits, f"(N, {self.in_features})")

    def places(self, codes: Array) -> list[Array]:
        """Return, for each column of codes, the row of its table for each sample."""
        return list(np.moveaxis(codes, -1, 0))

    def side_by_side(self, x: Array) -> Array:
        """Return the other columns with the axes of y."""
        return x


def check_categories(categories: Sequence[int], in_features: int) -> tuple[int, ...]:
    """Return the number of categories of each column of codes, at most one for each column."""
    counts = check_whole_numbers("categories", categories)
    if not 0 < len(counts) <= in_features:
        raise ConfigurationError(
            f"categories must hold the number of categories of each column of codes, 1 to "
            f"{in_features} of them; got {categories!r:.100}."
        )
    return counts


def codes_of(x: Array, categories: Sequence[int]) -> Array:
    """Return the codes in the last columns as integers; refuse anything else."""
    given = x[..., -len(categories) :]
    with np.errstate(invalid="ignore"):  # NaN becomes some integer, and differs from it
        codes = given.astype(np.intp)
    wrong = (codes != given) | (codes < 0) | (codes >= np.array(categories))
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0].tolist())
        column, count = first[-1], categories[first[-1]]
        raise InputError(
            f"Column {x.shape[-1] - len(categories) + column} holds codes of categories, whole "
            f"numbers from 0 to {count - 1}; row {first[0]} has {given[first]}. Codes must not be "
            "scaled; the code of unknown categories is 0."
        )
    return codes
