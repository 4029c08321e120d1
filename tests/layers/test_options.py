"""Every option of every layer that is a number: what is none is refused, by name, at the door."""

import inspect

import numpy as np
import pytest

import chainrule
from chainrule import ConfigurationError, Module
from chainrule.initializers import Constant

NEVER = ("0.5", np.nan, [None], 1j)  # the wrong kind for every option
NO_WHOLE = (*NEVER, None, True, 1.5, np.float32(2))
SIZE = (*NO_WHOLE, 0, -1)
WINDOW = (*NEVER, None, True, 1.5, 0, -1, (1, 0), (1, 1, 1), (1, True))
WINDOW_OR_NONE = tuple(wrong for wrong in WINDOW if wrong is not None) + ((), "2", [None] * 3)
PADDING = (*NEVER, None, True, 1.5, -1, (1, -1), (1, True))
NUMBER = (*NEVER, None, True, np.inf)
POSITIVE = (*NUMBER, 0, -0.1)
PROBABILITY = (*NUMBER, -0.1, 1, 1.5)
SEED = (*NEVER, -1, 0.5)

WRONG = {
    "alpha": NUMBER,
    "axes": (*SIZE, (0, "1"), (0.0, 1.0), (True, 0)),
    "axis": NO_WHOLE,
    "beta": POSITIVE,
    "categories": (*SIZE, (), (3, 0), (3, "4"), (True,), (2, 2, 2, 2)),
    "dilation": WINDOW,
    "downscale_factor": SIZE,
    "dropout": PROBABILITY,
    "embed_dim": SIZE,
    "embedding_dim": SIZE,
    "epsilon": POSITIVE,
    "groups": SIZE,
    "hidden_size": SIZE,
    "in_channels": SIZE,
    "in_features": SIZE,
    "init": NUMBER,
    "input_size": SIZE,
    "kernel_size": WINDOW,
    "max_length": SIZE,
    "max_val": (*NUMBER, -1, -2),
    "members": SIZE,
    "min_val": (*NUMBER, 1, 2),
    "momentum": (*NUMBER, -0.1, 1.5),
    "negative_slope": NUMBER,
    "normalized_shape": (*SIZE, (), (3, 0), (3, "4"), (True,)),
    "num_channels": SIZE,
    "num_embeddings": SIZE,
    "num_features": SIZE,
    "num_groups": SIZE,
    "num_heads": SIZE,
    "num_layers": SIZE,
    "num_parameters": SIZE,
    "out_channels": SIZE,
    "out_features": SIZE,
    "output_padding": PADDING,
    "output_size": WINDOW_OR_NONE,
    "p": PROBABILITY,
    "padding": PADDING,
    "padding_idx": (*NO_WHOLE, -1, 99),
    "proj_size": (*NO_WHOLE, -1, 3),
    "scale_factor": (*SIZE, (2, 0), (2, "3"), (True, 2)),
    "seed": SEED,
    "shape": (*SIZE, (2, 0), (2, "3"), (-1, -1), (True, 2)),
    "std": (*NUMBER, -0.1),
    "stride": WINDOW,
    "upscale_factor": SIZE,
    "value": NUMBER,
}
NO_NUMBERS = {
    *("activation", "affine", "approximate", "bias", "bidirectional", "body", "branches"),
    *(
        "causal",
        "ceil_mode",
        "count_include_pad",
        "initialization",
        "layers",
        "merge",
        "nonlinearity",
    ),
    *("inputs", "mode", "nodes", "normalize", "norm_first", "outputs", "padding_mode"),
    *("shortcut", "track_running_stats"),
}

RIGHT = {
    "AdaptiveAvgPool1d": {"output_size": 2},
    "AdaptiveAvgPool2d": {"output_size": 2},
    "AdaptiveMaxPool1d": {"output_size": 2},
    "AdaptiveMaxPool2d": {"output_size": 2},
    "AvgPool1d": {"kernel_size": 2},
    "AvgPool2d": {"kernel_size": 2},
    "BatchNorm": {"num_features": 3},
    "CategoryEmbedding": {"in_features": 3, "categories": (4, 5), "embedding_dim": 2},
    "Conv1d": {"in_channels": 2, "out_channels": 4, "kernel_size": 3},
    "Conv2d": {"in_channels": 2, "out_channels": 4, "kernel_size": 3},
    "ConvTranspose1d": {"in_channels": 2, "out_channels": 4, "kernel_size": 3},
    "ConvTranspose2d": {"in_channels": 2, "out_channels": 4, "kernel_size": 3},
    "Embedding": {"num_embeddings": 5, "embedding_dim": 3},
    "Graph": {"inputs": "x", "nodes": {"y": chainrule.Node(chainrule.ReLU(), "x")}, "outputs": "y"},
    "GroupNorm": {"num_groups": 2, "num_channels": 4},
    "GRU": {"input_size": 2, "hidden_size": 3, "num_layers": 2},
    "InstanceNorm": {"num_features": 3},
    "LayerNorm": {"normalized_shape": 3},
    "Linear": {"in_features": 3, "out_features": 2},
    "LinearLayer": {"in_features": 3, "out_features": 2},
    "LSTM": {"input_size": 2, "hidden_size": 3, "num_layers": 2},
    "MaxPool1d": {"kernel_size": 2},
    "MaxPool2d": {"kernel_size": 2},
    "MultiHeadAttention": {"embed_dim": 4, "num_heads": 2},
    "Neuron": {"in_features": 3},
    "Pad1d": {"padding": 1},
    "Pad2d": {"padding": 1},
    "Parallel": {"branches": [chainrule.ReLU()]},
    "PixelShuffle": {"upscale_factor": 2},
    "PixelUnshuffle": {"downscale_factor": 2},
    "PositionalEncoding": {"embed_dim": 4},
    "Reshape": {"shape": (2, 3)},
    "Residual": {"body": chainrule.ReLU()},
    "RMSNorm": {"normalized_shape": 3},
    "RNN": {"input_size": 2, "hidden_size": 3, "num_layers": 2},
    "Sequential": {"layers": [chainrule.ReLU()]},
    "StackedBatchNorm": {"members": 2, "num_features": 3},
    "StackedCategoryEmbedding": {
        "members": 2,
        "in_features": 3,
        "categories": (4, 5),
        "embedding_dim": 2,
    },
    "StackedDropout": {"p": (0.25, 0.5)},
    "StackedLinear": {"members": 2, "in_features": 3, "out_features": 2},
    "TransformerBlock": {"embed_dim": 4, "num_heads": 2},
    "Transpose": {"axes": (1, 0)},
    "Upsample": {"scale_factor": 2},
}
"""The arguments that a layer cannot be built without, and those that others need beside them."""

NUMPY = {
    "alpha": np.float32(0.5),
    "axis": np.int64(-1),
    "beta": np.float32(2),
    "dropout": np.float32(0.25),
    "epsilon": np.float32(0.5),
    "groups": np.int64(2),
    "hidden_size": np.int64(6),
    "init": np.float32(0.5),
    "max_length": np.int32(7),
    "max_val": np.float32(0.5),
    "min_val": np.float32(0.5),
    "momentum": np.float32(0.5),
    "negative_slope": np.float32(0.5),
    "num_parameters": np.int64(3),
    "p": np.float32(0.25),
    "padding_idx": np.int64(2),
    "proj_size": np.int64(2),
    "std": np.float32(0.5),
    "value": np.float32(0.5),
}


def constructors() -> list[tuple[str, type[Module]]]:
    names = [name for name in chainrule.layers.__all__ if name != "Node"]  # is no module
    return [(name, getattr(chainrule, name)) for name in names]


OPTIONS = [
    pytest.param(kind, RIGHT.get(name, {}), option, id=f"{name}-{option}")
    for name, kind in constructors()
    for option in inspect.signature(kind).parameters
    if option not in NO_NUMBERS
]


def test_every_option_is_in_a_table():
    found = {option for _, kind in constructors() for option in inspect.signature(kind).parameters}
    assert found == set(WRONG) | NO_NUMBERS
    assert len(OPTIONS) > 80


@pytest.mark.parametrize(("kind", "right", "option"), OPTIONS)
def test_what_makes_no_sense_is_refused_by_name(kind, right, option):
    kind(**right)
    may_be_none = "None" in str(inspect.signature(kind).parameters[option].annotation)
    for wrong in (wrong for wrong in WRONG[option] if wrong is not None or not may_be_none):
        with pytest.raises(ConfigurationError) as caught:
            kind(**(right | {option: wrong}))
        assert option in str(caught.value), f"{wrong!r}: {caught.value}"
        assert "got" in str(caught.value), f"{wrong!r}: {caught.value}"


@pytest.mark.parametrize(("kind", "right", "option"), OPTIONS)
def test_numpy_numbers_are_numbers(kind, right, option):
    given = right.get(option, NUMPY.get(option))
    if given is None:  # a window, or a seed: nothing to compare with
        kind(**(right | {option: np.int64(0 if "padding" in option else 1)}))
        return
    if isinstance(given, int):
        given = np.int64(given)
    if isinstance(given, tuple):
        plain = given
        given = tuple((np.int64 if isinstance(n, int) else np.float32)(n) for n in given)
    else:
        plain = given.item()
    module, expected = kind(**(right | {option: given})), kind(**(right | {option: plain}))
    if option not in ("kernel_size", "output_size", "padding"):  # kept as they are given
        assert repr(module) == repr(expected).replace("np.int64", "")
        assert "np." not in repr(module)


BOOLEANS = [
    pytest.param(kind, RIGHT.get(name, {}), option.name, id=f"{name}-{option.name}")
    for name, kind in constructors()
    for option in inspect.signature(kind).parameters.values()
    if option.annotation == "bool"
]


def test_booleans_are_found():
    found = {parameter.values[2] for parameter in BOOLEANS}
    expected = {"affine", "bias", "bidirectional", "causal", "ceil_mode", "norm_first"}
    assert found == expected | {"count_include_pad", "normalize", "track_running_stats"}


@pytest.mark.parametrize(("kind", "right", "option"), BOOLEANS)
def test_a_boolean_is_true_or_false(kind, right, option):
    for value in (True, False, np.True_, np.False_):
        kind(**(right | {option: value}))
    for wrong in ("no", 2, 1, None, [True]):
        with pytest.raises(ConfigurationError, match=f"{option} must be True or False, got"):
            kind(**(right | {option: wrong}))


# ---------------------------------------------------------------- one order in every family


@pytest.mark.parametrize("kind", [chainrule.RNN, chainrule.LSTM, chainrule.GRU])
def test_recurrent_layers_are_built_alike(kind):
    layer = kind(4, 8, 2)
    assert (layer.input_size, layer.hidden_size, layer.num_layers) == (4, 8, 2)
    with pytest.raises(ConfigurationError, match="by position; give the others by name: "):
        kind(4, 8, 2, True)


BY_POSITION = {
    "categories",
    "embed_dim",
    "members",
    "num_heads",
    *("in_features", "out_features", "in_channels", "out_channels", "kernel_size", "stride"),
    *("input_size", "hidden_size", "num_layers", "num_embeddings", "embedding_dim"),
    *("num_groups", "num_channels", "num_features", "normalized_shape", "num_parameters"),
    *("p", "std", "axis", "negative_slope", "alpha", "beta", "approximate", "shape", "axes"),
    *("padding", "output_size", "min_val", "max_val"),
    *("scale_factor", "upscale_factor", "downscale_factor"),
    *("layers", "body", "shortcut", "branches", "inputs", "nodes", "outputs"),
}


@pytest.mark.parametrize(("name", "kind"), constructors())
def test_only_what_a_layer_is_about_is_given_by_position(name, kind):
    by_position = [
        p.name for p in inspect.signature(kind).parameters.values() if p.kind != p.KEYWORD_ONLY
    ]
    assert set(by_position) <= BY_POSITION
    assert len(by_position) <= 4


SECONDARY = {
    ("Parallel", "axis"),
    ("TransformerBlock", "hidden_size"),
    *(("Pad1d", "padding"), ("Pad2d", "padding")),  # here it is what the layer is about
}
"""Options that other layers take by position, but that few users of these layers give."""


def test_an_option_is_given_alike_in_every_layer():
    """``stride`` is positional in pooling and in convolutions, ``seed`` is a keyword everywhere."""
    kinds = {}
    for name, layer in constructors():
        for option in inspect.signature(layer).parameters.values():
            if (name, option.name) not in SECONDARY:
                assert kinds.setdefault(option.name, option.kind) == option.kind, (name, option)


def test_initialization_means_the_same_in_every_layer():
    def halves(shape, rng):
        return np.full(shape, 0.5)

    found = [
        (kind, RIGHT.get(name, {}))
        for name, kind in constructors()
        if "initialization" in inspect.signature(kind).parameters
    ]
    assert len(found) > 6
    for kind, right in found:
        for given in (halves, Constant(0.5)):
            layer = kind(**right, initialization=given)
            assert (layer.weight.value == 0.5).all()
            assert getattr(layer, "bias", None) is None or not layer.bias.value.any()
        with pytest.raises(ConfigurationError, match="Unknown initialization 'no'"):
            kind(**right, initialization="no")


def test_convolutions_take_their_options_in_one_order():
    orders = [
        [
            option
            for option in inspect.signature(getattr(chainrule, name)).parameters
            if option not in ("output_padding", "padding_mode")  # one has this, the other that
        ]
        for name in ("Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d")
    ]
    assert all(order == orders[0] for order in orders)


def test_a_bias_is_a_parameter_or_none():
    for name, kind in constructors():
        if "bias" in inspect.signature(kind).parameters:
            right = RIGHT[name]
            assert isinstance(kind(**right).bias, chainrule.Parameter)
            assert kind(**right, bias=False).bias is None
