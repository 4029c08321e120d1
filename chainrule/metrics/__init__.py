"""How good predictions are, in numbers for people. What is trained on are losses, elsewhere.

    inputs.py            truth and predictions, as they come, made into what is measured
    classification.py    accuracy, balanced, of the best k; what is taken for what
    precision_recall.py  precision, recall, F1
    ranking.py           the area under the ROC curve
    roc.py               the curve itself
    probabilistic.py     log loss, Brier score
    regression.py        absolute, squared and root of squared errors, R²

Each is a function ``(y_true, y_pred)`` of what is true and what the network put out, and may be
given to a `Trainer`: ``metrics=[accuracy, roc_auc_score, partial(f1_score, average="macro")]``.

Classes may be given as indices (N,), as one-hot rows, or as rows of scores (N, C), where the
largest counts; a single column of probabilities (N, 1) means class 1 from 0.5 on.

Names, options and values are scikit-learn's (`accuracy` is its ``accuracy_score``, `top_k_accuracy`
its ``top_k_accuracy_score``). Where a number is not defined it is the one that scikit-learn
gives, NaN or 0, but no warning comes with it: a training does not end because one epoch predicts
no positives. Each function says when that is. NaN is never the best epoch.
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
from chainrule.metrics.ranking import roc_auc_score
from chainrule.metrics.regression import (
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from chainrule.metrics.roc import roc_curve

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
