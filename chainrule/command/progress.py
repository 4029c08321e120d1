"""Progress bars on standard error if it is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from tqdm import tqdm


class EpochBar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """A bar over the epochs of a training, with the loss so far."""

    def __init__(self, epochs: int, *, quiet: bool) -> None:
        # disable=None: hidden unless standard error is a terminal
        super().__init__(total=epochs, unit="epoch", leave=False, disable=quiet or None)

    def on_epoch(self, epoch: int, row: Any) -> None:
        """Advance by an epoch, whose losses are in `row`."""
        losses = row.get("val_loss", row["loss"])
        running = losses[~np.isnan(losses)]
        if len(running):
            self.set_postfix(loss=f"{running.mean():.4f}", networks=len(running))
        self.update()


class FileBar(tqdm):  # type: ignore[misc]
    """A bar over the bytes of files, or over the rows of a pipe, whose size is unknown."""

    def __init__(self, size: int | None, *, quiet: bool) -> None:
        self.in_bytes = size is not None
        unit: dict[str, Any] = {"unit": " rows"}
        if self.in_bytes:
            unit = {"unit": "B", "unit_scale": True}
        super().__init__(total=size, leave=False, disable=quiet or None, **unit)

    def show(self, position: int, rows: int) -> None:
        """Advance to this many bytes and rows."""
        self.set_postfix_str(f"{rows:,} rows" if self.in_bytes else "")
        self.update((position if self.in_bytes else rows) - self.n)

    def message(self, line: str) -> None:
        """Write a line above the bar."""
        self.write(line, file=sys.stderr)
