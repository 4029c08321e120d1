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
    from chainrule.command import report
    from chainrule.command.intervals import COVERAGE
    from chainrule.command.model import load_model
    from chainrule.command.rows import Findings
    from chainrule.command.scores import measure
    from chainrule.command.tables import Source

    loaded = load_model(model)
    form = loaded.schema.form.updated(**options)
    findings = Findings()
    with Source(table, form) as source:
        true, outputs, unknown = _compared(loaded, source, on_unknown, findings, quiet)
    for line in findings.lines():
        click.echo(f"chainrule: warning: {line}", err=True)
    width = loaded.schema.half_widths.get(str(COVERAGE))
    found = {
        "rows": len(true),
        "unknown_classes": unknown,
        **measure(loaded.schema.task, true, outputs, width),
    }
    if as_json:
        plain = {"model": model, "table": table, "classes": loaded.schema.classes, **found}
        click.echo(json.dumps({**plain, "findings": findings.as_list()}, indent=1))
        return
    for line in report.of_evaluation(loaded.schema, found):
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
