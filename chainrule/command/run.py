"""`chainrule run`: a Python script with this machine's fastest kernels and threads."""

from __future__ import annotations

import os
import sys

import click

HELP = """Start a Python script with this machine's fastest kernels and threads.

\b
  chainrule run script.py --epochs 20
  chainrule run -m pytest -q

What is fastest is measured once, for some seconds, and remembered in the user's cache folder;
`chainrule environment` shows it. With NumPy's OpenBLAS on processors that have AVX-512 it can be
up to twice as fast. Variables that are set already stay as they are. All that stands behind the
script's name is the script's, and its exit code is the command's.
"""


@click.command(
    name="run",
    help=HELP,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", metavar="SCRIPT [ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Measure if need be, say in a line what is set, and become the script."""
    from chainrule.command import kernels
    from chainrule.errors import InputError

    if not arguments:
        raise click.UsageError("Missing argument 'SCRIPT': which script is to be started?")
    script = arguments[0]
    if not script.startswith("-") and not os.path.isfile(script):
        raise InputError(f"There is no script {script}.")
    settings: dict[str, str] = {}
    if kernels.OFF not in os.environ:
        found = kernels.fastest()
        settings = kernels.not_set(found.for_scripts)
        kept = [name for name in found.for_scripts if name not in settings]
        told = found.told(settings) if settings or not kept else f"{', '.join(kept)} as you set it"
        click.echo(f"chainrule: {told}; measured once", err=True)
    kernels.start([sys.executable, *arguments], settings)
