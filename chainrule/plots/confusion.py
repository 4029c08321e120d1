"""The confusion matrix: which classes a classifier confuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.metrics import accuracy, confusion_matrix
from chainrule.parameter import Array
from chainrule.plots.figures import new_panels, resize_to_fit
from chainrule.plots.inputs import check_class_names

CELL, SMALLEST, LARGEST = 0.45, 2.4, 16.0
"""Inches: the size of a cell, and the limits for a whole matrix."""

ROOM_FOR_A_COUNT = 0.25
"""Inches that a cell needs to have its count written in it."""


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    sample_weight: ArrayLike | None = None,
) -> Any:
    """Plot the confusion matrix: a row for each true class, a column for each predicted one.

    The color is the share of the row, so that rare classes are as visible as common ones; the
    numbers are counts, left out where they are zero. A perfect classifier has all of them on the
    diagonal. The figure grows with the number of classes and with their names, so that a cell
    keeps its size.

    Parameters
    ----------
    y_true, y_pred : array_like
        Classes as indices (N,), or as rows of scores (N, C), of which the largest counts.
    class_names : sequence of str, optional
        The names of the classes; by default their numbers.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts; the numbers are then sums of weights.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError, ConfigurationError
        The classes or their names do not fit together.

    Examples
    --------
    >>> from chainrule.plots import plot_confusion
    >>> figure = plot_confusion([0, 1, 1, 0], [0, 1, 0, 0], class_names=["cat", "dog"])
    >>> figure.savefig("confusion.png")  # doctest: +SKIP
    """
    classes = None if class_names is None else max(len(class_names), 1)
    weight: Any = {} if sample_weight is None else {"sample_weight": sample_weight}
    counts = confusion_matrix(y_true, y_pred, classes=classes, **weight)
    names = check_class_names(class_names, len(counts))
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(total > 0, total, 1)
    size = min(max(CELL * len(names), SMALLEST), LARGEST)
    cell = size / len(names)
    figure, [panel] = new_panels("Drawing a confusion matrix", 1, size + 2, size + 2)
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    _name_ticks(panel, names, cell)
    title = f"accuracy {accuracy(y_true, y_pred, **weight):.4f}"
    panel.set(xlabel="predicted", ylabel="true", title=title)
    beside = panel.inset_axes((1 + 0.12 / size, 0.0, 0.18 / size, 1.0))  # as high as the matrix
    figure.colorbar(image, cax=beside, label="share of the true class")
    resize_to_fit(figure, panel, size, size)
    if cell >= ROOM_FOR_A_COUNT:
        _write_counts(panel, counts, shares, cell)
    return figure


def _write_counts(panel: Any, counts: Array, shares: Array, cell: float) -> None:
    written = np.vectorize("{:.6g}".format if counts.dtype.kind == "f" else str)(counts)
    digits = max(map(len, written.flat))
    points = min(9.0, 72 * 0.9 * cell / (0.62 * max(digits, 2)))  # a digit is 0.62 points wide
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if shares[row, column] > 0.5 else "black"
        count = str(written[row, column])
        text = panel.text(column, row, count, ha="center", va="center", color=color)
        text.set(fontsize=points, in_layout=False)  # it needs no room outside the cell


def _name_ticks(panel: Any, names: Sequence[str], cell: float) -> None:
    """Write the classes' names; if there are very many, only every second, third ... one."""
    points = min(10.0, max(6.0, 72 * 0.7 * cell))
    every = int(np.ceil(1.5 * points / 72 / cell))  # rotated by 45° it is √2 times as wide
    places = range(0, len(names), every)
    shown = [names[place] for place in places]
    short = max(map(len, shown)) <= 2
    rotated = {} if short else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    panel.set_xticks(places, shown, fontsize=points, **rotated)
    panel.set_yticks(places, shown, fontsize=points)
