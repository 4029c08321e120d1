"""Conditions of code rather than of training: a wrong backward, NaN, what is refused outright."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import PROBLEM, Evidence, Finding


def wrong_backward(case: Case) -> Iterator[Finding]:
    """Tell which modules of the user's own failed their gradient check."""
    for path, verdict in case.wrong_backward:
        yield Finding(
            "wrong-backward",
            PROBLEM,
            path,
            f"the backward of {path} is wrong: {verdict.splitlines()[0]}",
            (Evidence("gradient check", verdict.splitlines()[0], "all gradients are right"),),
            "Backward must return what the loss changes by when the input does, and set the same "
            "for every parameter. Finite differences, which need no backward, say something else "
            "here.",
            "from chainrule import check_module\nprint(check_module(module, x))  # tells what it "
            "looks like",
            layers=(path,),
        )


def not_a_number(case: Case) -> Iterator[Finding]:
    """Tell where NaN or infinity began."""
    if case.not_finite:
        first, *rest = case.not_finite.splitlines()
        where = next((line.strip() for line in rest if "first such array" in line), first)
        yield Finding(
            "not-a-number",
            PROBLEM,
            where.removeprefix("the first such array: "),
            f"training met NaN or infinity: {where.removeprefix('the first such array: ')}",
            (Evidence("first array that was not finite", where.rpartition(": ")[2], "none"),),
            "A number became larger than its type can hold, or a calculation had no result; from "
            "there it spreads to everything. Mostly the learning rate is too high, or an input is "
            "huge.",
            "trainer = Trainer(network, loss, Adam(0.001), clip_norm=1.0)",
        )


def refused(case: Case) -> Iterator[Finding]:
    """Tell why the trial run was refused, where no other condition says so."""
    if case.refused:
        yield Finding(
            "refused",
            PROBLEM,
            "before the first step",
            case.refused.splitlines()[0],
            (Evidence("trial run", "refused", "runs"),),
            "The network, the data and the loss do not fit together, so that training cannot "
            "begin. The message says what was expected and what was given.",
            "print(network.summary(X[:1]))",
        )


CONDITIONS = ()
MEASURED = (wrong_backward, not_a_number, refused)
