"""Files of every kind as tables: their names of columns, and their rows, whole or piece by piece.

pyarrow reads; what stands here is which of its readers a file needs, and what its failures mean.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from chainrule.checks.extras import require
from chainrule.command.opening import decoded, decompressed, opened, seekable
from chainrule.errors import ConfigurationError, InputError

MISSING = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "<NA>"),
    *("#N/A", "#NA", "#N/A N/A", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND"),
)
"""What means that a value is missing: what pandas takes for it too."""

SEPARATORS = ",;\t|"
PIECE = 1 << 23
"""Bytes of text that are read at a time: 8 MiB, so that memory stays bounded."""

PIECE_ROWS = 1 << 16
"""Rows of a Parquet file that are read at a time."""


@dataclass(frozen=True)
class Format:
    """How a file of separated values is written."""

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        separator = self.separator
        if separator is not None and (len(separator.encode()) != 1 or separator in '"\r\n'):
            raise ConfigurationError(f"The separator must be one character, got {separator!r}.")
        if separator is not None and separator == self.decimal:
            raise ConfigurationError(
                f"{separator!r} cannot both separate values and stand before a fraction."
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ConfigurationError(
                f"There is no encoding {self.encoding!r}; utf-8, latin-1, cp1252 and utf-16 are "
                "the most frequent."
            ) from None

    def updated(
        self,
        separator: str | None,
        decimal: str | None,
        encoding: str | None,
        missing: Sequence[str],
    ) -> Format:
        """Return the same, but for what is given."""
        return Format(
            "\t" if separator == "\\t" else separator or self.separator,
            decimal or self.decimal,
            encoding or self.encoding,
            (*self.missing, *(text for text in missing if text not in self.missing)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can say; `Format(**plain)` makes it again."""
        return {**asdict(self), "missing": list(self.missing)}

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """All texts that mean that a value is missing."""
        return (*MISSING, *self.missing)


class Source:
    """An open table: its names of columns, then its rows, once.

    Attributes
    ----------
    names : list of str
        The names of the columns, each its own.
    size : int or None
        The file's bytes, where they are known.
    """

    def __init__(self, path: str, form: Format) -> None:
        self.path, self.form = path, form
        self.label = "standard input" if path == "-" else path
        self._file, self.size = opened(path)
        with _explained(self):
            stream, kind = decompressed(self._file, self.label)
            self._parquet: Any = None
            if kind == "parquet":
                parquet = require("pyarrow.parquet", "cli", "Reading a table")
                self._parquet = parquet.ParquetFile(seekable(stream))
                self.names = list(self._parquet.schema_arrow.names)
            else:
                self._stream = decoded(stream, form.encoding)
                self.names, self._separator = self._header()
        self._check_names()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.path != "-":
            self._file.close()

    @property
    def position(self) -> int:
        """How many of the file's bytes have been read."""
        return self._file.tell() if self.size is not None else 0

    @property
    def is_text(self) -> bool:
        """Whether it is a file of separated values."""
        return self._parquet is None

    # ------------------------------------------------------------ the names of columns

    def _header(self) -> tuple[list[str], str]:
        """Read the first line; return the names in it, and what separates them."""
        line = self._stream.readline()
        while line.count(b'"') % 2 and (more := self._stream.readline()):
            line += more  # a name with a line break in it
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{self.label} is UTF-16 text: give --encoding utf-16.")
        text = line.removeprefix(codecs.BOM_UTF8).decode().lstrip("\ufeff").strip("\r\n")
        if not text.strip():
            raise InputError(
                f"{self.label} is empty: a line with the names of the columns is expected."
            )
        separator = self.form.separator or max(SEPARATORS, key=text.count)
        return [name.strip() for name in next(csv.reader([text], delimiter=separator))], separator

    def _check_names(self) -> None:
        seen: set[str] = set()
        for place, name in enumerate(self.names, 1):
            if name in seen:
                raise InputError(
                    f"Several columns of {self.label} have the name {name!r}; give each its own."
                )
            if not name and place > 1:
                raise InputError(f"Column {place} of {self.label} has no name in the first line.")
            seen.add(name)

    # ------------------------------------------------------------ rows

    def whole(self, as_text: Sequence[str] = ()) -> Any:
        """Return all rows as a pyarrow.Table, with types found in the values.

        Parameters
        ----------
        as_text : sequence of str
            Columns to leave as text, whatever is in them.
        """
        with _explained(self):
            if self._parquet is not None:
                return self._parquet.read()
            pa = require("pyarrow", "cli", "Reading a table")
            types = dict.fromkeys(as_text, pa.string())
            table = self._reader("read_csv", types, list(self.form.missing_texts), None)
            for name in table.column_names:
                if pa.types.is_binary(table.schema.field(name).type):
                    raise InputError(self._not_text(name))
            return table

    def pieces(self, columns: Sequence[str]) -> Iterator[Any]:
        """Yield some columns of all rows, as one pyarrow.RecordBatch after the other.

        Those of separated values are text, as it stands there.
        """
        with _explained(self):
            if self._parquet is not None:
                yield from self._parquet.iter_batches(PIECE_ROWS, columns=list(columns))
                return
            pa = require("pyarrow", "cli", "Reading a table")
            types = dict.fromkeys(self.names, pa.string())
            try:
                reader = self._reader("open_csv", types, [], list(columns))
            except pa.ArrowInvalid as error:
                if "Empty CSV" in str(error):  # a first line, and no rows
                    return
                raise
            yield from reader

    def _reader(
        self, kind: str, types: dict[str, Any], missing: list[str], columns: list[str] | None
    ) -> Any:
        reading = require("pyarrow.csv", "cli", "Reading a table")
        return getattr(reading, kind)(
            self._stream,
            read_options=reading.ReadOptions(column_names=self.names, block_size=PIECE),
            parse_options=reading.ParseOptions(
                delimiter=self._separator,
                newlines_in_values=True,
                # In a single column an empty line is a missing value; elsewhere it is no row.
                ignore_empty_lines=len(self.names) > 1,
                invalid_row_handler=self._refuse_row,
            ),
            convert_options=reading.ConvertOptions(
                column_types=types,
                null_values=missing,
                strings_can_be_null=bool(missing),
                decimal_point=self.form.decimal,
                include_columns=columns,
            ),
        )

    _ragged: Any = None

    def _refuse_row(self, row: Any) -> str:
        self._ragged = self._ragged or row
        return "error"

    def explain(self, error: Exception) -> str:
        """Return what a reader's failure means."""
        if self._ragged is not None:
            row = self._ragged
            return (
                f"{self.label} has a row of {row.actual_columns} values where the first line names "
                f"{row.expected_columns} columns: {row.text[:80]!r}. Values that hold the "
                "separator must stand in quotation marks."
            )
        text = str(error)
        if isinstance(error, UnicodeError) or "invalid UTF8" in text:
            return self._not_text("")
        if "Empty CSV" in text:
            return f"{self.label} has no rows below the names of its columns."
        if "straddling" in text:
            return (
                f"{self.label} has a row of more than {PIECE >> 20} MB, or a quotation mark that "
                "is never closed."
            )
        return f"{self.label} cannot be read: {' '.join(text.split())[:200].rstrip('.')}."

    def _not_text(self, name: str) -> str:
        where = f" (column {name!r})" if name else ""
        return (
            f"{self.label} is not {self.form.encoding} text{where}. Say how it is encoded, for "
            "example --encoding latin-1 or --encoding utf-16."
        )


@contextlib.contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn what readers raise into a sentence about the table."""
    import zipfile

    pa = require("pyarrow", "cli", "Reading a table")
    damaged = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, UnicodeError, csv.Error, *damaged) as error:
        raise InputError(source.explain(error)) from error
    except OSError as error:
        if error.filename:
            raise
        raise InputError(source.explain(error)) from error
