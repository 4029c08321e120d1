"""Losses: how wrong the predictions are, and the gradient of that at the predictions.

base.py             Loss: checks at the door, weights, the mean
class_weight.py     how much each class counts
cross_entropy.py    for classes, and yes or no, from probabilities or logits
focal.py            cross-entropy that looks away from what is easy
margin.py           hinges: right by a margin is right enough
regression.py       for numbers, counts and directions
several.py          for networks of several outputs
"""

from chainrule.loss_functions.base import Loss, one_hot
from chainrule.loss_functions.cross_entropy import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    KLDivergence,
)
from chainrule.loss_functions.focal import BinaryFocalCrossEntropy, CategoricalFocalCrossEntropy
from chainrule.loss_functions.margin import CategoricalHinge, Hinge, MultiMargin
from chainrule.loss_functions.regression import (
    CosineSimilarity,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
)
from chainrule.loss_functions.several import JointLoss, LossPerOutput

__all__ = [
    "BinaryCrossEntropy",
    "BinaryFocalCrossEntropy",
    "CategoricalCrossEntropy",
    "CategoricalFocalCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "JointLoss",
    "KLDivergence",
    "Loss",
    "LossPerOutput",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MultiMargin",
    "Poisson",
    "Quantile",
    "one_hot",
]
