"""`chainrule evaluate`: a model measured on a table whose target is known."""

from __future__ import annotations

import json
from typing import Any

import click

from chainrule.command.options import json_option, on_unknown_option, quiet_option, table_options

HELP = """Measure a model on a table whose target is known.

\b
  chainrule evaluate penguins.npz holdout.csv
  chainrule evaluate penguins.npz holdout.csv --json | jq .scores.accuracy

The table needs the columns of the training table and the target, in any order. It should hold
rows that the model has not learned from; otherwise the scores say little.
"""


@click.command(name="evaluate", help=HELP)
@click.argument("model")
@click.argument("table")
@on_unknown_option
@table_options
@json_option
@quiet_option
def command(
    model: str, table: str, on_unknown: str, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Predict every row, compare, and report."""
    from chainrule.command.model import load_model
    from chainrule.command.rows import Findings
    from chainrule.command.tables import Source

    loaded = load_model(model)
    form = loaded.schema.form.updated(**options)
    findings = Findings()
    with Source(table, form) as source:
        true, outputs, unknown = _compared(loaded, source, on_unknown, findings, quiet)
    for line in findings.lines():
        click.echo(f"chainrule: warning: {line}", err=True)
    found = _measured(loaded.schema, true, outputs)
    if as_json:
        plain = {"model": model, "table": table, "rows": len(true), **found}
        plain["rows_of_unknown_classes"] = sum(unknown.values())
        plain["findings"] = findings.as_list()
        click.echo(json.dumps(plain, indent=1))
        return
    for line in _report(loaded.schema, found, len(true), unknown):
        click.echo(line)


def _compared(
    loaded: Any, source: Any, on_unknown: str, findings: Any, quiet: bool
) -> tuple[Any, Any, dict[str, int]]:
    """Return truth and outputs of all rows, and how many rows each unknown class has."""
    import numpy as np

    from chainrule.command.model import predicted_pieces
    from chainrule.command.progress import FileBar
    from chainrule.command.targets import known_targets

    true: list[Any] = []
    outputs: list[Any] = []
    unknown: dict[str, int] = {}
    with FileBar(source.size, quiet=quiet) as bar:
        for piece in predicted_pieces(
            loaded,
            source,
            refuse=on_unknown == "refuse",
            also=(loaded.schema.target,),
            findings=findings,
            progress=bar.update,
        ):
            before = sum(len(rows) for rows in true)
            values = piece.table.column(loaded.schema.target)
            true.append(known_targets(values, loaded.schema, source.form, before, unknown))
            outputs.append(piece.outputs)
    return np.concatenate(true), np.concatenate(outputs), unknown


def _measured(schema: Any, true: Any, outputs: Any) -> dict[str, Any]:
    """Return scores, and what else can be told, as what JSON can say."""
    from chainrule.command import scores
    from chainrule.command.learning import COVERAGE

    if schema.task == "regression":
        found = scores.number_scores(true, outputs[:, 0])
        width = schema.half_widths.get(str(COVERAGE))
        if width is not None:
            found["coverage"] = scores.coverage(true, outputs[:, 0], width)
        return {"scores": found}
    known = true >= 0
    return {
        "scores": scores.class_scores(true, outputs),
        "classes": schema.classes,
        "confusion": scores.confusion(true, outputs).tolist(),
        "reliability": scores.reliability(true[known], outputs[known]),
    }


def _report(schema: Any, found: dict[str, Any], rows: int, unknown: dict[str, int]) -> list[str]:
    """Return the report as lines."""
    import numpy as np

    from chainrule.command import report
    from chainrule.command.learning import COVERAGE

    lines = [f"{rows:,} rows; beside them the scores on the rows held out when it was trained.", ""]
    both = {"here": found["scores"], "at training": schema.scores["network"]}
    lines += report.scores_table(both)
    if unknown:
        told = ", ".join(f"{label!r} ({count:,})" for label, count in list(unknown.items())[:10])
        lines += [
            "",
            f"The model does not know the classes {told}: these rows count as wrong in the "
            "accuracy, and not at all elsewhere.",
        ]
    if schema.task == "regression":
        width = schema.half_widths.get(str(COVERAGE))
        if width is not None:
            covered = found["scores"]["coverage"]
            line = report.interval_line(COVERAGE, width, covered, schema.target_unit)
            lines += ["", line]
        return lines
    lines += ["", "Which class is taken for which:"]
    lines += report.confusion_table(np.array(found["confusion"]), schema.classes)
    lines += ["", "Calibration: are predictions as sure as they are right?"]
    return lines + report.calibration_table(found["reliability"])
