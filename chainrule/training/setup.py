"""What `Trainer.fit` does before its first step: validate, resume, report what will not work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.sources import CHANGING, ArraySource, Source, make_source
from chainrule.doctor.conditions import still_falling
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions import Loss
from chainrule.parallel import Strategy
from chainrule.training.callback import Callback, CallbackList, check_callbacks
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.checkpoint_file import (
    CallbackStates,
    read_checkpoint,
    restore,
)
from chainrule.training.dry_run import dry_run, dry_run_backward, dry_run_single_sample
from chainrule.training.dry_run_warnings import dry_run_warnings
from chainrule.training.interruption import StopOnInterrupt
from chainrule.training.monitor import VALIDATION
from chainrule.training.progress import make_progress
from chainrule.training.settings import settings_of
from chainrule.training.state import TrainingState

VALIDATION_BATCH = 256
"""Samples that are evaluated at a time."""


def make_callbacks(callbacks: Sequence[Callback], progress: bool | str, rank: int) -> CallbackList:
    """Return the callbacks that this process calls: progress, Ctrl-C, then the user's."""
    check_callbacks(callbacks)
    shown = None if progress is False else make_progress(progress)
    first: list[Callback] = [] if shown is None else [shown]
    if not any(isinstance(callback, StopOnInterrupt) for callback in callbacks):
        first.append(StopOnInterrupt())
    every = [*first, *callbacks]
    return CallbackList([c for c in every if rank == 0 or not c.first_rank_alone])


def validation_source(data: Any, share: float | None, epochs: int) -> Source | None:
    """Return the source for `validation_data`, if it is given."""
    if data is not None and share is not None:
        raise ConfigurationError("Give validation_data or validation_split, not both.")
    if data is None:
        return None
    if isinstance(data, list) and len(data) in (2, 3) and isinstance(data[0], np.ndarray):
        raise InputError("Give validation_data as a tuple: (X, y), or (X, y, weight).")
    X, y, weight = (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
    called = " of validation_data"
    return make_source(X, y, VALIDATION_BATCH, sample_weight=weight, epochs=epochs, called=called)


def without_ignored(loss: Loss, source: Source) -> Source:
    """Return the source without samples of which the loss ignores every target.

    Else a batch of them alone would end the training.
    """
    samples = source.samples
    if samples is None or not isinstance(samples.y, np.ndarray):
        return source
    targets = samples.y.take(samples.rows, axis=0).reshape(len(samples), -1)
    counts = (targets != loss.ignore_index).any(axis=1)
    if counts.all():
        return source
    if not counts.any():
        raise InputError(f"Every target in y is ignore_index={loss.ignore_index}.")
    rest = samples.subset(samples.rows[counts])
    return ArraySource(rest, source.batch_size, source.drop_last)


def hold_out(state: TrainingState, source: Source, share: float) -> tuple[Source, Source]:
    """Return the part of the source to train on, and the part to validate on."""
    samples = source.samples
    if samples is None:
        raise ConfigurationError(
            "validation_split needs arrays; with an iterable of batches give validation_data."
        )
    if not len(state.validation_rows):  # else they came from a checkpoint
        state.validation_rows, words = samples.split(share, state.rng)
        state.notes.append(words)
    rest = samples.subset(np.setdiff1d(samples.rows, state.validation_rows))
    return (
        ArraySource(rest, source.batch_size, source.drop_last),
        ArraySource(samples.subset(state.validation_rows), VALIDATION_BATCH),
    )


def note_settings(
    state: TrainingState,
    strategy: Strategy,
    source: Source,
    validation: Source | None,
    options: Mapping[str, Any],
    callbacks: Sequence[Callback],
    resume: str | os.PathLike[str] | None,
) -> None:
    """Note what must be the same to resume, if a checkpoint is read or written.

    With several processes it must be the same on all of them.
    """
    kept = resume is not None or any(isinstance(c, Checkpoint) for c in callbacks)
    if not kept and state.world_size == 1:
        return  # reading all data for their fingerprint takes time
    settings = settings_of(state, source, validation, options, callbacks)
    more = {
        "epochs": state.epochs,
        "callbacks": [type(callback).__name__ for callback in callbacks],
        "resume": "not given" if resume is None else "given",
    }
    strategy.refuse_differences({**settings, **more})
    if kept:
        state.settings = settings
        if CHANGING in settings.values():
            state.notes.append(
                "the iterable yields other batches each time, so this training cannot be resumed "
                "from its checkpoint; give it a method set_epoch(epoch)"
            )


def resume(
    state: TrainingState,
    strategy: Strategy,
    source: Source,
    path: str | os.PathLike[str] | None,
) -> CallbackStates:
    """Go on from a checkpoint, if there is one; the first process reads it for all."""
    if path is None:
        return []
    content = strategy.broadcast(lambda: read_checkpoint(path))
    return restore(state, path, content, source)


def look_at(state: TrainingState, source: Source, validation: Source | None) -> None:
    """Report before the first step what does not fit together, and what is to be expected."""
    state.network.look_for_replaced()
    flat = state.network.flat
    if len(flat.frozen) == len(flat.slices) > 0:
        raise ConfigurationError(
            "Every parameter of the network is frozen, so nothing would learn. Call unfreeze() on "
            "what is to learn, such as network.layers[-1].unfreeze()."
        )
    state.optimizer.check_network(state.network)
    if state.optimizer.needs_closure:
        refuse_parts(state, source)
    state.optimizer.current_learning_rate()  # a schedule may return what is none
    dry_run(state, source)
    dry_run_single_sample(state, source)
    dry_run_backward(state, source)
    if validation is not None:
        dry_run(state, validation, " of validation_data")
    state.notes.extend(dry_run_warnings(state, source))
    measured = ["loss", *state.metrics]
    held_out = [] if validation is None else [VALIDATION + name for name in measured]
    own = [name for callback in state.callbacks for name in callback.columns]
    state.columns = [*measured, *held_out, "learning_rate", "seconds", *own]
    callbacks = list(state.callbacks)
    for place, callback in enumerate(callbacks):
        monitored = getattr(callback, "monitor", None)
        if any(monitored in later.columns for later in callbacks[place + 1 :]):
            raise ConfigurationError(
                f"{type(callback).__name__} monitors {monitored!r}, which a later callback writes: "
                "put that one before it in the list of callbacks."
            )
    twice = sorted({name for name in state.columns if state.columns.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"Two columns of the history would be called {twice}: rename the metric or the "
            "callback's column."
        )


def refuse_parts(state: TrainingState, source: Source) -> None:
    """Raise ConfigurationError unless every step has all data, in this process."""
    name = type(state.optimizer).__name__
    if len(source) > 1:
        raise ConfigurationError(
            f"{name} needs all data in every step, and an epoch has {len(source)} batches of "
            f"{source.batch_size}: give fit batch_size=len(X)."
        )
    if state.world_size > 1:
        raise ConfigurationError(
            f"{name} is for data that one process can hold, and {state.world_size} ranks train "
            "together: leave communicator= out, or take another optimizer."
        )
    if source.samples is None:
        state.notes.append(f"{name} needs all data in every step: in one batch an epoch")


def note_the_end(state: TrainingState) -> None:
    """Note that the loss was still falling at the last epoch."""
    note = still_falling(state.history.epochs, state.epochs, state.stop_reason)
    if note:
        state.notes.append(note)
