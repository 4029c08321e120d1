"""A lock on a folder: one training at a time writes there.

It is the operating system's lock on a small file in the folder, which names the process that holds
it. It ends with that process, however it ends: a killed training leaves nothing to clean up.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import IO

from chainrule.errors import ConfigurationError

NAME = ".lock"


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
        file = open(self.folder / NAME, "a+", encoding="utf-8")  # noqa: SIM115
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

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()  # this releases the lock too
            self._file = None


def locked(file: IO[str]) -> bool:
    """Take the operating system's lock on an open file; return False if another process has it.

    Return True if the file system has no locks: refusing to work there would gain nothing.
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
