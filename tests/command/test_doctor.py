"""`chainrule doctor`: healthy and sick real tables, and what it says about them."""

import json
import re
import shlex

import numpy as np
import pytest
from command.running import called, chainrule, read_csv, write_csv

from chainrule.command import main

pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def iris():
    """Return the iris table with the names of the species, and its rows in random order."""
    frame = datasets.load_iris(as_frame=True).frame
    frame["species"] = np.array(["setosa", "versicolor", "virginica"])[frame.pop("target")]
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def told(folder, frame, *options, target="species", code=None):
    """Return the command's JSON for a table."""
    frame.to_csv(folder / "t.csv", index=False)
    arguments = ("doctor", "t.csv", "--target", target, *options)
    done = called(*arguments, "--json", cwd=folder)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["healthy"] else 1)
    assert code is None or done.returncode == code
    return found


def by_id(found):
    return {finding["id"]: finding for finding in found["findings"]}


# ---------------------------------------------------------------- healthy


def test_a_healthy_table(iris, tmp_path):
    found = told(tmp_path, iris, code=0)
    assert found["verdict"].startswith("The doctor found nothing wrong")
    assert (found["task"], found["target"], found["rows"]) == ("classification", "species", 150)
    assert found["columns"] == list(iris.columns[:-1])
    assert set(by_id(found)) <= {"mislabelled-rows"}  # some are on the wrong side of the border
    assert found["healthy"]


def test_what_the_preparation_takes_care_of_is_not_reported(iris, tmp_path):
    """Numbers of any scale, text, an outlier, missing values in the same rows of two columns."""
    rng = np.random.default_rng(0)
    frame = iris.copy()
    frame["sepal width (cm)"] *= 1e7
    frame["petal width (cm)"] += 1e6
    frame.loc[rng.random(150) < 0.1, ["sepal length (cm)", "petal length (cm)"]] = np.nan
    frame["town"] = [f"town {n}" for n in rng.integers(0, 60, 150)]  # codes for an embedding
    frame["ripe"] = rng.random(150) < 0.5
    frame.loc[3, "sepal width (cm)"] = -1e12
    found = told(tmp_path, frame, code=0)
    assert set(by_id(found)) <= {"mislabelled-rows"}


def test_a_table_of_text_alone(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 3, (400, 4)), columns=list("pqrs")).astype(str)
    frame = "level " + frame
    frame["same"] = np.where(frame.p == frame.q, "yes", "no")
    found = told(tmp_path, frame, target="same", code=0)
    assert found["healthy"]  # there are only 81 different rows, so some repeat by chance


# ---------------------------------------------------------------- sick columns


@pytest.mark.parametrize("coded", [True, False], ids=["as text", "as a number"])
def test_a_column_that_gives_a_class_away_is_named(iris, tmp_path, coded):
    codes = ["A1", "B7", "C9"] if coded else [10, 20, 30]
    frame = iris.copy()
    frame.insert(
        2,
        "diagnosis code",
        frame.species.map(dict(zip(sorted(set(frame.species)), codes, strict=True))),
    )
    found = told(tmp_path, frame, code=1)
    first = found["findings"][0]
    assert (first["id"], first["severity"]) == ("leaking-column", "problem")
    assert first["columns"] == ["diagnosis code"]
    assert "'diagnosis code'" in first["summary"]
    command, condition = first["remedy"].splitlines()
    end = "--target species --output model.npz --drop 'diagnosis code'"
    assert command == f"chainrule train t.csv {end}"
    assert condition.startswith("# unless")


def test_a_column_that_is_the_target_in_another_unit(tmp_path):
    """The preparation compresses outliers, after which the columns no longer correlate fully."""
    frame = datasets.load_diabetes(as_frame=True, scaled=False).frame
    frame["in percent"] = frame.target * 100 + 3
    frame.loc[::7, "in percent"] = np.nan
    assert told(tmp_path, frame, target="target", code=1)["findings"][0]["columns"] == [
        "in percent"
    ]


def test_useless_columns(iris, tmp_path):
    frame = iris.assign(batch="x", nothing=np.nan, again=iris["sepal width (cm)"])
    frame["text"] = ["ab"[n % 2] for n in range(150)]
    frame["text too"] = frame["text"]
    found = by_id(told(tmp_path, frame, code=0))
    assert found["constant-columns"]["columns"] == ["batch", "nothing"]
    assert found["constant-columns"]["severity"] == "warning"  # `train` refuses such a table
    assert "--drop batch --drop nothing" in found["constant-columns"]["remedy"]
    assert found["duplicate-columns"]["columns"] == ["again", "text too"]
    assert "'again' repeats 'sepal width (cm)'" in found["duplicate-columns"]["summary"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ("doctor", "t.csv", "--target", "species", "--drop", "batch", "--drop", "nothing")
    done = called(*arguments, "--drop", "again", "--drop", "text too", cwd=tmp_path)
    assert "The doctor found nothing wrong" in done.stdout


def test_the_remedy_can_be_run(iris, tmp_path):
    """The remedy has the options that were given, and leaves out what `train` would refuse."""
    frame = iris.assign(batch="x", id=range(150))
    frame.loc[4, "species"] = None
    found = by_id(told(tmp_path, frame, "--drop", "id", "--hidden", "16", "--missing=-9", code=0))
    remedy = found["constant-columns"]["remedy"]
    assert remedy == (
        "chainrule train t.csv --target species --output model.npz --drop id --drop batch "
        "--hidden 16 --missing=-9 --skip-unusable"
    )
    words = [*shlex.split(remedy)[1:], "--epochs", "2", "--members", "2", "--no-importance"]
    done = called(*words, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.npz").exists()


# ---------------------------------------------------------------- sick rows


def test_duplicate_rows_are_named_by_number(iris, tmp_path):
    found = told(tmp_path, pd.concat([iris, iris.iloc[:60]]), code=1)
    first = found["findings"][0]
    assert (first["id"], first["severity"]) == ("duplicate-rows", "problem")
    itself = iris.duplicated().to_numpy()
    assert first["rows"] == [*(np.flatnonzero(itself) + 1), *range(151, 211)]
    assert "151 repeats 1" in first["summary"]
    assert "duplicate-rows" not in by_id(told(tmp_path, iris))  # it has one pair of its own


def test_wrong_labels_are_named_by_row_number(tmp_path):
    """Rows without a target are left out, but still count."""
    frame = datasets.load_wine(as_frame=True).frame
    wrong = [7, 30, 170]
    frame.loc[wrong, "target"] = [2, 1, 0]
    frame["target"] = frame.target.map({0: "barolo", 1: "grignolino", 2: "barbera"})
    frame.loc[0:1, "target"] = None
    found = told(tmp_path, frame, target="target", code=0)
    assert found["notes"] == ["the target 'target' is missing in 2 of 178 rows: left out"]
    only = by_id(found)["mislabelled-rows"]
    assert len({8, 31, 171} & set(only["rows"])) >= 2
    assert len({8, 31, 171} | set(only["rows"])) <= 4
    assert "look at the rows" in only["remedy"]


def test_a_target_value_that_means_missing(tmp_path):
    frame = datasets.load_diabetes(as_frame=True, scaled=False).frame
    frame["target"] += 0.5
    frame.loc[41, "target"] = -9999
    first = told(tmp_path, frame, target="target", code=1)["findings"][0]
    assert (first["id"], first["rows"]) == ("dominating-samples", [42])
    assert "--missing" in first["remedy"]
    found = told(tmp_path, frame, "--missing=-9999.0", target="target", code=0)
    assert "dominating-samples" not in by_id(found)


# ---------------------------------------------------------------- sick targets


@pytest.mark.parametrize(
    ("value", "words"),
    [("setosa", "class 'setosa'"), (3, "class 3"), (True, "class True"), (2.5, "target is 2.5")],
    ids=["text", "whole", "truth", "fraction"],
)
def test_a_target_that_never_changes(iris, tmp_path, value, words):
    found = told(tmp_path, iris.assign(species=value), code=1)
    (only,) = found["findings"]
    assert only["id"] == "constant-target"
    assert words in only["summary"]
    assert "a single value" in found["why"]
    assert "'petal width (cm)'" in only["remedy"]


def test_a_rare_class_is_named(iris, tmp_path):
    rare = np.flatnonzero(iris.species == "virginica")[3:]
    frame = iris.drop(index=rare)
    found = by_id(told(tmp_path, frame))
    assert found["class-imbalance"]["where"] == "y, class 'virginica'"
    remedy = "chainrule train t.csv --target species --output model.npz --balanced"
    assert found["class-imbalance"]["remedy"] == remedy
    assert "class-imbalance" not in by_id(told(tmp_path, frame, "--balanced"))


def test_the_options_of_the_network_are_used(iris, tmp_path):
    first = told(tmp_path, iris, "--hidden", "1", "--seed", "1", code=1)["findings"][0]
    assert "--hidden 128,128" in first["remedy"]
    task = told(tmp_path, iris, "--task", "regression", target="petal width (cm)")["task"]
    assert task == "regression"


# ---------------------------------------------------------------- how it is told


def test_the_first_screen_names_the_cause(iris, tmp_path):
    iris.assign(code=iris.species).to_csv(tmp_path / "t.csv", index=False)
    done = chainrule(
        *("doctor", "-", "--target", "species"),
        given=(tmp_path / "t.csv").read_text(),
        COLUMNS="60",
    )
    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Classification: the target holds text, 3 different values."
    assert lines[1].startswith("X is standard input without its target")
    assert "First: leaking-column (X, column 'code')" in " ".join(lines[:6])
    report = done.stdout[done.stdout.index("The doctor") : done.stdout.index("  remedy")]
    assert max(map(len, report.splitlines())) <= 60
    assert "chainrule train - --target species --output model.npz --drop code" in done.stdout


def test_the_page_needs_nothing_else(iris, tmp_path):
    iris.assign(code=iris.species).to_csv(tmp_path / "t.csv", index=False)
    done = called("doctor", "t.csv", "--target", "species", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith("The report is also in page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "leaking-column" in page
    assert "X is t.csv without its target" in page
    assert "<svg" in page
    assert re.findall(r'(?:src|href)="(?!#|data:)', page) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "t.csv"]


@pytest.mark.long  # what it calls is tested likewise in tests/estimators and tests/doctor
def test_the_same_seed_finds_the_same(iris, tmp_path):
    frame = iris.assign(species=np.roll(iris.species, 3))  # nothing determines the target
    assert told(tmp_path, frame, "--seed", "3") == told(tmp_path, frame, "--seed", "3")


def test_the_table_is_left_alone(iris, tmp_path):
    iris.to_csv(tmp_path / "t.csv", index=False)
    before = (tmp_path / "t.csv").read_bytes()
    called("doctor", "t.csv", "--target", "species", cwd=tmp_path)
    assert (tmp_path / "t.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["nothing.csv", "--target", "kind"], "There is no file nothing.csv.", 1),
        (["fruit.csv", "--target", "king"], "did you mean 'kind'?", 1),
        (["fruit.csv", "--target", "id"], "too many for classes", 1),
        (["fruit.csv", "--target", "kind", "--drop", "kind"], "so it cannot be dropped", 1),
        (["fruit.csv", "--target", "kind", "--html", "no/p.html"], "does not exist", 1),
        (["fruit.csv", "--target", "kind", "--html", "fruit.csv"], "is also an input", 1),
        (["fruit.csv", "--target", "kind", "--html", "-"], "--html is a file", 2),
        (["fruit.csv", "--target", "kind", "--hidden", "0"], "--hidden must be whole", 2),
        (["fruit.csv"], "Missing option '--target'", 2),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_what_cannot_be_used_is_refused(folder, options, words, code):
    before = (folder / "fruit.csv").read_bytes()
    options = [f"--task={'classification'}", *options] if "id" in options else options
    done = called("doctor", *options, cwd=folder)
    assert done.returncode == code
    assert done.stdout == ""
    assert words in done.stderr
    assert (folder / "fruit.csv").read_bytes() == before


def test_too_few_rows_and_no_usable_column(tmp_path):
    write_csv(tmp_path / "t.csv", ("a", "y"), [[n, n % 2] for n in range(5)])
    assert "at least 10" in called("doctor", "t.csv", "--target", "y", cwd=tmp_path).stderr
    write_csv(tmp_path / "t.csv", ("a", "y"), [[1, n % 2] for n in range(30)])
    done = called("doctor", "t.csv", "--target", "y", cwd=tmp_path)
    assert "no column to learn from: column 'a' has the same value" in done.stderr
    assert done.returncode == 1


def test_the_same_table_as_train_uses(folder):
    """Both read and check tables in the same way, so they have the same task and columns."""
    told = json.loads(
        called(
            *("doctor", "fruit.csv", "--target", "price", "--drop", "id", "--drop", "kind"),
            *("--hidden", "16", "--json"),
            cwd=folder,
        ).stdout
    )
    model = json.loads(called("inspect", "price.npz", "--json", cwd=folder).stdout)
    assert told["why"] == model["why"]
    assert told["columns"] == [column["name"] for column in model["columns"]]
    assert told["rows"] == model["rows"] + model["held_out"] == len(read_csv(folder / "fruit.csv"))


def test_help_explains_the_exit_codes(capsys):
    assert main(["doctor", "--help"]) == 0
    assert "The exit code is 1 if there is a problem" in " ".join(capsys.readouterr().out.split())
