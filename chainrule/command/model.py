"""A model's file, opened: rows of a table in, predictions out, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.command.rows import Findings, Reader, missing_columns
from chainrule.command.schema import Schema, read_schema
from chainrule.command.tables import Source
from chainrule.ensemble import Ensemble
from chainrule.errors import FileFormatError, InputError
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.preparation import TablePreparation

ROWS_AT_ONCE = 2048
"""So many rows go through the network at a time: its layers' outputs stay within some megabytes."""


@dataclass(frozen=True)
class Model:
    """An ensemble, and what it knows about its table."""

    ensemble: Ensemble
    schema: Schema
    version: str

    @property
    def preparation(self) -> TablePreparation:
        """What turns rows into numbers."""
        return self.ensemble.preparation  # type: ignore[return-value]  # load_model checked it


def load_model(path: str) -> Model:
    """Return the model in a file; refuse what `chainrule train` did not write."""
    try:
        network = Network.load(path)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; a model's file is expected.") from None
    schema = read_schema(network.metadata, path)
    ensemble = Ensemble.load(path)
    if not isinstance(ensemble.preparation, TablePreparation):
        raise FileFormatError(f"{path} holds no preparation of a table.")
    names = ensemble.preparation.feature_names_in_
    if names != [column.name for column in schema.columns]:
        raise FileFormatError(f"{path} describes other columns than it prepares.")
    return Model(ensemble, schema, str(network.metadata.get("version", "unknown")))


@dataclass(frozen=True)
class Piece:
    """Some rows, and what is predicted for them.

    Attributes
    ----------
    table : pyarrow.RecordBatch
        The rows, with the columns that were asked for.
    outputs : ndarray, shape (rows, outputs)
        Probabilities of the classes, or one number.
    spread : ndarray, shape (rows, outputs)
        The standard deviation between the networks.
    """

    table: Any
    outputs: Array
    spread: Array


def predicted_pieces(
    model: Model,
    source: Source,
    *,
    refuse: bool,
    also: tuple[str, ...] = (),
    findings: Findings,
    progress: Callable[[int, int], None],
) -> Iterator[Piece]:
    """Yield all rows of a table with their predictions, in their order.

    Parameters
    ----------
    refuse : bool
        Whether to raise InputError at the first piece with anything that the training table had
        not; otherwise it is only noted.
    also : tuple of str
        Further columns that the pieces shall have.
    findings : Findings
        Where to note it.
    progress : callable
        Is told the bytes read and the rows predicted, after each piece.
    """
    absent = [name for name in also if name not in source.names]
    if absent:
        raise InputError(f"{source.label} has no column {absent[0]!r}.")
    for finding in missing_columns(model.schema, source.names):
        findings.add(finding, 0)
    if findings and refuse:
        raise InputError(refusal(findings, source.label))
    wanted = {column.name for column in model.schema.used} | set(also)
    columns = [name for name in source.names if name in wanted]
    if not columns:
        raise InputError(f"{source.label} has none of the columns that the model was trained on.")
    reader = Reader(model.schema, source.form)
    reader.findings = findings
    for table in source.pieces(columns):
        rows = reader.columns(table)
        told = {name for name, kind in findings.found if kind == "missing column"}
        odd = [f for f in model.preparation.report(rows) if f.column not in told]
        reader.note(odd, table.num_rows)
        if findings and refuse:
            raise InputError(refusal(findings, source.label))
        yield Piece(table, *predict_rows(model.ensemble, rows, table.num_rows))
        progress(source.position, reader.rows)
    if not reader.rows:
        raise InputError(f"{source.label} has no rows below the names of its columns.")


def predict_rows(ensemble: Ensemble, rows: dict[str, Array], count: int) -> tuple[Array, Array]:
    """Return outputs and spread for columns of so many rows."""
    means, spreads = [], []
    for start in range(0, count, ROWS_AT_ONCE):
        part = {name: values[start : start + ROWS_AT_ONCE] for name, values in rows.items()}
        mean, spread = ensemble.predict_raw(part, return_std=True)
        means.append(mean)
        spreads.append(spread)
    if not means:
        return np.empty((0, 1)), np.empty((0, 1))
    return np.concatenate(means), np.concatenate(spreads)


def refusal(findings: Findings, label: str) -> str:
    """Return why a table is refused."""
    return (
        f"{label} has what the training table had not: {'; '.join(findings.lines())}. Mend it, or "
        "go on regardless with --on-unknown warn."
    )
