"""The command `chainrule`: from a table in a file to a model, its report and its predictions.

It needs the extra ``cli``. Each subcommand's module is imported when the subcommand runs, so
that ``chainrule --help`` is quick.

cli.py             the subcommands with their options and help, and the exit codes
error_message.py   what went wrong, in a sentence
train.py doctor.py evaluate.py predict.py predict_folder.py inspect.py   what they do
progress.py        progress bars

tables/            tables in, predictions out
models/            a model's file, its inputs and outputs, and its scores
reports/           reports as text for a terminal and as an HTML page with figures
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``chainrule`` on the command line; the process's own arguments by default.

    Returns
    -------
    int
        0 for success, 1 for a problem with the data, a model or a file, 2 for wrong usage.
    """
    try:
        from chainrule.command.cli import run
    except ImportError as error:
        print(f"The command needs {error.name}: pip install 'chainrule[cli]'.", file=sys.stderr)
        return 1
    return run(arguments)
