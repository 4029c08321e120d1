"""Augmentation: each function against its description, image by image."""

import numpy as np
import pytest

from chainrule import ConfigurationError, ShapeError
from chainrule.data.augmentation import crop, cutout, horizontal_flip, shift

IMAGES = np.arange(1, 1 + 200 * 2 * 5 * 6, dtype=np.float32).reshape(200, 2, 5, 6)

FUNCTIONS = {
    "shift": lambda x, rng: shift(x, rng, pixels=2, fill=255.0),
    "crop": lambda x, rng: crop(x, rng, 3, 4),
    "horizontal_flip": horizontal_flip,
    "cutout": lambda x, rng: cutout(x, rng, size=3, fill=255.0),
}
each = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def rng(seed=0):
    return np.random.default_rng(seed)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_the_batch_is_left_alone_the_type_kept_and_the_generator_decides(function, dtype):
    x = (IMAGES % 250).astype(dtype)
    x.flags.writeable = False
    before = x.copy()
    first, second, other = (function(x, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(x, before)
    assert first.dtype == dtype
    assert len(first) == 200


@each
def test_only_batches_of_images_are_taken(function):
    with pytest.raises(ShapeError, match=r"expected a batch of images.*\(3, 4\)"):
        function(np.ones((3, 4)), rng())


def test_shift_moves_by_every_offset_and_fills_the_border():
    moved = shift(IMAGES, rng(), pixels=2, fill=-1.0)
    seen = set()
    for before, after in zip(IMAGES, moved, strict=True):
        matches = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = np.full_like(before, -1)
                for row in range(5):
                    for column in range(6):
                        if 0 <= row - down < 5 and 0 <= column - right < 6:
                            expected[:, row, column] = before[:, row - down, column - right]
                if np.array_equal(after, expected):
                    matches.append((down, right))
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) == 25
    np.testing.assert_array_equal(shift(IMAGES, rng(), pixels=0), IMAGES)


def test_crop_takes_every_place():
    pieces = crop(IMAGES, rng(), 3, 4)
    assert pieces.shape == (200, 2, 3, 4)
    seen = set()
    for before, after in zip(IMAGES, pieces, strict=True):
        places = [
            (top, left)
            for top in range(3)
            for left in range(3)
            if np.array_equal(after, before[:, top : top + 3, left : left + 4])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9
    np.testing.assert_array_equal(crop(IMAGES, rng(), 5, 6), IMAGES)


def test_horizontal_flip_mirrors_about_the_share_it_should():
    flipped = horizontal_flip(IMAGES, rng(), p=0.3)
    count = 0
    for before, after in zip(IMAGES, flipped, strict=True):
        mirrored = np.array_equal(after, before[:, :, ::-1])
        assert mirrored or np.array_equal(after, before)
        count += mirrored
    assert 35 < count < 85  # 60 ± 4 standard deviations
    np.testing.assert_array_equal(horizontal_flip(IMAGES, rng(), p=0), IMAGES)
    np.testing.assert_array_equal(horizontal_flip(IMAGES, rng(), p=1), IMAGES[..., ::-1])


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_cutout_blanks_a_square_in_all_channels(size):
    result = cutout(IMAGES, rng(), size=size, fill=-1.0)
    places = set()
    for before, after in zip(IMAGES, result, strict=True):
        blank = (after == -1).all(axis=0)
        np.testing.assert_array_equal(after[:, ~blank], before[:, ~blank])
        rows, columns = np.flatnonzero(blank.any(axis=1)), np.flatnonzero(blank.any(axis=0))
        assert blank.sum() == len(rows) * len(columns) >= 1, "a rectangle"
        assert len(rows) <= size
        assert len(columns) <= size
        places.add((rows[0], columns[0]))
    assert len(places) == {1: 30, 2: 20, 3: 20, 20: 1}[size]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shift(IMAGES, rng(), pixels=5), "pixels must be a whole number from 0 to 4"),
        (lambda: shift(IMAGES, rng(), pixels=-1), "pixels must be"),
        (lambda: shift(IMAGES, rng(), pixels=1.5), "pixels must be"),
        (lambda: crop(IMAGES, rng(), 6, 6), "height must be a whole number from 1 to 5, got 6"),
        (lambda: crop(IMAGES, rng(), 0, 6), "height must be a whole number from 1 to 5, got 0"),
        (lambda: horizontal_flip(IMAGES, rng(), p=2), "0 <= p <= 1, got 2"),
        (lambda: cutout(IMAGES, rng(), size=0), "size must be"),
    ],
)
def test_options_that_make_no_sense(call, message):
    with pytest.raises(ConfigurationError, match=message):
        call()
