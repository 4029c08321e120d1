"""A classifier's worst mistakes, as pictures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_numbers, check_whole
from chainrule.errors import InputError
from chainrule.metrics.inputs import true_classes
from chainrule.parameter import Array
from chainrule.plots.figures import new_panels
from chainrule.plots.inputs import check_class_names


def worst_mistakes(y_true: ArrayLike, y_proba: ArrayLike, *, count: int = 25) -> Array:
    """Return the rows of the most confident wrong predictions, the worst first.

    Mistakes are ranked by -log p, where p is the probability of the true class: the sample's part
    of the cross-entropy. A correct prediction is no mistake, however unsure, so there may be fewer
    than `count`.

    Parameters
    ----------
    y_true : array_like
        The true classes (N,).
    y_proba : array_like
        Their probabilities (N, C): the output of a network that ends in Softmax.
    count : int
        How many rows to return, at most.

    Raises
    ------
    InputError
        There is not one row of probabilities for each label.

    Examples
    --------
    >>> from chainrule.plots import worst_mistakes
    >>> worst_mistakes([0, 1, 0], [[0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
    array([2, 0])
    """
    count = check_whole("count", count)
    true, p = true_classes(y_true), check_numbers("y_proba", y_proba)
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
    y_proba: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    count: int = 25,
) -> Any:
    """Plot the images of the most confident wrong predictions; see `worst_mistakes`.

    Above each are the predicted class with its probability, and the true class.

    Parameters
    ----------
    images : array_like
        (N, H, W), or (N, C, H, W) with one channel or three, in any range.
    y_true : array_like
        The true classes (N,).
    y_proba : array_like
        Their probabilities (N, C): the output of a network that ends in Softmax.
    class_names : sequence of str, optional
        The names of the classes; by default their numbers.
    count : int
        How many images to plot, at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError, ConfigurationError
        Images, labels, probabilities or names do not fit together.

    Examples
    --------
    >>> from chainrule.plots import plot_mistakes
    >>> figure = plot_mistakes(images, y, network.predict(images))  # doctest: +SKIP
    """
    true, p = true_classes(y_true), check_numbers("y_proba", y_proba)
    rows = worst_mistakes(true, p, count=count)
    pictures = [as_picture(image) for image in check_images(images, true)[rows]]
    names = check_class_names(class_names, p.shape[1])
    titles = [
        wrapped(f"predicted: {names[p[row].argmax()]} ({p[row].max():.0%})")
        + "\n"
        + wrapped(f"true: {names[true[row]]}")
        for row in rows
    ]
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    count = max(len(rows), 1)
    in_a_row = math.ceil(math.sqrt(count))
    figure, panels = new_panels("Drawing mistakes", count, 2.1, 1.8 + 0.15 * lines, in_a_row)
    for panel, picture, title in zip(panels, pictures, titles, strict=False):
        panel.imshow(picture, cmap="gray_r")
        panel.set_title(title, fontsize=8)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("0.8")
    if not len(rows):
        panels[0].axis("off")
        figure.suptitle("no mistakes")
    return figure


def wrapped(line: str) -> str:
    """Return a line broken into several, no wider than an image at 8 points."""
    return "\n".join(textwrap.wrap(line, 30))


def check_images(images: ArrayLike, labels: Array) -> Array:
    """Return the images as an array, one for each label; refuse anything else."""
    array = check_numbers(
        "images", images, finite=False, empty=True, advice="only images can be drawn"
    )
    if array.ndim not in (3, 4) or len(array) != len(labels):
        raise InputError(
            f"Expected {len(labels)} images (N, H, W) or (N, C, H, W), got {array.shape}."
        )
    if array.ndim == 4 and array.shape[1] not in (1, 3):
        raise InputError(f"Expected images of one channel or three, got {array.shape}.")
    return array


def as_picture(image: Array) -> Array:
    """Return one image as matplotlib draws it: (H, W), or (H, W, 3) scaled to 0 to 1."""
    image = check_numbers("one of the images to draw", image)
    if image.ndim == 2 or len(image) == 1:
        return image.reshape(image.shape[-2:])
    low, high = image.min(), image.max()
    return (image.transpose(1, 2, 0) - low) / max(high - low, 1e-12)
