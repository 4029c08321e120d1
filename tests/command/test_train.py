"""Training on a table: what is inferred, reported, saved and repeated."""

import json
import re

import numpy as np
import pytest
from command.running import HEADER, QUICK, called, chainrule, fruit, write_csv

from chainrule import Ensemble
from chainrule.command.tables.task import infer_task


def train(folder, table, *options, target="kind", output="model.npz", **given):
    arguments = ("train", table, "--target", target, "--output", output, "--drop", "id", *QUICK)
    start = called if table != "-" else chainrule
    done = start(*arguments, *options, cwd=folder, **given)
    assert done.returncode == 0, done.stderr
    return done


# ---------------------------------------------------------------- the report


def test_the_report_of_classes_stands_beside_simple_models(folder):
    told = (folder / "kind.txt").read_text("utf-8")
    assert told.startswith("Classification: the target holds text, 3 different values.\n")
    assert "Target: kind, one of 3 classes: apple, pear, plum" in told
    assert "Trained on 240 rows and 3 columns, evaluated on 60 held-out rows." in told
    assert re.search(r"network +linear model +majority", told)
    for score in ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "brier", "ece"):
        assert re.search(rf"^  {score} +\d\.\d+ +\d\.\d+ +\d\.\d+", told, re.MULTILINE)
    assert re.search(r"true \\ predicted +apple +pear +plum", told)
    assert re.search(r"confidence +accuracy +rows", told)
    assert told.endswith("The model is in kind.npz\n")


def test_the_report_of_numbers(folder):
    told = (folder / "price.txt").read_text("utf-8")
    assert told.startswith("Regression: the target holds fractional numbers, ")
    for score in ("r2", "rmse", "mae"):
        assert re.search(rf"^  {score} +-?\d+\.\d+ +-?\d+\.\d+ +-?\d+\.\d+", told, re.MULTILINE)
    assert re.search(r"^  coverage +[01]\.\d+ +- +- ", told, re.MULTILINE)
    assert re.search(r"The 90 % interval is the prediction ± \d+\.\d+\.", told)


def test_very_many_categories_are_embedded(tmp_path):
    rng = np.random.default_rng(0)
    effects, towns, x = rng.normal(size=80), rng.integers(0, 80, 480), rng.normal(size=480)
    rows = [
        [f"town {n}", f"{a:.3f}", f"{effects[n] + a:.3f}"] for n, a in zip(towns, x, strict=True)
    ]
    write_csv(tmp_path / "t.csv", ["town", "x", "y"], rows)
    done = called(
        *("train", "t.csv", "--target", "y", "-o", "m.npz", "--epochs", 60, "--members", 2),
        *("--hidden", "16", "--quiet", "--no-importance"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "with 1 column embedded in vectors of 8; the prediction" in done.stdout
    assert "categories, each with a code for embedding" in done.stdout
    r2 = re.search(r"^  r2 +(\S+) +(\S+)", done.stdout, re.MULTILINE).groups()
    assert min(map(float, r2)) > 0.8, "the linear model has a column for each category"
    write_csv(tmp_path / "new.csv", ["town", "x"], [["town 3", "0.5"], ["Atlantis", "0.1"]])
    done = called("predict", "m.npz", "new.csv", "--on-unknown", "warn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "unknown category in 1 row" in done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_the_most_important_column_is_found(tmp_path):
    rng = np.random.default_rng(0)
    rows = [[f"{a:.3f}", f"{b:.3f}", f"{3 * b:.3f}"] for a, b in rng.normal(size=(200, 2))]
    write_csv(tmp_path / "t.csv", ["<noise>", "cause", "y"], rows)
    done = called(
        *("train", "t.csv", "--target", "y", "-o", "m.npz", "--json", "--report", "r.html"),
        *("--epochs", 30, "--members", 2, "--hidden", "16"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    noise, cause = json.loads(done.stdout)["columns"]
    assert cause["importance"] > 0.5 > abs(noise["importance"])
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count("<svg") == 4
    assert re.findall(r'(?:src|href)="(?!#)', page) == []
    assert "Predicting y" in page
    assert ">&lt;noise&gt;</td>" in page
    assert "<noise>" not in page


def test_json_is_one_object_and_nothing_else(folder, tmp_path):
    done = train(folder, "fruit.csv", "--json", output=tmp_path / "m.npz")
    told = json.loads(done.stdout)
    assert told["task"] == "classification"
    assert told["classes"] == ["apple", "pear", "plum"]
    assert set(told["scores"]) == {"network", "linear model", "majority"}
    assert np.array(told["confusion"]).sum() == told["held_out"] == 60
    assert sum(bin["rows"] for bin in told["reliability"]) == 60
    length, colour, ripe, price = told["columns"]
    assert (length["kind"], length["unit"]) == ("number", "cm")
    assert length["missing"] > 0
    assert (colour["kind"], colour["categories"]) == ("category", 3)
    assert (ripe["kind"], price["kind"]) == ("boolean", "number")


def test_the_same_seed_gives_the_same_bits(folder, tmp_path):
    def values(seed):
        options = ("--drop", "price", "--seed", seed)
        train(folder, "fruit.csv", *options, output=tmp_path / "m.npz")
        with np.load(tmp_path / "m.npz") as arrays:
            return dict(arrays)

    with np.load(folder / "kind.npz") as arrays:
        first = dict(arrays)
    second, other = values(0), values(1)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_the_file_predicts_raw_rows_with_numpy_alone(folder):
    model = Ensemble.load(folder / "kind.npz")
    rows = {"length_cm": [5.0, None], "colour": ["red", None], "ripe": [True, False]}
    probabilities = model.predict_raw(rows)
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)
    assert model.metadata["table"]["target"] == "kind"


# ---------------------------------------------------------------- tables of every kind


def test_every_kind_of_file_has_the_same_predictions(folder, tmp_path):
    """Compressed, piped, as Parquet, with other separators: only the content counts."""
    import bz2
    import gzip
    import lzma
    import zipfile

    import pandas as pd
    import pyarrow as pa

    text = (folder / "fruit.csv").read_bytes()
    frame = pd.read_csv(folder / "fruit.csv", dtype={"id": str})
    (tmp_path / "t.gz").write_bytes(gzip.compress(text))
    (tmp_path / "t.bz2").write_bytes(bz2.compress(text))
    (tmp_path / "t.xz").write_bytes(lzma.compress(text))
    (tmp_path / "t.zst").write_bytes(pa.compress(text, "zstd", asbytes=True))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("fruit.csv", text)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    frame.to_csv(tmp_path / "european.csv", sep=";", decimal=",", index=False)
    (tmp_path / "windows.csv").write_bytes(
        b"\xef\xbb\xbf" + (folder / "fruit.csv").read_bytes().replace(b"\n", b"\r\n")
    )
    (tmp_path / "utf16.csv").write_bytes(text.decode().encode("utf-16"))

    def predicted(table, *options):
        done = called("predict", folder / "kind.npz", table, "--probabilities", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    expected = predicted(folder / "fruit.csv")
    assert len(expected.splitlines()) == 301
    for name in ("t.gz", "t.bz2", "t.xz", "t.zst", "t.zip", "t.parquet", "t.tsv", "windows.csv"):
        assert predicted(tmp_path / name) == expected, name
    assert predicted(tmp_path / "european.csv", "--decimal", ",") == expected
    assert predicted(tmp_path / "utf16.csv", "--encoding", "utf-16") == expected
    command = ("predict", folder / "kind.npz", "-", "--probabilities")
    assert chainrule(*command, given=gzip.compress(text)).stdout.decode() == expected


@pytest.mark.parametrize("kind", ["csv", "gz", "parquet"])
def test_training_takes_them_too(folder, tmp_path, kind):
    import pandas as pd

    frame = pd.read_csv(folder / "fruit.csv", dtype={"id": str})
    if kind == "parquet":
        frame["colour"] = frame["colour"].astype("category")
        frame.to_parquet(tmp_path / "t.parquet")
    else:
        frame.to_csv(tmp_path / f"t.{kind}", compression="gzip" if kind == "gz" else None)
    table, given = f"t.{kind}", {}
    if kind == "csv":  # through a pipe, with pandas' row numbers as the first column
        table, given = "-", {"given": (tmp_path / "t.csv").read_bytes()}
    done = train(tmp_path, table, "--drop", "price", **given)
    stdout = done.stdout if isinstance(done.stdout, str) else done.stdout.decode()
    with np.load(tmp_path / "model.npz") as here, np.load(folder / "kind.npz") as there:
        values = [name for name in there.files if name.startswith("values")]
        assert values
        assert all(np.array_equal(here[name], there[name]) for name in values)
    assert ("the first column has no name" in stdout) == (kind != "parquet")


# ---------------------------------------------------------------- what is decided


@pytest.mark.parametrize(
    ("values", "wanted", "kind"),
    [
        ([n % 3 for n in range(60)], None, "classification"),
        ([n % 3 for n in range(60)], "regression", "regression"),
        (list(range(60)), None, "regression"),
        ([n % 3 + 0.5 for n in range(60)], None, "regression"),
        ([float(n % 3) for n in range(60)], None, "classification"),
        ([n % 3 == 0 for n in range(60)], None, "classification"),
        ([None, *(n % 3 == 0 for n in range(60))], None, "classification"),
        (["a", "b", "c"] * 20, None, "classification"),
    ],
    ids=[
        "few",
        "as numbers",
        "many",
        "fractions",
        "whole",
        "truth values",
        "truth values and gaps",
        "text",
    ],
)
def test_classes_or_numbers(values, wanted, kind):
    import pandas as pd

    task = infer_task(pd.Series(values, name="y").dropna(), wanted)
    assert task.kind == kind
    assert task.reason.lower().startswith(f"{kind}: ")
    assert task.y.dtype.kind == ("f" if kind == "regression" else task.y.dtype.kind)


@pytest.mark.parametrize("labels", ["0.5 1.5 2.5", "true false", "7 8 9"])
def test_labels_of_any_kind_are_found_again(tmp_path, labels):
    labels = labels.split()
    noise = np.random.default_rng(0).normal(size=60)
    rows = [[f"{x:.3f}", labels[n % len(labels)]] for n, x in enumerate(noise)]
    write_csv(tmp_path / "t.csv", "xy", rows)
    arguments = ("train", "t.csv", "--target", "y", "-o", "m.npz", *QUICK)
    done = called(*arguments, "--task", "classification", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(called("evaluate", "m.npz", "t.csv", "--json", cwd=tmp_path).stdout)
    assert told["rows"] == 60
    assert told["unknown_classes"] == {}
    assert np.array(told["confusion"]).sum() == 60


def test_text_that_means_missing_and_numbers_that_are_names(tmp_path):
    rows = [[f"{n % 7}" if n % 9 else "?", f"{1000 + n % 4:05d}", "ab"[n % 2]] for n in range(80)]
    write_csv(tmp_path / "t.csv", ["x", "zip", "y"], rows)
    done = called(
        *("train", "t.csv", "--target", "y", "-o", "m.npz", "--json", *QUICK),
        *("--missing", "?", "--categories", "zip"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    x, postal = json.loads(done.stdout)["columns"]
    assert x["kind"] == "number"
    assert x["missing"] > 0
    assert (postal["kind"], postal["examples"][0][:2]) == ("category", "01")
    # The model remembers both, so new rows need no options.
    write_csv(tmp_path / "new.csv", ["x", "zip"], [["?", "01002"], ["3", "01001"]])
    done = called("predict", "m.npz", "new.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_rows_are_counted_right_where_few_are_held_out(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, fruit(30, 3))
    done = train(tmp_path, "t.csv", "--balanced", "--holdout", "0.4")
    assert "evaluated on 12 held-out rows" in done.stdout
