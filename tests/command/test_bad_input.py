"""Bad input: one sentence on standard error, and an exit code that says so."""

import io
import os

import numpy as np
import pytest
from command.running import HEADER, QUICK, called, chainrule, fruit, write_csv

from chainrule import Network


def refused(done, *words, code=1):
    """Check that a run printed one sentence with these words in it, and wrote nothing else."""
    error = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
    assert done.returncode == code, error
    assert "Traceback" not in error
    assert "bug in chainrule" not in error
    lines = error.strip().splitlines()
    assert len(lines) == 1, error
    assert lines[0].startswith("chainrule: ")
    assert lines[0].endswith(".")
    for word in words:
        assert word in lines[0]


def train(folder, table, *options, target="y", output="model.npz", **given):
    run = chainrule if given else called
    done = run(
        *("train", table, "--target", target, "--output", output, *QUICK, *options),
        cwd=folder,
        **given,
    )
    assert done.returncode == 0 or not (folder / "model.npz").exists()
    return done


def numbers(count=40):
    rng = np.random.default_rng(0)
    return [
        [f"{a:.3f}", f"{b:.3f}", "no" if a < 0 else "yes"] for a, b in rng.normal(size=(count, 2))
    ]


# ---------------------------------------------------------------- files


def test_the_real_command_says_the_same(tmp_path):
    """The other tests run the command in their own process, which is quicker."""
    arguments = ("train", "nothing.csv", "--target", "y", "-o", "m.npz")
    done = chainrule(*arguments, cwd=tmp_path)
    refused(done, "There is no file nothing.csv")
    assert done.stderr == called(*arguments, cwd=tmp_path).stderr
    usage = chainrule("train", cwd=tmp_path)
    assert (usage.returncode, usage.stderr) == (2, called("train", cwd=tmp_path).stderr)


def test_no_such_file(tmp_path):
    refused(train(tmp_path, "nothing.csv"), "There is no file nothing.csv")


def test_a_folder(tmp_path):
    refused(train(tmp_path, "."), ". is a folder")


def test_an_empty_file(tmp_path):
    (tmp_path / "t.csv").touch()
    refused(train(tmp_path, "t.csv"), "t.csv is empty")


def test_a_header_and_no_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n")
    refused(train(tmp_path, "t.csv"), "t.csv has no rows")


def test_an_empty_pipe(tmp_path):
    refused(train(tmp_path, "-", given=""), "standard input is empty")


def test_too_few_rows(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", numbers(5))
    refused(train(tmp_path, "t.csv"), "5 rows", "at least 10")


@pytest.mark.parametrize("row", [["1", "2"], ["1", "2", "3", "4"]], ids=["short", "long"])
def test_ragged_rows(tmp_path, row):
    write_csv(tmp_path / "t.csv", "aby", [*numbers(), row, *numbers()])
    refused(train(tmp_path, "t.csv"), f"a row of {len(row)} values", "3 columns", "1,2")


def test_a_wrong_encoding(tmp_path):
    rows = [[a, b, "größer" if y == "yes" else y] for a, b, y in numbers()]
    text = "\n".join(map(",".join, [["a", "b", "y"], *rows]))
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    refused(train(tmp_path, "t.csv"), "not utf-8 text", "column 'y'", "--encoding latin-1")
    (tmp_path / "t.csv").write_bytes(text.encode("utf-16"))
    refused(train(tmp_path, "t.csv"), "UTF-16", "--encoding utf-16")
    refused(train(tmp_path, "t.csv", "--encoding", "ascii"), "is not ascii text")


def test_an_unknown_encoding(tmp_path):
    refused(train(tmp_path, "t.csv", "--encoding", "klingon"), "no encoding 'klingon'")


def test_a_truncated_archive(tmp_path):
    import gzip

    text = io.StringIO()
    text.write("a,b,y\n" + "\n".join(map(",".join, numbers(2000))))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.getvalue().encode())[:5000])
    refused(train(tmp_path, "t.csv.gz"), "t.csv.gz cannot be read")


def test_a_damaged_parquet_file(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(100))
    refused(train(tmp_path, "t.parquet"), "t.parquet cannot be read")


def test_a_quotation_mark_that_is_never_closed(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", numbers())
    text = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(text + '"1,2,no\n' + "3,4,yes\n" * 3)
    refused(train(tmp_path, "t.csv"), "t.csv")


def test_a_spreadsheet(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    refused(train(tmp_path, "t.xlsx"), "office document", "CSV")


# ---------------------------------------------------------------- columns


def test_no_such_column(folder):
    refused(
        train(folder, "fruit.csv", target="knd"),
        "no column 'knd'",
        "did you mean 'kind'?",
        "'price'",
    )
    refused(train(folder, "fruit.csv", "--drop", "idd", target="kind"), "no column 'idd'")


def test_a_target_that_is_dropped(folder):
    refused(train(folder, "fruit.csv", "--drop", "kind", target="kind"), "'kind' is the target")


def test_a_target_and_nothing_else(tmp_path):
    write_csv(tmp_path / "t.csv", "y", [[y] for *_, y in numbers()])
    refused(train(tmp_path, "t.csv"), "no column besides the target 'y'", "--separator")


def test_duplicate_names_of_columns(tmp_path):
    write_csv(tmp_path / "t.csv", "aay", numbers())
    refused(train(tmp_path, "t.csv"), "Several columns", "'a'")


def test_a_column_without_a_name(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "", "y"], numbers())
    refused(train(tmp_path, "t.csv"), "Column 2 of t.csv has no name")


@pytest.mark.parametrize("value", ["DE", "7", ""], ids=["text", "number", "missing"])
def test_a_column_that_never_changes(tmp_path, value):
    write_csv(tmp_path / "t.csv", "abyc", [[*row, value] for row in numbers()])
    words = "the same value in every row" if value else "is missing in every row"
    refused(train(tmp_path, "t.csv"), "'c'", words, "--drop c", "--skip-unusable")
    arguments = ("train", "t.csv", "--target", "y", "-o", "m.npz", *QUICK, "--skip-unusable")
    done = called(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Note: column 'c'" in done.stdout


def test_no_column_that_changes(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", [["", "1", y] for *_, y in numbers()])
    done = train(tmp_path, "t.csv", "--skip-unusable")
    refused(done, "no column to learn from", "'a' is missing in every row")


def test_all_is_missing(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", [["", "", ""]] * 40)
    refused(train(tmp_path, "t.csv"), "target 'y' is missing in every row")


def test_a_million_categories(tmp_path):
    with open(tmp_path / "t.csv", "w") as file:
        file.write("a,name,y\n")
        file.writelines(
            f"{n % 17},person {n},{'no' if n % 17 < 8 else 'yes'}\n" for n in range(10**6)
        )
    refused(train(tmp_path, "t.csv"), "'name'", "1,000,000 different texts", "--drop name")


def test_fifty_thousand_columns(tmp_path):
    names = [f"c{n}" for n in range(50_000)]
    write_csv(tmp_path / "t.csv", [*names, "y"], [[1] * 50_000 + [n % 2] for n in range(20)])
    refused(train(tmp_path, "t.csv"), "50,000 columns", "10,000")


def test_dates(tmp_path):
    rows = [[*row, f"2024-01-{n % 28 + 1:02d}"] for n, row in enumerate(numbers())]
    write_csv(tmp_path / "t.csv", "abyd", rows)
    refused(train(tmp_path, "t.csv"), "Column 'd' holds dates", "day of the week")


def test_infinity(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", [*numbers(), ["inf", "1", "no"]])
    refused(train(tmp_path, "t.csv"), "'a'", "infinity")


# ---------------------------------------------------------------- the target


def test_one_class_only(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", [[a, b, "no"] for a, b, _ in numbers()])
    refused(train(tmp_path, "t.csv"), "target 'y' has only one value, 'no'")


def test_a_target_with_missing_values(tmp_path):
    rows = numbers()
    rows[4][2] = rows[7][2] = ""
    write_csv(tmp_path / "t.csv", "aby", rows)
    done = train(tmp_path, "t.csv")
    refused(done, "target 'y' is missing in 2 of 40 rows", "row 5", "--skip-unusable")
    arguments = ("train", "t.csv", "--target", "y", "-o", "m.npz", *QUICK, "--skip-unusable")
    assert called(*arguments, cwd=tmp_path).returncode == 0


def test_a_name_as_the_target(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", [[a, b, f"n{n}"] for n, (a, b, _) in enumerate(numbers())])
    refused(train(tmp_path, "t.csv"), "40 different values in 40 rows", "too many for classes")


def test_numbers_asked_of_text(tmp_path):
    write_csv(tmp_path / "t.csv", "aby", numbers())
    done = train(tmp_path, "t.csv", "--task", "regression")
    refused(done, "target 'y' holds text such as 'no'", "regression needs numbers")


# ---------------------------------------------------------------- where to


def test_an_output_whose_folder_is_missing(folder):
    done = train(folder, "fruit.csv", target="kind", output="nowhere/m.npz")
    refused(done, "nowhere", "does not exist")
    done = called("predict", "kind.npz", "holdout.csv", "-o", "nowhere/p.csv", cwd=folder)
    refused(done, "nowhere", "does not exist")


def test_an_output_that_cannot_be_written(folder):
    done = train(folder, "fruit.csv", target="kind", output=".")
    refused(done, "--output . is a folder")
    if os.path.isdir("/proc/self"):  # where not even root can write
        refused(
            train(folder, "fruit.csv", target="kind", output="/proc/m.npz"), "cannot be written"
        )
    done = called("predict", "kind.npz", "holdout.csv", "-o", "p.docx", cwd=folder)
    refused(done, "must end in .csv")


def test_an_input_is_not_overwritten(folder):
    before = (folder / "fruit.csv").read_bytes()
    done = train(folder, "fruit.csv", target="kind", output="fruit.csv")
    refused(done, "fruit.csv is also an input")
    assert (folder / "fruit.csv").read_bytes() == before


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("subcommand", ["evaluate", "predict"])
def test_no_model(folder, subcommand):
    refused(called(subcommand, "no.npz", "holdout.csv", cwd=folder), "There is no file no.npz")
    done = called(subcommand, "fruit.csv", "holdout.csv", cwd=folder)
    refused(done, "fruit.csv", "not a chainrule file")
    refused(done, "the model comes first, as in chainrule predict model.npz fruit.csv.")
    Network([3, 2], seed=0).save(folder / "network.npz")
    done = called(subcommand, "network.npz", "holdout.csv", cwd=folder)
    refused(done, "not a model of a table")


def test_inspecting_a_file_that_is_not_a_model(folder):
    Network([3, 2], seed=0).save(folder / "network.npz")
    refused(called("inspect", "network.npz", cwd=folder), "not a model of a table")
    np.savez(folder / "arrays.npz", a=np.ones(3))
    refused(called("inspect", "arrays.npz", cwd=folder), "not a chainrule file")
    whole = (folder / "kind.npz").read_bytes()
    (folder / "half.npz").write_bytes(whole[: len(whole) // 2])
    refused(called("inspect", "half.npz", cwd=folder), "half.npz")
    refused(called("inspect", ".", cwd=folder), "is a folder")


def test_a_model_instead_of_a_table(folder):
    done = called("predict", "kind.npz", "kind.npz", cwd=folder)
    refused(done, "is a chainrule model, and a table is expected")


def test_evaluating_without_the_target(folder, tmp_path):
    rows = [row[:4] for row in fruit(20, 5)]
    write_csv(tmp_path / "t.csv", HEADER[:4], rows)
    done = called("evaluate", folder / "kind.npz", "t.csv", cwd=tmp_path)
    refused(done, "no column 'kind'")
    write_csv(tmp_path / "t.csv", HEADER, [*fruit(20, 5), ["1", "2", "red", "True", "", "3"]])
    done = called("evaluate", folder / "kind.npz", "t.csv", cwd=tmp_path)
    refused(done, "'kind' is missing in row 21")


def test_a_kept_column_that_has_the_name_of_a_prediction(folder, tmp_path):
    rows = [[*row, "x"] for row in fruit(20, 5)]
    write_csv(tmp_path / "t.csv", [*HEADER, "predicted_kind"], rows)
    done = called("predict", folder / "kind.npz", "t.csv", "--keep-all", cwd=tmp_path)
    refused(done, "'predicted_kind'", "rename it")


# ---------------------------------------------------------------- how it is written


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "t.csv"),
        ("train", "t.csv", "--target", "y", "-o", "m.npz", "--epochs", "0"),
        ("train", "t.csv", "--target", "y", "-o", "m.npz", "--hidden", "wide"),
        ("train", "t.csv", "--target", "y", "-o", "-"),
        ("learn", "t.csv"),
        ("predict", "m.npz"),
    ],
    ids=" ".join,
)
def test_wrong_usage(tmp_path, arguments):
    done = called(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: chainrule")
    assert "Error: " in done.stderr


def test_options_that_a_model_does_not_have(folder):
    done = called("predict", "kind.npz", "holdout.csv", "--interval", "90", cwd=folder)
    assert done.returncode == 2
    assert "'kind' is a class" in done.stderr
    done = called("predict", "price.npz", "holdout.csv", "--probabilities", cwd=folder)
    assert done.returncode == 2
    assert "'price' is a number" in done.stderr
