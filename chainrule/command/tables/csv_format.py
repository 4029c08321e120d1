"""How a file of separated values is written: separator, decimal point, encoding, missing values."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.errors import ConfigurationError

MISSING_VALUES = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "<NA>"),
    *("#N/A", "#NA", "#N/A N/A", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND"),
)
"""Text that always means a missing value: the same as in pandas."""


@dataclass(frozen=True)
class CsvFormat:
    """The format of a file of separated values.

    Attributes
    ----------
    separator : str or None
        The character between values; None to detect it in the first line.
    decimal : str or None
        The decimal point, ``"."`` or ``","``; None to find it out for each column.
    encoding : str
        The text encoding, such as ``"utf-8"`` or ``"latin-1"``.
    missing : tuple of str
        Further text that means a missing value, such as ``"?"``.
    keep_na : bool
        Whether "NA", "None", "null" and the like are text, and only an empty cell is missing.
    skip_rows : int
        How many lines stand above the column names.
    comment : str or None
        What lines begin with that are no rows.

    Raises
    ------
    ConfigurationError
        The separator is not one character, is the decimal point too, or the encoding is unknown.
    """

    separator: str | None = None
    decimal: str | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()
    keep_na: bool = False
    skip_rows: int = 0
    comment: str | None = None

    def __post_init__(self) -> None:
        separator = self.separator
        if separator is not None and (len(separator.encode()) != 1 or separator in '"\r\n'):
            raise ConfigurationError(f"The separator must be one character; got {separator!r}.")
        if separator is not None and separator == self.decimal:
            raise ConfigurationError(
                f"{separator!r} cannot be both the separator and the decimal point."
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ConfigurationError(
                f"There is no encoding {self.encoding!r}; the usual ones are utf-8, latin-1, "
                "cp1252 and utf-16."
            ) from None

    def updated(self, options: Mapping[str, Any]) -> CsvFormat:
        """Return a copy changed by the command's options of the same names.

        >>> options = {"separator": ";", "decimal": None, "encoding": None, "missing": ("?",)}
        >>> CsvFormat().updated(options).missing
        ('?',)
        """
        separator = "\t" if options["separator"] == "\\t" else options["separator"]
        return CsvFormat(
            separator or self.separator,
            options["decimal"] or self.decimal,
            options["encoding"] or self.encoding,
            tuple(dict.fromkeys([*self.missing, *options["missing"]])),
            options.get("keep_na") or self.keep_na,
            self.skip_rows if options.get("skip_rows") is None else options["skip_rows"],
            options.get("comment") or self.comment,
        )

    @property
    def missing_values(self) -> tuple[str, ...]:
        """All text that means a missing value."""
        return ("", *self.missing) if self.keep_na else (*MISSING_VALUES, *self.missing)
