"""Every default of the estimators in one place, and how the members of an ensemble differ.

These are values to be chosen by measurement, on tables that judge nothing else.
"""

from __future__ import annotations

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

LEARNING_RATE_SPREAD = 3.0
"""The members' learning rates lie between the given one divided by this and times this."""

WEIGHT_DECAY_SPREAD = 10.0
"""The same for the weight decay."""

DROPOUT_SPREAD = 2.0
"""The members' dropout lies between 0 and the given one times this, but stays below 0.6."""
