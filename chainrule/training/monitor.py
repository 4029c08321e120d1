"""Monitor: one number of each epoch, watched for getting better.

Early stopping, the plateau's learning rate, the best checkpoint and the history's best epoch all
ask the same: which way is better, what is the best so far, and for how long has it been the best?
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from chainrule.checks import check_range
from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.storage.schema import number, optional, record, whole

VALIDATION = "val_"
"""What a metric's name begins with where it was measured on validation data."""


DIRECTION = re.compile(
    r"(loss|error|perplexity|(?<![a-z])(?:mae|mse|rmse)(?![a-z]))"
    r"|(accuracy|score|precision|recall|f1|(?<![a-z])(?:auc|r2)(?![a-z]))"
)
"""Words in a metric's name that tell which way it gets better: downwards, or upwards."""


class Monitor:
    """The best value so far of one column of the history.

    A number is better than NaN, and NaN never is the best: so an epoch that could not be measured
    does not stand in the way of those that can.

    Parameters
    ----------
    name : str
        The column, such as ``"val_loss"``.
    mode : {"min", "max"}, optional
        Which way is better, where the name does not tell.
    min_delta : float
        By how much a value has to be better to count.

    Attributes
    ----------
    best : float or None
        The best value so far; None before there is one.
    best_epoch : int
        Its epoch, counted from 0; -1 before there is one.
    waited : int
        How many epochs have passed since then.
    """

    def __init__(self, name: str, *, mode: str | None = None, min_delta: float = 0.0) -> None:
        self.name = check_name(name)
        self.min_delta = check_range("min_delta", min_delta)
        self._sign = 1 if better_is(name, mode) == "min" else -1
        self.reset()

    def reset(self) -> None:
        """Forget everything, for a new training."""
        self.best: float | None = None
        self.best_epoch = -1
        self.waited = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take in an epoch's value; return whether it is the best so far."""
        improved = not math.isnan(value) and (
            self.best is None or self._sign * value < self._sign * self.best - self.min_delta
        )
        if improved:
            self.best, self.best_epoch, self.waited = value, epoch, 0
        else:
            self.waited += 1
        return improved

    def state(self) -> dict[str, Any]:
        """Return what `load_state` takes over, in plain numbers."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state(self, state: Mapping[str, Any], epochs: int) -> None:
        """Go on where another one was after so many epochs.

        Raises
        ------
        FileFormatError
            It is no state of a monitor then.
        """
        record(
            best=optional(number(infinite=True)),
            best_epoch=whole(-1, epochs - 1),
            waited=whole(0, epochs),
        )(dict(state), f"The state of what watches {self.name!r}")
        if (state["best"] is None) != (state["best_epoch"] == -1):
            raise FileFormatError(f"The best {self.name!r} in the file is of no epoch.")
        self.best = None if state["best"] is None else float(state["best"])
        self.best_epoch, self.waited = state["best_epoch"], state["waited"]


def check_name(name: str) -> str:
    """Return the name of a column of the history; refuse what is no text."""
    if not isinstance(name, str):
        raise ConfigurationError(f"monitor must be a name such as 'val_loss', got {name!r}.")
    return name


def default_monitor(columns: Iterable[str]) -> str:
    """Return what is watched where nobody says: the validation loss, or else the loss."""
    return VALIDATION + "loss" if VALIDATION + "loss" in columns else "loss"


def check_monitored(name: str, columns: Collection[str]) -> None:
    """Raise ConfigurationError where the history will have no such column; told before training."""
    if name in columns:
        return
    advice = f"it will have {sorted(columns)}."
    measured = name.removeprefix(VALIDATION)
    if name.startswith(VALIDATION) and measured in columns:
        advice = "nothing is validated. Give fit validation_split=0.2 or validation_data=(X, y)"
        advice += f", or watch {measured!r}."
    elif measured not in ("learning_rate", "seconds"):
        validated = any(column.startswith(VALIDATION) for column in columns)
        if name.startswith(VALIDATION) and not validated:
            advice += " Give fit validation_split=0.2 or validation_data=(X, y), and"
        else:
            advice += " Give"
        advice += " Trainer metrics=[...], such as metrics=[accuracy], for another number."
    raise ConfigurationError(f"There will be no {name!r} in the history to watch: {advice}")


def better_is(metric: str, mode: str | None = None) -> str:
    """Return ``"min"`` or ``"max"``: which way this metric gets better.

    Losses and errors get better downwards, accuracies and scores upwards. The name tells, and in
    it the last word that says something: ``error_type_accuracy`` is an accuracy, and
    ``brier_score_loss`` a loss. For any other name `mode` has to say it.
    """
    if mode in ("min", "max"):
        return mode
    told = DIRECTION.findall(metric.lower()) if mode is None else []
    if told:
        downwards, _ = told[-1]
        return "min" if downwards else "max"
    raise ConfigurationError(
        f"Is a larger {metric!r} better or worse? Give mode='max' or mode='min', got {mode!r}."
    )
