"""Where the command `chainrule` begins: it hears Ctrl-C before anything that is slow to load.

This file stands beside the package, not in it: Python loads a package, and with it NumPy, before
any file in it. All else of the command is `chainrule.command`.
"""

import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended


def main() -> None:
    """Run the command, and end with its exit code."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background
            signal.signal(number, _end_at_once)
    if hasattr(signal, "pthread_sigmask"):  # held back while the command started itself anew
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    from chainrule.command import main

    _end(main())


def _end_at_once(number: int, frame: object) -> None:
    """Say in a line that it is over. While a file is being written another handler stands here."""
    line = b"\n" * os.isatty(2)  # a bar may stand in the line before
    os.write(2, line + b"chainrule: Interrupted; nothing half-done is left behind.\n")
    os._exit(INTERRUPTED)


def _end(code: int) -> None:
    """End without waiting for threads: one that still reads a table would abort the process."""
    import contextlib  # late: it takes milliseconds in which nobody would hear Ctrl-C

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
