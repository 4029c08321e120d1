"""Convolution, against its definition: a loop over every number that goes into every sum.

A grid of small cases goes through stride × padding × dilation × groups; the corners are added by
name.
"""

import itertools

import numpy as np

from cases import Case
from chainrule.layers import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padding_of(padding, length, axis, stride, effective_size):
    """Return the padding before and after, along one axis of the two."""
    if padding == "same":
        total = max((-(-length // stride) - 1) * stride + effective_size - length, 0)
        return total // 2, total - total // 2
    return pair(pair(padding)[axis])


def geometry(module, length, axis):
    """Return (stride, dilation, kernel, before, after) along one axis of an image."""
    stride, dilation = pair(module.stride)[axis], pair(module.dilation)[axis]
    kernel = pair(module.kernel_size)[axis]
    before, after = padding_of(module.padding, length, axis, stride, dilation * (kernel - 1) + 1)
    return stride, dilation, kernel, before, after


def pixel_at(module, image, row, column):
    """Return the pixel at a place that may lie outside of the image, by `padding_mode`."""
    place = []
    for position, length in zip((row, column), image.shape, strict=True):
        if module.padding_mode == "zeros" and not 0 <= position < length:
            return 0.0
        if module.padding_mode == "reflect":
            while not 0 <= position < length:
                position = -position if position < 0 else 2 * length - 2 - position
        if module.padding_mode == "circular":
            while not 0 <= position < length:
                position += length if position < 0 else -length
        place.append(sorted((0, position, length - 1))[1])
    return image[tuple(place)]


def convolution(module, x, training):
    """y[n, o, p, q] = b[o] + Σ w[o, c, i, j] x[n, c, p s + i d - before, ...]."""
    (s0, d0, k0, top, bottom), (s1, d1, k1, left, right) = (
        geometry(module, x.shape[2 + axis], axis) for axis in (0, 1)
    )
    rows = (x.shape[2] + top + bottom - d0 * (k0 - 1) - 1) // s0 + 1
    columns = (x.shape[3] + left + right - d1 * (k1 - 1) - 1) // s1 + 1
    inside, outside = (c // module.groups for c in (module.in_channels, module.out_channels))
    y = np.zeros((len(x), module.out_channels, rows, columns))
    for n, o, p, q in np.ndindex(y.shape):
        y[n, o, p, q] = 0 if module.bias is None else module.bias.value[o]
        for c, i, j in itertools.product(range(inside), range(k0), range(k1)):
            row, column = p * s0 + i * d0 - top, q * s1 + j * d1 - left
            pixel = pixel_at(module, x[n, o // outside * inside + c], row, column)
            y[n, o, p, q] += module.weight.value[o, c, i, j] * pixel
    return y


def transposed(module, x, training):
    """y[n, o, p s + i d - before, ...] += x[n, c, p, q] w[c, o, i, j]."""
    (s0, d0, k0, top, bottom), (s1, d1, k1, left, right) = (
        geometry(module, 0, axis) for axis in (0, 1)
    )
    extra = pair(module.output_padding)
    height = (x.shape[2] - 1) * s0 - top - bottom + d0 * (k0 - 1) + 1 + extra[0]
    width = (x.shape[3] - 1) * s1 - left - right + d1 * (k1 - 1) + 1 + extra[1]
    inside, outside = (c // module.groups for c in (module.in_channels, module.out_channels))
    y = np.zeros((len(x), module.out_channels, height, width))
    for n, c, p, q in np.ndindex(x.shape):
        for o, i, j in itertools.product(range(outside), range(k0), range(k1)):
            row, column = p * s0 + i * d0 - top, q * s1 + j * d1 - left
            if 0 <= row < height and 0 <= column < width:
                weight = module.weight.value[c, o, i, j]
                y[n, c // inside * outside + o, row, column] += x[n, c, p, q] * weight
    return y if module.bias is None else y + module.bias.value[:, None, None]


class AsImage:
    """A convolution over sequences as one over images of height 1."""

    def __init__(self, module):
        padding = module.padding
        self.kernel_size, self.stride = (1, module.kernel_size), (1, module.stride)
        self.dilation = (1, module.dilation)
        self.padding = padding if padding == "same" else ((0, 0), pair(padding))
        self.padding_mode = module.padding_mode
        self.output_padding = (0, getattr(module, "output_padding", 0))
        self.groups = module.groups
        self.in_channels, self.out_channels = module.in_channels, module.out_channels
        self.bias = module.bias
        self.weight = type("Weight", (), {"value": module.weight.value[:, :, None]})


def sequence(module, x, training):
    return convolution(AsImage(module), x[:, :, None], training)[:, :, 0]


def transposed_sequence(module, x, training):
    return transposed(AsImage(module), x[:, :, None], training)[:, :, 0]


def with_bias(layer):
    """Give the bias values that are not zero, so that a forgotten bias shows."""
    layer.bias.value = np.linspace(-1, 1, layer.bias.size)
    return layer


def grid():
    """Yield a case for every stride × padding × dilation × groups that a small image can take."""
    for stride, padding, dilation, groups in itertools.product(
        (1, 2), (0, 1, "same"), (1, 2), (1, 2)
    ):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        yield Case(
            f"Conv2d-stride={stride},padding={padding},dilation={dilation},groups={groups}",
            lambda options=options: with_bias(Conv2d(2, 4, (2, 3), **options, seed=0)),
            (2, 2, 5, 6),
            reference=convolution,
        )
    for stride, padding, dilation, groups in itertools.product((1, 2, 3), (0, 1), (1, 2), (1, 2)):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        yield Case(
            f"ConvTranspose2d-stride={stride},padding={padding},dilation={dilation},groups={groups}",
            lambda options=options: with_bias(ConvTranspose2d(2, 4, (2, 3), **options, seed=0)),
            (2, 2, 3, 4),
            reference=transposed,
        )
    for mode, stride, dilation in itertools.product(
        ("reflect", "replicate", "circular"), (1, 2), (1, 2)
    ):
        options = {"padding_mode": mode, "stride": stride, "dilation": dilation}
        yield Case(
            f"Conv2d-{mode},stride={stride},dilation={dilation}",
            lambda options=options: with_bias(
                Conv2d(2, 4, (2, 3), padding=((1, 2), (3, 0)), groups=2, **options, seed=0)
            ),
            (2, 2, 4, 5),
            reference=convolution,
            bad_shape=(2, 3, 4, 5) if mode == "replicate" else (2, 2, 4, 2),
        )
        yield Case(
            f"Conv1d-{mode},stride={stride},dilation={dilation}",
            lambda options=options: with_bias(Conv1d(2, 3, 3, padding="same", **options, seed=0)),
            (2, 2, 7),
            reference=sequence,
        )
    for stride, padding, dilation in itertools.product((1, 3), (0, (2, 0), "same"), (1, 2)):
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        yield Case(
            f"Conv1d-stride={stride},padding={padding},dilation={dilation}",
            lambda options=options: with_bias(Conv1d(2, 3, 3, **options, seed=0)),
            (2, 2, 8),
            reference=sequence,
        )


CORNERS = {
    "Conv2d": (lambda: with_bias(Conv2d(3, 2, 3, seed=1)), (2, 3, 5, 7), (2, 4, 5, 7)),
    "Conv2d-too_small": (lambda: with_bias(Conv2d(1, 1, 3, seed=1)), (1, 1, 3, 3), (1, 1, 2, 3)),
    "Conv2d-one_pixel": (lambda: with_bias(Conv2d(1, 1, 1, seed=1)), (1, 1, 1, 1), None),
    "Conv2d-one_channel": (lambda: with_bias(Conv2d(1, 3, 2, seed=1)), (3, 1, 4, 4), None),
    "Conv2d-one_output": (lambda: with_bias(Conv2d(3, 1, 2, seed=1)), (1, 3, 4, 4), None),
    "Conv2d-whole": (lambda: with_bias(Conv2d(2, 3, (4, 5), seed=1)), (2, 2, 4, 5), None),
    "Conv2d-left_over": (lambda: with_bias(Conv2d(1, 2, 2, stride=3, seed=1)), (2, 1, 6, 7), None),
    "Conv2d-depthwise": (
        lambda: with_bias(Conv2d(4, 4, 3, padding=1, groups=4, seed=1)),
        (2, 4, 4, 5),
        None,
    ),
    "Conv2d-sides": (
        lambda: with_bias(Conv2d(2, 2, 3, padding=((2, 0), (1, 3)), stride=(2, 1), seed=1)),
        (1, 2, 4, 3),
        None,
    ),
    "Conv2d-padding_beyond_kernel": (
        lambda: with_bias(Conv2d(1, 2, 2, stride=(1, 3), padding=3, seed=1)),
        (1, 1, 3, 4),
        None,
    ),
    "Conv2d-no_bias": (lambda: Conv2d(2, 2, 2, bias=False, seed=1), (2, 2, 3, 3), None),
}

CASES = [
    *grid(),
    *(
        Case(name, build, shape, reference=convolution, bad_shape=bad_shape)
        for name, (build, shape, bad_shape) in CORNERS.items()
    ),
    Case(
        "ConvTranspose2d",
        lambda: with_bias(ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, seed=1)),
        (2, 3, 3, 4),
        reference=transposed,
        bad_shape=(2, 2, 3, 4),
    ),
    Case(
        "ConvTranspose2d-depthwise",
        lambda: ConvTranspose2d(3, 3, 2, stride=(1, 2), groups=3, bias=False, seed=1),
        (1, 3, 2, 2),
        reference=transposed,
    ),
    Case(
        "ConvTranspose2d-sides",
        lambda: with_bias(
            ConvTranspose2d(
                2, 3, (3, 1), stride=(2, 3), padding=((1, 0), (0, 2)), output_padding=(0, 2), seed=1
            )
        ),
        (1, 2, 3, 2),
        reference=transposed,
    ),
    Case(
        "ConvTranspose1d",
        lambda: with_bias(ConvTranspose1d(3, 2, 3, stride=2, padding=1, output_padding=1, seed=1)),
        (2, 3, 4),
        reference=transposed_sequence,
        bad_shape=(2, 2, 4),
    ),
    Case(
        "ConvTranspose1d-sides",
        lambda: with_bias(ConvTranspose1d(4, 6, 3, padding=(2, 0), dilation=2, groups=2, seed=1)),
        (2, 4, 3),
        reference=transposed_sequence,
    ),
    Case(
        "ConvTranspose1d-one_number",
        lambda: ConvTranspose1d(1, 1, 2, bias=False, seed=1),
        (1, 1, 1),
        reference=transposed_sequence,
    ),
    Case(
        "Conv1d-depthwise",
        lambda: Conv1d(3, 3, 2, groups=3, bias=False, seed=1),
        (2, 3, 5),
        reference=sequence,
        bad_shape=(2, 3, 1),
    ),
]
