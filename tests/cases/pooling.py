"""Pooling, each against loops over windows and their elements."""

import itertools
import math

import numpy as np

from cases import Case
from chainrule.layers import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
)


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padding_of(module, length, axis, size, stride, effective_size):
    """Return the padding before and after, along one axis of the two."""
    if module.padding == "same":
        total = max((-(-length // stride) - 1) * stride + effective_size - length, 0)
        return total // 2, total - total // 2
    return pair(pair(module.padding)[axis])


def count_of_outputs(module, length, before, after, stride, effective_size):
    """Return how many windows there are; with ceil_mode the last one may reach too far."""
    room = length + before + after - effective_size
    if not module.ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= length + before else count


def windows(module, x):
    """Yield (n, c, p, q, the pixels of the window, its elements on the image or the padding)."""
    size = pair(module.kernel_size)
    stride = size if module.stride is None else pair(module.stride)
    dilation = pair(getattr(module, "dilation", 1))
    output_size, starts, ends = [], [], []
    for axis in (0, 1):
        effective_size = dilation[axis] * (size[axis] - 1) + 1
        length = x.shape[2 + axis]
        before, after = padding_of(module, length, axis, size[axis], stride[axis], effective_size)
        output_size.append(
            count_of_outputs(module, length, before, after, stride[axis], effective_size)
        )
        starts.append(before)
        ends.append(length + after)
    for n, c, p, q in itertools.product(range(len(x)), range(x.shape[1]), *map(range, output_size)):
        rows = [p * stride[0] + i * dilation[0] - starts[0] for i in range(size[0])]
        columns = [q * stride[1] + j * dilation[1] - starts[1] for j in range(size[1])]
        pixels = [
            x[n, c, row, column]
            for row in rows
            for column in columns
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]
        ]
        elements = sum(row < ends[0] for row in rows) * sum(column < ends[1] for column in columns)
        yield (n, c, p, q), pixels, elements


def pooled(module, x, one):
    found = {place: one(pixels, elements) for place, pixels, elements in windows(module, x)}
    y = np.zeros(np.array(list(found)).max(axis=0) + 1)
    for place, value in found.items():
        y[place] = value
    return y


def largest(module, x, training):
    return pooled(module, x, lambda pixels, elements: max(pixels))


def mean(module, x, training):
    count = module.count_include_pad
    return pooled(module, x, lambda pixels, n: sum(pixels) / (n if count else len(pixels)))


def as_two(module_2d):
    """Return a reference for the module of one axis: the other axis is 1 long."""

    def reference(module, x, training):
        twin, one = module_2d(module)
        return one(twin, x[:, :, np.newaxis], training)[:, :, 0]

    return reference


def across(value):
    """Return a size along the one axis as (1, size)."""
    return value if value is None else (1, value)


def padding_across(padding):
    return padding if padding == "same" else ((0, 0), pair(padding))


max_1d = as_two(
    lambda m: (
        MaxPool2d(
            across(m.kernel_size),
            across(m.stride),
            padding=padding_across(m.padding),
            dilation=across(m.dilation),
            ceil_mode=m.ceil_mode,
        ),
        largest,
    )
)
average_1d = as_two(
    lambda m: (
        AvgPool2d(
            across(m.kernel_size),
            across(m.stride),
            padding=padding_across(m.padding),
            ceil_mode=m.ceil_mode,
            count_include_pad=m.count_include_pad,
        ),
        mean,
    )
)


def negative(rng):
    return -1 - rng.random((2, 3, 5, 6))


def ties(rng):
    return rng.integers(0, 3, (2, 2, 6, 6)).astype(float)


def adaptive(one):
    """Return a reference: what `one` gives for the numbers of each bin."""

    def bin_of(place, length, count):
        return range(math.floor(place * length / count), math.ceil((place + 1) * length / count))

    def reference(module, x, training):
        images = x if x.ndim == 4 else x[:, :, np.newaxis]
        wanted = module.output_size if x.ndim == 4 else (None, module.output_size)
        wanted = wanted if isinstance(wanted, tuple) else (wanted, wanted)
        height, width = (
            images.shape[2 + axis] if size is None else size for axis, size in enumerate(wanted)
        )
        y = np.zeros((*x.shape[:2], height, width))
        for n, c, p, q in np.ndindex(y.shape):
            y[n, c, p, q] = one(
                [
                    images[n, c, row, column]
                    for row in bin_of(p, images.shape[2], height)
                    for column in bin_of(q, images.shape[3], width)
                ]
            )
        return y if x.ndim == 4 else y[:, :, 0]

    return reference


def adaptive_cases(kinds, one):
    """Return the cases of adaptive pooling for sequences and images."""
    of_sequences, of_images = kinds
    name_1d, name_2d = (kind.__name__ for kind in kinds)
    sizes = {"": 2, "-shapes": (3, 1), "-larger": (7, 8), "-kept": (None, 4), "-whole": 1}
    cases = [
        Case(
            f"{name_2d}{variant}",
            lambda size=size: of_images(size),
            (2, 3, 5, 6),
            reference=adaptive(one),
            bad_shape=(2, 3, 5),
        )
        for variant, size in sizes.items()
    ]
    lengths = {"": (3, 7), "-even": (3, 6), "-longer": (5, 3), "-one": (1, 1)}
    return cases + [
        Case(
            f"{name_1d}{variant}",
            lambda size=size: of_sequences(size),
            (2, 2, length),
            reference=adaptive(one),
            bad_shape=(2, 2, 0),
        )
        for variant, (size, length) in lengths.items()
    ]


MAX = {
    "MaxPool2d": lambda: MaxPool2d(2),
    "MaxPool2d-left_over": lambda: MaxPool2d(2, stride=3),
    "MaxPool2d-overlap": lambda: MaxPool2d(3, stride=2, padding=1),
    "MaxPool2d-sides": lambda: MaxPool2d((2, 3), stride=(1, 2), padding=((1, 0), (0, 2))),
    "MaxPool2d-dilated": lambda: MaxPool2d(2, stride=1, padding=1, dilation=(2, 3)),
    "MaxPool2d-same": lambda: MaxPool2d((3, 2), stride=2, padding="same"),
    "MaxPool2d-whole": lambda: MaxPool2d((5, 6)),
    "MaxPool2d-ceil": lambda: MaxPool2d(2, ceil_mode=True),
    "MaxPool2d-ceil_overlap": lambda: MaxPool2d(3, stride=(2, 3), padding=1, ceil_mode=True),
    "MaxPool2d-ceil_dilated": lambda: MaxPool2d(2, stride=2, dilation=(2, 1), ceil_mode=True),
    "MaxPool2d-ceil_larger_than_images": lambda: MaxPool2d(7, stride=7, ceil_mode=True),
}
MEAN = {
    "AvgPool2d": lambda: AvgPool2d(2),
    "AvgPool2d-left_over": lambda: AvgPool2d((2, 4), stride=(3, 1)),
    "AvgPool2d-padded": lambda: AvgPool2d(3, stride=2, padding=1),
    "AvgPool2d-not_counted": lambda: AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "AvgPool2d-sides": lambda: AvgPool2d(
        2, stride=1, padding=((1, 0), (0, 1)), count_include_pad=False
    ),
    "AvgPool2d-ceil": lambda: AvgPool2d(2, ceil_mode=True),
    "AvgPool2d-ceil_padded": lambda: AvgPool2d(3, stride=(2, 3), padding=1, ceil_mode=True),
    "AvgPool2d-ceil_not_counted": lambda: AvgPool2d(
        (3, 2), stride=3, padding=((1, 0), (1, 1)), ceil_mode=True, count_include_pad=False
    ),
    "AvgPool2d-ceil_same": lambda: AvgPool2d(3, stride=2, padding="same", ceil_mode=True),
    "AvgPool2d-same": lambda: AvgPool2d(3, stride=2, padding="same", count_include_pad=False),
}

CASES = [
    *adaptive_cases((AdaptiveAvgPool1d, AdaptiveAvgPool2d), lambda some: sum(some) / len(some)),
    *adaptive_cases((AdaptiveMaxPool1d, AdaptiveMaxPool2d), max),
    Case("AdaptiveMaxPool2d-ties", lambda: AdaptiveMaxPool2d(4), x=ties, reference=adaptive(max)),
    *(Case(name, build, (2, 3, 5, 6), reference=largest) for name, build in MAX.items()),
    *(Case(name, build, (2, 3, 5, 6), reference=mean) for name, build in MEAN.items()),
    Case(
        "MaxPool2d-refuses",
        lambda: MaxPool2d(3),
        (1, 1, 3, 3),
        reference=largest,
        bad_shape=(1, 1, 2, 3),
    ),
    Case("MaxPool2d-negative", lambda: MaxPool2d(3, 2, padding=1), x=negative, reference=largest),
    Case("MaxPool2d-ties", lambda: MaxPool2d(2), x=ties, reference=largest),
    Case("MaxPool2d-one_pixel", lambda: MaxPool2d(1), (1, 1, 1, 1), reference=largest),
    Case(
        "AvgPool2d-refuses", lambda: AvgPool2d(3), (1, 1, 3, 3), reference=mean, bad_shape=(1, 3, 3)
    ),
    Case("MaxPool1d", lambda: MaxPool1d(2), (2, 3, 7), reference=max_1d, bad_shape=(2, 3, 1)),
    Case(
        "MaxPool1d-sides",
        lambda: MaxPool1d(3, 2, padding=(1, 0), dilation=2),
        (2, 3, 8),
        reference=max_1d,
    ),
    Case("MaxPool1d-same", lambda: MaxPool1d(3, 2, padding="same"), (1, 1, 8), reference=max_1d),
    Case(
        "MaxPool1d-ceil",
        lambda: MaxPool1d(3, 2, padding=(1, 0), ceil_mode=True),
        (2, 3, 7),
        reference=max_1d,
    ),
    Case(
        "AvgPool1d-ceil",
        lambda: AvgPool1d(3, 2, padding=1, ceil_mode=True),
        (2, 3, 8),
        reference=average_1d,
    ),
    Case("AvgPool1d", lambda: AvgPool1d(2), (2, 3, 7), reference=average_1d, bad_shape=(2, 7)),
    Case(
        "AvgPool1d-not_counted",
        lambda: AvgPool1d(3, 1, padding=1, count_include_pad=False),
        (1, 2, 6),
        reference=average_1d,
    ),
    *(
        Case(f"{kind.__name__}{name}", kind, shape, reference=reference, bad_shape=(4, 3))
        for kind, reference in (
            (GlobalAvgPool, lambda m, x, t: [[c.sum() / c.size for c in image] for image in x]),
            (GlobalMaxPool, lambda m, x, t: [[max(c.ravel()) for c in image] for image in x]),
        )
        for name, shape in (("", (2, 3, 4, 5)), ("-sequence", (2, 3, 6)), ("-one", (1, 1, 1)))
    ),
]
