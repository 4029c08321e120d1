"""The pictures of a report, each a figure of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.command.learning import Trained
from chainrule.command.report import by_importance, short
from chainrule.command.schema import ColumnInfo
from chainrule.plots import plot_confusion
from chainrule.plots.figures import new_figure

BLUE, GREY, ORANGE = "#2f6db3", "0.6", "#d9822b"
MOST_BARS = 20
MOST_POINTS = 5000
MOST_CLASSES = 30


def figures_of(trained: Trained) -> dict[str, Any]:
    """Return the figures of a report by their titles."""
    schema = trained.schema
    figures = {}
    if schema.task == "classification":
        if len(schema.classes) <= MOST_CLASSES:
            known = trained.true >= 0
            figures["Which class is taken for which"] = plot_confusion(
                trained.true[known],
                trained.outputs[known],
                class_names=[short(label) for label in schema.classes],
            )
        figures["Are predictions as sure as they are right?"] = plot_reliability(
            trained.reliability
        )
    else:
        figures["Predicted and true"] = plot_predicted(trained)
    if by_importance(schema.columns):
        figures["Which columns matter"] = plot_importance(schema.columns, schema.task)
    figures["The loss while training"] = plot_curves(trained.curves)
    return figures


def plot_importance(columns: Sequence[ColumnInfo], task: str) -> Any:
    """Draw by how much the score falls where a column is shuffled, the most important on top."""
    ranked = by_importance(columns)[:MOST_BARS][::-1]
    values = [column.importance or 0 for column in ranked]
    figure = new_figure("Drawing importance", 5.6, 1.0 + 0.28 * len(ranked))
    panel = _plain(figure)
    panel.barh([short(column.name, 30) for column in ranked], values, color=BLUE, height=0.7)
    panel.axvline(0, color="0.3", linewidth=0.8)
    score = "accuracy" if task == "classification" else "R²"
    panel.set(xlabel=f"{score} lost where the column is shuffled")
    return figure


def plot_reliability(tenths: Sequence[dict[str, float]]) -> Any:
    """Draw the share of right predictions over their sureness; dots are larger for more rows."""
    figure = new_figure("Drawing calibration", 4.6, 4.4)
    panel = _plain(figure)
    sure, right = [t["sure"] for t in tenths], [t["right"] for t in tenths]
    rows = np.array([t["rows"] for t in tenths])
    panel.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    panel.plot(sure, right, color=BLUE, linewidth=1)
    panel.scatter(sure, right, s=20 + 180 * rows / rows.max(), color=BLUE, zorder=3)
    panel.set(xlabel="mean probability of the predicted class", ylabel="share that is right")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
    panel.legend(frameon=False, loc="upper left")
    return figure


def plot_predicted(trained: Trained) -> Any:
    """Draw each held-out row's prediction over its true value, and the interval around them."""
    schema, true, predicted = trained.schema, trained.true, trained.outputs[:, 0]
    figure = new_figure("Drawing predictions", 4.8, 4.6)
    panel = _plain(figure)
    low = float(min(true.min(), predicted.min()))
    high = float(max(true.max(), predicted.max()))
    ends = np.array([low, high])
    width = schema.half_widths.get("90")
    if width is not None:
        panel.fill_between(
            ends, ends - width, ends + width, color=ORANGE, alpha=0.15, label="90 % interval"
        )
    panel.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="perfect")
    some = slice(None, None, max(1, len(true) // MOST_POINTS))
    panel.scatter(true[some], predicted[some], s=14, color=BLUE, alpha=0.6, linewidths=0)
    unit = f" ({schema.target_unit})" if schema.target_unit else ""
    name = short(schema.target, 30)
    named = name if schema.target_unit and schema.target_unit in schema.target else name + unit
    panel.set(xlabel=f"true {named}", ylabel=f"predicted {named}")
    panel.legend(frameon=False, loc="upper left")
    return figure


def plot_curves(curves: dict[str, list[float]]) -> Any:
    """Draw the loss of each epoch, a mean over the networks that still learned."""
    figure = new_figure("Drawing learning curves", 5.6, 3.4)
    panel = _plain(figure)
    for (name, curve), colour in zip(curves.items(), (GREY, BLUE), strict=False):
        panel.plot(range(1, len(curve) + 1), curve, color=colour, label=name)
    panel.set(xlabel="epoch", ylabel="loss")
    panel.legend(frameon=False)
    return figure


def _plain(figure: Any) -> Any:
    """Return a panel without lines where none are needed."""
    panel = figure.subplots()
    panel.spines[["top", "right"]].set_visible(False)
    return panel
