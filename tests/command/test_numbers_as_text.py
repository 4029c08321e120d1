"""Numbers as people write them: read as in training, noted, or refused with the way out."""

import json

import numpy as np
import pytest
from command.running import QUICK, called, read_csv, write_csv

ROWS = 240


def cells(spell=str, odd=()):
    """Return rows in which one number decides, written by `spell`; and some odd cells."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(2000, 900, ROWS), 2)
    noise = rng.normal(size=ROWS)
    written = [spell(number) for number in x.tolist()]
    for row, text in zip(range(5, ROWS, 40), odd, strict=False):
        written[row] = text
    kinds = np.where(x > 2000, "high", "low")
    return [[a, f"{b:.3f}", c] for a, b, c in zip(written, noise, kinds, strict=True)]


def european(number):
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def accountant(number):
    return f"({-number:,.2f})" if number < 0 else f"{number:,.2f}"


SPELLINGS = {
    "plain": (str, ()),
    "a question mark": (str, ["?"] * 3),
    "a hyphen": (str, ["-"]),
    "n/a": (str, ["n/a", "missing"]),
    "a typing error": (str, ["0.12x"]),
    "a lone space": (str, [" "]),
    "NA with a space": (str, [" NA"]),
    "spaces": (lambda number: f" {number} ", ()),
    "a decimal comma": (lambda number: str(number).replace(".", ","), ()),
    "European": (european, ()),
    "American": (lambda number: f"{number:,.2f}", ()),
    "Swiss": (lambda number: f"{number:,.2f}".replace(",", "'"), ()),
    "French": (lambda number: f"{number:,.2f}".translate(str.maketrans(",.", "\u202f,")), ()),
    "dollars": (lambda number: f"${number:,.2f}", ()),
    "euros": (lambda number: f"{european(number)} €", ["k.A."]),
    "a currency's code": (lambda number: f"CHF {number:.2f}", ()),
    "percent": (lambda number: f"{number / 100:.3f}%", ()),
    "a unit": (lambda number: f"{number} kg", ()),
    "an accountant's": (accountant, ()),
    "a minus of Unicode": (lambda number: str(number - 2000).replace("-", "\u2212"), ()),
    "spreadsheet errors": (str, ["#REF!", "#DIV/0!"]),
}


def train(folder, *options):
    arguments = ("train", "t.csv", "--target", "kind", "-o", "m.npz", "--json", *QUICK)
    return called(*arguments, "--epochs", "20", *options, cwd=folder)


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_column_that_decides_is_not_lost(tmp_path, name):
    spell, odd = SPELLINGS[name]
    write_csv(tmp_path / "t.csv", ["amount", "noise", "kind"], cells(spell, odd), delimiter=";")
    done = train(tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["scores"]["network"]["accuracy"] > 0.9
    column = told["columns"][0]
    assert (column["kind"], column["used"]) == ("number", True)
    said = [note for note in told["notes"] if "'amount'" in note]
    assert bool(said) == (name not in ("plain", "spaces", "a lone space", "NA with a space"))
    for text in set(odd) - {" ", " NA", "n/a"}:  # these always mean a missing value
        assert f"{text!r} ({odd.count(text)})" in said[0]
    done = called("predict", "m.npz", "t.csv", "-o", "p.csv", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predicted = [row["predicted_kind"] for row in read_csv(tmp_path / "p.csv")]
    right = [row[2] for row in cells(spell, odd)]
    assert np.mean(np.array(predicted) == np.array(right)) > 0.9
    done = called("evaluate", "m.npz", "t.csv", "--json", "--quiet", cwd=tmp_path)
    assert json.loads(done.stdout)["scores"]["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("spell", "odd", "told", "way_out"),
    [
        (lambda number: f"{number:,.0f}", ["1,5"], "is the comma or the dot", ["--decimal", "."]),
        (lambda number: f"0{number:07.0f}", (), "leading zeros", ["--numbers", "amount"]),
        (lambda number: f"{number} kg", ["5 g"] * 40, "", ()),
        (lambda number: str(number) if number > 1000 else "less", (), "numbers, but for",
         ["--numbers", "amount"]),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_refused_with_the_option_that_decides(
    tmp_path, spell, odd, told, way_out
):
    rows = cells(spell, odd)
    write_csv(tmp_path / "t.csv", ["amount", "noise", "kind"], rows, delimiter=";")
    done = train(tmp_path)
    if not told:
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert "Column 'amount' holds" in done.stderr
    assert told in done.stderr
    assert way_out[0] in done.stderr
    assert done.stderr.count("\n") == 1
    done = train(tmp_path, *way_out)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["columns"][0]["kind"] == "number"
    assert train(tmp_path, "--skip-unusable").returncode == 0


def test_prediction_refuses_what_training_did_not_read(tmp_path):
    rows = cells(lambda number: str(number).replace(".", ","))
    write_csv(tmp_path / "t.csv", ["amount", "noise", "kind"], rows, delimiter=";")
    assert train(tmp_path).returncode == 0
    write_csv(tmp_path / "new.csv", ["amount", "noise"], [["1.234", "0"]], delimiter=";")
    done = called("predict", "m.npz", "new.csv", "-o", "-", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        "'amount': text in a column of numbers in 1 row, the first is row 1 ('1.234')"
        in done.stderr
    )


def test_a_target_of_numbers_as_text_and_of_words_with_spaces(tmp_path):
    rows = [[b, kind, a] for a, b, kind in cells(lambda number: f"{european(number)} €")]
    write_csv(tmp_path / "t.csv", ["noise", "side", "price"], rows, delimiter=";")
    arguments = ("train", "t.csv", "--target", "price", "-o", "m.npz", "--json", *QUICK)
    done = called(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "regression"
    done = called("evaluate", "m.npz", "t.csv", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [[a, b, f" {kind}" if n % 3 else f"{kind} "] for n, (a, b, kind) in enumerate(cells())]
    write_csv(tmp_path / "t.csv", ["amount", "noise", "kind"], rows)
    done = train(tmp_path)
    assert json.loads(done.stdout)["classes"] == ["high", "low"]
    write_csv(tmp_path / "t.csv", ["amount", "noise", "kind"], cells())
    done = called("evaluate", "m.npz", "t.csv", "--json", "--quiet", cwd=tmp_path)
    assert json.loads(done.stdout)["scores"]["accuracy"] > 0.9
