"""RNN, LSTM and GRU beyond the battery: states, lengths, what they refuse, and that they learn."""

import copy

import numpy as np
import pytest

from chainrule import (
    GRU,
    LSTM,
    RNN,
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    Embedding,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    Module,
    Network,
    ShapeError,
    Tanh,
    Trainer,
    check_module,
)
from chainrule.layers.recurrent import Recurrent
from chainrule.layers.recurrent_cells import Cell
from chainrule.module import cast

every_kind = pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
LENGTHS = np.array([3, 5, 1])


def built(kind, *sizes, **options):
    layer = kind(*sizes, **{"seed": 1, **options})
    cast(layer, np.float64)
    return layer


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------- states


def states_of(kind, batch, cells, size, seed=1):
    """Return first states by name: h_0, and c_0 of an LSTM."""
    names = ("h_0", "c_0") if kind is LSTM else ("h_0",)
    return {n: drawn(batch, cells, size, seed=seed + i) for i, n in enumerate(names)}


def each(state):
    """Return a final state as a tuple of arrays, whatever the layer."""
    return state if isinstance(state, tuple) else (state,)


class Both(Module):
    """The outputs and the final state as one row a sample, so that a check sees both."""

    def __init__(self, layer, lengths=None):
        self.layer = layer
        self.lengths = lengths

    def keyword_inputs(self):
        return ("h_0", "c_0")

    def forward(self, x, training=True, **firsts):
        y, final = self.layer.forward(
            x, training, lengths=self.lengths, return_state=True, **firsts
        )
        parts = [y, *each(final)]
        self.save_for_backward([part.shape for part in parts], training=training)
        return np.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)

    def backward(self, dy):
        (shapes,) = self.saved_values()
        ends = np.cumsum([np.prod(shape[1:]) for shape in shapes])[:-1]
        parts = np.split(dy, ends, axis=1)
        dy, *dfinal = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        return self.layer.backward(dy, dfinal[0] if len(dfinal) == 1 else tuple(dfinal))


@every_kind
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("with_state", [False, True])
def test_gradients_through_the_final_state(kind, lengths, with_state):
    layer = built(kind, 2, 2, num_layers=2, bidirectional=True)
    arguments = states_of(kind, 3, 4, 2) if with_state else {}
    report = check_module(Both(layer, lengths), drawn(3, 5, 2), arguments=arguments)
    assert report.passed, str(report)
    assert ("h_0" in {g.name for g in report.gradients}) == with_state


@every_kind
def test_the_final_state_is_the_last_output(kind):
    layer = built(kind, 2, 3, bidirectional=True)
    y = layer.predict(drawn(4, 5, 2))
    y_again, state = layer.forward(drawn(4, 5, 2), False, return_state=True)
    np.testing.assert_array_equal(y, y_again)
    h = each(state)[0]  # (N, directions, H)
    np.testing.assert_array_equal(h[:, 0], y[:, -1, :3])
    np.testing.assert_array_equal(h[:, 1], y[:, 0, 3:])


@every_kind
def test_a_sequence_in_two_pieces_is_the_whole_sequence(kind):
    layer, x = built(kind, 2, 3, num_layers=2), drawn(4, 6, 2)
    whole, end = layer.forward(x, False, return_state=True)
    first, state = layer.forward(x[:, :2], False, return_state=True)
    firsts = dict(zip(("h_0", "c_0"), each(state), strict=False))
    second, state = layer.forward(x[:, 2:], False, return_state=True, **firsts)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(state, end, rtol=0, atol=1e-14)


def test_an_lstm_has_two_states_and_each_may_be_given_alone():
    layer, x = built(LSTM, 2, 3), drawn(4, 5, 2)
    h, c = drawn(2, 4, 1, 3, seed=1)
    y, (h_end, c_end) = layer.forward(x, c_0=c, h_0=h, return_state=True)
    dx, dh, dc = layer.backward(np.ones_like(y))
    assert h_end.shape == c_end.shape == dh.shape == dc.shape == (4, 1, 3)
    assert dx.shape == x.shape
    assert check_module(layer, x, arguments={"c_0": c}).passed
    assert check_module(layer, x, arguments={"c_0": c, "h_0": h}).passed
    np.testing.assert_array_equal(layer.predict(x, h_0=h), layer.predict(x, h_0=h, c_0=0 * c))
    with pytest.raises(ConfigurationError, match="GRU has no cell state c_0"):
        built(GRU, 2, 3).forward(x, c_0=c)


def test_a_first_state_goes_through_a_network_batch_by_batch():
    network = Network([LSTM(2, 3), LastStep(), Linear(3, 1)], seed=0)
    X = {"x": drawn(20, 4, 2), "h_0": drawn(20, 1, 3, seed=1), "c_0": drawn(20, 1, 3, seed=2)}
    trainer = Trainer(network, MeanSquaredError(), Adam(), seed=0)
    trainer.fit(X, drawn(20, 1), epochs=1, batch_size=8, progress=False)
    whole = network.predict(X)
    np.testing.assert_allclose(trainer.predict(X, batch_size=7), whole, rtol=1e-5, atol=1e-6)


@every_kind
def test_states_keep_the_type_of_the_input(kind):
    layer = kind(2, 3, seed=0)
    x, firsts = drawn(4, 5, 2).astype(np.float32), states_of(kind, 4, 1, 3)
    y, state = layer.forward(x, return_state=True, lengths=[5, 2, 1, 4], **firsts)
    gradients = layer.backward(np.ones_like(y), state)
    assert {a.dtype for a in (y, *each(state), *gradients)} == {np.dtype(np.float32)}


@every_kind
def test_given_states_are_left_alone(kind):
    layer = built(kind, 2, 3)
    firsts = states_of(kind, 4, 1, 3)
    for state in firsts.values():
        state.flags.writeable = False
    y, end = layer.forward(drawn(4, 5, 2), return_state=True, **firsts)
    kept = copy.deepcopy(end)
    layer.backward(np.ones_like(y), end)
    np.testing.assert_array_equal(each(end), each(kept))


# ---------------------------------------------------------------- lengths


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(kind, bidirectional):
    layer = built(kind, 2, 3, num_layers=2, bidirectional=bidirectional)
    x = drawn(3, 5, 2)
    y, state = layer.forward(x, lengths=LENGTHS, return_state=True)
    dx = layer.backward(np.ones_like(y))
    gradients = [p.grad.copy() for p in layer.named_parameters().values()]
    sums = [np.zeros_like(g) for g in gradients]
    for n, length in enumerate(LENGTHS):
        alone, end = layer.forward(x[n : n + 1, :length], return_state=True)
        dx_alone = layer.backward(np.ones_like(alone))
        np.testing.assert_allclose(y[n, :length], alone[0], rtol=0, atol=1e-14)
        for ours, theirs in zip(each(state), each(end), strict=True):
            np.testing.assert_allclose(ours[n], theirs[0], rtol=0, atol=1e-14)
        np.testing.assert_allclose(dx[n, :length], dx_alone[0], rtol=0, atol=1e-13)
        assert not y[n, length:].any()
        assert not dx[n, length:].any()
        for total, parameter in zip(sums, layer.named_parameters().values(), strict=True):
            total += parameter.grad
    for total, gradient in zip(sums, gradients, strict=True):
        np.testing.assert_allclose(gradient, total, rtol=0, atol=1e-12)


@every_kind
@pytest.mark.parametrize("behind", [np.nan, np.inf, 1e300])
def test_nothing_behind_an_end_is_read(kind, behind):
    layer = built(kind, 2, 3, bidirectional=True)
    x, dy = drawn(3, 5, 2), drawn(3, 5, 6, seed=1)
    expected = layer.forward(x, lengths=LENGTHS)
    dx_expected = layer.backward(dy)
    for n, length in enumerate(LENGTHS):
        x[n, length:] = dy[n, length:] = behind
    np.testing.assert_array_equal(layer.forward(x, lengths=LENGTHS), expected)
    np.testing.assert_array_equal(layer.backward(dy), dx_expected)
    assert all(np.isfinite(p.grad).all() for p in layer.named_parameters().values())


def test_a_relu_does_not_run_away_behind_an_end():
    layer = built(RNN, 1, 2, nonlinearity="relu")
    layer.cells[0].weight_hh.value = 100 * np.eye(2)
    layer.cells[0].bias_ih.value = [1, 1]
    y = layer.forward(np.ones((2, 400, 1)), lengths=[2, 3])
    assert np.isfinite(y).all()
    assert np.isfinite(layer.backward(np.ones_like(y))).all()


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 6, 1], "from 1 to 5, the number of steps; got lengths from 1 to 6"),
        ([5, 0, 1], "got lengths from 0 to 5"),
        ([5, -1, 1], "got lengths from -1 to 5"),
        ([5, 1], r"each of the 3 sequences, got int64 of shape \(2,\)"),
        ([[5], [1], [1]], r"shape \(3, 1\)"),
        ([5.0, 1.0, 1.0], "float64"),
        ([True, True, True], "bool"),
        (3, r"shape \(\)"),
    ],
)
def test_impossible_lengths_are_refused(lengths, message):
    for layer in (built(GRU, 2, 3), LastStep()):
        with pytest.raises(InputError, match=message):
            layer.forward(drawn(3, 5, 2), lengths=lengths)


def test_the_last_step_of_each_sequence():
    x = drawn(3, 5, 2)
    layer = LastStep()
    np.testing.assert_array_equal(layer.forward(x, lengths=LENGTHS)[2], x[2, 0])
    dx = layer.backward(np.ones((3, 2)))
    assert dx.sum() == 6
    assert dx[0, 2].all()
    assert dx[2, 0].all()


# ---------------------------------------------------------------- what is refused


@every_kind
@pytest.mark.parametrize("shape", [(4, 2), (4, 5, 3), (4, 0, 2), (4, 5, 2, 1)])
def test_input_of_another_shape_is_refused(kind, shape):
    with pytest.raises(ShapeError, match=r"expected sequences \(N, T, 2\)"):
        kind(2, 3).predict(np.ones(shape))
    if len(shape) != 3 or 0 in shape:
        with pytest.raises(ShapeError, match=r"expected sequences \(N, T, features\)"):
            LastStep().predict(np.ones(shape))


def test_states_of_another_shape_are_refused():
    x = drawn(4, 5, 2)
    with pytest.raises(ShapeError, match=r"h_0 of shape \(4, 1, 3\), got \(4, 3\)"):
        built(GRU, 2, 3).forward(x, h_0=np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"c_0 of shape \(4, 2, 3\), got \(2, 4, 3\)"):
        built(LSTM, 2, 3, bidirectional=True).forward(x, c_0=np.ones((2, 4, 3)))
    layer = built(RNN, 2, 3)
    y = layer.forward(x)
    with pytest.raises(ShapeError, match=r"dstate of shape \(4, 1, 3\), got \(4, 1, 1\)"):
        layer.backward(y, np.ones((4, 1, 1)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LSTM(0, 3), "input_size"),
        (lambda: LSTM(2, 3.5), "hidden_size"),
        (lambda: GRU(2, 3, num_layers=0), "num_layers"),
        (lambda: GRU(2, 3, dropout=0.5), "there is only one"),
        (lambda: GRU(2, 3, num_layers=2, dropout=1.0), "0 <= dropout < 1"),
        (lambda: RNN(2, 3, nonlinearity="sigmoid"), "'tanh', 'relu'; got 'sigmoid'"),
    ],
)
def test_options_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_an_error_inside_a_network_names_the_layer():
    network = Network([Embedding(5, 3), LSTM(4, 2), LastStep()])
    with pytest.raises(ShapeError, match=r"LSTM \(layers.1\): expected .*\(2, 6, 3\)"):
        network.predict(np.zeros((2, 6), int))


def test_a_new_kind_is_told_what_it_lacks():
    with pytest.raises(NotImplementedError, match="Recurrent has no make_cell"):
        Recurrent(2, 3)

    class Unfinished(Cell):
        gates, states = (1.0,), 1

    class UnfinishedLayer(Recurrent):
        def make_cell(self, input_size, rng):
            return Unfinished(input_size, self.hidden_size, rng)

    with pytest.raises(NotImplementedError, match="Unfinished has no steps"):
        UnfinishedLayer(2, 3).forward(drawn(4, 5, 2))
    Unfinished.steps = lambda self, a, weight, states, running: None
    layer = UnfinishedLayer(2, 3)
    y = layer.forward(drawn(4, 5, 2))
    with pytest.raises(NotImplementedError, match="Unfinished has no steps_back"):
        layer.backward(y)


# ---------------------------------------------------------------- weights and chance


def test_parameters_are_named_by_cell():
    names = list(GRU(2, 3, num_layers=2, bidirectional=True).named_parameters())
    assert names[:4] == [f"cells.0.{w}" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    assert len(names) == 16


@pytest.mark.parametrize(("kind", "gates"), [(RNN, 1), (LSTM, 4), (GRU, 3)])
def test_the_gate_that_keeps_begins_open(kind, gates):
    layer = kind(2, 3, seed=0)
    expected = np.zeros((gates, 3))
    expected[1:2] = 1
    for drawn_again in (layer, copy.deepcopy(Network([layer], initialization="zero", seed=1))[0]):
        np.testing.assert_array_equal(drawn_again.cells[0].bias_ih.value, expected.reshape(-1))
        assert not drawn_again.cells[0].bias_hh.value.any()


def test_weights_keep_the_variance():
    cell = LSTM(100, 64, seed=0).cells[0]
    assert cell.weight_ih.value.std() == pytest.approx(100**-0.5, rel=0.02)
    assert cell.weight_hh.value.std() == pytest.approx(64**-0.5, rel=0.02)


def test_the_seed_decides():
    same, again, other = (LSTM(2, 3, num_layers=2, seed=s) for s in (4, 4, 5))
    for (_, a), (_, b), (_, c) in zip(
        *(layer.named_parameters().items() for layer in (same, again, other)), strict=True
    ):
        np.testing.assert_array_equal(a.value, b.value)
        assert not a.decay or (a.value != c.value).all()


def test_dropout_acts_between_layers_and_in_training_only():
    x = drawn(4, 50, 2).astype(np.float32)
    layer = RNN(2, 20, num_layers=2, dropout=0.5, seed=0)
    plain = RNN(2, 20, num_layers=2, seed=0)
    np.testing.assert_array_equal(layer.predict(x), plain.predict(x))
    first = layer.forward(x)
    assert not np.array_equal(first, layer.forward(x))  # new masks each time
    assert first.all(), "the top layer's outputs are whole"
    seen = layer.cells[1]._saved[2]  # what reached the second layer
    assert 0.45 < (seen == 0).mean() < 0.55


# ---------------------------------------------------------------- learning


def first_bits(rng, samples, steps=30):
    """Return sequences that begin with -1 or 1, then noise; and which of the two it was."""
    bit = rng.integers(0, 2, samples)
    x = 0.1 * rng.standard_normal((samples, steps, 2))
    x[:, 0, 0] = 2 * bit - 1
    x[:, :, 1] = 0
    x[:, 0, 1] = 1  # marks the step to remember
    return x, bit


def accuracy_after_training(network, steps=150):
    rng = np.random.default_rng(0)
    optimizer, loss = Adam(0.01), CategoricalCrossEntropy(from_logits=True)
    for _ in range(steps):
        x, bit = first_bits(rng, 64)
        network.backward(loss.backward(bit, network.forward(x)))
        optimizer.step(network)
    x, bit = first_bits(np.random.default_rng(1), 1000)
    return (network.predict(x).argmax(axis=1) == bit).mean()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_bit_is_remembered_over_30_steps(kind):
    network = Network([kind(2, 16), LastStep(), Linear(16, 2)], seed=0)
    assert accuracy_after_training(network) >= 0.99


def test_without_memory_the_bit_is_lost():
    network = Network([LastStep(), Linear(2, 16), Tanh(), Linear(16, 2)], seed=0)
    assert accuracy_after_training(network) < 0.6
