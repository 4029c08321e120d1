"""Metrics: how good predictions are, as numbers for people. Training minimises losses instead.

    inputs.py            input validation: classes, probabilities or numbers
    classification.py    accuracy, balanced accuracy, top-k accuracy, the confusion matrix
    precision_recall.py  precision, recall, F1
    roc.py               the ROC curve, and the area under it
    probabilistic.py     log loss, Brier score
    regression.py        absolute, squared and root mean squared errors, R²
    weighting.py         any metric, of samples that do not all count the same

Each is a function ``(y_true, y_pred)`` of the targets and the network's output, and can be passed
to a `Trainer`: ``metrics=[accuracy, roc_auc_score, partial(f1_score, average="macro")]``.

True classes are whole numbers (N,) or one-hot rows. Predicted ones have the same names, or are rows
of scores (N, C), of which the largest is taken: then they are numbered from 0. A single column of
probabilities, (N,) or (N, 1), goes with the classes 0 and 1, and means 1 at 0.5 or above. Anything
else, such as the targets of a regression, is refused.

Names, options and values are scikit-learn's (`accuracy` is its ``accuracy_score``, `top_k_accuracy`
its ``top_k_accuracy_score``). An undefined result is scikit-learn's value, NaN or 0, but without a
warning: training must not stop because one epoch predicts no positives. Each function says when
this happens. An epoch with NaN is never the best one.
"""

from chainrule.metrics.classification import (
    accuracy,
    balanced_accuracy_score,
    confusion_matrix,
    top_k_accuracy,
)
from chainrule.metrics.inputs import class_indices
from chainrule.metrics.precision_recall import f1_score, precision_score, recall_score
from chainrule.metrics.probabilistic import brier_score_loss, log_loss
from chainrule.metrics.regression import (
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from chainrule.metrics.roc import roc_auc_score, roc_curve

__all__ = [
    "accuracy",
    "balanced_accuracy_score",
    "brier_score_loss",
    "class_indices",
    "confusion_matrix",
    "f1_score",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "precision_score",
    "r2_score",
    "recall_score",
    "roc_auc_score",
    "roc_curve",
    "root_mean_squared_error",
    "top_k_accuracy",
]
