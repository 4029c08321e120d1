"""What is assigned to a module's attributes: values, parameters, modules; nothing gets lost."""

import copy

import numpy as np
import pytest
from cases import all_cases

from chainrule import (
    SGD,
    Adam,
    Buffer,
    CategoricalCrossEntropy,
    ConfigurationError,
    Graph,
    Linear,
    Module,
    Network,
    Node,
    Parallel,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    StateError,
    Tanh,
    Trainer,
)
from chainrule.module import walk

CASES = all_cases()
LOSS = CategoricalCrossEntropy(from_logits=True)
X = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def attributes(module):
    """Return (holder, name, thing) for parameters and buffers that are attributes of a module."""
    holders = [thing for _, thing in walk(module) if isinstance(thing, Module)]
    return [
        (holder, name, thing)
        for holder in holders
        for name, thing in vars(holder).items()
        if isinstance(thing, Parameter | Buffer)
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_array_for_a_parameter_or_a_buffer_is_its_value(case):
    module = case.build()
    names = list(module.state())
    for holder, name, thing in attributes(module):
        new = np.full(thing.shape, 2)
        setattr(holder, name, new)
        assert getattr(holder, name) is thing
        np.testing.assert_array_equal(thing.value, new)
        setattr(holder, name, (new + 1).tolist())
        assert (thing.value == 3).all()
        for wrong, error in (
            (np.ones((*thing.shape, 2)), ShapeError),
            (new * 1j, ConfigurationError),
            (np.full(thing.shape, "a"), ConfigurationError),
        ):
            with pytest.raises(error):
                setattr(holder, name, wrong)
        assert (thing.value == 3).all()
    assert list(module.state()) == names


def test_values_stay_in_the_networks_vector():
    network = Network([Linear(4, 3), ReLU(), Linear(3, 2)])
    flat = network.flat
    network.layers[0].weight = np.ones((4, 3))
    network.layers[2].bias = [5, 6]
    assert flat.current
    assert network.flat is flat
    assert (flat.values[flat.slices["layers.0.weight"]] == 1).all()
    assert flat.values[flat.slices["layers.2.bias"]].tolist() == [5, 6]


def test_all_values_at_once():
    network = Network([Linear(2, 2), Linear(2, 1)])
    flat = network.flat
    flat.values = np.arange(9)
    flat.grads = [0.5] * 9
    assert network.layers[1].weight.value.tolist() == [[6], [7]]
    assert network.layers[0].bias.grad.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="broadcast"):
        flat.values = np.zeros(8)
    network.set_gradients(np.ones(9))
    network.update(1.0)
    assert network.layers[0].weight.value.tolist() == [[-1, 0], [1, 2]]


def test_in_a_constructor_too_and_the_first_assignment_is_any():
    class Ones(Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.weight = np.ones((2, 2))
            self.table = np.zeros(3)
            self.table = "another"
            self.bias = None

    layer = Ones()
    assert isinstance(layer.weight, Parameter)
    assert layer.table == "another"
    assert list(layer.named_parameters()) == ["weight"]
    np.testing.assert_array_equal(layer([[1, 2]]), [[3, 3]])


@pytest.mark.parametrize("value", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3], np.int8)])
def test_a_parameters_value_may_be_a_list(value):
    parameter, buffer = Parameter(np.zeros(3)), Buffer(np.zeros(3))
    parameter.value = buffer.value = parameter.grad = value
    for array in (parameter.value, parameter.grad, buffer.value):
        assert array.tolist() == [1, 2, 3]
        assert array.dtype == np.float64


def test_what_would_become_other_numbers_is_refused():
    parameter, counter = Parameter(np.zeros(2)), Buffer(np.array(3))
    for wrong in ([1j, 2], ["a", "b"], [None, 1]):
        with pytest.raises(ConfigurationError, match="a parameter's value holds float64 and cann"):
            parameter.value = wrong
    with pytest.raises(ConfigurationError, match="a parameter's grad holds float64 and cannot"):
        parameter.grad = [1j, 1]
    with pytest.raises(ConfigurationError, match="a buffer's value holds int64 and cannot become"):
        counter.value = 2.5
    counter.value = np.int8(4)
    assert counter.value == 4


# ---------------------------------------------------------------- another parameter or module


class Classifier(Module):
    """A body and a head, as users write them, and parameters in a list."""

    def __init__(self):
        self.body = Linear(4, 6, seed=0)
        self.head = Linear(6, 3, seed=1)
        self.gains = [Parameter(np.ones(4, np.float32))]

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return self.head.forward(self.body.forward(x * self.gains[0].value, training), training)

    def backward(self, dy):
        (x,) = self.saved_values()
        dx = self.body.backward(self.head.backward(dy))
        self.gains[0].grad = (dx * x).sum(axis=0)
        return dx * self.gains[0].value


def step(network, optimizer):
    network.backward(LOSS.backward(Y, network.forward(X)))
    optimizer.step(network)


def all_moved(network, before):
    after = network.state()
    return [k for k in after if k in before and np.array_equal(after[k], before[k])] == []


def test_a_replaced_head_learns():
    module = Classifier()
    network, optimizer = Network(module), SGD(0.1)
    step(network, optimizer)
    module.head = Linear(6, 2, seed=5)
    module.body.bias = Parameter(np.ones(6, np.float32))
    before = network.state()
    step(network, optimizer)
    assert network.flat.values.size == 4 * 6 + 6 + 6 * 2 + 2 + 4
    assert all_moved(network, before)
    adam = Adam(0.01)
    step(network, adam)
    module.head = Linear(6, 3, seed=5)
    with pytest.raises(StateError, match=r"mean has 48 values, the network 55"):
        step(network, adam)


def test_a_parameter_replaced_in_a_list_is_noticed_where_training_begins():
    module = Classifier()
    network = Network(module)
    step(network, SGD(0.1))
    module.gains[0] = Parameter(np.full(4, 2.0, np.float32))
    before = network.state()
    Trainer(network, LOSS, SGD(0.1), seed=0).fit(X, Y, epochs=1, progress=False)
    assert all_moved(network, before)


def containers():
    linear = Linear(4, 4, seed=0)
    graph = Graph("x", {"h": Node(Tanh(), "x"), "y": Node(linear, "h")}, "y")
    return [
        (Sequential([Tanh(), linear]), "layers", (Tanh(), Linear(4, 4))),
        (Residual(linear), "body", Linear(4, 4)),
        (Residual(Tanh(), linear), "shortcut", None),
        (Parallel([linear]), "branches", [Tanh()]),
        (Network([Tanh(), linear]), "body", Tanh()),
        (Network(Classifier()), "body", Classifier()),
        (Network([Classifier()]).layers[0], "head", Linear(6, 3)),
        (Sequential([linear, Tanh()]).layers[0], "weight", Parameter(np.ones((4, 4)))),
        (graph["y"], "bias", None),
    ]


@pytest.mark.parametrize("place", range(9))
def test_what_a_container_was_built_of_stays(place):
    """It has looked at what is shared and what learns; it could not know of another child."""
    thing, name, new = containers()[place]
    held = getattr(thing, name)
    with pytest.raises(ConfigurationError, match=rf"{name} cannot be replaced any more: .*build"):
        setattr(thing, name, new)
    assert getattr(thing, name) is held
    setattr(thing, name, held)
    again = copy.deepcopy(thing)
    with pytest.raises(ConfigurationError, match="cannot be replaced"):
        setattr(again, name, new)


def test_a_node_stays_what_it_is():
    node = Node(Linear(2, 2), "x")
    for name, new in (("module", Tanh()), ("inputs", ("y",)), ("further", {})):
        with pytest.raises(ConfigurationError, match=f"A Node's {name} cannot be replaced"):
            setattr(node, name, new)
    assert copy.deepcopy(node).inputs == ("x",)


def test_a_list_with_the_same_things_in_it_may_be_assigned():
    class Rows(Module):
        def __init__(self):
            self.parts = [Linear(2, 2), np.random.default_rng(0)]

        def forward(self, x, training=True):
            return self.parts[0].forward(x, training)

        def backward(self, dy):
            return self.parts[0].backward(dy)

    network = Network([Rows(), Linear(2, 2)], seed=3)  # gives it another generator
    rows = network.layers[0]
    rows.parts = list(rows.parts)
    with pytest.raises(ConfigurationError, match="cannot be replaced"):
        rows.parts = [Linear(2, 2)]
