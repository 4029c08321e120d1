"""What the doctor knows: how each condition is told from what was measured, and what it explains.

finding.py       what is said of a condition
names.py         what the user calls columns, rows and classes
thresholds.py    every number that a verdict hangs on, with its reason
case.py          all that a condition may look at
snapshot.py      one pass, as a few numbers a layer
endings.py       how a network ends
inputs.py targets.py mislabelled.py output_layer.py start.py activations.py gradients.py steps.py
course.py broken.py      the conditions, each a function from a case to its findings
tables.py        those of a table as it was given, before it was prepared
causes.py        the root first, its consequences under it

Nothing is trained here: `chainrule.doctor` does, and asks these.
"""

from __future__ import annotations

from chainrule.doctor.conditions import (
    activations,
    broken,
    course,
    gradients,
    inputs,
    mislabelled,
    output_layer,
    start,
    steps,
    tables,
    targets,
)
from chainrule.doctor.conditions.case import Case, Trial
from chainrule.doctor.conditions.causes import ordered
from chainrule.doctor.conditions.finding import Evidence, Finding

__all__ = ["Case", "Evidence", "Finding", "Trial", "every_finding", "static_findings"]

STATIC = (
    *output_layer.CONDITIONS,
    *targets.CONDITIONS,
    *inputs.CONDITIONS,
    *start.CONDITIONS,
)
"""Those that need no pass through the network: the trainer looks at them before its first step."""

MEASURED = (
    *inputs.COSTLY,
    *start.MEASURED,
    *activations.MEASURED,
    *gradients.MEASURED,
    *mislabelled.MEASURED,
    *steps.MEASURED,
    *course.MEASURED,
    *broken.MEASURED,
)


def static_findings(case: Case) -> list[Finding]:
    """Return what is found without a pass through the network, in the order of the conditions."""
    return [finding for condition in STATIC for finding in condition(case)]


def every_finding(case: Case, table: Case | None = None) -> list[Finding]:
    """Return all that is found, the root first and its consequences under it.

    `table` is the case of the same rows as they were given; what is told of columns is asked of it.
    """
    if table is None:
        return ordered([f for condition in (*STATIC, *MEASURED) for f in condition(case)])
    prepared = [c for c in (*STATIC, *MEASURED) if c not in tables.OF_A_TABLE]
    found = [f for condition in prepared for f in condition(case)]
    return ordered(found + [f for condition in tables.OF_A_TABLE for f in condition(table)])
