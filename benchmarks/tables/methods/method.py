"""What the comparison has to know about a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Interval = Callable[[Any, pd.DataFrame, float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Method:
    """A way to learn a table.

    `build(task, seed)` returns an estimator with scikit-learn's `fit` and `predict`, and
    `predict_proba` for a classification. It gets a data frame of float64 columns (NaN where a
    value is missing) and of categories. It imports what it needs itself: this file and its
    neighbours are read by people who have not installed the package.
    """

    name: str
    package: str  # as it is called on PyPI; its version is recorded
    build: Callable[[str, int], Any]
    cost: int  # cheap ones are run first; from 10 on, in proportion to the time for a row
    ranked: bool = True  # or only a mark to measure against
    interval: Interval | None = (
        None  # (fitted, X, level) -> lower and upper ends, where it has them
    )
