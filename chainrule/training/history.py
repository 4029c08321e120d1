"""History: what happened in training, per step and per epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from chainrule.errors import ConfigurationError, InputError
from chainrule.storage.atomic import write_text
from chainrule.summary.display import html_table
from chainrule.training.monitor import VALIDATION, Monitor, better_is, default_monitor

Table = dict[str, list[float]]

RESERVED = ("loss", "learning_rate", "seconds")
"""Columns that every history has; no metric may take their names."""

EPOCHS_SHOWN = 5
"""How many epochs of a long history a notebook shows, at its beginning and at its end."""


class History:
    """Two tables of numbers: one row per step, and one row per epoch.

    Attributes
    ----------
    steps : dict of str to list of float
        ``loss``, ``gradient_norm`` (before clipping) and ``learning_rate`` of every step.
    epochs : dict of str to list of float
        ``loss`` and the metrics, measured during the epoch; the same with the prefix ``val_``,
        measured after it on validation data; ``learning_rate`` and ``seconds``. A number that an
        epoch does not have is NaN.
    stop_reason : str
        Why training ended before its last epoch; ``""`` if it did not.
    notes : list of str
        What was noticed about data, network, loss and the end of training.
    kept_epoch : int
        The epoch, counted from 0, whose weights the network has; -1 for the last one.

    Examples
    --------
    >>> history = History()
    >>> history.add_epoch({"loss": 0.9})
    >>> history.add_epoch({"loss": 0.7})
    >>> history.best_epoch(), history.column("loss")
    (1, [0.9, 0.7])
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
        """Return the numbers of one epoch, counted from 0; of the last one by default."""
        return {name: column[epoch] for name, column in self.epochs.items()}

    def best_epoch(self, metric: str | None = None, mode: str | None = None) -> int:
        """Return the number of the best epoch, counted from 0.

        Parameters
        ----------
        metric : str, optional
            A column of `epochs`; by default the validation loss, or the loss if there is none.
        mode : {"min", "max"}, optional
            Which direction is better, if the name does not tell.
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

    # ------------------------------------------------------------ drawing and saving

    def plot(self) -> Any:
        """Draw the loss and every metric over the epochs, training against validation.

        Two epochs are marked: the one with the lowest validation loss (or, without validation,
        the lowest loss), and the one whose weights the network has. A loss that spans two
        decades or more gets a logarithmic axis.

        Needs matplotlib (the extra ``plots``). Returns the figure, which a notebook shows;
        elsewhere, ``figure.savefig("history.png")``. No window is opened.
        """
        from chainrule.plots.learning_curves import draw_learning_curves

        if not self.epochs:
            raise InputError("There is no epoch in this history to draw yet.")
        names = [n for n in self.epochs if not n.startswith(VALIDATION)]
        names = [n for n in names if n not in ("seconds", "learning_rate")]
        metrics = {name: self._curves(name) for name in names}
        return draw_learning_curves(metrics, [n for n in names if _is_loss(n)], self._marks())

    def _curves(self, name: str) -> Table:
        curves = {"training": self.epochs[name]}
        if VALIDATION + name in self.epochs:
            curves["validation"] = self.epochs[VALIDATION + name]
        return curves

    def _marks(self) -> dict[int, str]:
        """Return the epochs to mark, counted from 0, and why."""
        kept = self._kept()
        marks = {kept: f"epoch {kept + 1}: the network's weights"}
        watched = default_monitor(self.epochs)
        if any(math.isfinite(value) for value in self.column(watched)):
            best = self.best_epoch()
            both = " and the network's weights" if best == kept else ""
            marks = {best: f"epoch {best + 1}: lowest {watched}{both}"} | ({} if both else marks)
        return marks

    def _kept(self) -> int:
        """Return the epoch, counted from 0, whose weights the network has."""
        return self.kept_epoch % len(self)

    def to_csv(self, path: str | os.PathLike[str], steps: bool = False) -> None:
        """Write the epochs, or the steps, as comma-separated values."""
        import csv
        import io

        name, table = ("step", self.steps) if steps else ("epoch", self.epochs)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([name, *table])
        for number, row in enumerate(zip(*table.values(), strict=True), start=1):
            writer.writerow([number, *row])
        write_text(path, text.getvalue())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write both tables as JSON; NaN and infinity, which JSON does not have, become null."""
        import json

        text = json.dumps(
            {
                "epochs": {name: _or_null(column) for name, column in self.epochs.items()},
                "steps": {name: _or_null(column) for name, column in self.steps.items()},
                "stop_reason": self.stop_reason,
            },
            allow_nan=False,
        )
        write_text(path, text + "\n")

    def __repr__(self) -> str:
        if not self.epochs:
            return f"History(0 epochs, {len(self.steps['loss'])} steps)"
        numbers = ", ".join(f"{n}={value:.4g}" for n, value in self.row(self._kept()).items())
        return f"History({self._in_short()}: {numbers})"

    def _in_short(self) -> str:
        return (
            f"{len(self)} epochs, {len(self.steps['loss'])} steps; the network's weights "
            f"are of epoch {self._kept() + 1}"
        )

    def _repr_html_(self) -> str | None:
        """Return the epochs as a table; of many, the first and last ones and the kept one."""
        if not self.epochs:
            return None
        head, rows, kept = ["epoch", *self.epochs], [], self._kept()
        last, bold = -1, []
        for epoch in self._shown_epochs():
            if epoch > last + 1:
                rows.append(["..."] * len(head))
            if epoch == kept:
                bold.append(len(rows))
            numbers = ["" if math.isnan(v) else f"{v:.4g}" for v in self.row(epoch).values()]
            rows.append([str(epoch + 1), *numbers])
            last = epoch
        title = f"History: {self._in_short()}"
        notes = self.notes + [f"stopped: {self.stop_reason}"] * bool(self.stop_reason)
        return html_table(head, rows, title=title, notes=notes, numbers=range(len(head)), bold=bold)

    def _shown_epochs(self) -> list[int]:
        epochs = range(len(self))
        if len(epochs) <= 2 * EPOCHS_SHOWN + 1:
            return list(epochs)
        return sorted({*epochs[:EPOCHS_SHOWN], self._kept(), *epochs[-EPOCHS_SHOWN:]})


def _is_loss(name: str) -> bool:
    """Whether this number should be small; False if its name does not tell."""
    try:
        return better_is(name) == "min"
    except ConfigurationError:
        return False


def _or_null(column: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column]
