"""RNN, LSTM and GRU are PyTorch's, packed sequences, both directions and states included."""

import numpy as np
import pytest

from chainrule import GRU, LSTM, RNN
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def weights_of(cell):
    """Return those of a cell's parameters that it has, by name."""
    return {name: getattr(cell, name) for name in WEIGHTS if getattr(cell, name, None) is not None}


KINDS = [
    pytest.param(LSTM, {}, id="LSTM"),
    pytest.param(LSTM, {"proj_size": 2}, id="LSTM-projected"),
    pytest.param(LSTM, {"proj_size": 3, "bias": False}, id="LSTM-projected_no_bias"),
    pytest.param(GRU, {"bias": False}, id="GRU-no_bias"),
    pytest.param(RNN, {"bias": False}, id="RNN-no_bias"),
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
    for cell in ours.cells if ours.bias else ():
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
            f"{weight}_{name}": torch.tensor(parameter.value.T)
            for cell, name in zip(ours.cells, torch_names(ours), strict=True)
            for weight, parameter in weights_of(cell).items()
        }
    )
    return ours, theirs


def run_torch(layer, x, states, lengths):
    """Return y, padded again, and a list of the final states."""
    if lengths is not None:
        x = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
    if states is not None:
        states = tuple(states) if isinstance(layer, torch.nn.LSTM) else states[0]
    y, final = layer(x, states)
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=STEPS)
    return y, list(final) if isinstance(final, tuple) else [final]


def all_close(ours, theirs):
    """Compare states, ours (N, L, H) and theirs (L, N, H)."""
    for one, other in zip(ours, theirs, strict=True):
        close(one, other.transpose(0, 1))


@pytest.mark.parametrize("with_state", [False, True], ids=["zero_state", "state"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_values_and_gradients(kind, options, num_layers, bidirectional, lengths, with_state):
    ours, theirs = pair(kind, options, num_layers, bidirectional)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((BATCH, STEPS, FEATURES))
    sizes = (options.get("proj_size", HIDDEN), HIDDEN)[: 2 if kind is LSTM else 1]
    shapes = [(len(ours.cells), BATCH, size) for size in sizes]  # as PyTorch has them
    states, dstates = ([rng.standard_normal(shape) for shape in shapes] for _ in range(2))
    tx = torch.tensor(x, requires_grad=True)
    tstates = [torch.tensor(state, requires_grad=True) for state in states]

    ty, tfinal = run_torch(theirs, tx, tstates if with_state else None, lengths)
    dy = rng.standard_normal(ty.shape)
    total = (ty * torch.tensor(dy)).sum()
    for final, dstate in zip(tfinal, dstates, strict=True):
        total = total + (final * torch.tensor(dstate)).sum()
    total.backward()

    firsts = [state.swapaxes(0, 1) for state in states] if with_state else []
    given = dict(zip(("h_0", "c_0"), firsts, strict=False))
    y, final = ours.forward(x, lengths=lengths, return_state=True, **given)
    dfinal = tuple(dstate.swapaxes(0, 1) for dstate in dstates)
    back = ours.backward(dy, dfinal if kind is LSTM else dfinal[0])
    dx, *dfirst = back if with_state else (back,)

    close(y, ty)
    all_close(final if kind is LSTM else [final], tfinal)
    close(dx, tx.grad)
    if with_state:
        all_close(dfirst, [state.grad for state in tstates])
    gradients = dict(theirs.named_parameters())
    for cell, name in zip(ours.cells, torch_names(ours), strict=True):
        for weight, parameter in weights_of(cell).items():
            close(parameter.grad.T, gradients.pop(f"{weight}_{name}").grad)
    assert not gradients


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
