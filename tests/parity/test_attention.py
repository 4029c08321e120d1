"""Attention and the transformer block are PyTorch's: masks, contexts, both places of the norms."""

import numpy as np
import pytest
from architectures import bert

from chainrule import GELU, Linear, MultiHeadAttention, ReLU, TransformerBlock
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

BATCH, STEPS, OTHERS, WIDTH, HEADS = 3, 5, 6, 8, 2


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=1e-10)


def shaken(module):
    """Move every parameter a little: biases off 0, gains off 1."""
    cast(module, np.float64)
    rng = np.random.default_rng(4)
    for parameter in module.named_parameters().values():
        parameter.value = parameter.value + 0.3 * rng.standard_normal(parameter.shape)
    return module


def in_order(attention):
    return (attention.q_proj, attention.k_proj, attention.v_proj)


def torch_state(module, prefix=""):
    """Return the values of a module as PyTorch names, stacks and transposes them."""
    if isinstance(module, Linear):
        state = {"weight": module.weight.value.T, "bias": module.bias and module.bias.value}
    elif isinstance(module, MultiHeadAttention):
        state = {
            "in_proj_weight": np.concatenate([m.weight.value.T for m in in_order(module)]),
            "in_proj_bias": module.bias
            and np.concatenate([m.bias.value for m in in_order(module)]),
            **torch_state(module.out_proj, "out_proj."),
        }
    elif isinstance(module, TransformerBlock):
        linears = [layer for layer in module.feed_forward if isinstance(layer, Linear)]
        state = {
            **torch_state(module.attention, "self_attn."),
            **torch_state(linears[0], "linear1."),
            **torch_state(linears[1], "linear2."),
            **torch_state(module.norm1, "norm1."),
            **torch_state(module.norm2, "norm2."),
        }
    else:
        state = {"weight": module.weight.value, "bias": module.bias and module.bias.value}
    return {
        f"{prefix}{name}": torch.as_tensor(value)
        for name, value in state.items()
        if value is not None
    }


def torch_gradients(module):
    """Return our gradients under PyTorch's names, by putting them where the values are."""
    for parameter in module.named_parameters().values():
        parameter.value = parameter.grad
    return torch_state(module)


def compare_parameters(ours, theirs):
    gradients = torch_gradients(ours)
    assert set(gradients) == {name for name, _ in theirs.named_parameters()}
    for name, parameter in theirs.named_parameters():
        close(gradients[name], parameter.grad)


def padding(rng, steps):
    mask = rng.random((BATCH, steps)) < 0.4
    mask[:, 0] = False  # where nothing may be seen, PyTorch says NaN
    return mask


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("what", ["self", "causal", "cross"])
def test_attention(what, padded):
    rng = np.random.default_rng(0)
    ours = shaken(MultiHeadAttention(WIDTH, HEADS, causal=what == "causal", seed=1))
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(torch_state(ours))
    x = rng.standard_normal((BATCH, STEPS, WIDTH))
    context = rng.standard_normal((BATCH, OTHERS, WIDTH)) if what == "cross" else None
    mask = padding(rng, OTHERS if what == "cross" else STEPS) if padded else None
    future = torch.ones(STEPS, STEPS, dtype=torch.bool).triu(1) if what == "causal" else None

    tx = torch.tensor(x, requires_grad=True)
    source = tx if context is None else torch.tensor(context, requires_grad=True)
    ty, _ = theirs(
        tx,
        source,
        source,
        key_padding_mask=None if mask is None else torch.tensor(mask),
        attn_mask=future,
        need_weights=False,
    )
    dy = rng.standard_normal(ty.shape)
    ty.backward(torch.tensor(dy))

    y = ours.forward(x, context=context, key_padding_mask=mask)
    back = ours.backward(dy)
    close(y, ty)
    if context is None:
        close(back, tx.grad)
    else:
        close(back[0], tx.grad)
        close(back[1], source.grad)
    compare_parameters(ours, theirs)


@pytest.mark.parametrize("axes", [2, 4], ids=["alike", "by_head"])
def test_a_mask_of_pairs(axes):
    rng = np.random.default_rng(0)
    ours = shaken(MultiHeadAttention(WIDTH, HEADS, seed=1))
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(torch_state(ours))
    x, context = (
        rng.standard_normal((BATCH, STEPS, WIDTH)),
        rng.standard_normal((BATCH, OTHERS, WIDTH)),
    )
    mask = rng.random((BATCH, HEADS, STEPS, OTHERS)[4 - axes :]) < 0.4
    mask[..., 0] = False
    tx, source = (torch.tensor(array, requires_grad=True) for array in (x, context))
    tmask = torch.tensor(mask.reshape(-1, *mask.shape[-2:]) if axes == 4 else mask)
    ty, _ = theirs(tx, source, source, attn_mask=tmask, need_weights=False)
    dy = rng.standard_normal(ty.shape)
    ty.backward(torch.tensor(dy))
    close(ours.forward(x, context=context, attn_mask=mask), ty)
    dx, dcontext = ours.backward(dy)
    close(dx, tx.grad)
    close(dcontext, source.grad)
    compare_parameters(ours, theirs)


def gelu_tanh(x):
    return torch.nn.functional.gelu(x, approximate="tanh")


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("norm_first", [True, False], ids=["norm_first", "norm_last"])
@pytest.mark.parametrize(
    ("activation", "theirs_activation"),
    [(None, gelu_tanh), (GELU, "gelu"), (ReLU, "relu")],
    ids=["gelu_tanh", "gelu", "relu"],
)
def test_transformer_block(activation, theirs_activation, norm_first, causal, padded):
    ours = {"activation": activation and activation()}
    compare_blocks(norm_first, causal, padded, ours, {"activation": theirs_activation})


@pytest.mark.parametrize("norm_first", [True, False], ids=["norm_first", "norm_last"])
@pytest.mark.parametrize(("epsilon", "bias"), [(1e-12, True), (0.3, True), (1e-5, False)])
def test_transformer_block_of_published_models(epsilon, bias, norm_first):
    theirs = {"layer_norm_eps": epsilon, "bias": bias, "activation": gelu_tanh}
    compare_blocks(norm_first, True, False, {"epsilon": epsilon, "bias": bias}, theirs)


def compare_blocks(norm_first, causal, padded, options, theirs_options):
    rng = np.random.default_rng(0)
    ours = TransformerBlock(
        WIDTH, HEADS, hidden_size=12, causal=causal, norm_first=norm_first, seed=1, **options
    )
    shaken(ours)
    theirs = torch.nn.TransformerEncoderLayer(
        WIDTH,
        HEADS,
        dim_feedforward=12,
        dropout=0.0,
        batch_first=True,
        norm_first=norm_first,
        dtype=torch.float64,
        **theirs_options,
    )
    theirs.load_state_dict(torch_state(ours))
    x = rng.standard_normal((BATCH, STEPS, WIDTH))
    mask = padding(rng, STEPS) if padded else None
    tx = torch.tensor(x, requires_grad=True)
    ty = theirs(
        tx,
        src_mask=torch.ones(STEPS, STEPS, dtype=torch.bool).triu(1) if causal else None,
        src_key_padding_mask=None if mask is None else torch.tensor(mask),
    )
    dy = rng.standard_normal(ty.shape)
    ty.backward(torch.tensor(dy))
    y = ours.forward(x, key_padding_mask=mask)
    close(y, ty)
    close(ours.backward(dy), tx.grad)
    compare_parameters(ours, theirs)


def test_a_whole_bert_is_pytorchs():
    X, _ = bert.data(0, count=BATCH)
    ours = shaken(bert.build(0))
    ours.dtype = np.dtype(np.float64)
    body, width = ours.body, bert.WIDTH
    tables = {"words": "word", "places": "place", "segments": "segment"}
    theirs = {
        name: torch.nn.Embedding.from_pretrained(
            torch.as_tensor(body[node].weight.value.copy()), freeze=False
        )
        for name, node in tables.items()
    }
    norm = torch.nn.LayerNorm(width, dtype=torch.float64)
    norm.load_state_dict(torch_state(body["input"]))
    blocks = []
    for name in ("block1", "block2"):
        block = torch.nn.TransformerEncoderLayer(
            width,
            2,
            body[name].hidden_size,
            dropout=0.0,
            activation=lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
            batch_first=True,
            norm_first=False,
            dtype=torch.float64,
        )
        block.load_state_dict(torch_state(body[name]))
        blocks.append(block)
    scores = torch.nn.Linear(width, bert.WORDS, dtype=torch.float64)
    scores.load_state_dict(torch_state(body["scores"]))

    h = norm(sum(table(torch.as_tensor(X[name])) for name, table in theirs.items()))
    for block in blocks:
        h = block(h, src_key_padding_mask=torch.as_tensor(X["padding"]))
    ty = scores(h)
    dy = np.random.default_rng(2).standard_normal(ty.shape)
    dy[X["padding"]] = 0  # PyTorch may leave out what stands behind the end
    (ty * torch.as_tensor(dy)).sum().backward()

    seen = ~X["padding"]
    np.testing.assert_allclose(ours.forward(X)[seen], ty.detach().numpy()[seen], rtol=0, atol=1e-10)
    ours.backward_parameters(dy)
    for name, node in tables.items():
        close(body[node].weight.grad, theirs[name].weight.grad)
    names = ("input", "block1", "block2", "scores")
    for module, name in zip((norm, *blocks, scores), names, strict=True):
        found = torch_gradients(body[name])
        for parameter, gradient in module.named_parameters():
            close(found[parameter].numpy(), gradient.grad)
