"""The page of `train --report`: scores, figures and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule import __version__
from chainrule.command.models.metadata import INTERVAL_PERCENT, TableMetadata
from chainrule.command.models.scores import known_rows
from chainrule.command.reports import phrases
from chainrule.plots import plot_confusion, plot_predictions, plot_residuals
from chainrule.plots.figures import new_figure
from chainrule.plots.learning_curves import draw_learning_curves
from chainrule.summary.page import Html, element, page, svg, table

MOST_BARS = 20
MOST_CLASSES = 30


def training_page(trained: Any, source: str) -> str:
    """Return the page on a TrainedModel that learned from the file `source`."""
    metadata = trained.metadata
    notes = [element("li", note) for note in metadata.notes]
    scores = phrases.score_rows(metadata.scores)
    return page(
        f"Predicting {metadata.target}",
        element(
            "p",
            f"Trained on {metadata.rows:,} rows of {source}, evaluated on {metadata.held_out:,} "
            f"held-out rows; seed {metadata.seed}, chainrule {__version__}.",
            kind="quiet",
        ),
        element("p", phrases.verdict(metadata), kind="summary"),
        element("p", f"{metadata.why} The target is {phrases.describe_target(metadata)}."),
        element("h2", "Scores on the held-out rows"),
        table(["", *metadata.scores, ""], scores, numbers=range(1, len(metadata.scores) + 1)),
        element("h2", "Figures"),
        element("div", *training_figures(trained), kind="figures"),
        element("h2", "Columns"),
        columns_table(metadata.columns),
        *[element("h2", "What was left out or grouped"), element("ul", *notes)] * bool(notes),
        element("h2", "The model"),
        element("p", phrases.describe_network(trained.estimator.network_), kind="quiet"),
    )


def columns_table(columns: Any) -> Html:
    """Return a table of the columns, the most important first."""
    rows = []
    for column in sorted(columns, key=lambda column: -(column.importance or 0)):
        importance = "" if column.importance is None else phrases.signed(column.importance)
        rows.append([column.name, column.kind, phrases.describe_column(column), importance])
    return table(["column", "kind", "values", "importance"], rows, numbers=[3])


# ---------------------------------------------------------------- figures


def captioned(title: str, caption: str, figure: Any) -> Html:
    """Return a matplotlib figure with its title and how to read it."""
    text = element("p", caption, kind="quiet")
    return element("figure", element("figcaption", title), text, svg(figure))


def training_figures(trained: Any) -> Iterator[Html]:
    """Yield the figures of a report on a TrainedModel."""
    metadata = trained.metadata
    if metadata.task == "classification":
        yield from _classification_figures(trained)
    else:
        yield from _regression_figures(trained)
    if phrases.by_importance(metadata.columns):
        yield captioned(
            "Importance of columns",
            "Shuffling a column destroys its information. The more the score drops, the more the "
            "networks need it. Two columns with the same information can replace each other.",
            plot_importance(metadata),
        )
    curves = {"training": trained.estimator.loss_curve_}
    if trained.estimator.validation_scores_ is not None:
        curves["validation"] = [-score for score in trained.estimator.validation_scores_]
    yield captioned(
        "Loss during training",
        "The mean over the networks that are still learning. Validation uses rows that a network "
        "left out: if it rises, the network is overfitting.",
        draw_learning_curves({"loss": curves}, ["loss"], {}),
    )


def _classification_figures(trained: Any) -> Iterator[Html]:
    if len(trained.metadata.classes) <= MOST_CLASSES:
        names = [phrases.shorten(label) for label in trained.metadata.classes]
        yield captioned(
            "Confusion matrix",
            "How many rows of each true class were predicted as each class. The diagonal is right.",
            plot_confusion(*known_rows(trained.true, trained.outputs), class_names=names),
        )
    yield captioned(
        "Calibration",
        "Each dot is a tenth of the confidence scale, larger for more rows. Below the line "
        "predictions are overconfident, above it underconfident.",
        plot_reliability(trained.evaluation["reliability"]),
    )


def _regression_figures(trained: Any) -> Iterator[Html]:
    true, predicted = trained.true, trained.outputs[:, 0]
    width = trained.metadata.interval_width
    band = "" if width is None else f" {INTERVAL_PERCENT} % of the rows should be in the band."
    yield captioned(
        "Predictions and true values",
        f"Each dot is a row; a perfect prediction is on the line.{band}",
        plot_predictions(true, predicted, half_width=width),
    )
    yield captioned(
        "Residuals",
        "An even band around zero is good. A curve means that the model missed something, a "
        "funnel that errors grow with the prediction.",
        plot_residuals(true, predicted),
    )


def plot_importance(metadata: TableMetadata) -> Any:
    """Draw how much the score drops if a column is shuffled, the most important at the top."""
    ranked = phrases.by_importance(metadata.columns)[:MOST_BARS][::-1]
    figure = new_figure("Drawing importance", 5.2, 1.0 + 0.28 * len(ranked))
    axes = figure.subplots()
    names = [phrases.shorten(column.name, 30) for column, _ in ranked]
    axes.barh(names, [value for _, value in ranked], height=0.7)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=f"{phrases.score_name(metadata)} lost if the column is shuffled")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def plot_reliability(bins: Sequence[dict[str, float]]) -> Any:
    """Draw the accuracy of predictions over their confidence; dots are larger for more rows."""
    figure = new_figure("Drawing calibration", 4.6)
    axes = figure.subplots()
    confidence, accuracy = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    rows = np.array([b["rows"] for b in bins])
    axes.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="calibrated")
    axes.plot(confidence, accuracy, linewidth=1)
    axes.scatter(confidence, accuracy, s=20 + 180 * rows / rows.max(), zorder=3)
    axes.set(xlabel="mean probability of the predicted class", ylabel="accuracy")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
    axes.legend(frameon=False, loc="upper left")
    axes.grid(alpha=0.3)
    return figure
