"""Everything that can keep a network from learning, one class for each condition.

condition.py     what a condition is, and what it says: Condition, Finding
search.py        looks for all of them; the root first, its consequences under it
examination.py   what a condition looks at; snapshot.py: one pass in numbers
thresholds.py    the numbers on which verdicts depend, each with its reason
setup.py         what a remedy may change; rebuilding.py: networks with something changed
names.py         what the user calls columns, rows and classes

The conditions: inputs, leaks, targets, mislabelled, output_layer, weights, activations, batch_norm,
gradients, learning_rate, learning_curves, failures.

Nothing is trained here: the trials are in `chainrule.doctor`.
"""

from chainrule.doctor.conditions import (  # noqa: F401  a class is known once it is defined
    activations,
    batch_norm,
    failures,
    gradients,
    inputs,
    leaks,
    learning_curves,
    learning_rate,
    mislabelled,
    output_layer,
    targets,
    weights,
)
from chainrule.doctor.conditions.condition import CONDITIONS, Condition, Finding, Measurement
from chainrule.doctor.conditions.examination import Examination, still_falling
from chainrule.doctor.conditions.search import all_findings, by_cause, static_findings

__all__ = [
    "CONDITIONS",
    "Condition",
    "Examination",
    "Finding",
    "Measurement",
    "all_findings",
    "by_cause",
    "static_findings",
    "still_falling",
]
