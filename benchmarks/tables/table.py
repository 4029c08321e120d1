"""A prepared table, as the methods get it, and its splits into training and test rows."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedShuffleSplit

from benchmarks.tables.catalogue import HALF, LARGE

TEST_SHARE = 0.2
QUANTILES = 10
"""A regression is stratified by this many quantiles of its target."""


def cache_folder(given: str | Path | None = None) -> Path:
    """Return the folder of data and results, outside the repository."""
    chosen = given or os.environ.get("CHAINRULE_TABLES")
    return Path(chosen) if chosen else Path.home() / ".cache" / "chainrule" / "tables"


@dataclass(frozen=True)
class Facts:
    """What a report says about a table."""

    name: str
    task: str
    rows: int
    numbers: int  # columns
    categories: int  # columns
    classes: int  # 0 for a regression
    missing: float  # share of cells
    fingerprint: str  # of the prepared values, to see that two people have the same table

    @property
    def half(self) -> str:
        return HALF.get(self.name, "")

    @property
    def large(self) -> bool:
        return self.rows > LARGE


@dataclass(frozen=True)
class Table:
    """Columns X (numbers, float64 with NaN; categories, pandas' dtype), target y, and the facts.

    A classification's target is the number of its class, 0 to classes - 1.
    """

    X: pd.DataFrame
    y: np.ndarray
    facts: Facts

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the training rows, and a fifth of all as test rows, stratified."""
        strata = self.y
        if self.facts.task == "regression":
            order = pd.Series(self.y).rank(method="first")
            strata = pd.qcut(order, QUANTILES, labels=False).to_numpy()
        one = StratifiedShuffleSplit(n_splits=1, test_size=TEST_SHARE, random_state=seed)
        return next(one.split(np.zeros(len(strata)), strata))

    def save(self, folder: Path) -> None:
        """Write NAME.npz (numbers, codes of categories, target) and NAME.json (what they mean)."""
        folder.mkdir(parents=True, exist_ok=True)
        numbers, categories = columns(self.X, "f"), columns(self.X, "O")
        np.savez_compressed(
            folder / f"{self.facts.name}.npz",
            numbers=self.X[numbers].to_numpy(float),
            codes=np.array([self.X[c].cat.codes for c in categories], np.int16),  # -1 is missing
            y=self.y,
        )
        named = {c: list(self.X[c].cat.categories) for c in categories}
        described = {"facts": asdict(self.facts), "columns": list(self.X), "categories": named}
        text = json.dumps(described, indent=1)
        (folder / f"{self.facts.name}.json").write_text(text, "utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> Table:
        described = _described(folder, name)
        named = described["categories"]
        with np.load(folder / f"{name}.npz") as arrays:
            numbers, codes, y = (arrays[part] for part in ("numbers", "codes", "y"))
        numeric = [column for column in described["columns"] if column not in named]
        found = dict(zip(numeric, numbers.T, strict=True))
        for column, of_column in zip(named, codes, strict=True):
            found[column] = pd.Categorical.from_codes(of_column, named[column])
        X = pd.DataFrame({column: found[column] for column in described["columns"]})
        return cls(X, y, Facts(**described["facts"]))


def columns(X: pd.DataFrame, kind: str) -> list[str]:
    """Return the columns of numbers ("f") or of categories ("O")."""
    return [column for column in X if X[column].dtype.kind == kind]


def _described(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    if not file.exists():
        raise SystemExit(f"{file} is not there: run `python -m benchmarks.tables prepare` first.")
    return json.loads(file.read_text("utf-8"))


def facts_of(folder: Path, name: str) -> Facts:
    """Return the facts about a prepared table, without reading its rows."""
    return Facts(**_described(folder, name)["facts"])
