"""`chainrule train`: from a table to a model in one file, and what it is worth."""

from __future__ import annotations

import json
from typing import Any

import click

from chainrule.command.options import (
    form_of,
    hidden_sizes,
    json_option,
    network_options,
    quiet_option,
    table_options,
    target_options,
)

HELP = """Learn from a table, say what was learned, and write the model into one file.

\b
  chainrule train penguins.csv --target species --output penguins.npz
  chainrule train houses.parquet --target price --output houses.npz --report houses.html
  zcat log.csv.gz | chainrule train - --target failed --output failed.npz

TABLE is a file of comma- or tab-separated values or Parquet, compressed or not, or - for standard
input. Its first line names the columns. Numbers, text, truth values and gaps are taken as they
are; dates are not: make columns of what matters in them.

Whether the target is a class or a number is decided by what is in it, and said. A fifth of the
rows is held out; on these the model is measured, beside a linear model and one that always says
the same (the most frequent class, or the mean), so that its scores mean something. Several small
networks are trained and predict together; each leaves out a part of its rows, to stop in time.

The same table, options and seed give the same model, to the last bit, on the same machine.
"""


@click.command(name="train", help=HELP)
@click.argument("table")
@target_options
@click.option("--output", "-o", required=True, metavar="MODEL.npz", help="The model's file.")
@click.option(
    "--report", metavar="PAGE.html", help="Write the report as a page with pictures, too."
)
@click.option(
    "--skip-unusable",
    is_flag=True,
    help="Leave out columns that nothing can be learned from, and rows without a target, instead "
    "of refusing the table.",
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="The share of rows to measure on.",
)
@network_options
@click.option("--members", type=click.IntRange(1), help="How many networks predict together.")
@click.option(
    "--importance/--no-importance",
    default=True,
    help="Whether to measure which columns matter.  [default: importance]",
)
@table_options
@json_option
@quiet_option
def command(table: str, output: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Check what is given, learn, write, and report."""
    sizes = hidden_sizes(options["hidden"])
    if "-" in (output, options["report"]):
        raise click.UsageError(
            "--output and --report are files; standard output is for the report."
        )

    from chainrule.command.kernels import restart_with_fastest
    from chainrule.command.writing import check_apart, check_output

    check_output(output, "--output")
    check_output(options["report"], "--report")
    check_apart(output, "--output", table)
    check_apart(options["report"], "--report", table)
    restart_with_fastest()

    from chainrule.command.learning import Options
    from chainrule.command.task import decide
    from chainrule.command.training_table import Wishes, read_training_table

    form = form_of(options)
    wishes = Wishes(
        options["target"], options["drop"], options["categories"], options["skip_unusable"]
    )
    data = read_training_table(table, form, wishes)
    task = decide(data.target, options["task"])
    if not as_json:
        click.echo(task.why)
    wanted = Options(
        seed=options["seed"],
        holdout=options["holdout"],
        epochs=options["epochs"],
        members=options["members"],
        hidden_layers=sizes,
        categories=options["categories"],
        balanced=options["balanced"],
        importance=options["importance"],
    )
    trained = _learn(data, task, form, wanted, quiet=quiet)
    _write(trained, output, options["report"], table)
    _tell(trained, output, options["report"], as_json=as_json)


def _learn(data: Any, task: Any, form: Any, options: Any, *, quiet: bool) -> Any:
    from chainrule.command.learning import learn
    from chainrule.command.progress import EpochBar
    from chainrule.estimators import defaults

    with EpochBar(options.epochs or defaults.EPOCHS, quiet=quiet) as bar:
        return learn(data, task, form, options, bar.on_epoch, bar.on_stage)


def _write(trained: Any, output: str, page: str | None, table: str) -> None:
    """Write the model, and the page where one is wanted; all that is slow comes before."""
    from chainrule.command.interruption import cleaned_up_if_interrupted
    from chainrule.command.writing import write_text

    text = None
    if page is not None:
        from chainrule.command.page import page_of

        text = page_of(trained, table)
    with cleaned_up_if_interrupted():
        trained.save(output)
        if page is not None and text is not None:
            write_text(page, text)


def _tell(trained: Any, output: str, page: str | None, *, as_json: bool) -> None:
    if as_json:
        plain = {"model": output, **trained.schema.as_dict(), **trained.found}
        plain["scores"] = trained.schema.scores
        click.echo(json.dumps(plain, indent=1))
        return
    from chainrule.command import report

    for line in report.of_training(trained):
        click.echo(line)
    click.echo(f"\nThe model is in {output}" + (f", the report in {page}" if page else ""))
