"""The pictures of a report, each a figure of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.command.intervals import COVERAGE
from chainrule.command.learning import Trained
from chainrule.command.schema import ColumnInfo
from chainrule.command.scores import known_rows
from chainrule.command.texts import by_importance, short
from chainrule.plots import plot_confusion, plot_predictions, plot_residuals
from chainrule.plots.figures import new_figure
from chainrule.plots.learning_curves import draw_learning_curves

MOST_BARS = 20
MOST_CLASSES = 30


class Picture(NamedTuple):
    """A figure, what it shows, and how to read it."""

    title: str
    reading: str
    figure: Any


def pictures_of(trained: Trained) -> list[Picture]:
    """Return the pictures of a report."""
    schema = trained.schema
    of_task = _of_classes if schema.task == "classification" else _of_numbers
    pictures = of_task(trained)
    if by_importance(schema.columns):
        pictures.append(
            Picture(
                "Which columns matter",
                "Shuffling a column takes away what it tells. The more the score falls, the more "
                "the networks need it; two columns that tell the same can stand in for each other.",
                plot_importance(schema.columns, schema.task),
            )
        )
    pictures.append(
        Picture(
            "The loss while training",
            "A mean over the networks that still learn; one that gets no better stops. Validation "
            "is on rows that a network left out: where it rises, rows are learned by heart.",
            draw_learning_curves({"loss": trained.curves}, ["loss"], {}),
        )
    )
    return pictures


def _of_classes(trained: Trained) -> list[Picture]:
    pictures = []
    if len(trained.schema.classes) <= MOST_CLASSES:
        names = [short(label) for label in trained.schema.classes]
        true, p = known_rows(trained.true, trained.outputs)
        pictures.append(
            Picture(
                "Which class is taken for which",
                "How many rows of each true class were predicted as what. Right ones are on the "
                "diagonal.",
                plot_confusion(true, p, class_names=names),
            )
        )
    pictures.append(
        Picture(
            "Are predictions as sure as they are right?",
            "A dot is a tenth of sureness, larger for more rows. Below the line predictions are "
            "too sure of themselves, above it not sure enough.",
            plot_reliability(trained.found["reliability"]),
        )
    )
    return pictures


def _of_numbers(trained: Trained) -> list[Picture]:
    true, predicted = trained.true, trained.outputs[:, 0]
    width = trained.schema.half_widths.get(str(COVERAGE))
    band = f" {COVERAGE} of 100 rows should lie in the band." if width is not None else ""
    return [
        Picture(
            "Predicted and true",
            f"A dot is a row; a perfect prediction lies on the line.{band}",
            plot_predictions(true, predicted, half_width=width),
        ),
        Picture(
            "What is left over",
            "A band around zero is good. A curve means that something was missed, a funnel that "
            "errors grow with what is predicted.",
            plot_residuals(true, predicted),
        ),
    ]


def plot_importance(columns: Sequence[ColumnInfo], task: str) -> Any:
    """Draw by how much the score falls where a column is shuffled, the most important on top."""
    ranked = by_importance(columns)[:MOST_BARS][::-1]
    values = [column.importance or 0 for column in ranked]
    figure = new_figure("Drawing importance", 5.2, 1.0 + 0.28 * len(ranked))
    panel = figure.subplots()
    panel.barh([short(column.name, 30) for column in ranked], values, height=0.7)
    panel.axvline(0, color="0.3", linewidth=0.8)
    score = "accuracy" if task == "classification" else "R²"
    panel.set(xlabel=f"{score} lost where the column is shuffled")
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    return figure


def plot_reliability(tenths: Sequence[dict[str, float]]) -> Any:
    """Draw the share of right predictions over their sureness; dots are larger for more rows."""
    figure = new_figure("Drawing calibration", 4.6)
    panel = figure.subplots()
    sure, right = [t["sure"] for t in tenths], [t["right"] for t in tenths]
    rows = np.array([t["rows"] for t in tenths])
    panel.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="as sure as right")
    panel.plot(sure, right, linewidth=1)
    panel.scatter(sure, right, s=20 + 180 * rows / rows.max(), zorder=3)
    panel.set(xlabel="mean probability of the predicted class", ylabel="share that is right")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
    panel.legend(frameon=False, loc="upper left")
    panel.grid(alpha=0.3)
    return figure
