"""Predictions written to a file batch by batch; the file appears complete, or not at all."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from chainrule.errors import InputError
from chainrule.storage.atomic import other_than_a_file, write_atomically

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
"""By a file's extension, Python's module that compresses it."""

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ",", ".parquet": ""}
"""By a file's extension, what separates its values."""


def check_output(path: str | None, option: str, *inputs: str) -> None:
    """Refuse, before any work is done, an output that cannot be written or is also an input."""
    if path is None or path == "-":
        return
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise InputError(f"The folder {folder} for {option} does not exist; create it first.")
    kind = other_than_a_file(path)
    if kind:
        name = "a file in it" if Path(path).is_dir() else "a file"
        raise InputError(f"{option} {path} is {kind}; give the name of {name}.")
    check_writable(folder, f"{option} {path}")
    for given in inputs:
        if os.path.exists(path) and os.path.exists(given) and os.path.samefile(path, given):
            raise InputError(f"{option} {path} is also an input; give another name.")


def check_writable(folder: str | Path, option: str) -> None:
    """Refuse a folder in which no file can be created."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{option} cannot be written: {error.strerror}.") from None


class PredictionWriter:
    """Writes predictions to a file of separated values or Parquet, or to standard output.

    Parameters
    ----------
    path : str
        Ends in .csv, .tsv, .txt or .parquet; the text formats also with .gz, .bz2 or .xz added.
        ``-`` is CSV on standard output.

    Attributes
    ----------
    rows : int
        The number of rows written.

    Raises
    ------
    InputError
        The name ends otherwise.
    """

    def __init__(self, path: str) -> None:
        self.path, self.rows = path, 0
        stem, end = os.path.splitext(path)
        self.compression = COMPRESSIONS.get(end.lower())
        end = os.path.splitext(stem)[1] if self.compression else end
        end = ".csv" if path == "-" else end.lower()
        if end not in SEPARATORS or (end == ".parquet" and self.compression):
            raise InputError(
                f"--output {path}: its name must end in .csv, .tsv or .parquet, or in .csv.gz, "
                ".csv.bz2 or .csv.xz."
            )
        self.separator = SEPARATORS[end]

    def write(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Write all batches; the file gets its name when the last one is in it."""
        if self.path == "-":
            self._write(sys.stdout.buffer, batches)
        else:
            write_atomically(self.path, lambda file: self._write(file, batches))

    def _write(self, file: BinaryIO, batches: Iterator[pa.RecordBatch]) -> None:
        with contextlib.ExitStack() as stack:
            sink: Any = file
            if self.compression:
                sink = importlib.import_module(self.compression).open(file, "wb")
                stack.enter_context(sink)
            writer: Any = None
            for batch in batches:
                if writer is None:
                    if self.separator:
                        writer = CsvWriter(sink, batch.schema.names, self.separator)
                    else:
                        writer = stack.enter_context(parquet.ParquetWriter(sink, batch.schema))
                writer.write(batch)
                self.rows += batch.num_rows


class CsvWriter:
    """Writes batches as separated values, quoted where necessary.

    pyarrow quotes either all text or none in a batch, so each batch is checked first.
    """

    def __init__(self, sink: Any, names: list[str], separator: str) -> None:
        self._sink, self._separator = sink, separator
        header = io.StringIO()
        csv.writer(header, delimiter=separator, lineterminator="\n").writerow(names)
        sink.write(header.getvalue().encode())

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch."""
        options = arrow_csv.WriteOptions(
            include_header=False,
            delimiter=self._separator,
            quoting_style="needed" if self._needs_quotes(batch) else "none",
        )
        arrow_csv.write_csv(batch, self._sink, options)

    def _needs_quotes(self, batch: pa.RecordBatch) -> bool:
        """Whether any text contains the separator, a quotation mark or a line break."""
        pattern = f'[{self._separator}"\\r\\n]'
        return any(
            compute.any(compute.match_substring_regex(column, pattern)).as_py()
            for column in batch.columns
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        )
