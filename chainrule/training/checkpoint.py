"""Checkpoint: the newest state and the best network of a training, in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.checks import check_whole
from chainrule.errors import ConfigurationError, StateError
from chainrule.storage.atomic import check_replaceable, remove_leftovers
from chainrule.storage.schema import text
from chainrule.training.callback import Callback
from chainrule.training.checkpoint_file import write_checkpoint
from chainrule.training.lock import FolderLock
from chainrule.training.monitor import (
    Monitor,
    better_is,
    check_monitored,
    check_name,
    default_monitor,
)
from chainrule.training.state import TrainingState


class Checkpoint(Callback):
    """Save the newest state, and the best network, in a folder.

    ``last.npz`` is a checkpoint: pass it to ``fit(resume=...)``. ``best.npz`` is the network of
    the best epoch: pass it to ``Network.load``. Both are written atomically, when this callback is
    called in the order of the list. While a training runs it holds a lock on the folder, so that no
    other training writes there.

    Parameters
    ----------
    folder : path
        Where the two files are; it is made if it does not exist.
    monitor : str, optional
        What "best" means: a column of ``history.epochs``. The default is the validation loss, or
        the loss if nothing is validated.
    every_steps : int, optional
        Write ``last.npz`` also within an epoch, after every so many steps.
    mode : {"min", "max"}, optional
        Which direction is better, if the name of the metric does not tell.

    Attributes
    ----------
    last, best : Path
        The two files.

    Examples
    --------
    Whether it is the first start or the tenth after a crash, the same two lines:

    >>> import tempfile
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Checkpoint, Network, Trainer
    >>> X, y = np.eye(4), np.array([0, 1, 2, 0])
    >>> folder = tempfile.mkdtemp()
    >>> trainer = Trainer(Network([4, 3], seed=0), CategoricalCrossEntropy(), Adam(0.01), seed=0)
    >>> history = trainer.fit(
    ...     X, y, callbacks=[Checkpoint(folder)], resume=f"{folder}/last.npz", progress=False
    ... )
    """

    first_rank_alone = True
    may_change = ("folder", "every_steps")

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        monitor: str | None = None,
        every_steps: int | None = None,
        mode: str | None = None,
    ) -> None:
        if every_steps is not None:
            every_steps = check_whole("every_steps", every_steps)
        if monitor is not None:
            check_name(monitor)
        if mode is not None or monitor is not None:
            better_is(monitor or "loss", mode)  # refuses what is unclear
        if not isinstance(folder, str | os.PathLike):
            raise ConfigurationError(f"Checkpoint needs the path of a folder, got {folder!r}.")
        self.folder = Path(folder)
        self.monitor = monitor
        self.every_steps = every_steps
        self.mode = mode
        self._monitor: Monitor | None = None  # until the first epoch has shown the columns
        self._lock = FolderLock(self.folder)

    @property
    def last(self) -> Path:
        """The path of the newest checkpoint."""
        return self.folder / "last.npz"

    @property
    def best(self) -> Path:
        """The path of the best network."""
        return self.folder / "best.npz"

    def on_fit_begin(self, state: TrainingState) -> None:
        self._monitor = None
        if self.monitor is not None:
            check_monitored(self.monitor, state.columns)
        for path in (self.last, self.best):
            check_replaceable(path)
        self._lock.acquire()
        for path in (self.last, self.best):
            remove_leftovers(path)

    def on_step_end(self, state: TrainingState) -> None:
        if self.every_steps is not None and state.step % self.every_steps == 0:
            write_checkpoint(state, self.last)

    def on_epoch_end(self, state: TrainingState) -> None:
        history = state.history
        if self._monitor is None:
            name = self.monitor or default_monitor(history.epochs)
            self._monitor = Monitor(name, mode=self.mode)
        if self._monitor.update(history.column(self._monitor.name)[-1], state.epoch - 1):
            state.note_metrics()
            with state.evaluated_weights() as network:
                network.save(self.best)
        write_checkpoint(state, self.last)

    def before_fit_end(self, state: TrainingState) -> None:
        if state.ended_well:  # after an error the last good checkpoint stays
            write_checkpoint(state, self.last)

    def on_fit_end(self, state: TrainingState) -> None:
        self._lock.release()

    def state(self) -> dict[str, Any]:
        if self._monitor is None:
            return {}
        return {"name": self._monitor.name, **self._monitor.state()}

    def load_state(self, state: Mapping[str, Any], training: TrainingState) -> None:
        if not state:
            return
        name = state.get("name")
        text(name, "What the checkpoint monitored")
        if name not in training.columns:
            raise StateError(f"The checkpoint monitored {name!r}; there is {training.columns}.")
        self._monitor = Monitor(name, mode=self.mode)
        self._monitor.load_state({k: v for k, v in state.items() if k != "name"}, training.epoch)
