"""RNN, LSTM, GRU and LastStep: one sample at a time, one step after the other, gate by gate."""

import math

import numpy as np

from cases import Case
from chainrule import GRU, LSTM, RNN, Embedding, LastStep, Linear, Network


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def gate(cell, number, x, h, hidden_factor=None):
    """Return x W_ih + b_ih + factor (h W_hh + b_hh) of one gate, unit by unit, before σ or tanh."""
    size = cell.hidden_size
    total = []
    for unit in range(size):
        column = number * size + unit
        from_x = sum(x[i] * cell.weight_ih.value[i, column] for i in range(len(x)))
        from_h = sum(h[i] * cell.weight_hh.value[i, column] for i in range(len(h)))
        if cell.bias_ih is not None:
            from_x += cell.bias_ih.value[column]
            from_h += cell.bias_hh.value[column]
        factor = 1 if hidden_factor is None else hidden_factor[unit]
        total.append(from_x + factor * from_h)
    return total


def rnn_step(module, cell, x, state):
    function = math.tanh if module.nonlinearity == "tanh" else lambda v: max(v, 0)
    return [[function(v) for v in gate(cell, 0, x, state[0])]]


def lstm_step(module, cell, x, state):
    h, c = state
    i, f, o = ([sigmoid(v) for v in gate(cell, k, x, h)] for k in (0, 1, 3))
    g = [math.tanh(v) for v in gate(cell, 2, x, h)]
    c = [f[j] * c[j] + i[j] * g[j] for j in range(len(c))]
    m = [o[j] * math.tanh(c[j]) for j in range(len(c))]
    if module.proj_size:
        weights = cell.weight_hr.value
        return [[sum(m[j] * weights[j, k] for j in range(len(m))) for k in range(len(h))], c]
    return [m, c]


def gru_step(module, cell, x, state):
    (h,) = state
    r, z = ([sigmoid(v) for v in gate(cell, k, x, h)] for k in (0, 1))
    n = [math.tanh(v) for v in gate(cell, 2, x, h, hidden_factor=r)]
    return [[(1 - z[j]) * n[j] + z[j] * h[j] for j in range(len(h))]]


def recurrent(step, states=1, lengths=None, firsts=()):
    """Return the reference of a layer with this step and these further arguments."""

    def reference(module, x, training):
        directions = 2 if module.bidirectional else 1
        ends = [x.shape[1]] * len(x) if lengths is None else lengths
        output_size = getattr(module, "proj_size", 0) or module.hidden_size
        sizes = (output_size, module.hidden_size)[:states]
        first = [np.zeros((len(module.cells), len(x), size)) for size in sizes]
        for number, given in enumerate(firsts):  # (N, cells, H) each
            first[number] = given.swapaxes(0, 1)
        for layer in range(module.num_layers):
            y = np.zeros((*x.shape[:2], directions * output_size))
            for sample in range(len(x)):
                for direction in range(directions):
                    place = layer * directions + direction
                    state = [list(s[place, sample]) for s in first]
                    order = range(ends[sample])
                    for t in reversed(order) if direction else order:
                        state = step(module, module.cells[place], x[sample, t], state)
                        begin = direction * output_size
                        y[sample, t, begin : begin + output_size] = state[0]
            x = y
        return x

    return reference


def with_biases(layer):
    """Give every bias values of its own, so that a forgotten or swapped one shows."""
    for number, cell in enumerate(layer.cells):
        for shift, bias in enumerate((cell.bias_ih, cell.bias_hh) if layer.bias else ()):
            bias.value = np.sin(np.arange(bias.size) + 3 * number + shift)
    return layer


KINDS = {RNN: (rnn_step, 1), LSTM: (lstm_step, 2), GRU: (gru_step, 1)}
LENGTHS = np.array([3, 5, 1])


def first_states(states, batch, places, size):
    """Return h_0, and c_0 for an LSTM."""
    drawn = np.random.default_rng(5).standard_normal((states, batch, places, size))
    return dict(zip(("h_0", "c_0"), drawn, strict=False))


def cases_of(kind):
    """Return what each of the three goes through."""
    step, states = KINDS[kind]
    name = kind.__name__

    def case(variant, shape, lengths=None, firsts=None, bad_shape=None, **options):
        firsts = firsts or {}
        arguments = {"lengths": lengths, **firsts}
        return Case(
            f"{name}-{variant}",
            lambda: with_biases(kind(shape[2], **{"hidden_size": 2, "seed": 1, **options})),
            shape,
            reference=recurrent(step, states, lengths, firsts.values()),
            arguments={k: v for k, v in arguments.items() if v is not None},
            bad_shape=bad_shape,
        )

    return [
        case("plain", (3, 5, 4), hidden_size=3, bad_shape=(3, 5, 2)),
        case("one_of_each", (1, 1, 1), hidden_size=1, bad_shape=(1, 1)),
        case("one_step", (3, 1, 2)),
        case("one_sample", (1, 4, 2), num_layers=2),
        case("layers", (2, 3, 3), num_layers=3),
        case("no_bias", (2, 3, 3), num_layers=2, bias=False),
        case("both_directions", (2, 3, 3), bidirectional=True),
        case("layers_both_directions", (2, 3, 1), num_layers=2, bidirectional=True),
        case("lengths", (3, 5, 2), lengths=LENGTHS),
        case("equal_lengths", (3, 4, 2), lengths=np.array([4, 4, 4]), bidirectional=True),
        case("all_shorter", (2, 5, 2), lengths=np.array([2, 3]), bidirectional=True),
        case(
            "lengths_layers_both",
            (3, 5, 2),
            lengths=LENGTHS,
            num_layers=2,
            bidirectional=True,
        ),
        case("first_state", (2, 3, 3), firsts=first_states(states, 2, 1, 2)),
        case(
            "everything",
            (3, 5, 2),
            lengths=LENGTHS,
            firsts=first_states(states, 3, 4, 2),
            num_layers=2,
            bidirectional=True,
        ),
    ]


def dropped(kind):
    """Return a case with dropout between layers: without training it is the layer without it."""
    step, states = KINDS[kind]
    return Case(
        f"{kind.__name__}-dropout",
        lambda: with_biases(kind(2, 3, num_layers=3, dropout=0.4, seed=1)),
        (2, 4, 2),
        reference=recurrent(step, states),
        random=True,
    )


def sentence_classifier(network, x, training):
    table, lstm, _, linear = network.layers
    vectors = np.array([[table.weight.value[i] for i in row] for row in x])
    h = recurrent(lstm_step, 2)(lstm, vectors, training)[:, -1]
    return h @ linear.weight.value + linear.bias.value


def projected(variant, lengths=None, firsts=(), **options):
    """Return a case of an LSTM with a projection from 4 features to 2."""
    return Case(
        f"LSTM-projected{variant}",
        lambda: with_biases(LSTM(3, 4, proj_size=2, seed=1, **options)),
        (3, 5, 3),
        reference=recurrent(lstm_step, 2, lengths, firsts),
        arguments={"lengths": lengths, **dict(zip(("h_0", "c_0"), firsts, strict=False))},
    )


def projected_states(places):
    """Return h_0 and c_0, which are of different sizes with a projection."""
    rng = np.random.default_rng(6)
    return [rng.standard_normal((3, places, size)) for size in (2, 4)]


CASES = [case for kind in KINDS for case in (*cases_of(kind), dropped(kind))] + [
    projected(""),
    projected("_one_layer_of_each", num_layers=2, bias=False),
    projected("_states", firsts=projected_states(1)),
    projected(
        "_everything",
        lengths=LENGTHS,
        firsts=projected_states(4),
        num_layers=2,
        bidirectional=True,
    ),
    Case(
        "RNN-relu",
        lambda: with_biases(RNN(3, 4, nonlinearity="relu", seed=2)),
        (3, 5, 3),
        reference=recurrent(rnn_step),
    ),
    Case(
        "RNN-relu_lengths",
        lambda: with_biases(
            RNN(2, 3, nonlinearity="relu", num_layers=2, bidirectional=True, seed=2)
        ),
        (3, 5, 2),
        reference=recurrent(rnn_step, lengths=LENGTHS),
        arguments={"lengths": LENGTHS},
    ),
    Case(
        "LastStep", LastStep, (3, 4, 2), reference=lambda m, x, training: x[:, 3], bad_shape=(3, 4)
    ),
    Case("LastStep-one_step", LastStep, (1, 1, 1), reference=lambda m, x, training: x[:, 0]),
    Case(
        "LastStep-lengths",
        LastStep,
        (3, 5, 2),
        reference=lambda m, x, training: np.array([x[0, 2], x[1, 4], x[2, 0]]),
        arguments={"lengths": LENGTHS},
    ),
    Case(
        "Network-lstm",
        lambda: Network(
            [Embedding(6, 3), LSTM(3, 4), LastStep(), Linear(4, 2)], seed=0, dtype="float64"
        ),
        x=lambda rng: rng.integers(0, 6, (3, 5)),
        reference=sentence_classifier,
    ),
]
