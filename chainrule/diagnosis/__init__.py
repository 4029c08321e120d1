"""Diagnosis: finding out what is wrong.

gradient_check/      compares backward with finite differences
optimizer_check.py   watches an optimizer's steps
post_mortem.py       finds where NaN or infinity came from
machine.py           describes what computes here: NumPy, BLAS and the processor
"""

from chainrule.diagnosis.gradient_check import check_loss, check_module
from chainrule.diagnosis.machine import Environment, environment
from chainrule.diagnosis.optimizer_check import check_optimizer
from chainrule.diagnosis.post_mortem import replay

__all__ = [
    "Environment",
    "check_loss",
    "check_module",
    "check_optimizer",
    "environment",
    "replay",
]
