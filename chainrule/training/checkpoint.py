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
from chainrule.data.samples import batch_bounds
from chainrule.data.sources import ArraySource, Source
from chainrule.errors import ConfigurationError, FileFormatError, StateError
from chainrule.module import misfit, named_generators
from chainrule.parameter import Array
from chainrule.pytree import first_array, named_arrays, take
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.atomic import remove_leftovers
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.rng_state import from_plain_state, to_plain_state
from chainrule.storage.schema import (
    anything,
    array,
    dict_of,
    list_of,
    number,
    optional,
    record,
    refuse,
    text,
    whole,
)
from chainrule.training.callback import Callback
from chainrule.training.lock import FolderLock
from chainrule.training.monitor import (
    Monitor,
    better_is,
    check_monitored,
    check_name,
    default_monitor,
)
from chainrule.training.run import Run
from chainrule.training.settings import (
    RANKS,
    WORKERS,
    refuse_other_settings,
    take_over_ranks,
    take_over_workers,
)

CallbackStates = list[tuple[str, dict[str, Any]]]
"""Of each callback: the name of its class, and its state."""

Content = tuple[dict[str, Array], dict[str, Any]]
"""The arrays of a checkpoint, and its description."""


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

    first_rank_alone = True

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
        if not state:
            return
        name = state.get("name")
        text(name, "What the checkpoint watched")
        if name not in trainer.columns:
            raise StateError(f"The checkpoint watched {name!r}; there is {trainer.columns}.")
        self._monitor = Monitor(name, mode=self.mode)
        self._monitor.load_state({k: v for k, v in state.items() if k != "name"}, trainer.epoch)


# ---------------------------------------------------------------- the whole of a training

DESCRIPTION = record(
    settings=dict_of(anything),
    learning_rate=optional(number(0)),
    epoch=whole(),
    batch=whole(),
    step=whole(),
    sums=record(weight=number(0), loss=number()),
    rng_states=dict_of(dict_of(anything)),
    callbacks=list_of(record(**{"class": text, "state": dict_of(anything)})),
)


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


def read(path: str | os.PathLike[str]) -> Content | None:
    """Return what stands in a checkpoint, for `restore`; None where there is none yet."""
    return read_archive(path, "checkpoint") if os.path.exists(path) else None


def restore(
    trainer: Run, path: str | os.PathLike[str], content: Content | None, source: Source
) -> CallbackStates | None:
    """Put the trainer where the file says, if there is one; return the callbacks' states.

    `source` has all samples that the training was given. Whoever calls this puts everything back
    (`Before`) where it raises StateError.
    """
    if content is None:
        trainer.notes.append(f"no checkpoint at {path} yet: starting from the beginning")
        return None
    arrays, saved = content
    where = os.fspath(path)
    DESCRIPTION(saved, where)
    _check_arrays(arrays, saved, where)
    _refuse_another_training(trainer, saved, where)
    _refuse_another_place(arrays, saved, source, where)
    rng_states = {
        name: from_plain_state(saved["rng_states"][name], generator.bit_generator.state, where)
        for name, generator in _generators(trainer).items()
    }
    trainer.network.load_state(without_prefix("network", arrays))
    _load_optimizer(trainer, without_prefix("optimizer", arrays), where)
    if saved["learning_rate"] is not None:
        trainer.optimizer.learning_rate = saved["learning_rate"]
    for name, generator in _generators(trainer).items():
        generator.bit_generator.state = rng_states[name]
    history = trainer.history
    history.steps = {k: v.tolist() for k, v in without_prefix("history/steps", arrays).items()}
    history.epochs = {k: v.tolist() for k, v in without_prefix("history/epochs", arrays).items()}
    trainer.order = arrays["order"].astype(np.intp)
    trainer.validation_rows = arrays["validation_rows"].astype(np.intp)
    trainer.epoch, trainer.batch, trainer.step = saved["epoch"], saved["batch"], saved["step"]
    trainer.measurement.load_state(saved["sums"], without_prefix("measured", arrays))
    _check_measured(trainer, source, where)
    trainer.notes.append(
        f"resumed from {path}: epoch {trainer.epoch + 1}, after batch {trainer.batch}"
    )
    return [
        (entry["class"], {**entry["state"], **without_prefix(f"callbacks/{index}", arrays)})
        for index, entry in enumerate(saved["callbacks"])
    ]


def _check_arrays(arrays: Mapping[str, Array], saved: Mapping[str, Any], where: str) -> None:
    """Refuse arrays of another kind than `write` writes, and tables of another length."""
    for name in ("order", "validation_rows"):
        rows = arrays.get(name)
        array("iu", axes=1)(rows, f"{where}: {name}")
    for table, length, names in (
        ("steps", saved["step"], ("loss", "gradient_norm", "learning_rate")),
        ("epochs", saved["epoch"], ("loss", "learning_rate", "seconds")),
    ):
        columns = without_prefix(f"history/{table}", arrays)
        for name in {*columns, *(names if length else ())}:
            place = f"{where}: the {name!r} of all {table}"
            array("fiu", axes=1)(columns.get(name), place)
            if len(columns[name]) != length and (name in names or len(columns[name]) < length):
                refuse(place, f"{length} numbers", len(columns[name]))


def _refuse_another_training(trainer: Run, saved: Mapping[str, Any], where: str) -> None:
    """Raise StateError where data, network, settings or generators are not the same."""
    rate = saved["learning_rate"]
    refuse_other_settings(trainer.settings, saved["settings"], rate, where)
    take_over_workers(trainer, saved["settings"].get(WORKERS, trainer.workers), where)
    take_over_ranks(trainer, saved["settings"].get(RANKS, 1), where)
    if callable(trainer.optimizer.learning_rate) != (rate is None):
        raise StateError(f"{where} has a learning rate where there is a schedule here, or not.")
    kinds = {n: type(g.bit_generator).__name__ for n, g in _generators(trainer).items()}
    if {n: state.get("bit_generator") for n, state in saved["rng_states"].items()} != kinds:
        raise StateError(f"{where} has other random generators than this network and trainer.")


def _refuse_another_place(
    arrays: Mapping[str, Array], saved: Mapping[str, Any], source: Source, where: str
) -> None:
    """Raise FileFormatError where the file tells of samples and batches that there are not."""
    samples = source.samples
    if samples is None:  # nobody knows how many there are
        for name in ("order", "validation_rows"):
            if arrays[name].size:
                refuse(f"{where}: {name}", "empty, with an iterable of batches", arrays[name].size)
        return
    held_out, order = arrays["validation_rows"], arrays["order"]
    split = saved["settings"].get("validation_split") is not None
    training = np.setdiff1d(samples.rows, held_out)
    if len(training) + len(held_out) != len(samples) or bool(held_out.size) != split:
        raise FileFormatError(f"{where}: validation_rows are not rows of these data.")
    begun = saved["step"] > 0
    if not np.array_equal(np.sort(order), training if begun else order[:0]):
        raise FileFormatError(f"{where}: order does not hold each row of these data once.")
    batches = len(ArraySource(samples.subset(training), source.batch_size, source.drop_last))
    whole(0, batches)(saved["batch"], f"{where}: batch")
    if saved["step"] != saved["epoch"] * batches + saved["batch"]:
        refuse(f"{where}: step", f"{saved['epoch'] * batches + saved['batch']}", saved["step"])


def _check_measured(trainer: Run, source: Source, where: str) -> None:
    """Raise FileFormatError where the predictions of a half-done epoch are not what they are of."""
    kept, batch = trainer.measurement, trainer.batch
    samples = source.samples
    if not kept.truths or not batch or samples is None:
        return
    bounds = batch_bounds(len(trainer.order), source.batch_size, source.drop_last)
    y = take(samples.y, trainer.order[: bounds[batch]])
    y_pred = trainer.network.predict(take(samples.X, slice(0, 1)))
    truths, predictions = (named_arrays(d[0], "") for d in (kept.truths, kept.predictions))
    count = len(first_array(y))
    same = truths.keys() == named_arrays(y, "").keys() and all(
        np.array_equal(truths[name], array) for name, array in named_arrays(y, "").items()
    )
    fit = predictions.keys() == named_arrays(y_pred, "").keys() and all(
        predictions[name].shape == (count, *array.shape[1:])
        and not misfit(predictions[name][:1], array)
        and np.isfinite(predictions[name]).all()
        for name, array in named_arrays(y_pred, "").items()
    )
    if not same or not fit:
        raise FileFormatError(
            f"{where}: the predictions kept for the metrics are not those of the first {count} "
            "samples of the epoch."
        )


def _load_optimizer(trainer: Run, state: Mapping[str, Array], where: str) -> None:
    size = len(trainer.network.flat)
    for name, vector in state.items():
        if name != "steps" and vector.shape != (size,):
            raise StateError(
                f"{where} has the optimizer's {name} for {vector.size} values, the network {size}."
            )
    trainer.optimizer.load_state(state)


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
