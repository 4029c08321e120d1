"""Convolution, beyond the battery: what it refuses, its memory, its blocks, its transpose."""

import threading
import tracemalloc

import numpy as np
import pytest

from chainrule import ConfigurationError, Network, ShapeError
from chainrule.layers import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Pad1d,
    Pad2d,
    convolution_kernels,
)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Conv2d(0, 4, 3), "in_channels must be a whole number of at least 1, got 0"),
        (lambda: Conv2d(3, 4, 3, groups=2), "3 and 4 channels do not make 2 equal groups"),
        (lambda: Conv2d(4, 3, 3, groups=2), "4 and 3 channels do not make 2 equal groups"),
        (lambda: Conv2d(1, 1, 0), r"kernel_size must be a whole number of at least 1.*got 0"),
        (lambda: Conv2d(1, 1, (3, 3, 3)), r"or a pair of them .*; got \(3, 3, 3\)"),
        (lambda: Conv2d(1, 1, 3, stride=0), "stride must be a whole number of at least 1"),
        (lambda: Conv2d(1, 1, 3, dilation=1.5), "dilation must be a whole number of at least 1"),
        (lambda: Conv2d(1, 1, 3, padding=-1), "padding must be a whole number of at least 0"),
        (lambda: Conv2d(1, 1, 3, padding="valid"), "or 'same' if the layer has it; got 'valid'"),
        (lambda: Conv1d(1, 1, (3, 3)), r"kernel_size must be .* of at least 1; got \(3, 3\)"),
        (lambda: Conv1d(1, 1, 3, padding=(1, 2, 3)), r"\(left, right\), or 'same'"),
        (
            lambda: Conv2d(1, 1, 3, padding_mode="same"),
            "padding_mode must be one of 'zeros', 'refl",
        ),
        (lambda: Pad1d(1, mode="zeros"), "mode must be one of 'constant', 'reflect', 'replicate'"),
        (lambda: Pad2d(1, mode="reflect", value=1), "value is for mode='constant'; got value=1"),
        (lambda: Pad2d((1, 2, 3, 4)), r"all sides \(\(top, bottom\), \(left, right\)\)"),
        (lambda: ConvTranspose2d(1, 1, 3, padding="same"), "choose the size .* output_padding"),
        (
            lambda: ConvTranspose2d(1, 1, 3, stride=2, output_padding=2),
            "output_padding must be less than the stride, got output_padding=2 with stride=2",
        ),
    ],
)
def test_options_that_make_no_sense(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Conv2d(3, 4, 3),
            (2, 4, 5, 5),
            r"expected \(N, 3, H, W\), got an input of .*\(2, 4, 5, 5\)",
        ),
        (Conv2d(3, 4, 3), (2, 3, 5), r"expected \(N, 3, H, W\), got an input of shape \(2, 3, 5\)"),
        (Conv1d(3, 4, 3), (2, 3, 5, 5), r"expected \(N, 3, T\), got .*\(2, 3, 5, 5\)"),
        (Conv2d(1, 1, 5, padding=1), (1, 1, 2, 9), r"at least \(5, 5\), padding included"),
        (Conv1d(1, 1, 3, dilation=2), (1, 1, 4), r"at least \(5,\), padding included"),
        (
            Conv2d(1, 1, 3, padding=(0, 2), padding_mode="reflect"),
            (1, 1, 9, 2),
            r"at least 3 numbers along axis -1 for this padding by 'reflect', got .*\(1, 1, 9, 2\)",
        ),
        (Conv1d(1, 1, 3, padding=3, padding_mode="circular"), (1, 1, 2), "at least 3 numbers"),
        (ConvTranspose1d(1, 1, 1, padding=1), (1, 1, 2), r"The output would be 0\."),
        (ConvTranspose2d(2, 1, 1, padding=1), (1, 2, 2, 2), r"The output would be 0 × 0"),
    ],
)
def test_images_that_do_not_fit(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        Network([layer]).predict(np.ones(shape))


def peak(function, argument):
    """Return what a call returns, and the most memory that it held beyond that."""
    tracemalloc.start()
    try:
        result = function(argument)
        return result, tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(32, 64, 3, seed=0), (512, 32, 26, 26)),
        (Conv2d(1, 8, 5, padding="same", seed=0), (1, 1, 1024, 1024)),
        (ConvTranspose2d(8, 4, 4, stride=2, padding=1, seed=0), (64, 8, 64, 64)),
    ],
    ids=["a large batch", "a large image", "transposed"],
)
def test_scratch_memory_stays_small(layer, shape):
    y, scratch = peak(layer.forward, np.ones(shape, np.float32))
    assert scratch < 16e6
    _, scratch = peak(layer.backward, np.ones_like(y))
    assert scratch < 16e6


@pytest.mark.parametrize("scratch", [1, 2_000, 20_000])
@pytest.mark.parametrize(
    "layer",
    [
        Conv2d(3, 4, 3, padding=1, seed=0),
        Conv2d(3, 4, 3, stride=2, padding=((2, 0), (0, 1)), dilation=2, seed=0),
        Conv2d(4, 4, 2, groups=4, padding="same", seed=0),
        ConvTranspose2d(3, 4, 3, stride=3, padding=1, output_padding=1, seed=0),
    ],
    ids=repr,
)
def test_the_size_of_the_blocks_changes_nothing(layer, scratch, monkeypatch):
    x = np.random.default_rng(0).standard_normal((5, layer.in_channels, 7, 8))
    network = Network([layer], dtype="float64")
    y = network.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected = [y, network.backward(dy), layer.weight.grad.copy()]
    monkeypatch.setattr(convolution_kernels, "SCRATCH", scratch)
    found = [network.forward(x), network.backward(dy), layer.weight.grad]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"padding": 1}, {"groups": 2}, {"dilation": 2}], ids=str
)
def test_the_transpose_is_the_adjoint(options):
    """<conv(x), y> = <x, transposed(y)> for the same weights."""
    there = Conv2d(4, 6, 3, bias=False, seed=0, **options)
    back = ConvTranspose2d(6, 4, 3, bias=False, seed=1, **options)
    for layer in (there, back):
        Network([layer], dtype="float64")
    back.weight.value = there.weight.value
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 9, 7))
    seen = there.predict(x)
    y = rng.standard_normal(seen.shape)
    np.testing.assert_allclose((seen * y).sum(), (x * back.predict(y)).sum(), rtol=1e-12)


def test_threads_share_a_layer_for_prediction():
    layer = Conv2d(3, 8, 3, padding=1, seed=0)
    inputs = np.random.default_rng(0).standard_normal((4, 6, 3, 20, 20)).astype(np.float32)
    expected = [layer.predict(x) for x in inputs]
    found = [None] * 4

    def work(index):
        for _ in range(5):
            found[index] = layer.predict(inputs[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_parameters_alone_get_the_gradients_that_they_get_with_the_input():
    layer = Conv2d(2, 3, 3, seed=0)
    x = np.random.default_rng(0).standard_normal((2, 2, 5, 5))
    network = Network([layer], dtype="float64")
    network.backward(np.ones_like(network.forward(x)))
    expected = network.flat.grads.copy()
    network.flat.grads[...] = 0
    network.backward_parameters(np.ones_like(network.forward(x)))
    np.testing.assert_array_equal(network.flat.grads, expected)
