"""Conditions of the learning rate: too high, too low."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Finding, TrainCommand
from chainrule.doctor.conditions.examination import Examination, LearningCurve
from chainrule.doctor.conditions.gradients import exploded_at_start
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.doctor.conditions.weights import cut_off


class LearningRateTooHigh(Condition):
    """A learning rate that is too high.

    A step that is too long leaps over the valley that the gradient points into. The loss then jumps
    to and fro, or away for good, and units may be pushed to where they are dead.
    """

    id = "learning-rate-too-high"
    order = 200
    symptom_of = ("setup faults", "exploding-gradients", "small-batches-for-batch-norm")

    def find(self, exam: Examination) -> Iterator[Finding]:
        trial = exam.trial
        if trial is None or not math.isfinite(trial.first):
            return
        if exam.optimizer is not None and exam.optimizer.finds_step_lengths:
            return
        if exploded_at_start(exam) or cut_off(exam.start):
            return  # it was so before the first step, whatever the rate
        if exam.slower is None:
            yield from self._in_watched_training(exam, trial)
        else:
            yield from self._in_trials(exam, trial, exam.slower)

    def _in_trials(
        self, exam: Examination, trial: LearningCurve, slower: LearningCurve
    ) -> Iterator[Finding]:
        """Compare the trial with one that had a lower rate."""
        here, there = exam.remaining(trial, slower)
        diverged = trial.last > t.DIVERGED * trial.first or not math.isfinite(trial.last)
        better = there < t.CLEARLY_BETTER * here and here - there > t.WORTH
        if not better or not (diverged or here > t.MUCH_LEFT or swings(trial) > t.SWINGS):
            return
        rate = learning_rate(exam)
        lower = f"{rate * slower.factor:.3g}"
        what = "diverges" if diverged else "stays high" if here > t.MUCH_LEFT else "swings"
        grave = diverged or (here > t.MUCH_LEFT and there < t.MUCH_BETTER * here)
        yield self.finding(
            "problem" if grave else "warning",
            "the optimizer",
            f"with the learning rate {rate:.3g} the loss {what} ({trial.first:.3g} to "
            f"{trial.last:.3g}); with {lower} it reaches {slower.last:.3g} in as many steps",
            (f"loss after {len(trial.losses)} steps", trial.last, f"below {trial.first:.3g}"),
            (f"the same with the learning rate {lower}", slower.last, "not lower"),
            remedy=optimizer_with_rate(exam, rate * slower.factor),
        )

    def _in_watched_training(self, exam: Examination, trial: LearningCurve) -> Iterator[Finding]:
        """Look at a training for which no other rate was tried."""
        finite = trial.losses[np.isfinite(trial.losses)]
        end = trial.last if math.isfinite(trial.last) or not len(finite) else float(finite[-1])
        first_step = median(update_ratios(exam.measured[:1]))
        if end > t.DIVERGED * trial.first:  # a NaN without a rise has another cause
            told, evidence = "diverges", ("loss at the end", end, f"below {trial.first:.3g}")
        elif first_step > t.UPDATE_TOO_LARGE and end > t.NOTHING_LEARNED * trial.first:
            told = (
                f"did not fall, and the first steps changed the weights by {first_step:.2g} of "
                "their size"
            )
            evidence = "update of the weights by their size, a step", first_step, "about 0.001"
        else:
            return
        rate = learning_rate(exam)
        yield self.finding(
            "problem",
            "the optimizer",
            f"with the learning rate {rate:.3g} the loss goes from {trial.first:.3g} to "
            f"{trial.last:.3g}: it {told}",
            evidence,
            remedy=optimizer_with_rate(exam, rate / 10),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.rates_to_try = "lower"
        return ""


class LearningRateTooLow(Condition):
    """A learning rate that is too low.

    Each step changes the weights by so small a part of their size that they are nearly the same in
    the end. In the epochs there are, the loss cannot get to where it could be.
    """

    id = "learning-rate-too-low"
    order = 250
    symptom_of = ("setup faults", "vanishing-gradients", "dead-relu", "unchanged-layer")

    def find(self, exam: Examination) -> Iterator[Finding]:
        trial, faster = exam.trial, exam.faster
        if trial is None or faster is None or not math.isfinite(trial.last):
            return
        here, there = exam.remaining(trial, faster)
        steps = len(trial.losses)
        planned = max(1.0, exam.steps / max(1, steps))
        expected = max(0.0, 1 - (1 - here) * planned)  # if the loss went on to fall as fast
        if not (expected > t.MUCH_LEFT and there < t.CLEARLY_BETTER * here):
            return
        ratio = usual_update(exam)
        if ratio > t.UPDATE_USUAL:
            return
        rate = learning_rate(exam)
        sure = planned <= 2 or steps >= t.STEPS_TO_JUDGE
        yield self.finding(
            "problem" if expected > t.ALL_LEFT and sure else "warning",
            "the optimizer",
            f"with the learning rate {rate:.3g} the loss goes from {trial.first:.3g} to "
            f"{trial.last:.3g} in {steps} steps; with {rate * faster.factor:.3g}, to "
            f"{faster.last:.3g}",
            ("update of a parameter by its size, a step", ratio, "about 0.001"),
            (
                f"share of the loss left after {max(exam.steps, steps)} steps",
                expected,
                f"below {t.MUCH_LEFT:g}",
            ),
            remedy=optimizer_with_rate(exam, rate * faster.factor),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.rates_to_try = "higher"
        return ""

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        """Train ten times as long: the learning rate of `chainrule train` is what it is."""
        return command.with_options(epochs=10 * command.estimator.epochs)


def learning_rate(exam: Examination) -> float:
    """Return the learning rate at the start of training."""
    return exam.optimizer.current_learning_rate() if exam.optimizer is not None else float("nan")


def optimizer_with_rate(exam: Examination, rate: float) -> str:
    """Return the code of an optimizer with another learning rate."""
    kind = type(exam.optimizer).__name__
    return f"optimizer = {kind}({rate:.2g})  # or ask find_learning_rate(network, X, y, loss=loss)"


def higher_rate_helps(exam: Examination) -> bool:
    """Whether the trial with a higher rate left clearly less of the loss."""
    if exam.trial is None or exam.faster is None:
        return False
    here, there = exam.remaining(exam.trial, exam.faster)
    return there < t.CLEARLY_BETTER * here


def usual_update(exam: Examination) -> float:
    """Return the median update of the weights relative to their size, where they moved."""
    return median([ratio for ratio in update_ratios(exam.measured) if ratio > 0])


def update_ratios(snapshots: Sequence[Snapshot]) -> list[float]:
    """Return the updates of all weights relative to their size."""
    ratios = [p.update_ratio for s in snapshots for p in s.parameters if p.is_weight]
    return [ratio for ratio in ratios if math.isfinite(ratio)]


def median(values: Sequence[float]) -> float:
    """Return the median; NaN of nothing."""
    return float(np.median(values)) if values else float("nan")


def swings(trial: LearningCurve) -> float:
    """Return how much means of five losses differ from the next, in the second half, relatively."""
    losses = trial.losses[len(trial.losses) // 2 :]
    if len(losses) < 20 or not np.isfinite(losses).all():
        return 0.0
    means = losses[: len(losses) // 5 * 5].reshape(-1, 5).mean(axis=1)
    return float(np.abs(np.diff(means)).mean() / max(means.mean(), 1e-12))
