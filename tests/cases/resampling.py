"""Layers that change the size of images: where each number comes from."""

import math

import numpy as np

from cases import Case
from chainrule.layers import PixelShuffle, PixelUnshuffle, Upsample


def between(row, position):
    """Return the number at a position between the middles of two pixels, or at the edge."""
    position = min(max(position, 0), len(row) - 1)
    left = math.floor(position)
    right = min(left + 1, len(row) - 1)
    return row[left] + (position - left) * (row[right] - row[left])


def upsampled(module, x, training):
    y = x
    for axis in range(2, x.ndim):
        scale = module.scale_factor
        scale = scale if isinstance(scale, int) else scale[axis - 2]

        def longer(row, scale=scale):
            if module.mode == "nearest":
                return [row[i // scale] for i in range(len(row) * scale)]
            places = ((i + 0.5) / scale - 0.5 for i in range(len(row) * scale))
            return [between(row, place) for place in places]

        y = np.apply_along_axis(longer, axis, y)
    return y


def shuffled(module, x, training):
    r = module.upscale_factor
    y = np.zeros((len(x), x.shape[1] // r**2, x.shape[2] * r, x.shape[3] * r))
    for n, c, row, column in np.ndindex(y.shape):
        channel = c * r**2 + row % r * r + column % r
        y[n, c, row, column] = x[n, channel, row // r, column // r]
    return y


def unshuffled(module, x, training):
    r = module.downscale_factor
    y = np.zeros((len(x), x.shape[1] * r**2, x.shape[2] // r, x.shape[3] // r))
    for n, c, row, column in np.ndindex(x.shape):
        channel = c * r**2 + row % r * r + column % r
        y[n, channel, row // r, column // r] = x[n, c, row, column]
    return y


CASES = [
    *(
        Case(f"Upsample-{mode}{variant}", build, shape, reference=upsampled, bad_shape=bad_shape)
        for mode in ("nearest", "linear")
        for variant, build, shape, bad_shape in (
            ("", lambda mode=mode: Upsample(2, mode=mode), (2, 3, 4, 5), (2, 3)),
            ("_sides", lambda mode=mode: Upsample((1, 3), mode=mode), (2, 1, 2, 4), (2, 1, 4)),
            ("_sequence", lambda mode=mode: Upsample([4], mode=mode), (2, 3, 4), (2, 3, 4, 5)),
            ("_one", lambda mode=mode: Upsample(5, mode=mode), (1, 1, 1, 1), (1, 1, 0)),
        )
    ),
    Case(
        "PixelShuffle",
        lambda: PixelShuffle(2),
        (2, 12, 3, 2),
        reference=shuffled,
        bad_shape=(2, 6, 3, 2),
    ),
    Case("PixelShuffle-one", lambda: PixelShuffle(1), (1, 1, 1, 1), reference=shuffled),
    Case(
        "PixelUnshuffle",
        lambda: PixelUnshuffle(3),
        (2, 2, 6, 3),
        reference=unshuffled,
        bad_shape=(2, 2, 6, 4),
    ),
    Case("PixelUnshuffle-one", lambda: PixelUnshuffle(1), (1, 1, 1, 1), reference=unshuffled),
]
