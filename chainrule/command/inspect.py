"""`chainrule inspect` and `chainrule environment`: what a model is, and what computes here."""

from __future__ import annotations

import dataclasses
import json

import click

from chainrule import __version__
from chainrule.command.models.table_model import TableModel
from chainrule.command.reports.phrases import parameter_count
from chainrule.command.reports.text import model_report
from chainrule.diagnosis.machine import environment


def inspect(model: str, *, as_json: bool) -> None:
    """Print what is known of a model."""
    loaded = TableModel.load(model)
    if not as_json:
        click.echo("\n".join(model_report(model, loaded)))
        return
    shape = loaded.ensemble.architecture
    architecture = {
        "members": len(loaded.ensemble),
        "counting": int((loaded.ensemble.weights > 0).sum()),
        "sizes": list(shape.sizes),
        "activation": shape.activation,
        "parameters": parameter_count(loaded.ensemble),
    }
    values = {"model": model, "chainrule": loaded.version, **loaded.metadata.as_dict()}
    click.echo(json.dumps({**values, "architecture": architecture}, indent=1))


def show_environment(as_json: bool) -> None:
    """Print what NumPy computes with, and what may be faster."""
    found = environment()
    if as_json:
        values = {"chainrule": __version__, **dataclasses.asdict(found), "advice": found.advice}
        click.echo(json.dumps(values, indent=1))
    else:
        click.echo(f"chainrule {__version__}\n{found}")
