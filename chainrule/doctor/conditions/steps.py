"""Conditions of the steps: a rate too high or too low, layers that no step moves."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case, Trial
from chainrule.doctor.conditions.finding import NOTE, PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.gradients import exploded_at_the_start
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.doctor.conditions.start import cut_off
from chainrule.optimizers import Optimizer

TOO_LONG = (
    "A step that is too long leaps over the valley that the gradient points into. The loss then "
    "jumps to and fro, or away for good, and units may be pushed to where they are dead."
)


def left(trial: Trial | None, floor: float, first: float) -> float:
    """Return what is left of the loss above `floor`, as a part of what there was at first."""
    if trial is None or not first > floor:
        return float("nan")
    return (trial.last - floor) / (first - floor)


def origin(trial: Trial, floor: float) -> float:
    """Return the loss that there is to lower: the first one, or that of guessing if it is less.

    Where no trial came below guessing, what there was to lower is the first one.
    """
    guessing = trial.baseline
    return min(trial.first, guessing) if guessing > floor else trial.first


def update_ratio(case: Case) -> float:
    """Return by which part of their size a step moves the weights: the median of those measured."""
    return _median([r for r in _update_ratios(case.measured) if r > 0])


def not_the_rate(case: Case) -> bool:
    """Whether what is wrong was so before a single step, so that no rate is to blame."""
    return exploded_at_the_start(case) or (case.start is not None and cut_off(case.start))


def left_of_both(case: Case, trial: Trial, other: Trial) -> tuple[float, float]:
    """Return what is left of the loss after the trial as it is, and after another."""
    floor = _floor(case)
    first = origin(trial, floor)
    return left(trial, floor, first), left(other, floor, first)


def a_higher_rate_helps(case: Case) -> bool:
    """Whether the trial with a higher rate left clearly less of the loss."""
    if case.trial is None or case.faster is None:
        return False
    here, there = left_of_both(case, case.trial, case.faster)
    return there < t.CLEARLY_BETTER * here


def rate_of(case: Case) -> float:
    """Return the learning rate that training begins with."""
    return case.optimizer.current_learning_rate() if case.optimizer is not None else float("nan")


def learning_rate_too_high(case: Case) -> Iterator[Finding]:
    """Find training that a lower rate does much better."""
    trial, slower = case.trial, case.slower
    if trial is None or not math.isfinite(trial.first) or not_the_rate(case):
        return
    if slower is None:
        yield from _diverged(case, trial)
        return
    here, there = left_of_both(case, trial, slower)
    swings = oscillation(trial)
    diverged = trial.last > t.DIVERGED * trial.first or not math.isfinite(trial.last)
    better = there < t.CLEARLY_BETTER * here and here - there > t.WORTH
    if not better or not (diverged or here > t.MUCH_LEFT or swings > t.SWINGS):
        return
    rate = rate_of(case)
    what = "diverges" if diverged else "stays high" if here > t.MUCH_LEFT else "swings"
    yield Finding(
        "learning-rate-too-high",
        PROBLEM if diverged or (here > t.MUCH_LEFT and there < t.MUCH_BETTER * here) else WARNING,
        "the optimizer",
        f"with the rate {rate:.3g} the loss {what} ({trial.first:.3g} to {trial.last:.3g}); with "
        f"{rate * slower.factor:.3g} it comes to {slower.last:.3g} in as many steps",
        (
            Evidence(
                f"loss after {len(trial.losses)} steps", trial.last, f"below {trial.first:.3g}"
            ),
            Evidence(
                f"the same with the rate {rate * slower.factor:.3g}", slower.last, "not lower"
            ),
        ),
        TOO_LONG,
        f"optimizer = {_with_rate(case, rate * slower.factor)}",
    )


def _diverged(case: Case, trial: Trial) -> Iterator[Finding]:
    """Tell what a training shows that was watched, where no other rate was tried."""
    finite = trial.losses[np.isfinite(trial.losses)]
    end = trial.last if math.isfinite(trial.last) or not len(finite) else float(finite[-1])
    thrown = first_update(case)
    if end > t.DIVERGED * trial.first:  # of a NaN without a rise another thing is the cause
        told, evidence = "diverges", Evidence("loss at the end", end, f"below {trial.first:.3g}")
    elif thrown > t.UPDATE_TOO_LARGE and end > t.NOTHING_LEARNED * trial.first:
        told = (
            f"came to nothing, and the first steps moved the weights by {thrown:.2g} of their size"
        )
        evidence = Evidence("update by the weights' size, a step", thrown, "about 0.001")
    else:
        return
    rate = rate_of(case)
    yield Finding(
        "learning-rate-too-high",
        PROBLEM,
        "the optimizer",
        f"with the rate {rate:.3g} the loss goes from {trial.first:.3g} to {trial.last:.3g}: it "
        f"{told}",
        (evidence,),
        TOO_LONG,
        f"optimizer = {_with_rate(case, rate / 10)}",
    )


def first_update(case: Case) -> float:
    """Return by which part of their size the first step measured moved the weights: the median."""
    return _median(_update_ratios(case.measured[:1]))


def _update_ratios(snapshots: Sequence[Snapshot]) -> list[float]:
    ratios = [p.update_ratio for s in snapshots for p in s.parameters if p.weighs]
    return [ratio for ratio in ratios if math.isfinite(ratio)]


def _median(numbers: Sequence[float]) -> float:
    return float(np.median(numbers)) if numbers else float("nan")


def learning_rate_too_low(case: Case) -> Iterator[Finding]:
    """Find training that will not arrive in its steps, and would with ten times the rate."""
    trial, faster = case.trial, case.faster
    if trial is None or faster is None or not math.isfinite(trial.last):
        return
    here, there = left_of_both(case, trial, faster)
    planned = max(1.0, case.steps / max(1, len(trial.losses)))
    expected = max(0.0, 1 - (1 - here) * planned)  # if the loss went on to fall as fast
    if not (expected > t.MUCH_LEFT and there < t.CLEARLY_BETTER * here):
        return
    ratio = update_ratio(case)
    if ratio > t.UPDATE_USUAL:
        return
    rate, enough = rate_of(case), len(trial.losses) >= t.STEPS_TO_JUDGE
    yield Finding(
        "learning-rate-too-low",
        PROBLEM if expected > t.ALL_LEFT and (planned <= 2 or enough) else WARNING,
        "the optimizer",
        f"with the rate {rate:.3g} the loss goes from {trial.first:.3g} to {trial.last:.3g} in "
        f"{len(trial.losses)} steps; with {rate * faster.factor:.3g}, to {faster.last:.3g}",
        (
            Evidence("update of a parameter by its size, a step", ratio, "about 0.001"),
            Evidence(
                f"part of the loss left after {max(case.steps, len(trial.losses))} steps",
                expected,
                f"below {t.MUCH_LEFT:g}",
            ),
        ),
        "Each step moves the weights by so small a part of their size that they are nearly the "
        "same in the end. With the epochs there are, the loss cannot get to where it could be.",
        f"optimizer = {_with_rate(case, rate * faster.factor)}",
    )  # fmt: skip


def _with_rate(case: Case, rate: float) -> str:
    kind = type(case.optimizer).__name__
    return f"{kind}({rate:.2g})  # or ask find_learning_rate(network, X, y, loss=loss)"


def _floor(case: Case) -> float:
    """Return the lowest loss that any of the trials saw, or a little below."""
    trials = [case.trial, case.slower, case.faster, case.unfrozen]
    ends = [trial.last for trial in trials if trial is not None and math.isfinite(trial.last)]
    if case.reference is not None and math.isfinite(case.reference.held_out):
        ends.append(case.reference.held_out)  # what can be had from these data
    lowest = min(ends, default=0.0)
    return lowest - 0.02 * abs(lowest) if lowest > 0 else lowest - 1e-9


def oscillation(trial: Trial) -> float:
    """Return how a trial's losses swing in its second half: from five steps to the next five."""
    losses = trial.losses[len(trial.losses) // 2 :]
    if len(losses) < 20 or not np.isfinite(losses).all():
        return 0.0
    means = losses[: len(losses) // 5 * 5].reshape(-1, 5).mean(axis=1)
    return float(np.abs(np.diff(means)).mean() / max(means.mean(), 1e-12))


def unchanged_layer(case: Case) -> Iterator[Finding]:
    """Find parameters that no step moves: frozen on purpose, or cut off from the loss."""
    if case.optimizer is None:
        return
    frozen = [
        path
        for path in case.network.named_parameters()
        for pattern, multiplier in case.optimizer.lr_multipliers.items()
        if multiplier == 0 and fnmatch.fnmatchcase(path, pattern)
    ]
    if frozen:
        yield _frozen(case, case.optimizer, frozen)
    still = _never_moved(case, set(frozen))
    if still:
        yield Finding(
            "unchanged-layer",
            PROBLEM,
            ", ".join(still[:6]),
            f"{still[0]}{' and others' if still[1:] else ''} got no gradient in any step: the "
            "layer never changes",
            (Evidence("gradient in every step measured", 0.0, "above 0"),),
            "A parameter whose gradient is exactly 0 has no influence on the loss. Either nothing "
            "that it computes is used, its backward does not set the gradient, or all behind it is "
            "dead.",
            "print(check_module(network, X[:4]))  # is the backward of "
            f"{still[0].rpartition('.')[0]} right?",
            layers=tuple(still),
        )


def not_freezing(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's `lr_multipliers` without those of 0."""
    return {p: factor for p, factor in optimizer.lr_multipliers.items() if factor != 0}


def _frozen(case: Case, optimizer: Optimizer, frozen: list[str]) -> Finding:
    """Tell which parameters are frozen, and whether training is much better without that."""
    evidence = [Evidence("their learning rate", 0.0, "above 0, if they are to learn")]
    severity, told = NOTE, ""
    if case.trial is not None and case.unfrozen is not None:
        here, there = left_of_both(case, case.trial, case.unfrozen)
        if there < t.CLEARLY_BETTER * here and here - there > t.WORTH:
            severity = PROBLEM if here > t.MUCH_LEFT and there < t.MUCH_BETTER * here else WARNING
            told = (
                f": the loss stays at {case.trial.last:.3g}, and comes to {case.unfrozen.last:.3g} "
                "where they learn"
            )
            evidence.append(
                Evidence("loss with nothing frozen", case.unfrozen.last, f"{case.trial.last:.3g}")
            )
    return Finding(
        "unchanged-layer",
        severity,
        ", ".join(frozen[:6]),
        f"{len(frozen)} parameters are frozen by lr_multipliers{told}",
        tuple(evidence),
        "A multiplier of 0 keeps a parameter as it is. That is right for layers that were trained "
        "before, and wrong for those that are new.",
        f"optimizer.lr_multipliers = {not_freezing(optimizer)}",
        layers=tuple(frozen),
    )


def _never_moved(case: Case, frozen: set[str]) -> list[str]:
    if len(case.measured) < 2:
        return []
    moved = {
        p.path
        for snapshot in case.measured
        for p in snapshot.parameters
        if p.gradient > 0 or not math.isfinite(p.gradient)
    }
    return [p.path for p in case.measured[-1].parameters if p.path not in moved | frozen]


CONDITIONS = ()
MEASURED = (learning_rate_too_high, learning_rate_too_low, unchanged_layer)
