"""Random changes of images: more training data for free.

Each function takes a batch (N, C, H, W) and the trainer's random generator, draws anew for every
image, and returns a new batch; the given one is not changed. `Trainer.fit` takes any such
function, alone or composed::

    def augment(x, rng):
        return cutout(horizontal_flip(shift(x, rng, pixels=2), rng), rng, size=8)

    trainer.fit(X, y, augment=augment)
"""

from __future__ import annotations

import numpy as np

from chainrule.checks import check_number, check_range, check_whole
from chainrule.errors import ShapeError
from chainrule.parameter import Array

__all__ = ["crop", "cutout", "horizontal_flip", "shift"]


def shift(x: Array, rng: np.random.Generator, pixels: int = 2, *, fill: float = 0.0) -> Array:
    """Move every image by up to `pixels` up or down and left or right.

    The same as padding by that many pixels on all sides, and a `crop` back to the size.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    rng : Generator
        What draws.
    pixels : int
        The largest distance.
    fill : float
        The value of pixels from outside the image.

    Returns
    -------
    ndarray, shape (N, C, H, W)

    Examples
    --------
    >>> x = np.ones((2, 1, 4, 4))
    >>> shift(x, np.random.default_rng(0), pixels=1).shape
    (2, 1, 4, 4)
    """
    height, width = _image_size(x)
    pixels = check_whole("pixels", pixels, least=0, most=min(height, width) - 1)
    fill = check_number("fill", fill)
    border = ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels))
    return crop(np.pad(x, border, constant_values=fill), rng, height, width)


def crop(x: Array, rng: np.random.Generator, height: int, width: int) -> Array:
    """Crop a piece (height, width) from every image, at a random place.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    rng : Generator
        What draws.
    height, width : int
        The size of the piece.

    Returns
    -------
    ndarray, shape (N, C, height, width)

    Examples
    --------
    >>> crop(np.ones((2, 1, 4, 4)), np.random.default_rng(0), 3, 2).shape
    (2, 1, 3, 2)
    """
    full_height, full_width = _image_size(x)
    height = check_whole("height", height, most=full_height)
    width = check_whole("width", width, most=full_width)
    count = len(x)
    top = rng.integers(0, full_height - height + 1, count)
    left = rng.integers(0, full_width - width + 1, count)
    # (N, C, places down, places right, height, width): every piece there is, as a view
    pieces = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
    return pieces[np.arange(count), :, top, left]  # (N, C, height, width)


def horizontal_flip(x: Array, rng: np.random.Generator, p: float = 0.5) -> Array:
    """Flip each image left to right with probability `p`.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    rng : Generator
        What draws.
    p : float
        The probability.

    Returns
    -------
    ndarray, shape (N, C, H, W)

    Examples
    --------
    >>> horizontal_flip(np.arange(4.0).reshape(1, 1, 2, 2), np.random.default_rng(0), p=1.0)
    array([[[[1., 0.],
             [3., 2.]]]])
    """
    _image_size(x)
    p = check_range("p", p, high=1, high_inclusive=True)
    mirrored = rng.random(len(x)) < p
    return np.where(mirrored[:, None, None, None], x[..., ::-1], x)


def cutout(x: Array, rng: np.random.Generator, size: int = 8, *, fill: float = 0.0) -> Array:
    """Mask out a square of up to `size` × `size` pixels at a random place of every image.

    The center is anywhere in the image, so near the border a part of the square is outside.
    DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    rng : Generator
        What draws.
    size : int
        The side of the square.
    fill : float
        The value of the masked pixels.

    Returns
    -------
    ndarray, shape (N, C, H, W)

    Examples
    --------
    >>> cutout(np.ones((1, 1, 4, 4)), np.random.default_rng(0), size=2).sum() < 16
    np.True_
    """
    height, width = _image_size(x)
    size = check_whole("size", size)
    fill = check_number("fill", fill)
    down = _within(rng.integers(0, height, len(x)), size, height)  # (N, H)
    right = _within(rng.integers(0, width, len(x)), size, width)  # (N, W)
    blank = down[:, None, :, None] & right[:, None, None, :]  # (N, 1, H, W)
    return np.where(blank, x.dtype.type(fill), x)


def _within(middle: Array, size: int, length: int) -> Array:
    """Return, for each center, which of the places 0 ... length - 1 the square covers."""
    first = middle[:, None] - size // 2
    place = np.arange(length)
    return (place >= first) & (place < first + size)


def _image_size(x: Array) -> tuple[int, int]:
    """Return (height, width); raise ShapeError unless `x` is a batch of images."""
    if x.ndim != 4:
        raise ShapeError(
            f"expected a batch of images (N, C, H, W), got an input of shape {x.shape}."
        )
    return x.shape[2], x.shape[3]
