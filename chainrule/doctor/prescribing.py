"""prescribe: from findings to a set-up, treated, its learning rate tried, and examined again."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.doctor import trial
from chainrule.doctor.conditions import every_finding
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import NOTE, PROBLEM, Finding
from chainrule.doctor.examination import MOST_STEPS, examine_case
from chainrule.doctor.prescription import Prescription
from chainrule.doctor.remedies import NOTES_TREATED, REMEDIES

RATES_TO_TRY = {
    "lower": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001),
    "higher": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0),
    "any": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
}
"""What the learning rate is multiplied with in the trials that choose another one."""

NEARLY, SURELY_BETTER = 0.005, 0.2
"""Rates whose loss ends within this part of the range of losses are as good as the best: of those
the one nearest to the user's is taken. Where the rate is not the root it takes more to leave it."""

TRIAL_STEPS = 400

FURTHER_ROUNDS = 2
"""How often what was treated is examined again."""


def prescribe(findings: Sequence[Finding], case: Case) -> Prescription:
    """Return a set-up in which every root that is a problem or a warning is treated.

    What was treated is examined again, for problems that were hidden behind the first.
    """
    plan = Prescription(case)
    treat(plan, [f for f in findings if f.severity != NOTE or f.id in NOTES_TREATED])
    choose_rate(plan, [f for root in findings for f in (root, *root.consequences)])
    for _ in range(FURTHER_ROUNDS):
        if not plan.changes:
            break
        known = {name for name, _ in plan.changes + plan.untreated}
        hidden = [f for f in left_over(plan) if f.id not in known or _of_the_rate(f)]
        if not hidden:
            break
        plan.search = ""
        treat(plan, hidden)
        choose_rate(plan, hidden)
    return plan


def treat(plan: Prescription, findings: Sequence[Finding]) -> None:
    """Apply the remedies, and note what was changed and what has none."""
    for finding in findings:
        remedy = REMEDIES.get(finding.id)
        said = None if remedy is None else remedy(plan, finding)
        if said is None:
            plan.untreated.append((finding.id, finding.remedy.splitlines()[0]))
        elif said:
            plan.changes.append((finding.id, said))


def choose_rate(plan: Prescription, everything: Sequence[Finding]) -> None:
    """Choose the learning rate by trials, where a finding that was treated asks for it."""
    of_the_rate = [finding.id for finding in everything if _of_the_rate(finding)]
    if of_the_rate and plan.changes:
        plan.search = plan.search or "any"
    if not plan.search:
        return
    factors = RATES_TO_TRY[plan.search]
    steps = max(20, min(TRIAL_STEPS, plan.case.steps or TRIAL_STEPS))
    enough = NEARLY if of_the_rate or plan.search != "any" else SURELY_BETTER
    factor = trial.best_rate(plan.current(), steps, 0, factors, enough)
    name = of_the_rate[0] if of_the_rate else plan.changes[0][0]
    if factor != 1.0:
        trial.scale_rate(plan.optimizer, factor)
        plan.changes.append(
            (
                name,
                f"the learning rate is {plan.optimizer.current_learning_rate():.2g}: of "
                f"{len(factors)} that were tried for {steps} steps each, it is the nearest to "
                "yours that ended lowest, or nearly",
            )
        )
    elif not plan.changes:
        plan.untreated.append((name, f"of {len(factors)} learning rates none ended clearly lower"))


def left_over(plan: Prescription) -> list[Finding]:
    """Return what an examination finds in the set-up as it is now: problems, and a wrong rate."""
    case = plan.current()
    examine_case(case, max(10, min(MOST_STEPS, case.steps)), 0)
    found = [f for f in every_finding(case) if f.severity == PROBLEM or _of_the_rate(f)]
    return [f for f in found if f.id in REMEDIES]


def _of_the_rate(finding: Finding) -> bool:
    return finding.id.startswith("learning-rate") and finding.severity != NOTE
