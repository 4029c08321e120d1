"""Options that several subcommands share, and how a table's file is told from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def table_options(function: Function) -> Function:
    """Add what says how a file of separated values is written."""
    for option in reversed(
        [
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
        ]
    ):
        function = option(function)
    return function


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
