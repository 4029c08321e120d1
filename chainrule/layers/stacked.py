"""K networks in one: each layer here does for K members at once what another does for one.

Activations are (N, K, features): sample n of member k. No member sees another. Elementwise layers
(ReLU, SiLU ...) and those along the last axis (Softmax) need no counterpart here.

The batch axis comes first, as everywhere. So a bias is added, and its gradient summed, over long
rows of memory (K · features), and a BatchNorm of K members is one of K · features channels. The
matrix products are of views, member by member, and take no longer than with the members first
(4-10-3, K = 32, batch 32: 13 to 25 µs both ways; the bias 5 and 5 µs instead of 14 and 31).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_range, check_seed, check_sizes, check_whole
from chainrule.errors import ConfigurationError
from chainrule.initializers import get_initializer
from chainrule.layers.category_embedding import CategoryEmbedding, CategoryTable
from chainrule.layers.linear import new_bias
from chainrule.layers.micro_batch import MicroBatch
from chainrule.layers.normalization import BatchNorm, standardize_scaled, standardize_unchecked
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.sums import MANY, sum_of_products, sum_of_rows
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter

__all__ = ["StackedBatchNorm", "StackedCategoryEmbedding", "StackedDropout", "StackedLinear"]


class StackedParameter(Parameter):
    """A parameter of every member, (K, ...): the initial values of each are drawn by themselves."""

    def drawn(self, initializer: Initializer, rng: np.random.Generator) -> Array:
        members, *shape = self.shape
        return np.stack([initializer(tuple(shape), rng) for _ in range(members)])


class StackedLinear(Module):
    """y_k = x_k W_k + b_k for each member k: x (N, K, in_features), y (N, K, out_features).

    Or x (N, in_features), the same for every member.

    Backward: dW_k = x_kᵀ dy_k, db_k = Σ_n dy_k, and dx_k = dy_k W_kᵀ; for a shared x, the sum of
    that over k.

    Parameters
    ----------
    members : int
        K, the number of linear layers.
    in_features, out_features : int
        The sizes of each W_k; together they are (K, in_features, out_features).
    bias : bool
        Whether to add b, (K, out_features).
    initialization : str or callable
        The initial W_k; see `chainrule.initializers`. The bias starts at 0.
    seed : int, optional
        The same seed gives the same weights.

    Raises
    ------
    ShapeError
        In forward: x has another shape.

    Examples
    --------
    >>> StackedLinear(5, 4, 3)(np.zeros((10, 4))).shape
    (10, 5, 3)
    """

    def __init__(
        self,
        members: int,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        initialization: str | Initializer = "kaiming",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        sizes = check_sizes(members=members, in_features=in_features, out_features=out_features)
        self.members, self.in_features, self.out_features = sizes
        rng = check_seed(seed)
        self.weight = StackedParameter.from_initializer(sizes, get_initializer(initialization), rng)
        self.bias = new_bias((self.members, self.out_features), bias)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_members(self, x, self.members, self.in_features, may_share=True)
        self.save_for_backward(x, training=training)
        y = np.empty((len(x), self.members, self.out_features), x.dtype)
        np.matmul(by_member(x), self.weight.value, out=by_member(y))
        if self.bias is not None:
            y += self.bias.value
        return y

    def backward(self, dy: Array) -> Array:
        shared = self._set_gradients(dy).ndim == 2
        weight = self.weight.value.swapaxes(1, 2)  # (K, out_features, in_features)
        if shared:  # Σ_k dy_k W_kᵀ
            rows = dy.reshape(len(dy), self.members * self.out_features)
            return rows.dot(weight.reshape(-1, self.in_features))
        dx = np.empty((len(dy), self.members, self.in_features), dy.dtype)
        np.matmul(by_member(dy), weight, out=by_member(dx))
        return dx

    def backward_parameters(self, dy: Array) -> None:
        self._set_gradients(dy)

    def _set_gradients(self, dy: Array) -> Array:
        """Set both gradients and return x."""
        (x,) = self.saved_values()
        if len(x) < MANY:
            np.matmul(by_member(x).swapaxes(-1, -2), by_member(dy), out=self.weight.grad)
        else:
            for k, out in enumerate(self.weight.grad):
                sum_of_products(x if x.ndim == 2 else x[:, k], dy[:, k], out=out)
        if self.bias is not None:
            sum_of_rows(dy, out=self.bias.grad)
        return x


class StackedCategoryTable(CategoryTable, StackedParameter):
    """The vectors of the categories of one column, for each member."""


class StackedCategoryEmbedding(CategoryEmbedding):
    """y_k = [x_k1 ... x_kp, T_k1[x_k,p+1] ... T_kc[x_k,p+c]]: each member k has its own tables.

    For x (N, K, in_features), or (N, in_features), the same for every member; y is (N, K,
    in_features - c + c · embedding_dim): `CategoryEmbedding`, K times side by side.

    Backward: the gradient of each vector is the sum of dy over the places where it was picked; dx
    is dy in the columns of numbers, and 0 in the columns of codes.

    Parameters
    ----------
    members : int
        K, the number of layers.
    in_features : int
        The number of columns of x, those of codes included.
    categories : sequence of int
        The number of categories m_j of each column of codes, which are the last columns.
    embedding_dim : int
        The length of each vector; the tables are (K, m_j, embedding_dim).
    seed : int, optional
        The same seed gives the same tables.

    Raises
    ------
    ShapeError, InputError
        In forward: x has another shape, or a column of codes holds something else.

    Examples
    --------
    >>> layer = StackedCategoryEmbedding(5, 3, [7], 2)
    >>> layer(np.array([[0.5, 0.1, 6.0]])).shape
    (1, 5, 4)
    """

    def __init__(
        self,
        members: int,
        in_features: int,
        categories: Sequence[int],
        embedding_dim: int,
        *,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.members = check_whole("members", members)
        super().__init__(in_features, categories, embedding_dim, seed=seed)

    def table(self, categories: int) -> CategoryTable:
        return StackedCategoryTable((self.members, categories, self.embedding_dim))

    def check(self, x: Array) -> None:
        check_members(self, x, self.members, self.in_features, may_share=True)

    def places(self, codes: Array) -> list[Array]:
        # The rows of member k start at row k · m_j of the vectors of all members.
        members = np.arange(self.members)
        columns = np.moveaxis(self.side_by_side(codes), -1, 0)
        pairs = zip(columns, self.categories, strict=True)
        return [column + members * count for column, count in pairs]  # (N, K)

    def side_by_side(self, x: Array) -> Array:
        return x[:, np.newaxis] if x.ndim == 2 else x


class StackedBatchNorm(BatchNorm):
    """y_k = γ_k (x_k - μ_k) / sqrt(σ_k² + ε) + β_k, with μ_k and σ_k² over member k's own batch.

    For x (N, K, num_features): `BatchNorm` of K · num_features channels. A member whose variance is
    too large for the type returns NaN, without effect on the others.

    Backward: dx_k = γ_k (dy_k - mean(dy_k) - x̂_k mean(dy_k x̂_k)) / sqrt(σ_k² + ε).

    Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015.

    Parameters
    ----------
    members : int
        K, the number of layers.
    num_features : int
        The number of channels of each.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are equal.
    momentum : float or None
        How far each batch moves the running statistics: r ← (1 - momentum) r + momentum · batch.
        None makes r the mean over all batches so far.
    affine : bool
        Whether to learn γ and β, (K, num_features).
    track_running_stats : bool
        If False, there are no running statistics: `predict`, too, uses those of its batch.

    Raises
    ------
    ShapeError
        In forward: x has another shape, or a single sample in training.

    Notes
    -----
    Where the variance of a feature over the batch is too large for the type of x, `BatchNorm`
    raises an error. Here that feature of that member becomes NaN, as in a member that has diverged
    already, and the other members go on.

    Examples
    --------
    >>> StackedBatchNorm(5, 3)(np.zeros((10, 5, 3))).shape
    (10, 5, 3)
    """

    def __init__(
        self,
        members: int,
        num_features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        self.members = check_whole("members", members)
        super().__init__(
            num_features,
            epsilon=epsilon,
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
        )

    @property
    def channels(self) -> tuple[int, ...]:
        return self.members, self.num_features

    def check(self, x: Array) -> None:
        check_members(self, x, self.members, self.num_features)

    def statistics(self, channels: Array, part: MicroBatch) -> tuple[Array, Array, Array, Array]:
        x_hat, mean, variance, inverse_std = standardize_unchecked(channels, self.epsilon, part)
        lost = ~np.isfinite(variance[:, 0])
        if lost.any():  # squares overflow: once more, as BatchNorm does
            own = standardize_scaled(channels[:, lost], self.epsilon, part)
            x_hat[:, lost], mean[lost], variance[lost], inverse_std[lost] = own
            lost = ~np.isfinite(variance[:, 0])
        if lost.any() and self.running_mean is not None and self.running_var is not None:
            x_hat[:, lost] = np.nan
            # the running statistics stay where they are, except for rounding
            (count,) = part.sum(len(channels))
            for found, running in ((mean, self.running_mean), (variance, self.running_var)):
                found[lost, 0] = running.value.reshape(-1)[lost]
            variance[lost] *= (count - 1) / count
        return x_hat, mean, variance, inverse_std


class StackedDropout(Module):
    """In training, each number of member k becomes 0 with probability p_k, else x / (1 - p_k).

    Each member draws from its own generator the numbers that a `Dropout` alone would draw. As
    there, ``layer(x)`` is a pass in training and drops.

    Backward: dx = dy · mask, with the mask of the forward pass.
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Parameters
    ----------
    p : sequence of float
        The probability of dropping for each of the K members, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks. A network that is built with a seed gives each of its
        layers a generator.

    Raises
    ------
    ShapeError
        In forward: x is not (N, K, ...).

    Examples
    --------
    >>> StackedDropout([0.0, 0.9], seed=0)(np.ones((1, 2, 4)))
    array([[[1., 1., 1., 1.],
            [0., 0., 0., 0.]]])
    """

    def __init__(
        self, p: Sequence[float], *, seed: int | np.random.Generator | None = None
    ) -> None:
        if not isinstance(p, Sequence | np.ndarray) or isinstance(p, str) or not len(p):
            raise ConfigurationError(
                f"p must be a sequence of probabilities, one for each member; got {p!r}."
            )
        self.p = tuple(check_range(f"p[{k}]", rate, high=1) for k, rate in enumerate(p))
        self.rngs = check_seed(seed).spawn(len(self.p))

    def forward(self, x: Array, training: bool = True) -> Array:
        fits = x.ndim >= 3 and x.shape[1] == len(self.p)
        check_shape(self, x, fits, f"(N, {len(self.p)}, features)")
        if not training or not any(self.p):
            self.save_for_backward(None, training=training)
            return x
        mask = self._mask(x)
        self.save_for_backward(mask, training=training)
        return x * mask

    def backward(self, dy: Array) -> Array:
        (mask,) = self.saved_values()
        return dy if mask is None else dy * mask

    def _mask(self, x: Array) -> Array:
        """Return 0 or 1 / (1 - p_k) for each number."""
        draws = np.ones(by_member(x).shape, np.float32)  # (K, N, ...); 1 is kept
        for rng, p, own in zip(self.rngs, self.p, draws, strict=True):
            if p:
                rng.random(dtype=np.float32, out=own)
        rates = column(np.array(self.p), x)
        kept = np.empty(x.shape, np.bool_)
        np.greater_equal(by_member(draws), rates.astype(np.float32), out=kept)
        return kept * (1 / (1 - rates)).astype(x.dtype)


# ---------------------------------------------------------------- the axis of the members


def by_member(x: Array) -> Array:
    """Return a view with the members first, (N, K, ...) -> (K, N, ...), and back.

    What all members share, (N, features), is returned as it is.
    """
    return x if x.ndim == 2 else x.swapaxes(0, 1)


def column(values: Array, x: Array) -> Array:
    """Return a value for each member, (K,), as (K, 1, ...), which broadcasts to x."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


def check_members(
    module: Module, x: Array, members: int, features: int, may_share: bool = False
) -> None:
    """Raise ShapeError unless `x` is (N, members, features), or (N, features) if they may share."""
    shared = may_share and x.ndim == 2 and x.shape[1] == features
    expected = f"(N, {features}) or " if may_share and x.ndim == 2 else ""
    fits = shared or (x.ndim == 3 and x.shape[1:] == (members, features))
    check_shape(module, x, fits, f"{expected}(N, {members}, {features})")
