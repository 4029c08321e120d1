"""Many networks of one shape, trained at once as one.

members.py      what each network has of its own: learning rate, weight decay, dropout, seed
shape.py        what all have in common; many networks as one stack, and apart again
objective.py    a loss taken of every member alone; what is watched for getting better
folds.py        which samples each learns from, where that differs
selection.py    which members predict together, chosen greedily
training.py     the loop
ensemble.py     Ensemble, the door around all of it
"""

from chainrule.ensemble.ensemble import Ensemble
from chainrule.ensemble.members import Member

__all__ = ["Ensemble", "Member"]
