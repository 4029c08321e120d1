"""What the comparison needs to know about a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Interval = Callable[[Any, pd.DataFrame, float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Method:
    """A learner for tables.

    `build(task, seed)` returns an estimator with scikit-learn's `fit` and `predict`, and
    `predict_proba` for classification. It gets a data frame of float64 columns (NaN for missing
    values) and categories. It imports its package itself, so that the others run without it.
    """

    name: str
    package: str  # its name on PyPI; the version is recorded
    build: Callable[[str, int], Any]
    cost: int  # cheap ones run first; from 10 on, proportional to the time for a row
    ranked: bool = True  # or only a reference
    interval: Interval | None = None  # (fitted, X, level) -> lower and upper ends, if it has them
