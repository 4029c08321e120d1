"""Predicting every table of a folder in parallel: the same as each on its own."""

import gzip
import multiprocessing
import os
import shutil

import pytest
from command.running import HEADER, called, chainrule, fruit, read_csv, write_csv
from command.stand_ins import CannotBeLoaded, KilledAtSome

from chainrule.command.predict_folder import Job, run_jobs

OPTIONS = ("--keep", "id", "--probabilities")


def predict(folder, tables, output, *options, code=0, model="kind.npz"):
    done = called("predict", folder / model, tables, "--output", output, *options)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def tables(tmp_path):
    """Return a folder with three tables, for tests to change."""
    tables = tmp_path / "new"
    tables.mkdir()
    for seed, name in enumerate("abc"):
        write_csv(tables / f"{name}.csv", HEADER, fruit(20 + seed, seed))
    return tables


@pytest.mark.parametrize("jobs", [(), ("--jobs", "2"), ("-j", "-1")], ids=["one", "two", "all"])
def test_each_is_predicted_as_on_its_own(folder, tables, tmp_path, jobs):
    import pandas as pd

    text = (tables / "c.csv").read_bytes()
    (tables / "d.csv.gz").write_bytes(gzip.compress(text))
    (tables / "e.TSV").write_bytes(text.replace(b",", b"\t").replace(b'"yellow\t', b'"yellow,'))
    pd.read_csv(tables / "a.csv").to_parquet(tables / "f.parquet")
    done = predict(folder, tables, tmp_path / "out", *OPTIONS, *jobs)
    assert done.stderr == f"Predicted 127 rows of 6 tables in {tmp_path / 'out'}\n"
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.listdir(tables))
    for name in os.listdir(tables):
        predict(folder, tables / name, tmp_path / name, *OPTIONS)
        together, alone = (path.read_bytes() for path in (tmp_path / "out" / name, tmp_path / name))
        if name.endswith(".gz"):  # gzip records the time
            together, alone = gzip.decompress(together), gzip.decompress(alone)
        assert together == alone


def test_warnings_name_the_table(folder, tables, tmp_path):
    change(tables / "b.csv", 3, "colour", "purple")
    options = ("--on-unknown", "warn", "--quiet")
    done = predict(folder, tables, tmp_path / "out", *options)
    words = "column 'colour': unknown category in 1 row, the first is row 4 ('purple')"
    assert done.stderr == f"chainrule: warning: {tables / 'b.csv'}: {words}\n"
    assert len(read_csv(tmp_path / "out" / "b.csv")) == 21


def change(path, row, column, value):
    rows = read_csv(path)
    rows[row][column] = value
    write_csv(path, HEADER, [list(cells.values()) for cells in rows])


def test_one_that_cannot_be_predicted_is_named_and_the_others_are(folder, tables, tmp_path):
    change(tables / "a.csv", 3, "colour", "purple")
    with open(tables / "c.csv", "a") as file:
        file.write("one,two\n")
    out = tmp_path / "out"
    out.mkdir()
    (out / "c.csv").write_text("from before\n")
    done = predict(folder, tables, out, "--jobs", 2, code=1)
    told = done.stderr.splitlines()
    assert len(told) == 3
    first, second = sorted(told[:2])
    assert first.startswith(f"chainrule: {tables / 'a.csv'} differs from the training table")
    assert second.startswith(f"chainrule: {tables / 'c.csv'} has a row of 2 values")
    assert told[2] == (
        "chainrule: 2 of 3 tables could not be predicted: a.csv, c.csv; the others, 21 rows, are "
        f"in {out}."
    )
    assert sorted(os.listdir(out)) == ["b.csv", "c.csv"]
    assert (out / "c.csv").read_text() == "from before\n"
    assert len(read_csv(out / "b.csv")) == 21


def test_where_none_can_be_predicted_no_folder_is_left(folder, tables, tmp_path):
    done = predict(folder, tables, tmp_path / "out", "--keep", "weight", code=1)
    assert done.stderr.splitlines()[-1] == (
        "chainrule: 3 of 3 tables could not be predicted: a.csv, b.csv, c.csv."
    )
    assert f"{tables / 'b.csv'} has no column 'weight'." in done.stderr
    assert os.listdir(tmp_path) == ["new"]


def test_other_files_are_skipped(folder, tables, tmp_path):
    (tables / ".hidden.csv").write_text("nothing\n")
    (tables / "notes.md").write_text("# Notes\n")
    (tables / "older").mkdir()
    (tables / "older" / "d.csv").write_text("nothing\n")
    (tables / "gone.csv").symlink_to(tmp_path / "nothing.csv")
    done = predict(folder, tables, tmp_path / "out", "--quiet")
    told = f"gone.csv, notes.md, older{os.sep}"
    assert done.stderr == f"chainrule: skipped, not tables by name: {told}\n"
    assert sorted(os.listdir(tmp_path / "out")) == ["a.csv", "b.csv", "c.csv"]


def test_a_folder_within_the_one_that_is_read(folder, tables):
    predict(folder, tables, tables / "out")
    again = predict(folder, tables, tables / "out")  # replaces the old predictions
    assert sorted(os.listdir(tables / "out")) == ["a.csv", "b.csv", "c.csv"]
    assert "skipped" in again.stderr


def test_kinds_that_can_be_read_and_not_written(folder, tables, tmp_path):
    shutil.make_archive(tables / "d.csv", "zip", tables, "a.csv")
    predict(folder, tables, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert (tmp_path / "out" / "d.csv").read_bytes() == (tmp_path / "out" / "a.csv").read_bytes()
    (tables / "d.csv.zip").rename(tables / "a.csv.zip")
    done = predict(folder, tables, tmp_path / "out", code=1)
    assert f"{tables / 'a.csv.zip'} would both be predicted in {tmp_path / 'out' / 'a.csv'}" in (
        done.stderr
    )


# ---------------------------------------------------------------- what is refused at once


def test_the_output_is_another_folder(folder, tables, tmp_path):
    before = (tables / "a.csv").read_bytes()
    for output, words in {
        tables: "--output must be another one",
        tables / "a.csv": "--output must be another one",
        "-": "--output must be another one",
        tmp_path / "no" / "such": f"The folder {tmp_path / 'no'} for --output does not exist",
    }.items():
        done = predict(folder, tables, output, code=1)
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["new"]
    assert (tables / "a.csv").read_bytes() == before


def test_no_input_is_overwritten(folder, tables, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    before = (tables / "a.csv").read_bytes()
    (out / "b.csv").symlink_to(tables / "a.csv")
    assert "b.csv is also an input" in predict(folder, tables, out, code=1).stderr
    assert (tables / "a.csv").read_bytes() == before
    (out / "b.csv").unlink()
    shutil.copy(folder / "kind.npz", tmp_path / "model.npz")
    (out / "c.csv").symlink_to(tmp_path / "model.npz")
    done = predict(tmp_path, tables, out, model="model.npz", code=1)
    assert "c.csv is also an input" in done.stderr
    assert os.listdir(out) == ["c.csv"]


def test_a_folder_without_tables(folder, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.md").write_text("# Notes\n")
    done = predict(folder, tmp_path / "new", tmp_path / "out", code=1)
    assert "new has no table; its name would end in .csv, .tsv" in done.stderr
    assert os.listdir(tmp_path) == ["new"]


def test_jobs_are_for_a_folder(folder, tables, tmp_path):
    done = predict(folder, tables / "a.csv", tmp_path / "p.csv", "--jobs", 2, code=2)
    assert "--jobs is for a folder of tables, and" in done.stderr
    done = predict(folder, tmp_path / "old", tmp_path / "out", "--jobs", 2, code=2)
    assert "old is not a folder" in done.stderr
    for jobs in (0, -2):
        done = predict(folder, tables, tmp_path / "out", "--jobs", jobs, code=2)
        assert f"-1 for one per processor; got {jobs}." in done.stderr
    assert os.listdir(tmp_path) == ["new"]


def jobs_for(folder, names):
    return [Job(f"tables/{name}", str(folder / name), 1) for name in names]


@pytest.mark.parametrize("processes", [1, 2])
def test_each_table_is_predicted_once(tmp_path, processes):
    names = [f"{n}.csv" for n in range(5)]
    results = list(run_jobs(KilledAtSome(), jobs_for(tmp_path, names), processes))
    assert sorted(result.job.output for result in results) == [str(tmp_path / n) for n in names]
    workers = {result.rows for result in results}
    assert len(workers) <= processes
    assert (os.getpid() in workers) == (processes == 1)
    assert multiprocessing.active_children() == []


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL there")
def test_a_process_that_is_killed_takes_no_other_table_with_it(tmp_path):
    names = ["a.csv", "kill.csv", "b.csv", "kill_too.csv", "c.csv"]
    results = list(run_jobs(KilledAtSome(), jobs_for(tmp_path, names), 2))
    errors = {os.path.basename(result.job.output): result.error for result in results}
    assert sorted(errors) == sorted(names)
    assert {name for name, error in errors.items() if error} == {"kill.csv", "kill_too.csv"}
    assert "its process was killed; if memory is short, give fewer --jobs." in errors["kill.csv"]
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.long
def test_processes_that_cannot_start_are_not_started_for_ever(tmp_path):
    results = list(run_jobs(CannotBeLoaded(), jobs_for(tmp_path, ["a.csv", "b.csv"]), 2))
    assert [bool(result.error) for result in results] == [True, True]
    assert os.listdir(tmp_path) == []


def test_the_real_command_prints_nothing_else(folder, tables, tmp_path):
    """Resources that its processes leave behind would cause a warning at the end."""
    done = chainrule("predict", folder / "kind.npz", "new", "-o", "out", "-j", 2, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "Predicted 63 rows of 3 tables in out\n"
    assert done.stdout == ""
    assert sorted(os.listdir(tmp_path / "out")) == ["a.csv", "b.csv", "c.csv"]
