"""How parameters follow their gradients.

Each optimizer is its formula, `rule`, written for a whole vector: w are the values, g the
gradients, the rest the optimizer's own memory. `Optimizer.step` applies it to a network, block
by block so that a block's vectors stay in the processor's cache together.

base.py         Optimizer: the step, weight decay, factors and freezing, the state
descent.py      one learning rate for all weights: SGD, Momentum, Nesterov, Lion
adaptive.py     one for each: AdaGrad, RMSprop, Adam and its kin
clipping.py     gradients kept within bounds
averaging.py    an average of the weights, for evaluation
"""

from chainrule.optimizers.adaptive import AdaGrad, Adam, AdamW, NAdam, RAdam, RMSprop
from chainrule.optimizers.averaging import ExponentialMovingAverage
from chainrule.optimizers.base import Optimizer
from chainrule.optimizers.clipping import clip_by_global_norm, clip_by_value, gradient_norm
from chainrule.optimizers.descent import SGD, Lion, Momentum, Nesterov

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "ExponentialMovingAverage",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "clip_by_global_norm",
    "clip_by_value",
    "gradient_norm",
]
