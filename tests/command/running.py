"""The real command in its own process, and a table to learn from."""

import contextlib
import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from chainrule.command import main

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--epochs", "8", "--members", "2", "--hidden", "16", "--quiet", "--no-importance")


def variables(**more):
    """Return the environment variables of the command."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("CHAINRULE")}
    return {**given, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **more}


def chainrule(*arguments, cwd=None, given=None, **more):
    """Run the command as a user does; return what it printed, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "chainrule_command", *map(str, arguments)],
        cwd=cwd,
        input=given,
        capture_output=True,
        encoding=None if isinstance(given, bytes) else "utf-8",
        env=variables(**more),
        timeout=300,
        check=False,
    )


def called(*arguments, cwd=None):
    """Run the command in this process, which saves the second that imports take.

    Messages about failures, and signals, are tested with the real command: `chainrule` above.
    """
    told, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        contextlib.chdir(cwd or "."),
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(error),
    ):
        code = main([str(argument) for argument in arguments])
    texts = []
    for stream in (told, error):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(arguments, code, *texts)


def write_csv(path, header, rows, **options):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", **options)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


HEADER = ("id", "length_cm", "colour", "ripe", "kind", "price")


def fruit(count, seed):
    """Return rows of a table with numbers, text, booleans and missing values."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        kind = rng.integers(3)
        length = 5 + 3 * kind + rng.normal()
        colour = ("red", "green", "yellow, with spots")[(kind + (rng.random() < 0.2)) % 3]
        ripe = bool(rng.random() < 0.5)
        price = 2 * length + (3 if ripe else 0) + rng.normal()
        cells = [f"{n:04d}", f"{length:.3f}", colour, str(ripe), ("apple", "pear", "plum")[kind]]
        cells += [f"{price:.2f}"]
        if rng.random() < 0.05:
            cells[1] = ""
        if rng.random() < 0.05:
            cells[2] = "NA"
        rows.append(cells)
    return rows
