"""A lock on a folder: one training at a time writes there, and who holds it can be told.

It is the operating system's lock on a small file in the folder, so it ends with the process that
holds it, however that ends: a killed training leaves nothing behind that would have to be removed.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import IO

from chainrule.errors import ConfigurationError

NAME = ".lock"


class FolderLock:
    """Holds a folder from `acquire` to `release`.

    Parameters
    ----------
    folder : path
        What to hold; it is made if it does not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise ConfigurationError, which tells who holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = open(self.folder / NAME, "a+", encoding="utf-8")  # noqa: SIM115
        if not locked(file):
            file.seek(0)
            holder = file.read() or "an unknown process"
            file.close()
            raise ConfigurationError(
                f"The folder {self.folder} is in use by another training: {holder}. Let it end, "
                "or give this one another folder."
            )
        file.truncate(0)
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        file.write(f"process {os.getpid()}, since {now}")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()  # ends the lock too
            self._file = None


def locked(file: IO[str]) -> bool:
    """Take the operating system's lock on an open file; return False where another has it.

    Where a file system knows no locks, True: nothing is gained by refusing to work there.
    """
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
