"""Learning curves: the loss and every metric over the epochs, for `History.plot`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.plots.figures import new_panels

LOGARITHMIC_FROM = 100.0
"""A loss whose largest value is this many times its smallest has a logarithmic axis."""

Curves = Mapping[str, Sequence[float]]


def draw_learning_curves(
    metrics: Mapping[str, Curves], losses: Collection[str], marks: Mapping[int, str]
) -> Any:
    """Plot each metric in a panel of its own.

    Parameters
    ----------
    metrics : mapping of str to mapping of str to sequence of float
        The curves of each metric by name, such as ``"training"``: a number for each epoch.
    losses : collection of str
        The metrics that are losses: one that spans decades has a logarithmic axis.
    marks : mapping of int to str
        Epochs, counted from 0, to mark in every panel, with their text in the legend.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_panels("Drawing a history", len(metrics), 5.2, 4.2)
    for (name, curves), panel in zip(metrics.items(), panels, strict=True):
        for label, values in curves.items():
            marker = "o" if len(values) < 30 else ""
            panel.plot(range(1, len(values) + 1), values, marker=marker, markersize=3, label=label)
        for (epoch, label), style in zip(marks.items(), (":", "--"), strict=False):
            panel.axvline(epoch + 1, color="0.5", linestyle=style, label=label, zorder=1)
        panel.set(xlabel="epoch", ylabel=name, title=name)
        if name in losses and spans_decades(curves):
            panel.set(yscale="log", ylabel=f"{name} (logarithmic)")
        panel.locator_params(axis="x", integer=True)
        panel.grid(alpha=0.3)
    _draw_legend(figure, {line.get_label(): line for panel in panels for line in panel.lines})
    return figure


def _draw_legend(figure: Any, lines: Mapping[str, Any]) -> None:
    """Draw one legend for all panels below them, in as many columns as fit."""
    for columns in range(len(lines), 0, -1):
        legend = figure.legend(
            lines.values(), lines, loc="outside lower center", ncols=columns, frameon=False
        )
        if legend.get_window_extent().width < figure.bbox.width or columns == 1:
            return
        legend.remove()


def spans_decades(curves: Curves, factor: float = LOGARITHMIC_FROM) -> bool:
    """Whether all numbers are positive, and the largest is at least `factor` times the smallest."""
    numbers = np.concatenate([np.ones(0), *curves.values()])
    numbers = numbers[np.isfinite(numbers)]
    return numbers.size > 0 and 0 < factor * numbers.min() <= numbers.max()
