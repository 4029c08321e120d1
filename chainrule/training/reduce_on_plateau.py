"""ReduceOnPlateau: a smaller learning rate when a larger one no longer helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.checks import check_range, check_whole
from chainrule.errors import ConfigurationError
from chainrule.optimizers.schedules import scaled
from chainrule.training.callback import Callback
from chainrule.training.monitor import VALIDATION, Monitor, check_monitored
from chainrule.training.state import TrainingState


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by `factor` when a metric no longer improves.

    An optimizer's schedule goes on, and is multiplied as a whole.

    Parameters
    ----------
    monitor : str
        A column of ``history.epochs``.
    factor : float
        What to multiply the learning rate by, between 0 and 1.
    patience : int
        After how many epochs without an improvement to do so.
    min_delta : float
        What counts as an improvement: better by more than this.
    min_lr : float
        The learning rate is never reduced below it.
    mode : {"min", "max"}, optional
        Which direction is better, if the name of the metric does not tell.

    Raises
    ------
    ConfigurationError
        The optimizer finds its step lengths itself, such as `LBFGS`; found when training begins.

    Examples
    --------
    >>> from chainrule import ReduceOnPlateau
    >>> callbacks = [ReduceOnPlateau("loss", factor=0.5, patience=3)]
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

    def on_fit_begin(self, state: TrainingState) -> None:
        if state.optimizer.finds_step_lengths:
            raise ConfigurationError(
                f"{type(state.optimizer).__name__} finds the lengths of its steps itself: "
                "ReduceOnPlateau would change nothing."
            )
        check_monitored(self.monitor, state.columns)
        self._monitor.reset()

    def on_epoch_end(self, state: TrainingState) -> None:
        improved = self._monitor.update(state.history.column(self.monitor)[-1], state.epoch - 1)
        if not improved and self._monitor.waited >= self.patience:
            rate = state.optimizer.learning_rate
            state.optimizer.learning_rate = scaled(rate, self.factor, self.min_lr)
            self._monitor.waited = 0

    def state(self) -> dict[str, Any]:
        return self._monitor.state()

    def load_state(self, state: Mapping[str, Any], training: TrainingState) -> None:
        self._monitor.load_state(state, training.epoch)
