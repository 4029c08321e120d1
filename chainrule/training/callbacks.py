"""Callbacks: plain objects that `Trainer.fit` tells what happens, and that may stop it.

A callback is any subclass of `Callback` with some of the four hooks. All that there is to know
stands in the trainer it is given: ``trainer.network``, ``optimizer``, ``history``, ``epoch``,
``step``; and ``trainer.stop("why")`` ends training after the current step.
"""

from __future__ import annotations

import csv
import math
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from chainrule.checks import check_range, check_whole
from chainrule.errors import ConfigurationError
from chainrule.extras import require
from chainrule.parameter import Array
from chainrule.training.history import VALIDATION, better_is
from chainrule.training.run import Run


class Callback:
    """The parent of all callbacks: four hooks that do nothing, and a state for checkpoints.

    `on_fit_end` is called however training ended, also by an error, and in the opposite order
    of the list.
    """

    def on_fit_begin(self, trainer: Run) -> None:
        """Act before the first step (or the next one, after a resume)."""

    def on_step_end(self, trainer: Run) -> None:
        """Act after a step: the parameters have just moved."""

    def on_epoch_end(self, trainer: Run) -> None:
        """Act after an epoch: its row stands in ``trainer.history.epochs``, validation included."""

    def on_fit_end(self, trainer: Run) -> None:
        """Act after the last step."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs: numbers, strings and arrays by name."""
        return {}

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        """Take over what `state` returned."""


class EarlyStopping(Callback):
    """Stop when a metric gets no better, and give the network its best weights back.

    Prechelt, "Early Stopping - But When?", 1998.

    Parameters
    ----------
    monitor : str
        A column of ``history.epochs``.
    patience : int
        How many epochs without an improvement to bear.
    min_delta : float
        What counts as an improvement: better by more than this.
    mode : {"min", "max"}, optional
        Which way is better, where the metric's name does not tell.
    restore_best : bool
        Whether the network ends with the weights of the best epoch, however training ended:
        by patience, by its last epoch, by Ctrl-C, by an error.
    """

    def __init__(
        self,
        monitor: str = VALIDATION + "loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        self.monitor = monitor
        self.patience = check_whole("patience", patience)
        self.min_delta = check_range("min_delta", min_delta)
        self.mode = mode
        self.restore_best = restore_best
        self._sign = 1 if better_is(monitor, mode) == "min" else -1
        self._forget()

    def _forget(self) -> None:
        self.best_epoch = -1
        self._best = math.inf
        self._waited = 0
        self._weights: dict[str, Array] = {}

    def on_fit_begin(self, trainer: Run) -> None:
        self._forget()

    def on_epoch_end(self, trainer: Run) -> None:
        value = self._sign * monitored(trainer, self.monitor)
        if value < self._best - self.min_delta:
            self._best = value
            self.best_epoch = trainer.epoch - 1
            self._waited = 0
            if self.restore_best:
                self._weights = trainer.network.state()
            return
        self._waited += 1
        if self._waited >= self.patience:
            self._stop(trainer)

    def _stop(self, trainer: Run) -> None:
        trainer.stop(f"{self.monitor} has not improved for {self._waited} epochs")

    def on_fit_end(self, trainer: Run) -> None:
        if self._weights:
            trainer.network.load_state(self._weights)
            trainer.note_metrics(self.best_epoch)

    def state(self) -> dict[str, Any]:
        numbers = {"best": self._best, "best_epoch": self.best_epoch, "waited": self._waited}
        return {**numbers, **{f"weights/{name}": v for name, v in self._weights.items()}}

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        self._best = float(state["best"])
        self.best_epoch = int(state["best_epoch"])
        self._waited = int(state["waited"])
        prefix = "weights/"
        self._weights = {k.removeprefix(prefix): v for k, v in state.items() if prefix in k}
        if self._waited >= self.patience:  # it was killed after it had been stopped
            self._stop(trainer)


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by `factor` when a metric gets no better.

    Parameters
    ----------
    monitor, patience, min_delta, mode
        As in `EarlyStopping`.
    factor : float
        Between 0 and 1.
    minimum : float
        The learning rate never falls below it.
    """

    def __init__(
        self,
        monitor: str = VALIDATION + "loss",
        *,
        factor: float = 0.5,
        patience: int = 5,
        min_delta: float = 0.0,
        minimum: float = 0.0,
        mode: str | None = None,
    ) -> None:
        self.monitor = monitor
        self.factor = check_range("factor", factor, high=1, inclusive=False)
        self.patience = check_whole("patience", patience)
        self.min_delta = check_range("min_delta", min_delta)
        self.minimum = check_range("minimum", minimum)
        self.mode = mode
        self._sign = 1 if better_is(monitor, mode) == "min" else -1
        self._forget()

    def _forget(self) -> None:
        self._best = math.inf
        self._waited = 0
        self._learning_rate: float | None = None

    def on_fit_begin(self, trainer: Run) -> None:
        if callable(trainer.optimizer.learning_rate):
            raise ConfigurationError(
                "ReduceOnPlateau changes a learning rate that is a number; this optimizer has a "
                "schedule. Use one or the other."
            )
        self._forget()

    def on_epoch_end(self, trainer: Run) -> None:
        value = self._sign * monitored(trainer, self.monitor)
        if value < self._best - self.min_delta:
            self._best = value
            self._waited = 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            rate = trainer.optimizer.current_learning_rate()
            self._learning_rate = min(rate, max(self.minimum, rate * self.factor))
            trainer.optimizer.learning_rate = self._learning_rate
            self._waited = 0

    def state(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self._waited, "learning_rate": self._learning_rate}

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        self._best = float(state["best"])
        self._waited = int(state["waited"])
        self._learning_rate = state["learning_rate"]
        if self._learning_rate is not None:
            trainer.optimizer.learning_rate = self._learning_rate


# ---------------------------------------------------------------- ending cleanly


class StopFile(Callback):
    """Stop after the current step once a file of this name exists: `touch stop`.

    The file is removed when it has been obeyed, so that it does not stop the next training too.
    """

    def __init__(self, path: str | os.PathLike[str] = "stop") -> None:
        self.path = Path(path)

    def on_step_end(self, trainer: Run) -> None:
        if self.path.exists():
            self.path.unlink(missing_ok=True)
            trainer.stop(f"the file {self.path} was there")


class StopOnInterrupt(Callback):
    """Let Ctrl-C stop training after the current step; a second Ctrl-C interrupts at once.

    `Trainer.fit` adds one of these by itself. It does nothing outside the main thread, where
    signals do not arrive, nor where the program has a handler of its own.
    """

    def __init__(self) -> None:
        self._before: Any = None

    def on_fit_begin(self, trainer: Run) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return

        def handler(number: int, frame: Any) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            trainer.stop("Ctrl-C")

        self._before = signal.signal(signal.SIGINT, handler)

    def on_fit_end(self, trainer: Run) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


# ---------------------------------------------------------------- logs


class CSVLog(Callback):
    """Write a row an epoch into a file of comma-separated values, at once.

    A new training begins the file anew; a resumed one writes the epochs so far, then goes on.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None

    def on_epoch_end(self, trainer: Run) -> None:
        table = trainer.history.epochs
        first = len(trainer.history) - 1
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "w", newline="", encoding="utf-8")  # noqa: SIM115
            csv.writer(self._file).writerow(["epoch", *table])
            first = 0
        rows = list(zip(*table.values(), strict=True))
        for number in range(first, len(rows)):
            csv.writer(self._file).writerow([number + 1, *rows[number]])
        self._file.flush()

    def on_fit_end(self, trainer: Run) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoardLog(Callback):
    """Write what the history holds for TensorBoard, through tensorboardX (extra ``tensorboard``).

    Parameters
    ----------
    folder : path
        Where the event files go.
    every_steps : int
        How many steps between two points of the step curves.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int = 10) -> None:
        self.folder = Path(folder)
        self.every_steps = check_whole("every_steps", every_steps)
        self._writer: Any = None

    def on_fit_begin(self, trainer: Run) -> None:
        library = require("tensorboardX", "tensorboard", "TensorBoardLog")
        self._writer = library.SummaryWriter(str(self.folder))

    def on_step_end(self, trainer: Run) -> None:
        if trainer.step % self.every_steps == 0:
            for name, column in trainer.history.steps.items():
                self._writer.add_scalar(f"step/{name}", column[-1], trainer.step)

    def on_epoch_end(self, trainer: Run) -> None:
        for name, value in trainer.history.row().items():
            self._writer.add_scalar(f"epoch/{name}", value, trainer.epoch)

    def on_fit_end(self, trainer: Run) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def monitored(trainer: Run, name: str) -> float:
    """Return the last epoch's number of this name."""
    return trainer.history.column(name)[-1]
