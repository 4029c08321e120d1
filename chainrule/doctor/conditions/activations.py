"""Conditions of hidden activations: dead ReLUs, saturated sigmoids and tanhs."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.conditions.snapshot import LayerStatistics
from chainrule.layers import LeakyReLU, ReLU


def hidden_activations(exam: Examination) -> list[LayerStatistics]:
    """Return the hidden activations in the last pass that was looked at."""
    snapshot = exam.end or exam.start
    return [] if snapshot is None else snapshot.hidden_activations


class DeadReLU(Condition):
    """Dead ReLUs.

    A ReLU passes no gradient where it is 0. A unit that is 0 for every sample therefore never
    changes again; too large a step, or a bias far below 0, has pushed it there.
    """

    id = "dead-relu"
    order = 220
    symptom_of = ("setup faults", "exploding-gradients", "learning-rate-too-high")

    def find(self, exam: Examination) -> Iterator[Finding]:
        dead = [layer for layer in hidden_activations(exam) if layer.dead_share >= t.DEAD]
        if not dead:
            return
        worst = max(dead, key=lambda layer: layer.dead_share)
        before = [] if exam.start is None else exam.start.layers
        at_start = any(a.path == worst.path and a.dead_share >= t.DEAD for a in before)
        since = " from the start" if at_start else ", since training started"
        yield self.finding(
            "problem" if worst.dead_share >= t.MANY_DEAD else "warning",
            ", ".join(layer.path for layer in dead[:5]),
            f"{worst.dead_share:.0%} of the units of {worst.path} are 0 for every sample{since}: "
            "they no longer learn",
            *(
                (f"dead units of {layer.path}", layer.dead_share, f"below {t.DEAD:g}")
                for layer in dead[:5]
            ),
            remedy=f"network = Network([LeakyReLU() if isinstance(layer, {worst.kind}) else layer\n"
            '                   for layer in network.layers], initialization="kaiming", seed=0)\n'
            "optimizer = Adam(0.001)  # and a smaller learning rate",
            layers=tuple(layer.path for layer in dead),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.rates_to_try = "lower"
        modules = setup.network.named_modules()
        dead = {type(modules[path]) for path in finding.layers if path in modules} | {ReLU}
        told = "ReLUs are LeakyReLUs, which cannot die"
        return setup.replace_activations(tuple(dead), LeakyReLU, told)


class SaturatedActivation(Condition):
    """Saturated activations.

    A sigmoid or tanh is flat near its limits, and where it is flat it passes no gradient on. Large
    inputs or weights push it there, and then it takes many steps to come back.
    """

    id = "saturated-activation"
    order = 230
    symptom_of = (
        "setup faults",
        "vanishing-gradients",
        "exploding-gradients",
        "learning-rate-too-high",
    )
    remedy = """X_train = Standardizer().fit_transform(X_train)
network = Network(network.layers, initialization="xavier", seed=0)"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        saturated = [a for a in hidden_activations(exam) if a.saturated >= t.SATURATED]
        if not saturated:
            return
        worst = max(saturated, key=lambda layer: layer.saturated)
        yield self.finding(
            "problem" if worst.saturated >= t.MANY_SATURATED else "warning",
            ", ".join(layer.path for layer in saturated[:5]),
            f"{worst.saturated:.0%} of the outputs of {worst.path} ({worst.kind}) lie near its "
            "limits, where it is flat",
            *(
                (f"saturated outputs of {a.path}", a.saturated, f"below {t.SATURATED:g}")
                for a in saturated[:5]
            ),
            layers=tuple(layer.path for layer in saturated),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return setup.initialize()
