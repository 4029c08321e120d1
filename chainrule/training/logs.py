"""Logs of a training, written while it runs: CSV and TensorBoard."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, TextIO

from chainrule.checks import check_whole
from chainrule.checks.extras import require
from chainrule.storage.atomic import check_replaceable
from chainrule.training.callback import Callback
from chainrule.training.state import TrainingState


class CSVLog(Callback):
    """Write one row per epoch into a file of comma-separated values, at once.

    A new training overwrites the file; a resumed one writes the epochs so far, then goes on.

    Parameters
    ----------
    path : path
        The file; its folder is made if it does not exist.

    Examples
    --------
    >>> from chainrule import CSVLog
    >>> callbacks = [CSVLog("runs/history.csv")]
    """

    first_rank_alone = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None

    def on_fit_begin(self, state: TrainingState) -> None:
        check_replaceable(self.path)

    def on_epoch_end(self, state: TrainingState) -> None:
        table = state.history.epochs
        first = len(state.history) - 1
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "w", newline="", encoding="utf-8")  # noqa: SIM115
            csv.writer(self._file).writerow(["epoch", *table])
            first = 0
        rows = list(zip(*table.values(), strict=True))
        for number in range(first, len(rows)):
            csv.writer(self._file).writerow([number + 1, *rows[number]])
        self._file.flush()

    def on_fit_end(self, state: TrainingState) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoardLog(Callback):
    """Write the history for TensorBoard, through tensorboardX (the extra ``tensorboard``).

    Parameters
    ----------
    folder : path
        Where to write the event files.
    every_steps : int
        The number of steps between two points of the curves over steps.

    Examples
    --------
    >>> from chainrule import TensorBoardLog
    >>> callbacks = [TensorBoardLog("runs/tensorboard")]
    """

    first_rank_alone = True

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int = 10) -> None:
        self.folder = Path(folder)
        self.every_steps = check_whole("every_steps", every_steps)
        self._writer: Any = None

    def on_fit_begin(self, state: TrainingState) -> None:
        library = require("tensorboardX", "tensorboard", "TensorBoardLog")
        self._writer = library.SummaryWriter(str(self.folder))

    def on_step_end(self, state: TrainingState) -> None:
        if state.step % self.every_steps == 0:
            for name, column in state.history.steps.items():
                self._writer.add_scalar(f"step/{name}", column[-1], state.step)

    def on_epoch_end(self, state: TrainingState) -> None:
        for name, value in state.history.row().items():
            self._writer.add_scalar(f"epoch/{name}", value, state.epoch)

    def on_fit_end(self, state: TrainingState) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
