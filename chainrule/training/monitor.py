"""Monitor: one number per epoch, and whether it improves.

Early stopping, the learning rate on a plateau, the best checkpoint and the history's best epoch all
ask the same: which direction is better, what is the best value so far, and since which epoch?
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
"""The prefix of a metric's name if it was measured on validation data."""

DIRECTION = re.compile(
    r"(loss|error|perplexity|(?<![a-z])(?:mae|mse|rmse)(?![a-z]))"
    r"|(accuracy|score|precision|recall|f1|(?<![a-z])(?:auc|r2)(?![a-z]))"
)
"""Words in a metric's name that tell which direction is better: down, or up."""


class Monitor:
    """The best value so far of one column of the history.

    A number is better than NaN, and NaN is never the best. So an epoch that could not be measured
    does not prevent later ones from being the best.

    Parameters
    ----------
    name : str
        The column, such as ``"val_loss"``.
    mode : {"min", "max"}, optional
        Which direction is better, if the name does not tell.
    min_delta : float
        A value has to be better by more than this to count.

    Attributes
    ----------
    best : float or None
        The best value so far; None before there is one.
    best_epoch : int
        Its epoch, counted from 0; -1 before there is one.
    waited : int
        How many epochs have passed since then.

    Examples
    --------
    >>> monitor = Monitor("val_loss")
    >>> [monitor.update(loss, epoch) for epoch, loss in enumerate([0.9, 0.7, 0.8])]
    [True, True, False]
    >>> monitor.best, monitor.best_epoch, monitor.waited
    (0.7, 1, 1)
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
        """Record the value of an epoch; return whether it is the best so far."""
        improved = not math.isnan(value) and (
            self.best is None or self._sign * value < self._sign * self.best - self.min_delta
        )
        if improved:
            self.best, self.best_epoch, self.waited = value, epoch, 0
        else:
            self.waited += 1
        return improved

    def state(self) -> dict[str, Any]:
        """Return plain numbers for `load_state`."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state(self, state: Mapping[str, Any], epochs: int) -> None:
        """Restore what `state` returned after this many epochs.

        Raises
        ------
        FileFormatError
            It cannot be the state of a monitor after that many.
        """
        record(
            best=optional(number(infinite=True)),
            best_epoch=whole(-1, epochs - 1),
            waited=whole(0, epochs),
        )(dict(state), f"The state of what monitors {self.name!r}")
        if (state["best"] is None) != (state["best_epoch"] == -1):
            raise FileFormatError(f"The best {self.name!r} in the file is of no epoch.")
        self.best = None if state["best"] is None else float(state["best"])
        self.best_epoch, self.waited = state["best_epoch"], state["waited"]


def check_name(name: str) -> str:
    """Return the name of a column of the history; refuse anything but text."""
    if not isinstance(name, str):
        raise ConfigurationError(f"monitor must be a name such as 'val_loss', got {name!r}.")
    return name


def default_monitor(columns: Iterable[str]) -> str:
    """Return what is monitored by default: the validation loss, or else the loss."""
    return VALIDATION + "loss" if VALIDATION + "loss" in columns else "loss"


def check_monitored(name: str, columns: Collection[str]) -> None:
    """Raise ConfigurationError if the history will have no such column; before training."""
    if name in columns:
        return
    advice = f"it will have {sorted(columns)}."
    measured = name.removeprefix(VALIDATION)
    if name.startswith(VALIDATION) and measured in columns:
        advice = "nothing is validated. Give fit validation_split=0.2 or validation_data=(X, y)"
        advice += f", or monitor {measured!r}."
    elif measured not in ("learning_rate", "seconds"):
        validated = any(column.startswith(VALIDATION) for column in columns)
        if name.startswith(VALIDATION) and not validated:
            advice += " Give fit validation_split=0.2 or validation_data=(X, y), and"
        else:
            advice += " Give"
        advice += " Trainer metrics=[...], such as metrics=[accuracy], for another number."
    raise ConfigurationError(f"There will be no {name!r} in the history to monitor: {advice}")


def better_is(metric: str, mode: str | None = None) -> str:
    """Return ``"min"`` or ``"max"``: which direction of this metric is better.

    Losses and errors should be small, accuracies and scores large. The last word in the name that
    says something decides: ``error_type_accuracy`` is an accuracy, and ``brier_score_loss`` a loss.
    For any other name give `mode`.

    >>> better_is("val_loss"), better_is("accuracy")
    ('min', 'max')
    """
    if mode in ("min", "max"):
        return mode
    words = DIRECTION.findall(metric.lower()) if mode is None else []
    if words:
        downwards, _ = words[-1]
        return "min" if downwards else "max"
    raise ConfigurationError(
        f"Is a larger {metric!r} better or worse? Give mode='max' or mode='min', got {mode!r}."
    )
