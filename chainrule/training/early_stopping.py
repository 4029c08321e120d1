"""EarlyStopping: no more epochs than help, and the best weights back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.checks import check_whole
from chainrule.module import places_for
from chainrule.parameter import Array
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.training.callback import Callback
from chainrule.training.monitor import VALIDATION, Monitor, check_monitored
from chainrule.training.run import Run


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
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best = restore_best
        self._monitor = Monitor(monitor, mode=mode, min_delta=min_delta)
        self._weights: dict[str, Array] = {}

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, counted from 0; -1 before there is one."""
        return self._monitor.best_epoch

    def on_fit_begin(self, trainer: Run) -> None:
        check_monitored(self.monitor, trainer.columns)
        self._monitor.reset()
        self._weights = {}

    def on_epoch_end(self, trainer: Run) -> None:
        value = trainer.history.column(self.monitor)[-1]
        if self._monitor.update(value, trainer.epoch - 1):
            if self.restore_best:
                with trainer.evaluated_weights() as network:
                    self._weights = network.state()
        elif self._monitor.waited >= self.patience:
            self._stop(trainer)

    def _stop(self, trainer: Run) -> None:
        trainer.stop(f"{self.monitor} has not improved for {self._monitor.waited} epochs")

    def on_fit_end(self, trainer: Run) -> None:
        if self._weights:
            trainer.network.load_state(self._weights)
            trainer.history.kept_epoch = self.best_epoch
            trainer.note_metrics(self.best_epoch)

    def state(self) -> dict[str, Any]:
        return {**self._monitor.state(), **with_prefix("weights", self._weights)}

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        weights = without_prefix("weights", state)
        if weights:
            places_for(weights, trainer.network)  # refuses what will not fit at the end
        watched = {k: v for k, v in state.items() if not k.startswith("weights/")}
        self._monitor.load_state(watched, trainer.epoch)
        self._weights = weights
        if self._monitor.waited >= self.patience:  # it was killed after it had been stopped
            self._stop(trainer)
