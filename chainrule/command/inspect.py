"""`chainrule inspect`: what a model's file holds."""

from __future__ import annotations

import json

import click

from chainrule.command.options import json_option

HELP = """Say what a model's file holds: what it predicts, from which columns, how well.

\b
  chainrule inspect penguins.npz
  chainrule inspect penguins.npz --json | jq '.columns[].name'
"""

MOST_COLUMNS = 60
"""So many columns are listed."""


@click.command(name="inspect", help=HELP)
@click.argument("model")
@json_option
def command(model: str, as_json: bool) -> None:
    """Print what is known of the model."""
    from chainrule.command import report
    from chainrule.command.model import load_model
    from chainrule.command.page import architecture, parameter_count

    loaded = load_model(model)
    schema = loaded.schema
    if as_json:
        shape = loaded.ensemble.shape
        plain = {"model": model, "chainrule": loaded.version, **schema.as_dict()}
        plain["architecture"] = {
            "members": len(loaded.ensemble),
            "counting": int((loaded.ensemble.weights > 0).sum()),
            "sizes": list(shape.sizes),
            "activation": shape.activation,
            "parameters": parameter_count(loaded.ensemble),
        }
        click.echo(json.dumps(plain, indent=1))
        return
    click.echo(f"{model}: a model of a table, for {schema.task}, by chainrule {loaded.version}")
    click.echo(f"Predicts {report.target_described(schema)}.")
    click.echo(
        f"Learned from {schema.rows:,} rows, measured on {schema.held_out:,} others; seed "
        f"{schema.seed}."
    )
    click.echo(architecture(loaded.ensemble))
    for note in schema.notes:
        click.echo(f"Note: {note}")
    click.echo(f"\nColumns ({len(schema.columns)}):")
    width = max(len(report.short(column.name)) for column in schema.columns)
    for column in schema.columns[:MOST_COLUMNS]:
        name = report.short(column.name).ljust(width)
        click.echo(f"  {name}  {column.kind.ljust(8)}  {report.described(column)}")
    if len(schema.columns) > MOST_COLUMNS:
        click.echo(f"  and {len(schema.columns) - MOST_COLUMNS:,} more (--json lists all)")
    click.echo("\nScores on the held-out rows:")
    for line in report.scores_table(schema.scores):
        click.echo(line)
