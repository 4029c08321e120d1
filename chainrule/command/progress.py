"""Progress on standard error, drawn by tqdm, where it is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
from typing import Any, Self

import numpy as np

from chainrule.checks.extras import require


class EpochBar:
    """A bar over the epochs of a training, with the loss so far."""

    def __init__(self, epochs: int, *, quiet: bool) -> None:
        tqdm = require("tqdm", "cli", "A progress bar").tqdm
        # disable=None: only where standard error is a terminal
        self._bar: Any = tqdm(total=epochs, unit="epoch", leave=False, disable=quiet or None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def on_epoch(self, epoch: int, row: Any) -> None:
        """Go on by an epoch."""
        losses = row.get("val_loss", row["loss"])
        running = losses[~np.isnan(losses)]
        if len(running):
            self._bar.set_postfix(loss=f"{running.mean():.4f}", networks=len(running))
        self._bar.update()

    def on_stage(self, stage: str) -> None:
        """Say what is being done."""
        self._bar.set_description(stage)


class FileBar:
    """A bar over the bytes of files; of a pipe, whose end is not known, the rows so far."""

    def __init__(self, size: int | None, *, quiet: bool) -> None:
        tqdm = require("tqdm", "cli", "A progress bar").tqdm
        self._by_bytes = size is not None
        unit = {"unit": "B", "unit_scale": True} if self._by_bytes else {"unit": " rows"}
        self._bar: Any = tqdm(total=size, leave=False, disable=quiet or None, **unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def update(self, position: int, rows: int) -> None:
        """Show how far it is."""
        self._bar.set_postfix_str(f"{rows:,} rows" if self._by_bytes else "")
        self._bar.update((position if self._by_bytes else rows) - self._bar.n)

    def write(self, line: str) -> None:
        """Write a line above the bar."""
        self._bar.write(line, file=sys.stderr)
