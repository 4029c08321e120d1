"""What must be the same to resume from a checkpoint: data, network, options.

Each has the name under which the user gave it, so that a refusal can say what differs. The number
of epochs, progress and the number of workers may change. Callbacks may be left out or added (but
not an average of the weights, because it is validated). One that goes on from a state has to have
the options that the state was made with, but for those that its class lists in `may_change`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks.constructor import constructor_arguments
from chainrule.data.fingerprint import fingerprint
from chainrule.data.sources import CHANGING, Source
from chainrule.errors import StateError
from chainrule.module import frozen_names, walk
from chainrule.optimizers.base import MEMORY, Optimizer
from chainrule.optimizers.schedules import Scaled
from chainrule.parallel.choice import MOST_WORKERS
from chainrule.storage.schema import anything, dict_of, whole
from chainrule.training.averaging import ExponentialMovingAverage
from chainrule.training.callback import Callback
from chainrule.training.state import TrainingState

WORKERS = "workers"
RANKS = "ranks"
"""These two are noted too, but may differ: the results are the same to rounding."""

FROZEN = "frozen"
"""The paths of frozen modules and parameters."""

OPTIONS = "options"
"""Of callbacks with a state, and of objects that do not say what they are: compared where both
trainings have them, option by option. Checkpoints of older versions have none."""

LONGEST = 200
"""Characters of a value that are shown in a message."""


def settings_of(
    state: TrainingState,
    source: Source,
    validation: Source | None,
    options: Mapping[str, Any],
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    """Return all settings, in values that JSON can hold; `options` and `callbacks` are `fit`'s."""
    optimizer = {
        name: value
        for name, value in vars(state.optimizer).items()
        if not name.startswith("_") and name not in MEMORY
    }
    frozen = frozen_names(walk(state.network))
    found = {
        "samples": 0 if source.samples is None else len(source.samples),
        "batch_size": source.batch_size,
        "X, y and weights": source.fingerprint(),
        "validation_data": None if validation is None else validation.fingerprint(),
        "dtype": state.network.dtype.name,
        "network": repr(state.network),
        "loss": repr(state.loss),
        "optimizer": type(state.optimizer).__name__,
        **optimizer,
        "clip_norm": state.clip_norm,
        "micro_batch_size": state.micro_batch_size,
        **({"sync_batch_norm": True} if state.sync_batch_norm else {}),
        **({FROZEN: frozen} if frozen else {}),
        WORKERS: state.workers,
        RANKS: state.world_size,
        "metrics": dict(state.metrics),
        "average": [repr(c) for c in state.callbacks if isinstance(c, ExponentialMovingAverage)],
        **options,
    }
    if isinstance(state.optimizer.learning_rate, Scaled):  # by `ReduceOnPlateau`, before
        found["learning_rate"] = state.optimizer.learning_rate.schedule
    with_options = {**options_of_callbacks(callbacks), **options_of_objects(found)}
    return {**{name: plain(value) for name, value in found.items()}, OPTIONS: with_options}


def options_of_callbacks(callbacks: Sequence[Callback]) -> dict[str, dict[str, Any]]:
    """Return the options of callbacks with a state by class; a second of a class has a number."""
    found: dict[str, dict[str, Any]] = {}
    for callback in callbacks:
        has_state = type(callback).state is not Callback.state
        if has_state and not isinstance(callback, ExponentialMovingAverage):  # a setting by itself
            name, uses = type(callback).__name__, 1
            while name in found:
                uses += 1
                name = f"{type(callback).__name__} {uses}"
            own = options_of(callback)
            found[name] = {k: v for k, v in own.items() if k not in callback.may_change}
    return found


def options_of_objects(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of objects among the settings of which `plain` keeps only the class."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):  # of metrics, of a function for each input
            found |= options_of_objects({f"{name}: {key}": each for key, each in value.items()})
        elif " at 0x" in repr(value) and not hasattr(value, "__qualname__"):
            found[name] = options_of(value)
    return found


def options_of(thing: Any) -> dict[str, Any]:
    """Return an object's constructor arguments, as far as they are attributes of the same name."""
    found: dict[str, Any] = {}
    for kind in type(thing).__mro__[:-1]:
        if inspect.isfunction(vars(kind).get("__init__")):
            for name in constructor_arguments(kind):
                if hasattr(thing, name):
                    value = getattr(thing, name)
                    is_array = isinstance(value, np.ndarray)
                    found[name] = fingerprint(array=value) if is_array else plain(value)
    return found


def default_options(optimizer: Optimizer) -> dict[str, Any]:
    """Return the defaults of an optimizer's options."""
    return {
        field.name: plain(field.default)
        for field in fields(optimizer)
        if field.default is not MISSING
    }


def plain(value: Any) -> Any:
    """Return what JSON can hold of a value; a function by its name, other objects by their repr."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text  # its address means nothing


def refuse_other_settings(
    state: TrainingState,
    saved: Mapping[str, Any],
    saved_rate: float | None,
    saved_frozen: Sequence[str],
    path: Any,
) -> None:
    """Raise StateError if a setting has changed, with the names of all that have.

    The learning rate, and what is frozen, may be those at first or, if callbacks have changed them,
    those that the checkpoint goes on with.
    """
    now = state.settings
    saved = {**default_options(state.optimizer), **saved}  # older versions do not know all of them
    if CHANGING in (now["X, y and weights"], now["validation_data"]):
        raise StateError(
            f"{path} cannot be resumed from: the iterable of batches yields others each time. Give "
            "it a method set_epoch(epoch), from which its order follows."
        )
    dict_of(dict_of(anything))(saved.get(OPTIONS, {}), f"{path}: {OPTIONS}")
    before, present = _compared(saved, now), _compared(now, saved)
    differing = [k for k in {**before, **present} if before.get(k) != present.get(k)]
    if now["learning_rate"] == saved_rate and "learning_rate" in differing:
        differing.remove("learning_rate")
    if FROZEN in differing and now.get(FROZEN, []) == saved_frozen:
        differing.remove(FROZEN)
    if differing:
        lines = [
            f"  {name} was {_short(before.get(name))}, here it is {_short(present.get(name))}"
            for name in differing
        ]
        raise StateError(
            f"{path} is of a training that was not the same:\n" + "\n".join(lines) + "\n"
            "Resume with the same data and settings, or start anew without resume=."
        )


def _compared(settings: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that must be equal; options of what `other` has as well are among them.

    An option that only one of the two versions of a class knows is left out.
    """
    own, others = settings.get(OPTIONS, {}), other.get(OPTIONS, {})
    with_options = {
        f"{thing}'s {name}": value
        for thing in own
        if thing in others
        for name, value in own[thing].items()
        if name in others[thing]
    }
    kept = {k: v for k, v in settings.items() if k not in (WORKERS, RANKS, OPTIONS)}
    return kept | with_options


def restore_parallelism(state: TrainingState, saved: Mapping[str, Any], where: str) -> None:
    """Let workers="auto" be what it became before; note if there are other workers or ranks."""
    workers, ranks = saved.get(WORKERS, state.workers), saved.get(RANKS, 1)
    if workers != "auto":
        whole(1, MOST_WORKERS)(workers, f"{where}: {WORKERS}")
        if state.workers == "auto":
            state.chosen_workers = state.settings[WORKERS] = workers
        elif state.workers != workers:
            _note_other(state, f"with {workers} worker(s)", state.workers)
    whole(1)(ranks, f"{where}: {RANKS}")
    if state.world_size != ranks:
        _note_other(state, f"by {ranks} rank(s)", state.world_size)


def _note_other(state: TrainingState, before: str, now: int | str) -> None:
    state.notes.append(
        f"the checkpoint was written {before}, and there are {now} now: the numbers are the same "
        "to rounding, not to the bit"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
