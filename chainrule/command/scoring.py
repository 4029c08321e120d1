"""A table's rows into a file of predictions: what was asked for, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks.extras import require
from chainrule.command.model import Model, predicted_pieces
from chainrule.command.rows import Findings
from chainrule.command.schema import Schema
from chainrule.command.tables import Format, Source
from chainrule.command.writing import Predictions
from chainrule.errors import InputError


@dataclass(frozen=True)
class Request:
    """What is to be written for each row of a table.

    Attributes
    ----------
    form : Format
        How tables of separated values are written.
    keep : tuple of str
        Columns to copy.
    keep_all : bool
        Whether to copy all of them.
    probabilities, spread : bool
        Whether to add the probability of each class, and how far the networks disagree.
    interval : int or None
        In how many percent of the rows the truth shall lie between two ends that are added.
    refuse : bool
        Whether a table with anything that the training table had not is refused.
    """

    form: Format
    keep: tuple[str, ...] = ()
    keep_all: bool = False
    probabilities: bool = False
    interval: int | None = None
    spread: bool = False
    refuse: bool = True


def write_predictions(
    model: Model,
    request: Request,
    source: Source,
    predictions: Predictions,
    progress: Callable[[int, int], None],
) -> tuple[int, Findings]:
    """Write what is predicted for a table, whole or not at all; return its rows, and what is odd.

    `progress` is told the bytes read and the rows predicted, after each piece.
    """
    findings = Findings()
    kept = tuple(name for name in source.names if name) if request.keep_all else request.keep
    pieces = predicted_pieces(
        model,
        source,
        refuse=request.refuse,
        also=kept,
        findings=findings,
        progress=progress,
    )
    columns = Columns(model.schema, request, kept)
    predictions.write(columns.tables(pieces))
    return columns.rows, findings


class Columns:
    """What is written for each piece.

    Attributes
    ----------
    rows : int
        How many so far.
    """

    def __init__(self, schema: Schema, request: Request, kept: tuple[str, ...]) -> None:
        self.schema, self.request, self.kept = schema, request, kept
        self.rows = 0

    def tables(self, pieces: Iterator[Any]) -> Iterator[Any]:
        """Yield what is written for each piece, as a pyarrow.RecordBatch."""
        pa = require("pyarrow", "cli", "Writing predictions")
        for piece in pieces:
            columns = {name: piece.table.column(name) for name in self.kept}
            made = self._predicted(piece)
            twice = [name for name in made if name in columns]
            if twice:
                raise InputError(
                    f"The column {twice[0]!r} that is to be kept has the name of one that is "
                    "predicted; rename it first."
                )
            columns |= {name: pa.array(values) for name, values in made.items()}
            self.rows += piece.table.num_rows
            yield pa.RecordBatch.from_pydict(columns)

    def _predicted(self, piece: Any) -> dict[str, Any]:
        """Return the columns of predictions, by name."""
        name, outputs = f"predicted_{self.schema.target}", piece.outputs
        if self.schema.task == "regression":
            made = {name: outputs[:, 0]}
            if self.request.interval is not None:
                width = self.schema.half_widths[str(self.request.interval)]
                made[f"{name}_low"] = outputs[:, 0] - width
                made[f"{name}_high"] = outputs[:, 0] + width
            if self.request.spread:
                made[f"{name}_spread"] = piece.spread[:, 0]
            return made
        places = outputs.argmax(axis=1)
        made = {name: np.array(self.schema.classes)[places]}
        if self.request.probabilities:
            for place, label in enumerate(self.schema.classes):
                made[f"probability_{label}"] = outputs[:, place]
        if self.request.spread:
            made[f"{name}_spread"] = np.take_along_axis(piece.spread, places[:, None], 1)[:, 0]
        return made
