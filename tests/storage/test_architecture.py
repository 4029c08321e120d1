"""Network.save and Network.load: the same predictions, bit for bit, and no code from a file."""

import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from cases import Case, all_cases

import chainrule
from chainrule import (
    BatchNorm,
    Buffer,
    ConfigurationError,
    Dropout,
    FileFormatError,
    Linear,
    Module,
    Network,
    Parameter,
    PositionalEncoding,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    StateError,
)
from chainrule.module import cast
from chainrule.storage.archive import read_archive, write_archive

X = np.random.default_rng(0).standard_normal((5, 4))


class Scale(Module):
    """A user's own layer."""

    def __init__(self, features, start=1.0, sizes=(), options=None):
        self.features, self.start, self.sizes, self.options = features, start, sizes, options
        self.gain = Parameter(np.full(features, start))
        self.calls = Buffer(np.zeros((), np.int64))

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        if training:
            self.calls.value = self.calls.value + 1
        return x * self.gain.value

    def backward(self, dy):
        (x,) = self.saved_values()
        self.gain.grad = (dy * x).sum(axis=0)
        return dy * self.gain.value


class Forgetful(Module):
    def __init__(self, features):
        self.gain = Parameter(np.ones(features))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def again(network, path, **options):
    network.save(path)
    return Network.load(path, **options)


# ---------------------------------------------------------------- bit for bit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_every_module_predicts_the_same_after_loading(case: Case, dtype, path):
    module = case.build()
    network = module if isinstance(module, Network) else Network([module])
    cast(network, dtype)
    x = case.input()
    x = x if x.dtype.kind in "iu" else x.astype(dtype)
    inner = network if isinstance(module, Network) else module
    inner.forward(x, True, **case.arguments)  # so that running statistics are no first values
    assert len(network.flat) >= 0  # parameters as views, as an optimizer leaves them
    other = again(network, path)
    assert repr(other) == repr(network)
    assert other.dtype == network.dtype
    inner_other = other if isinstance(module, Network) else other.layers[0]
    np.testing.assert_array_equal(
        inner_other.forward(x, False, **case.arguments), inner.forward(x, False, **case.arguments)
    )
    state = network.state()
    assert state.keys() == other.state().keys()
    for name, value in other.state().items():
        np.testing.assert_array_equal(value, state[name])
        assert value.dtype == state[name].dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_alone_keeps_its_type_and_its_bits(path, dtype):
    layer, x = Linear(4, 3, seed=0), np.ones((2, 4), dtype)
    cast(layer, dtype)
    layer.weight.value = layer.weight.value / 3  # which float32 does not hold
    layer.save(path)
    other = Linear.load(path)
    assert other.weight.value.dtype == dtype
    np.testing.assert_array_equal(other.forward(x), layer.forward(x))


def test_nested_modules_and_every_kind_of_argument(path):
    inner = Network([Dropout(0.25), Scale(4)])
    body = Sequential([Linear(4, 4, bias=False, seed=1), ReLU(), inner])
    options = {"words": ["a", (1, 2.5)], "kind": np.dtype("float64"), "deep": {"x": None}}
    scale = Scale(np.int64(4), start=np.float64(0.1), sizes=(2, [3]), options=options)
    network = Network([Residual(body), scale, Softmax(axis=1)], dtype="float64")
    other = again(network, path, modules=[Scale])
    np.testing.assert_array_equal(other.predict(X), network.predict(X))
    assert other.layers[1].options == options
    assert other.layers[1].sizes == (2, [3])
    assert other.layers[0].body.layers[0].bias is None
    assert other.layers[1].start == 0.1


def test_buffers_keep_their_kind(path):
    network = Network([Scale(4)])
    for _ in range(3):
        network.forward(X)
    other = again(network, path, modules=[Scale])
    assert other.layers[0].calls.value == 3
    assert other.layers[0].calls.value.dtype == np.int64


def test_what_it_was_trained_with_is_in_the_file(path):
    network = Network([4, 3, 2], seed=0)
    network.metadata["seed"] = 7
    network.save(path, class_names=["cat", "dog"], metrics={"accuracy": 0.5})
    other = Network.load(path)
    found = other.metadata
    assert found["seed"] == 7
    assert found["class_names"] == ["cat", "dog"]
    assert found["metrics"] == {"accuracy": 0.5}
    assert found["version"] == chainrule.__version__
    third = again(other, path)
    assert third.metadata["class_names"] == ["cat", "dog"]


def test_a_loaded_network_learns_on(path):
    networks = [Network([4, 3, 2], seed=0)]
    networks.append(again(networks[0], path))
    for network in networks:
        network.backward(network.forward(X))
        network.update(0.1)
    np.testing.assert_array_equal(networks[0].predict(X), networks[1].predict(X))


def test_a_subclass_of_network_is_a_class_of_the_users(path):
    class Own(Network):
        def __init__(self, layers, dtype="float32"):
            super().__init__(layers, dtype=dtype)

    network = Own([Linear(4, 2, seed=0)])
    with pytest.raises(FileFormatError, match=r"modules=\[Own\]"):
        again(network, path)
    assert type(Network.load(path, modules=[Own])) is Own


# ---------------------------------------------------------------- what cannot be saved


def test_what_cannot_be_saved_is_told_and_leaves_the_old_file(path):
    good = Network([4, 2], seed=0)
    good.save(path)
    before = path.read_bytes()
    cases = [
        (Network([Forgetful(3)]), "has no attribute 'features'"),
        (Network([Scale(4, options=print)]), "Scale's options is a builtin_function_or_method"),
        (Network([Scale(4, options={1: 2})]), "Scale's options is a dict"),
        (deep_modules(120), "nested more than 100 deep"),
        (Network([Scale(4, options=deep_list(120))]), "nested more than 100 deep"),
        (Network([Scale(4, options=endless_list())]), "nested more than 100 deep"),
        (Network([Scale(4, options=10**12)]), "an integer beyond 10,000,000"),
        (Network([Scale(4, options=np.dtype("int64"))]), "which chainrule never writes"),
    ]
    for network, message in cases:
        with pytest.raises(ConfigurationError, match=message):
            network.save(path)
    good.metadata["thing"] = object()
    with pytest.raises(ConfigurationError, match=r"metadata\['thing'\] cannot be saved"):
        good.save(path)
    assert path.read_bytes() == before


def deep_modules(depth):
    module = ReLU()
    for _ in range(depth):
        module = Residual(module)
    return Network([module])


def deep_list(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def endless_list():
    value = []
    value.append(value)
    return value


# ---------------------------------------------------------------- hostile files


def test_a_users_class_is_built_only_when_it_is_passed(path):
    with pytest.raises(FileFormatError, match=r"'Scale'.*modules=\[Scale\]"):
        again(Network([Scale(4)]), path)


def test_a_users_class_does_not_stand_in_for_chainrules_nor_the_other_way_round(path):
    class Linear(Scale):  # the same name as chainrule's
        pass

    with pytest.raises(FileFormatError, match=r"modules=\[Linear\]"):
        again(Network([Linear(4)]), path)
    assert type(Network.load(path, modules=[Linear]).layers[0]) is Linear
    other = again(Network([chainrule.Linear(4, 2)]), path, modules=[Linear])
    assert type(other.layers[0]) is chainrule.Linear


def forge(path, architecture, values=None, shared=()):
    """Write a file that is valid except for its architecture."""
    arrays = {f"values/{name}": value for name, value in (values or {}).items()}
    description = {"module": architecture, "shared": shared, "metadata": {}}
    write_archive(path, "module", arrays, description)


def network_of(*layers):
    return {"class": "Network", "arguments": {"layers": {"tuple": [{"module": m} for m in layers]}}}


def layer(name, **arguments):
    return {"class": name, "arguments": arguments}


def graph(module, inputs):
    node = {"module": {"module": module}, "inputs": inputs, "further": {"dict": {}}}
    return layer("Graph", inputs="x", nodes={"dict": {"y": {"node": node}}}, outputs="y")


@pytest.mark.parametrize("shared", [3, [3], [["layers.0.weight"]], [["a", "b"]], [[0, 1]]])
def test_what_a_file_claims_to_share_is_looked_at(path, shared):
    forge(path, network_of(layer("Linear", in_features=2, out_features=1)), shared=shared)
    with pytest.raises(FileFormatError, match="share"):
        Network.load(path)


@pytest.mark.parametrize("name", ["os.system", "eval", "Module", "__import__", "Adam", 3, None, []])
def test_no_name_in_a_file_is_imported_or_called(path, name):
    forge(path, network_of(layer(name, command="true")))
    expected = "needs the module class" if isinstance(name, str) else "class should be text"
    with pytest.raises(FileFormatError, match=expected):
        Network.load(path)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (None, "should be a dict .*, got None"),
        ({}, r"\['arguments', 'class'\] is missing"),
        ({"class": "Network", "arguments": []}, "arguments should be a dict"),
        (network_of(layer("ReLU", loud=True)), r"ReLU has no arguments \['loud'\]"),
        (network_of(layer("Linear", in_features="four")), "Linear cannot be built"),
        (network_of(layer("Linear", in_features={"tuple": 3})), "chainrule never writes"),
        (network_of(layer("Softmax", axis={"dtype": "object"})), "chainrule never writes"),
        (network_of(layer("Softmax", axis={"a": 1, "b": 2})), "chainrule never writes"),
        (layer("ReLU"), "holds a ReLU, not a Network"),
        (network_of(), "Network cannot be built"),
        (network_of(layer("Linear", in_features=10**12, out_features=1)), "an integer beyond"),
        (network_of(layer("Linear", in_features=10**7, out_features=10**7)), "cannot be built"),
        (network_of(*[layer("Linear", in_features=10**6, out_features=1)] * 20), "cannot be built"),
        (network_of(layer("ReLU"), {"same": 1}), "refers to a module that is not there"),
        (network_of(layer("ReLU"), {"same": True}), "refers to a module that is not there"),
        (network_of(layer("Node", inputs=["x"])), "needs the module class 'Node'"),
        (network_of(graph(layer("ReLU"), ["y"])), "Nothing uses the input 'x'"),
        (network_of(graph(layer("ReLU"), ["z"])), "neither an input nor a node"),
        (network_of(graph(layer("ReLU"), ["x"] * 3)), "takes one input, got 3"),
        (network_of(graph(layer("ReLU"), "x")), "inputs should be a list"),
        (network_of(graph(layer("ReLU"), [])), "Node cannot be built"),
        (network_of(graph(layer("ReLU"), [3])), "Node cannot be built"),
        (network_of(graph(layer("ReLU"), 3)), "inputs should be a list"),
    ],
)
def test_hostile_architectures_are_refused(path, architecture, message):
    forge(path, architecture)
    with pytest.raises(FileFormatError, match=message):
        Network.load(path)


LONG = "x" * 5000


@pytest.mark.parametrize(
    "architecture",
    [
        {"class": LONG, "arguments": {}},
        {"class": LONG, "arguments": {}, "custom": True},
        {"class": "Network", "arguments": {LONG: 1}},
        {"class": "Network", "arguments": {"layers": {LONG: 1}}},
        {"class": "Network", "arguments": {}, LONG: 1},
    ],
)
def test_messages_about_a_file_stay_short(path, architecture):
    forge(path, architecture)
    with pytest.raises(FileFormatError) as refused:
        Network.load(path)
    assert len(str(refused.value)) < 500


def test_memory_that_there_is_not_is_a_clear_error(path):
    class Greedy(Module):
        def __init__(self, size):
            self.size = size
            self.kept = np.empty(10**15)

    forge(path, network_of({**layer("Greedy", size=1), "custom": True}))
    with pytest.raises(FileFormatError, match="more memory than there is"):
        Network.load(path, modules=[Greedy])


def test_deep_nesting_is_refused(path):
    deep = layer("ReLU")
    for _ in range(150):
        deep = layer("Residual", body={"module": deep})
    forge(path, network_of(deep))
    with pytest.raises(FileFormatError, match="nested more than 100 deep"):
        Network.load(path)
    value = 1
    for _ in range(150):
        value = [value]
    forge(path, network_of(layer("Softmax", axis=value)))
    with pytest.raises(FileFormatError, match="nested more than 100 deep"):
        Network.load(path)


def test_values_that_do_not_fit_the_architecture_are_refused(path):
    forge(path, network_of(layer("Linear", in_features=2, out_features=1)), {"x": np.zeros(3)})
    with pytest.raises(StateError, match=r"missing: layers\.0\.weight"):
        Network.load(path)


def test_a_file_without_the_parts_of_a_network_is_refused(path):
    architecture = network_of(layer("ReLU"))
    whole = {"module": architecture, "shared": [], "metadata": {}}
    for name in whole:
        write_archive(path, "module", {}, {k: v for k, v in whole.items() if k != name})
        with pytest.raises(FileFormatError, match=rf"\['{name}'\] is missing"):
            Network.load(path)
    for name, content, message in [
        ("metadata", 3, "metadata should be a dict, got 3"),
        ("shared", {}, "shared should be a list, got a dict of 0"),
        ("shared", [["a", 1]], r"shared\[0\]\[1\] should be text, got 1"),
        ("shared", [["layers.0.weight", "no"]], "shares a parameter at 'layers.0.weight', where"),
        ("more", 1, r"\['more'\] is unknown"),
    ]:
        write_archive(path, "module", {}, whole | {name: content})
        with pytest.raises(FileFormatError, match=message):
            Network.load(path)


def test_nothing_is_pickled(path):
    Network([4, 2], seed=0).save(path)
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fiu" for name in file.files)
    with zipfile.ZipFile(path) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    arrays, description = read_archive(path, "module")
    assert json.loads(json.dumps(description)) == description
    assert set(arrays) == {"values/layers.0.weight", "values/layers.0.bias"}


# ---------------------------------------------------------------- as much as the file justifies


GREEDY = [
    layer("LayerNorm", normalized_shape=10**7),
    layer("LayerNorm", normalized_shape={"tuple": [10**7, 10**7]}),
    layer("RMSNorm", normalized_shape=10**7),
    layer("GroupNorm", num_groups=1, num_channels=10**7),
    layer("BatchNorm", num_features=10**7),
    layer("BatchNorm", num_features=10**7, affine=False),
    layer("PReLU", num_parameters=10**7),
    layer("Embedding", num_embeddings=10**7, embedding_dim=100),
    layer("LSTM", input_size=1, hidden_size=1, num_layers=10**7),
    layer("TransformerBlock", embed_dim=10**4, num_heads=1),
    {"class": "Network", "arguments": {"layers": [1] * 300_000}},
]


@pytest.mark.parametrize("greedy", GREEDY, ids=lambda module: module["class"])
def test_a_small_file_cannot_ask_for_much(path, greedy):
    forge(path, network_of(greedy), {"layers.0.weight": np.zeros(3)})
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match="cannot be built"):
            Network.load(path)
        assert tracemalloc.get_traced_memory()[1] < max(16 << 20, 10 * path.stat().st_size)
    finally:
        tracemalloc.stop()


def test_many_modules_need_many_arrays(path):
    description = {"module": network_of(*[layer("ReLU")] * 200_000), "shared": [], "metadata": {}}
    with pytest.raises(ConfigurationError, match="more lists and dicts"):
        write_archive(path, "module", {}, description)  # so that no reader meets it either
    shared = [layer("ReLU")] + [{"same": 0}] * 9000
    for _ in range(3):
        shared = [layer("Sequential", layers=[{"module": m} for m in shared])]
        shared += [{"same": len(shared)}] * 50
    forge(path, network_of(*shared))
    with pytest.raises(FileFormatError, match="more modules within modules"):
        Network.load(path)


def twice(levels):
    """Modules that each hold the one before it twice: 2^levels uses of the first."""
    modules = [layer("ReLU")]
    for number in range(levels):
        parts = [{"module": {"same": number}}] * 2
        modules.append(layer("Sequential", layers={"tuple": parts}))
    return network_of(*modules)


def test_modules_in_modules_at_two_places_are_counted_out(path):
    forge(path, twice(5))
    assert len(Network.load(path).layers) == 6
    forge(path, twice(40))
    with pytest.raises(FileFormatError, match="more modules within modules"):
        Network.load(path)


def test_what_would_not_be_loaded_is_not_saved(path):
    module = ReLU()
    modules = [module]
    for _ in range(17):
        modules.append(Sequential([modules[-1]] * 2))
    with pytest.raises(
        ConfigurationError, match="cannot be saved: The architecture has more modules"
    ):
        Network(modules).save(path)
    assert not path.exists()


def test_a_layer_without_arrays_in_the_file_takes_no_memory(path):
    network = Network([Linear(3, 4), PositionalEncoding(4, max_length=5_000_000)])
    tracemalloc.start()
    other = again(network, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    x = np.ones((1, 7, 3))
    np.testing.assert_array_equal(other.predict(x), network.predict(x))


def tied(modules, features):
    linears = [Linear(features, features, bias=False) for _ in range(modules)]
    for linear in linears[1:]:
        linear.weight = linears[0].weight
    return Network(linears)


@pytest.mark.parametrize(("modules", "features"), [(3, 600), (4, 600), (50, 60)])
def test_a_parameter_of_several_modules_may_be_large(path, modules, features):
    network = tied(modules, features)
    other = again(network, path)
    assert all(linear.weight is other.layers[0].weight for linear in other.layers)
    np.testing.assert_array_equal(other.layers[0].weight.value, network[0].weight.value)


def test_a_large_parameter_of_too_many_modules_is_refused_when_it_is_saved(path):
    with pytest.raises(ConfigurationError, match=r"layers\.0\.weight is shared by 5 modules"):
        tied(5, 600).save(path)
    assert not path.exists()


class Holder(Module):
    """A layer with a parameter of its own, and another layer."""

    def __init__(self, features):
        self.features = features
        self.gain = Parameter(np.ones((features, features)))
        self.inner = Linear(features, features, seed=1)


def test_the_one_module_of_a_network_may_share_its_parameter_with_one_inside(path):
    holder = Holder(3)
    holder.inner.weight = holder.gain
    other = again(Network(holder), path, modules=[Holder])
    assert other.body.inner.weight is other.body.gain


class Several(Module):
    """A layer with parameters in a list, and in a dict in a list."""

    def __init__(self, features):
        self.features = features
        self.weights = [Parameter(np.ones(features)), {"deep": Parameter(np.ones(features))}]


def test_parameters_in_lists_and_dicts_may_be_shared(path):
    first, second = Several(3), Several(3)
    second.weights[0] = first.weights[1]["deep"]
    network = Network([first, second])
    other = again(network, path, modules=[Several])
    assert other[1].weights[0] is other[0].weights[1]["deep"]
    assert other.state().keys() == network.state().keys()


def test_nothing_is_drawn_for_values_that_the_file_has(path, monkeypatch):
    network = Network([Linear(3, 4), ReLU(), Linear(4, 2)], seed=0)
    network.save(path)

    def drawn(*_):
        raise AssertionError("drawn")

    monkeypatch.setattr("chainrule.initializers.KaimingNormal.__call__", drawn)
    np.testing.assert_array_equal(
        Network.load(path).layers[0].weight.value, network[0].weight.value
    )


# ---------------------------------------------------------------- save and load agree


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_name_before_anything_is_written(path, bad):
    network = Network([Linear(4, 3), BatchNorm(3)], seed=0)
    network.save(path)
    before = path.read_bytes()
    network.layers[0].bias.value[1] = bad
    network.layers[1].running_var.value[0] = bad
    message = r"NaN or infinity in layers\.0\.bias, layers\.1\.running_var; nothing was saved"
    with pytest.raises(StateError, match=message):
        network.save(path)
    assert path.read_bytes() == before
    with pytest.raises(StateError, match=r"infinity in bias; nothing"):
        network.layers[0].save(path)
    assert path.read_bytes() == before


def test_counters_are_not_read_from_fractions(path):
    forge(
        path,
        network_of({**layer("Scale", features=4), "custom": True}),
        {"layers.0.gain": np.ones(4), "layers.0.calls": np.array(1.5)},
    )
    with pytest.raises(StateError, match=r"layers\.0\.calls: holds float64, expected int64"):
        Network.load(path, modules=[Scale])


def test_a_network_is_of_no_type_that_networks_have_not(path):
    values = {"layers.0.weight": np.ones((2, 1), "f2"), "layers.0.bias": np.ones(1, "f2")}
    forge(path, network_of(layer("Linear", in_features=2, out_features=1)), values)
    assert Network.load(path).dtype == np.float32
