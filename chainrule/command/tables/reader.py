"""The columns and rows of a table, read all at once or in batches.

pyarrow does the reading. This file chooses the right reader and turns its errors into sentences.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from chainrule.command.tables.csv_format import CsvFormat
from chainrule.command.tables.open_file import (
    WithoutComments,
    as_utf8,
    decompress,
    open_file,
    seekable,
)
from chainrule.errors import InputError

SEPARATORS = ",;\t|"

BATCH_BYTES = 1 << 23
"""Text is read 8 MiB at a time, so that memory stays bounded."""

BATCH_ROWS = 1 << 16
"""The rows of a Parquet file that are read at a time."""

DAMAGED = (
    *(pa.ArrowException, UnicodeError, csv.Error, EOFError, RuntimeError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
"""What the readers raise for a file that is damaged, or not what it seems to be."""


class TableReader:
    """An open table: first the names of its columns, then its rows, once.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.
    csv_format : CsvFormat
        How separated values are written.

    Attributes
    ----------
    names : list of str
        The unique names of the columns.
    size : int or None
        The file's size in bytes; None for a pipe.
    label : str
        What error messages call the table.
    unnamed : list of str
        What columns without a name are called, but for the first one, which stays without.

    Raises
    ------
    InputError
        The table cannot be read; the message says why.
    """

    def __init__(self, path: str, csv_format: CsvFormat) -> None:
        self.path, self.format = path, csv_format
        self.label = "standard input" if path == "-" else path
        self._ragged_row: Any = None
        self._parquet: Any = None
        self.unnamed: list[str] = []
        self._file, self.size = open_file(path)
        try:
            self._read_names()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.path != "-":
            self._file.close()

    @property
    def position(self) -> int:
        """How many of the file's bytes have been read; 0 for a pipe."""
        return self._file.tell() if self.size is not None else 0

    # ------------------------------------------------------------ column names

    def _read_names(self) -> None:
        with self._explained_errors():
            stream, is_parquet = decompress(self._file, self.label)
            if is_parquet:
                self._parquet = parquet.ParquetFile(seekable(stream))
                self.names = list(self._parquet.schema_arrow.names)
            else:
                self._stream = as_utf8(stream, self.format.encoding)
                self.names, self._separator = self._header()
        self._check_names()

    def _header(self) -> tuple[list[str], str]:
        """Read the line of column names; return them and the separator."""
        comment = self.format.comment
        for _ in range(self.format.skip_rows):
            self._read_line()
        line = self._read_line()
        while comment and line.startswith(comment.encode()):
            line = self._read_line()
        while line.count(b'"') % 2 and (more := self._read_line()):
            line += more  # a quoted name with a line break in it
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{self.label} is UTF-16 text: give --encoding utf-16.")
        text = line.removeprefix(codecs.BOM_UTF8).decode().lstrip("\ufeff").strip("\r\n")
        if not text.strip():
            raise InputError(f"{self.label} is empty; a first line with column names is expected.")
        separator = self.format.separator or max(SEPARATORS, key=text.count)
        names = [name.strip() for name in next(csv.reader([text], delimiter=separator))]
        if len(names) > 1 and not any(names[1:]):
            raise InputError(
                f"The first line of {self.label} names one column of {len(names)}, {names[0]!r}. "
                "If it is a title, give --skip-rows 1, or as many as there are lines above the "
                "column names."
            )
        return names, separator

    def _read_line(self) -> bytes:
        r"""Read a line, which ends with \n, \r\n or, if there is neither, \r."""
        start = self._stream.peek(1 << 16)
        if b"\n" in start or b"\r" not in start:
            return self._stream.readline()
        return b"".join(iter(lambda: self._stream.read(1), b"\r"))

    def _check_names(self) -> None:
        """Give columns without a name one, and refuse a name that is there twice."""
        seen: set[str] = set()
        for place, name in enumerate(self.names):
            if name in seen and name:
                raise InputError(f"Several columns of {self.label} are called {name!r}.")
            seen.add(name)
            if not name and place:
                self.names[place] = f"column {place + 1}"
                self.unnamed.append(self.names[place])

    # ------------------------------------------------------------ rows

    def read_all(self) -> pa.Table:
        """Return all rows; separated values are text."""
        with self._explained_errors():
            if self._parquet is not None:
                return self._parquet.read()
            return self._read_csv(arrow_csv.read_csv)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows, batch by batch.

        Separated values stay text, so that types cannot differ between batches.
        """
        with self._explained_errors():
            if self._parquet is not None:
                yield from self._parquet.iter_batches(BATCH_ROWS, columns=list(columns))
                return
            try:
                batches = self._read_csv(arrow_csv.open_csv, list(columns))
            except pa.ArrowInvalid as error:
                if "Empty CSV" in str(error):  # a first line, and no rows
                    return
                raise
            yield from batches

    def _read_csv(
        self,
        read: Callable[..., Any],
        columns: list[str] | None = None,
    ) -> Any:
        comment = self.format.comment
        return read(
            WithoutComments(self._stream, comment) if comment else self._stream,
            read_options=arrow_csv.ReadOptions(column_names=self.names, block_size=BATCH_BYTES),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._separator,
                newlines_in_values=True,
                # In a single column an empty line is a missing value; elsewhere it is no row.
                ignore_empty_lines=len(self.names) > 1,
                invalid_row_handler=self._refuse_ragged_row,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()), include_columns=columns
            ),
        )

    def _refuse_ragged_row(self, row: Any) -> str:
        self._ragged_row = self._ragged_row or row
        return "error"

    # ------------------------------------------------------------ errors

    @contextlib.contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """Turn the readers' errors into sentences about the table."""
        try:
            yield
        except DAMAGED as error:
            raise InputError(self._explain(error)) from error
        except OSError as error:
            if error.filename:
                raise
            raise InputError(self._explain(error)) from error

    def _explain(self, error: Exception) -> str:
        """Return what a reader's error means."""
        if self._ragged_row is not None:
            row = self._ragged_row
            return (
                f"{self.label} has a row of {row.actual_columns} values, but the first line names "
                f"{row.expected_columns} columns: {row.text[:80]!r}. Put values that contain the "
                "separator in quotation marks. If there are lines above the column names, give "
                "--skip-rows; if some lines are comments, --comment '#'."
            )
        text = str(error)
        if isinstance(error, UnicodeError) or "invalid UTF8" in text:
            place = re.search(r"column #(\d+)", text)
            return self._wrong_encoding(self.names[int(place[1])] if place else "")
        if "Empty CSV" in text:
            return f"{self.label} has no rows below the column names."
        if "straddling" in text:
            return (
                f"{self.label} has a row of more than {BATCH_BYTES >> 20} MB, or a quotation mark "
                "that is never closed."
            )
        return f"{self.label} cannot be read: {' '.join(text.split())[:200].rstrip('.')}."

    def _wrong_encoding(self, column: str = "") -> str:
        where = f" (column {column!r})" if column else ""
        return (
            f"{self.label} is not {self.format.encoding} text{where}. Give its encoding, for "
            "example --encoding latin-1 or --encoding utf-16."
        )
