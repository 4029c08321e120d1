"""Modules at several places of a graph, some of which get no gradient back.

Random graphs are held against finite differences in float64. Nodes that lead to whole numbers get
nothing back: their uses add nothing, and those elsewhere keep what they add.
"""

import numpy as np
import pytest

from chainrule import (
    Add,
    Concatenate,
    Embedding,
    Graph,
    Linear,
    Module,
    Network,
    Node,
    Parallel,
    Parameter,
    Residual,
    Sequential,
    Tanh,
)

SIZE = 3


class Signs(Module):
    """Whole numbers out of floats: nothing flows back through them."""

    def forward(self, x, training=True):
        return (x.sum(axis=-1) > 0).astype(int)


class Scale(Module):
    """y = x · gain, with a parameter that other modules may have too, in a list or a tuple."""

    def __init__(self, gain, holder=list):
        self.gains = holder([gain])

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x * self.gains[0].value

    def backward(self, dy):
        (x,) = self.saved_values()
        self.gains[0].grad = (dy * x).sum(axis=0)
        return dy * self.gains[0].value


def random_graph(rng):
    """Return a graph of shared modules in random places, some of which only lead to indices."""
    gain = Parameter(rng.standard_normal(SIZE))
    linear, inner = Linear(SIZE, SIZE, seed=int(rng.integers(99))), Linear(SIZE, SIZE, seed=1)
    body = Graph("x", {"h": Node(inner, "x"), "y": Node(Tanh(), "h")}, "y")
    pool = [
        linear,
        Sequential([linear, Tanh()]),
        Scale(gain),
        Scale(gain, tuple),
        Residual(Sequential([Tanh(), inner])),
        Parallel([Scale(gain), linear], merge="add"),
        Network(body),
        body,
        inner,
    ]
    nodes, names = {}, ["x"]
    for place in range(6):
        name, source = f"n{place}", names[rng.integers(len(names))]
        nodes[name] = Node(pool[rng.integers(len(pool))], source)
        names.append(name)
    used = {node.inputs[0] for node in nodes.values()}
    ends = [name for name in names if name not in used]
    lost = [name for name in ends if rng.random() < 0.5]
    table = Embedding(2, SIZE, seed=2)
    for name in lost:
        nodes[f"{name}_signs"] = Node(Signs(), name)
        nodes[f"{name}_rows"] = Node(table, f"{name}_signs")
    joined = [f"{name}_rows" if name in lost else name for name in ends]
    nodes["sum"] = Node(Add(), *joined) if len(joined) > 1 else Node(Tanh(), joined[0])
    return Graph("x", nodes, "sum")


def slopes(graph, x, dy, parameter, h=1e-6):
    """Return the derivative of Σ y dy with respect to a parameter, by central differences."""
    values = parameter.value.copy()
    found = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        ends = []
        for step in (h, -h):
            moved = values.copy()
            moved[place] += step
            parameter.value = moved
            ends.append((graph.predict(x) * dy).sum())
        found[place] = (ends[0] - ends[1]) / (2 * h)
    parameter.value = values
    return found


def held_passes(module):
    return [path for path, each in module.named_modules().items() if each._saved is not None]


@pytest.mark.parametrize("seed", range(25))
def test_gradients_of_random_shared_graphs_are_right(seed):
    rng = np.random.default_rng(seed)
    network = Network(random_graph(rng), dtype="float64")
    x, dy = rng.standard_normal((2, 4, SIZE))
    expected = {name: slopes(network, x, dy, p) for name, p in network.named_parameters().items()}
    for back in (network.backward, network.backward_parameters):
        for parameter in network.parameters():
            parameter.grad = np.full(parameter.shape, 7.0)  # of an earlier step
        network.forward(x)
        back(dy)
        for name, parameter in network.named_parameters().items():
            np.testing.assert_allclose(parameter.grad, expected[name], atol=1e-7, err_msg=name)
        if back == network.backward:  # the other leaves layers before the first parameter alone
            assert held_passes(network) == []


@pytest.mark.parametrize("first", [True, False], ids=["lost first", "lost last"])
def test_a_use_without_a_gradient_leaves_that_of_the_other(first):
    """The gradient is that of the same graph in which the lost use has a module of its own."""
    gradients = []
    for shared in (True, False):
        layer = Linear(SIZE, SIZE, seed=0)
        other = layer if shared else Linear(SIZE, SIZE, seed=0)
        ways = {"lost": Node(other, "x"), "kept": Node(layer, "x")}
        nodes = dict(sorted(ways.items(), reverse=first)) | {
            "signs": Node(Signs(), "lost"),
            "rows": Node(Embedding(2, SIZE, seed=1), "signs"),
            "both": Node(Concatenate(), "rows", "kept"),
        }
        network = Network(Graph("x", nodes, "both"))
        y = network.forward(np.eye(3))
        network.backward(np.ones_like(y))
        gradients.append(layer.weight.grad.copy())
        assert held_passes(network) == []
    assert np.abs(gradients[0]).sum() > 0
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("merge", ["add", "concatenate"])
def test_containers_add_up_what_comes_back(merge):
    """A branch that begins with whole numbers gives nothing back; the others do."""
    linear = Linear(SIZE, SIZE, seed=0)
    lost = Network(Graph("x", {"i": Node(Signs(), "x"), "y": Node(Embedding(2, SIZE), "i")}, "y"))
    x = np.ones((2, SIZE), np.float32)
    for whole in (
        Parallel([lost, linear], merge=merge),
        Parallel([linear, lost], merge=merge),
        Residual(lost, linear),
        Residual(linear, lost),
    ):
        y = whole.forward(x)
        dx = whole.backward(np.ones_like(y))
        np.testing.assert_allclose(dx, np.ones((2, SIZE)) @ linear.weight.value.T, rtol=1e-6)
        assert held_passes(whole) == []


@pytest.mark.parametrize("holders", [(list, list), (list, tuple), (tuple, list), (tuple, tuple)])
def test_a_shared_parameter_in_a_tuple_is_shared_in_the_file_too(tmp_path, holders):
    class Rows(Module):
        def __init__(self, size, first="list", second="list"):
            self.size, self.first, self.second = size, first, second
            kinds = {"list": list, "tuple": tuple}
            gain = Parameter(np.arange(1.0, size + 1))
            self.one = kinds[first]([gain])
            self.two = {"deep": kinds[second]([gain, kinds[second]([gain])])}

        def forward(self, x, training=True):
            return x * self.one[0].value * self.two["deep"][1][0].value

    module = Rows(3, *[kind.__name__ for kind in holders])
    module.save(tmp_path / "rows.npz")
    loaded = Rows.load(tmp_path / "rows.npz", modules=[Rows])
    assert loaded.one[0] is loaded.two["deep"][1][0]
    assert loaded.two["deep"][0] is loaded.one[0]
    assert len(loaded.parameters()) == 1
    assert type(loaded.one) is holders[0]
    assert type(loaded.two["deep"][1]) is holders[1]
