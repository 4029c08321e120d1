"""Looks for all conditions, and sorts what is found: the root first, its consequences under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from chainrule.doctor.conditions.condition import CONDITIONS, Condition, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.loss_functions import Loss
from chainrule.network import Network


def static_findings(network: Network, loss: Loss, X: Any = None, y: Any = None) -> list[Finding]:
    """Return what is found without a pass through the network, the likeliest cause first.

    Parameters
    ----------
    network, loss : Network and Loss
        What is to be trained.
    X, y : arrays, optional
        Samples as the network gets them.
    """
    exam = Examination(network, loss, X=X, y=y)
    return [f for condition in _in_order() if condition.static for f in condition.find(exam)]


def all_findings(exam: Examination, table: Examination | None = None) -> list[Finding]:
    """Return everything that is found: the roots, each with its consequences.

    Parameters
    ----------
    exam : Examination
        What was measured.
    table : Examination, optional
        The same rows as the user gave them, where the network's inputs were prepared from a table.
    """
    found: list[Finding] = []
    for condition in _in_order():
        found += condition.find(table if table is not None and condition.of_table else exam)
    return by_cause(found)


def by_cause(findings: Sequence[Finding]) -> list[Finding]:
    """Return the roots, problems first, each with the findings that it explains under it."""
    gravest: dict[str, Finding] = {}
    for finding in findings:
        known = gravest.get(finding.id)
        if known is None or finding.gravity < known.gravity:
            gravest[finding.id] = finding
    roots: list[Finding] = []
    explained: dict[str, list[Finding]] = {}
    for finding in sorted(gravest.values(), key=lambda f: f.condition.order):
        cause = next((root for root in roots if finding.condition.is_symptom_of(root)), None)
        if cause is None:
            roots.append(finding)
        else:
            explained.setdefault(cause.id, []).append(finding)
    roots = [_with_consequences(root, explained.get(root.id, [])) for root in roots]
    return sorted(roots, key=lambda f: (f.gravity, f.condition.order))


def _with_consequences(root: Finding, consequences: Sequence[Finding]) -> Finding:
    """Return a root with its consequences; it is as grave as the gravest of them."""
    gravest = min([root, *consequences], key=lambda f: f.gravity).severity
    return replace(root, severity=gravest, consequences=tuple(consequences))


def _in_order() -> list[Condition]:
    return sorted(CONDITIONS.values(), key=attrgetter("order"))
