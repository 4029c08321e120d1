"""A model loaded from its file: rows of a table in, predictions out, batch by batch."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.command.models.inputs import InputConverter, InputIssues
from chainrule.command.models.metadata import TableMetadata, read_metadata
from chainrule.command.tables.reader import TableReader
from chainrule.ensemble import Ensemble
from chainrule.errors import FileFormatError, InputError
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.preparation import TablePreparation
from chainrule.preparation.number_format import NumberFormat

ROWS_AT_ONCE = 2048
"""The rows that go through the network at a time, so that its outputs take a few megabytes."""


@dataclass(frozen=True)
class PredictedBatch:
    """Some rows and their predictions.

    Attributes
    ----------
    table : pyarrow.RecordBatch
        The rows, with the columns that were read.
    outputs : ndarray, shape (rows, outputs)
        The probabilities of the classes, or one number.
    spread : ndarray, shape (rows, outputs)
        The standard deviation between the networks.
    """

    table: Any
    outputs: Array
    spread: Array


@dataclass(frozen=True)
class TableModel:
    """An ensemble that predicts the rows of a table.

    Attributes
    ----------
    ensemble : Ensemble
        The networks, with the preparation of their inputs.
    metadata : TableMetadata
        What is known of the table.
    version : str
        The version of chainrule that wrote the file.
    """

    ensemble: Ensemble
    metadata: TableMetadata
    version: str

    @classmethod
    def load(cls, path: str) -> TableModel:
        """Load a model.

        Raises
        ------
        InputError
            There is no such file.
        FileFormatError
            `chainrule train` did not write it.
        """
        try:
            network = Network.load(path)
        except FileNotFoundError:
            raise InputError(f"There is no file {path}.") from None
        except IsADirectoryError:
            raise InputError(f"{path} is a folder; a model's file is expected.") from None
        except FileFormatError as error:
            if os.path.isfile(path) and not zipfile.is_zipfile(path):
                raise FileFormatError(
                    f"{error} If it is the table: the model comes first, as in chainrule predict "
                    f"model.npz {os.path.basename(path)}."
                ) from error
            raise
        metadata = read_metadata(network.metadata, path)
        ensemble = Ensemble.load(path)
        names = [column.name for column in metadata.columns]
        preparation = ensemble.preparation
        if not isinstance(preparation, TablePreparation) or preparation.feature_names_in_ != names:
            raise FileFormatError(f"{path} does not prepare the columns that it describes.")
        if ensemble.architecture.sizes[-1] != max(1, len(metadata.classes)):
            raise FileFormatError(f"{path} does not predict the target that it describes.")
        return cls(ensemble, metadata, str(network.metadata.get("version", "unknown")))

    def predict_batches(
        self,
        reader: TableReader,
        issues: InputIssues,
        on_progress: Callable[[int, int], None],
        also: Sequence[str] = (),
    ) -> Iterator[PredictedBatch]:
        """Yield all rows of a table with their predictions.

        Parameters
        ----------
        reader : TableReader
            The table.
        issues : InputIssues
            Collects what the training table did not have, or refuses it.
        on_progress : callable
            Called after each batch with the bytes read and the rows predicted.
        also : sequence of str
            Further columns that the batches should have.

        Raises
        ------
        InputError
            A column or all rows are missing, or a value cannot be used.
        """
        for name in also:
            if name not in reader.names:
                raise InputError(f"{reader.label} has no column {name!r}.")
        converter = InputConverter(self.metadata, reader.format, self._formats(), issues)
        converter.note_missing_columns(reader.names)
        issues.check(reader.label)
        wanted = {column.name for column in self.metadata.used} | set(also)
        columns = [name for name in reader.names if name in wanted]
        if not columns:
            raise InputError(f"{reader.label} has none of the columns that the model needs.")
        for table in reader.batches(columns):
            rows = converter.convert(table)
            converter.finish_batch(self.ensemble.preparation.report(rows), table.num_rows)  # type: ignore[union-attr]
            issues.check(reader.label)
            yield PredictedBatch(table, *self.predict(rows, table.num_rows))
            on_progress(reader.position, converter.rows)
        if not converter.rows:
            raise InputError(f"{reader.label} has no rows below the column names.")

    def _formats(self) -> dict[str, NumberFormat]:
        """Return how the numbers of some columns were written in the training table."""
        columns = self.ensemble.preparation.columns_  # type: ignore[union-attr]
        pairs = zip(self.metadata.columns, columns, strict=True)
        return {info.name: c.format for info, c in pairs if getattr(c, "format", None) is not None}

    def predict(self, columns: dict[str, Array], rows: int) -> tuple[Array, Array]:
        """Return the outputs and their spread for so many rows."""
        parts = []
        for start in range(0, rows, ROWS_AT_ONCE):
            part = {name: values[start : start + ROWS_AT_ONCE] for name, values in columns.items()}
            parts.append(self.ensemble.predict_raw(part, return_std=True))
        if not parts:
            return np.empty((0, 1)), np.empty((0, 1))
        means, spreads = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(spreads)
