"""`chainrule train`: train on most rows of a table, evaluate on the others, save the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import click
import numpy as np

from chainrule.command.models import baselines
from chainrule.command.models.baselines import LabelledRows
from chainrule.command.models.metadata import (
    INTERVAL_PERCENT,
    KEY,
    TableMetadata,
    describe_columns,
    unit_of,
)
from chainrule.command.models.scores import evaluate
from chainrule.command.progress import EpochBar
from chainrule.command.reports.text import training_report
from chainrule.command.tables.task import Task, infer_task
from chainrule.command.tables.training_table import TrainingTable, read_training_table
from chainrule.command.tables.writer import check_output
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import NetworkClassifier, NetworkRegressor, defaults
from chainrule.estimators.samples import held_out_rows
from chainrule.parameter import Array
from chainrule.preparation.number_format import NumberFormat
from chainrule.storage.atomic import write_text

MOST_IMPORTANCE_COLUMNS = 300
"""With more columns, measuring their importance would take longer than the training."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained estimator, and how good it is on the held-out rows.

    Attributes
    ----------
    estimator : NetworkClassifier or NetworkRegressor
        Fitted.
    metadata : TableMetadata
        What the model's file says about the table.
    true : ndarray, shape (N,)
        The held-out rows' class numbers, or numbers.
    outputs : ndarray, shape (N, outputs)
        Their predicted probabilities, or numbers.
    evaluation : dict
        What `evaluate` returned for them.
    """

    estimator: Any
    metadata: TableMetadata
    true: Array
    outputs: Array
    evaluation: dict[str, Any]

    def save(self, path: str) -> None:
        """Write the model, its preparation and metadata into one file, atomically."""
        self.estimator.network_.metadata[KEY] = self.metadata.as_dict()
        self.estimator.network_.metadata["metrics"] = self.evaluation["scores"]
        self.estimator.save(path)


def train(
    table: str, *, output: str, report: str | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Train, evaluate, save and report; the parameters are the command's options."""
    if "-" in (output, report):
        raise click.UsageError("--output and --report are files; the report is printed.")
    check_output(output, "--output", table)
    check_output(report, "--report", table)
    data = read_training_table(table, options)
    task = infer_task(data.target, options["task"])
    if not as_json:
        click.echo(task.reason)
    with EpochBar(options["epochs"] or defaults.EPOCHS, quiet=quiet) as bar:
        trained = fit(data, task, options, bar)
    if report is not None:
        from chainrule.command.reports.page import training_page  # it imports matplotlib

        page = training_page(trained, table)
    trained.save(output)
    if report is not None:
        write_text(report, page)
    if as_json:
        values = {"model": output, **trained.metadata.as_dict(), **trained.evaluation}
        click.echo(json.dumps({**values, "scores": trained.metadata.scores}, indent=1))
        return
    click.echo("\n".join(training_report(trained)))
    click.echo(f"\nThe model is in {output}" + (f", the report in {report}" if report else ""))


def make_estimator(
    task: Task,
    X: Any,
    options: Mapping[str, Any],
    formats: Mapping[str, NumberFormat],
    on_epoch: Callable[..., Any] | None = None,
) -> Any:
    """Return the estimator for these rows, not fitted, with the command's options."""
    given = {"epochs": options["epochs"], "hidden_layers": options["hidden"]}
    given["members"] = options.get("members")
    if options["balanced"] and task.kind == "classification":
        given["class_weight"] = "balanced"
    kind = NetworkClassifier if task.kind == "classification" else NetworkRegressor
    preparation = defaults.table_preparation(
        *X.shape,
        categorical_features=options["categories"],
        number_formats={name: form for name, form in formats.items() if name in X},
        handle_unknown="ignore",  # the command reports them itself
    )
    return kind(
        preparation=preparation,
        random_state=options["seed"],
        verbose=on_epoch or False,
        **{name: value for name, value in given.items() if value is not None},
    )


def fit(
    table: TrainingTable, task: Task, options: Mapping[str, Any], bar: EpochBar
) -> TrainedModel:
    """Fit an estimator to most rows of a table, and evaluate it on the others."""
    seed = options["seed"]
    train, held_out = _split(table, task, options["holdout"], seed)
    estimator = make_estimator(task, train.X, options, table.number_formats, bar.on_epoch)
    bar.set_description("training")
    estimator.fit(train.X, train.y)
    bar.set_description("evaluating")
    regression = task.kind == "regression"
    widths = _interval_half_widths(estimator) if regression else {}
    true, outputs = _true_and_predicted(estimator, task, held_out)
    evaluation = evaluate(task.kind, true, outputs, widths.get(str(INTERVAL_PERCENT)))
    scores = {"network": evaluation["scores"]}
    scores |= baselines.baseline_scores(estimator, task, train, held_out, true, seed)
    preparation = estimator.network_.preparation
    columns = describe_columns(train.X, [column.width > 0 for column in preparation.columns_])
    if options["importance"] and len(columns) <= MOST_IMPORTANCE_COLUMNS:
        bar.set_description("importance of columns")
        losses = baselines.permutation_importance(estimator, held_out, seed)
        pairs = zip(columns, losses, strict=True)
        columns = [replace(column, importance=float(loss)) for column, loss in pairs]
    metadata = TableMetadata(
        task=task.kind,
        target=task.name,
        target_unit=unit_of(task.name),
        why=task.reason,
        columns=columns,
        classes=[] if regression else estimator.classes_.tolist(),
        target_low=float(train.y.min()) if regression else None,
        target_high=float(train.y.max()) if regression else None,
        rows=len(train.y),
        held_out=len(held_out.y),
        scores=scores,
        half_widths=widths,
        seed=seed,
        format=asdict(table.csv_format),
        notes=[*table.notes, *preparation.notes_],
        target_format=asdict(form) if (form := table.number_formats.get(task.name)) else None,
    )
    return TrainedModel(estimator, metadata, true, outputs, evaluation)


def _split(
    table: TrainingTable, task: Task, holdout: float, seed: int
) -> tuple[LabelledRows, LabelledRows]:
    """Return the rows to train on and those held out, the same share of each class."""
    count, labels = len(task.y), None
    if task.kind == "classification":
        labels = np.unique(task.y, return_inverse=True)[1]
    held_out = held_out_rows(count, holdout, labels, np.random.default_rng(seed))
    if held_out is None:
        raise InputError(
            f"{count} rows are too few to hold out {holdout:g} of them; give more rows, or a "
            "larger --holdout."
        )
    train = np.setdiff1d(np.arange(count), held_out)
    if labels is not None and len(np.unique(labels[train])) < 2:
        raise InputError("Too few rows are left to learn two classes from.")
    rows = LabelledRows(table.X, task.y)
    return rows.take(train), rows.take(held_out)


def _true_and_predicted(estimator: Any, task: Task, rows: LabelledRows) -> tuple[Array, Array]:
    """Return class numbers (-1 if unknown) and probabilities, or true and predicted numbers."""
    if task.kind == "regression":
        return rows.y, estimator.predict(rows.X)[:, np.newaxis]
    classes = estimator.classes_
    places = np.searchsorted(classes, rows.y).clip(max=len(classes) - 1)
    return np.where(classes[places] == rows.y, places, -1), estimator.predict_proba(rows.X)


def _interval_half_widths(regressor: Any) -> dict[str, float]:
    """Return a prediction interval's half-width for each percentage that can be promised.

    It is measured on predictions that each network makes for the rows it left out. With few rows,
    only low percentages can be promised, or none.
    """
    widths = {}
    for percent in range(1, 100):
        try:
            width = regressor.interval_half_width(percent / 100)
        except (InputError, ConfigurationError):
            break
        widths[str(percent)] = float(width[0])
    return widths
