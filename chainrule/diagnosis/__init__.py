"""Finding out what is wrong.

gradient_check/   is this backward right?
post_mortem.py    where NaN or infinity came from
"""

from chainrule.diagnosis.gradient_check import check_loss, check_module
from chainrule.diagnosis.post_mortem import replay

__all__ = ["check_loss", "check_module", "replay"]
