"""Finding out what is wrong.

gradient_check/   is this backward right?
post_mortem.py    where NaN or infinity came from
machine.py        what computes here: NumPy, BLAS and the processor
"""

from chainrule.diagnosis.gradient_check import check_loss, check_module
from chainrule.diagnosis.machine import Environment, environment
from chainrule.diagnosis.post_mortem import replay

__all__ = ["Environment", "check_loss", "check_module", "environment", "replay"]
