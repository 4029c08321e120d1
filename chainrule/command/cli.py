"""The subcommands of `chainrule` with their options and help, and the exit codes.

A subcommand's docstring is its help. What it does is in a file of its own, imported when it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from chainrule import __version__
from chainrule.command.error_message import error_message

Function = TypeVar("Function", bound=Callable[..., Any])


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; print one sentence on stderr if it fails."""
    try:
        code = cli.main(args=arguments, prog_name="chainrule", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return 2
    except click.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if os.environ.get("CHAINRULE_TRACEBACK"):
            raise
        click.echo(f"chainrule: {error_message(error)}", err=True)
        return 1
    return code or 0


# ---------------------------------------------------------------- shared options


def option_group(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """Return a decorator that adds several options, in the order of the help."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def parse_hidden(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return the sizes of hidden layers, written like 128,64."""
    try:
        sizes = None if value is None else tuple(map(int, value.split(",")))
    except ValueError:
        sizes = (0,)
    if sizes is not None and min(sizes) < 1:
        raise click.UsageError(
            f"--hidden must be whole numbers such as 128,128; got {value!r}.", context
        )
    return sizes


target_options = option_group(
    click.option("--target", required=True, metavar="COLUMN", help="The column to predict."),
    click.option(
        "--task",
        type=click.Choice(["classification", "regression"]),
        help="Whether the target is a class or a number. Inferred by default.",
    ),
    click.option(
        "--drop", multiple=True, metavar="COLUMN", help="A column to leave out, such as an id."
    ),
    click.option(
        "--categories",
        multiple=True,
        metavar="COLUMN",
        help="A column of numbers that are categories, such as postal codes.",
    ),
    click.option(
        "--numbers",
        multiple=True,
        metavar="COLUMN",
        help="A column whose text is numbers, and anything else in it a missing value.",
    ),
)

network_options = option_group(
    click.option("--balanced", is_flag=True, help="Give all classes the same weight."),
    click.option(
        "--epochs", type=click.IntRange(1), help="The largest number of passes through the rows."
    ),
    click.option(
        "--hidden",
        metavar="SIZES",
        callback=parse_hidden,
        help="The sizes of the hidden layers, such as 128,128.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="The seed of all random numbers.",
    ),
)

csv_options = option_group(
    click.option(
        "--separator",
        metavar="CHARACTER",
        help="The character between values, such as ';' ('\\t' is a tab). Detected by default.",
    ),
    click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="The decimal point. Found out for each column by default.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="The text encoding, such as latin-1.  [default: utf-8]",
    ),
    click.option(
        "--missing",
        multiple=True,
        metavar="TEXT",
        help="Text that means a missing value, such as '?', besides an empty text, NA, NaN, null "
        "and the like. May be given several times.",
    ),
    click.option(
        "--keep-na",
        is_flag=True,
        help="Take NA, None, null and the like for text; only an empty cell is a missing value.",
    ),
    click.option(
        "--skip-rows",
        type=click.IntRange(0),
        help="How many lines stand above the column names.  [default: 0]",
    ),
    click.option(
        "--comment", metavar="SIGN", help="What lines begin with that are comments, such as '#'."
    ),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")

on_unknown_option = click.option(
    "--on-unknown",
    type=click.Choice(["refuse", "warn"]),
    default="refuse",
    show_default=True,
    help="What to do about missing columns, unknown categories, values far outside the training "
    "range, and missing values where the training table had none: refuse the table, or warn and "
    "treat what is unknown as missing.",
)


# ---------------------------------------------------------------- subcommands


class Commands(click.Group):
    """A group that lists its commands in the order of use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        return list(self.commands)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="chainrule")
def cli() -> None:
    """Train a model on a table, evaluate it, and predict with it.

    \b
      chainrule doctor penguins.csv --target species
      chainrule train penguins.csv --target species --output penguins.npz
      chainrule evaluate penguins.npz holdout.csv
      chainrule predict penguins.npz new.csv --output predictions.csv

    A table is a file of comma- or tab-separated values or Parquet, compressed or not (gz, bz2,
    xz, zst, zip), or - for standard input. A model is one file. It predicts raw rows, and needs
    only NumPy for that. Run chainrule COMMAND --help for details and examples.

    \b
    Exit codes: 0 success
                1 the data, the model or a file could not be used; a sentence says why
                  (doctor: or it found a problem; the report says which)
                2 wrong usage
              130 interrupted (Ctrl-C); nothing incomplete is left behind
    """


@cli.command()
@click.argument("table")
@target_options
@click.option("--output", "-o", required=True, metavar="MODEL.npz", help="The model's file.")
@click.option("--report", metavar="PAGE.html", help="Also write the report as a page with figures.")
@click.option(
    "--skip-unusable",
    is_flag=True,
    help="Leave out columns that cannot be learned from and rows without a target, instead of "
    "refusing the table.",
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="The share of rows held out for evaluation.",
)
@network_options
@click.option("--members", type=click.IntRange(1), help="The number of networks in the ensemble.")
@click.option(
    "--importance/--no-importance",
    default=True,
    help="Whether to measure the importance of columns.  [default: importance]",
)
@csv_options
@json_option
@quiet_option
def train(**options: Any) -> None:
    """Train a model on a table, evaluate it, and save it.

    \b
      chainrule train penguins.csv --target species --output penguins.npz
      chainrule train houses.parquet --target price --output houses.npz --report houses.html
      zcat log.csv.gz | chainrule train - --target failed --output failed.npz

    TABLE is a file of comma- or tab-separated values or Parquet, compressed or not, or - for
    standard input. Its first line names the columns. Numbers, text, booleans and missing values
    are fine as they are. Dates are not: make columns of what matters in them.

    Whether the target is a class or a number is inferred from its values. A fifth of the rows is
    held out for evaluation. Their scores are shown next to those of a linear model and of one
    that always predicts the same (the most frequent class, or the mean). The model is an ensemble
    of small networks; each leaves out some of the training rows to decide when to stop.

    The same table, options and seed give the same model, bit for bit, on the same machine.
    """
    from chainrule.command.train import train

    train(**options)


@cli.command()
@click.argument("table")
@target_options
@click.option("--html", metavar="PAGE.html", help="Also write the report as a page with figures.")
@network_options
@csv_options
@json_option
def doctor(**options: Any) -> int:
    """Find what keeps a network from learning a table.

    \b
      chainrule doctor penguins.csv --target species
      chainrule doctor houses.csv --target price --html houses-doctor.html
      chainrule doctor log.csv --target failed --json | jq '.findings[].id'

    First the table is examined: columns that give the target away, never change or repeat
    another column; duplicate rows, doubtful labels and rare classes. Then one of the networks
    that `chainrule train` would use is tried on it for a few seconds, at several learning rates.
    What the preparation takes care of (missing values, text, the scale of numbers) is not
    reported. Each finding comes with its cause and a remedy.

    The first finding is the root cause; findings that only follow from another are listed under
    it. Rows are counted from 1, below the column names. Only the page of --html is written.

    The exit code is 1 if there is a problem, and 0 if there are at most warnings and notes, so a
    script that checks new data can stop. --json prints "healthy" and all findings.
    """
    from chainrule.command.doctor import diagnose_table

    return diagnose_table(**options)


@cli.command()
@click.argument("model")
@click.argument("table")
@on_unknown_option
@csv_options
@json_option
@quiet_option
def evaluate(**options: Any) -> None:
    """Evaluate a model on a table with a known target.

    \b
      chainrule evaluate penguins.npz holdout.csv
      chainrule evaluate penguins.npz holdout.csv --json | jq .scores.accuracy

    The table needs the columns of the training table and the target, in any order. Its rows
    should not have been used for training; otherwise the scores say little.
    """
    from chainrule.command.evaluate import evaluate_table

    evaluate_table(**options)


@cli.command()
@click.argument("model")
@click.argument("table")
@click.option(
    "--output",
    "-o",
    default="-",
    metavar="FILE",
    help="A file (.csv, .tsv, .parquet, .csv.gz, .csv.xz ...) or, for a folder of tables, another "
    "folder.  [default: standard output]",
)
@click.option(
    "--jobs",
    "-j",
    type=int,
    metavar="N",
    help="The number of processes that predict a folder's tables in parallel; -1 for one per "
    "processor.  [default: 1]",
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column to copy, such as an id.")
@click.option("--keep-all", is_flag=True, help="Copy all columns.")
@click.option("--probabilities", is_flag=True, help="Add the probability of each class.")
@click.option(
    "--interval",
    type=click.IntRange(1, 99),
    metavar="PERCENT",
    help="Add the ends of an interval that contains the true number in this percentage of rows.",
)
@click.option(
    "--spread",
    is_flag=True,
    help="Add how much the networks disagree: the standard deviation between them.",
)
@on_unknown_option
@csv_options
@quiet_option
def predict(**options: Any) -> int:
    """Predict the rows of a table, or of every table in a folder.

    \b
      chainrule predict penguins.npz new.csv --output predictions.csv
      chainrule predict penguins.npz new.csv --keep id --probabilities -o predictions.csv
      chainrule predict houses.npz new.parquet --interval 90 -o predictions.parquet
      chainrule predict houses.npz new/ --jobs 2 --output predictions/

    The output has one row for each row of the table, in the same order: the column
    predicted_TARGET, and what other options add. The table's columns may be in any order, and
    there may be more of them. Tables are read and written in batches, so they may be larger than
    the memory. The output file appears when it is complete.

    For a folder, each table in it (.csv, .tsv, .txt or .parquet, compressed or not) gets a file
    of predictions with the same name in the output folder, which is created if necessary. If a
    table cannot be predicted, the message says why, and the others are still predicted.
    """
    from chainrule.command.predict import predict

    return predict(**options)


@cli.command()
@click.argument("model")
@json_option
def inspect(**options: Any) -> None:
    """Show what a model predicts, from which columns, and how well.

    \b
      chainrule inspect penguins.npz
      chainrule inspect penguins.npz --json | jq '.columns[].name'
    """
    from chainrule.command.inspect import inspect

    inspect(**options)


@cli.command()
@json_option
def environment(as_json: bool) -> None:
    """Show what NumPy computes with here, and what may be faster.

    \b
      chainrule environment
      chainrule environment --json

    This includes NumPy's BLAS library, which multiplies matrices, and the processor. If an
    environment variable may speed up training, a sentence says which and why.
    """
    from chainrule.command.inspect import show_environment

    show_environment(as_json)
