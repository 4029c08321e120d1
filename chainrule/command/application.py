"""The command with its subcommands, and how whatever goes wrong is told in a sentence."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from chainrule import __version__
from chainrule.errors import ChainruleError

SUBCOMMANDS = {
    "train": "Learn from a table: a model, its report, one file.",
    "doctor": "Tell what keeps a network from learning a table, and what to do.",
    "evaluate": "Measure a model on a table whose target is known.",
    "predict": "Predict the rows of a table.",
    "inspect": "Say what a model's file holds.",
    "environment": "Say what computes here, and what would be faster.",
    "run": "Start a Python script with this machine's fastest kernels.",
}
"""By name, what each does: listed here so that help for all of them loads none of them."""

HELP = """Train a model on a table, measure it, and predict with it.

\b
  chainrule doctor penguins.csv --target species
  chainrule train penguins.csv --target species --output penguins.npz
  chainrule evaluate penguins.npz holdout.csv
  chainrule predict penguins.npz new.csv --output predictions.csv

A table is a file of comma- or tab-separated values or Parquet, compressed or not (gz, bz2, xz,
zst, zip), or standard input, written as -. The model is one file, which predicts rows as they
are with NumPy alone.

\b
Exit codes: 0 all went well
            1 the data, the model or a file could not be used; a sentence says why
              (doctor: or it found a problem; the report says which)
            2 the command was not written right
          130 it was interrupted (Ctrl-C); nothing half-done is left behind
"""


class LateGroup(click.Group):
    """A group that imports a subcommand's file when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which one needs them."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None where there is none of that name."""
        if cmd_name not in SUBCOMMANDS:
            return None
        return importlib.import_module(f"chainrule.command.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands."""
        with formatter.section("Commands (chainrule COMMAND --help tells more, with an example)"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


@click.command(
    cls=LateGroup,
    name="chainrule",
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="chainrule")
def command() -> None:
    """Hold the subcommands together; each does its own."""


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit code; every failure is one sentence on stderr."""
    try:
        code = command.main(args=arguments, prog_name="chainrule", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _told("Interrupted; nothing half-done is left behind.", 130)
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("CHAINRULE_TRACEBACK"):
            raise
        return _told(sentence(error), 1)
    return code if isinstance(code, int) else 0


def _told(message: str, code: int) -> int:
    click.echo(f"chainrule: {message}", err=True)
    return code


def sentence(error: Exception) -> str:
    """Return what went wrong, for people."""
    if isinstance(error, ChainruleError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "There is not enough memory for this table; leave out columns or rows."
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    return (
        f"This should not have happened ({type(error).__name__}: {' '.join(str(error).split())}). "
        "Set the variable CHAINRULE_TRACEBACK=1, run it again, and report what it prints."
    )
