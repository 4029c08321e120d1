"""What `train`, `evaluate` and `inspect` print on a terminal, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from chainrule.command.models.metadata import INTERVAL_PERCENT, ColumnInfo, TableMetadata
from chainrule.command.models.table_model import TableModel
from chainrule.command.reports import phrases

MOST_COLUMNS = 60
"""The most columns that are listed."""


def training_report(trained: Any) -> list[str]:
    """Return what was learned, and how good it is; `trained` is a TrainedModel."""
    metadata = trained.metadata
    lines = [
        f"Target: {phrases.describe_target(metadata)}",
        f"{phrases.describe_rows(metadata)}.",
        *(f"Note: {note}" for note in metadata.notes),
        f"Model: {phrases.describe_network(trained.estimator.network_)}",
        "",
        phrases.verdict(metadata),
        "",
        *scores_table(metadata.scores),
        *_details(metadata, trained.evaluation),
    ]
    if phrases.by_importance(metadata.columns):
        title = f"Importance of columns ({phrases.score_name(metadata)} lost if one is shuffled):"
        lines += ["", title, *importance_table(metadata.columns)]
    return lines


def evaluation_report(metadata: TableMetadata, evaluation: dict[str, Any]) -> list[str]:
    """Return how good a model is on a table, and how good it was when it was trained."""
    scores = {"here": evaluation["scores"], "in training": metadata.scores["network"]}
    rows = phrases.counted(evaluation["rows"], "row")
    title = f"{rows}, compared with the rows held out in training:"
    lines = [title, "", *scores_table(scores)]
    unknown = evaluation["unknown_classes"]
    if unknown:
        classes = ", ".join(f"{label!r} ({n:,})" for label, n in islice(unknown.items(), 10))
        lines += [
            "",
            f"The model does not know these classes: {classes}. Their rows count as wrong in the "
            "accuracy, and are ignored elsewhere.",
        ]
    return lines + _details(metadata, evaluation)


def model_report(path: str, model: TableModel) -> list[str]:
    """Return what a model's file holds."""
    metadata = model.metadata
    columns = [
        (phrases.shorten(column.name), column.kind, phrases.describe_column(column))
        for column in metadata.columns[:MOST_COLUMNS]
    ]
    more = len(metadata.columns) - MOST_COLUMNS
    return [
        f"{path}: a model of a table, for {metadata.task}, by chainrule {model.version}",
        f"Predicts {phrases.describe_target(metadata)}.",
        f"{phrases.describe_rows(metadata)}; seed {metadata.seed}.",
        f"Model: {phrases.describe_network(model.ensemble)}",
        *(f"Note: {note}" for note in metadata.notes),
        "",
        f"Columns ({len(metadata.columns)}):",
        *grid(columns, left=3),
        *[f"  and {more:,} more (--json lists all)"] * (more > 0),
        "",
        "Scores on the held-out rows:",
        *scores_table(metadata.scores),
    ]


def _details(metadata: TableMetadata, evaluation: dict[str, Any]) -> list[str]:
    """Return the confusion matrix and calibration of classes, or the interval of numbers."""
    if metadata.task == "classification":
        return [
            "",
            "Confusion matrix:",
            *confusion_table(evaluation["confusion"], metadata.classes),
            "",
            "Calibration:",
            *calibration_table(evaluation["reliability"]),
        ]
    if metadata.interval_width is None:
        return []
    width = f"{phrases.rounded(metadata.interval_width)} {metadata.target_unit}".rstrip()
    return ["", f"  The {INTERVAL_PERCENT} % interval is the prediction ± {width}."]


# ---------------------------------------------------------------- tables


def grid(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return rows of cells as lines; the first `left` columns are aligned to the left.

    >>> grid([["a", "1"], ["bcd", "23"]])
    ['  a     1', '  bcd  23']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def scores_table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Return the scores of several models next to each other, with their meanings."""
    rows = [["", *scores, ""], *phrases.score_rows(scores)]
    lines = grid([row[:-1] for row in rows])
    width = max(map(len, lines))
    pairs = zip(lines, rows, strict=True)
    return [f"{line.ljust(width)}   {row[-1]}".rstrip() for line, row in pairs]


def confusion_table(counts: Sequence[Sequence[int]], classes: Sequence[Any]) -> list[str]:
    """Return the confusion matrix, unless there are too many classes for a terminal."""
    if len(classes) > phrases.MOST_SHOWN:
        return [f"  ({len(classes)} classes are too many to show here; see --report or --json)"]
    names = [phrases.shorten(label, 14) for label in classes]
    rows = [[name, *map(str, row)] for name, row in zip(names, counts, strict=True)]
    return grid([["true \\ predicted", *names], *rows])


def calibration_table(bins: Sequence[dict[str, float]]) -> list[str]:
    """Return how often predictions of each confidence are right."""
    rows = [[f"{b['confidence']:.0%}", f"{b['accuracy']:.0%}", f"{b['rows']:,}"] for b in bins]
    return grid([["confidence", "accuracy", "rows"], *rows], left=0)


def importance_table(columns: Sequence[ColumnInfo]) -> list[str]:
    """Return the most important columns, with bars."""
    ranked = phrases.by_importance(columns)
    most = max(ranked[0][1], 1e-9)
    rows = []
    for column, value in ranked[: phrases.MOST_SHOWN]:
        bar = "█" * round(20 * max(value, 0) / most)
        rows.append([phrases.shorten(column.name), phrases.signed(value), bar.ljust(20)])
    more = len(ranked) - phrases.MOST_SHOWN
    return grid(rows) + [f"  and {more} more"] * (more > 0)
