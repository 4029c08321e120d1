"""The transformer block, and the encoding that tells it positions apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool, check_range, check_seed, check_sizes
from chainrule.layers.attention import MultiHeadAttention
from chainrule.layers.containers import Sequential
from chainrule.layers.dropout import Dropout
from chainrule.layers.linear import Linear
from chainrule.layers.normalization import LayerNorm
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.smooth_activations import GELU
from chainrule.module import Module
from chainrule.parameter import Array, Parameter

__all__ = ["PositionalEncoding", "TransformerBlock"]


class PositionalEncoding(Module):
    """y[:, t] = x[:, t] + p[t], a fixed pattern of waves that tells positions apart.

    p[t, 2 i] = sin(t / 10000^(2 i / embed_dim)) and p[t, 2 i + 1] = cos(likewise), for x
    (N, T, embed_dim); attention alone does not see the order.

    Backward: dx = dy. Vaswani et al., "Attention Is All You Need", 2017, section 3.5.

    Parameters
    ----------
    embed_dim : int
        The number of features of x.
    max_length : int
        The longest sequence that is accepted.

    Raises
    ------
    ShapeError
        In forward: x is not (N, T, embed_dim) with T up to `max_length`.

    Examples
    --------
    >>> PositionalEncoding(4)(np.zeros((1, 2, 4))).round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]])
    """

    def __init__(self, embed_dim: int, *, max_length: int = 1024) -> None:
        embed_dim, max_length = check_sizes(embed_dim=embed_dim, max_length=max_length)
        self.embed_dim = embed_dim
        self.max_length = max_length

    def forward(self, x: Array, training: bool = True) -> Array:
        fits = x.ndim == 3 and x.shape[2] == self.embed_dim and x.shape[1] <= self.max_length
        expected = f"sequences (N, T, {self.embed_dim}) with T up to {self.max_length}"
        check_shape(self, x, fits, expected)
        self.save_for_backward(training=training)
        return x + waves(x.shape[1], self.embed_dim, x.dtype)

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return dy


@lru_cache(maxsize=8)
def waves(length: int, embed_dim: int, dtype: np.dtype[Any]) -> Array:
    """Return p (length, embed_dim) of PositionalEncoding, read-only.

    Computed for the length at hand, so a layer for sequences of up to a million costs no memory;
    and cached for the next batch, as 128 positions of 64 features take 0.1 ms, as long as a small
    attention.
    """
    time = np.arange(length)[:, np.newaxis]
    even = np.arange(0, embed_dim, 2)
    angle = time / 10000 ** (even / embed_dim)  # (length, embed_dim / 2)
    p = np.empty((length, embed_dim), dtype)
    p[:, 0::2] = np.sin(angle)
    p[:, 1::2] = np.cos(angle[:, : embed_dim // 2])
    p.flags.writeable = False
    return p


class TransformerBlock(Module):
    """Attention, then two Linear layers at each position, each with a residual connection.

    With norm_first:  h = x + attention(norm1(x)),    y = h + feed_forward(norm2(h)).
    Without:          h = norm1(x + attention(x)),    y = norm2(h + feed_forward(h)).

    feed_forward is Linear → activation → Linear. x and y are (N, T, embed_dim).

    Backward, with norm_first: dh = dy + norm2'(feed_forward'(dy)), dx = dh +
    norm1'(attention'(dh)), where f' stands for the backward pass of f. Without:
    dh = norm2'(dy), then dh + feed_forward'(dh) through norm1', and dx = dh + attention'(dh).

    Vaswani et al., "Attention Is All You Need", 2017; norm_first, with which deep stacks train
    without a warm-up, is from Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Parameters
    ----------
    embed_dim : int
        The number of features of x and y.
    num_heads : int
        The number of attention heads; it divides embed_dim.
    hidden_size : int, optional
        The number of features between the two Linear layers; 4 embed_dim by default.
    causal : bool
        Whether a position attends only to itself and to those before it.
    dropout : float
        The probability of dropping attention weights, hidden features, and what each half adds.
    norm_first : bool
        Whether the norms come before attention and feed_forward, or after the additions. A stack of
        blocks with norm_first ends with a LayerNorm of its own.
    bias : bool
        Whether attention, the Linear layers and the norms have biases.
    epsilon : float
        ε of both norms; 1e-12 in BERT.
    activation : Module, optional
        GELU in its tanh form by default, as in GPT-2; the exact form takes more than twice as long.
    seed : int, optional
        The same seed gives the same weights and masks.

    Raises
    ------
    ConfigurationError
        An option makes no sense, or `num_heads` does not divide `embed_dim`.
    ShapeError, InputError
        In forward: x is not (N, T, embed_dim), or the mask does not fit it.

    Notes
    -----
    `forward` takes further inputs by name:

    key_padding_mask, (N, T) of bool
        True at positions that are not attended to, such as ``indices == padding_idx``.
    attn_mask, (T, T), (N, T, T) or (N, num_heads, T, T) of bool
        True where one position does not attend to another; see `MultiHeadAttention`.

    Examples
    --------
    >>> block = TransformerBlock(8, 2, seed=0)
    >>> block(np.zeros((1, 5, 8))).shape
    (1, 5, 8)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        hidden_size: int | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        norm_first: bool = True,
        bias: bool = True,
        epsilon: float = 1e-5,
        activation: Module | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.embed_dim, self.num_heads = check_sizes(embed_dim=embed_dim, num_heads=num_heads)
        self.hidden_size = None
        if hidden_size is not None:
            (self.hidden_size,) = check_sizes(hidden_size=hidden_size)
        self.causal = check_bool("causal", causal)
        self.dropout = check_range("dropout", dropout, high=1)
        self.norm_first = check_bool("norm_first", norm_first)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)
        rng = check_seed(seed)
        inner = self.hidden_size or 4 * self.embed_dim
        self.attention = MultiHeadAttention(
            embed_dim, num_heads, causal=causal, bias=bias, dropout=dropout, seed=rng
        )
        self.attention_drop = Dropout(dropout, seed=rng.spawn(1)[0])
        self.norm1 = LayerNorm(embed_dim, epsilon=epsilon, bias=bias)
        self.feed_forward = Sequential(
            [
                Linear(embed_dim, inner, bias=bias, seed=rng),
                GELU("tanh") if activation is None else activation,
                Dropout(dropout, seed=rng.spawn(1)[0]),
                Linear(inner, embed_dim, bias=bias, seed=rng),
                Dropout(dropout, seed=rng.spawn(1)[0]),
            ]
        )
        self.norm2 = LayerNorm(embed_dim, epsilon=epsilon, bias=bias)

    @property
    def bias(self) -> Parameter | None:
        """The bias of the attention's last product; None without biases, as in Linear."""
        return self.attention.bias

    @property
    def activation(self) -> Module:
        """The function between the two Linear layers."""
        return self.feed_forward[1]

    def forward(
        self,
        x: Array,
        training: bool = True,
        *,
        key_padding_mask: ArrayLike | None = None,
        attn_mask: ArrayLike | None = None,
    ) -> Array:
        def attend(x: Array) -> Array:
            masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
            y = self.attention.forward(x, training, **masks)
            return self.attention_drop.forward(y, training)

        if self.norm_first:
            h = x + attend(self.norm1.forward(x, training))
            return h + self.feed_forward.forward(self.norm2.forward(h, training), training)
        h = self.norm1.forward(x + attend(x), training)
        return self.norm2.forward(h + self.feed_forward.forward(h, training), training)

    def backward(self, dy: Array) -> Array:
        def attend_backward(dy: Array) -> Array:
            return self.attention.backward(self.attention_drop.backward(dy))

        if self.norm_first:
            dh = dy + self.norm2.backward(self.feed_forward.backward(dy))
            return dh + self.norm1.backward(attend_backward(dh))
        dh = self.norm2.backward(dy)
        dh = self.norm1.backward(dh + self.feed_forward.backward(dh))
        return dh + attend_backward(dh)
