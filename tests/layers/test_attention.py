"""Attention and the transformer block beyond the battery: masks, what they refuse, and learning."""

import numpy as np
import pytest

from chainrule import (
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    Embedding,
    InputError,
    LayerNorm,
    Linear,
    MeanSquaredError,
    MultiHeadAttention,
    Network,
    PositionalEncoding,
    ReLU,
    ShapeError,
    Trainer,
    TransformerBlock,
)
from chainrule.layers.attention import masked_softmax
from chainrule.module import cast


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def built(kind, *sizes, **options):
    module = kind(*sizes, **{"seed": 1, **options})
    cast(module, np.float64)
    return module


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 1e4, 1e30])
def test_masked_probabilities_are_zero_exactly(dtype, size):
    q = (size * drawn(2, 3, 5, 6)).astype(dtype)
    k = np.broadcast_to(np.eye(6, dtype=dtype), (2, 3, 6, 6))  # so q itself is the scores
    allowed = drawn(2, 3, 5, 6, seed=1) > 0
    allowed[0, 0, 0] = False
    p = masked_softmax(q, k, allowed)
    assert p.dtype == dtype
    assert not p[~allowed].any()
    assert not p[0, 0, 0].any()
    some = allowed.any(axis=-1)
    np.testing.assert_allclose(p.sum(axis=-1)[some], 1, rtol=1e-6)


def test_causal_attention_does_not_see_the_future():
    layer, x = built(MultiHeadAttention, 4, 2, causal=True), drawn(2, 5, 4)
    before = layer.predict(x)
    changed = x.copy()
    changed[:, 3:] += 10
    np.testing.assert_array_equal(layer.predict(changed)[:, :3], before[:, :3])
    assert (layer.predict(changed)[:, 3:] != before[:, 3:]).any()
    y = layer.forward(x)
    dx = layer.backward(np.eye(5)[2][:, np.newaxis] * np.ones_like(y))  # position 2 alone matters
    assert not dx[:, 3:].any()
    assert dx[:, :3].all()


@pytest.mark.parametrize("with_context", [False, True])
def test_padding_is_not_seen(with_context):
    layer, x = built(MultiHeadAttention, 4, 2), drawn(2, 5, 4)
    context = drawn(2, 6, 4, seed=1) if with_context else None
    source = x if context is None else context
    mask = np.zeros(source.shape[:2], bool)
    mask[1, -2:] = True
    y = layer.forward(x, context=context, key_padding_mask=mask)
    if with_context:
        _, dsource = layer.backward(np.ones_like(y))
        assert not dsource[1, -2:].any()
        alone = layer.forward(x[1:], False, context=context[1:, :-2])
        np.testing.assert_allclose(y[1:], alone, rtol=0, atol=1e-14)
    else:
        alone = layer.predict(x[1:, :-2])
        np.testing.assert_allclose(y[1:, :-2], alone, rtol=0, atol=1e-14)


def test_who_sees_nothing_gets_zeros():
    layer, x = built(MultiHeadAttention, 4, 2), drawn(2, 3, 4)
    layer.out_proj.bias.value = [1, 2, 3, 4]
    y = layer.forward(x, key_padding_mask=np.array([[True] * 3, [False] * 3]))
    np.testing.assert_array_equal(y[0], np.tile([1.0, 2, 3, 4], (3, 1)))
    dx = layer.backward(np.ones_like(y))
    assert not dx[0].any()
    assert np.isfinite(dx).all()
    assert all(np.isfinite(p.grad).all() for p in layer.named_parameters().values())


def test_a_context_gets_a_gradient_of_its_own():
    layer, x = built(MultiHeadAttention, 4, 2), drawn(2, 3, 4)
    y = layer.forward(x, context=drawn(2, 6, 4, seed=1).astype(np.float32))
    dx, dcontext = layer.backward(np.ones_like(y))
    assert dx.shape == (2, 3, 4)
    assert dcontext.shape == (2, 6, 4)
    assert layer.forward(x).shape == x.shape
    assert layer.backward(np.ones_like(y)).shape == x.shape


def test_attention_without_positions_knows_no_order():
    layer, x = built(MultiHeadAttention, 4, 2), drawn(2, 5, 4)
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(
        layer.predict(x[:, order]), layer.predict(x)[:, order], rtol=0, atol=1e-14
    )
    places = PositionalEncoding(4)
    difference = places.predict(x[:, order]) - places.predict(x)[:, order]
    assert np.abs(difference).max() > 0.1


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 5), (2, 0, 4)])
def test_input_of_another_shape_is_refused(shape):
    for module in (MultiHeadAttention(4, 2), TransformerBlock(4, 2)):
        with pytest.raises(ShapeError, match="expected"):
            module.predict(np.ones(shape))


@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 5, 3), (2, 5), (2, 0, 4)])
def test_a_context_of_another_shape_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected a context \(2, S, 4\)"):
        MultiHeadAttention(4, 2).forward(drawn(2, 3, 4), context=np.ones(shape))


def test_causal_attention_takes_no_context():
    with pytest.raises(ConfigurationError, match="takes no context"):
        MultiHeadAttention(4, 2, causal=True).forward(drawn(2, 3, 4), context=drawn(2, 3, 4))


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 4), bool), np.zeros(3, bool), np.zeros((2, 3)), np.zeros((2, 3), int)]
)
def test_another_mask_is_refused(mask):
    with pytest.raises(InputError, match=r"key_padding_mask must be of bool and shape \(2, 3\)"):
        MultiHeadAttention(4, 2).forward(drawn(2, 3, 4), key_padding_mask=mask)


@pytest.mark.parametrize(
    "mask", [np.zeros((3, 3)), np.zeros((3, 4), bool), np.zeros((1, 3, 3), bool)]
)
def test_a_mask_of_pairs_that_does_not_fit(mask):
    shapes = r"\(3, 3\) or \(2, 3, 3\) or \(2, 2, 3, 3\), true where not to attend"
    with pytest.raises(InputError, match=f"attn_mask must be of bool and shape {shapes}"):
        MultiHeadAttention(4, 2).forward(drawn(2, 3, 4), attn_mask=mask)


def test_a_mask_of_pairs_goes_through_a_network_with_its_rows():
    network = Network([TransformerBlock(4, 2), Linear(4, 3)], seed=0)
    x, causal = drawn(6, 3, 4), ~np.tri(3, dtype=bool)
    masks = np.broadcast_to(causal, (6, 3, 3)).copy()
    y = network.predict({"x": x, "attn_mask": masks})
    changed = x.copy()
    changed[:, 2] += 1
    z = network.predict({"x": changed, "attn_mask": masks})
    np.testing.assert_array_equal(z[:, :2], y[:, :2])
    assert (z[:, 2] != y[:, 2]).any()
    trainer = Trainer(network, MeanSquaredError(), Adam(0.01), seed=0, workers=2)
    trainer.fit({"x": x, "attn_mask": masks}, y, epochs=2, batch_size=4, progress=False)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MultiHeadAttention(5, 2), "num_heads must divide it; got embed_dim=5"),
        (lambda: MultiHeadAttention(4, 0), "num_heads"),
        (lambda: MultiHeadAttention(4, 2, dropout=1), "0 <= dropout < 1"),
        (lambda: TransformerBlock(6, 4), "num_heads must divide it"),
        (
            lambda: TransformerBlock(4, 2, hidden_size=0),
            "hidden_size must be a whole number",
        ),
        (lambda: PositionalEncoding(0), "embed_dim"),
        (lambda: PositionalEncoding(4, max_length=2.0), "max_length"),
    ],
)
def test_options_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_an_error_inside_a_network_names_the_layer():
    network = Network([Linear(3, 4), PositionalEncoding(4, max_length=5), TransformerBlock(4, 2)])
    with pytest.raises(ShapeError, match=r"PositionalEncoding \(layers.1\): expected .* up to 5"):
        network.predict(drawn(2, 6, 3))


# ---------------------------------------------------------------- chance and parts


def test_dropout_acts_in_training_only():
    x = drawn(2, 6, 8).astype(np.float32)
    block = TransformerBlock(8, 2, dropout=0.5, seed=0)
    plain = TransformerBlock(8, 2, seed=0)
    np.testing.assert_array_equal(block.predict(x), plain.predict(x))
    assert not np.array_equal(block.forward(x), block.forward(x))
    probabilities, dropped = block.attention._saved[3:5]
    assert (probabilities > 0).all()
    assert 0.3 < (dropped == 0).mean() < 0.7


def test_a_block_shows_its_activation():
    block = TransformerBlock(4, 2, activation=ReLU())
    assert isinstance(block.activation, ReLU)
    assert "activation=ReLU()" in repr(block)
    assert "GELU(approximate='tanh')" in repr(TransformerBlock(4, 2))


def test_the_seed_decides():
    same, again, other = (TransformerBlock(4, 2, seed=s) for s in (4, 4, 5))
    for a, b, c in zip(
        *(block.named_parameters().values() for block in (same, again, other)), strict=True
    ):
        np.testing.assert_array_equal(a.value, b.value)
        assert not a.decay or (a.value != c.value).all()


# ---------------------------------------------------------------- learning


def test_a_block_learns_to_sort():
    """Each place has to find out how many numbers are smaller: nothing local tells."""
    symbols, length = 8, 6
    network = Network(
        [
            Embedding(symbols, 32),
            PositionalEncoding(32),
            TransformerBlock(32, 4, hidden_size=64),
            LayerNorm(32),
            Linear(32, symbols),
        ],
        seed=0,
    )
    rng = np.random.default_rng(0)
    optimizer, loss = Adam(0.003), CategoricalCrossEntropy(from_logits=True)
    for _ in range(400):
        x = rng.integers(0, symbols, (64, length))
        network.backward(loss.backward(np.sort(x, axis=1), network.forward(x)))
        optimizer.step(network)
    x = np.random.default_rng(1).integers(0, symbols, (1000, length))
    assert (network.predict(x).argmax(axis=-1) == np.sort(x, axis=1)).mean() >= 0.98
