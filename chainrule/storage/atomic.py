"""Atomic writing: whenever the program is killed, a name stands for the old file or the new one.

The bytes go to a temporary file in the same folder, are flushed to the disk, and only then take
the name. So what has the name is replaced, not written to: that must be an ordinary file. A device
such as ``/dev/null`` or a pipe would be gone for every other program.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from chainrule.errors import ConfigurationError, FileFormatError

LONGEST_NAME = 255
"""Bytes that a file's name may have on the file systems in use."""

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
"""What may have a name besides a file; links are followed."""


def other_than_a_file(path: str | os.PathLike[str]) -> str:
    """Return what has this name if it is no ordinary file, such as "a device"; else nothing."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return "" if kind == stat.S_IFREG else KINDS.get(kind, "no ordinary file")


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise ConfigurationError if something has this name that is no ordinary file.

    Whoever writes only after long work asks before it.
    """
    kind = other_than_a_file(path)
    if kind:
        raise ConfigurationError(
            f"{os.fspath(path)} is {kind}, which a file would replace; nothing was written. Give "
            "the name of a new file, or of one that may be replaced."
        )


def open_ordinary(path: str | os.PathLike[str], *, or_pipe: bool = False) -> BufferedReader:
    """Open a file for reading, or a pipe if those are allowed.

    Raises
    ------
    FileFormatError
        It is a folder, or something that may never end, such as a device.
    """
    kind = other_than_a_file(path)
    if kind and not (or_pipe and kind == KINDS[stat.S_IFIFO]):
        advice = "give the file in it" if kind == KINDS[stat.S_IFDIR] else "a file is expected"
        raise FileFormatError(f"{os.fspath(path)} is {kind}; {advice}.")
    return open(path, "rb")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, as `write_atomically` does."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it to `path` in one step.

    The new file has the mode of the one that it replaces; without one, the umask decides. Symbolic
    links are followed: the link stays, and the file it points to is replaced.

    Parameters
    ----------
    path : path
        Where to; missing folders are made.
    write : callable
        ``write(file)`` writes the content into a binary file. If it raises, `path` is untouched.

    Raises
    ------
    ConfigurationError
        `path` is a folder, a device, a pipe or a socket.
    """
    import secrets

    check_replaceable(path)
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.tmp")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    try:
        with open(temporary, "xb", opener=None if mode is None else _open_privately) as file:
            write(file)
            file.flush()
            if mode is not None:
                os.chmod(temporary, mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files of programs that were killed while they wrote `path`."""
    path = Path(os.path.realpath(path))
    pattern = f".{glob.escape(_short(path.name))}.{'[0-9a-f]' * 8}.tmp"
    for leftover in path.parent.glob(pattern):
        leftover.unlink(missing_ok=True)


def _open_privately(path: str, flags: int) -> int:
    """Open a new file that nobody else can read until it has the old one's mode."""
    return os.open(path, flags, 0o600)


def _short(name: str) -> str:
    """Return the name, or a hash of it where the temporary file's name would be too long."""
    import hashlib

    encoded = os.fsencode(name)
    fits = len(encoded) + len("..0123abcd.tmp") <= LONGEST_NAME
    return name if fits else hashlib.sha256(encoded).hexdigest()


def _flush_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where folders can be opened and flushed.

    Windows cannot open them, browsers and some network file systems cannot flush them.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
