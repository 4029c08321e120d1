"""What comes back from a file is what was saved; whatever would not come back is refused."""

import enum
import math

import numpy as np
import pytest
from cases import Case, all_cases

from chainrule import (
    GRU,
    LSTM,
    RNN,
    Buffer,
    ChainruleError,
    ConfigurationError,
    Ensemble,
    Graph,
    LayerNorm,
    LeakyReLU,
    Linear,
    Module,
    MultiHeadAttention,
    Network,
    Node,
    Parameter,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Standardizer,
    StateError,
    TablePreparation,
    TransformerBlock,
)
from chainrule.checks.constructor import NOT_KEPT, arguments, constructor_arguments
from chainrule.module import walk

CASES = all_cases()
X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "module.npz"


def predictions(case: Case, module):
    x = case.input()
    x = x if x.dtype.kind in "iu" else x.astype(np.float32)
    return module.forward(x, False, **case.arguments)


# ---------------------------------------------------------------- options, however they are written

ODD = [
    *(0, 1, 2, -1, 0.0, 0.5, True, False, None, (), (1,), (1, 2), [2, 1], {}, "", "tanh", b"x", 1j),
    *(
        np.False_,
        np.True_,
        np.int64(0),
        np.int64(1),
        np.int32(2),
        np.float32(0.5),
        np.float64(0.25),
    ),
    *(np.array(1), np.array([1, 2]), np.str_("tanh"), math.nan, math.inf, len, Linear),
]


def one_case_a_class() -> list[Case]:
    return list({type(case.build()).__name__: case for case in CASES}.values())


@pytest.mark.parametrize("case", one_case_a_class(), ids=lambda case: case.name)
def test_an_option_of_any_kind_comes_back_or_is_refused(case, path):
    base = case.build()
    kind = type(base)
    for name in constructor_arguments(kind):
        if name in NOT_KEPT or isinstance(base, Network):
            continue
        for value in ODD:
            try:
                module = kind(**{**arguments(base), name: value})
                module.save(path)
            except (ChainruleError, TypeError):  # TypeError: what is no list of modules
                continue
            other = kind.load(path)
            assert repr(other) == repr(module)
            try:
                expected = predictions(case, module)
            except ChainruleError:
                continue
            np.testing.assert_array_equal(predictions(case, other), expected)


class Options(Module):
    """A user's layer that keeps what it is given, unchecked."""

    def __init__(self, flag=False, number=1, thing=None):
        self.flag, self.number, self.thing = flag, number, thing

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        return x * 2 if self.flag else x

    def backward(self, dy):
        self.saved_values()
        return dy * 2 if self.flag else dy


class Mode(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize("value", [0, 1, "", "no", 0.0, False, True, (), [0]])
def test_a_flag_of_ones_own_stays_what_it_is(path, value):
    module = Options(flag=value, number=value, thing=value)
    module.save(path)
    other = Options.load(path, modules=[Options])
    for name in ("flag", "number", "thing"):
        assert getattr(other, name) == value
        assert type(getattr(other, name)) is type(value)
    assert repr(other) == repr(module)
    np.testing.assert_array_equal(other.forward(X), module.forward(X))


@pytest.mark.parametrize("flag", [np.False_, np.True_])
def test_numpys_truth_values_keep_their_meaning(path, flag):
    Options(flag=flag, thing=flag).save(path)
    other = Options.load(path, modules=[Options])
    assert (other.flag, other.thing) == (flag, flag)
    for block in (TransformerBlock(4, 2, causal=flag), MultiHeadAttention(4, 2, causal=flag)):
        block.save(path)
        assert type(block).load(path).causal is bool(flag)


@pytest.mark.parametrize(
    "number",
    [np.int8(-3), np.uint64(5), np.int64(7), np.float16(0.1), np.float32(0.1), np.float64(0.1)],
    ids=lambda number: type(number).__name__,
)
def test_numpys_numbers_come_back_with_their_types(path, number):
    Options(number=number).save(path)
    found = Options.load(path, modules=[Options]).number
    assert type(found) is type(number)
    assert found == number
    assert (X * found).dtype == (X * number).dtype


@pytest.mark.parametrize(
    "value",
    [
        *(
            Mode.FAST,
            Level.HIGH,
            np.longdouble(1),
            np.datetime64("2020"),
            b"x",
            1j,
            {1, 2},
            range(3),
        ),
        *(print, np.tanh, lambda x: x, np.zeros(2), [np.zeros(2)], {1: 2}, range(3)),
        *(np.dtype("int8"), np.dtype(">f4"), 10**400, Options, Standardizer()),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_a_value_that_would_be_another_one_is_refused(path, value):
    with pytest.raises(ConfigurationError):
        Options(thing=value).save(path)
    assert not path.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.0, 1e-320, 10_000_000, "é\0\ud800", None])
def test_values_at_the_border_come_back(path, value):
    Options(thing=value).save(path)
    found = Options.load(path, modules=[Options]).thing
    assert repr(found) == repr(value)


# ---------------------------------------------------------------- changes after construction


def changes(module):
    """Yield (path, name, value): an attribute of a module below, and another value of its kind."""
    for place, thing in walk(module):
        if isinstance(thing, Module):
            names = {**vars(thing), **constructor_arguments(type(thing))}
            for name in names:
                value = getattr(thing, name, None)
                if name.startswith("_") or name in NOT_KEPT:
                    continue
                if isinstance(value, bool):
                    yield place, name, not value
                elif isinstance(value, int):
                    yield place, name, value + 1
                elif isinstance(value, float):
                    yield place, name, value / 2 + 0.125


def below(module, place, name):
    """Return the last module at a path that has an attribute; a network and its body share one."""
    return [thing for path, thing in walk(module) if path == place and hasattr(thing, name)]


@pytest.mark.parametrize("case", one_case_a_class(), ids=lambda case: case.name)
def test_an_attribute_changed_anywhere_comes_back_or_is_refused(case, path):
    for place, name, value in list(changes(case.build())):
        module = case.build()
        (changed, *_) = below(module, place, name)
        try:
            setattr(changed, name, value)
        except AttributeError:  # a property
            continue
        try:
            module.save(path)
        except (ConfigurationError, StateError):
            continue
        (found, *_) = below(type(module).load(path), place, name)
        assert getattr(found, name) == value, (place, name)


def block():
    return TransformerBlock(4, 2, seed=0)


def cell(module):
    """Return the first module inside one that has a nonlinearity."""
    inside = (thing for _, thing in walk(module) if isinstance(thing, Module))
    return next(t for t in inside if t is not module and hasattr(t, "nonlinearity"))


def changed(module, change):
    change(module)
    return module


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (changed(block(), lambda b: setattr(b.norm1, "epsilon", 0.5)), "norm1.epsilon is 0.5"),
        (
            changed(block(), lambda b: setattr(b.attention, "causal", True)),
            "attention.causal is True",
        ),
        (
            changed(block(), lambda b: setattr(b.attention.drop, "p", 0.5)),
            "attention.drop.p is 0.5",
        ),
        (changed(block(), lambda b: setattr(b, "norm1", RMSNorm(4))), "norm1 is a RMSNorm"),
        (changed(block(), lambda b: setattr(b, "norm1", LayerNorm(4, affine=False))), "norm1"),
        (changed(block(), lambda b: setattr(b, "dropout", 0.5)), "attention.dropout is 0.0"),
        (changed(block(), lambda b: setattr(b, "num_heads", 4)), "attention.num_heads is 2"),
        (changed(block(), lambda b: setattr(b, "more", Linear(4, 4))), "more would be lost"),
        (changed(block(), lambda b: delattr(b, "norm2")), "it has no layers.0.norm2"),
        (changed(block(), lambda b: setattr(b.norm1.weight, "decay", True)), "norm1.weight.decay"),
        (
            changed(RNN(2, 3), lambda r: setattr(cell(r), "nonlinearity", "relu")),
            "nonlinearity is 'relu'",
        ),
        (changed(Linear(2, 3), lambda r: setattr(r, "out_features", 4)), "weight is of shape"),
    ],
)
def test_what_was_changed_inside_is_named(path, module, named):
    with pytest.raises(ConfigurationError, match="cannot be saved") as refused:
        Network([module]).save(path)
    assert named in str(refused.value)
    assert "underscore" in str(refused.value)
    assert not path.exists()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_recurrent_layers_are_saved_as_they_are_built(path, kind):
    kind(2, 3, num_layers=2, bidirectional=np.True_).save(path)
    assert kind.load(path).bidirectional is True
    with pytest.raises(ConfigurationError, match="bidirectional must be True or False"):
        kind(2, 3, bidirectional=0)


def test_options_that_can_be_changed_come_back(path):
    norm = LayerNorm(4)
    norm.epsilon = 0.25
    network = Network([Linear(4, 4, seed=0), norm, LeakyReLU()])
    network.layers[2].negative_slope = 0.5
    network.save(path)
    np.testing.assert_array_equal(Network.load(path).predict(X), network.predict(X))


def test_an_option_set_to_nonsense_is_refused(path):
    norm = LayerNorm(4)
    norm.epsilon = -1
    with pytest.raises(ConfigurationError, match="epsilon must be a number"):
        Network([norm]).save(path)


class Counts(Module):
    """A user's layer that notes something in its passes."""

    def __init__(self, name):
        setattr(self, name, 0)
        self.name = name
        self.last = None

    def forward(self, x, training=True):
        setattr(self, self.name, getattr(self, self.name) + 1)
        self.last, self.shape = x, x.shape
        self.save_for_backward(training=training)
        return x


def test_what_passes_leave_behind_need_not_come_back(path):
    module = Counts("_passes")
    module.forward(X)
    module.save(path)
    assert Counts.load(path, modules=[Counts])._passes == 0
    module = Counts("passes")
    module.forward(X)
    with pytest.raises(ConfigurationError, match="passes is 1, and would come back as 0"):
        module.save(path)


class Refuses(Module):
    def __init__(self, size=1):
        if size != 1:
            raise ZeroDivisionError("no such size")
        self.size = size


def test_what_its_constructor_would_refuse_is_not_saved(path):
    module = Refuses()
    module.size = 2
    with pytest.raises(ConfigurationError, match=r"Refuses cannot be built .* no such size"):
        module.save(path)


class Draws(Module):
    def __init__(self, size):
        self.size = size
        self.weight = Parameter(np.random.randn(size))  # noqa: NPY002

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        return x * self.weight.value


def test_saving_draws_no_random_numbers(path):
    module = Draws(4)
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    module.save(path)
    assert np.random.rand() == expected  # noqa: NPY002
    np.testing.assert_array_equal(Draws.load(path, modules=[Draws]).forward(X), module.forward(X))


# ---------------------------------------------------------------- classes, types, notes


def twins():
    class Same(Options):
        pass

    return Same


def test_two_classes_of_one_name_are_refused(path):
    one, other = twins(), twins()
    with pytest.raises(ConfigurationError, match="Two classes are called Same"):
        Network([one(), other()]).save(path)
    Network([one(), one()]).save(path)
    with pytest.raises(ConfigurationError, match="two classes of one name"):
        Network.load(path, modules=[one, other])
    assert type(Network.load(path, modules=[one, one]).layers[0]) is one


def test_parameters_of_two_types_keep_both(path):
    module = Sequential([Linear(4, 4, seed=0), Linear(4, 2, seed=1)])
    module.layers[1].weight.cast("float64")
    module.layers[1].weight.value = module.layers[1].weight.value / 3
    module.save(path)
    for name, value in Sequential.load(path).state().items():
        assert value.dtype == module.state()[name].dtype
        np.testing.assert_array_equal(value, module.state()[name])


class Own(Module):
    def __init__(self):
        self.count = Buffer(np.zeros(2))


def test_a_buffer_of_another_kind_is_refused(path):
    module = Own()
    module.count = Buffer(np.zeros(2, np.int64))
    with pytest.raises(ConfigurationError, match="count is a buffer of int64"):
        module.save(path)


@pytest.mark.parametrize("notes", [{1: "a"}, {"deep": [{"x": {2: 3}}]}, {"x": {None: 1}}])
def test_keys_that_would_become_text_are_refused(path, notes):
    network = Network([4, 2], seed=0)
    network.metadata["notes"] = notes
    with pytest.raises(ConfigurationError, match=r"metadata\['notes'\] cannot be saved .* no text"):
        network.save(path)


def test_networks_in_networks_and_graphs_are_compared_too(path):
    inner = Network([LayerNorm(4), Linear(4, 4, seed=0)])
    graph = Graph("x", {"a": Node(inner, "x"), "b": Node(Residual(block_of_rows()), "a")}, "b")
    network = Network(graph)
    network.save(path)
    np.testing.assert_array_equal(Network.load(path).predict(X), network.predict(X))
    inner.layers[0].epsilon = 0.5  # an option of a layer that is described itself
    network.save(path)
    np.testing.assert_array_equal(Network.load(path).predict(X), network.predict(X))


def block_of_rows():
    return Sequential([Linear(4, 4, seed=1), ReLU()])


# ---------------------------------------------------------------- ensembles and preparations


def test_an_ensemble_that_was_changed_inside_is_refused(path):
    ensemble = Ensemble([4, 5, 2], 2, activation="leaky_relu", batch_norm=True, seed=0)
    ensemble.save(path)
    np.testing.assert_array_equal(Ensemble.load(path).predict(X), ensemble.predict(X))
    ensemble.network.layers[2].negative_slope = 0.5
    with pytest.raises(ConfigurationError, match=r"layers\.2\.negative_slope is 0\.5"):
        ensemble.save(path)


def test_a_preparation_that_could_not_be_loaded_is_not_saved(path):
    network = Network([4, 2], seed=0)
    network.preparation = Standardizer().fit(X)
    network.preparation.std = np.zeros(4)
    with pytest.raises(ConfigurationError, match=r"Standardizer cannot be saved: .*std must be"):
        network.save(path)


TABLE = {"size": X[:, 0].tolist(), "town": list("abcab")}


@pytest.mark.parametrize("name", ["max_categories", "min_frequency", "embed_from", "n_bins"])
@pytest.mark.parametrize("value", [3, np.int64(3), np.float32(3.5), "3", None])
def test_an_option_of_a_fitted_preparation_comes_back_or_is_refused(path, name, value):
    network = Network([4, 2], seed=0)
    network.preparation = TablePreparation().fit(TABLE)
    setattr(network.preparation, name, value)
    try:
        network.save(path)
    except ConfigurationError as error:
        assert "TablePreparation cannot be saved" in str(error)  # noqa: PT017
        return
    found = Network.load(path).preparation
    assert repr(found) == repr(network.preparation)
    np.testing.assert_array_equal(found.transform(TABLE), network.preparation.transform(TABLE))


@pytest.mark.parametrize("value", [1, "size", ["size"], len, np.array([1, 2])])
def test_formats_of_numbers_are_a_dict(value):
    with pytest.raises(ConfigurationError, match="number_formats must be a dict"):
        TablePreparation(number_formats=value)
