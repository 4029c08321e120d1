"""Pictures of a classifier's mistakes: the worst single cases."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_numbers, check_whole
from chainrule.errors import InputError
from chainrule.metrics import class_indices
from chainrule.parameter import Array
from chainrule.plots.figures import new_figure
from chainrule.plots.inputs import class_labels, finite_numbers


def worst_mistakes(y_true: ArrayLike, probabilities: ArrayLike, *, count: int = 25) -> Array:
    """Return the rows of the samples that were wrong with the most certainty, the worst first.

    How wrong is told by -log p, for the probability p that the true class was given: the sample's
    part of the cross-entropy. Samples that were right are no mistakes, however unsure. So there
    may be fewer than `count`.
    """
    count = check_whole("count", count)
    true, p = class_indices(y_true), finite_numbers("probabilities", probabilities)
    if p.ndim != 2 or len(p) != len(true) or not 0 <= true.min() <= true.max() < p.shape[1]:
        raise InputError(
            f"Expected a row of probabilities (N, C) for each of the {len(true)} labels, got an "
            f"array of shape {p.shape} and labels from {true.min()} to {true.max()}."
        )
    wrong = np.flatnonzero(p.argmax(axis=1) != true)
    return wrong[np.argsort(p[wrong, true[wrong]], kind="stable")][:count]


def plot_mistakes(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    count: int = 25,
) -> Any:
    """Draw the pictures that were wrong with the most certainty; see `worst_mistakes`.

    Above each stands what was predicted, with that probability, and what is true.

    Parameters
    ----------
    images : array_like
        (N, H, W), or (N, C, H, W) with one channel or three, in any range.
    y_true : array_like
        The true classes (N,).
    probabilities : array_like
        (N, C); the output of a network that ends in Softmax.
    class_names : sequence of str, optional
        What to call the classes; otherwise their numbers.
    count : int
        How many to draw, at most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    true, p = class_indices(y_true), finite_numbers("probabilities", probabilities)
    rows = worst_mistakes(true, p, count=count)
    pictures = [as_picture(image) for image in same_length(images, true)[rows]]
    names = class_labels(class_names, p.shape[1])
    titles = [
        wrapped(f"predicted: {names[p[row].argmax()]} ({p[row].max():.0%})")
        + "\n"
        + wrapped(f"true: {names[true[row]]}")
        for row in rows
    ]
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    wide = max(math.ceil(math.sqrt(len(rows))), 1)
    high = max(math.ceil(len(rows) / wide), 1)
    figure = new_figure("Drawing mistakes", 2.1 * wide, (1.8 + 0.15 * lines) * high)
    panels = figure.subplots(high, wide, squeeze=False).ravel()
    for panel in panels[len(rows) :]:
        panel.axis("off")
    for panel, picture, title in zip(panels, pictures, titles, strict=False):
        panel.imshow(picture, cmap="gray_r")
        panel.set_title(title, fontsize=8)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("0.8")
    if not len(rows):
        figure.suptitle("no mistakes")
    return figure


def wrapped(line: str) -> str:
    """Return a line in several, so that it is no wider than a picture is at 8 points."""
    return "\n".join(textwrap.wrap(line, 30))


def same_length(images: ArrayLike, labels: Array) -> Array:
    """Return the images as an array; raise InputError unless there is one for each label."""
    array = check_numbers(
        "images", images, finite=False, empty=True, advice="pictures are what is drawn"
    )
    if array.ndim not in (3, 4) or len(array) != len(labels):
        raise InputError(
            f"Expected {len(labels)} images (N, H, W) or (N, C, H, W), got {array.shape}."
        )
    if array.ndim == 4 and array.shape[1] not in (1, 3):
        raise InputError(f"Expected images of one channel or three, got {array.shape}.")
    return array


def as_picture(image: Array) -> Array:
    """Return one image as matplotlib draws it: (H, W), or (H, W, 3) from 0 to 1."""
    image = finite_numbers("one of the images to draw", image)
    if image.ndim == 2 or len(image) == 1:
        return image.reshape(image.shape[-2:])
    low, high = image.min(), image.max()
    return (image.transpose(1, 2, 0) - low) / max(high - low, 1e-12)
