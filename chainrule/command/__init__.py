"""The command `chainrule`: from a table in a file to a model, its report and its predictions.

This part needs the extra ``cli``. Each file below imports what is slow to load when it is needed,
so that ``chainrule --help`` is quick.

application.py   the command, its subcommands, and how every failure becomes a sentence and a code
train.py doctor.py evaluate.py predict.py inspect.py environment.py run.py   the subcommands, one a
                 file
options.py       the options that several of them share

tables.py        files of every kind as tables: whole, or piece by piece
opening.py standard_input.py   what they are read from: files, compressed or not, and pipes
training_table.py   what may be learned from: the door of `train` and `doctor`
task.py          classes or numbers, and why
schema.py        what a model's file knows about the table that it learned from
rows.py          pieces of a table as the model takes them, and what is odd in them
model.py         a model's file, opened: rows in, predictions out
scoring.py       what is written for each row of a table
folder.py        every table of a folder, predicted side by side
processes.py     tasks shared out among processes, which Ctrl-C ends
targets.py       the true values of a table that is measured on
writing.py       predictions into a file, whole or not at all
interruption.py  what is being written at Ctrl-C

cures.py         what the doctor says of a table, with remedies for the shell

learning.py      the estimator, trained on most rows and measured on the others
measuring.py     what it does on rows it has not seen, and what simple models do
intervals.py     how far the interval around a predicted number reaches
scores.py        how good predictions are, in numbers
report.py texts.py   the reports as lines for a terminal, and their pieces
pictures.py      the report's pictures
page.py          the report as one page for a browser
progress.py      bars on standard error
kernels.py       which kernels and threads are fastest here, measured once
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chainrule.checks.extras import require
from chainrule.errors import MissingExtraError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code: 0, 1 for data or a model, 2 for its usage."""
    try:
        require("click", "cli", "The command chainrule")
    except MissingExtraError as error:
        print(error, file=sys.stderr)
        return 1
    from chainrule.command.application import run_command

    return run_command(arguments)
