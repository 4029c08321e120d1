"""Options that several subcommands share, and how a table's file is told from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def add(function: Function, *options: Callable[[Function], Function]) -> Function:
    """Return a subcommand's function with these options, in the order of its help."""
    for option in reversed(options):
        function = option(function)
    return function


def table_options(function: Function) -> Function:
    """Add what says how a file of separated values is written."""
    return add(
        function,
        click.option(
            "--separator",
            metavar="CHARACTER",
            help="What stands between values, such as ';' ('\\t' is a tab). Found in the first "
            "line where it is not given.",
        ),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            help="What stands before the fraction of a number.  [default: .]",
        ),
        click.option(
            "--encoding",
            metavar="NAME",
            help="How the text is encoded, such as latin-1.  [default: utf-8]",
        ),
        click.option(
            "--missing",
            multiple=True,
            metavar="TEXT",
            help="A further text that means that a value is missing, such as '?'; nothing, NA, "
            "NaN, null and the like always do. May be given several times.",
        ),
    )


def form_of(options: dict[str, Any]) -> Any:
    """Return the `Format` that these options tell."""
    from chainrule.command.tables import Format

    return Format().updated(*(options[n] for n in ("separator", "decimal", "encoding", "missing")))


def target_options(function: Function) -> Function:
    """Add what is learned, and from which columns."""
    return add(
        function,
        click.option("--target", required=True, metavar="COLUMN", help="What is to be predicted."),
        click.option(
            "--task",
            type=click.Choice(["classification", "regression"]),
            help="What the target is, where it would be decided wrong.",
        ),
        click.option(
            "--drop",
            multiple=True,
            metavar="COLUMN",
            help="A column to leave out, such as an id.",
        ),
        click.option(
            "--categories",
            multiple=True,
            metavar="COLUMN",
            help="A column whose numbers are names, such as postal codes.",
        ),
    )


def network_options(function: Function) -> Function:
    """Add what the networks are, and how they learn."""
    return add(
        function,
        click.option(
            "--balanced",
            is_flag=True,
            help="Let all classes count the same, as rare as they are.",
        ),
        click.option(
            "--epochs", type=click.IntRange(1), help="How often to go through the rows at most."
        ),
        click.option(
            "--hidden", metavar="SIZES", help="The sizes of the hidden layers, such as 128,128."
        ),
        click.option(
            "--seed", type=click.IntRange(0), default=0, show_default=True, help="To repeat it."
        ),
    )


def hidden_sizes(text: str | None) -> tuple[int, ...] | None:
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


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead, for programs."
)

quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")

on_unknown_option = click.option(
    "--on-unknown",
    type=click.Choice(["refuse", "warn"]),
    default="refuse",
    show_default=True,
    help="What to do about missing columns, unknown categories, values far outside the training "
    "range, and missing values where the training table had none: refuse the table, or go on with "
    "a warning, taking what is unknown for missing.",
)
