"""`chainrule train`: from a table to a model in one file, and what it is worth."""

from __future__ import annotations

import json
from typing import Any

import click

from chainrule.command.options import json_option, quiet_option, table_options

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
the same (the most frequent class, or the mean), so that its scores mean something. An ensemble of
small networks is trained, with early stopping and calibrated probabilities or intervals.

The same table, options and seed give the same model, to the last bit, on the same machine.
"""


@click.command(name="train", help=HELP)
@click.argument("table")
@click.option("--target", required=True, metavar="COLUMN", help="What is to be predicted.")
@click.option("--output", "-o", required=True, metavar="MODEL.npz", help="The model's file.")
@click.option(
    "--report", metavar="PAGE.html", help="Write the report as a page with pictures, too."
)
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What the target is, where it would be decided wrong.",
)
@click.option(
    "--drop", multiple=True, metavar="COLUMN", help="A column to leave out, such as an id."
)
@click.option(
    "--categories",
    multiple=True,
    metavar="COLUMN",
    help="A column whose numbers are names, such as postal codes.",
)
@click.option(
    "--skip-unusable",
    is_flag=True,
    help="Leave out columns that nothing can be learned from, and rows without a target, instead "
    "of refusing the table.",
)
@click.option(
    "--balanced", is_flag=True, help="Let all classes count the same, as rare as they are."
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="The share of rows to measure on.",
)
@click.option("--epochs", type=click.IntRange(1), help="How often to go through the rows at most.")
@click.option("--members", type=click.IntRange(1), help="How many networks predict together.")
@click.option("--hidden", metavar="SIZES", help="The sizes of the hidden layers, such as 128,128.")
@click.option(
    "--importance/--no-importance",
    default=True,
    help="Whether to measure which columns matter.  [default: importance]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="To repeat it.")
@table_options
@json_option
@quiet_option
def command(table: str, output: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Check what is given, learn, write, and report."""
    sizes = _sizes(options["hidden"])

    from chainrule.command.kernels import restart_with_fastest
    from chainrule.command.writing import check_apart, check_output

    check_output(output, "--output")
    check_output(options["report"], "--report")
    check_apart(output, "--output", table)
    check_apart(options["report"], "--report", table)
    restart_with_fastest()

    from chainrule.command.learning import Options
    from chainrule.command.tables import Format
    from chainrule.command.task import decide
    from chainrule.command.training_table import Wishes, read_training_table

    form = Format().updated(*(options[n] for n in ("separator", "decimal", "encoding", "missing")))
    wishes = Wishes(
        options["target"], options["drop"], options["categories"], options["skip_unusable"]
    )
    data = read_training_table(table, form, wishes)
    task = decide(data.target, options["task"])
    if not as_json:
        click.echo(task.why)
    trained = _learn(
        data,
        task,
        form,
        Options(
            seed=options["seed"],
            holdout=options["holdout"],
            epochs=options["epochs"],
            members=options["members"],
            hidden_layers=sizes,
            categories=options["categories"],
            balanced=options["balanced"],
            importance=options["importance"],
        ),
        quiet=quiet,
    )
    trained.save(output)
    if options["report"]:
        from chainrule.command.page import write_page

        write_page(trained, options["report"], table)
    if as_json:
        click.echo(json.dumps(as_plain(trained, output), indent=1))
        return
    for line in report(trained):
        click.echo(line)
    click.echo(f"\nThe model is in {output}" + _and_page(options["report"]))


def _and_page(page: str | None) -> str:
    return f", the report in {page}" if page else ""


def _sizes(text: str | None) -> tuple[int, ...] | None:
    """Return the sizes of hidden layers, written like 128,64."""
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise click.UsageError(f"--hidden must be whole numbers such as 128,128; got {text!r}.")
    return sizes


def _learn(data: Any, task: Any, form: Any, options: Any, *, quiet: bool) -> Any:
    from chainrule.command.learning import learn
    from chainrule.command.progress import EpochBar
    from chainrule.estimators import defaults

    with EpochBar(options.epochs or defaults.EPOCHS, quiet=quiet) as bar:
        return learn(data, task, form, options, bar.on_epoch, bar.on_stage)


def report(trained: Any) -> list[str]:
    """Return the report as lines."""
    from chainrule.command import report as text
    from chainrule.command.learning import COVERAGE
    from chainrule.command.page import architecture

    schema = trained.schema
    lines = [
        f"Target: {text.target_described(schema)}",
        f"Learned from {schema.rows:,} rows, {len(schema.used)} columns; measured on "
        f"{schema.held_out:,} rows that were held out.",
        *(f"Note: {note}" for note in schema.notes),
        f"Model: {architecture(trained.estimator.network_)}",
        "",
        text.verdict(schema),
        "",
        *text.scores_table(schema.scores),
    ]
    if schema.task == "classification":
        lines += ["", "Which class is taken for which:"]
        lines += text.confusion_table(trained.confusion, schema.classes)
        lines += ["", "Calibration: are predictions as sure as they are right?"]
        lines += text.calibration_table(trained.reliability)
    elif str(COVERAGE) in schema.half_widths:
        width, covered = schema.half_widths[str(COVERAGE)], schema.scores["network"].get("coverage")
        lines += ["", text.interval_line(COVERAGE, width, covered, schema.target_unit)]
    if text.by_importance(schema.columns):
        lost = "accuracy" if schema.task == "classification" else "R²"
        lines += ["", f"Which columns matter ({lost} lost where a column is shuffled):"]
        lines += text.importance_table(schema.columns)
    return lines


def as_plain(trained: Any, output: str) -> dict[str, Any]:
    """Return all that the report says as what JSON can say."""
    plain: dict[str, Any] = {"model": output, **trained.schema.as_dict()}
    if trained.schema.task == "classification":
        plain["confusion"] = trained.confusion.tolist()
        plain["reliability"] = trained.reliability
    return plain
