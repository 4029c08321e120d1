"""Predicting the rows of a table: all of them, in order, or none."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from command.running import HEADER, called, fruit, read_csv, variables, write_csv

from chainrule import Ensemble


def predict(folder, model, table, *options, code=0):
    done = called("predict", folder / model, table, *options)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def new(tmp_path):
    """Return a table of new rows, for tests to change."""
    return write_csv(tmp_path / "new.csv", HEADER, fruit(25, 9))


def test_all_that_can_be_asked_for(folder, tmp_path, new):
    options = ("--keep", "id", "--probabilities", "--spread", "-o", tmp_path / "p.csv")
    predict(folder, "kind.npz", new, *options)
    rows = read_csv(tmp_path / "p.csv")
    assert [row["id"] for row in rows] == [f"{n:04d}" for n in range(25)]
    for row in rows:
        p = {name: float(row[f"probability_{name}"]) for name in ("apple", "pear", "plum")}
        assert sum(p.values()) == pytest.approx(1)
        assert max(p, key=p.get) == row["predicted_kind"]
        assert float(row["predicted_kind_spread"]) >= 0


def test_intervals_are_wider_for_more_certainty(folder, tmp_path, new):
    ends = {}
    for percent in (50, 90):
        options = ("--interval", percent, "-o", tmp_path / "p.csv")
        predict(folder, "price.npz", new, *options)
        rows = read_csv(tmp_path / "p.csv")
        ends[percent] = [
            [float(row[f"predicted_price{end}"]) for end in ("_low", "", "_high")] for row in rows
        ]
    ends = {percent: np.array(rows) for percent, rows in ends.items()}
    assert (ends[90][:, 0] < ends[50][:, 0]).all()
    assert (ends[50][:, 0] < ends[50][:, 1]).all()
    assert (ends[50][:, 1] < ends[50][:, 2]).all()
    assert (ends[50][:, 2] < ends[90][:, 2]).all()


def test_predictions_are_those_of_the_model(folder, tmp_path, new):
    predict(folder, "price.npz", new, "-o", tmp_path / "p.csv")
    told = [float(row["predicted_price"]) for row in read_csv(tmp_path / "p.csv")]
    columns = {name: [row[name] or None for row in read_csv(new)] for name in HEADER}
    rows = {
        "length_cm": [np.nan if x is None else float(x) for x in columns["length_cm"]],
        "colour": [None if x == "NA" else x for x in columns["colour"]],
        "ripe": [x == "True" for x in columns["ripe"]],
    }
    expected = Ensemble.load(folder / "price.npz").predict_raw(rows)[:, 0]
    np.testing.assert_allclose(told, expected, rtol=1e-12)


def test_the_order_of_columns_does_not_matter(folder, tmp_path, new):
    shuffled = list(HEADER)
    random.Random(0).shuffle(shuffled)
    rows = [[row[name] for name in shuffled] for row in read_csv(new)]
    write_csv(tmp_path / "other.csv", shuffled, rows)
    first = predict(folder, "kind.npz", new, "--probabilities").stdout
    assert predict(folder, "kind.npz", tmp_path / "other.csv", "--probabilities").stdout == first


def test_kept_columns_are_copied_exactly(folder, tmp_path, new):
    predict(folder, "kind.npz", new, "--keep-all", "-o", tmp_path / "p.csv")
    rows = read_csv(tmp_path / "p.csv")
    assert [{name: row[name] for name in HEADER} for row in rows] == read_csv(new)


@pytest.mark.parametrize("name", ["p.tsv", "p.csv.gz", "p.csv.bz2", "p.csv.xz", "p.parquet"])
def test_files_of_other_kinds(folder, tmp_path, new, name):
    import pandas as pd

    predict(folder, "kind.npz", new, "--keep", "colour", "-o", tmp_path / name)
    if name == "p.parquet":
        frame = pd.read_parquet(tmp_path / name)
    else:
        frame = pd.read_csv(tmp_path / name, sep="\t" if name == "p.tsv" else ",")
    assert list(frame.columns) == ["colour", "predicted_kind"]
    assert len(frame) == 25


# ---------------------------------------------------------------- what the model does not know


def change(path, row, column, value):
    rows = read_csv(path)
    rows[row][column] = value
    write_csv(path, HEADER, [list(cells.values()) for cells in rows])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("colour", "purple", "column 'colour': unknown category in 1 row, the first is row 4"),
        ("length_cm", "9000", "column 'length_cm': far outside the training range in 1 row"),
        ("length_cm", "long", "column 'length_cm': text in a column of numbers in 1 row"),
        ("length_cm", "inf", "column 'length_cm': infinity in 1 row, the first is row 4"),
        ("ripe", "", "column 'ripe': missing value in 1 row, the first is row 4"),
    ],
    ids=["category", "range", "text", "infinity", "missing"],
)
def test_an_unknown_value_is_refused_or_warned_of(folder, tmp_path, new, column, value, words):
    change(new, 3, column, value)
    out = tmp_path / "p.csv"
    done = predict(folder, "kind.npz", new, "-o", out, code=1)
    assert words in done.stderr
    assert "--on-unknown warn" in done.stderr
    assert not out.exists()
    done = predict(folder, "kind.npz", new, "-o", out, "--on-unknown", "warn")
    assert f"chainrule: warning: {words}" in done.stderr
    assert len(read_csv(out)) == 25


def test_a_missing_column_is_refused_or_taken_for_missing(folder, tmp_path, new):
    rows = [row[2:] for row in fruit(25, 9)]
    write_csv(new, HEADER[2:], rows)
    done = predict(folder, "kind.npz", new, code=1)
    assert "column 'length_cm': missing column (trained on values in cm" in done.stderr
    done = predict(folder, "kind.npz", new, "--on-unknown", "warn")
    assert "warning: column 'length_cm': missing column" in done.stderr
    assert len(done.stdout.splitlines()) == 26


def test_none_of_the_columns(folder, new):
    write_csv(new, ["a", "b"], [[1, 2]])
    done = predict(folder, "kind.npz", new, "--on-unknown", "warn", code=1)
    assert "none of the columns" in done.stderr


def test_rows_are_counted_over_all_batches(folder, tmp_path):
    """The first unknown value of a long table is reported with its row."""
    rows = fruit(400, 2) * 500  # more than 8 MB: two batches
    rows[190_000] = [*rows[190_000][:2], "purple", *rows[190_000][3:]]
    table = write_csv(tmp_path / "long.csv", HEADER, rows)
    assert table.stat().st_size > 1 << 22
    out = tmp_path / "p.csv"
    done = predict(folder, "kind.npz", table, "-o", out, "--keep", "id", "--on-unknown", "warn")
    assert "unknown category in 1 row, the first is row 190001 ('purple')" in done.stderr
    told = read_csv(out)
    assert [row["id"] for row in told] == [row[0] for row in rows]
    # A part of the table has the same predictions: batches do not change them.
    part = write_csv(tmp_path / "part.csv", HEADER, rows[-100:])
    alone = predict(folder, "kind.npz", part).stdout.splitlines()[1:]
    assert alone == [row["predicted_kind"] for row in told[-100:]]


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals there")
def test_a_terminal_sees_a_bar_and_a_file_does_not(folder, new):
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-m", "chainrule_command", "predict", folder / "kind.npz", new]
    with os.fdopen(slave, "wb") as terminal:
        done = subprocess.run(
            [*map(str, command)],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=variables(),
            check=True,
        )
        drawn = os.read(master, 10_000).decode()
    os.close(master)
    assert "100%|" in drawn
    assert "25 rows" in drawn
    assert len(done.stdout.splitlines()) == 26
    assert predict(folder, "kind.npz", new).stderr == ""
