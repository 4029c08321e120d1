"""Where the command `chainrule` starts: it handles Ctrl-C before anything slow is imported.

This file is next to the package, not in it: Python imports a package, and with it NumPy, before
any file in it. The rest of the command is in `chainrule.command`.
"""

import atexit
import contextlib
import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130  # the exit code that shells use for Ctrl-C


def main() -> None:
    """Run the command, then end the process with its exit code."""
    code = 1
    atexit.register(lambda: _exit(code))  # registered first, so it runs last
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is for background jobs
            signal.signal(number, _interrupt)
    try:
        from chainrule.command import main

        code = main()
    except KeyboardInterrupt:
        print("chainrule: Interrupted; nothing incomplete is left behind.", file=sys.stderr)
        code = INTERRUPTED


def _interrupt(number: int, frame: object) -> None:
    """Raise KeyboardInterrupt, once: a second Ctrl-C must not interrupt the cleaning up."""
    for each in SIGNALS:
        signal.signal(each, lambda number, frame: None)
    raise KeyboardInterrupt


def _exit(code: int) -> None:
    """End at once: a thread of pyarrow that is still reading would crash a normal exit."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody is reading it any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
