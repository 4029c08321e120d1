"""Network: how it is built, its door, its two passes, one step, saving, copies, flat vectors."""

import copy
import math
import pickle

import numpy as np
import pytest

from chainrule import (
    LSTM,
    Adam,
    BackwardError,
    BinaryCrossEntropy,
    Buffer,
    CategoricalCrossEntropy,
    ConfigurationError,
    Dropout,
    InputError,
    LastStep,
    LeakyReLU,
    Linear,
    MeanSquaredError,
    Module,
    Network,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    StateError,
    Tanh,
)

X = np.random.default_rng(0).standard_normal((6, 4))
LABELS = np.array([0, 1, 2, 0, 1, 2])


def train(network, steps=1, learning_rate=0.1):
    """Take plain steps on X and return the losses."""
    loss, losses = CategoricalCrossEntropy(), []
    for _ in range(steps):
        y = network.forward(X)
        losses.append(loss.forward(LABELS, y))
        network.backward(loss.backward(LABELS, y))
        network.update(learning_rate)
    return losses


def weights(network):
    return [layer.weight.value for layer in network if isinstance(layer, Linear)]


def same(state, other):
    return state.keys() == other.keys() and all(np.array_equal(state[k], other[k]) for k in state)


class Shift(Module):
    """y = x + shift, and a count of the training passes: a module with a buffer, of a user's."""

    def __init__(self, features):
        self.features = features
        self.shift = Parameter(np.full(features, 0.5), decay=False)
        self.passes = Buffer(np.array([0]))

    def forward(self, x, training=True):
        if training:
            self.passes.value = self.passes.value + 1
        self.save_for_backward(training=training)
        return x + self.shift.value

    def backward(self, dy):
        self.saved_values()
        self.shift.grad = dy.sum(axis=0)
        return dy


# ---------------------------------------------------------------- building


def test_sizes_build_linear_and_relu_in_turn_and_end_in_softmax():
    network = Network([4, 8, 5, 3])
    assert [type(layer) for layer in network] == [Linear, ReLU, Linear, ReLU, Linear, Softmax]
    assert [w.shape for w in weights(network)] == [(4, 8), (8, 5), (5, 3)]
    assert all(layer.bias.value.any() == False for layer in network if isinstance(layer, Linear))  # noqa: E712
    np.testing.assert_allclose(network.predict(X).sum(axis=1), 1, rtol=1e-6)


def test_one_output_ends_in_sigmoid():
    network = Network([4, 8, 1])
    assert isinstance(network[-1], Sigmoid)
    assert network.predict(X).shape == (6, 1)


@pytest.mark.parametrize("sizes", [(4, 3), np.array([4, 3]), (n for n in (4, 3)), [4, np.int64(3)]])
def test_sizes_come_in_any_sequence(sizes):
    assert repr(Network(sizes)) == repr(Network([4, 3]))


def test_modules_come_in_any_sequence():
    network = Network(layer for layer in (Linear(4, 8), ReLU()))
    assert [type(layer) for layer in network] == [Linear, ReLU]
    again = Network(Sequential([Linear(4, 8), Tanh()]))
    assert [type(layer) for layer in again] == [Linear, Tanh]


def test_modules_are_taken_as_they_are():
    layers = [Linear(4, 8, seed=1), ReLU(), Linear(8, 3, seed=2)]
    expected = [layers[0].weight.value.copy(), layers[2].weight.value.copy()]
    network = Network(layers)
    assert list(network) == layers
    np.testing.assert_array_equal(weights(network)[0], expected[0])
    np.testing.assert_array_equal(weights(network)[1], expected[1])


def test_a_seed_or_an_initialization_draws_modules_anew():
    def layers():
        linear = Linear(4, 3, seed=1)
        linear.bias.value = [1, 2, 3]
        return [linear]

    kept = layers()[0].weight.value
    assert np.array_equal(weights(Network(layers()))[0], kept)
    seeded = Network(layers(), seed=5)
    assert not np.array_equal(weights(seeded)[0], kept)
    assert not seeded[0].bias.value.any(), "a redrawn bias begins at 0 again"
    assert not weights(Network(layers(), initialization="zero"))[0].any()
    same_seed = Network(layers(), seed=5)
    np.testing.assert_array_equal(weights(seeded)[0], weights(same_seed)[0])


def test_a_seed_keeps_each_modules_own_initialization():
    network = Network([Linear(4, 3, initialization="zero"), Linear(3, 2)], seed=0)
    assert not weights(network)[0].any()
    assert weights(network)[1].all()


def test_initialization_draws_weights_alone():
    network = Network([Linear(4, 3), Shift(3)], initialization=lambda shape, rng: np.full(shape, 7))
    assert (weights(network)[0] == 7).all()
    assert not network[0].bias.value.any()
    assert (network[1].shift.value == 0.5).all()


def test_initialization_by_name():
    assert not weights(Network([4, 8, 3], initialization="zero"))[0].any()
    wide = Network([400, 300, 3], initialization="random", seed=0)
    assert weights(wide)[0].std() == pytest.approx(0.1, rel=0.02)
    kaiming = Network([400, 300, 3], initialization="kaiming", seed=0)
    assert weights(kaiming)[0].std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert same(kaiming.state(), Network([400, 300, 3], seed=0).state()), "kaiming is the default"


def test_seed_gives_the_same_weights_and_none_gives_others():
    assert same(Network([4, 8, 3], seed=3).state(), Network([4, 8, 3], seed=3).state())
    assert not same(Network([4, 8, 3], seed=3).state(), Network([4, 8, 3], seed=4).state())
    assert not same(Network([4, 8, 3]).state(), Network([4, 8, 3]).state())


def test_a_networks_seed_is_handed_down_to_dropout():
    def outputs(seed):
        network = Network([Dropout(0.5), Dropout(0.5)], seed=seed)
        ones = np.ones((50, 4))
        return network[0].forward(ones), network[1].forward(ones)

    first, second = outputs(0)
    again, _ = outputs(0)
    other, _ = outputs(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, second), "each layer has chances of its own"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_casts_everything_in_the_network(dtype):
    network = Network([Linear(4, 3), Network([Linear(3, 2)])], dtype=dtype)
    assert network.dtype == network[1].dtype == dtype
    assert {p.dtype for p in network.named_parameters().values()} == {np.dtype(dtype)}
    assert network.predict(X).dtype == dtype


@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64", "nonsense", None, 3])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ConfigurationError, match="dtype must be float32 or float64, got"):
        Network([4, 3], dtype=dtype)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "Network needs at least one layer, got none."),
        ([4], r"A network needs the size of its input and of its output, got \[4\]"),
        ([4, 0, 3], "size 1 must be a whole number of at least 1, got 0"),
        ([4, -2], "size 1 must be a whole number of at least 1, got -2"),
        ([4, 2.5], "size 1 must be a whole number of at least 1, got 2.5"),
        ([True, 3], "size 0 must be a whole number of at least 1, got True"),
        ([4, ReLU()], "either sizes or modules, not a mixture"),
        (
            [Linear(4, 3), ReLU],
            r"such as Linear\(4, 8\) or ReLU\(\); got .*Did you forget the \(\)",
        ),
        ([Linear(4, 3), "relu"], "Network takes modules, .* got 'relu'.$"),
        (5, "Network takes a list, .* got 5"),
    ],
)
def test_layers_that_make_no_network(layers, message):
    with pytest.raises(ConfigurationError, match=message):
        Network(layers)


def test_an_unknown_initialization_lists_those_there_are():
    with pytest.raises(ConfigurationError) as caught:
        Network([4, 3], initialization="glorious")
    assert str(caught.value).startswith("Unknown initialization 'glorious'. There are 'kaiming', ")
    for name in ("'kaiming'", "'zero'", "'random'"):
        assert name in str(caught.value)


# ---------------------------------------------------------------- as a sequence, as text


def test_len_index_and_iteration():
    network = Network([4, 8, 3])
    assert len(network) == 4
    assert network[0] is network.layers[0]
    assert network[-1] is network.layers[3]
    assert list(network) == list(network.layers)
    assert network[1:3] == network.layers[1:3]
    with pytest.raises(IndexError):
        network[4]


def test_repr_shows_the_architecture_as_python():
    network = Network([Linear(4, 3, bias=False), LeakyReLU(0.2), Residual(Tanh())])
    assert repr(network) == (
        "Network([\n"
        "    Linear(4, 3, bias=False),\n"
        "    LeakyReLU(negative_slope=0.2),\n"
        "    Residual(Tanh()),\n"
        "])"
    )
    assert repr(Network([4, 3], dtype="float64")).endswith("dtype=dtype('float64'))")


def test_parameters_are_named_by_path_in_order():
    network = Network([Linear(4, 4), Residual(Sequential([Tanh(), Linear(4, 4, bias=False)]))])
    assert list(network.named_parameters()) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.body.layers.1.weight",
    ]


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_booleans_and_lists_are_taken(dtype):
    network = Network([2, 3], seed=0, dtype=dtype)
    expected = network.predict(np.array([[1, 0], [0, 1]], dtype))
    for x in ([[1, 0], [0, 1]], ((True, False), (False, True)), np.eye(2, dtype=np.uint8)):
        y = network.predict(x)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, expected)
        network.forward(x)
        assert network.backward([[1, 2, 3], [4, 5, 6]]).dtype == dtype


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("call", ["forward", "predict"])
def test_nan_and_infinity_are_refused_with_their_place(bad, call):
    x = X.copy()
    x[3, 2] = x[5, 0] = bad
    with pytest.raises(InputError) as caught:
        getattr(Network([4, 3]), call)(x)
    assert str(caught.value).startswith("The input holds NaN or infinity, first in row 3, column 2")


def test_numbers_too_large_for_float32_are_refused():
    with pytest.raises(InputError, match="too large for float32, first in row 0, column 0"):
        Network([1, 2]).predict([[1e300]])
    assert np.isfinite(Network([1, 2], dtype="float64").predict([[1e300]])).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], r"The input is empty: its shape is \(0,\)"),
        (np.zeros((0, 4)), r"The input is empty: its shape is \(0, 4\)"),
        (
            [["a", "b"]],
            "must hold numbers, got the text 'a' in row 0, column 0; encode text and dates first",
        ),
        ([[1, None]], "must hold numbers, got None in row 0, column 1"),
        (np.ones((2, 4), complex), "must hold numbers, got complex128"),
        ([[1, 2, 3, 4], [1, 2]], "rows of the input differ in length"),
    ],
)
def test_input_that_is_no_batch_of_numbers(x, message):
    with pytest.raises(InputError, match=message):
        Network([4, 3]).predict(x)


def test_a_wrong_feature_count_is_told_with_the_path():
    with pytest.raises(ShapeError) as caught:
        Network([4, 8, 3]).forward(np.ones((32, 5)))
    assert str(caught.value) == (
        "Linear (layers.0): expected 4 features, got an input of shape (32, 5)."
    )


def test_the_path_leads_into_containers():
    layers = [Linear(4, 4), Residual(Sequential([Tanh(), Linear(5, 4)]))]
    with pytest.raises(ShapeError) as caught:
        Network(layers).predict(X)
    assert str(caught.value).startswith(
        "Linear (layers.1.body.layers.1): expected 5 features, got an input of shape (6, 4)"
    )
    with pytest.raises(ShapeError, match=r"^Linear \(layers.1.layers.0\): expected 9"):
        Network([Linear(4, 4), Network([Linear(9, 2)])]).predict(X)


def test_a_single_sample_is_told_to_come_as_a_batch():
    with pytest.raises(ShapeError, match=r"expected a batch \(N, 4\), .* \(4,\); .* x\[None\]"):
        Network([4, 3]).predict(X[0])


def test_a_module_for_indices_gets_them_as_they_are():
    class Lookup(Module):
        takes_indices = True

        def forward(self, x, training=True):
            assert x.dtype.kind == "i"
            return np.eye(3, dtype=np.float32)[x]

    network = Network([Lookup(), Linear(3, 2)])
    assert network.takes_indices
    assert network.predict([0, 2]).shape == (2, 2)
    assert network.summary((5,)).count("(N, 5, ") == 2


# ---------------------------------------------------------------- the two passes


def test_backward_sets_every_gradient_and_returns_that_of_the_input():
    network = Network([4, 8, 3], seed=0, dtype="float64")
    loss = CategoricalCrossEntropy()
    dx = network.backward(loss.backward(LABELS, network.forward(X)))
    assert dx.shape == X.shape
    first = {name: p.grad.copy() for name, p in network.named_parameters().items()}
    assert all(grad.any() for grad in first.values())
    network.backward(loss.backward(LABELS, network.forward(X)))
    for name, p in network.named_parameters().items():
        np.testing.assert_array_equal(p.grad, first[name])  # set, not added up


@pytest.mark.parametrize("how", ["before forward", "twice", "after predict", "training=False"])
def test_backward_without_its_forward(how):
    network = Network([4, 3])
    dy = np.ones((6, 3))
    if how == "twice":
        network.forward(X)
        network.backward(dy)
    if how == "after predict":
        network.predict(X)
    if how == "training=False":
        network.forward(X, training=False)
    with pytest.raises(BackwardError) as caught:
        network.backward(dy)
    assert str(caught.value) == (
        "Network: there is no forward pass for this backward. Call forward(x) first; each forward "
        "pass allows one backward, and predict(x) or training=False keeps nothing for it."
    )


def test_predict_between_forward_and_backward_disturbs_nothing():
    network = Network([4, 3], seed=0)
    network.forward(X)
    expected = network.backward(np.ones((6, 3)))
    network.forward(X)
    network.predict(X[:2] + 1)
    np.testing.assert_array_equal(network.backward(np.ones((6, 3))), expected)


@pytest.mark.parametrize("shape", [(6, 2), (5, 3), (6,), (), (3, 6), (18,), (6, 3, 1)])
def test_a_gradient_of_another_shape_is_refused(shape):
    network = Network([4, 3])
    network.forward(X)
    with pytest.raises(ShapeError) as caught:
        network.backward(np.ones(shape))
    assert f"must have the output's shape (6, 3), got {shape}" in str(caught.value)


def test_after_a_forward_that_failed_there_is_no_backward():
    class Moody(Tanh):
        fails = False

        def forward(self, x, training=True):
            if self.fails:
                raise RuntimeError("not now")
            return super().forward(x, training)

    moody = Moody()
    network = Network([Linear(4, 3), moody, Softmax()])
    for fail_by in ("module", "input"):
        network.forward(X)
        moody.fails = fail_by == "module"
        with pytest.raises((RuntimeError, InputError)):
            network.forward(X + 1 if moody.fails else X * np.nan)
        moody.fails = False
        with pytest.raises(BackwardError, match="no forward pass"):
            network.backward(np.ones((6, 3)))  # would mix the two batches


def test_an_error_of_a_users_module_says_where_it_happened():
    class Broken(Module):
        def forward(self, x, training=True):
            self.save_for_backward(training=training)
            return x if training else x @ np.ones((7, 7))

        def backward(self, dy):
            return dy / self.missing

    network = Network([Linear(4, 3), Residual(Sequential([Broken()]))])
    with pytest.raises(ValueError, match="matmul") as caught:
        network.predict(X)
    assert caught.value.__notes__ == [
        "in Broken (layers.1.body.layers.0), given an array of shape (6, 3)"
    ]
    network.forward(X)
    with pytest.raises(AttributeError) as caught:
        network.backward(np.ones((6, 3)))
    assert caught.value.__notes__ == [
        "in Broken (layers.1.body.layers.0), given an array of shape (6, 3)"
    ]


def test_a_users_gradient_of_the_wrong_shape_says_where():
    class Forgetful(Shift):
        def backward(self, dy):
            self.saved_values()
            self.shift.grad = dy  # the sum over the batch forgotten
            return dy

    network = Network([Linear(4, 3), Forgetful(3)])
    network.forward(X)
    with pytest.raises(ShapeError) as caught:
        network.backward(np.ones((6, 3)))
    assert str(caught.value).startswith(
        "Forgetful (layers.1): a parameter's grad has the shape (3,) and cannot become (6, 3)"
    )


# ---------------------------------------------------------------- one step


def test_update_is_gradient_descent():
    network = Network([4, 3], seed=0, dtype="float64")
    network.forward(X)
    network.backward(np.linspace(-1, 1, 18).reshape(6, 3))
    expected = {k: p.value - 0.25 * p.grad for k, p in network.named_parameters().items()}
    network.update(0.25)
    assert same(network.state(), expected)
    network.update(np.float32(0.25))
    assert not same(network.state(), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_learning_rates_own_type_changes_nothing(dtype):
    def after(learning_rate):
        network = Network([4, 3], seed=0, dtype=dtype)
        train(network, 3, learning_rate)
        return network.state()

    assert same(after(0.1), after(np.float64(0.1)))
    assert all(value.dtype == dtype for value in after(np.float64(0.1)).values())


def test_update_before_backward_is_refused():
    network = Network([4, 3])
    before = network.state()
    for _ in range(2):
        with pytest.raises(BackwardError) as caught:
            network.update(0.1)
        assert "there are no gradients to learn from yet" in str(caught.value)
        assert "network.backward(gradient)" in str(caught.value)
        network.forward(X)
    with pytest.raises(BackwardError, match="no gradients to learn from"):
        Adam().step(network)
    assert same(network.state(), before)


@pytest.mark.parametrize(
    "rate", [0, -0.1, math.nan, math.inf, "0.1", None, np.ones(2), 1j, [0.1]], ids=repr
)
def test_bad_learning_rates_are_refused(rate):
    network = Network([4, 3])
    train(network)
    before = network.state()
    with pytest.raises(ConfigurationError, match="learning_rate must be a number with 0 <"):
        network.update(rate)
    assert same(network.state(), before)


def test_a_network_without_parameters_runs():
    network = Network([ReLU()])
    network.forward(X)
    network.backward(X)
    network.update(0.1)
    assert len(network.flat) == 0
    assert network.state() == {}


def test_loss_falls():
    losses = train(Network([4, 8, 3], seed=0), 100, learning_rate=0.5)
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("seed", range(3))
def test_one_output_learns_exclusive_or(seed):
    x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    network, loss, optimizer = Network([2, 8, 1], seed=seed), BinaryCrossEntropy(), Adam(0.05)
    for _ in range(300):
        loss_gradient = loss.backward(y, network.forward(x))
        network.backward(loss_gradient)
        optimizer.step(network)
    assert ((network.predict(x)[:, 0] > 0.5) == y).all()


def test_one_linear_output_learns_regression():
    network, loss = Network([Linear(4, 1)], seed=0, dtype="float64"), MeanSquaredError()
    x = np.random.default_rng(1).standard_normal((50, 4))
    target = x @ [1.0, -2.0, 3.0, 0.5] + 4
    for _ in range(200):
        network.backward(loss.backward(target, network.forward(x)))
        network.update(0.2)
    np.testing.assert_allclose(network[0].weight.value[:, 0], [1, -2, 3, 0.5], atol=1e-6)
    np.testing.assert_allclose(network[0].bias.value, 4, atol=1e-6)


# ---------------------------------------------------------------- state


def stateful(seed=0):
    return Network([Linear(4, 3), Shift(3), Softmax()], seed=seed)


def test_state_holds_copies_of_parameters_and_buffers():
    network = stateful()
    train(network)
    state = network.state()
    assert list(state) == ["layers.0.weight", "layers.0.bias", "layers.1.shift", "layers.1.passes"]
    assert state["layers.1.passes"] == 1
    for value in state.values():
        value += 1
    assert network[1].passes.value == 1
    assert not same(network.state(), state)


def test_load_state_brings_everything_back():
    network, other = stateful(), stateful(seed=1)
    train(network, 3)
    other.load_state(network.state())
    assert same(other.state(), network.state())
    np.testing.assert_array_equal(other.predict(X), network.predict(X))
    assert train(other, 3) == train(network, 3)
    assert same(other.state(), network.state())


def test_load_state_casts_to_the_networks_type():
    network = Network([4, 3], seed=0)
    wide = {name: value.astype(np.float64) for name, value in network.state().items()}
    wide["layers.0.bias"] = [1, 2, 3]
    network.load_state(wide)
    assert {p.dtype for p in network.named_parameters().values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(network[0].bias.value, [1, 2, 3])


def test_load_state_lists_every_misfit_and_writes_nothing():
    network = Network([4, 5, 3], seed=0)
    before = network.state()
    state = {name: value + 1 for name, value in before.items()}
    del state["layers.0.weight"]
    state["layers.9.weight"] = np.ones(2)
    state["layers.2.weight"] = state["layers.2.weight"].T
    state["layers.2.bias"] = np.array([1.0, np.nan, 2.0])
    state["layers.0.bias"] = np.array(["a"] * 5)
    with pytest.raises(StateError) as caught:
        network.load_state(state)
    assert str(caught.value).split("\n") == [
        "The saved values do not fit; nothing was loaded.",
        "  missing: layers.0.weight",
        "  not in this network: layers.9.weight",
        "  layers.0.bias: holds <U1, expected numbers",
        "  layers.2.weight: has shape (3, 5), expected (5, 3)",
        "  layers.2.bias: holds NaN, infinity or numbers too large for float32",
    ]
    assert same(network.state(), before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_load_state_refuses_numbers_that_the_network_cannot_hold(bad):
    network = Network([4, 3], seed=0)
    before = network.state()
    state = {name: value + 1 for name, value in before.items()}
    state["layers.0.bias"] = np.full(3, bad, np.float64)
    with pytest.raises(StateError, match=r"layers.0.bias: holds NaN, infinity or"):
        network.load_state(state)
    assert same(network.state(), before)


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]
)
@pytest.mark.parametrize("trained", [False, True])
def test_copies_are_independent_and_still_train(duplicate, trained):
    network = Network([Linear(4, 8), ReLU(), Dropout(0.2), Linear(8, 3), Softmax()], seed=0)
    if trained:
        train(network, 2)  # the flat vectors exist
    network.forward(X)  # a pass is under way; it is not copied
    other = duplicate(network)
    with pytest.raises(BackwardError, match="no forward pass"):
        other.backward(np.ones((6, 3)))
    assert same(other.state(), network.state())
    before = network.state()
    first = train(other, 3)
    assert same(network.state(), before)
    assert not same(other.state(), before)
    assert not np.shares_memory(other.flat.values, network.flat.values)
    for p in other.named_parameters().values():
        assert np.shares_memory(p.value, other.flat.values)
    assert train(network, 3) == first, "a copy goes on as the original would, masks included"


# ---------------------------------------------------------------- flat vectors


def test_flat_vectors_are_the_parameters_themselves():
    network = Network([4, 3], seed=0)
    network.forward(X)
    network.backward(np.ones((6, 3)))
    flat = network.flat
    assert network.flat is flat
    assert len(flat) == 15
    np.testing.assert_array_equal(flat.values[:12].reshape(4, 3), network[0].weight.value)
    np.testing.assert_array_equal(flat.grads[12:], network[0].bias.grad)
    flat.values[:] = 2
    assert (network[0].weight.value == 2).all()
    network[0].bias.value = [7, 8, 9]
    np.testing.assert_array_equal(flat.values[12:], [7, 8, 9])
    np.testing.assert_array_equal(flat.decay, [True] * 12 + [False] * 3)


def test_two_networks_may_share_a_module_and_both_stay_right():
    body = Linear(4, 5, seed=0)
    one = Network([body, Tanh(), Linear(5, 3, seed=1), Softmax()])
    two = Network([body, Linear(5, 3, seed=2), Softmax()])
    alone = copy.deepcopy(one)
    train(one)
    train(alone)
    first = one.flat
    assert first.current
    train(two)
    assert not first.current, "two has taken the shared layer into its own vectors"
    assert two.flat.current
    np.testing.assert_array_equal(one[0].weight.value, two[0].weight.value)
    alone[0].weight.value, alone[0].bias.value = body.weight.value, body.bias.value
    train(one)
    train(alone)
    assert one.flat is not first
    assert same(one.state(), alone.state()), "one steps on vectors of its own again"
    assert not two._flat.current
    train(two)
    np.testing.assert_array_equal(one[0].weight.value, two[0].weight.value)


def test_casting_a_network_renews_its_flat_vectors():
    network = Network([4, 3], seed=0)
    train(network)
    old = network.flat
    inside = Network([network], dtype="float64")
    assert not old.current
    assert network.dtype == "float64"
    assert network.flat.values.dtype == np.float64
    train(inside)
    assert network.predict(X).dtype == np.float64


def test_parameters_alone_get_the_gradients_that_they_get_with_the_input():
    layers = [ReLU(), Linear(4, 6, seed=0), ReLU(), Linear(6, 3, seed=1)]
    network = Network(layers, dtype="float64")
    x, dy = np.random.default_rng(0).standard_normal((2, 5, 4))[0], np.ones((5, 3))
    network.forward(x)
    assert network.backward(dy).shape == x.shape
    expected = network.flat.grads.copy()
    network.flat.grads[...] = 0
    network.forward(x)
    assert network.backward_parameters(dy) is None
    np.testing.assert_array_equal(network.flat.grads, expected)


def test_a_network_without_parameters_has_nothing_to_set():
    network = Network([ReLU()])
    network.forward(np.ones((2, 3)))
    assert network.backward_parameters(np.ones((2, 3))) is None


def test_a_gradient_of_a_wrong_shape_is_refused_and_the_right_one_still_taken():
    network = Network([4, 3], seed=0)
    y = network.forward(np.ones((2, 4)))
    with pytest.raises(ShapeError, match=r"must have the output's shape \(2, 3\), got \(2, 4\)"):
        network.backward(np.ones((2, 4)))
    assert network.backward(np.ones_like(y)).shape == (2, 4)


def test_further_inputs_in_a_dict_have_the_gradients_of_those_given_by_name():
    network = Network([Linear(3, 4), LSTM(4, 5), LastStep(), Linear(5, 2)], seed=0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 3))
    states = {"h_0": rng.normal(size=(2, 1, 5)), "c_0": rng.normal(size=(2, 1, 5))}
    y = network.forward(x, **states)
    by_name = network.backward(np.ones_like(y))
    network.forward({"x": x, **states})
    for dx, expected in zip(network.backward(np.ones_like(y)), by_name, strict=True):
        np.testing.assert_array_equal(dx, expected)
