"""The memory format changes no number, and containers keep it: a gradient lies as its values do."""

import numpy as np
import pytest

from chainrule import Graph, Linear, Module, Network, Node, ReLU
from chainrule.layers import (
    GELU,
    GLU,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AlphaDropout,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MaxPool2d,
    Mish,
    Pad2d,
    PixelShuffle,
    PixelUnshuffle,
    PReLU,
    Reshape,
    Residual,
    RMSNorm,
    Sequential,
    SiLU,
    Softmax,
    SpatialDropout,
    Upsample,
)
from chainrule.layers.memory_format import LEAST_RUN, TILE, in_format, is_batch_last, transposed

LAYERS = [
    AdaptiveAvgPool2d((4, 3)),
    AdaptiveMaxPool2d((4, 3)),
    AvgPool2d(2),
    BatchNorm(4),
    Conv2d(4, 2, 3, padding=1, seed=0),
    Conv2d(4, 6, 3, stride=2, dilation=2, seed=0),
    Conv2d(4, 12, (2, 3), padding=((1, 0), (2, 1)), stride=(2, 1), seed=0),
    Conv2d(4, 8, 3, groups=2, seed=0),
    Conv2d(4, 4, 3, groups=4, padding="same", seed=0),
    Conv2d(4, 6, 3, padding=2, padding_mode="reflect", seed=0),
    ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, seed=0),
    Dropout(0.5, seed=0),
    Flatten(),
    GaussianNoise(0.1, seed=0),
    GELU(),
    GlobalAvgPool(),
    GlobalMaxPool(),
    GroupNorm(2, 4),
    InstanceNorm(4),
    LayerNorm((4, 6, 7)),
    MaxPool2d(2),
    MaxPool2d(3, 2, padding=1),
    Mish(),
    Pad2d(((1, 0), (2, 1)), mode="circular"),
    PReLU(),
    ReLU(),
    Reshape((2, 84)),
    Residual(Sequential([Conv2d(4, 4, 3, padding=1, seed=0), ReLU()])),
    RMSNorm(7),
    SiLU(),
    PixelShuffle(2),
    PixelUnshuffle(1),
    Upsample((2, 3), mode="linear"),
    AlphaDropout(0.5, seed=0),
    GLU(1),
    Softmax(axis=1),
    SpatialDropout(0.5, seed=0),
]


class Probe(Module):
    """Pass images on, and note the formats of the values and of their gradient."""

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        self.formats = [is_batch_last(x)]
        return x

    def backward(self, dy):
        self.saved_values()
        self.formats.append(is_batch_last(dy))
        return dy


def in_a_chain(layer):
    return Sequential([Probe(), layer])


def in_a_graph(layer):
    return Graph("x", {"probe": Node(Probe(), "x"), "y": Node(layer, "probe")}, "y")


@pytest.mark.parametrize("build", [in_a_chain, in_a_graph])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_format_changes_no_number_and_is_kept(layer, build):
    rng = np.random.default_rng(0)
    network = Network([layer], dtype="float64", seed=0)  # casts the layer's parameters
    container = build(layer)
    probe = next(iter(container))
    x = rng.standard_normal((20, 4, 6, 7))
    draws = getattr(layer, "rng", None)
    state = None if draws is None else draws.bit_generator.state
    y = container.forward(x)
    dy = rng.standard_normal(y.shape)
    parameters = network.named_parameters().values()
    expected = [y, container.backward(dy), *(p.grad.copy() for p in parameters)]
    assert probe.formats == [False, False]
    if draws is not None:
        draws.bit_generator.state = state
    y = container.forward(in_format(x, batch_last=True))
    dx = container.backward(dy)
    assert probe.formats == [True, True]
    found = [y, dx, *(p.grad for p in parameters)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_a_convolution_to_many_channels_puts_a_long_batch_last():
    first, further = Conv2d(1, 8, 3, seed=0), Conv2d(8, 8, 3, seed=0)
    x = np.ones((LEAST_RUN, 1, 9, 9), np.float32)
    assert is_batch_last(first.predict(x))
    assert not is_batch_last(first.predict(x[1:]))
    assert is_batch_last(further.predict(first.predict(x)))
    assert not is_batch_last(further.predict(np.ones((LEAST_RUN, 8, 7, 7), np.float32)))


def classifier():
    return [
        *(Conv2d(2, 8, 3, padding=1, seed=0), GroupNorm(2, 8), GELU(), MaxPool2d(2)),
        *(Conv2d(8, 6, 3, seed=1), ReLU(), Dropout(0.3), AvgPool2d(2), Flatten()),
        Linear(6 * 9, 5),
    ]


def to_images():
    return [Conv2d(2, 8, 3, seed=0), ReLU(), ConvTranspose2d(8, 1, 3, seed=1), ReLU()]


@pytest.mark.parametrize("layers", [classifier, to_images])
def test_a_network_gives_the_same_for_a_long_batch_and_its_short_parts(layers):
    network = Network(layers(), dtype="float64", seed=3)
    for dropout in (m for m in network.layers if isinstance(m, Dropout)):
        dropout.p = 0.0
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4 * (LEAST_RUN - 1), 2, 16, 16))
    y = network.forward(x)
    assert y.flags.c_contiguous
    dy = rng.standard_normal(y.shape)
    dx, grads = network.backward(dy), network.flat.grads.copy()
    parts = np.split(np.arange(len(x)), 4)
    total = np.zeros_like(grads)
    for rows in parts:
        np.testing.assert_allclose(network.forward(x[rows]), y[rows], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(network.backward(dy[rows]), dx[rows], rtol=1e-10, atol=1e-12)
        total += network.flat.grads
    np.testing.assert_allclose(total, grads, rtol=1e-10, atol=1e-11)


def test_dropout_draws_by_sample_whatever_the_format():
    x = np.ones((LEAST_RUN, 3, 4, 5))
    plain, turned = (Dropout(0.5, seed=7).forward(a) for a in (x, in_format(x, True)))
    np.testing.assert_array_equal(plain, turned)


def test_training_goes_on_where_nothing_but_images_comes_out():
    """The gradient of a contiguous output finds its way to a layer whose output was not."""
    network = Network(to_images(), seed=0)
    rng = np.random.default_rng(1)
    x, y = rng.random((64, 2, 12, 12)), rng.random((64, 1, 12, 12))
    first = None
    for _ in range(30):
        error = network.forward(x) - y
        first = (error**2).mean() if first is None else first
        network.backward(error / len(x))
        network.update(learning_rate=0.01)
    assert (error**2).mean() < 0.8 * first


@pytest.mark.parametrize("shape", [(1, 1), (3, TILE), (TILE + 1, 2 * TILE + 3), (200, 5)])
def test_a_matrix_is_transposed_by_tiles(shape):
    matrix = np.arange(np.prod(shape)).reshape(shape)
    copy = transposed(matrix)
    np.testing.assert_array_equal(copy, matrix.T)
    assert copy.flags.c_contiguous


def test_to_the_other_format_and_back():
    x = np.random.default_rng(0).standard_normal((5, 4, 3, 2))
    turned = in_format(x, batch_last=True)
    assert is_batch_last(turned)
    assert not is_batch_last(x)
    assert in_format(turned, batch_last=True) is turned
    assert in_format(x, batch_last=False) is x
    back = in_format(turned, batch_last=False)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(turned, x)
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(in_format(x[:, ::2], batch_last=True), x[:, ::2])


def test_one_image_or_a_table_has_no_format():
    assert not is_batch_last(np.ones((1, 3, 4, 4)))
    assert not is_batch_last(np.asfortranarray(np.ones((4, 5))))
