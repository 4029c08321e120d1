"""What a file that is being written becomes at Ctrl-C: as it was before, without remains."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def cleaned_up_if_interrupted() -> Iterator[None]:
    """Let Ctrl-C unwind what happens in here, so that temporary files are removed.

    Elsewhere it ends the command at once (see `chainrule_command`), since nothing is there to clean
    up: a package that is just being loaded can swallow an exception, but not that.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    came: list[int] = []

    def unwind(number: int, frame: Any) -> None:
        """Raise once; a further Ctrl-C does not interrupt the cleaning up."""
        for each in SIGNALS:
            signal.signal(each, _heard_already)
        came.append(number)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, unwind)
    interrupted = False
    try:
        yield
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for number in heard:
            signal.signal(number, before[number])
    if interrupted:  # now that all is clean, it goes where it would have gone
        signal.raise_signal(came[0] if came else signal.SIGINT)


def _heard_already(number: int, frame: Any) -> None:
    """Do nothing; of a signal on its way that meets SIG_IGN Python would tell."""
