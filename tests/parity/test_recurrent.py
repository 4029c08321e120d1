"""RNN, LSTM and GRU are PyTorch's, packed sequences, both directions and states included."""

import numpy as np
import pytest

from chainrule import GRU, LSTM, RNN
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
KINDS = [
    pytest.param(LSTM, {}, id="LSTM"),
    pytest.param(GRU, {}, id="GRU"),
    pytest.param(RNN, {}, id="RNN"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="RNN-relu"),
]
BATCH, STEPS, FEATURES, HIDDEN = 4, 7, 3, 5
LENGTHS = [5, 2, 7, 1]


def close(ours, theirs):
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def torch_names(layer):
    """Return PyTorch's endings in the order of `cells`: l0, l0_reverse, l1 ..."""
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    return [f"l{i}{direction}" for i in range(layer.num_layers) for direction in directions]


def pair(kind, options, num_layers, bidirectional):
    """Return our layer and PyTorch's with the same weights, by transposing alone."""
    ours = kind(
        FEATURES, HIDDEN, num_layers=num_layers, bidirectional=bidirectional, seed=1, **options
    )
    cast(ours, np.float64)
    rng = np.random.default_rng(2)
    for cell in ours.cells:
        cell.bias_ih.value = rng.standard_normal(cell.bias_ih.shape)
        cell.bias_hh.value = rng.standard_normal(cell.bias_hh.shape)
    theirs = getattr(torch.nn, kind.__name__)(
        FEATURES,
        HIDDEN,
        num_layers=num_layers,
        bidirectional=bidirectional,
        batch_first=True,
        dtype=torch.float64,
        **options,
    )
    theirs.load_state_dict(
        {
            f"{weight}_{name}": torch.tensor(getattr(cell, weight).value.T)
            for cell, name in zip(ours.cells, torch_names(ours), strict=True)
            for weight in WEIGHTS
        }
    )
    return ours, theirs


def run_torch(layer, x, state, lengths):
    """Return y, padded again, and the final state as one tensor, shaped as ours."""
    if lengths is not None:
        x = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
    if state is not None and isinstance(layer, torch.nn.LSTM):
        state = tuple(state)
    y, final = layer(x, state)
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=STEPS)
    return y, torch.stack(final) if isinstance(final, tuple) else final


def as_ours(states):
    """Return the states with the batch in front, one array each."""
    return tuple(state.swapaxes(0, 1) for state in states.reshape(-1, *states.shape[-3:]))


def final_as_ours(states, kind):
    """Return PyTorch's states, stacked, as ours: (S, N, L, H) of an LSTM, else (N, L, H)."""
    return states.transpose(-3, -2)


@pytest.mark.parametrize("with_state", [False, True], ids=["zero_state", "state"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_values_and_gradients(kind, options, num_layers, bidirectional, lengths, with_state):
    ours, theirs = pair(kind, options, num_layers, bidirectional)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((BATCH, STEPS, FEATURES))
    shape = (len(ours.cells), BATCH, HIDDEN)
    shape = (2, *shape) if kind is LSTM else shape
    state, dstate = rng.standard_normal(shape), rng.standard_normal(shape)  # as PyTorch has them
    tx = torch.tensor(x, requires_grad=True)
    tstate = torch.tensor(state, requires_grad=True)

    ty, tfinal = run_torch(theirs, tx, tstate if with_state else None, lengths)
    dy = rng.standard_normal(ty.shape)
    ((ty * torch.tensor(dy)).sum() + (tfinal * torch.tensor(dstate)).sum()).backward()

    firsts = as_ours(state) if with_state else ()
    given = dict(zip(("h_0", "c_0"), firsts, strict=False))
    y, final = ours.forward(x, lengths=lengths, return_state=True, **given)
    back = ours.backward(dy, as_ours(dstate) if kind is LSTM else as_ours(dstate)[0])
    dx, *dfirst = back if with_state else (back,)

    close(y, ty)
    close(final, final_as_ours(tfinal, kind))
    close(dx, tx.grad)
    if with_state:
        close(dfirst if kind is LSTM else dfirst[0], final_as_ours(tstate.grad, kind))
    gradients = dict(theirs.named_parameters())
    for cell, name in zip(ours.cells, torch_names(ours), strict=True):
        for weight in WEIGHTS:
            close(getattr(cell, weight).grad.T, gradients[f"{weight}_{name}"].grad)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_order_of_magnitude_does_not_matter(kind):
    ours, theirs = pair(kind, {}, 1, False)
    x = np.random.default_rng(0).standard_normal((BATCH, STEPS, FEATURES)) * 1e4
    tx = torch.tensor(x, requires_grad=True)
    ty, _ = theirs(tx)
    ty.sum().backward()
    y = ours.forward(x)
    close(y, ty)
    close(ours.backward(np.ones_like(y)), tx.grad)
