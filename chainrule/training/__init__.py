"""Training for real: progress, early stopping, checkpoints, and a post-mortem where it fails."""

from chainrule.training.callbacks import (
    Callback,
    CSVLog,
    EarlyStopping,
    ReduceOnPlateau,
    StopFile,
    StopOnInterrupt,
    TensorBoardLog,
)
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.history import History
from chainrule.training.learning_rate_finder import find_learning_rate
from chainrule.training.trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "ReduceOnPlateau",
    "StopFile",
    "StopOnInterrupt",
    "TensorBoardLog",
    "Trainer",
    "find_learning_rate",
]
