"""A checkpoint file: everything a training is, so that it can go on after a kill.

Parameters, buffers, the optimizer's memory and step (which is the schedule's too), the state of
every random generator, the place within the epoch and the epoch's order, the callbacks' states,
the history. A resumed training ends with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.data.samples import Samples, batch_bounds
from chainrule.data.sources import Source
from chainrule.errors import FileFormatError, StateError
from chainrule.module import freeze_only, frozen_names, misfit, walk
from chainrule.optimizers.schedules import Scaled, scaled
from chainrule.parameter import Array
from chainrule.pytree import named_arrays, take, tree_leaves
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.rng_state import from_plain_state, to_plain_state
from chainrule.storage.schema import (
    anything,
    array,
    dict_of,
    kind,
    list_of,
    number,
    one_or_several,
    optional,
    record,
    refuse,
    text,
    whole,
)
from chainrule.training.settings import refuse_other_settings, restore_parallelism
from chainrule.training.state import TrainingState

CallbackStates = list[dict[str, Any]]
"""What `CallbackList.state` returns."""

Content = tuple[dict[str, Array], dict[str, Any]]
"""The arrays of a checkpoint, and its description."""

_hook = kind("a hook of callbacks", lambda value: value in ("", "on_step_end", "on_epoch_end"))
_callback = record(**{"class": text, "state": dict_of(anything), "pending": _hook})


def callback(value: Any, where: str) -> None:
    """Accept a callback's entry; one of an older version knows of no pending calls."""
    _callback({"pending": "", **value} if isinstance(value, dict) else value, where)


DESCRIPTION = record(
    settings=dict_of(anything),
    learning_rate=optional(number(0)),
    scale=optional(record(factor=number(0), lowest=number(0))),
    epoch=whole(),
    batch=whole(),
    step=whole(),
    sums=record(weight=one_or_several(number(0)), loss=one_or_several(number())),
    rng_states=dict_of(dict_of(anything)),
    callbacks=list_of(callback),
    frozen=list_of(text),
)


def write_checkpoint(state: TrainingState, path: str | os.PathLike[str]) -> None:
    """Write everything that `restore` needs."""
    sums, measured = state.measurement.state()
    arrays = {
        **with_prefix("measured", measured),
        **with_prefix("network", state.network.state()),
        **with_prefix("optimizer", state.optimizer.state()),
        **with_prefix("history/steps", state.history.steps),
        **with_prefix("history/epochs", state.history.epochs),
        "order": _small(state.order),
        "validation_rows": _small(state.validation_rows),
    }
    callbacks = state.callbacks.state()
    for index, entry in enumerate(callbacks):
        held = entry["state"]
        own = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
        arrays |= with_prefix(f"callbacks/{index}", own)
        entry["state"] = {name: value for name, value in held.items() if name not in own}
    rate = state.optimizer.learning_rate
    scale = {"factor": rate.factor, "lowest": rate.lowest} if isinstance(rate, Scaled) else None
    description = {
        "settings": state.settings,
        "learning_rate": None if callable(rate) else rate,  # callbacks may have changed it
        "scale": scale,
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "sums": sums,
        "rng_states": {
            name: to_plain_state(generator.bit_generator.state)
            for name, generator in state.all_generators().items()
        },
        "callbacks": callbacks,
        "frozen": frozen_names(walk(state.network)),  # callbacks may have changed this, too
    }
    write_archive(path, "checkpoint", arrays, description)


def read_checkpoint(path: str | os.PathLike[str]) -> Content | None:
    """Return the content of a checkpoint, for `restore`; None if there is no file yet."""
    return read_archive(path, "checkpoint") if os.path.exists(path) else None


def restore(
    state: TrainingState,
    path: str | os.PathLike[str],
    content: Content | None,
    source: Source,
) -> CallbackStates:
    """Set the training to where the file says, if there is one; return the callbacks' states.

    `source` has all samples that the training was given. On StateError the caller undoes what
    was changed (`TrainingState.undo_changes`).
    """
    if content is None:
        state.notes.append(f"no checkpoint at {path} yet: starting from the beginning")
        return []
    arrays, saved = content
    where = os.fspath(path)
    saved = {"scale": None, "frozen": [], **saved}  # files of older versions have neither
    DESCRIPTION(saved, where)
    _check_arrays(arrays, saved, where)
    _refuse_another_training(state, saved, where)
    _refuse_another_place(arrays, saved, source, where)
    rng_states = {
        name: from_plain_state(saved["rng_states"][name], generator.bit_generator.state, where)
        for name, generator in state.all_generators().items()
    }
    freeze_only(state.network, saved["frozen"], where)
    state.network.load_state(without_prefix("network", arrays))
    _load_optimizer(state, without_prefix("optimizer", arrays), where)
    if saved["learning_rate"] is not None:
        state.optimizer.learning_rate = saved["learning_rate"]
    elif isinstance(state.optimizer.learning_rate, Scaled):
        state.optimizer.learning_rate = state.optimizer.learning_rate.schedule
    if saved["scale"] is not None:
        state.optimizer.learning_rate = scaled(state.optimizer.learning_rate, **saved["scale"])
    for name, generator in state.all_generators().items():
        generator.bit_generator.state = rng_states[name]
    history = state.history
    history.steps = {k: v.tolist() for k, v in without_prefix("history/steps", arrays).items()}
    history.epochs = {k: v.tolist() for k, v in without_prefix("history/epochs", arrays).items()}
    state.order = arrays["order"].astype(np.intp)
    state.validation_rows = arrays["validation_rows"].astype(np.intp)
    state.epoch, state.batch, state.step = saved["epoch"], saved["batch"], saved["step"]
    state.measurement.load_state(saved["sums"], without_prefix("measured", arrays))
    if source.samples is not None:
        _check_measured(state, source, source.samples, where)
    state.notes.append(f"resumed from {path}: epoch {state.epoch + 1}, after batch {state.batch}")
    return [
        {**entry, "state": {**entry["state"], **without_prefix(f"callbacks/{index}", arrays)}}
        for index, entry in enumerate(saved["callbacks"])
    ]


# ---------------------------------------------------------------- what is refused


def _check_arrays(arrays: Mapping[str, Array], saved: Mapping[str, Any], where: str) -> None:
    """Refuse arrays of another kind than `write_checkpoint` writes, or of another length."""
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


def _refuse_another_training(state: TrainingState, saved: Mapping[str, Any], where: str) -> None:
    """Raise StateError if data, network, settings or generators are not the same."""
    rate = saved["learning_rate"]
    refuse_other_settings(state, saved["settings"], rate, saved["frozen"], where)
    restore_parallelism(state, saved["settings"], where)
    if callable(state.optimizer.learning_rate) != (rate is None):
        raise StateError(
            f"Either {where} or this optimizer has a schedule, and the other has none."
        )
    kinds = {n: type(g.bit_generator).__name__ for n, g in state.all_generators().items()}
    if {n: each.get("bit_generator") for n, each in saved["rng_states"].items()} != kinds:
        raise StateError(f"{where} has other random generators than this network and trainer.")


def _refuse_another_place(
    arrays: Mapping[str, Array], saved: Mapping[str, Any], source: Source, where: str
) -> None:
    """Raise FileFormatError if the file names samples or batches that do not exist."""
    samples = source.samples
    if samples is None:  # their number is unknown
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
    batches = len(batch_bounds(len(training), source.batch_size, source.drop_last)) - 1
    whole(0, batches)(saved["batch"], f"{where}: batch")
    if saved["step"] != saved["epoch"] * batches + saved["batch"]:
        refuse(f"{where}: step", f"{saved['epoch'] * batches + saved['batch']}", saved["step"])


def _check_measured(state: TrainingState, source: Source, samples: Samples, where: str) -> None:
    """Raise FileFormatError if the predictions of an unfinished epoch do not fit its samples."""
    kept, batch = state.measurement, state.batch
    if not kept.targets or not batch:
        return
    bounds = batch_bounds(len(state.order), source.batch_size, source.drop_last)
    rows = state.order[: bounds[batch]]
    y = take(samples.y, rows)
    y_pred = state.network.predict(take(samples.X, slice(0, 1)))
    targets, predictions = (named_arrays(d[0], "") for d in (kept.targets, kept.predictions))
    count = len(tree_leaves(y)[0])
    same = targets.keys() == named_arrays(y, "").keys() and all(
        np.array_equal(targets[name], array) for name, array in named_arrays(y, "").items()
    )
    fit = predictions.keys() == named_arrays(y_pred, "").keys() and all(
        predictions[name].shape == (count, *array.shape[1:])
        and not misfit(predictions[name][:1], array)
        and state.loss.takes(kept.predictions[0])
        for name, array in named_arrays(y_pred, "").items()
    )
    weight = None if samples.weight is None else samples.weight.take(rows, axis=0)
    if kept.weights[0] is None:
        kept.weights = [weight]  # an older version kept none
    elif weight is None or not np.array_equal(kept.weights[0], weight):
        same = False
    if not same or not fit:
        raise FileFormatError(
            f"{where}: the predictions kept for the metrics are not those of the first {count} "
            "samples of the epoch."
        )


def _load_optimizer(state: TrainingState, saved: Mapping[str, Array], where: str) -> None:
    size = len(state.network.flat)
    for name, vector in saved.items():
        if name not in ("steps", "starts") and vector.shape != (size,):
            raise StateError(
                f"{where} has the optimizer's {name} for {vector.size} values, the network {size}."
            )
    state.optimizer.load_state(saved)


def _small(rows: Array) -> Array:
    """Return row numbers in half the bytes, if they fit."""
    return rows.astype(np.uint32) if rows.size and rows.max() < 2**32 else rows
