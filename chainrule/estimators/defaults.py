"""Every default of the estimators in one place, and how the members of an ensemble differ.

These are values to be chosen by measurement, on tables that judge nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

HIDDEN_LAYERS = (128, 128)
ACTIVATION = "relu"
DROPOUT = 0.1
OPTIMIZER = "adamw"
LEARNING_RATE = 0.003
WEIGHT_DECAY = 0.01
EPOCHS = 200
PATIENCE = 20
VALIDATION_FRACTION = 0.2
MEMBERS = 8
TEMPERATURE_SCALING = True

BATCH_SIZE = 256
"""batch_size="auto" is this, or a quarter of the rows where they are fewer, but at least 32."""

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
