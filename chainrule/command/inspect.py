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


@click.command(name="inspect", help=HELP)
@click.argument("model")
@json_option
def command(model: str, as_json: bool) -> None:
    """Print what is known of the model."""
    from chainrule.command import report
    from chainrule.command.model import load_model
    from chainrule.command.texts import parameter_count

    loaded = load_model(model)
    if as_json:
        shape = loaded.ensemble.architecture
        plain = {"model": model, "chainrule": loaded.version, **loaded.schema.as_dict()}
        plain["architecture"] = {
            "members": len(loaded.ensemble),
            "counting": int((loaded.ensemble.weights > 0).sum()),
            "sizes": list(shape.sizes),
            "activation": shape.activation,
            "parameters": parameter_count(loaded.ensemble),
        }
        click.echo(json.dumps(plain, indent=1))
        return
    for line in report.of_model(model, loaded):
        click.echo(line)
