"""CategoryEmbedding: columns of a table that hold codes of categories become learned vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_seed, check_sizes, check_whole_numbers
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.initializers import Random
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter, filled

__all__ = ["CategoryEmbedding"]


class CategoryTable(Parameter):
    """The vectors of one column's categories, (..., categories, embedding_dim).

    That of code 0 begins at zero, whoever draws the others anew: where no row of the training part
    has this code, which is that of unknown categories, it says nothing, rather than anything.
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
    the vector of each code. The codes are whole numbers in the type of x, and their gradient is 0.
    Guo, Berkhahn, "Entity Embeddings of Categorical Variables", 2016.

    Parameters
    ----------
    in_features : int
        How many columns go in, those of codes counted.
    categories : sequence of int
        How many categories m_j each column of codes has: it holds numbers from 0 to m_j - 1.
    embedding_dim : int
        How long each vector is. They begin normal, mean 0 and standard deviation
        1 / √embedding_dim; those of code 0, for unknown categories, begin at 0.
    seed : int, optional
        The same seed gives the same tables.
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
        """Return the vectors of one column, not drawn yet."""
        return CategoryTable((categories, self.embedding_dim))

    @property
    def out_features(self) -> int:
        """How many columns come out."""
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
        """Add up dy over the places where each vector stands; return the shape of x."""
        places, shape = self.saved_values()
        columns = np.arange(self.embedding_dim)
        for place, own, table in zip(self._slices(), places, self.tables, strict=True):
            # As bins of one long vector, as in `Embedding`.
            bins = own.reshape(-1, 1) * self.embedding_dim + columns
            sums = np.bincount(bins.reshape(-1), dy[..., place].reshape(-1), table.size)
            table.grad = sums.reshape(table.shape)
        return shape

    def _slices(self) -> list[slice]:
        """Return where the vectors of each column of codes stand in y."""
        kept, size = self.in_features - self.code_columns, self.embedding_dim
        return [slice(kept + j * size, kept + j * size + size) for j in range(self.code_columns)]

    # ------------------------------------------------------------ what a stack does otherwise

    def check(self, x: Array) -> None:
        """Raise ShapeError unless `x` is (N, in_features)."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ShapeError(
                f"expected (N, {self.in_features}), got an input of shape {x.shape}.", self
            )

    def places(self, codes: Array) -> list[Array]:
        """Return, for each column of codes, which row of its table each sample picks."""
        return list(np.moveaxis(codes, -1, 0))

    def side_by_side(self, x: Array) -> Array:
        """Return the other columns in the arrangement of y."""
        return x


def check_categories(categories: Sequence[int], in_features: int) -> tuple[int, ...]:
    """Return how many categories each column of codes has; there are not more than columns."""
    counts = check_whole_numbers("categories", categories)
    if not 0 < len(counts) <= in_features:
        raise ConfigurationError(
            f"categories must say of each column of codes how many categories it has, and there "
            f"are {in_features} columns; got {categories!r:.100}."
        )
    return counts


def codes_of(x: Array, categories: Sequence[int]) -> Array:
    """Return the codes in the last columns, as integers to count with; refuse what is none."""
    given = x[..., -len(categories) :]
    with np.errstate(invalid="ignore"):  # NaN becomes a number, and is not that number
        codes = given.astype(np.intp)
    wrong = (codes != given) | (codes < 0) | (codes >= np.array(categories))
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0].tolist())
        column, count = first[-1], categories[first[-1]]
        raise InputError(
            f"Column {x.shape[-1] - len(categories) + column} holds codes of categories, whole "
            f"numbers from 0 to {count - 1}; row {first[0]} has {given[first]}. Codes are not "
            "scaled, and unknown categories are 0."
        )
    return codes
