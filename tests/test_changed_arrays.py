"""What a caller or a user's own layer writes into between two passes changes no gradient.

For every module: an array that went in or came out is changed between forward and backward. The
gradients are those without the change, or writing is refused.
"""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
from cases import all_cases

from chainrule import (
    GELU,
    SGD,
    Add,
    BackwardError,
    Dropout,
    Flatten,
    Graph,
    Linear,
    MeanSquaredError,
    Module,
    Network,
    Node,
    Parallel,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    Trainer,
)
from chainrule.module import cast, named_generators
from chainrule.pytree import tree_map
from chainrule.watching import Watcher, watch

every_case = pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)


def arrays_in(data):
    """Return every array in tuples and dicts, however deep."""
    if isinstance(data, dict):
        data = tuple(data.values())
    if isinstance(data, tuple | list):
        return [array for part in data for array in arrays_in(part)]
    return [] if data is None else [np.asarray(data)]


def spoil(data):
    for array in arrays_in(data):
        array[...] = 0 if array.dtype.kind != "f" else 0.37 * array[::-1] + 0.1


def gradients(case, call, change):
    """Return all gradients, after `change` has been called with what went in and came out."""
    module = case.build()
    cast(module, np.float64)
    for generator in named_generators(module).values():
        generator.bit_generator.state = np.random.default_rng(0).bit_generator.state
    given = SimpleNamespace(
        x=tree_map(np.array, case.input()),
        arguments={
            name: np.array(value) if isinstance(value, np.ndarray) else value
            for name, value in case.arguments.items()
        },
    )
    module, given.y = call(module, given.x, given.arguments)
    rng = np.random.default_rng(1)
    dy = tree_map(lambda y: rng.standard_normal(y.shape), given.y)
    change(given)
    dx = module.backward(dy)
    return [*(p.grad for p in module.parameters()), *arrays_in(dx)]


def called(module, x, arguments):
    return module, module(x, **arguments)


def in_a_network(module, x, arguments):
    network = Network(module, dtype="float64")
    given = {name: value for name, value in arguments.items() if value is not None}
    return network, network.forward(x, **given)


def forward_alone(module, x, arguments):
    return module, module.forward(x, **arguments)


def assert_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_case
@pytest.mark.parametrize("call", [called, in_a_network])
def test_batch_and_output_may_be_changed_before_the_backward_pass(case, call):
    if call is in_a_network and case.build().joins and isinstance(case.input(), tuple):
        pytest.skip("a join is a node of a graph")
    expected = gradients(case, call, lambda given: None)
    for what in ("x", "y", "arguments"):
        found = gradients(case, call, lambda given, what=what: spoil(vars(given)[what]))
        assert_equal(found, expected)


@every_case
def test_the_output_of_forward_alone_is_right_or_read_only(case):
    expected = gradients(case, forward_alone, lambda given: None)

    def spoil_or_be_refused(given):
        for array in arrays_in(given.y):
            with contextlib.suppress(ValueError):  # as NumPy refuses to write
                spoil(array)

    assert_equal(gradients(case, forward_alone, spoil_or_be_refused), expected)


@every_case
def test_what_predict_returns_is_the_callers_own(case):
    module, x = case.build(), case.input()
    held = [*arrays_in(x), *arrays_in(dict(case.arguments))]
    y = module.predict(x, **case.arguments)
    held += [thing.value for thing in (*module.parameters(), *module.named_buffers().values())]
    for place, array in enumerate(arrays_in(y)):
        others = held + [other for k, other in enumerate(arrays_in(y)) if k != place]
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in others)


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "int64", "list", "memmap", "fortran"])
def test_the_example(dtype, given, tmp_path):
    numbers = np.arange(1.0, 7).reshape(3, 2)
    if given == "list":
        batch = numbers.tolist()
    elif given == "memmap":
        batch = np.memmap(tmp_path / "x", dtype, "w+", shape=(3, 2))
        batch[...] = numbers
    elif given == "fortran":
        batch = np.asfortranarray(numbers, dtype)
    else:
        batch = numbers.astype(given)
    network = Network([Linear(2, 1, seed=0)], dtype=dtype)
    y = network.forward(batch)
    batch[:] = [[0, 0]] * 3
    network.backward(np.ones_like(y))
    assert network.layers[0].weight.grad.tolist() == [[9], [12]]


@pytest.mark.parametrize("last", [ReLU, Tanh, Sigmoid, Softmax, Dropout, Flatten, GELU])
@pytest.mark.parametrize("training", [True, False])
def test_what_a_network_returns_is_the_callers_own(last, training):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3)).astype(np.float32)
    nodes = {"h": Node(Linear(3, 3, seed=0), "x"), "y": Node(last(), "h"), "z": Node(last(), "h")}
    bodies = [[last()], [Linear(3, 3, seed=0), last()], Graph("x", nodes, ["h", "y", "z"])]
    for body in bodies:
        network = Network(body)
        outputs = arrays_in(network.forward(x, training))
        parameters = [p.value for p in network.parameters()]
        for place, y in enumerate(outputs):
            others = [x, *parameters, *outputs[:place]]
            assert y.flags.writeable
            assert not any(np.shares_memory(y, other) for other in others)


def test_the_gradient_at_the_input_is_the_callers_own():
    nodes = {"sum": Node(Add(), "a", "b")}
    network, x = Network(Graph(["a", "b"], nodes, "sum")), np.ones((2, 3), np.float32)
    network.forward({"a": x, "b": x})
    dy = np.ones((2, 3), np.float32)
    dx = network.backward(dy)
    dx["a"] *= 2
    assert (dx["b"] == 1).all()
    assert (dy == 1).all()


# ---------------------------------------------------------------- users' own layers


class Doubles(Module):
    """Writes into what it is given, in one of the two passes."""

    def __init__(self, forward=True):
        self.forwards = forward

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        if not self.forwards:
            return 2 * x
        x *= 2
        return x

    def backward(self, dy):
        self.saved_values()
        if self.forwards:
            return 2 * dy
        dy *= 2
        return dy


def chains(own):
    """Return networks of 3 inputs and outputs with this layer at different places."""
    return {
        "alone": lambda: own,
        "first": lambda: [own, Linear(3, 3, seed=0)],
        "last": lambda: [Linear(3, 3, seed=0), Tanh(), own],
        "in the middle": lambda: [Linear(3, 3, seed=0), Tanh(), own, Linear(3, 3, seed=1)],
        "in a sequence": lambda: Sequential([Sequential([Linear(3, 3, seed=0), own]), Tanh()]),
        "residual": lambda: [Linear(3, 3, seed=0), Residual(own)],
        "shortcut": lambda: [Linear(3, 3, seed=0), Residual(Linear(3, 3, seed=0), own)],
        "parallel": lambda: [Parallel([Linear(3, 3, seed=0), own], merge="add")],
        "graph": lambda: Graph(
            "x",
            {"a": Node(own, "x"), "b": Node(GELU(), "x"), "y": Node(Add(), "a", "b", "x")},
            "y",
        ),
        "in a network": lambda: [Linear(3, 3, seed=0), Network([own])],
    }


@pytest.mark.parametrize("place", chains(None))
def test_a_layer_that_writes_into_what_it_is_given_is_refused(place):
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    before = x.copy()
    network = Network(chains(Doubles())[place]())
    for run in (network.forward, network.predict):
        with pytest.raises(ValueError, match="read-only") as caught:
            run(x)
        assert any("must not be written into" in note for note in caught.value.__notes__)
        assert any("in Doubles" in note for note in caught.value.__notes__)
    np.testing.assert_array_equal(x, before)
    network = Network(chains(Doubles(forward=False))[place]())
    dy = np.ones_like(network.forward(x))
    with pytest.raises(ValueError, match="read-only"):
        network.backward(dy)
    network.forward(x)
    with contextlib.suppress(ValueError):  # where nothing below learns, it is not even called
        network.backward_parameters(dy)
    assert (dy == 1).all()


def test_a_layer_in_a_layer_cannot_change_what_another_has_saved():
    """h += x after an activation that needs its output."""

    class Block(Module):
        def __init__(self, layer, activation):
            self.layer, self.activation = layer, activation

        def forward(self, x, training=True):
            h = self.activation.forward(self.layer.forward(x, training), training)
            h += x
            return h

    for activation in (ReLU, Tanh, Sigmoid, Softmax):
        network = Network([Block(Linear(3, 3), activation())])
        with pytest.raises(ValueError, match="read-only"):
            network.forward(np.ones((2, 3)))


def test_a_layer_that_returns_the_same_array_each_time():
    """Predictions that are kept are not overwritten by later ones."""

    class Refills(Module):
        def __init__(self):
            self.memory = np.empty((2, 1), np.float32)

        def forward(self, x, training=True):
            self.memory[...] = x
            return self.memory

    network = Network([Refills()])
    trainer = Trainer(network, MeanSquaredError(), SGD(0.1))
    X = np.arange(6.0).reshape(6, 1)
    np.testing.assert_array_equal(trainer.predict(X, batch_size=2), X)


def test_a_watcher_cannot_write():
    class Writes(Watcher):
        def on_forward(self, path, module, x, y):
            y[...] = 0

    network = Network([Linear(3, 3), Tanh()])
    with watch(network, Writes()), pytest.raises(ValueError, match="read-only"):
        network.forward(np.ones((2, 3)))


# ---------------------------------------------------------------- losses


def test_losses_keep_nothing():
    """A gradient is that of what backward is given, in memory of its own."""
    from test_loss_functions import CASES

    rng = np.random.default_rng(0)
    for case in CASES:
        y, p = case.y_true(rng, 6), np.asarray(case.y_pred(rng, 6))
        expected = case.loss.backward(y, p)
        other = p[::-1].copy()
        case.loss.forward(y, other)
        other[...] = p
        gradient = case.loss.backward(y, other)
        np.testing.assert_array_equal(gradient, expected)
        assert not np.shares_memory(gradient, other)
        assert not np.shares_memory(gradient, np.asarray(y))


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("move", ["optimizer", "update"])
def test_a_step_between_the_passes_leaves_no_backward(move):
    """Its gradient would mix the weights of before with those of after."""
    network, x, optimizer = Network([4, 5, 3], seed=0), np.ones((2, 4)), SGD(0.1)
    step = (lambda: optimizer.step(network)) if move == "optimizer" else lambda: network.update(0.1)
    dy = np.ones((2, 3))
    network.forward(x)
    network.backward(dy)
    network.forward(x)
    step()
    with pytest.raises(BackwardError, match="the weights have moved since the forward pass"):
        network.backward(dy)
    network.forward(x)
    network.backward(dy)
    step()
