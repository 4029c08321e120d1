"""A lock on a folder: one training at a time writes there.

It is the operating system's lock on a small file in the folder, which names the process that holds
it. It ends with that process, however it ends: a killed training leaves nothing to clean up. Where
the system has no such locks, as in a browser, the process that the file names is looked for.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import IO

from chainrule.errors import ConfigurationError

NAME = ".lock"

LOCKED_BYTE = 1 << 30
"""Windows locks bytes, and nobody can read them: this one is far behind the holder's name."""

_held: set[str] = set()
"""The folders that this process holds."""


class FolderLock:
    """A lock on a folder, held from `acquire` to `release`.

    Parameters
    ----------
    folder : path
        The folder; it is made if it does not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise ConfigurationError, which names the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = os.path.realpath(self.folder / NAME)
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        if not locked(file):
            file.seek(0)
            holder = file.read() or "an unknown process"
            file.close()
            raise ConfigurationError(
                f"The folder {self.folder} is in use by another training: {holder}. Wait for "
                "it to end, or give this one another folder."
            )
        file.truncate(0)
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        file.write(f"process {os.getpid()}, since {now}")
        file.flush()
        self._file = file
        _held.add(file.name)

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._file is not None:
            _held.discard(self._file.name)
            self._file.truncate(0)
            self._file.close()  # this releases the lock too
            self._file = None


def locked(file: IO[str]) -> bool:
    """Take the lock on an open file; return False if another training has it.

    Return True if the file system has no locks: refusing to work there would gain nothing.
    """
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except ImportError:
        return not names_its_holder(file)
    except OSError:
        return True
    return True


def names_its_holder(file: IO[str]) -> bool:
    """Whether the process that a lock file names still runs; of this one, whether it holds it."""
    file.seek(0)
    found = re.match(r"process (\d+)", file.read())
    if found is None:
        return False
    process = int(found[1])
    if process == os.getpid():  # in a browser all have the same number
        return file.name in _held
    try:
        os.kill(process, 0)  # which sends nothing
    except PermissionError:  # it is somebody else's
        return True
    except (AttributeError, OSError):
        return False
    return True
