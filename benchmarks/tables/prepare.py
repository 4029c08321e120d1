"""From the packages into the cache: one tidy table each, the same for all methods.

Rows without a target are left out, and so are rows of classes too rare to split; a table that is
too long is cut (see catalogue.py for the numbers). A column is a number or a category; columns that
never change are dropped, and nothing else is done: missing values stay missing.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tables import sources
from benchmarks.tables.catalogue import FEWEST_OF_A_CLASS, MOST_ROWS, SAMPLE, Entry
from benchmarks.tables.table import Facts, Table, columns


def prepare(entry: Entry, frame: pd.DataFrame) -> Table:
    """Return the table to compare on, from the frame that its package ships."""
    frame = frame.drop(columns=list(entry.drop))
    frame = frame[frame[entry.target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(SAMPLE, random_state=0)
    if entry.task == "classification":
        counts = frame[entry.target].value_counts()
        frame = frame[frame[entry.target].isin(counts[counts >= FEWEST_OF_A_CLASS].index)]
        _, y = np.unique(frame[entry.target].astype(str), return_inverse=True)
        count = int(y.max()) + 1
    else:
        y, count = frame[entry.target].to_numpy(float), 0
    X = frame.drop(columns=entry.target).reset_index(drop=True)
    X = X.loc[:, X.nunique() > 1]
    X.columns = [str(name) for name in X.columns]
    X = pd.DataFrame({c: _column(X[c], c in entry.categories) for c in X})
    facts = Facts(
        name=entry.name,
        task=entry.task,
        rows=len(X),
        numbers=len(columns(X, "f")),
        categories=len(columns(X, "O")),
        classes=count,
        missing=round(float(X.isna().to_numpy().mean()), 4),
        fingerprint=fingerprint(X, y),
    )
    return Table(X, y, facts)


def _column(column: pd.Series, named: bool) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "b" and not named:
        numbers = column.astype(float)
        return numbers.where(numbers.notna(), np.nan)  # R has several kinds of NaN
    text = column.astype(object)
    return text.where(text.isna(), text.astype(str)).astype("category")


def fingerprint(X: pd.DataFrame, y: np.ndarray) -> str:
    """Return eight digits that depend on every value, and only on the values."""
    digest = hashlib.sha256(np.asarray(y, float).tobytes())
    for name in X:
        column = X[name]
        if column.dtype.kind == "f":
            digest.update(column.to_numpy(float).tobytes())
        else:
            digest.update("\n".join(column.astype(object).fillna("").astype(str)).encode())
    return digest.hexdigest()[:8]


def prepare_all(entries: tuple[Entry, ...], cache: Path, debian: Path) -> list[Facts]:
    """Prepare every table into the cache, and return their facts."""
    known = []
    for entry in entries:
        table = prepare(entry, sources.read(entry, debian))
        table.save(cache / "data")
        known.append(table.facts)
    return known
