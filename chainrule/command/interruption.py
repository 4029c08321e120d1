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
    interrupted = False
    for number in heard:
        signal.signal(number, _unwind)
    try:
        yield
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for number in heard:
            signal.signal(number, before[number])
    if interrupted:  # now that all is clean, it goes where it would have gone
        signal.raise_signal(signal.SIGINT)


def _unwind(number: int, frame: Any) -> None:
    """Raise once; a further Ctrl-C does not interrupt the cleaning up."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
