"""EarlyStopping: no more epochs than needed, and the best weights back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.checks import check_bool, check_whole
from chainrule.module import places_for
from chainrule.parameter import Array
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.training.callback import Callback
from chainrule.training.monitor import VALIDATION, Monitor, check_monitored
from chainrule.training.state import TrainingState


class EarlyStopping(Callback):
    """Stop when a metric no longer improves, and restore the best weights.

    Prechelt, "Early Stopping - But When?", 1998.

    Parameters
    ----------
    monitor : str
        A column of ``history.epochs``.
    patience : int
        After how many epochs without an improvement to stop.
    min_delta : float
        What counts as an improvement: better by more than this.
    mode : {"min", "max"}, optional
        Which direction is better, if the name of the metric does not tell.
    restore_best : bool
        Whether the network ends with the weights of the best epoch, however training ended:
        by patience, by its last epoch, by Ctrl-C, by an error.

    Attributes
    ----------
    best_epoch : int
        The best epoch so far, counted from 0; -1 before there is one.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, EarlyStopping, Network, Trainer
    >>> X = np.random.default_rng(0).standard_normal((90, 4))
    >>> y = (X > 0).sum(axis=1) // 2
    >>> trainer = Trainer(Network([4, 8, 3], seed=0), CategoricalCrossEntropy(), Adam(0.1), seed=0)
    >>> history = trainer.fit(
    ...     X, y, epochs=500, validation_split=0.3, callbacks=[EarlyStopping(patience=5)],
    ...     progress=False,
    ... )
    >>> history.stop_reason
    'val_loss has not improved for 5 epochs'
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
        self.restore_best = check_bool("restore_best", restore_best)
        self._monitor = Monitor(monitor, mode=mode, min_delta=min_delta)
        self._weights: dict[str, Array] = {}

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, counted from 0; -1 before there is one."""
        return self._monitor.best_epoch

    def on_fit_begin(self, state: TrainingState) -> None:
        check_monitored(self.monitor, state.columns)
        self._monitor.reset()
        self._weights = {}

    def on_epoch_end(self, state: TrainingState) -> None:
        value = state.history.column(self.monitor)[-1]
        if self._monitor.update(value, state.epoch - 1):
            if self.restore_best:
                with state.evaluated_weights() as network:
                    self._weights = network.state()
        elif self._monitor.waited >= self.patience:
            self._stop(state)

    def _stop(self, state: TrainingState) -> None:
        state.stop(f"{self.monitor} has not improved for {self._monitor.waited} epochs")

    def on_fit_end(self, state: TrainingState) -> None:
        if self._weights:
            state.network.load_state(self._weights)
            state.history.kept_epoch = self.best_epoch
            state.note_metrics(self.best_epoch)

    def state(self) -> dict[str, Any]:
        return {**self._monitor.state(), **with_prefix("weights", self._weights)}

    def load_state(self, state: Mapping[str, Any], training: TrainingState) -> None:
        weights = without_prefix("weights", state)
        if weights:
            places_for(weights, training.network)  # refuses what will not fit at the end
        watched = {k: v for k, v in state.items() if not k.startswith("weights/")}
        self._monitor.load_state(watched, training.epoch)
        self._weights = weights
        if self._monitor.waited >= self.patience:  # it was killed after it had been stopped
            self._stop(training)
