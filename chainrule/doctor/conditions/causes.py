"""What follows from what: the root first, and its consequences under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.doctor.conditions.finding import NOTE, SEVERITIES, Finding

ROOTS = (
    "not-finite-data",
    "labels-out-of-range",
    "labels-not-one-hot",
    "constant-target",
    "no-softmax",
    "wrong-backward",
    "leaking-column",
    "duplicate-rows",
    "softmax-twice",
    "sigmoid-for-classes",
    "bounded-output",
    "input-scale",
    "dominating-samples",
    "target-scale",
    "symmetric-neurons",
    "initialization-too-large",
    "initialization-too-small",
    "vanishing-gradients",
    "small-batches-for-batch-norm",
    "learning-rate-too-high",
    "exploding-gradients",
    "dead-relu",
    "saturated-activation",
    "unchanged-layer",
    "learning-rate-too-low",
    "train-predict-gap",
    "underfitting",
    "class-imbalance",
    "validation-overlap",
    "overfitting",
    "missing-class",
    "duplicate-columns",
    "loss-at-start",
    "not-a-number",
    "cannot-overfit-a-batch",
    "refused",
    "constant-columns",
    "still-improving",
    "mislabelled-rows",
    "converged",
)
"""All conditions, the one that explains others before those: data, labels, output, weights, steps,
and what is seen of them."""

SYMPTOMS = {
    "loss-at-start",
    "not-a-number",
    "cannot-overfit-a-batch",
    "dead-relu",
    "saturated-activation",
    "exploding-gradients",
    "learning-rate-too-high",
    "learning-rate-too-low",
    "underfitting",
    "unchanged-layer",
    "still-improving",
    "converged",
    "overfitting",
    "train-predict-gap",
    "vanishing-gradients",
    "mislabelled-rows",
}

OF_EVERYTHING = {
    "cannot-overfit-a-batch",
    "refused",
    "not-a-number",
    "still-improving",
    "converged",
}
"""What may follow from every problem."""

FOLLOWS: dict[str, set[str]] = {
    "input-scale": SYMPTOMS
    | {"initialization-too-large", "initialization-too-small", "dominating-samples"},
    "target-scale": SYMPTOMS | {"dominating-samples"},
    "dominating-samples": SYMPTOMS | {"target-scale"},
    "not-finite-data": SYMPTOMS,
    "labels-out-of-range": SYMPTOMS | {"missing-class"},
    "labels-not-one-hot": SYMPTOMS,
    "no-softmax": SYMPTOMS,
    "softmax-twice": SYMPTOMS,
    "sigmoid-for-classes": SYMPTOMS,
    "bounded-output": SYMPTOMS,
    "wrong-backward": SYMPTOMS | {"small-batches-for-batch-norm"},
    "symmetric-neurons": SYMPTOMS | {"class-imbalance"},
    "initialization-too-large": SYMPTOMS - {"overfitting"},
    "initialization-too-small": SYMPTOMS - {"overfitting"},
    "vanishing-gradients": {
        "learning-rate-too-low",
        "underfitting",
        "unchanged-layer",
        "saturated-activation",  # where they were at the start, they are the root
        "cannot-overfit-a-batch",
    },
    "exploding-gradients": {"learning-rate-too-high", "dead-relu", "saturated-activation"},
    "small-batches-for-batch-norm": {
        "train-predict-gap",
        "learning-rate-too-high",
        "underfitting",
        "exploding-gradients",
    },
    "learning-rate-too-high": {
        "dead-relu",
        "saturated-activation",
        "train-predict-gap",
        "underfitting",
        "exploding-gradients",
        "unchanged-layer",
        "overfitting",
        "mislabelled-rows",
    },
    "learning-rate-too-low": {"underfitting", "train-predict-gap", "class-imbalance"},
    "dead-relu": {
        "unchanged-layer",
        "underfitting",
        "vanishing-gradients",
        "learning-rate-too-low",
        "cannot-overfit-a-batch",
    },
    "unchanged-layer": {"underfitting", "learning-rate-too-low", "cannot-overfit-a-batch"},
    "saturated-activation": {
        "vanishing-gradients",
        "unchanged-layer",
        "underfitting",
        "cannot-overfit-a-batch",
    },
    "underfitting": {"cannot-overfit-a-batch"},
    "train-predict-gap": {"mislabelled-rows", "underfitting"},  # both are measured in prediction
    "leaking-column": {"validation-overlap"},
    "duplicate-rows": {"validation-overlap"},
    "constant-target": SYMPTOMS,
}
"""What each condition explains."""


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return the roots, problems first, each with what follows from it under it."""
    once: dict[str, Finding] = {}
    for finding in findings:
        known = once.get(finding.id)
        if known is None or _weight(finding) < _weight(known):
            once[finding.id] = finding
    found = sorted(once.values(), key=lambda f: ROOTS.index(f.id))
    under: dict[str, list[Finding]] = {}
    roots: list[Finding] = []
    for finding in found:
        cause = next((root for root in roots if _explains(root, finding)), None)
        if cause is None:
            roots.append(finding)
        else:
            under.setdefault(cause.id, []).append(finding)
    roots = [with_consequences(root, under.get(root.id, [])) for root in roots]
    return sorted(roots, key=lambda f: (_weight(f), ROOTS.index(f.id)))


def with_consequences(root: Finding, under: Sequence[Finding]) -> Finding:
    """Return a root with what follows from it; it is as grave as the gravest of that."""
    gravest = min([root, *under], key=_weight).severity
    return replace(root, severity=gravest, consequences=tuple(under))


def _weight(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _explains(root: Finding, finding: Finding) -> bool:
    """Whether this root explains that finding; a note explains nothing.

    A warning explains a problem: that there is one shows that it does harm.
    """
    if root.severity == NOTE:
        return False
    follows = FOLLOWS.get(root.id, set())
    return finding.id in follows or (_weight(root) == 0 and finding.id in OF_EVERYTHING)
