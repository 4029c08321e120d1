"""The trainer and its callbacks: progress, early stopping, checkpoints, logs.

trainer.py          `Trainer`: the training loop
state.py            `TrainingState`: where a training is; what callbacks are given
setup.py            what `fit` does before its first step; options.py, settings.py, dry_run.py
step.py             one step; how it is run is up to a strategy of `chainrule.parallel`
evaluation.py       the loss, the metrics and the predictions on other data
callback.py         `Callback`; averaging.py, checkpoint.py, early_stopping.py, interruption.py,
                    logs.py, progress.py, reduce_on_plateau.py are callbacks
checkpoint_file.py  what a checkpoint holds; lock.py keeps two trainings from one folder
history.py          `History`; measurement.py and monitor.py
failure.py          the report after NaN or infinity
learning_rate_finder.py   the learning-rate range test
"""

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
