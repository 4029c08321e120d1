"""Every default of the estimators in one place, and how the members of an ensemble differ.

They were chosen on the choosing half of the tables in `benchmarks/tables`, which judges nothing
else; what was tried stands in docs/results.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.preparation import TablePreparation

HIDDEN_LAYERS = (128, 128)
ACTIVATION = "relu"
DROPOUT = 0.15
OPTIMIZER = "adamw"
LEARNING_RATE = 0.004
WEIGHT_DECAY = 0.1
EPOCHS = 200
PATIENCE = 16
VALIDATION_FRACTION = 0.125
MEMBERS = 8
TEMPERATURE_SCALING = True

ROWS_FOR_BATCH_NORM = 50
"""batch_norm="auto" is True from this many rows on, and False where `partial_fit` comes first: it
may bring single rows, which have no variance."""

STEPS = 64
SMALLEST_BATCH, LARGEST_BATCH = 32, 256
"""batch_size="auto" makes about so many steps of an epoch, within these bounds."""

N_BINS = 16
ROWS_FOR_BINS = 4000
MOST_BINS = 1024
"""From so many rows on numbers are encoded in so many bins, fewer where there are many columns."""

EMBED_FROM = 50
EMBEDDING_DIM = 8
"""Columns with more categories than this, not counting those that occur but once, are embedded:
each category has a vector of so many numbers, each member its own. Others are one-hot. These two
were not chosen on the tables: 50 is as many as `TablePreparation` writes out."""

ROWS_TO_HOLD_OUT = 50
"""early_stopping="auto" holds rows out from this many on: with fewer, each is needed to learn."""

METRIC = "loss"
"""What early stopping and the choice of members go by: "loss", or "score" (accuracy or R²)."""

LEARNING_RATE_SPREAD = 3.0
"""The members' learning rates lie between the given one divided by this and times this."""

WEIGHT_DECAY_SPREAD = 10.0
"""The same for the weight decay."""

DROPOUT_SPREAD = 2.0
"""The members' dropout lies between 0 and the given one times this."""

MOST_DROPOUT = 0.6
"""But not above this, unless the given one does."""


def batch_size(rows: int) -> int:
    """Return what "auto" stands for with so many rows."""
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, rows // STEPS))


def n_bins(rows: int, columns: int) -> int:
    """Return in how many bins numbers are encoded; 0 is not at all.

    Few rows say too little of each bin, and the columns that come out cost time.
    """
    return min(N_BINS, MOST_BINS // columns) if rows >= ROWS_FOR_BINS else 0


def table_preparation(rows: int, columns: int, **options: Any) -> TablePreparation:
    """Return what preparation="auto" is for so many rows; `options` are its further ones."""
    return TablePreparation(embed_from=EMBED_FROM, n_bins=n_bins(rows, columns), **options)


def members(estimator: Any, rng: np.random.Generator) -> list[dict[str, float]]:
    """Return the hyperparameters of each member, drawn around those that were given.

    A single member has exactly these. Of several the first has them too, so that an ensemble has
    what one network would have had, to choose from.
    """
    given = {
        "learning_rate": float(estimator.learning_rate),
        "weight_decay": float(estimator.weight_decay),
        "dropout": float(estimator.dropout),
    }
    most = max(given["dropout"], min(MOST_DROPOUT, given["dropout"] * DROPOUT_SPREAD))
    others = [
        {
            "learning_rate": given["learning_rate"] * LEARNING_RATE_SPREAD ** rng.uniform(-1, 1),
            "weight_decay": given["weight_decay"] * WEIGHT_DECAY_SPREAD ** rng.uniform(-1, 1),
            "dropout": rng.uniform(0, most),
        }
        for _ in range(estimator.members - 1)
    ]
    return [given, *others]
