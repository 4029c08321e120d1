"""What must be the same to resume from a checkpoint: data, network, options.

Each has the name under which the user gave it, so that a refusal can say what differs. The number
of epochs, progress, the number of workers and callbacks may change; but not an average of the
weights, because it is validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from chainrule.data.sources import CHANGING, Source
from chainrule.errors import StateError
from chainrule.parallel.choice import MOST_WORKERS
from chainrule.storage.schema import whole
from chainrule.training.averaging import ExponentialMovingAverage
from chainrule.training.state import TrainingState

WORKERS = "workers"
RANKS = "ranks"
"""These two are noted too, but may differ: the results are the same to rounding."""

LONGEST = 200
"""Characters of a value that are shown in a message."""


def settings_of(
    state: TrainingState, source: Source, validation: Source | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all settings, in values that JSON can hold; `options` are those of `fit`."""
    optimizer = {
        name: value
        for name, value in vars(state.optimizer).items()
        if not name.startswith("_") and name not in ("steps", "state_vectors")
    }
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
        WORKERS: state.workers,
        RANKS: state.world_size,
        "metrics": dict(state.metrics),
        "average": [repr(c) for c in state.callbacks if isinstance(c, ExponentialMovingAverage)],
        **options,
    }
    return {name: plain(value) for name, value in found.items()}


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
    state: TrainingState, saved: Mapping[str, Any], saved_rate: float | None, path: Any
) -> None:
    """Raise StateError if a setting has changed, with the names of all that have.

    The learning rate may be the initial one or, if callbacks have changed it, the present one.
    """
    now = state.settings
    if CHANGING in (now["X, y and weights"], now["validation_data"]):
        raise StateError(
            f"{path} cannot be resumed from: the iterable of batches yields others each time. Give "
            "it a method set_epoch(epoch), from which its order follows."
        )
    names = [name for name in {**saved, **now} if name not in (WORKERS, RANKS)]
    differing = [name for name in names if now.get(name) != saved.get(name)]
    if now["learning_rate"] == saved_rate and "learning_rate" in differing:
        differing.remove("learning_rate")
    if differing:
        lines = [
            f"  {name} was {_short(saved.get(name))}, here it is {_short(now.get(name))}"
            for name in differing
        ]
        raise StateError(
            f"{path} is of a training that was not the same:\n" + "\n".join(lines) + "\n"
            "Resume with the same data and settings, or start anew without resume=."
        )


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
