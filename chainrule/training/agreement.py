"""What ranks that train together agree on: at the beginning, after each step, after each epoch.

Alone, there is nothing to agree on.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.sources import CHANGING
from chainrule.errors import ConfigurationError
from chainrule.training.callback import Callback
from chainrule.training.ranks import (
    AFTER_STEP,
    BEGIN,
    EPOCH,
    Alone,
    refuse_differences,
    versions,
    where_each_runs,
)
from chainrule.training.run import Run


def begin(trainer: Run, ranks: Alone) -> None:
    """Note which process each rank is, and let all draw the same from here on."""
    if ranks.count > 1:
        trainer.notes.append(where_each_runs(ranks))
        state = ranks.from_first(BEGIN, lambda: trainer.rng.bit_generator.state)
        trainer.rng.bit_generator.state = state


def refuse_other_trainings(
    trainer: Run,
    ranks: Alone,
    settings: Mapping[str, Any],
    callbacks: Sequence[Callback],
    resumed: bool,
) -> None:
    """Raise ConfigurationError unless all ranks are about to do the same."""
    if CHANGING in settings.values():
        raise ConfigurationError(
            "The iterable yields other batches each time, and so others on each rank. Give it a "
            "method set_epoch(epoch), from which its order follows."
        )
    more = {
        "epochs": trainer.epochs,
        "callbacks": [type(callback).__name__ for callback in callbacks],
        "resume": "given" if resumed else "not given",
    }
    refuse_differences(ranks, {**versions(), **settings, **more})


def share_values(trainer: Run, ranks: Alone) -> None:
    """Let all ranks have the first one's parameters, buffers, optimizer and generators."""
    if ranks.count == 1:
        return
    network, optimizer, states = ranks.from_first(
        BEGIN,
        lambda: (trainer.network.state(), trainer.optimizer.state(), drawn_states(trainer)),
    )
    if not ranks.first:
        trainer.network.load_state(network)
        trainer.optimizer.load_state(optimizer)
        take_over_drawn(trainer, states)


def after_step(trainer: Run, ranks: Alone) -> None:
    """Stop all ranks where one wants to, and let generators stand at the same place on all.

    They may not: a layer of a user's may draw in a way that depends on its part's length.
    """
    if ranks.count == 1:
        return
    drawn = zlib.crc32(repr(drawn_states(trainer)).encode())
    told = ranks.agree(AFTER_STEP, bool(trainer.wish_to_stop), drawn)
    if told[:, 0].any():
        reasons = ranks.all_of(AFTER_STEP, trainer.wish_to_stop)
        trainer.history.stop_reason = next(reason for reason in reasons if reason)
    if (told[:, 1] != told[0, 1]).any():
        states = ranks.from_first(AFTER_STEP, lambda: drawn_states(trainer))
        take_over_drawn(trainer, states)


def after_epoch(trainer: Run, ranks: Alone) -> None:
    """Stop all ranks where one wants to; refuse to go on where they have other parameters."""
    if ranks.count == 1:
        return
    after_step(trainer, ranks)
    told = ranks.agree(EPOCH, zlib.crc32(trainer.network.flat.values.data))
    others = np.flatnonzero(told[:, 0] != told[0, 0]).tolist()
    if others:
        raise ConfigurationError(
            f"After epoch {trainer.epoch} the parameters on rank(s) {others} are not those of "
            "rank 0. A callback that changes the network must do so on all ranks alike."
        )


def drawn_states(trainer: Run) -> list[Any]:
    """Return where all random generators stand, the trainer's and the layers'."""
    return [rng.bit_generator.state for rng in (trainer.rng, *trainer.generators.values())]


def take_over_drawn(trainer: Run, states: Sequence[Any]) -> None:
    """Let all random generators stand there."""
    for rng, state in zip((trainer.rng, *trainer.generators.values()), states, strict=True):
        rng.bit_generator.state = state
