"""Numbers that are written as text: how they are recognised, and what is refused as doubtful."""

import math
from collections import Counter

import numpy as np
import pytest

from chainrule import ConfigurationError, InputError, Linear, Network, TablePreparation
from chainrule.preparation.number_format import NumberFormat, find_format, number_format

MANY = [str(number) for number in range(100, 160)]


def found(*texts, **options):
    return find_format(Counter(texts), "price", **options)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2.5", "-3", "+4", "1e5", "2E-3", ".5", "6."], [1, 2.5, -3, 4, 1e5, 2e-3, 0.5, 6]),
        (["1,5", "-2,75", "3"], [1.5, -2.75, 3]),
        (["1.234,5", "7"], [1234.5, 7]),
        (["1.234.567", "7"], [1234567, 7]),
        (["1,234.5", "3"], [1234.5, 3]),
        (["1,234", "12,345,678"], [1234, 12345678]),
        (["1,234", "999", "12,500"], [1234, 999, 12500]),
        (["12,34,567", "1,23,456"], [1234567, 123456]),
        (["1 234,5", "2"], [1234.5, 2]),
        (["1\u202f234", "5\u00a0678", "9"], [1234, 5678, 9]),
        (["1'234.50", "1\u2019000"], [1234.5, 1000]),
        (["$1,200", "$15.50", "$1,234.56"], [1200, 15.5, 1234.56]),
        (["€ 5", "-€ 7", "€ -8"], [5, -7, -8]),
        (["5 €", "7,50 €"], [5, 7.5]),
        (["EUR 5", "EUR 7,5"], [5, 7.5]),
        (["Rs. 500", "Rs. 1,20,000"], [500, 120000]),
        (["12 kg", "13.5kg", "14"], [12, 13.5, 14]),
        (["21 °C", "-3 °C"], [21, -3]),
        (["80 km/h", "100 km/h"], [80, 100]),
        (["45%", "3.5 %", "0"], [45, 3.5, 0]),
        (["(3.00)", "4.00", "($5)", "$6"], [-3, 4, -5, 6]),
        (["\u22123", "\u20134", "5"], [-3, -4, 5]),
        ([" 7 ", "8\t", "9"], [7, 8, 9]),
        (["'7", "'8.5", "9"], [7, 8.5, 9]),
        (["7-", "8.5", "9- €", "1 €"], [-7, 8.5, -9, 1]),
        (["Rs 500/-", "Rs 1,20,000/-"], [500, 120000]),
        (["$5 /kg", "$7.5 /kg"], [5, 7.5]),
        (['="7"', '="8.5"'], [7, 8.5]),
    ],
)
def test_numbers_in_many_spellings(texts, numbers):
    form = found(*texts)
    assert [form.read(text) for text in texts] == numbers
    assert form.gaps == ()


@pytest.mark.parametrize(
    "gap",
    ["?", "-", "n/a", "N/A", "NA", " NA", "missing", "Unknown", "#REF!", "NaN", "", "  ", "--"],
)
def test_words_for_missing_values_are_missing_however_many_they_are(gap):
    form = found(*MANY, *[gap] * 50)
    assert math.isnan(form.read(gap))
    assert form.read("12") == 12


def test_few_other_texts_are_missing_and_remembered():
    form = found(*MANY, "0.12x", "see note")
    assert form.gaps == ("0.12x", "see note")
    assert math.isnan(form.read("see note "))
    assert form.read("see notes") is None


@pytest.mark.parametrize(
    "texts",
    [
        ["red", "blue"],
        ["A12", "B13", "C14"],
        ["12A", "14B", "15C"],
        ["31.12.2020", "01.01.2021"],
        ["2012/01/01", "2012-01-02"],
        ["12:30", "13:40"],
        ["10.0.0.1", "10.0.0.2"],
        ["3-4", "5-6"],
        ["01", "02", "11"],  # so few that categories lose nothing
        ["0", "1", "2", "3+"],
        ["", "?", "n/a"],
        [*MANY, *[f"A{n}" for n in range(100)]],
    ],
)
def test_what_is_no_column_of_numbers(texts):
    assert found(*texts) is None


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["1,234", "5,678"], "numbers such as '1,234', '5,678'; is the comma or the dot"),
        (["1,234"] * 30 + ["5"] + ["1,5"], "is the comma or the dot the decimal point?"),
        (["1,5", "1.234"], "is the comma or the dot the decimal point?"),
        (["1.5", "1,234"], "is the comma or the dot the decimal point?"),
        (
            ["01067", "01069", *MANY],
            "digits with leading zeros, such as '01067': numbers, or codes.",
        ),
        ([*MANY, *["A"] * 10], "numbers, but for 14 % of its cells, such as 'A'."),
        ([f"{n} kg" for n in MANY] + [f"{n} g" for n in MANY[:20]], "several units, 'kg', 'g'."),
        ([f"{n}%" for n in MANY] + MANY, "numbers with and without a percent sign"),
    ],
)
def test_what_is_doubtful_is_refused_with_the_way_out(texts, told):
    with pytest.raises(InputError) as caught:
        found(*texts, advice="Do this.")
    assert f"Column 'price' holds {told}" in str(caught.value) or told in str(caught.value)
    assert str(caught.value).endswith(" Do this.")


def test_a_decimal_point_that_is_given_decides():
    assert found("1,5", "1.234", decimal=",").read("1.234") == 1234
    assert found("1,234", "5,678", decimal=".").read("1,234") == 1234
    assert found("1,234", "5,678", decimal=",").read("1,234") == 1.234


# ---------------------------------------------------------------- in a table


PRICES = ["1.234,50 €", "99,00 €", "n/a", None, "7,25 €", "12,00 €"]


def test_a_table_reads_later_rows_as_it_read_the_first_ones(tmp_path):
    X = {"price": PRICES, "n": [1, 2, 3, 4, 5, 6]}
    with pytest.warns(UserWarning, match="^column 'price' holds numbers as text") as told:
        preparation = TablePreparation().fit(X)
    note = (
        "column 'price' holds numbers as text, with a decimal comma, dots between thousands and "
        "the unit '€'; 1 cell is taken for missing values: 'n/a' (1)"
    )
    assert preparation.notes_ == [note]
    assert [str(warning.message) for warning in told] == [note]
    as_numbers = [1234.5, 99.0, np.nan, np.nan, 7.25, 12.0]
    expected = TablePreparation().fit_transform({"price": as_numbers, "n": X["n"]})
    np.testing.assert_array_equal(preparation.transform(X), expected)
    np.testing.assert_array_equal(preparation.transform({**X, "price": as_numbers}), expected)
    network = Network([Linear(3, 1)], seed=0)
    network.save(tmp_path / "model.npz", preparation=preparation)
    loaded = Network.load(tmp_path / "model.npz").preparation
    assert loaded.columns_ == preparation.columns_
    np.testing.assert_array_equal(loaded.transform(X), expected)
    with pytest.raises(InputError, match=r"holds the text '1,234.5' in row 1, .* a decimal comma"):
        loaded.transform({"price": ["3,5", "1,234.5"], "n": [1, 2]})


@pytest.mark.parametrize("kind", ["object", "string", "polars", "bytes", "mixed", "array"])
def test_text_of_every_type(kind):
    texts = ["1,5", "2,5", "?", "4,5"]
    if kind in ("object", "string"):
        column = pytest.importorskip("pandas").Series(texts, dtype=kind)
    elif kind == "polars":
        column = pytest.importorskip("polars").Series(texts)
    elif kind == "array":
        column = np.array(texts)
    else:
        column = [text.encode() for text in texts] if kind == "bytes" else [1.5, "2,5", "?", 4.5]
    with pytest.warns(UserWarning, match="with a decimal comma; 1 cell"):
        z = TablePreparation().fit_transform({"a": column})
    np.testing.assert_array_equal(z, TablePreparation().fit_transform({"a": [1.5, 2.5, None, 4.5]}))


def test_categories_and_formats_that_are_declared_are_not_looked_for():
    codes = {"zip": ["01067", *MANY]}
    with pytest.raises(InputError, match=r"number_formats=.*categorical_features="):
        TablePreparation().fit(codes)
    categories = TablePreparation(categorical_features=["zip"]).fit({"zip": codes["zip"] * 2})
    assert "01067" in categories.columns_[0].categories
    with pytest.warns(UserWarning, match="column 'zip' holds numbers as text"):
        numbers = TablePreparation(number_formats={"zip": {}}).fit_transform(codes)
    assert numbers.shape == (61, 1)
    with pytest.raises(InputError, match=r"number_formats \['zap'\] are no columns"):
        TablePreparation(number_formats={"zap": {}}).fit(codes)


@pytest.mark.parametrize(
    "wrong", [{"decimal": ";"}, {"thousands": "x"}, {"decimal": ",", "thousands": ","}, {"gaps": 1},
              {"unit": 3}, {"gaps": [3]}, {"comma": True}, "comma"]
)  # fmt: skip
def test_formats_that_make_no_sense(wrong):
    with pytest.raises(ConfigurationError):
        number_format(wrong)
    with pytest.raises(ConfigurationError):
        TablePreparation(number_formats={"a": wrong})


def test_a_format_may_be_a_dict():
    assert number_format({"decimal": ",", "gaps": ["x"]}) == NumberFormat(",", gaps=("x",))
