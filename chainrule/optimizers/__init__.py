"""How parameters follow their gradients.

Each optimizer is its formula, `update_rule`, written for a whole vector: w are the values, g the
gradients, the rest the optimizer's own state. `Optimizer.step` applies it to a network, block
by block so that a block's vectors stay in the processor's cache together.

base.py         Optimizer: the step, weight decay, lr_multipliers and freezing, the state
descent.py      one learning rate for all weights: SGD, Momentum, Nesterov, Lion
adaptive.py     one for each weight: AdaGrad, Adadelta, RMSprop, Rprop
adam.py         momentum, and one for each weight: Adam and its variants
muon.py         weight matrices moved as matrices: Muon
lbfgs.py        the curvature from past steps, for small data: LBFGS
line_search.py  how far to go in a direction, for LBFGS
clipping.py     gradient clipping
schedules.py    the learning rate as a function of the step
"""

from chainrule.optimizers.adam import Adam, Adamax, AdamW, NAdam, RAdam
from chainrule.optimizers.adaptive import Adadelta, AdaGrad, RMSprop, Rprop
from chainrule.optimizers.base import Optimizer
from chainrule.optimizers.clipping import clip_by_global_norm, clip_by_value, gradient_norm
from chainrule.optimizers.descent import SGD, Lion, Momentum, Nesterov
from chainrule.optimizers.lbfgs import LBFGS
from chainrule.optimizers.muon import Muon
from chainrule.optimizers.schedules import (
    ConstantLR,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    LinearLR,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
)

__all__ = [
    "LBFGS",
    "SGD",
    "AdaGrad",
    "Adadelta",
    "Adam",
    "AdamW",
    "Adamax",
    "ConstantLR",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "LinearLR",
    "LinearWarmup",
    "Lion",
    "Momentum",
    "MultiStepDecay",
    "Muon",
    "NAdam",
    "Nesterov",
    "OneCycle",
    "Optimizer",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "Rprop",
    "StepDecay",
    "clip_by_global_norm",
    "clip_by_value",
    "gradient_norm",
]
