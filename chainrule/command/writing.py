"""Results into a file, whole or not at all; and predictions into one, piece by piece."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chainrule.checks.extras import require
from chainrule.command.interruption import cleaned_up_if_interrupted
from chainrule.errors import InputError
from chainrule.storage.atomic import write_atomically

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
"""By the end of a file's name, the module of Python's that compresses."""

KINDS = {".csv": ",", ".tsv": "\t", ".txt": ",", ".parquet": ""}
"""By the end of a file's name, what separates values."""


def check_output(path: str | None, option: str) -> None:
    """Refuse, before any work is done, a file that could not be written."""
    if path is None or path == "-":
        return
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise InputError(f"The folder {folder} for {option} does not exist; create it first.")
    if Path(path).is_dir():
        raise InputError(f"{option} {path} is a folder; give the name of a file in it.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}.") from None


def check_apart(path: str | None, option: str, *inputs: str) -> None:
    """Refuse to write over what is read."""
    if path is None or not os.path.exists(path):
        return
    for given in inputs:
        if os.path.exists(given) and os.path.samefile(path, given):
            raise InputError(f"{option} {path} is the file that is read; give another name.")


def write_text(path: str | Path, text: str) -> None:
    """Write a text, whole or not at all."""

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    write_atomically(path, write)


class Predictions:
    """A file of predictions, to which one piece after the other is written.

    What kind it is tells the end of its name: .csv, .tsv or .parquet, the first two also with .gz,
    .bz2 or .xz behind. Standard output, ``-``, is CSV.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        stem, end = os.path.splitext(path)
        self.compression = COMPRESSIONS.get(end.lower())
        end = os.path.splitext(stem)[1] if self.compression else end
        end = ".csv" if path == "-" else end.lower()
        if end not in KINDS or (end == ".parquet" and self.compression):
            raise InputError(
                f"--output {path}: its name must end in .csv, .tsv or .parquet, or in .csv.gz, "
                ".csv.bz2 or .csv.xz."
            )
        self.separator = KINDS[end]

    def write(self, tables: Iterator[Any]) -> None:
        """Write all tables; the file has its name when the last one is in it, and not before."""
        if self.path == "-":
            self._fill(sys.stdout.buffer, tables)
        else:
            with cleaned_up_if_interrupted():
                write_atomically(self.path, lambda file: self._fill(file, tables))

    def _fill(self, file: BinaryIO, tables: Iterator[Any]) -> None:
        with contextlib.ExitStack() as opened:
            sink: Any = file
            if self.compression:
                compressed = importlib.import_module(self.compression).open(file, "wb")
                sink = opened.enter_context(compressed)
            write: Callable[[Any], None] | None = None
            for table in tables:
                if write is None:
                    write = opened.enter_context(self._writer(sink, table.schema)).write
                write(table)

    def _writer(self, sink: Any, schema: Any) -> Any:
        if self.separator:
            return contextlib.nullcontext(SeparatedValues(sink, schema.names, self.separator))
        parquet = require("pyarrow.parquet", "cli", "Writing predictions")
        return parquet.ParquetWriter(sink, schema)


class SeparatedValues:
    """Writes tables as separated values, with quotation marks where something needs them."""

    def __init__(self, sink: Any, names: list[str], separator: str) -> None:
        self._sink, self._separator = sink, separator
        head = io.StringIO()
        csv.writer(head, delimiter=separator, lineterminator="\n").writerow(names)
        sink.write(head.getvalue().encode())

    def write(self, table: Any) -> None:
        """Write some rows."""
        writing = require("pyarrow.csv", "cli", "Writing predictions")
        options = writing.WriteOptions(
            include_header=False,
            delimiter=self._separator,
            quoting_style="needed" if self._needs_quotes(table) else "none",
        )
        writing.write_csv(table, self._sink, options)

    def _needs_quotes(self, table: Any) -> bool:
        """Whether any text holds the separator, a quotation mark or a line break."""
        pa = require("pyarrow", "cli", "Writing predictions")
        compute = require("pyarrow.compute", "cli", "Writing predictions")
        pattern = f'[{self._separator}"\\r\\n]'
        return any(
            compute.any(compute.match_substring_regex(column, pattern)).as_py()
            for column in table.columns
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        )
