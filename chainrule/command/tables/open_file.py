"""Files and pipes as streams of UTF-8 text or Parquet: opened, decompressed, decoded."""

from __future__ import annotations

import codecs
import contextlib
import io
import lzma
import os
import select
import signal
import sys
import zipfile
from typing import Any

import pyarrow as pa

from chainrule.errors import InputError
from chainrule.storage.atomic import other_than_a_file

MAGIC_BYTES = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
}
"""The first bytes of each kind of file. File names are not used: a pipe has none."""


def open_file(path: str) -> tuple[Any, int | None]:
    """Open a file or, for ``-``, standard input; return it and its size, None for a pipe.

    ``<(unzip -p table.zip)`` in a shell is a pipe, too. Of the devices only a terminal ends.
    """
    if path == "-":
        refuse_endless("/dev/stdin", "standard input")
        return InterruptiblePipe.buffered(sys.stdin.buffer), None
    refuse_endless(path, path)
    try:
        file = open(path, "rb")  # noqa: SIM115  TableReader closes it
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    if other_than_a_file(path):
        return InterruptiblePipe.buffered(file), None
    return file, os.path.getsize(path)


def refuse_endless(path: str, label: str) -> None:
    """Raise InputError for folders, and for devices unless somebody types there."""
    kind = other_than_a_file(path)
    if kind == "a device":
        with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
            kind = "" if file.isatty() else kind
    if kind not in ("", "a pipe", "a socket"):
        raise InputError(f"{label} is {kind}; a file with a table is expected.")


def decompress(file: Any, label: str) -> tuple[Any, bool]:
    """Return a stream of a file's decompressed content, and whether that is Parquet."""
    start = file.peek(8)[:8]
    kind = next((kind for magic, kind in MAGIC_BYTES.items() if start.startswith(magic)), "")
    if kind == "zip":
        return _only_member(file, label), False
    if kind == "xz":
        return lzma.open(file), False
    if kind in ("gzip", "bz2", "zstd"):
        return io.BufferedReader(pa.CompressedInputStream(file, kind)), False
    return file, kind == "parquet"


def _only_member(file: Any, label: str) -> Any:
    archive = zipfile.ZipFile(seekable(file))
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names:
        raise InputError(f"{label} is an office document; save the table as CSV first.")
    if "chainrule.npy" in names:
        raise InputError(f"{label} is a chainrule model, and a table is expected here.")
    if len(names) != 1:
        raise InputError(f"{label} holds {len(names)} files; a zip file of one table is expected.")
    return archive.open(names[0])


def seekable(file: Any) -> Any:
    """Return a seekable file; the content of a pipe is read into memory."""
    return file if file.seekable() else io.BytesIO(file.read())


def as_utf8(stream: Any, encoding: str) -> Any:
    """Return a stream of text in this encoding as a stream of UTF-8."""
    if codecs.lookup(encoding).name == "utf-8":
        return stream
    file = pa.PythonFile(stream, mode="r")
    return io.BufferedReader(pa.transcoding_input_stream(file, encoding, "utf-8"))


class WithoutComments(io.RawIOBase):
    """A stream of text without the lines that begin with a comment sign."""

    def __init__(self, stream: Any, comment: str) -> None:
        self._stream, self._comment = stream, comment.encode()
        self._left = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with lines that are no comments; return its size, 0 at the end."""
        while not self._left:
            lines = self._stream.readlines(1 << 20)
            if not lines:
                return 0
            self._left = b"".join(line for line in lines if not line.startswith(self._comment))
        data, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class InterruptiblePipe(io.RawIOBase):
    """The bytes of a pipe; a signal ends the wait for more.

    pyarrow reads in a background thread while the main thread waits outside Python, where it
    notices no signal. Without this class Ctrl-C would be ignored until the pipe delivers data.
    """

    def __init__(self, file: Any) -> None:
        self._file = file  # a reference keeps it open
        self._input = file.fileno()
        self._signalled, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    @classmethod
    def buffered(cls, file: Any) -> Any:
        """Return an interruptible, buffered reader of a pipe."""
        if os.name == "nt":  # select() only knows sockets on Windows
            return file
        pa.enable_signal_handlers(False)  # pyarrow's would only note Ctrl-C, and keep waiting
        return io.BufferedReader(cls(file), 1 << 20)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the data that has arrived; return its size, 0 at the end."""
        ready, _, _ = select.select([self._input, self._signalled], [], [])
        if self._signalled in ready:
            raise KeyboardInterrupt
        data = os.read(self._input, len(buffer))
        buffer[: len(data)] = data
        return len(data)
