"""Losses: how wrong the predictions are, and the gradient of that at the predictions.

base.py             Loss: what all losses share; sample weights, the mean over the batch
cross_entropy.py    for classes, and for yes or no, from probabilities or logits
focal.py            cross-entropy that focuses on hard samples
margin.py           hinge losses: right by a margin is right enough
regression.py       for numbers, counts and directions
several.py          for networks with several outputs
class_weight.py     how much each class counts
inputs.py           input validation: targets and predictions as rows
"""

from chainrule.loss_functions.base import Loss as Loss
from chainrule.loss_functions.cross_entropy import *
from chainrule.loss_functions.focal import *
from chainrule.loss_functions.inputs import one_hot as one_hot
from chainrule.loss_functions.margin import *
from chainrule.loss_functions.regression import *
from chainrule.loss_functions.several import *

__all__ = sorted(name for name, thing in globals().items() if callable(thing))
