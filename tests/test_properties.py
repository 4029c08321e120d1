"""Laws that hold for every network, on random architectures, batches and losses."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MeanAbsoluteError,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    check_module,
)

laws = settings(derandomize=True, deadline=None, max_examples=30, database=None)

ACTIVATIONS = [ReLU, LeakyReLU, Sigmoid, Tanh, LogSoftmax]
ENDS = {  # loss: the layers that a network for it may end in
    CategoricalCrossEntropy: [Softmax],
    BinaryCrossEntropy: [Sigmoid],
    MeanSquaredError: [Tanh, None],
    MeanAbsoluteError: [None],
    Huber: [None],
}


@st.composite
def problems(draw):
    """Draw a network in float64, its loss, and a batch: (network, loss, x, y)."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    kind = draw(st.sampled_from([*ENDS, "logits of classes", "logits of yes or no"]))
    if kind in (CategoricalCrossEntropy, "logits of classes"):
        sizes[-1] = max(sizes[-1], 2)  # one output is no choice between classes
    seed = draw(st.integers(0, 2**32 - 1))
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        if draw(st.booleans()):
            layers.append(Residual(Sequential([Linear(inputs, inputs), draw_activation(draw)])))
        layers += [Linear(inputs, outputs, bias=draw(st.booleans())), draw_activation(draw)]
    layers.pop()
    if kind in ENDS:
        end = draw(st.sampled_from(ENDS[kind]))
        layers += [] if end is None else [end()]
        loss = kind()
    else:
        by_class = kind == "logits of classes"
        loss = (CategoricalCrossEntropy if by_class else BinaryCrossEntropy)(from_logits=True)
    network = Network(layers, seed=seed, dtype="float64")
    rng = np.random.default_rng(seed)
    for parameter in network.named_parameters().values():
        parameter.value = parameter.value + 0.1 * rng.standard_normal(parameter.shape)
    batch = draw(st.integers(1, 5))
    x = rng.standard_normal((batch, sizes[0]))
    return network, loss, x, draw_truth(draw, rng, loss, batch, sizes[-1])


def draw_activation(draw):
    return draw(st.sampled_from(ACTIVATIONS))()


def draw_truth(draw, rng, loss, batch, outputs):
    """Return labels, one-hot rows, soft labels or numbers, whatever the loss takes."""
    if isinstance(loss, CategoricalCrossEntropy):
        labels = rng.integers(0, outputs, batch)
        soft = rng.dirichlet(np.ones(outputs), batch)
        return draw(st.sampled_from([labels, np.eye(outputs)[labels], soft]))
    if isinstance(loss, BinaryCrossEntropy):
        soft = rng.random((batch, outputs))
        return draw(st.sampled_from([soft, np.round(soft)]))
    return 2 * rng.standard_normal((batch, outputs))


def learned(network, loss, x, y, weight=None):
    """Return (loss, gradient at the input, gradients of all parameters) of one pass."""
    p = network.forward(x)
    value = loss.forward(y, p, weight)
    dx = network.backward(loss.backward(y, p, weight))
    return value, dx, network.flat.grads.copy()


def assert_close(got, expected):
    """Equal up to rounding, which is relative to the largest number of each array."""
    for one, other in zip(got, expected, strict=True):
        scale = float(np.abs(other).max(initial=1e-6))
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12 * scale)


@laws
@given(problems())
def test_backward_is_the_slope_of_the_loss(problem):
    network, loss, x, y = problem
    report = check_module(network, x, loss=loss, y_true=y)
    assert report.passed, str(report)
    assert len(report.gradients) == 1 + len(network.named_parameters())


@laws
@given(problems(), st.integers(2, 4))
def test_a_batch_given_several_times_changes_no_mean(problem, times):
    network, loss, x, y = problem
    value, dx, gradients = learned(network, loss, x, y)
    again = learned(network, loss, np.concatenate([x] * times), np.concatenate([y] * times))
    assert_close(again, (value, np.concatenate([dx] * times) / times, gradients))


@laws
@given(problems(), st.sampled_from([1, 0.25, 7]))
def test_equal_weights_are_no_weights(problem, weight):
    network, loss, x, y = problem
    weighted = learned(network, loss, x, y, np.full(len(x), weight))
    assert_close(weighted, learned(network, loss, x, y))


@laws
@given(problems(), st.data())
def test_a_row_given_twice_is_a_row_of_weight_two(problem, data):
    network, loss, x, y = problem
    row = data.draw(st.integers(0, len(x) - 1))
    twice = np.append(np.arange(len(x)), row)
    weight = np.ones(len(x))
    weight[row] = 2
    value, dx, gradients = learned(network, loss, x[twice], y[twice])
    dx[row] += dx[-1]
    assert_close(learned(network, loss, x, y, weight), (value, dx[:-1], gradients))


@laws
@given(problems(), st.data())
def test_a_row_of_weight_zero_is_not_there(problem, data):
    network, loss, x, y = problem
    row = data.draw(st.integers(0, len(x) - 1))
    x, y = np.concatenate([x, x[:1]]), np.concatenate([y, y[:1]])  # so that one is left at least
    weight = np.ones(len(x))
    weight[row] = 0
    value, dx, gradients = learned(network, loss, np.delete(x, row, 0), np.delete(y, row, 0))
    assert_close(
        learned(network, loss, x, y, weight), (value, np.insert(dx, row, 0, axis=0), gradients)
    )


@laws
@given(problems(), st.data())
def test_the_batchs_order_orders_the_output_and_nothing_else(problem, data):
    network, loss, x, y = problem
    order = np.array(data.draw(st.permutations(range(len(x)))))
    np.testing.assert_allclose(network.predict(x[order]), network.predict(x)[order], rtol=1e-12)
    value, dx, gradients = learned(network, loss, x, y)
    assert_close(learned(network, loss, x[order], y[order]), (value, dx[order], gradients))


@laws
@given(problems())
def test_each_sample_alone_gives_what_it_gives_in_the_batch(problem):
    network, loss, x, y = problem
    rows = [network.predict(x[[n]]) for n in range(len(x))]
    np.testing.assert_allclose(np.concatenate(rows), network.predict(x), rtol=1e-10, atol=1e-14)
    values = [loss.forward(y[[n]], rows[n]) for n in range(len(x))]
    np.testing.assert_allclose(np.mean(values), loss.forward(y, network.predict(x)), rtol=1e-10)


@laws
@given(problems())
def test_float32_computes_the_same_as_float64(problem):
    network, _, x, _ = problem
    expected = network.predict(x)
    single = Network(list(network), dtype="float32").predict(x)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-5)
