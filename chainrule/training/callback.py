"""Callback: plain objects that `Trainer.fit` tells what happens, and that may stop it.

A callback is any subclass of `Callback` with some of the four hooks. All that there is to know
stands in the trainer it is given: ``trainer.network``, ``optimizer``, ``history``, ``epoch``,
``step``; and ``trainer.stop("why")`` ends training after the current step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.training.run import Run


class Callback:
    """The parent of all callbacks: four hooks that do nothing, and a state for checkpoints.

    `on_fit_end` is called however training ended, also by an error, and in the opposite order
    of the list.
    """

    columns: tuple[str, ...] = ()
    """What it writes itself into ``trainer.history.epochs``, so that it can be monitored."""

    first_rank_alone: bool = False
    """Whether, where several ranks train together, it is for the first of them: what writes files,
    or shows something. All others are called on every rank."""

    def on_fit_begin(self, trainer: Run) -> None:
        """Act before the first step (or the next one, after a resume)."""

    def on_step_end(self, trainer: Run) -> None:
        """Act after a step: the parameters have just moved."""

    def on_epoch_end(self, trainer: Run) -> None:
        """Act after an epoch: its row stands in ``trainer.history.epochs``, validation included."""

    def on_fit_end(self, trainer: Run) -> None:
        """Act after the last step."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs: numbers, strings and arrays by name."""
        return {}

    def load_state(self, state: Mapping[str, Any], trainer: Run) -> None:
        """Take over what `state` returned."""
