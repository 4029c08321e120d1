"""`chainrule environment`: what computes here, and what would be faster."""

from __future__ import annotations

import dataclasses
import json

import click

from chainrule.command.options import json_option

HELP = """Say what computes here: NumPy, its BLAS, kernels, threads, the processor.

\b
  chainrule environment
  chainrule environment --measure

With --measure it is tried, for some seconds, which kernels and threads are fastest; `chainrule
train` and `chainrule run` use what was found, and measure by themselves where it never was.
"""


@click.command(name="environment", help=HELP)
@click.option("--measure", is_flag=True, help="Measure anew what is fastest, and remember it.")
@json_option
def command(measure: bool, as_json: bool) -> None:
    """Print what was found."""
    from chainrule import __version__
    from chainrule.command import kernels
    from chainrule.diagnosis.machine import environment

    found = environment()
    fastest = kernels.measure() if measure else kernels.remembered()
    if as_json:
        plain = {"chainrule": __version__, **dataclasses.asdict(found)}
        plain["gains"] = None if fastest is None else dataclasses.asdict(fastest)
        click.echo(json.dumps(plain, indent=1))
        return
    click.echo(f"chainrule {__version__}\n{found}")
    if fastest is None:
        click.echo("fastest  not measured yet (chainrule environment --measure)")
    else:
        click.echo(f"train    {fastest.told(fastest.for_training)}")
        click.echo(f"run      {fastest.told(fastest.for_scripts)}")
    click.echo(f"kept in  {kernels.cache_file()}")
