"""The optimizer check: every optimizer passes, each usual mistake does not, and is named."""

import inspect
from dataclasses import KW_ONLY, dataclass

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    AdamW,
    ConfigurationError,
    Lion,
    Momentum,
    Nesterov,
    Optimizer,
    StepDecay,
    check_optimizer,
    optimizers,
)

KINDS = [
    kind
    for kind in vars(optimizers).values()
    if inspect.isclass(kind) and issubclass(kind, Optimizer) and kind is not Optimizer
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}], ids=str)
def test_every_optimizer_passes(kind, options):
    if not options.keys() <= inspect.signature(kind).parameters.keys():
        pytest.skip(f"{kind.__name__} has no {list(options)}")
    report = check_optimizer(kind(**options))
    assert report.passed, str(report)
    assert report.checks
    assert not report.problems


def momentum_by_hand(w, gradients):
    v = 0.0
    for g in gradients:
        v = 0.8 * v + g
        w = w - 0.02 * v
    return w


def adam_by_hand(w, gradients):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        g = g + 0.1 * w
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        w = w - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    return w


def decayed_by_hand(w, gradients):
    for t, g in enumerate(gradients):
        w = w - 0.1 * 0.5 ** (t // 3) * g
    return w


@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        (Momentum(0.02, momentum=0.8), momentum_by_hand),
        (Adam(0.05, beta2=0.99, weight_decay=0.1), adam_by_hand),
        (SGD(StepDecay(0.1, every=3, factor=0.5)), decayed_by_hand),
    ],
    ids=lambda case: getattr(case, "__name__", repr(case)),
)
def test_an_optimizer_agrees_with_its_formula(optimizer, reference):
    report = check_optimizer(optimizer, reference)
    assert report, str(report)
    assert report.checks[-1] == "it agrees with the reference over 8 steps"
    assert optimizer.steps == 0, "the optimizer itself stays as it is"


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (Nesterov(0.02, momentum=0.8), "after step 1 it differs from the reference: value"),
        (Momentum(0.02, momentum=0.9), "after step 2 it differs"),
        (Momentum(0.04, momentum=0.8), "2 times as far"),
        (AdamW(0.02), "after step 1 it differs"),
        (Lion(0.02), "after step 1 it differs"),
    ],
    ids=repr,
)
def test_another_formula_is_noticed(optimizer, words):
    report = check_optimizer(optimizer, momentum_by_hand)
    assert not report
    assert words in str(report)


def of_ones_own(rule, **attributes):
    return type("Mine", (Optimizer,), {"update_rule": rule, **attributes})(0.1)


def returns(self, w, g, learning_rate):
    return w - learning_rate * g


def rebinds(self, w, g, learning_rate):
    w = w - learning_rate * g


def rebinds_its_memory(self, w, g, learning_rate, v):
    v = 0.9 * v + g
    w -= learning_rate * v


def remembers_by_itself(self, w, g, learning_rate):
    self.v = 0.9 * getattr(self, "v", 0.0) + g
    w -= learning_rate * self.v


def remembers_a_number(self, w, g, learning_rate):
    self.count = getattr(self, "count", 0) + 1
    w -= learning_rate / self.count * g


def writes_into_g(self, w, g, learning_rate):
    g *= learning_rate
    w -= g


def goes_up(self, w, g, learning_rate):
    w += learning_rate * g


def looks_at_all_values(self, w, g, learning_rate):
    w -= learning_rate * g / (np.linalg.norm(g) + 1e-8)


def divides_by_zero(self, w, g, learning_rate):
    w -= learning_rate * g / np.abs(g)


def divides_by_zero_memory(self, w, g, learning_rate, v):
    v += g * g
    w -= learning_rate * g / np.sqrt(v)


def takes_no_memory(self, w, g, learning_rate):
    w -= learning_rate * g


MISTAKES = [
    (returns, {}, "Mine.update_rule returned an array of shape (60,); it returns nothing, but"),
    (rebinds, {}, "no value has moved in 8 steps: update_rule must write into w, as in w -= "),
    (rebinds_its_memory, {"state_names": ("velocity",)}, "the memory velocity is still 0 after"),
    (remembers_by_itself, {}, "It keeps self.v, which is not in state(): name each vector"),
    (remembers_by_itself, {}, "a value moves otherwise where there are many"),
    (remembers_a_number, {}, "It keeps self.count, which is not in state()"),
    (writes_into_g, {}, "a step writes into the gradients g; make a new array instead"),
    (goes_up, {}, "does it go up the slope?"),
    (looks_at_all_values, {}, "update_rule is given blocks of 32,768 values, and must move each"),
    (divides_by_zero, {}, "gradients of 0 make values NaN or infinite"),
    (divides_by_zero_memory, {"state_names": ("v",)}, "gradients of 0 make values NaN or infinite"),
    (takes_no_memory, {"state_names": ("v",)}, "is called with w, g, learning_rate and a vector"),
    (rebinds_its_memory, {}, "is called with w, g, learning_rate and no state"),
    (rebinds_its_memory, {"state_names": "velocity"}, "Write ('velocity',)."),
    (rebinds_its_memory, {"state_names": ("steps",)}, "names other than 'steps'"),
]


@pytest.mark.parametrize(("rule", "attributes", "words"), MISTAKES)
def test_each_mistake_is_named(rule, attributes, words):
    report = check_optimizer(of_ones_own(rule, **attributes))
    assert not report
    assert any(words in problem for problem in report.problems), str(report)
    assert "WRONG" in str(report)
    assert "WRONG" in report._repr_html_()


def test_an_optimizer_that_is_not_elementwise_may_say_so():
    @dataclass(eq=False, repr=False)
    class Whole(Optimizer):
        elementwise = False
        _: KW_ONLY
        power: float = 1.0

        def update_rule(self, w, g, learning_rate):
            w -= learning_rate * g / (np.linalg.norm(g) + 1e-8) ** self.power

    report = check_optimizer(Whole(0.1))
    assert report, str(report)
    assert "elementwise" in report.notes[0]


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ConfigurationError, match=r"takes an Optimizer.*forget the \(\)"):
        check_optimizer(Adam)
    with pytest.raises(ConfigurationError, match="Write def reference"):
        check_optimizer(SGD(0.1), lambda w: w)
    with pytest.raises(ConfigurationError, match="reference must be a function"):
        check_optimizer(SGD(0.1), 3)
    report = check_optimizer(SGD(0.1), lambda w, gradients: w - 0.1 * gradients)
    assert "reference returned an array of shape (1, 60); it must return the values" in str(report)
