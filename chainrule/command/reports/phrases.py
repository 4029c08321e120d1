"""Numbers, columns, targets, networks and verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.command.models.metadata import ColumnInfo, TableMetadata
from chainrule.command.models.scores import MEANINGS

MOST_SHOWN = 15
"""The columns and classes that a terminal has room for."""


def shorten(text: Any, width: int = 24) -> str:
    """Return text on one line, at most this wide, without control characters."""
    text = " ".join(str(text).split())
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def rounded(value: float) -> str:
    """Return a number with the digits that a person reads.

    >>> rounded(0.97214), rounded(12345.6), rounded(0.000012345)
    ('0.972', '12,346', '1.2e-05')
    """
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.0005:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a number with its sign, and zero without one.

    >>> signed(0.0123), signed(-0.0001)
    ('+0.012', '0.000')
    """
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}"


def counted(count: int, noun: str) -> str:
    """Return a number with the noun in the singular or plural.

    >>> counted(1, "row"), counted(1200, "column")
    ('1 row', '1,200 columns')
    """
    return f"{count:,} {noun}" + "s" * (count != 1)


def by_importance(columns: Sequence[ColumnInfo]) -> list[tuple[ColumnInfo, float]]:
    """Return the columns whose importance was measured, the most important first."""
    measured = [(column, column.importance) for column in columns if column.importance is not None]
    return sorted(measured, key=lambda pair: -pair[1])


def describe_column(column: ColumnInfo) -> str:
    """Return what a column held."""
    if column.kind == "category":
        examples = ", ".join(shorten(text, 60) for text in column.examples)
        more = ", ..." if column.categories > len(column.examples) else ""
        text = f"{column.categories:,} categories: {examples}{more}"
    elif column.kind == "boolean":
        text = "true or false"
    else:
        text = f"{column.low:g} to {column.high:g} {column.unit}".rstrip()
    if column.missing:
        text += f" (missing in {counted(column.missing, 'row')})"
    return text if column.used else f"{text} (left out)"


def describe_target(metadata: TableMetadata) -> str:
    """Return what is predicted."""
    target = shorten(metadata.target, 60)
    if metadata.task == "regression":
        low, high, unit = metadata.target_low, metadata.target_high, metadata.target_unit
        return f"{target}, a number from {low:g} to {high:g} {unit}".rstrip()
    shown = ", ".join(shorten(label) for label in metadata.classes[:MOST_SHOWN])
    more = ", ..." if len(metadata.classes) > MOST_SHOWN else ""
    return f"{target}, one of {len(metadata.classes)} classes: {shown}{more}"


def describe_rows(metadata: TableMetadata) -> str:
    """Return on how many rows and columns a model was trained and evaluated."""
    return (
        f"Trained on {counted(metadata.rows, 'row')} and "
        f"{counted(len(metadata.used), 'column')}, evaluated on "
        f"{counted(metadata.held_out, 'held-out row')}"
    )


def score_rows(scores: dict[str, dict[str, float]]) -> list[list[str]]:
    """Return for each score its name, its value for each model, and its meaning."""
    rows = []
    for name, meaning in MEANINGS.items():
        values = [of_model.get(name) for of_model in scores.values()]
        if any(value is not None for value in values):
            shown = ["-" if value is None else rounded(value) for value in values]
            rows.append([name, *shown, meaning])
    return rows


def score_name(metadata: TableMetadata) -> str:
    """Return the name of the score that sums up a model."""
    return "accuracy" if metadata.task == "classification" else "R²"


def verdict(metadata: TableMetadata) -> str:
    """Return a sentence that compares the network with the simple models."""
    name = "accuracy" if metadata.task == "classification" else "r2"
    if name not in metadata.scores["network"]:
        return "The held-out target never changes, so there is nothing to compare."
    scores = [of_model[name] for of_model in metadata.scores.values()]
    ours, linear, constant = (
        f"{score:.1%}" if name == "accuracy" else f"{score:.3f}" for score in scores
    )
    summary = f"The {score_name(metadata)} on the held-out rows is {ours}"
    if scores[0] <= scores[2]:
        return (
            f"{summary}: no better than always predicting the same. These columns, or so few rows, "
            "do not determine the target."
        )
    if scores[0] < scores[1]:
        return f"{summary}; a linear model is better here ({linear}), and simpler."
    if scores[0] == scores[1]:
        return f"{summary}; a linear model is just as good here, and simpler."
    return f"{summary}; a linear model reaches {linear}, always predicting the same {constant}."


def describe_network(ensemble: Any) -> str:
    """Return what the networks are, and how many parameters they have."""
    shape, counting = ensemble.architecture, int((ensemble.weights > 0).sum())
    sizes, several = "-".join(map(str, shape.sizes)), len(ensemble) > 1
    text = f"{len(ensemble)} networks {sizes}" if several else f"a network {sizes}"
    if len(shape.sizes) > 2:
        text += f", {shape.activation} after each hidden layer"
    if shape.categories:
        columns = counted(len(shape.categories), "column")
        text += f", with {columns} embedded in vectors of {shape.embedding_dim}"
    if several and counting == 1:
        text += "; the best on the validation rows predicts"
    elif several and counting < len(ensemble):
        text += f"; the prediction is the mean of the {counting} that are best together"
    elif several:
        text += "; the prediction is their mean"
    return f"{text}. {parameter_count(ensemble):,} parameters."


def parameter_count(ensemble: Any) -> int:
    """Return the number of parameters of all networks."""
    return sum(parameter.value.size for parameter in ensemble.network.parameters())
