"""Standard input that Ctrl-C ends, whichever thread is waiting for it."""

from __future__ import annotations

import io
import os
import select
import signal
from typing import Any

from chainrule.checks.extras import require


def interruptible(file: Any) -> Any:
    """Return a pipe as a buffered stream of bytes that Ctrl-C ends."""
    if os.name == "nt":  # select() knows sockets alone there
        return file
    # pyarrow's own handler would only take note of Ctrl-C, and go on waiting.
    require("pyarrow", "cli", "Reading a table").enable_signal_handlers(False)
    return io.BufferedReader(InterruptibleInput(file), 1 << 20)


class InterruptibleInput(io.RawIOBase):
    """The bytes of a pipe; a signal ends the waiting for more.

    pyarrow reads in a thread of its own, while the main thread waits for it outside of Python,
    where no signal is noticed: with a pipe into which nothing comes that would be for ever.
    """

    def __init__(self, file: Any) -> None:
        self._file = file  # kept, so that it is not closed
        self._input = file.fileno()
        self._signalled, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there, and return how much; 0 at the end."""
        ready, _, _ = select.select([self._input, self._signalled], [], [])
        if self._signalled in ready:
            raise KeyboardInterrupt
        data = os.read(self._input, len(buffer))
        buffer[: len(data)] = data
        return len(data)
