"""Atomic writing: whenever the program is killed, a name stands for the old file or the new one.

The bytes go to a temporary file in the same folder, are flushed to the disk, and only then take
the name.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

LONGEST_NAME = 255
"""Bytes that a file's name may have on the file systems in use."""


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it to `path` in one step.

    The new file has the mode of the one that it replaces; without one, the umask decides. Symbolic
    links are followed: the link stays, and the file it points to is replaced.

    Parameters
    ----------
    path : path
        Where to; missing folders are made.
    write : callable
        ``write(file)`` writes the content into a binary file. If it raises, `path` is untouched.
    """
    import secrets

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
    """Make the new name survive a power cut. Windows can't open folders, and need not."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
