"""Graph: what it refuses, several inputs and outputs, and sharing."""

import copy

import numpy as np
import pytest

from chainrule import (
    LSTM,
    Adam,
    Add,
    BackwardError,
    Concatenate,
    ConfigurationError,
    DotProduct,
    Embedding,
    Graph,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    MultiHeadAttention,
    Multiply,
    Network,
    Node,
    Parallel,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Tanh,
    Trainer,
    check_module,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def two_and_two():
    """Two inputs, two outputs; one branch is used by both."""
    return Graph(
        inputs=["left", "right"],
        nodes={
            "l": Node(Linear(3, 4, seed=0), "left"),
            "r": Node(Linear(2, 4, seed=1), "right"),
            "sum": Node(Add(), "l", "r"),
            "first": Node(Linear(4, 2, seed=2), "sum"),
            "second": Node(Sequential([Tanh(), Linear(4, 1, seed=3)]), "sum"),
        },
        outputs=["first", "second"],
    )


INPUTS = {"left": normal(5, 3), "right": normal(5, 2, seed=1)}

# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("inputs", "nodes", "outputs", "message"),
    [
        (
            "x",
            {"y": Node(ReLU(), "z")},
            "y",
            r"node 'y' takes 'z', which is neither .*\['x', 'y'\]",
        ),
        ("x", {"y": Node(ReLU(), "x")}, "z", r"output 'z' is not a node\. There are \['y'\]"),
        ("x", {"y": Node(ReLU(), "x")}, "x", "output 'x' is not a node"),
        (["x", "w"], {"y": Node(ReLU(), "x")}, "y", "Nothing uses the input 'w'"),
        (
            "x",
            {"y": Node(ReLU(), "x"), "lost": Node(Tanh(), "x")},
            "y",
            "Nothing uses the node 'lost'",
        ),
        (
            "x",
            {"a": Node(Add(), "x", "b"), "b": Node(Tanh(), "a")},
            "b",
            r"form a cycle: (a -> b -> a|b -> a -> b)",
        ),
        ("x", {"x": Node(ReLU(), "x")}, "x", "'x' is the name both of an input and of a node"),
        ("x", {"a.b": Node(ReLU(), "x")}, "a.b", "text without dots, got 'a.b'"),
        ("x", {"y": ReLU()}, "y", r"node 'y' must be a Node, .* got ReLU\(\)"),
        ("x", {}, "y", "nodes are a dict"),
        ("x", [ReLU()], "y", "nodes are a dict"),
        (["x", "x"], {"y": Node(Add(), "x", "x")}, "y", "inputs are different names"),
        ([], {"y": Node(ReLU(), "x")}, "y", "inputs are one or more names"),
        ("x", {"y": Node(ReLU(), "x")}, [3], "outputs are one or more names"),
        ("x", {"y": Node(ReLU(), "x", "x")}, "y", "takes one input, got 2: .* Join them first"),
        (
            ["x", "w"],
            {"y": Node(two_and_two(), "x"), "z": Node(Add(), "x", "w")},
            ["y", "z"],
            r"graph at the node 'y' takes \['left', 'right'\], got 1",
        ),
        (
            "x",
            {"e": Node(Embedding(5, 3), "x"), "y": Node(Linear(3, 2), "x")},
            ["e", "y"],
            "input 'x' goes both into a module that takes indices",
        ),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused_by_name(inputs, nodes, outputs, message):
    with pytest.raises(ConfigurationError, match=message):
        Graph(inputs, nodes, outputs)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Node(ReLU, "x"), r"needs a module.*Did you forget the \(\)"),
        (lambda: Node(ReLU()), "needs the name of its input"),
        (lambda: Node(ReLU(), 3), "inputs are names, got 3"),
        (lambda: Node(LSTM(2, 3), "x", length="l"), "takes no further input 'length'.* lengths"),
        (lambda: Node(ReLU(), "x", mask="m"), "takes no further input 'mask'. There are: none"),
        (lambda: Concatenate(0), "axis must not be 0, the batch axis"),
        (lambda: Concatenate("x"), "axis must be a whole number, got 'x'"),
    ],
)
def test_a_node_that_cannot_be(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize("join", [Add(), Multiply(), DotProduct()])
def test_joins_refuse_shapes_that_differ(join):
    with pytest.raises(ShapeError, match=r"array 1 .* \(2, 3\), and array 2 \(2, 4\)"):
        join.forward((np.ones((2, 3)), np.ones((2, 4))))


def test_a_dot_product_is_of_two():
    with pytest.raises(ShapeError, match="expected two arrays, got 3"):
        DotProduct().forward((np.ones((2, 3)),) * 3)


# ---------------------------------------------------------------- several inputs and outputs


def test_inputs_by_name_in_order_or_by_keyword():
    network = Network(two_and_two(), dtype="float64")
    expected = network.predict(INPUTS)
    assert list(expected) == ["first", "second"]
    for given in (
        network.predict(tuple(INPUTS.values())),
        network.predict(INPUTS["left"], right=INPUTS["right"]),
        network(INPUTS, training=False),
        two_and_two_in_float64().predict(INPUTS),
        two_and_two_in_float64().predict(INPUTS["left"], right=INPUTS["right"]),
    ):
        for name, array in expected.items():
            np.testing.assert_array_equal(given[name], array)


def two_and_two_in_float64():
    return Network(two_and_two(), dtype="float64").body


@pytest.mark.parametrize(
    ("x", "further", "message"),
    [
        ({"left": INPUTS["left"]}, {}, r"\['right'\] is missing"),
        (INPUTS["left"], {}, r"\['right'\] is missing"),
        ({**INPUTS, "up": np.ones((5, 1))}, {}, "further input 'up'.*left, right"),
        (INPUTS["left"], {"up": np.ones((5, 1))}, "further input 'up'"),
        ((*INPUTS.values(), np.ones((5, 1))), {}, "got 3 of them"),
        ({"left": [[np.nan] * 3], "right": [[1, 2]]}, {}, "The input 'left' holds NaN"),
    ],
)
def test_inputs_that_are_not_the_networks(x, further, message):
    with pytest.raises(InputError, match=message):
        Network(two_and_two()).predict(x, **further)


def test_gradients_of_several_inputs_and_outputs():
    report = check_module(two_and_two(), INPUTS)
    assert report.passed, str(report)
    names = [result.name for result in report.gradients]
    assert names[:3] == ["input['left']", "input['right']", "l.weight"]
    assert check_module(Network(two_and_two()), INPUTS).passed
    arguments = {"right": INPUTS["right"]}
    assert check_module(two_and_two(), INPUTS["left"], arguments=arguments).passed
    in_another_order = dict(reversed(INPUTS.items()))
    assert check_module(two_and_two(), in_another_order).passed


def test_a_graph_in_a_graph():
    whole = Graph(
        ["a", "b"],
        {
            "both": Node(
                Graph(
                    ["left", "right"],
                    {"sum": Node(Add(), "left", "right"), "y": Node(Tanh(), "sum")},
                    "y",
                ),
                "a",
                "b",
            ),
            "named": Node(inner(), "both", right="b"),
            "y": Node(Linear(3, 2, seed=0), "named"),
        },
        "y",
    )
    report = check_module(whole, {"a": normal(4, 3), "b": normal(4, 3, seed=1)})
    assert report.passed, str(report)


def inner():
    return Graph(["left", "right"], {"y": Node(Multiply(), "left", "right")}, "y")


def test_the_gradients_are_a_dict_like_the_outputs():
    network = Network(two_and_two(), dtype="float64")
    y = network.forward(INPUTS)
    with pytest.raises(ShapeError, match=r"a dict for the outputs \['first', 'second'\]"):
        network.backward(y["first"])
    with pytest.raises(ShapeError, match=r"gradient must have the output's shape \(5, 1\)"):
        network.backward({**y, "second": np.ones((5, 2))})
    dx = network.backward(y)  # a call that was refused lost nothing
    assert {name: array.shape for name, array in dx.items()} == {"left": (5, 3), "right": (5, 2)}


def test_backward_parameters_sets_the_same_gradients():
    graphs = two_and_two(), two_and_two()
    y = graphs[0].forward(INPUTS)
    graphs[1].forward(INPUTS)
    graphs[0].backward(y)
    assert graphs[1].backward_parameters(y) is None
    for a, b in zip(graphs[0].parameters(), graphs[1].parameters(), strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


def test_where_nothing_flows_back_gradients_are_zero():
    graph = Graph(
        "x",
        {
            "scores": Node(Linear(3, 3, seed=0), "x"),
            "place": Node(Argmax(), "scores"),
            "y": Node(Embedding(3, 2, seed=0), "place"),
        },
        "y",
    )
    graph["scores"].weight.grad = np.ones((3, 3))
    y = graph.forward(normal(4, 3))
    assert graph.backward(np.ones_like(y)) is None
    np.testing.assert_array_equal(graph["scores"].weight.grad, np.zeros((3, 3)))
    assert graph["y"].weight.grad.any()


class Argmax(ReLU):
    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        return x.argmax(axis=1)

    def backward(self, dy):
        self.saved_values()


# ---------------------------------------------------------------- further inputs, by name


def sequences():
    x, lengths = normal(4, 5, 3), np.array([5, 2, 3, 1])
    return x, lengths


def test_lengths_reach_the_layers_that_take_them():
    x, lengths = sequences()
    network = Network([LSTM(3, 4), LastStep(), Linear(4, 2)], seed=0)
    y = network.predict(x, lengths=lengths)
    shorter = np.where(np.arange(5)[:, None] < lengths[:, None, None], x, 99.0)
    np.testing.assert_array_equal(y, network.predict(shorter, lengths=lengths))
    np.testing.assert_array_equal(y, network.predict({"x": x, "lengths": lengths}))
    np.testing.assert_array_equal(y, network.predict((x, lengths)))
    assert not np.array_equal(y, network.predict(x))
    np.testing.assert_array_equal(network.predict(x, lengths=None), network.predict(x))
    with pytest.raises(InputError, match=r"further input 'length'\. There are: x, lengths"):
        network.predict(x, length=lengths)
    with pytest.raises(InputError, match=r"\['x'\] is missing"):
        network.predict({"lengths": lengths})


@pytest.mark.parametrize("around", [Residual, lambda body: Parallel([body, Tanh()], merge="add")])
def test_a_context_goes_through_containers_and_gets_its_gradient(around):
    body = Sequential([MultiHeadAttention(4, 2, seed=0), Tanh(), MultiHeadAttention(4, 2, seed=1)])
    module = Sequential([around(body), Linear(4, 2, seed=2)])
    assert module.keyword_inputs() == ("context", "key_padding_mask", "attn_mask")
    mask = np.zeros((3, 6), bool)
    mask[1, 4:] = True
    arguments = {"context": normal(3, 6, 4, seed=1), "key_padding_mask": mask}
    report = check_module(module, normal(3, 5, 4), arguments=arguments)
    assert report.passed, str(report)
    assert [result.name for result in report.gradients][:2] == ["input", "context"]
    with pytest.raises(InputError, match="further input 'memory'"):
        module.forward(normal(3, 5, 4), memory=normal(3, 6, 4))


def test_a_pass_with_further_inputs_and_one_without_do_not_mix():
    network = Network([LSTM(3, 4), LastStep(), Linear(4, 2)], seed=0, dtype="float64")
    x, lengths = sequences()
    plain = copy.deepcopy(network)
    dy = plain.forward(x)
    plain.backward(dy)
    network.forward(x, lengths=lengths)
    network.forward(x)
    network.backward(dy)
    np.testing.assert_array_equal(network.flat.grads, plain.flat.grads)


def test_a_gradient_that_is_missing_is_told():
    class Forgetful(ReLU):
        def forward(self, x, training=True, *, context=None):
            return super().forward(x, training)

    module = Sequential([Forgetful()])
    y = module.forward(normal(2, 3), context=normal(2, 3))
    with pytest.raises(Exception, match=r"returned 1 gradient\(s\), expected 2: of x, context"):
        module.backward(y)


# ---------------------------------------------------------------- sharing


SHARED = {
    "twice in a chain": lambda m: Sequential([m, Tanh(), m]),
    "in both halves of a residual": lambda m: Residual(Sequential([m, Tanh()]), m),
    "in two branches": lambda m: Parallel([m, Sequential([Tanh(), m])], merge="add"),
    "deep inside": lambda m: Sequential([Residual(Sequential([m, Tanh(), m])), m]),
    "at two nodes": lambda m: Graph(
        "x", {"a": Node(m, "x"), "b": Node(m, "a"), "y": Node(Add(), "a", "b")}, "y"
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_module_at_several_places_has_one_gradient(name):
    module = SHARED[name](Linear(3, 3, seed=0))
    assert len(module.parameters()) == 2
    report = check_module(module, normal(4, 3))
    assert report.passed, str(report)


@pytest.mark.parametrize("name", SHARED)
def test_it_stands_once_in_the_vector_and_in_the_file(name, tmp_path):
    network = Network(SHARED[name](Linear(3, 3, seed=0)))
    assert network.flat.values.size == 12
    network.save(tmp_path / "shared.npz")
    again = Network.load(tmp_path / "shared.npz")
    assert again.flat.values.size == 12
    x = normal(4, 3).astype(np.float32)
    for net in (network, again, copy.deepcopy(network)):
        net.backward(np.ones_like(net.forward(x)))
        net.update(0.1)
        np.testing.assert_array_equal(
            net.predict(x), network.predict(x)
        ) if net is not network else None


class Head(Linear):
    """Scores of all rows of a table: y = x tableᵀ, the table being an embedding's."""

    def __init__(self, embedding):
        self.embedding = embedding
        self.weight = embedding.weight

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x @ self.weight.value.T

    def backward(self, dy):
        (x,) = self.saved_values()
        rows = dy.reshape(-1, dy.shape[-1])
        self.weight.grad = rows.T @ x.reshape(-1, x.shape[-1])
        return dy @ self.weight.value

    def backward_parameters(self, dy):
        self.backward(dy)


def test_a_parameter_of_two_modules_is_one(tmp_path):
    table = Embedding(6, 4, seed=0)
    network = Network([table, Tanh(), Head(table)], dtype="float64")
    assert list(network.named_parameters()) == ["layers.0.weight"]
    x = np.random.default_rng(0).integers(0, 6, (3, 2))
    report = check_module(network, x)
    assert report.passed, str(report)
    network.save(tmp_path / "tied.npz")
    again = Network.load(tmp_path / "tied.npz", modules=[Head])
    assert again.layers[2].weight is again.layers[0].weight
    np.testing.assert_array_equal(again.predict(x), network.predict(x))


def test_parameters_tied_by_hand_are_tied_in_the_file_too(tmp_path):
    one, two = Linear(3, 3, seed=0), Linear(3, 3, seed=1)
    two.weight = one.weight
    network = Network([one, Tanh(), two])
    assert check_module(network, normal(4, 3)).passed
    network.save(tmp_path / "tied.npz")
    again = Network.load(tmp_path / "tied.npz")
    assert again[2].weight is again[0].weight
    assert again[2].bias is not again[0].bias


def test_training_with_a_shared_module_learns():
    rng = np.random.default_rng(0)
    X = {"left": rng.standard_normal((80, 3)), "right": rng.standard_normal((80, 3))}
    encoder = Sequential([Linear(3, 8), Tanh(), Linear(8, 4)])
    graph = Graph(
        ["left", "right"],
        {
            "l": Node(encoder, "left"),
            "r": Node(encoder, "right"),
            "y": Node(DotProduct(), "l", "r"),
        },
        "y",
    )
    y = (X["left"] * X["right"]).sum(axis=1, keepdims=True)
    trainer = Trainer(Network(graph, seed=0), MeanSquaredError(), Adam(0.02), seed=0)
    history = trainer.fit(X, y, epochs=40, batch_size=16, validation_split=0.2, progress=False)
    losses = history.epochs["loss"]
    assert losses[-1] < 0.05 * losses[0]


def test_each_forward_allows_one_backward_where_something_is_shared():
    module = SHARED["at two nodes"](Linear(3, 3, seed=0))
    y = module.forward(normal(4, 3))
    module.backward(y)
    with pytest.raises(BackwardError):
        module.backward(y)
    module.forward(normal(4, 3), training=False)
    with pytest.raises(BackwardError):
        module.backward(y)


def test_predict_leaves_a_pass_alone_where_something_is_shared():
    module = SHARED["deep inside"](Linear(3, 3, seed=0))
    other = copy.deepcopy(module)
    x, dy = normal(4, 3), normal(4, 3, seed=1)
    module.forward(x)
    module.predict(normal(2, 3, seed=2))
    other.forward(x)
    np.testing.assert_array_equal(module.backward(dy), other.backward(dy))


# ---------------------------------------------------------------- to look at


def test_a_graph_shows_its_wiring():
    network = Network(two_and_two())
    lines = network.summary({"left": (3,), "right": (2,)}).splitlines()
    assert any("sum: Add() <- l, r" in line and "(N, 4)" in line for line in lines)
    shared = Network(SHARED["at two nodes"](Linear(3, 3)))
    assert "shared" in shared.summary((3,))
    assert network["l"] is network.body.nodes["l"].module
    assert "Node(Add(), 'l', 'r')" in repr(network)


def test_errors_name_the_node():
    with pytest.raises(ShapeError, match=r"Linear \(l\): expected 3 features"):
        Network(two_and_two()).predict({**INPUTS, "left": normal(5, 4)})
