"""ReduceOnPlateau: smaller steps where larger ones no longer help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.checks import check_range, check_whole
from chainrule.errors import ConfigurationError
from chainrule.training.callback import Callback
from chainrule.training.monitor import VALIDATION, Monitor, check_monitored
from chainrule.training.run import Run


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by `factor` when a metric gets no better.

    Parameters
    ----------
    monitor, patience, min_delta, mode
        As in `EarlyStopping`.
    factor : float
        Between 0 and 1.
    min_lr : float
        The learning rate never falls below it.
    """

    def __init__(
        self,
        monitor: str = VALIDATION + "loss",
        *,
        factor: float = 0.5,
        patience: int = 5,
        min_delta: float = 0.0,
        min_lr: float = 0.0,
        mode: str | None = None,
    ) -> None:
        self.monitor = monitor
        self.factor = check_range("factor", factor, high=1, inclusive=False)
        self.patience = check_whole("patience", patience)
        self.min_delta = min_delta
        self.min_lr = check_range("min_lr", min_lr)
        self.mode = mode
        self._monitor = Monitor(monitor, mode=mode, min_delta=min_delta)

    def on_fit_begin(self, trainer: Run) -> None:
        if callable(trainer.optimizer.learning_rate):
            raise ConfigurationError(
                "ReduceOnPlateau changes a learning rate that is a number; this optimizer has a "
                "schedule. Use one or the other."
            )
        check_monitored(self.monitor, trainer.columns)
        self._monitor.reset()

    def on_epoch_end(self, trainer: Run) -> None:
        improved = self._monitor.update(trainer.history.column(self.monitor)[-1], trainer.epoch - 1)
        if not improved and self._monitor.waited >= self.patience:
            rate = trainer.optimizer.current_learning_rate()
            trainer.optimizer.learning_rate = min(rate, max(self.min_lr, rate * self.factor))
            self._monitor.waited = 0

    def state(self) -> dict[str, Any]:
        return self._monitor.state()

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        self._monitor.load_state(state, trainer.epoch)
