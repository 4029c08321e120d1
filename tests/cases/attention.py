"""Attention, PositionalEncoding and TransformerBlock: one sample, head and query at a time."""

import math

import numpy as np

from cases import Case
from chainrule import (
    GELU,
    Embedding,
    Linear,
    MultiHeadAttention,
    Network,
    PositionalEncoding,
    ReLU,
    TransformerBlock,
)


def linear(layer, x):
    return x @ layer.weight.value + (0 if layer.bias is None else layer.bias.value)


def one_query(q, keys, values, seen):
    """Gather from the values that are seen, weighed by exp(q · k / sqrt(d))."""
    places = [s for s in range(len(keys)) if seen[s]]
    if not places:
        return np.zeros(values.shape[1])
    weights = [math.exp(float(q @ keys[s]) / math.sqrt(len(q))) for s in places]
    total = math.fsum(weights)
    return sum(w / total * values[s] for w, s in zip(weights, places, strict=True))


def attention(context=None, key_padding_mask=None, attn_mask=None):
    def reference(module, x, training):
        source = x if context is None else context
        size = module.embed_dim // module.num_heads
        y = np.zeros_like(x)
        for n in range(len(x)):
            q, k, v = (
                linear(module.q_proj, x[n]),
                linear(module.k_proj, source[n]),
                linear(module.v_proj, source[n]),
            )
            for head in range(module.num_heads):
                own = slice(head * size, (head + 1) * size)
                for t in range(x.shape[1]):
                    seen = [
                        (s <= t or not module.causal)
                        and (key_padding_mask is None or not key_padding_mask[n, s])
                        and not masked(attn_mask, n, head, t, s)
                        for s in range(source.shape[1])
                    ]
                    y[n, t, own] = one_query(q[t, own], k[:, own], v[:, own], seen)
        return linear(module.out_proj, y)

    return reference


def masked(attn_mask, n, head, t, s):
    """Return what a mask of two, three or four axes says of a pair of positions."""
    if attn_mask is None:
        return False
    return attn_mask[{2: (t, s), 3: (n, t, s), 4: (n, head, t, s)}[attn_mask.ndim]]


def positions(module, x, training):
    y = x.copy()
    for t in range(x.shape[1]):
        for j in range(x.shape[2]):
            wave = math.sin if j % 2 == 0 else math.cos
            y[:, t, j] += wave(t / 10000 ** ((j - j % 2) / module.embed_dim))
    return y


def norm(layer, x):
    y = np.zeros_like(x)
    for place in np.ndindex(x.shape[:2]):
        row = x[place]
        y[place] = (row - row.mean()) / math.sqrt(((row - row.mean()) ** 2).mean() + layer.epsilon)
    return y * layer.weight.value + (0 if layer.bias is None else layer.bias.value)


def gelu(v):
    return v / 2 * (1 + math.erf(v / math.sqrt(2)))


def gelu_tanh(v):
    return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


def block(activation, key_padding_mask=None, attn_mask=None):
    def feed_forward(module, x):
        layers = [layer for layer in module.feed_forward if isinstance(layer, Linear)]
        return linear(layers[1], np.vectorize(activation)(linear(layers[0], x)))

    def reference(module, x, training):
        attend = attention(key_padding_mask=key_padding_mask, attn_mask=attn_mask)
        if module.norm_first:
            x = x + attend(module.attention, norm(module.norm1, x), training)
            return x + feed_forward(module, norm(module.norm2, x))
        x = norm(module.norm1, x + attend(module.attention, x, training))
        return norm(module.norm2, x + feed_forward(module, x))

    return reference


def lively(module):
    """Give biases, gains and shifts values of their own, so that a forgotten one shows."""
    for number, (name, parameter) in enumerate(module.named_parameters().items()):
        if not parameter.decay:
            start = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.value = start + 0.5 * np.sin(np.arange(parameter.size) + number)
    return module


def a_language_model(network, x, training):
    table, places, transformer, to_scores = network.layers
    vectors = np.array([[table.weight.value[i] for i in row] for row in x])
    h = block(gelu_tanh)(transformer, positions(places, vectors, training), training)
    return linear(to_scores, h)


def drawn(*shape):
    return np.random.default_rng(7).standard_normal(shape)


PADDED = np.array([[False, False, True, True], [False, True, False, False]])
ALL_PADDED = np.array([[True, True, True, True], [True, True, False, False]])


def attention_case(variant, shape, context=None, mask=None, pairs=None, bad_shape=None, **options):
    arguments = {"context": context, "key_padding_mask": mask, "attn_mask": pairs}
    return Case(
        f"MultiHeadAttention-{variant}",
        lambda: lively(MultiHeadAttention(shape[2], **{"num_heads": 2, "seed": 1, **options})),
        shape,
        reference=attention(context, mask, pairs),
        arguments={k: v for k, v in arguments.items() if v is not None},
        bad_shape=bad_shape,
    )


def block_case(variant, shape, activation=None, mask=None, pairs=None, bad_shape=None, **options):
    kind, function = activation or (None, gelu_tanh)
    options = {"num_heads": 2, "hidden_size": 3, "seed": 1, **options}
    return Case(
        f"TransformerBlock-{variant}",
        lambda: lively(
            TransformerBlock(shape[2], activation=None if kind is None else kind(), **options)
        ),
        shape,
        reference=block(function, mask, pairs),
        arguments={
            name: value
            for name, value in (("key_padding_mask", mask), ("attn_mask", pairs))
            if value is not None
        },
        bad_shape=bad_shape,
        random="dropout" in options,
    )


def pairs(*shape):
    """Return a mask of which about a third is true; all may attend to the first position."""
    mask = np.random.default_rng(8).random(shape) < 0.35
    mask[..., 0] = False
    return mask


CASES = [
    attention_case("self", (2, 3, 4), bad_shape=(2, 3, 6)),
    attention_case("one_of_each", (1, 1, 1), num_heads=1, bad_shape=(1, 1)),
    attention_case("one_head", (2, 3, 3), num_heads=1),
    attention_case("heads_of_one", (2, 3, 3), num_heads=3),
    attention_case("no_bias", (2, 3, 4), bias=False),
    attention_case("causal", (2, 4, 4), causal=True),
    attention_case("padded", (2, 4, 4), mask=PADDED),
    attention_case("causal_padded", (2, 4, 4), mask=PADDED, causal=True),
    attention_case("all_padded", (2, 4, 2), mask=ALL_PADDED, causal=True),
    attention_case("cross", (2, 3, 4), context=drawn(2, 5, 4)),
    attention_case("cross_padded", (2, 3, 4), context=drawn(2, 4, 4), mask=PADDED),
    attention_case("pairs", (2, 3, 4), pairs=pairs(3, 3)),
    attention_case(
        "pairs_causal_padded", (2, 4, 4), mask=PADDED, pairs=pairs(2, 4, 4), causal=True
    ),
    attention_case("pairs_of_heads", (2, 3, 4), context=drawn(2, 5, 4), pairs=pairs(2, 2, 3, 5)),
    attention_case("nothing_left", (1, 2, 2), pairs=np.array([[True, True], [False, True]])),
    attention_case("cross_one", (1, 1, 2), context=drawn(1, 3, 2), num_heads=1),
    Case(
        "MultiHeadAttention-dropout",
        lambda: lively(MultiHeadAttention(4, 2, dropout=0.4, seed=1)),
        (2, 3, 4),
        reference=attention(),
        random=True,
    ),
    Case(
        "PositionalEncoding",
        lambda: PositionalEncoding(6, max_length=5),
        (2, 5, 6),
        reference=positions,
        bad_shape=(2, 6, 6),
    ),
    Case("PositionalEncoding-odd", lambda: PositionalEncoding(5), (2, 4, 5), reference=positions),
    Case("PositionalEncoding-one", lambda: PositionalEncoding(1), (1, 1, 1), reference=positions),
    block_case("norm_first", (2, 3, 4), bad_shape=(2, 3, 5)),
    block_case("norm_last", (2, 3, 4), norm_first=False),
    block_case("causal_padded", (2, 4, 4), mask=PADDED, causal=True),
    block_case("exact_gelu", (2, 3, 4), (GELU, gelu)),
    block_case("relu", (1, 3, 2), (ReLU, lambda v: max(v, 0.0)), num_heads=1),
    block_case("wide", (1, 2, 2), num_heads=1, hidden_size=None),
    block_case("dropout", (2, 3, 4), dropout=0.3),
    block_case("pairs", (2, 3, 4), pairs=pairs(2, 3, 3), mask=PADDED[:, :3]),
    block_case("epsilon", (2, 3, 4), epsilon=0.25, norm_first=False),
    block_case("no_bias", (2, 3, 4), bias=False),
    Case(
        "Network-transformer",
        lambda: Network(
            [
                Embedding(5, 4),
                PositionalEncoding(4),
                TransformerBlock(4, 2, hidden_size=4, causal=True),
                Linear(4, 5),
            ],
            seed=0,
            dtype="float64",
        ),
        x=lambda rng: rng.integers(0, 5, (2, 3)),
        reference=a_language_model,
    ),
]
