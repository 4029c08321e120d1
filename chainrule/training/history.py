"""History: what happened in training, step by step and epoch by epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from chainrule.errors import ConfigurationError, InputError
from chainrule.extras import require
from chainrule.training.monitor import VALIDATION, Monitor, default_monitor

Table = dict[str, list[float]]


class History:
    """Two tables of numbers, one row a step and one row an epoch.

    Attributes
    ----------
    steps : dict of str to list of float
        ``loss``, ``gradient_norm`` (before clipping) and ``learning_rate`` of every step.
    epochs : dict of str to list of float
        ``loss`` and the metrics, measured while the epoch ran; the same with ``val_`` in
        front, measured after it; ``learning_rate`` and ``seconds``. A number that an epoch does
        not have is NaN.
    stop_reason : str
        Why training ended before its last epoch; ``""`` where it did not.
    notes : list of str
        What was noticed about data, network, loss and the end of training.
    kept_epoch : int
        The epoch, counted from 0, whose weights the network has; -1 for the last one.
    """

    def __init__(self) -> None:
        self.steps: Table = {"loss": [], "gradient_norm": [], "learning_rate": []}
        self.epochs: Table = {}
        self.stop_reason = ""
        self.notes: list[str] = []
        self.kept_epoch = -1

    def __len__(self) -> int:
        return max(map(len, self.epochs.values()), default=0)

    def add_epoch(self, row: Mapping[str, float]) -> None:
        """Add one epoch's numbers."""
        count = len(self)
        for name in [*self.epochs, *row]:
            column = self.epochs.setdefault(name, [math.nan] * count)
            if len(column) == count:
                column.append(float(row.get(name, math.nan)))

    def row(self, epoch: int = -1) -> dict[str, float]:
        """Return the numbers of one epoch, counted from 0; of the last one without a number."""
        return {name: column[epoch] for name, column in self.epochs.items()}

    def best_epoch(self, metric: str | None = None, mode: str | None = None) -> int:
        """Return the number, from 0, of the epoch that was best in `metric`.

        Without a name it is the validation loss, or the loss where there is no validation. `mode`
        is ``"min"`` or ``"max"``; see `better_is`.
        """
        if not self.epochs:
            raise InputError("There is no epoch in this history yet.")
        monitor = Monitor(metric or default_monitor(self.epochs), mode=mode)
        for epoch, value in enumerate(self.column(monitor.name)):
            monitor.update(value, epoch)
        return max(monitor.best_epoch, 0)

    def column(self, metric: str) -> list[float]:
        """Return one number of every epoch."""
        if metric not in self.epochs:
            raise ConfigurationError(
                f"There is no {metric!r} in this history; it has {sorted(self.epochs)}."
            )
        return self.epochs[metric]

    # ------------------------------------------------------------ to look at, to keep

    def plot(self) -> Any:
        """Draw the loss and every metric over the epochs, training against validation.

        The best epoch is marked. Needs matplotlib (the extra ``plots``); returns the figure, for
        ``figure.savefig("history.png")``. No window is opened.
        """
        figure_class = require("matplotlib.figure", "plots", "Drawing a history").Figure
        if not self.epochs:
            raise InputError("There is no epoch in this history to draw yet.")
        names = [n for n in self.epochs if not n.startswith(VALIDATION)]
        names = [n for n in names if n not in ("seconds", "learning_rate")]
        figure = figure_class(figsize=(5.2 * len(names), 3.8), layout="constrained")
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for name, panel in zip(names, panels, strict=True):
            self._draw(name, panel)
        return figure

    def _draw(self, name: str, panel: Any) -> None:
        numbers = range(1, len(self) + 1)
        marker = "o" if len(self) < 30 else ""
        panel.plot(numbers, self.epochs[name], marker=marker, markersize=3, label="training")
        if VALIDATION + name in self.epochs:
            column = self.epochs[VALIDATION + name]
            panel.plot(numbers, column, marker=marker, markersize=3, label="validation")
        best = self.best_epoch()
        panel.axvline(best + 1, color="0.6", linestyle=":", label=f"best epoch: {best + 1}")
        panel.set(xlabel="epoch", ylabel=name, title=name)
        panel.locator_params(axis="x", integer=True)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)

    def to_csv(self, path: str | os.PathLike[str], steps: bool = False) -> None:
        """Write the epochs, or the steps, as a table of comma-separated values."""
        import csv

        name, table = ("step", self.steps) if steps else ("epoch", self.epochs)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([name, *table])
            for number, row in enumerate(zip(*table.values(), strict=True), start=1):
                writer.writerow([number, *row])

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write both tables as JSON; NaN and infinity, which JSON has no words for, as null."""
        import json

        text = json.dumps(
            {
                "epochs": {name: _or_null(column) for name, column in self.epochs.items()},
                "steps": {name: _or_null(column) for name, column in self.steps.items()},
                "stop_reason": self.stop_reason,
            },
            allow_nan=False,
        )
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def __repr__(self) -> str:
        if not self.epochs:
            return f"History(0 epochs, {len(self.steps['loss'])} steps)"
        kept = self.kept_epoch % len(self)
        numbers = ", ".join(f"{name}={value:.4g}" for name, value in self.row(kept).items())
        return (
            f"History({len(self)} epochs, {len(self.steps['loss'])} steps; the network's weights "
            f"are of epoch {kept + 1}: {numbers})"
        )


def _or_null(column: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column]
