"""NumberFormat: how the numbers of a column are written as text, found out from the training rows.

Tables hold numbers in many spellings: ``1.234,5``, ``$ 12``, ``(3.00)``, ``45 %``. Read as
categories they would be lost. A column has one spelling; where two would fit, it is refused,
because a wrong guess is wrong in silence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from chainrule.checks import check_choice
from chainrule.errors import ConfigurationError, InputError
from chainrule.preparation.frames import Name

GAPS = frozenset(
    (
        *(
            "",
            "-",
            "--",
            "---",
            "?",
            "??",
            "*",
            ".",
            "..",
            "...",
            "n/a",
            "na",
            "n.a.",
            "<na>",
            "#n/a",
        ),
        *("#na", "nan", "-nan", "nil", "none", "null", "missing", "unknown", "not available"),
        *("not applicable", "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!", "nat"),
        *("1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "(null)", "keine angabe", "k.a."),
    )
)
"""Text that means a missing value where the other cells of a column are numbers, in lower case."""

MOST_ODD = 0.05
"""Up to this share of other text in a column of numbers is taken for missing values."""

FEW = 20
"""A column with so few different texts loses nothing as categories."""

SIGNS = {"\u2212": "-", "\u2013": "-", "\u2019": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "}
SAME = str.maketrans(SIGNS)
"""Typographic minus signs, apostrophes and spaces, and what is typed for them."""

CURRENCIES = (
    *("USD", "EUR", "GBP", "JPY", "CNY", "INR", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "RUB", "TRY", "BRL", "MXN", "ZAR", "KRW", "SGD", "HKD", "ILS", "THB"),
    *("US$", "A$", "C$", "R$", "HK$", "NZ$", "S$", "Rs.", "Rs", "kr", "Fr.", "zł"),
)
THOUSANDS = (",", ".", " ", "'")
SYMBOLS = "$€£¥₹₩₽₺₴₫₪₱฿¢"

_CURRENCY = "|".join(map(re.escape, sorted(CURRENCIES, key=len, reverse=True)))
CELL = re.compile(
    rf"""(?P<open>\()?\s*(?P<sign>[+-])?\s*
    (?P<before>[{SYMBOLS}]|{_CURRENCY})?\s*(?P<inner>[+-])?\s*
    (?P<body>\d[\d.,' ]*|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?(?P<behind>-(?=\s|$))?
    \s*(?P<after>[^\d\s.,'()+-][^\d.,()]{{0,11}})?(?P<close>\))?""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class NumberFormat:
    """How a column's numbers are written.

    Parameters
    ----------
    decimal : {".", ","}
        The decimal point.
    thousands : {"", ",", ".", " ", "'"}
        What stands between groups of three digits; empty if nothing does.
    unit : str
        The currency or the unit that stands before or after the numbers; empty if none does.
    gaps : tuple of str
        Text in the training rows that is no number and was taken for missing values.

    Examples
    --------
    >>> NumberFormat(decimal=",", thousands=".", unit="€").read("1.234,50 €")
    1234.5
    >>> NumberFormat().read("n/a")
    nan
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    gaps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("decimal", self.decimal, dict.fromkeys(".,"))
        check_choice("thousands", self.thousands, dict.fromkeys(("", *THOUSANDS)))
        texts = [self.unit, *self.gaps] if isinstance(self.gaps, tuple) else [self.gaps]
        if self.decimal == self.thousands or not all(isinstance(text, str) for text in texts):
            raise ConfigurationError(
                "A number format needs two different characters as decimal point and between "
                f"thousands, a text as unit, and a tuple of texts as gaps; got {self!r:.200}."
            )

    def read(self, text: str) -> float | None:
        """Return the number that a text stands for, NaN for a missing value, None for neither."""
        text = clean(text)
        if text.lower() in GAPS or text in self.gaps:
            return math.nan
        return self._number(text)

    def _number(self, text: str) -> float | None:
        cell = CELL.fullmatch(text)
        if cell is None or bool(cell["open"]) != bool(cell["close"]):
            return None
        if _unit(cell) not in ("", self.unit):
            return None
        digits = _plain(cell["body"].rstrip(), self.decimal, self.thousands)
        signs = [sign for sign in (cell["sign"], cell["inner"], cell["behind"]) if sign]
        if digits is None or len(signs) + bool(cell["open"]) > 1:
            return None
        number = float(digits + (cell["exponent"] or ""))
        return -number if cell["open"] or signs == ["-"] else number

    def describe(self) -> str:
        """Return in words what differs from how programs write numbers; empty if nothing does."""
        words = []
        if self.decimal != ".":
            words.append("a decimal comma")
        if self.thousands:
            names = {",": "commas", ".": "dots", " ": "spaces", "'": "apostrophes"}
            words.append(f"{names[self.thousands]} between thousands")
        if self.unit:
            words.append(f"the unit {self.unit!r}")
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def clean(text: str) -> str:
    """Return a cell without spaces around it, nor the marks of text that spreadsheets put there."""
    text = text.translate(SAME).strip()
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip()
    return text.removeprefix("'")


def number_format(options: Any) -> NumberFormat:
    """Return the format that `options`, a dict of its arguments or a format, stands for."""
    if isinstance(options, NumberFormat):
        return options
    names = [field.name for field in fields(NumberFormat)]
    if not isinstance(options, Mapping) or not set(options) <= set(names):
        raise ConfigurationError(
            f"A number format is a NumberFormat or a dict of some of {names}; got {options!r:.200}."
        )
    gaps = options.get("gaps", ())
    return NumberFormat(**{**options, "gaps": tuple(gaps) if isinstance(gaps, list) else gaps})


def find_format(
    counts: Mapping[str, int],
    name: Name,
    numbers: int = 0,
    decimal: str | None = None,
    declared: bool = False,
    advice: str = "",
) -> NumberFormat | None:
    """Return how a column's numbers are written, or None if it holds no numbers but categories.

    Parameters
    ----------
    counts : mapping of str to int
        How often each text occurs in the training rows.
    name : str or int
        What messages call the column.
    numbers : int
        How many cells hold numbers that are no text.
    decimal : {".", ","}, optional
        The decimal point, if it is known.
    declared : bool
        Whether the column was declared to hold numbers: then all other text is missing.
    advice : str
        What a doubtful column's message says can be done.

    Raises
    ------
    InputError
        It is doubtful which numbers are meant, or whether numbers are.

    Examples
    --------
    >>> find_format({"1.234,5": 1, "7,25": 1, "?": 1}, "price")
    NumberFormat(decimal=',', thousands='.', unit='', gaps=('?',))
    >>> find_format({"red": 3, "blue": 2}, "colour") is None
    True
    """
    cleaned: Counter[str] = Counter()
    for text, count in counts.items():
        cleaned[clean(text)] += count
    gaps = [text for text in cleaned if text.lower() in GAPS]
    cells = {t: CELL.fullmatch(t) for t in cleaned if t.lower() not in GAPS}
    matched = {text: cell for text, cell in cells.items() if cell is not None}
    total = numbers + sum(cleaned[text] for text in cells)
    few = len(cells) <= FEW and not numbers
    if not matched or (2 * (numbers + sum(cleaned[t] for t in matched)) < total and not declared):
        return None
    doubt = _Doubt(name, advice)
    unit = _common_unit(matched, cleaned)
    usable = {text: c for text, c in matched.items() if _unit(c) in ("", unit)}
    decimal, thousands = _separators(usable, cleaned, decimal, doubt)
    form = NumberFormat(decimal, thousands, unit)
    odd = [text for text in cells if form.read(text) is None]
    share = sum(cleaned[text] for text in odd) / total
    if share > MOST_ODD and not declared:
        if few or share > 0.5:
            return None
        units = {_unit(matched[text]) for text in odd if text in matched} - {""}
        if units:
            raise doubt(f"numbers of several units, {_quoted([unit, *sorted(units)])}")
        raise doubt(f"numbers, but for {100 * share:.0f} % of its cells, such as {_quoted(odd)}")
    read = [text for text in cells if text not in odd]
    codes = [t for t in read if len(t) > 1 and t[0] == "0" and t.isdecimal()]
    if codes and not declared:
        if few:
            return None
        raise doubt(f"digits with leading zeros, such as {codes[0]!r}: numbers, or codes")
    bare = sum(cleaned[text] for text in read if not _unit(matched[text]) and form.read(text))
    if unit == "%" and bare > MOST_ODD * total and not declared:
        raise doubt(f"numbers with and without a percent sign, {_quoted(read)}")
    return NumberFormat(decimal, thousands, unit, tuple(sorted({*odd, *gaps} - {""})))


class _Doubt:
    """Makes the error for a column that could mean two things."""

    def __init__(self, name: Name, advice: str) -> None:
        self.name, self.advice = name, advice

    def __call__(self, holds: str) -> InputError:
        stop = "" if holds.endswith("?") else "."
        return InputError(f"Column {self.name!r} holds {holds}{stop} {self.advice}".rstrip())


def _common_unit(cells: Mapping[str, re.Match[str]], counts: Mapping[str, int]) -> str:
    """Return the unit of at least half of the cells, or the currency of some; empty if none is."""
    units: Counter[str] = Counter()
    for text, cell in cells.items():
        units[_unit(cell)] += counts[text]
    named = Counter({unit: count for unit, count in units.items() if unit})
    for unit, count in named.most_common(1):
        if 2 * count >= units.total() or (unit in SYMBOLS and count == named.total()):
            return unit
    return ""


def _separators(
    cells: Mapping[str, re.Match[str]],
    counts: Mapping[str, int],
    decimal: str | None,
    doubt: _Doubt,
) -> tuple[str, str]:
    """Return the decimal point and the separator of thousands with which most cells are numbers."""
    bodies: Counter[str] = Counter()
    for text, cell in cells.items():
        bodies[cell["body"].rstrip()] += counts[text]
    covered = {}
    for pair in product([decimal] if decimal else ".,", ("", *THOUSANDS)):
        if pair[0] != pair[1]:
            covered[pair] = sum(n for b, n in bodies.items() if _plain(b, *pair) is not None)
    most = max(covered.values(), default=0)
    best = [pair for pair, count in covered.items() if count == most]
    used = [(d, t) for d, t in best if not t or any(t in body for body in bodies)]
    if (".", "") in used:
        return ".", ""
    if (",", "") in used:
        with_comma = {body: count for body, count in bodies.items() if "," in body}
        grouped = sum(n for body, n in with_comma.items() if _plain(body, ".", ",") is not None)
        if decimal or grouped < (1 - MOST_ODD) * sum(with_comma.values()):
            return ",", ""
        if (".", ",") in used and _grouped_where_long(bodies, ","):
            return ".", ","
    elif sure := [pair for pair in used if decimal or _groups_for_sure(bodies, *pair)]:
        return sure[0]
    texts = [body for body in bodies if "," in body or "." in body]
    raise doubt(f"numbers such as {_quoted(texts)}; is the comma or the dot the decimal point?")


def _groups_for_sure(bodies: Iterable[str], decimal: str, thousands: str) -> bool:
    """Return whether a separator cannot be a second kind of decimal point."""
    if thousands in " '" or any(b.count(thousands) > 1 for b in bodies):
        return True
    if any(thousands in body and decimal in body for body in bodies):
        return True
    return all(decimal not in b for b in bodies) and _grouped_where_long(bodies, thousands)


def _grouped_where_long(bodies: Iterable[str], thousands: str) -> bool:
    """Return whether there are numbers without the separator, all too short to need it."""
    plain = [body for body in bodies if thousands not in body]
    return bool(plain) and all(len(re.split("[.,]", body)[0]) <= 3 for body in plain)


def _quoted(texts: Iterable[str], most: int = 3) -> str:
    shown = [repr(text[:40]) for text in texts if text]
    return ", ".join(shown[:most]) + ", ..." * (len(shown) > most)


def _unit(cell: re.Match[str]) -> str:
    return " ".join(filter(None, (cell["before"], (cell["after"] or "").strip())))


def _plain(body: str, decimal: str, thousands: str) -> str | None:
    """Return digits as `float` reads them, or None if they are not written in this way."""
    whole, *fractions = body.split(decimal)
    fraction = "".join(fractions)
    if len(fractions) > 1 or not (whole or fraction) or re.search(r"\D", fraction):
        return None
    if thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        *inner, last = groups
        lakh = thousands == "," and all(len(group) == 2 for group in inner)  # 12,34,567
        if not 1 <= len(first) <= 3 or first[0] == "0" or len(last) != 3:
            return None
        if not (lakh or all(len(group) == 3 for group in inner)):
            return None
        whole = "".join([first, *groups])
    return None if re.search(r"\D", whole) else f"{whole}.{fraction}"
