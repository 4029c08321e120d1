"""What `train`, `evaluate` and `inspect` tell, as lines for a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.command import texts
from chainrule.command.intervals import COVERAGE
from chainrule.command.learning import Trained
from chainrule.command.model import Model
from chainrule.command.schema import Schema

MOST_COLUMNS = 60
"""So many columns of a model are listed."""


def of_training(trained: Trained) -> list[str]:
    """Return what was learned, and how good it is."""
    schema = trained.schema
    lines = [
        f"Target: {texts.target_described(schema)}",
        f"Learned from {texts.counted(schema.rows, 'row')}, "
        f"{texts.counted(len(schema.used), 'column')}; measured on "
        f"{texts.counted(schema.held_out, 'row')} held out.",
        *(f"Note: {note}" for note in schema.notes),
        f"Model: {texts.architecture(trained.estimator.network_)}",
        "",
        texts.verdict(schema),
        "",
        *texts.scores_table(schema.scores),
        *_details(schema, trained.found),
    ]
    if texts.by_importance(schema.columns):
        lost = "accuracy" if schema.task == "classification" else "R²"
        lines += ["", f"Which columns matter ({lost} lost where a column is shuffled):"]
        lines += texts.importance_table(schema.columns)
    return lines


def of_evaluation(schema: Schema, found: dict[str, Any]) -> list[str]:
    """Return how good a model is on a table, beside what it was on the rows held out before."""
    lines = [
        f"{texts.counted(found['rows'], 'row')}; beside their scores those of the rows held out "
        "when it was trained.",
        "",
        *texts.scores_table({"here": found["scores"], "at training": schema.scores["network"]}),
    ]
    unknown = found["unknown_classes"]
    if unknown:
        told = ", ".join(f"{label!r} ({count:,})" for label, count in list(unknown.items())[:10])
        lines += [
            "",
            f"The model does not know the classes {told}: these rows count as wrong in the "
            "accuracy, and not at all elsewhere.",
        ]
    return lines + _details(schema, found)


def _details(schema: Schema, found: dict[str, Any]) -> list[str]:
    """Return what stands below the scores: confusion and calibration, or the interval."""
    if schema.task == "classification":
        return [
            "",
            "Which class is taken for which:",
            *texts.confusion_table(np.array(found["confusion"]), schema.classes),
            "",
            "Calibration: are predictions as sure as they are right?",
            *texts.calibration_table(found["reliability"]),
        ]
    width = schema.half_widths.get(str(COVERAGE))
    if width is None:
        return []
    return ["", texts.interval_line(COVERAGE, width, schema.target_unit)]


def of_model(path: str, model: Model) -> list[str]:
    """Return what a file holds."""
    schema = model.schema
    width = max(len(texts.short(column.name)) for column in schema.columns)
    lines = [
        f"{path}: a model of a table, for {schema.task}, by chainrule {model.version}",
        f"Predicts {texts.target_described(schema)}.",
        f"Learned from {texts.counted(schema.rows, 'row')}, measured on {schema.held_out:,} "
        f"others; seed {schema.seed}.",
        texts.architecture(model.ensemble),
        *(f"Note: {note}" for note in schema.notes),
        "",
        f"Columns ({len(schema.columns)}):",
    ]
    for column in schema.columns[:MOST_COLUMNS]:
        name = texts.short(column.name).ljust(width)
        lines.append(f"  {name}  {column.kind.ljust(8)}  {texts.described(column)}")
    if len(schema.columns) > MOST_COLUMNS:
        lines.append(f"  and {len(schema.columns) - MOST_COLUMNS:,} more (--json lists all)")
    return [*lines, "", "Scores on the held-out rows:", *texts.scores_table(schema.scores)]
