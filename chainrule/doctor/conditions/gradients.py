"""Conditions of the gradients: vanishing, exploding, or exactly 0."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Evidence, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.conditions.snapshot import LayerStatistics
from chainrule.doctor.conditions.weights import INITIALIZE, cut_off, squashing_to_relu
from chainrule.network import Network
from chainrule.optimizers import Optimizer

CLIP_NORM = 1.0


def gradient_flow(exam: Examination) -> tuple[float, list[LayerStatistics]]:
    """Return the gradient at the first weighted layer relative to that at the last, and all."""
    start = exam.start
    layers = [] if start is None else [a for a in start.weighted if math.isfinite(a.gradient)]
    if len(layers) < 2 or layers[-1].gradient <= 0:
        return float("nan"), layers
    return layers[0].gradient / layers[-1].gradient, layers


class VanishingGradients(Condition):
    """Vanishing gradients.

    In the backward pass the gradient is multiplied by each layer's slope and weights; a sigmoid's
    slope is a quarter at most. Many factors below 1 leave nothing for the first layers, so they
    stay as they were initialised.
    """

    id = "vanishing-gradients"
    order = 180
    symptom_of = ("setup faults", "dead-relu", "saturated-activation")

    def find(self, exam: Examination) -> Iterator[Finding]:
        ratio, layers = gradient_flow(exam)
        if exam.start is None or not 0 < ratio < t.VANISHING or cut_off(exam.start):
            return
        remedy = f"{INITIALIZE}\n# or Residual blocks, or a LayerNorm behind each Linear"
        if any(layer.kind in ("Sigmoid", "Tanh") for layer in exam.start.layers):
            remedy = """network = Network([ReLU() if isinstance(layer, (Sigmoid, Tanh)) else layer
                   for layer in network.layers[:-1]] + [network.layers[-1]],
                  initialization="kaiming", seed=0)"""
        yield self.finding(
            "problem" if ratio < t.VANISHED else "warning",
            layers[0].path,
            f"the gradient at {layers[0].path} is {ratio:.2g} times that at {layers[-1].path}: the "
            "first layers hardly learn",
            ("gradient at the first layer by the last's", ratio, f"above {t.VANISHING:g}"),
            ("layers between", len(layers), "fewer, or with ReLU and normalisation"),
            remedy=remedy,
            layers=tuple(layer.path for layer in layers),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return squashing_to_relu(setup)


class ExplodingGradients(Condition):
    """Exploding gradients.

    In the backward pass the gradient is multiplied by each layer's weights; factors above 1
    multiply up to huge ones with depth or with the length of a sequence. One such step throws the
    weights far away from all they had learned.
    """

    id = "exploding-gradients"
    order = 210
    symptom_of = ("setup faults", "small-batches-for-batch-norm", "learning-rate-too-high")
    remedy = "trainer = Trainer(network, loss, optimizer, clip_norm=1.0)"

    def find(self, exam: Examination) -> Iterator[Finding]:
        ratio, layers = gradient_flow(exam)
        norms = np.asarray(exam.gradient_norms, dtype=np.float64)
        median = float(np.median(norms)) if len(norms) else float("nan")
        highest = float(norms.max()) if len(norms) else float("nan")
        where, severity = "all parameters", "problem"
        spiky = highest > t.SPIKE * median and highest > 10 and exam.clip_norm is None
        if ratio > t.EXPLODED or (math.isinf(ratio) and layers):
            where, told = layers[0].path, f"is {ratio:.2g} times that at {layers[-1].path}"
            told = f"the gradient at {where} {told}"
            evidence = "gradient at the first layer by the last's", ratio, f"below {t.EXPLODED:g}"
        elif len(norms) and (median > t.EXPLODED or not math.isfinite(highest)):
            told = f"the gradient norm has the median {median:.3g} and the maximum {highest:.3g}"
            evidence = "gradient norm, median of the steps", median, f"below {t.EXPLODED:g}"
        elif len(norms) >= 20 and spiky:
            told = f"the gradient norm jumps to {highest:.3g}; in most steps it is {median:.3g}"
            evidence = "largest gradient norm by the median", highest / median, f"below {t.SPIKE:g}"
            severity = "warning"
        else:
            return
        summary = f"{told}: clip it, and look at the initial weights"
        yield self.finding(severity, where, summary, evidence)

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return clip(setup)


def clip(setup: TrainingSetup) -> str:
    """Clip the gradient, and have lower learning rates tried."""
    setup.clip_norm = CLIP_NORM
    setup.try_rates("lower")
    return f"gradients are clipped to the norm {CLIP_NORM:g}"


def exploded_at_start(exam: Examination) -> bool:
    """Whether gradients are huge before the first step."""
    ratio, _ = gradient_flow(exam)
    first = exam.gradient_norms[0] if len(exam.gradient_norms) else 0.0
    return ratio > t.EXPLODED or not first <= t.EXPLODED


class UnchangedLayer(Condition):
    """A layer that never changes.

    A parameter whose gradient is exactly 0 has no influence on the loss. Either nothing that it
    computes is used, its backward does not set the gradient, or everything behind it is dead.
    """

    id = "unchanged-layer"
    order = 240
    symptom_of = (
        "setup faults",
        "vanishing-gradients",
        "learning-rate-too-high",
        "dead-relu",
        "saturated-activation",
    )

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.optimizer is None:
            return
        if moved_nothing(exam):
            name = type(exam.optimizer).__name__
            yield self.finding(
                "problem",
                "the optimizer",
                f"{name} moved no parameter in any step measured, though their gradients are not 0",
                ("update of the parameters in every step measured", 0.0, "above 0"),
                cause="An update rule that returns the new values, or gives the name w to a new "
                "array, changes nothing: it has to write into w. Or the learning rate is so small "
                "that rounding swallows each step.",
                remedy="print(check_optimizer(optimizer))",
            )
            return
        frozen = frozen_parameters(exam)
        if frozen:
            yield self._about_frozen(exam, exam.optimizer, frozen)
        still = [path for path in without_gradient(exam) if path not in frozen]
        if still:
            others = " and others" if still[1:] else ""
            yield self.finding(
                "problem",
                ", ".join(still[:6]),
                f"{still[0]}{others} got no gradient in any step: the layer never changes",
                ("gradient in every step measured", 0.0, "above 0"),
                remedy="print(check_module(network, X[:4]))  # is the backward of "
                f"{still[0].rpartition('.')[0]} right?",
                layers=tuple(still),
            )

    def _about_frozen(self, exam: Examination, optimizer: Optimizer, frozen: list[str]) -> Finding:
        """Return the finding about frozen parameters: a note, unless they do harm."""
        evidence: list[Evidence] = [("their learning rate", 0.0, "above 0, if they are to learn")]
        severity, told = "note", ""
        if exam.trial is not None and exam.unfrozen is not None:
            here, there = exam.remaining(exam.trial, exam.unfrozen)
            if there < t.CLEARLY_BETTER * here and here - there > t.WORTH:
                grave = here > t.MUCH_LEFT and there < t.MUCH_BETTER * here
                severity = "problem" if grave else "warning"
                frozen_loss, loss = exam.trial.last, exam.unfrozen.last
                told = (
                    f": the loss stays at {frozen_loss:.3g}, and reaches {loss:.3g} when they learn"
                )
                evidence.append(("loss with nothing frozen", loss, f"{frozen_loss:.3g}"))
        return self.finding(
            severity,
            ", ".join(frozen[:6]),
            f"{len(frozen)} parameters are frozen{told}",
            *evidence,
            cause="freeze(), or a multiplier of 0 in lr_multipliers, keeps a parameter as it is. "
            "That is right for layers that are trained already, and wrong for new ones.",
            remedy=remedy_for_frozen(exam.network, optimizer),
            layers=tuple(frozen),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        if not finding.layers:
            return None  # the optimizer's rule is the user's to mend
        if not frozen_in(setup.network, setup.optimizer):
            return setup.initialize()
        let_learn(setup.network, setup.optimizer)
        return "no layer is frozen: all parameters learn"


def frozen_parameters(exam: Examination) -> list[str]:
    """Return the paths of the parameters that are frozen."""
    return frozen_in(exam.network, exam.optimizer)


def frozen_in(network: Network, optimizer: Optimizer | None) -> list[str]:
    """Return the paths of parameters that are frozen, or have a learning rate multiplied by 0."""
    multipliers = {} if optimizer is None else optimizer.lr_multipliers
    patterns = [pattern for pattern, multiplier in multipliers.items() if multiplier == 0]
    return [
        path
        for path, parameter in network.named_parameters().items()
        if not parameter.trainable or any(fnmatch.fnmatchcase(path, p) for p in patterns)
    ]


def let_learn(network: Network, optimizer: Optimizer) -> None:
    """Let all parameters learn."""
    network.unfreeze()
    optimizer.lr_multipliers = unfrozen(optimizer)


def remedy_for_frozen(network: Network, optimizer: Optimizer) -> str:
    """Return the lines that let all parameters learn."""
    lines = []
    if not all(parameter.trainable for parameter in network.parameters()):
        lines.append("network.unfreeze()")
    if len(unfrozen(optimizer)) < len(optimizer.lr_multipliers):
        lines.append(f"optimizer.lr_multipliers = {unfrozen(optimizer)}")
    return "; ".join(lines)


def moved_nothing(exam: Examination) -> bool:
    """Whether no parameter moved in at least two steps, in which the rate and gradients were not 0.

    What is frozen is not meant to move.
    """
    frozen = set(frozen_parameters(exam))
    seen = [
        p
        for snapshot in exam.measured
        for p in snapshot.parameters
        if p.path not in frozen and p.gradient > 0
    ]
    rate = 0.0 if exam.optimizer is None else exam.optimizer.current_learning_rate()
    return len(exam.measured) >= 2 and rate > 0 and bool(seen) and not any(p.update for p in seen)


def without_gradient(exam: Examination) -> list[str]:
    """Return the parameters whose gradient was 0 in every step measured, of at least two."""
    if len(exam.measured) < 2:
        return []
    seen = [p for snapshot in exam.measured for p in snapshot.parameters]
    moved = {p.path for p in seen if p.gradient > 0 or not math.isfinite(p.gradient)}
    return [p.path for p in exam.measured[-1].parameters if p.path not in moved]


def unfrozen(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's `lr_multipliers` without those of 0."""
    return {p: factor for p, factor in optimizer.lr_multipliers.items() if factor != 0}
