"""Checkpoints: everything a training is, in one file, so that it can go on after a kill.

Parameters, buffers, the optimizer's memory and step (which is the schedule's too), the state of
every random generator, the place within the epoch and the epoch's order, the callbacks' states,
the history. A resumed training ends with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.checks import check_whole
from chainrule.errors import ConfigurationError, StateError
from chainrule.module import named_generators
from chainrule.parameter import Array
from chainrule.storage.archive import read_archive, remove_leftovers, write_archive
from chainrule.storage.lock import FolderLock
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.rng_state import from_plain_state, to_plain_state
from chainrule.training.callback import Callback
from chainrule.training.monitor import (
    Monitor,
    better_is,
    check_monitored,
    check_name,
    default_monitor,
)
from chainrule.training.run import Run
from chainrule.training.settings import refuse_other_settings

CallbackStates = list[tuple[str, dict[str, Any]]]
"""Of each callback: the name of its class, and its state."""


class Checkpoint(Callback):
    """Keep the newest state, and the best network, in a folder.

    ``last.npz`` is a checkpoint: pass it to ``fit(resume=...)``. ``best.npz`` is the network of
    the best epoch: pass it to ``Network.load``. Both are written atomically. While a training runs
    it holds a lock on the folder, so that no other one writes there.

    Parameters
    ----------
    folder : path
        Where the two files are; made if it does not exist.
    monitor : str, optional
        What "best" means, a column of ``history.epochs``. Without it, the validation loss, or
        the loss where nothing is validated.
    every_steps : int, optional
        Write ``last.npz`` also within an epoch, after every so many steps.
    mode : {"min", "max"}, optional
        Which way is better, where the metric's name does not tell.

    Examples
    --------
    Whether it is the first start or the tenth after a crash, the same two lines::

        folder = "runs/fashion"
        trainer.fit(X, y, callbacks=[Checkpoint(folder)], resume=f"{folder}/last.npz")
    """

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
            better_is(monitor or "loss", mode)  # refuses what cannot be told
        if not isinstance(folder, str | os.PathLike):
            raise ConfigurationError(f"Checkpoint needs the path of a folder, got {folder!r}.")
        self.folder = Path(folder)
        self.monitor = monitor
        self.every_steps = every_steps
        self.mode = mode
        self._monitor: Monitor | None = None  # until the first epoch tells what there is
        self._lock = FolderLock(self.folder)

    @property
    def last(self) -> Path:
        """The newest checkpoint's path."""
        return self.folder / "last.npz"

    @property
    def best(self) -> Path:
        """The best network's path."""
        return self.folder / "best.npz"

    def on_fit_begin(self, trainer: Run) -> None:
        self._monitor = None
        if self.monitor is not None:
            check_monitored(self.monitor, trainer.columns)
        self._lock.acquire()
        for path in (self.last, self.best):
            remove_leftovers(path)

    def on_step_end(self, trainer: Run) -> None:
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            write(trainer, self.last)

    def on_epoch_end(self, trainer: Run) -> None:
        history = trainer.history
        if self._monitor is None:
            name = self.monitor or default_monitor(history.epochs)
            self._monitor = Monitor(name, mode=self.mode)
        if self._monitor.update(history.column(self._monitor.name)[-1], trainer.epoch - 1):
            trainer.note_metrics()
            with trainer.evaluated_weights() as network:
                network.save(self.best)
        write(trainer, self.last)

    def on_fit_end(self, trainer: Run) -> None:
        if trainer.ended_well:  # after an error the last good checkpoint stays
            write(trainer, self.last)
        self._lock.release()

    def state(self) -> dict[str, Any]:
        return (
            {} if self._monitor is None else {"name": self._monitor.name, **self._monitor.state()}
        )

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        if state:
            self._monitor = Monitor(state["name"], mode=self.mode)
            self._monitor.load_state(state)


# ---------------------------------------------------------------- the whole of a training


def write(trainer: Run, path: str | os.PathLike[str]) -> None:
    """Write all that `restore` needs."""
    sums, measured = trainer.measurement.state()
    arrays = {
        **with_prefix("measured", measured),
        **with_prefix("network", trainer.network.state()),
        **with_prefix("optimizer", trainer.optimizer.state()),
        **with_prefix("history/steps", trainer.history.steps),
        **with_prefix("history/epochs", trainer.history.epochs),
        "order": _small(trainer.order),
        "validation_rows": _small(trainer.validation_rows),
    }
    callbacks: list[dict[str, Any]] = []
    for callback in trainer.callbacks:
        state = callback.state()
        name = f"callbacks/{len(callbacks)}"
        arrays |= with_prefix(name, {k: v for k, v in state.items() if isinstance(v, np.ndarray)})
        rest = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
        callbacks.append({"class": type(callback).__name__, "state": rest})
    rate = trainer.optimizer.learning_rate
    description = {
        "settings": trainer.settings,
        "learning_rate": None if callable(rate) else rate,  # callbacks may have changed it
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "step": trainer.step,
        "sums": sums,
        "rng_states": {
            k: to_plain_state(g.bit_generator.state) for k, g in _generators(trainer).items()
        },
        "callbacks": callbacks,
    }
    write_archive(path, "checkpoint", arrays, description)


def restore(trainer: Run, path: str | os.PathLike[str]) -> CallbackStates | None:
    """Put the trainer where the file says, if there is one; return the callbacks' states.

    Whoever calls this puts everything back (`Before`) where it raises StateError.
    """
    if not os.path.exists(path):
        trainer.notes.append(f"no checkpoint at {path} yet: starting from the beginning")
        return None
    arrays, saved = read_archive(path, "checkpoint")
    rate = saved["learning_rate"]
    refuse_other_settings(trainer.settings, saved["settings"], rate, path)
    generators = _generators(trainer)
    kinds = {name: type(g.bit_generator).__name__ for name, g in generators.items()}
    if {name: state["bit_generator"] for name, state in saved["rng_states"].items()} != kinds:
        raise StateError(f"{path} has other random generators than this network and trainer.")
    trainer.network.load_state(without_prefix("network", arrays))
    trainer.optimizer.load_state(without_prefix("optimizer", arrays))
    if rate is not None:
        trainer.optimizer.learning_rate = rate
    for name, generator in generators.items():
        generator.bit_generator.state = from_plain_state(saved["rng_states"][name])
    history = trainer.history
    history.steps = {k: v.tolist() for k, v in without_prefix("history/steps", arrays).items()}
    history.epochs = {k: v.tolist() for k, v in without_prefix("history/epochs", arrays).items()}
    trainer.order = arrays["order"].astype(np.intp)
    trainer.validation_rows = arrays["validation_rows"].astype(np.intp)
    trainer.epoch, trainer.batch, trainer.step = saved["epoch"], saved["batch"], saved["step"]
    trainer.measurement.load_state(saved["sums"], without_prefix("measured", arrays))
    trainer.notes.append(
        f"resumed from {path}: epoch {trainer.epoch + 1}, after batch {trainer.batch}"
    )
    return [
        (entry["class"], {**entry["state"], **without_prefix(f"callbacks/{index}", arrays)})
        for index, entry in enumerate(saved["callbacks"])
    ]


def restore_callbacks(trainer: Run, states: CallbackStates) -> None:
    """Hand the callbacks their states; each takes the next one of its own class."""
    for callback in trainer.callbacks:
        kinds = [kind for kind, _ in states]
        if type(callback).__name__ in kinds:
            _, state = states.pop(kinds.index(type(callback).__name__))
            callback.load_state(state, trainer)


class Before:
    """All that `fit` may change before its first step, to put back if it refuses to begin.

    A refused resume must leave weights, optimizer, generators and history as they were.

    Parameters
    ----------
    trainer : Run
        What is looked at.
    values : bool
        Whether weights and the optimizer's memory are kept too, which takes a copy of them.
    """

    def __init__(self, trainer: Run, values: bool) -> None:
        self.run = dict(vars(trainer))
        self.rng_states = {k: g.bit_generator.state for k, g in _generators(trainer).items()}
        self.network = trainer.network.state() if values else {}
        self.optimizer = trainer.optimizer.state() if values else {}
        self.learning_rate = trainer.optimizer.learning_rate

    def put_back(self, trainer: Run) -> None:
        """Make all of it what it was."""
        vars(trainer).update(self.run)
        for name, generator in _generators(trainer).items():
            generator.bit_generator.state = self.rng_states[name]
        if self.network:
            trainer.network.load_state(self.network)
        if self.optimizer:
            trainer.optimizer.load_state(self.optimizer)
            trainer.optimizer.learning_rate = self.learning_rate


def _generators(trainer: Run) -> dict[str, np.random.Generator]:
    return {"trainer": trainer.rng, **with_prefix("network", named_generators(trainer.network))}


def _small(rows: Array) -> Array:
    """Return row numbers in half the bytes, where they fit."""
    return rows.astype(np.uint32) if rows.size and rows.max() < 2**32 else rows
