"""Every default of the estimators, and how the members of an ensemble differ.

They were chosen on one half of the tables in `benchmarks/tables`, which is used for nothing else;
docs/results/tables.md says what was tried.
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
"""batch_norm="auto" is True from this many rows on, and False if training starts with
`partial_fit`, which may bring single rows, and those have no variance."""

STEPS = 64
SMALLEST_BATCH, LARGEST_BATCH = 32, 256
"""batch_size="auto" makes about this many steps in an epoch, within these bounds."""

N_BINS = 16
ROWS_FOR_BINS = 4000
MOST_BINS = 1024
"""From this many rows on numbers are also encoded in bins, fewer if there are many columns."""

EMBED_FROM = 50
EMBEDDING_DIM = 8
"""Columns with more categories than this, not counting those that occur only once, are embedded:
each member learns a vector of this length for each category. Others are one-hot. These two were not
chosen on the tables: 50 is the largest number that `TablePreparation` encodes one-hot."""

ROWS_TO_HOLD_OUT = 50
"""early_stopping="auto" holds rows out from this many on; with fewer, each is needed to learn."""

LEARNING_RATE_SPREAD = 3.0
"""The members' learning rates lie between the given one divided by this and multiplied by this."""

WEIGHT_DECAY_SPREAD = 10.0
"""Likewise for the weight decay."""

DROPOUT_SPREAD = 2.0
"""The members' dropout lies between 0 and the given one times this."""

MOST_DROPOUT = 0.6
"""But not above this, unless the given one does."""


def batch_size(rows: int) -> int:
    """Return the batch size that "auto" stands for."""
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, rows // STEPS))


def n_bins(rows: int, columns: int) -> int:
    """Return the number of bins in which numbers are encoded; 0 is not at all.

    With few rows there is too little to learn in each bin, and more columns take more time.
    """
    return min(N_BINS, MOST_BINS // columns) if rows >= ROWS_FOR_BINS else 0


def table_preparation(rows: int, columns: int, **options: Any) -> TablePreparation:
    """Return what preparation="auto" stands for; `options` are further ones of the preparation."""
    return TablePreparation(embed_from=EMBED_FROM, n_bins=n_bins(rows, columns), **options)


def draw_members(estimator: Any, rng: np.random.Generator) -> list[dict[str, float]]:
    """Return the hyperparameters of each member, drawn around those of the estimator.

    The first member has exactly these, so that an ensemble can choose what a single network would
    have been.
    """
    names = "learning_rate", "weight_decay", "dropout"
    given = {name: float(getattr(estimator, name)) for name in names}
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
