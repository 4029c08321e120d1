"""A file or a pipe as a stream of UTF-8 text or of Parquet: opened, decompressed, decoded."""

from __future__ import annotations

import codecs
import io
import lzma
import os
import stat
import sys
from typing import Any, BinaryIO

from chainrule.checks.extras import require
from chainrule.command.standard_input import interruptible
from chainrule.errors import InputError

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
}
"""How files begin: they are told by that, not by their names, so that a pipe can be one too."""


def opened(path: str) -> tuple[Any, int | None]:
    """Return a file and how many bytes it has, where that is known: of a pipe it is not."""
    if path == "-":
        return interruptible(sys.stdin.buffer), None
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; a file with a table is expected.")
    try:
        file = open(path, "rb")  # noqa: SIM115  the Source closes it
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode):
        return file, found.st_size
    return interruptible(file), None


def decompressed(file: Any, label: str) -> tuple[Any, str]:
    """Return a stream of what a file holds, and what that is: text or Parquet."""
    start = file.peek(8)[:8]
    kind = next((kind for magic, kind in COMPRESSIONS.items() if start.startswith(magic)), "text")
    if kind in ("text", "parquet"):
        return file, kind
    if kind == "zip":
        return _only_member(file, label), "text"
    if kind == "xz":
        return lzma.open(file), "text"
    pa = require("pyarrow", "cli", "Reading a table")
    return io.BufferedReader(pa.CompressedInputStream(file, kind)), "text"


def _only_member(file: BinaryIO, label: str) -> Any:
    import zipfile

    archive = zipfile.ZipFile(seekable(file))
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names:
        raise InputError(f"{label} is an office document; save the table as CSV first.")
    if "chainrule.npy" in names:
        raise InputError(f"{label} is a chainrule model, and a table is expected here.")
    if len(names) != 1:
        raise InputError(f"{label} holds {len(names)} files; a zip of one table is expected.")
    return archive.open(names[0])


def seekable(file: Any) -> Any:
    """Return a file in which one can go back; what comes through a pipe is read into memory."""
    return file if file.seekable() else io.BytesIO(file.read())


def decoded(stream: Any, encoding: str) -> Any:
    """Return a stream of UTF-8."""
    if codecs.lookup(encoding).name == "utf-8":
        return stream
    pa = require("pyarrow", "cli", "Reading a table")
    file = pa.PythonFile(stream, mode="r")
    return io.BufferedReader(pa.transcoding_input_stream(file, encoding, "utf-8"))
