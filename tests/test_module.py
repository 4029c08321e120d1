"""Module: save and saved, walking a tree, arguments and repr, errors told with their place."""

import copy

import numpy as np
import pytest

from chainrule import (
    BackwardError,
    Buffer,
    Dropout,
    FileFormatError,
    Linear,
    Module,
    Network,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
)
from chainrule.module import (
    arguments,
    cast,
    check_features,
    initialize,
    locate,
    named_generators,
    walk,
)


class Tree(Module):
    """Parts in every place where they may stand."""

    def __init__(self):
        self.size = 3
        self.alone = Linear(2, 2, seed=0)
        self.several = [ReLU(), (Linear(2, 2, bias=False, seed=1), [Buffer(np.zeros(2))])]
        self.named = {"gain": Parameter(np.ones(2)), "nothing": None}
        self.rng = np.random.default_rng(0)


PATHS = [
    "",
    "alone",
    "alone.weight",
    "alone.bias",
    "several.0",
    "several.1.0",
    "several.1.0.weight",
    "several.1.1.0",
    "named.gain",
]

# ---------------------------------------------------------------- the contract


def test_an_unwritten_module_says_what_is_missing():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward\(x, training=True\)"):
        Empty().forward(np.ones(2))
    with pytest.raises(NotImplementedError, match=r"Empty has no backward\(dy\)"):
        Empty().backward(np.ones(2))


def test_saved_hands_over_once():
    module = Module()
    module.save_for_backward(1, "two", training=True)
    assert module.saved_values() == (1, "two")
    with pytest.raises(BackwardError) as caught:
        module.saved_values()
    assert str(caught.value).startswith("Module: there is no forward pass for this backward. Call")
    assert caught.value.module is module


def test_save_outside_training_writes_nothing():
    module = Module()
    module.save_for_backward(1, training=False)
    assert vars(module) == {}
    module.save_for_backward(1, training=True)
    module.save_for_backward(2, training=False)
    assert module.saved_values() == (1,)


def test_saving_nothing_still_counts_as_a_pass():
    module = Module()
    module.save_for_backward(training=True)
    assert module.saved_values() == ()


def test_predict_is_forward_outside_training():
    class Tell(Module):
        def forward(self, x, training=True):
            return x, training

    assert Tell().predict([3]) == ([3], False)


def test_copies_leave_a_half_done_pass_behind():
    module = Linear(2, 2)
    module.forward(np.ones((1, 2), np.float32))
    with pytest.raises(BackwardError):
        copy.deepcopy(module).backward(np.ones((1, 2)))
    module.backward(np.ones((1, 2)))


def test_the_docstrings_example_works():
    class Scale(Module):
        def __init__(self, features):
            self.gain = Parameter(np.ones(features))

        def forward(self, x, training=True):
            self.save_for_backward(x, training=training)
            return x * self.gain.value

        def backward(self, dy):
            (x,) = self.saved_values()
            self.gain.grad = (dy * x).sum(axis=0)
            return dy * self.gain.value

    network = Network([Linear(2, 3), Scale(3)])
    network.forward(np.ones((4, 2)))
    network.backward(np.ones((4, 3)))
    assert network.named_parameters()["layers.1.gain"].grad.any()
    assert repr(network[1]) == "Scale()", "an argument that is not kept cannot be shown"


# ---------------------------------------------------------------- walking


def test_walk_finds_everything_in_definition_order():
    tree = Tree()
    found = dict(walk(tree))
    assert list(found) == PATHS
    assert found[""] is tree
    assert found["several.1.0.weight"] is tree.several[1][0].weight
    assert list(dict(walk(tree.alone, "here"))) == ["here", "here.weight", "here.bias"]


def test_walk_leaves_what_is_saved_for_backward_alone():
    module = Residual(ReLU())
    module.save_for_backward(Linear(2, 2), training=True)
    assert [path for path, _ in walk(module)] == ["", "body"]


def test_named_parts():
    tree = Tree()
    assert list(tree.named_modules()) == ["", "alone", "several.0", "several.1.0"]
    assert list(tree.named_parameters()) == [
        "alone.weight",
        "alone.bias",
        "several.1.0.weight",
        "named.gain",
    ]
    assert list(tree.named_buffers()) == ["several.1.1.0"]


def test_what_stands_twice_is_found_once():
    tree = Tree()
    names = list(tree.named_parameters()), list(tree.named_buffers())
    tree.again = tree.several[1][1][0]
    tree.gain_again = tree.named["gain"]
    assert (list(tree.named_parameters()), list(tree.named_buffers())) == names


def test_a_module_that_holds_its_parent_is_walked_once():
    inner = Linear(2, 2)
    outer = Sequential([inner])
    inner.parent = outer
    assert list(outer.named_parameters()) == ["layers.0.weight", "layers.0.bias"]


def test_cast_reaches_everything():
    tree = Tree()
    cast(tree, "float64")
    assert {p.dtype for p in tree.named_parameters().values()} == {np.dtype("float64")}
    cast(tree, "float32")
    assert {p.dtype for p in tree.named_parameters().values()} == {np.dtype("float32")}
    assert tree.named_buffers()["several.1.1.0"].value.dtype == np.float32


def test_initialize_draws_everything_from_one_generator():
    def drawn(seed, initializer=None):
        tree = Tree()
        initialize(tree, np.random.default_rng(seed), initializer)
        return tree.state(), tree.rng.random(3)

    (first, chance), (again, same_chance) = drawn(0), drawn(0)
    other, other_chance = drawn(1)
    for name in ("alone.weight", "several.1.0.weight"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    np.testing.assert_array_equal(chance, same_chance)
    assert not np.array_equal(chance, other_chance)
    assert (first["named.gain"] == 1).all(), "has no initializer of its own"
    sevens, _ = drawn(0, lambda shape, rng: np.full(shape, 7))
    assert (sevens["alone.weight"] == 7).all()
    assert (sevens["alone.bias"] == 0).all()


def test_state_and_load_state():
    tree, other = Tree(), Tree()
    initialize(other, np.random.default_rng(3))
    other.several[1][1][0].value = [4, 5]
    values = other.state()
    assert list(values) == [*list(tree.named_parameters())[:3], "several.1.1.0", "named.gain"]
    tree.load_state(values)
    for name, value in tree.state().items():
        np.testing.assert_array_equal(value, values[name])


# ---------------------------------------------------------------- arguments and repr


class Options(Module):
    def __init__(self, first, second=2, bias=True, flag=False, hidden="h", seed=None):
        self.first = first
        self.second = second
        self.bias = Parameter([1.0]) if bias else None
        self.flag = flag
        self._hidden = hidden
        self.seed = seed


@pytest.mark.parametrize(
    "text",
    [
        "Options(1)",
        "Options('a', second=3)",
        "Options(1, bias=False)",
        "Options(1, second=(1, 2), bias=False, flag=True)",
        "Options(Options(1), flag=True)",
    ],
)
def test_repr_is_the_call_that_made_it(text):
    assert repr(eval(text, {"Options": Options})) == text


def test_arguments_leave_defaults_seed_and_what_is_not_kept_out():
    assert arguments(Options(1, hidden="x", seed=5)) == {"first": 1}
    assert arguments(Options(1, bias=False)) == {"first": 1, "bias": False}


def test_arguments_that_are_arrays_or_by_name_alone():
    class Weighted(Module):
        def __init__(self, *, size, weights=(1.0, 1.0)):
            self.size = size
            self.weights = np.asarray(weights)

    assert repr(Weighted(size=2)) == "Weighted(size=2, weights=array([1., 1.]))"


# ---------------------------------------------------------------- errors with their place


def test_check_features():
    module = ReLU()
    check_features(module, np.ones((1, 3)), 3)
    check_features(module, np.ones((2, 5, 3)), 3)
    with pytest.raises(ShapeError, match=r"ReLU: expected 3 features, got .* shape \(3, 2\)"):
        check_features(module, np.ones((3, 2)), 3)
    for shape in ((), (3,)):
        with pytest.raises(ShapeError, match=r"ReLU: expected a batch \(N, 3\), got") as caught:
            check_features(module, np.ones(shape), 3)
        assert f"shape {shape};" in str(caught.value)


def raised(module, *given):
    """Return the error of a forward pass, located from `module`."""
    try:
        module.forward(*given)
    except Exception as error:
        locate(error, module)
        return error
    raise AssertionError("forward was to fail")


class Helped(Module):
    """Fails in a helper method, to which the array is not given."""

    def __init__(self, gives_array=False):
        self.gives_array = gives_array

    def forward(self, inputs, training=True):
        return self.helper(0, inputs[:1]) if self.gives_array else self.helper(0)

    def helper(self, how, rows=None):
        raise KeyError("helper")


class Outer(Module):
    """Fails itself, after its child has done its part."""

    def __init__(self):
        self.body = ReLU()

    def forward(self, x, training=True):
        self.body.forward(x)
        raise OSError("outer")


def test_a_foreign_error_gets_a_note_with_path_and_shape():
    x = np.ones((2, 3))
    note = "in Helped (layers.1.body), given an array of shape (2, 3)"
    assert raised(Sequential([ReLU(), Residual(Helped())]), x).__notes__ == [note]
    note = "in Helped (layers.0), given an array of shape (1, 3)"
    assert raised(Sequential([Helped(gives_array=True)]), x).__notes__ == [note]


def test_the_module_at_fault_is_the_one_that_was_running():
    error = raised(Sequential([ReLU(), Outer()]), np.ones((2, 3)))
    assert error.__notes__ == ["in Outer (layers.1), given an array of shape (2, 3)"]
    assert raised(Outer(), np.ones(4)).__notes__ == [
        "in Outer (the network), given an array of shape (4,)"
    ]


def test_a_module_that_is_given_no_array_is_named_without_a_shape():
    class Careless(Module):
        def __init__(self):
            self.body = Helped()

        def forward(self, x, training=True):
            return self.body.forward(None)

    assert raised(Careless(), np.ones(4)).__notes__ == ["in Helped (body)"]


def test_a_module_error_keeps_the_module_that_noticed():
    inner = Linear(3, 2)
    error = raised(Sequential([ReLU(), Residual(inner)]), np.ones((2, 4)))
    assert isinstance(error, ShapeError)
    assert error.module is inner
    assert error.path == "layers.1.body"
    assert not hasattr(error, "__notes__")


def test_a_parent_may_raise_in_its_childs_name():
    class Checking(Module):
        def __init__(self, child):
            self.child = child

        def forward(self, x, training=True):
            check_features(self.child, x, 9)

    error = raised(Sequential([Checking(ReLU())]), np.ones((2, 4)))
    assert str(error).startswith("ReLU (layers.0.child): expected 9 features")
    chain = Sequential([Checking(None)])
    chain[0].child = Linear  # no module of this tree
    assert str(raised(chain, np.ones((2, 4)))).startswith("type: expected 9 features")


def test_an_error_from_outside_the_tree_stays_as_it_is():
    with pytest.raises(OSError, match="outer") as caught:
        Outer().forward(np.ones(4))
    locate(caught.value, Dropout())
    assert not hasattr(caught.value, "__notes__")


# ---------------------------------------------------------------- what every module can do


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_module_is_saved_and_loaded(dtype, tmp_path):
    for number, module in enumerate((Linear(3, 2), Sequential([Linear(3, 4), ReLU()]))):
        cast(module, dtype)
        path = tmp_path / f"{number}.npz"
        module.save(path)
        again = type(module).load(path)
        x = np.random.default_rng(0).standard_normal((4, 3)).astype(dtype)
        np.testing.assert_array_equal(again(x, training=False), module(x, training=False))
        assert again.predict(x).dtype == dtype
        assert type(Module.load(path)) is type(module)
    with pytest.raises(FileFormatError, match="holds a Sequential, not a Linear"):
        Linear.load(path)


def test_a_call_is_the_forward_pass():
    layer = Linear(3, 2, seed=0)
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(layer(x), layer.forward(x))
    layer.backward(layer(x))
    with pytest.raises(BackwardError):
        layer.backward(layer(x, training=False))


def test_parameters_come_once_and_by_name():
    layer = Linear(3, 2)
    chain = Sequential([layer, ReLU(), Linear(2, 2, bias=False)])
    assert chain.parameters() == list(chain.named_parameters().values())
    assert list(chain.named_parameters()) == ["layers.0.weight", "layers.0.bias", "layers.2.weight"]


def test_a_subclass_of_network_may_keep_values_for_backward(tmp_path):
    class Scaled(Network):
        """The network's output times the mean size of its input."""

        def forward(self, x, training=True):
            self.save_for_backward(np.abs(x).mean(), training=training)
            return super().forward(x, training) * np.abs(x).mean()

        def backward(self, dy):
            (scale,) = self.saved_values()
            return super().backward(dy * scale)

    network = Scaled([4, 3, 2], seed=0)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    y = network.forward(x)
    assert network.backward(np.ones_like(y)).shape == x.shape
    network.save(tmp_path / "own.npz")
    np.testing.assert_array_equal(
        Network.load(tmp_path / "own.npz", modules=[Scaled]).predict(x), network.predict(x)
    )


# ---------------------------------------------------------------- what people keep in modules


def test_a_large_table_and_a_dict_that_holds_itself_are_walked_over():
    layer = Linear(2, 3)
    layer.vocabulary = {f"word {n}": n for n in range(100_000)}
    layer.circle = {"module": ReLU()}
    layer.circle["itself"] = layer.circle
    assert list(layer.named_modules()) == ["", "circle.module"]
    assert list(layer.named_parameters()) == ["weight", "bias"]
    layer.circle["rng"] = np.random.default_rng(0)
    assert list(named_generators(layer)) == ["circle.rng"]
    initialize(layer, np.random.default_rng(1))
    assert layer.circle["rng"].random() != np.random.default_rng(0).random()


def test_casting_leaves_a_user_s_attribute_called_dtype_alone():
    class Own(Module):
        def __init__(self):
            self.dtype = "text"
            self.inner = Network([2, 3])

    own = Own()
    cast(own, np.float64)
    assert own.dtype == "text"
    assert own.inner.dtype == own.inner.layers[0].weight.dtype == np.float64


def test_a_mixin_learns_of_its_subclasses():
    seen = []

    class Registered:
        def __init_subclass__(cls, label, **options):
            super().__init_subclass__(**options)
            seen.append(label)

    class Own(Module, Registered, label="own"):
        pass

    assert seen == ["own"]
    assert isinstance(Own(), Module)


def test_a_buffer_keeps_its_shape():
    mean = Buffer(np.zeros(3))
    with pytest.raises(ShapeError, match=r"shape \(3,\) and cannot become \(1,\)"):
        mean.value = [5]
    mean.value = [1, 2, 3]
    assert mean.value.tolist() == [1, 2, 3]
