"""What must be the same when a training goes on from a checkpoint: data, network, options.

Each has a name, the one under which the user gave it, so that a refusal can tell what differs.
How many epochs there shall be, what is shown, how many workers there are and callbacks may change;
but not an average of the weights, which is validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from chainrule.data.sources import CHANGING, Source
from chainrule.errors import StateError
from chainrule.storage.schema import whole
from chainrule.training.averaging import ExponentialMovingAverage
from chainrule.training.run import MOST_WORKERS, Run

WORKERS = "workers"
RANKS = "ranks"
"""These two are noted too, but may differ: what is learned is the same to rounding."""

LONGEST = 200
"""Characters of a value that are told in a message."""


def settings_of(
    trainer: Run, source: Source, validation: Source | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all of it, in values that JSON can say; `options` are those of `fit`."""
    optimizer = {
        name: value
        for name, value in vars(trainer.optimizer).items()
        if not name.startswith("_") and name not in ("steps", "state_vectors")
    }
    found = {
        "samples": 0 if source.samples is None else len(source.samples),
        "batch_size": source.batch_size,
        "X, y and weights": source.fingerprint(),
        "validation_data": None if validation is None else validation.fingerprint(),
        "dtype": trainer.network.dtype.name,
        "network": repr(trainer.network),
        "loss": repr(trainer.loss),
        "optimizer": type(trainer.optimizer).__name__,
        **optimizer,
        "clip_norm": trainer.clip_norm,
        "micro_batch_size": trainer.micro_batch_size,
        **({"sync_batch_norm": True} if trainer.sync_batch_norm else {}),
        WORKERS: trainer.workers,
        RANKS: trainer.ranks,
        "metrics": dict(trainer.metrics),
        "average": [repr(c) for c in trainer.callbacks if isinstance(c, ExponentialMovingAverage)],
        **options,
    }
    return {name: plain(value) for name, value in found.items()}


def plain(value: Any) -> Any:
    """Return what JSON can say of a value; a function by its name, other objects by their repr."""
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
    return type(value).__name__ if " at 0x" in text else text  # its place in memory says nothing


def refuse_other_settings(
    now: Mapping[str, Any], saved: Mapping[str, Any], saved_rate: float | None, path: Any
) -> None:
    """Raise StateError where something is not as it was, with the names of all that differs.

    The learning rate may be the first one or, where callbacks have changed it, the present one.
    """
    if CHANGING in (now["X, y and weights"], now["validation_data"]):
        raise StateError(
            f"{path} cannot be gone on from: the iterable of batches yields others each time. Give "
            "it a method set_epoch(epoch), from which its order follows."
        )
    names = [name for name in {**saved, **now} if name not in (WORKERS, RANKS)]
    differing = [name for name in names if now.get(name) != saved.get(name)]
    if now["learning_rate"] == saved_rate and "learning_rate" in differing:
        differing.remove("learning_rate")
    if not differing:
        return
    told = [
        f"  {name} was {_short(saved.get(name))}, here it is {_short(now.get(name))}"
        for name in differing
    ]
    raise StateError(
        f"{path} is of a training that was not the same:\n" + "\n".join(told) + "\n"
        "Resume with the same data and settings, or begin anew without resume=."
    )


def take_over_ranks(trainer: Run, saved: Any, where: str) -> None:
    """Note where there are other ranks than before."""
    whole(1)(saved, f"{where}: {RANKS}")
    if trainer.ranks != saved:
        trainer.notes.append(
            f"the checkpoint was written by {saved} rank(s), and there are {trainer.ranks} now: "
            "the numbers are the same to rounding, not to the bit"
        )


def take_over_workers(trainer: Run, saved: Any, where: str) -> None:
    """Let workers="auto" be what it became before; note where there are others than before."""
    if saved == "auto":
        return
    whole(1, MOST_WORKERS)(saved, f"{where}: {WORKERS}")
    if trainer.workers == "auto":
        trainer.chosen_workers = trainer.settings[WORKERS] = saved
    elif trainer.workers != saved:
        trainer.notes.append(
            f"the checkpoint was written with {saved} worker(s), and there are {trainer.workers} "
            "now: the numbers are the same to rounding, not to the bit"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
