"""Conditions of failures: a wrong backward, NaN in training, what is refused outright."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.doctor.conditions.condition import Condition, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.gradients import clip
from chainrule.doctor.conditions.setup import TrainingSetup


class WrongBackward(Condition):
    """A wrong backward.

    Backward must return how much the loss changes with the input, and set the same for every
    parameter. Finite differences, which need no backward, disagree with it here.
    """

    id = "wrong-backward"
    order = 60
    setup_fault = True
    remedy = """from chainrule import check_module
print(check_module(module, x))  # says what the error looks like"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        for path, verdict in exam.wrong_backward:
            first = verdict.splitlines()[0]
            yield self.finding(
                "problem",
                path,
                f"the backward of {path} is wrong: {first}",
                ("gradient check", first, "all gradients are right"),
                layers=(path,),
            )


class NotANumber(Condition):
    """NaN or infinity in training.

    A number became larger than its type can hold, or a calculation had no result; from there it
    spreads to everything. Mostly the learning rate is too high, or an input is huge.
    """

    id = "not-a-number"
    order = 340
    symptom_of = ("all problems", "setup faults")
    remedy = "trainer = Trainer(network, loss, Adam(0.001), clip_norm=1.0)"

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.not_finite:
            first, *rest = exam.not_finite.splitlines()
            where = next((line.strip() for line in rest if "first such array" in line), first)
            where = where.removeprefix("the first such array: ")
            yield self.finding(
                "problem",
                where,
                f"training met NaN or infinity: {where}",
                ("first array that was not finite", where.rpartition(": ")[2], "none"),
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return clip(setup)


class Refused(Condition):
    """A training that is refused.

    The network, the data and the loss do not fit together, so that training cannot start. The
    message says what was expected and what was given.
    """

    id = "refused"
    order = 360
    symptom_of = ("all problems",)
    remedy = "print(network.summary(X[:1]))"

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.refused:
            where, message = "before the first step", exam.refused.splitlines()[0]
            yield self.finding("problem", where, message, ("trial run", "refused", "runs"))
