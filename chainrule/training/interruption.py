"""Stopping cleanly: by a file, and by Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from chainrule.checks import check_bool
from chainrule.errors import ConfigurationError
from chainrule.storage.atomic import other_than_a_file
from chainrule.training.callback import Callback
from chainrule.training.state import TrainingState


class StopFile(Callback):
    """Stop after the current step once a file of this name exists: ``touch stop``.

    The file is then removed, so that it does not stop the next training too.

    Parameters
    ----------
    path : path
        The file.

    Examples
    --------
    >>> from chainrule import StopFile
    >>> callbacks = [StopFile("runs/stop")]
    """

    first_rank_alone = True

    def __init__(self, path: str | os.PathLike[str] = "stop") -> None:
        self.path = Path(path)

    def on_fit_begin(self, state: TrainingState) -> None:
        kind = other_than_a_file(self.path)
        if kind:
            raise ConfigurationError(
                f"{self.path} is {kind}, which StopFile would remove; give the name of a file that "
                "does not exist yet."
            )

    def on_step_end(self, state: TrainingState) -> None:
        if self.path.exists():
            self.path.unlink(missing_ok=True)
            state.stop(f"the file {self.path} was found")


CTRL_C = "Ctrl-C"


class StopOnInterrupt(Callback):
    """Let Ctrl-C stop training after the current step; a second Ctrl-C interrupts at once.

    `Trainer.fit` adds one by itself, unless it is given one. It does nothing outside the main
    thread, where signals do not arrive, or if the program has its own handler.

    Parameters
    ----------
    reraise : bool
        Whether `fit` then raises KeyboardInterrupt, after all other callbacks have ended: the
        program ends with exit status 130, unless it catches it. Otherwise `fit` returns as if all
        epochs were done, ``history.stop_reason`` is "Ctrl-C", and the program goes on.

    Examples
    --------
    >>> from chainrule import StopOnInterrupt
    >>> callbacks = [StopOnInterrupt(reraise=True)]
    """

    def __init__(self, *, reraise: bool = False) -> None:
        self.reraise = check_bool("reraise", reraise)
        self._before: Any = None

    def on_fit_begin(self, state: TrainingState) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return

        def handler(number: int, frame: Any) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            state.stop(CTRL_C)

        self._before = signal.signal(signal.SIGINT, handler)

    def on_fit_end(self, state: TrainingState) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


def raise_interrupt(state: TrainingState) -> None:
    """Raise KeyboardInterrupt if Ctrl-C stopped the training and a callback asks for that."""
    wanted = any(isinstance(c, StopOnInterrupt) and c.reraise for c in state.callbacks)
    if wanted and state.stop_reason == CTRL_C:
        raise KeyboardInterrupt
