"""Pictures of a classifier's mistakes: which classes it confuses, and the worst single cases.

Learning curves are `History.plot`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_whole
from chainrule.errors import InputError
from chainrule.metrics import accuracy, class_indices, confusion_matrix
from chainrule.parameter import Array
from chainrule.plots.figures import new_figure


def plot_confusion(
    y_true: ArrayLike, y_pred: ArrayLike, *, class_names: Sequence[str] | None = None
) -> Any:
    """Draw how often each class (a row) is taken for each other one (a column).

    The colour is the share of the row, so that rare classes are seen as well as common ones; the
    numbers are counts. A perfect classifier has all of them on the diagonal.

    Parameters
    ----------
    y_true, y_pred : array_like
        Classes as indices (N,), or as rows of scores (N, C), where the largest counts.
    class_names : sequence of str, optional
        What to call the classes; otherwise their numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = confusion_matrix(
        y_true, y_pred, classes=None if class_names is None else len(class_names)
    )
    names = class_names or [str(number) for number in range(len(counts))]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure("Drawing a confusion matrix", 2.2 + 0.62 * len(names))
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*counts.nonzero(), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        count = f"{counts[row, column]}"
        panel.text(column, row, count, ha="center", va="center", color=colour, fontsize=9)
    places = range(len(names))
    panel.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(places, names)
    panel.set(xlabel="taken for", ylabel="is", title=f"accuracy {accuracy(y_true, y_pred):.4f}")
    return figure


def worst_mistakes(y_true: ArrayLike, probabilities: ArrayLike, *, count: int = 25) -> Array:
    """Return the rows of the samples that were wrong with the most certainty, the worst first.

    How wrong is told by -log p, for the probability p that the true class was given: the sample's
    part of the cross-entropy. Samples that were right are no mistakes, however unsure. So there
    may be fewer than `count`.
    """
    count = check_whole("count", count)
    true, p = class_indices(y_true), check_array("probabilities", probabilities)
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

    Above each stands what it was taken for, with that probability, and what it is.

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
    true, p = class_indices(y_true), check_array("probabilities", probabilities)
    rows = worst_mistakes(true, p, count=count)
    pictures = [as_picture(image) for image in same_length(images, true)[rows]]
    names = class_names or [str(number) for number in range(p.shape[1])]
    wide = max(math.ceil(math.sqrt(len(rows))), 1)
    high = max(math.ceil(len(rows) / wide), 1)
    figure = new_figure("Drawing mistakes", 1.9 * wide, 2.1 * high)
    panels = figure.subplots(high, wide, squeeze=False).ravel()
    for panel in panels:
        panel.axis("off")
    for panel, row, picture in zip(panels, rows, pictures, strict=False):
        taken = p[row].argmax()
        panel.imshow(picture, cmap="gray_r")
        title = f"{names[taken]} {p[row, taken]:.0%}\nis: {names[true[row]]}"
        panel.set_title(title, fontsize=8)
    if not len(rows):
        figure.suptitle("no mistakes")
    return figure


def same_length(images: ArrayLike, labels: Array) -> Array:
    """Return the images as an array; raise InputError unless there is one for each label."""
    array = check_array("images", images)
    if array.ndim not in (3, 4) or len(array) != len(labels):
        raise InputError(
            f"Expected {len(labels)} images (N, H, W) or (N, C, H, W), got {array.shape}."
        )
    if array.ndim == 4 and array.shape[1] not in (1, 3):
        raise InputError(f"Expected images of one channel or three, got {array.shape}.")
    return array


def as_picture(image: Array) -> Array:
    """Return one image as matplotlib draws it: (H, W), or (H, W, 3) from 0 to 1."""
    if image.ndim == 2 or len(image) == 1:
        return image.reshape(image.shape[-2:])
    low, high = image.min(), image.max()
    return (image.transpose(1, 2, 0) - low) / max(high - low, 1e-12)
