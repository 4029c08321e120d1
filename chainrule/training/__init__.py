"""Training for real: progress, early stopping, checkpoints, and a post-mortem where it fails."""

from chainrule.training.averaging import ExponentialMovingAverage
from chainrule.training.callback import Callback
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.early_stopping import EarlyStopping
from chainrule.training.history import History
from chainrule.training.interruption import StopFile, StopOnInterrupt
from chainrule.training.learning_rate_finder import find_learning_rate
from chainrule.training.logs import CSVLog, TensorBoardLog
from chainrule.training.reduce_on_plateau import ReduceOnPlateau
from chainrule.training.trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "ExponentialMovingAverage",
    "History",
    "ReduceOnPlateau",
    "StopFile",
    "StopOnInterrupt",
    "TensorBoardLog",
    "Trainer",
    "find_learning_rate",
]
