"""Attention: every position gathers information from others, weighted by its query."""

from __future__ import annotations

import math
import operator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import all_finite, check_bool, check_range, check_seed, check_sizes
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.layers.dropout import Dropout
from chainrule.layers.linear import Linear
from chainrule.layers.shape_checks import check_sequences
from chainrule.layers.sums import power_of_two
from chainrule.module import Module
from chainrule.parameter import Array, Parameter

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Module):
    """y = concat(head_1 ... head_h) W_o, with head = softmax(Q Kᵀ / sqrt(d)) V in each.

    Q = x W_q, K = c W_k and V = c W_v (biases omitted here), split into num_heads heads of
    d = embed_dim / num_heads features. In self-attention c is x (N, T, embed_dim); in
    cross-attention it is `context` (N, S, embed_dim). y has the shape of x.

    Backward, in each head, with P = softmax(S) and S = Q Kᵀ / sqrt(d): dV = Pᵀ dhead,
    dP = dhead Vᵀ, dS = P (dP - Σ_s dP P), dQ = dS K / sqrt(d), dK = dSᵀ Q / sqrt(d). The four
    products with weights are `Linear` layers.

    Vaswani et al., "Attention Is All You Need", 2017.

    Parameters
    ----------
    embed_dim : int
        The number of features of x, of the context and of y.
    num_heads : int
        The number of heads; it divides embed_dim.
    causal : bool
        Whether a position attends only to itself and to those before it.
    bias : bool
        Whether the four products add a bias.
    dropout : float
        The probability of dropping an attention weight, in training.
    seed : int, optional
        The same seed gives the same weights and masks.

    Raises
    ------
    ConfigurationError
        `num_heads` does not divide `embed_dim`, or causal attention is given a context.
    ShapeError, InputError
        In forward: x is not (N, T, embed_dim), or the further inputs do not fit it.

    Notes
    -----
    `forward` takes further inputs by name:

    context, (N, S, embed_dim)
        What to attend to, instead of x itself. Then backward returns (dx, dcontext).
    key_padding_mask, (N, S) of bool
        True at positions that are not attended to, such as ``indices == padding_idx``.
    attn_mask, (T, S), (N, T, S) or (N, num_heads, T, S) of bool
        True where position t of x does not attend to position s, as in PyTorch.

    A position that may attend to nothing gets zeros from the heads.

    PyTorch stores W_q, W_k and W_v, transposed, as one in_proj_weight, stacked vertically.

    Examples
    --------
    >>> layer = MultiHeadAttention(8, 2, causal=True, seed=0)
    >>> layer(np.zeros((1, 5, 8))).shape
    (1, 5, 8)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        embed_dim, num_heads = check_sizes(embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ConfigurationError(
                f"embed_dim is split into equal heads, so num_heads must divide it; got "
                f"embed_dim={embed_dim} and num_heads={num_heads}."
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.causal = check_bool("causal", causal)
        self.dropout = check_range("dropout", dropout, high=1)
        rng = check_seed(seed)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            Linear(embed_dim, embed_dim, bias=bias, initialization="lecun", seed=rng)
            for _ in range(4)
        )
        self.drop = Dropout(dropout, seed=rng.spawn(1)[0])

    @property
    def bias(self) -> Parameter | None:
        """The bias of the last product; None without biases, as in Linear."""
        return self.out_proj.bias

    def forward(
        self,
        x: Array,
        training: bool = True,
        *,
        context: ArrayLike | None = None,
        key_padding_mask: ArrayLike | None = None,
        attn_mask: ArrayLike | None = None,
    ) -> Array:
        source = self._source(x, context)
        allowed = self._allowed(x, source, key_padding_mask, attn_mask)
        q = self._split(self.q_proj.forward(x, training))  # (N, heads, T, d)
        k = self._split(self.k_proj.forward(source, training))  # (N, heads, S, d)
        v = self._split(self.v_proj.forward(source, training))
        q = q * (1 / math.sqrt(q.shape[-1]))
        p = masked_softmax(q, k, allowed)  # (N, heads, T, S)
        dropped = self.drop.forward(p, training)
        self.save_for_backward(q, k, v, p, dropped, context is not None, training=training)
        return self.out_proj.forward(joined(dropped @ v), training)

    def backward(self, dy: Array) -> Any:
        q, k, v, p, dropped, with_context = self.saved_values()
        dheads = self._split(self.out_proj.backward(dy))  # (N, heads, T, d)
        dv = dropped.swapaxes(2, 3) @ dheads
        dp = self.drop.backward(dheads @ v.swapaxes(2, 3))
        ds = p * (dp - np.einsum("nhts,nhts->nht", dp, p)[..., np.newaxis])
        dq = (ds @ k) * (1 / math.sqrt(q.shape[-1]))
        dk = ds.swapaxes(2, 3) @ q
        dx = self.q_proj.backward(joined(dq))
        dsource = self.k_proj.backward(joined(dk)) + self.v_proj.backward(joined(dv))
        return (dx, dsource) if with_context else dx + dsource

    def _split(self, x: Array) -> Array:
        """Return (N, T, embed_dim) as (N, heads, T, d)."""
        size = self.embed_dim // self.num_heads
        return x.reshape(*x.shape[:2], self.num_heads, size).swapaxes(1, 2)

    def _source(self, x: Array, context: ArrayLike | None) -> Array:
        """Return what is attended to: the context, or x; refuse shapes that do not fit."""
        check_sequences(self, x, self.embed_dim)
        if context is None:
            return x
        if self.causal:
            raise ConfigurationError(
                "Causal attention is within one sequence, so it takes no context; build "
                "MultiHeadAttention with causal=False to attend to another sequence."
            )
        source = np.asarray(context, x.dtype)
        if source.ndim != 3 or source.shape[::2] != x.shape[::2] or not source.shape[1]:
            raise ShapeError(
                f"expected a context ({len(x)}, S, {self.embed_dim}), got one of shape "
                f"{source.shape}.",
                self,
            )
        return source

    def _allowed(
        self,
        x: Array,
        source: Array,
        key_padding_mask: ArrayLike | None,
        attn_mask: ArrayLike | None,
    ) -> Array | None:
        """Return which position may attend to which, for (N, heads, T, S); None means all."""
        batch, steps, others = len(x), x.shape[1], source.shape[1]
        kept = [np.tri(steps, dtype=np.bool_)] if self.causal else []  # (T, T)
        if key_padding_mask is not None:
            padding = checked_mask(
                "key_padding_mask", key_padding_mask, [(batch, others)], "true at padding"
            )
            kept.append(~padding[:, np.newaxis, np.newaxis])  # (N, 1, 1, S)
        if attn_mask is not None:
            pairs = (steps, others)
            shapes = [pairs, (batch, *pairs), (batch, self.num_heads, *pairs)]
            mask = checked_mask("attn_mask", attn_mask, shapes, "true where not to attend")
            kept.append(~(mask[:, np.newaxis] if mask.ndim == 3 else mask))
        return reduce(operator.and_, kept) if kept else None


def checked_mask(name: str, mask: ArrayLike, shapes: list[tuple[int, ...]], meaning: str) -> Array:
    """Return a mask as an array; refuse what is not of bool, or has none of these shapes."""
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape not in shapes:
        raise InputError(
            f"{name} must be of bool and shape {' or '.join(map(str, shapes))}, {meaning}; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array


def joined(heads: Array) -> Array:
    """Return (N, heads, T, d) as (N, T, heads d)."""
    batch, count, steps, size = heads.shape
    return heads.swapaxes(1, 2).reshape(batch, steps, count * size)


def masked_softmax(q: Array, k: Array, allowed: Array | None) -> Array:
    """Return softmax(q kᵀ) along the last axis, (N, heads, T, S): exactly 0 where not allowed.

    A row in which nothing is allowed becomes all zero.
    """
    scores = masked(q @ k.swapaxes(2, 3), allowed)
    peak = scores.max(axis=-1, keepdims=True)
    if all_finite(peak):
        scores -= peak
    else:
        scores = below_the_peak(q, k, allowed)
    np.exp(scores, out=scores)
    scores /= np.maximum(scores.sum(axis=-1, keepdims=True), 1)  # the largest term is 1, if any
    return scores


def masked(scores: Array, allowed: Array | None) -> Array:
    """Write -∞ into the scores where nothing is attended to."""
    if allowed is not None:
        np.copyto(scores, -np.inf, where=~allowed)
    return scores


def below_the_peak(q: Array, k: Array, allowed: Array | None) -> Array:
    """Return how far each score is below the largest of its row, if products may overflow.

    Each query and all keys are divided by powers of two, which come back after the subtraction.
    """
    of_q = power_of_two(np.abs(q).max(axis=-1, keepdims=True))
    of_k = power_of_two(np.abs(k).max(axis=(2, 3), keepdims=True))
    scores = masked((q / of_q) @ (k / of_k).swapaxes(2, 3), allowed)
    peak = scores.max(axis=-1, keepdims=True)
    scores -= np.maximum(peak, np.finfo(scores.dtype).min)  # -inf - -inf would be NaN
    with np.errstate(over="ignore"):  # what is infinitely far below has no weight
        scores *= of_q
        scores *= of_k
    return scores
