"""How parameters follow their gradients.

Each optimizer is its formula, `update_rule`, written for a whole vector: w are the values, g the
gradients, the rest the optimizer's own state. `Optimizer.step` applies it to a network, block
by block so that a block's vectors stay in the processor's cache together.

base.py         Optimizer: the step, weight decay, lr_multipliers and freezing, the state
descent.py      one learning rate for all weights: SGD, Momentum, Nesterov, Lion
adaptive.py     one for each weight: AdaGrad, RMSprop, Adam and its variants
clipping.py     gradient clipping
schedules.py    the learning rate as a function of the step
"""

from chainrule.optimizers.adaptive import AdaGrad, Adam, AdamW, NAdam, RAdam, RMSprop
from chainrule.optimizers.base import Optimizer
from chainrule.optimizers.clipping import clip_by_global_norm, clip_by_value, gradient_norm
from chainrule.optimizers.descent import SGD, Lion, Momentum, Nesterov
from chainrule.optimizers.schedules import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
)

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "LinearWarmup",
    "Lion",
    "Momentum",
    "MultiStepDecay",
    "NAdam",
    "Nesterov",
    "OneCycle",
    "Optimizer",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "StepDecay",
    "clip_by_global_norm",
    "clip_by_value",
    "gradient_norm",
]
