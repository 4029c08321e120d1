"""Many networks of one architecture, trained at once as one stack.

ensemble.py       Ensemble: trains the members, predicts with them, saves them
members.py        the hyperparameters that each network has of its own
architecture.py   what all have in common, as one network or as a stack
stack.py          networks into a stack and out of it
objective.py      a loss computed for each member separately
folds.py          which samples each member learns from, if that differs
optimizer.py      one optimizer for all, with a learning rate and a weight decay per member
training.py       the training loop
scorer.py         how good each member is on validation samples
selection.py      which members predict together, chosen greedily
"""

from chainrule.ensemble.ensemble import Ensemble
from chainrule.ensemble.members import Member

__all__ = ["Ensemble", "Member"]
