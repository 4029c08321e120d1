"""What belongs to a file's layout: titles, comments, row numbers, empty rows, totals."""

import json

import numpy as np
import pytest
from command.running import QUICK, called, fruit

HEADER = "length,colour,kind"


def rows(count=120):
    return [",".join([row[1], row[2], row[4]]) for row in fruit(count, 0) if "," not in row[2]]


def train(folder, text, *options):
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = ("train", "t.csv", "--target", "kind", "-o", "m.npz", "--json", *QUICK)
    return called(*arguments, *options, cwd=folder)


def clean(folder):
    return json.loads(train(folder, "\n".join([HEADER, *rows()])).stdout)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda lines: [*lines[:50], HEADER, *lines[50:]], "row 51 repeats the column names: left"),
        (lambda lines: [*lines[:9], ",,", *lines[9:], ",,"],
         "row 10 is empty, and 1 more like it: left out"),
        (lambda lines: [*lines, "1234.5,,Total"], "is a total ('Total'): left out"),
    ],
)  # fmt: skip
def test_stray_rows_are_left_out_and_noted(tmp_path, change, note):
    expected = clean(tmp_path)
    done = train(tmp_path, "\n".join([HEADER, *change(rows())]))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert any(note in said for said in told["notes"])
    assert told["classes"] == expected["classes"]
    assert told["scores"] == expected["scores"]


@pytest.mark.parametrize(
    ("header", "cell", "note"),
    [
        (HEADER + ",", lambda n: ",", "column 4 has no name and is empty: left out"),
        (HEADER + ",rownames", lambda n: f",{n + 1}", "column 'rownames' holds row numbers"),
        (HEADER + ",rownames", lambda n: f",Mr. {n}", "column 'rownames' holds row numbers"),
        (HEADER + ",Unnamed: 0", lambda n: f",{n}", "column 'Unnamed: 0' holds row numbers"),
    ],
)
def test_stray_columns_are_left_out_and_noted(tmp_path, header, cell, note):
    lines = [line + cell(n) for n, line in enumerate(rows())]
    done = train(tmp_path, "\n".join([header, *lines]))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert any(note in said for said in told["notes"])
    assert [column["name"] for column in told["columns"]] == ["length", "colour"]
    done = called("evaluate", "m.npz", "t.csv", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_column_without_a_name_that_holds_something_is_refused(tmp_path):
    done = train(tmp_path, "\n".join([HEADER + ",", *[line + ",x" for line in rows()]]))
    assert done.returncode == 1
    assert "Column 4 of t.csv has no name in the first line." in done.stderr


@pytest.mark.parametrize(
    ("above", "told", "options"),
    [
        (["Fruit of 2020,,"], "--skip-rows", ["--skip-rows", "1"]),
        (["Fruit of 2020", ""], "--skip-rows", ["--skip-rows", "2"]),
        (["# made by hand", "# twice"], "--comment", ["--comment", "#"]),
    ],
)
def test_lines_above_the_column_names(tmp_path, above, told, options):
    text = "\n".join([*above, HEADER, *rows()])
    done = train(tmp_path, text)
    assert done.returncode == 1
    assert told in done.stderr or above[0].startswith("#")
    done = train(tmp_path, text, *options)
    assert done.returncode == 0, done.stderr
    done = called("predict", "m.npz", "t.csv", "-o", "p.csv", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # the model remembers it


def test_comments_between_rows(tmp_path):
    lines = rows()
    lines[30:30] = ["# thirty are enough"]
    done = train(tmp_path, "\n".join([HEADER, *lines]), "--comment", "#")
    assert json.loads(done.stdout)["scores"] == clean(tmp_path)["scores"]


def test_lines_may_end_as_on_an_old_macintosh(tmp_path):
    done = train(tmp_path, "\r".join([HEADER, *rows()]).encode())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"] == clean(tmp_path)["scores"]


def test_na_may_be_a_category(tmp_path):
    kinds = np.random.default_rng(0).choice(["NA", "EU", "AF"], 200)
    lines = [f"{len(kind) + n % 7},{kind},{'a' if kind == 'NA' else 'b'}"
             for n, kind in enumerate(kinds.tolist())]  # fmt: skip
    text = "\n".join(["x,continent,kind", *lines])
    told = json.loads(train(tmp_path, text).stdout)
    count = (kinds == "NA").sum()
    note = (
        f"column 'continent': 'NA' ({count}) taken for missing values; --keep-na keeps them as text"
    )
    assert note in told["notes"]
    told = json.loads(train(tmp_path, text, "--keep-na").stdout)
    (column,) = [column for column in told["columns"] if column["name"] == "continent"]
    assert sorted(column["examples"]) == ["AF", "EU", "NA"]
    assert column["missing"] == 0
    (tmp_path / "new.csv").write_text("x,continent\n3,NA\n3,EU\n")
    done = called("predict", "m.npz", "new.csv", "-o", "-", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_rows_are_counted_as_they_stand_in_the_file(tmp_path):
    lines = rows()
    lines[40] = lines[40].rpartition(",")[0] + ","
    done = train(tmp_path, "\n".join([HEADER, *lines[:10], HEADER, ",,", *lines[10:]]))
    assert done.returncode == 1
    assert "missing in 1 of" in done.stderr
    assert "first in row 43" in done.stderr
