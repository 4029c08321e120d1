"""Conditions of the initial weights: equal neurons, a wrong scale, a loss far from chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.layers import ReLU, Sigmoid, Tanh
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy
from chainrule.parameter import Array

INITIALIZE = 'network = Network(network.layers, initialization="kaiming", seed=0)'
NEW_WEIGHTS = f"{INITIALIZE}  # draws every weight"


class SymmetricNeurons(Condition):
    """Neurons that are copies of each other.

    Neurons with the same weights have the same outputs and gradients, so they stay copies of each
    other for ever. A layer of a hundred is then no more than one neuron; with weights of 0 behind a
    ReLU not even that one learns.
    """

    id = "symmetric-neurons"
    order = 150
    static = True
    setup_fault = True
    remedy = NEW_WEIGHTS

    def find(self, exam: Examination) -> Iterator[Finding]:
        equal = equal_layers(exam)
        if equal:
            value = exam.weights[equal[0]]
            zero = "" if value.any() else " (0)"
            yield self.finding(
                "problem",
                ", ".join(equal[:5]),
                f"all neurons of {equal[0]} start with the same weights{zero}: draw them at random",
                (f"different neurons in {equal[0]}", 1.0, str(len(units_first(value)))),
                layers=tuple(equal),
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return setup.initialize()


def equal_layers(exam: Examination) -> list[str]:
    """Return the hidden weights whose neurons are all equal; the last layer may well start at 0."""
    hidden = list(exam.weights.items())[:-1]
    return [path for path, value in hidden if neurons_are_equal(value)]


def units_first(value: Array) -> Array:
    """Return a weight as one row for each unit that it feeds."""
    return value.T if value.ndim == 2 else value.reshape(len(value), -1)


def neurons_are_equal(value: Array) -> bool:
    """Whether every unit of a layer has the same weights."""
    units = units_first(value)
    if len(units) < 2:
        return False
    return bool(np.abs(units - units[0]).max() <= t.EQUAL * max(float(np.abs(units).max()), 1e-30))


class InitializationTooLarge(Condition):
    """Initial weights that are too large.

    Each layer multiplies the spread of its input by about √(fan-in) times the size of its weights.
    Where that is more than 1, outputs grow with depth: sigmoids and softmax saturate, and the first
    losses and gradients are huge.
    """

    id = "initialization-too-large"
    order = 160
    setup_fault = True
    symptom_of = ("input-scale",)
    remedy = NEW_WEIGHTS

    def find(self, exam: Examination) -> Iterator[Finding]:
        paths, ratios = signal_by_layer(exam)
        if not paths or not grows(exam, ratios):
            return
        largest = int(np.argmax(ratios))
        yield self.finding(
            "problem",
            paths[largest],
            f"at {paths[largest]} the signal is {ratios[largest]:.3g} times the input's: the "
            "initial weights are too large",
            ("largest signal by the input's", ratios[largest], f"0.1 to {t.SIGNAL_GROWN:g}"),
            ("the same, layer by layer", in_words(ratios), "about 1 each"),
            layers=paths,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return setup.initialize()


class InitializationTooSmall(Condition):
    """Initial weights that are too small.

    Each layer multiplies the spread of its input by about √(fan-in) times the size of its weights.
    Where that is less than 1, every sample ends up as the same numbers in the deep layers, and the
    gradient shrinks by the same factors in the backward pass.
    """

    id = "initialization-too-small"
    order = 170
    setup_fault = True
    symptom_of = ("input-scale",)
    remedy = f"{NEW_WEIGHTS}\n# or a normalisation, such as LayerNorm, behind each Linear"

    def find(self, exam: Examination) -> Iterator[Finding]:
        paths, ratios = signal_by_layer(exam)
        hidden = ratios[:-1]  # small weights in the last layer are a good start for a softmax
        if not hidden or grows(exam, ratios) or min(hidden) >= t.SIGNAL_SHRUNK:
            return
        if cut_off(exam.start) or min(gains(exam)) >= t.GAIN_SMALL:
            return
        smallest = int(np.argmin(hidden))
        yield self.finding(
            "problem" if min(hidden) < t.SIGNAL_SHRUNK / 4 else "warning",
            paths[smallest],
            f"at {paths[smallest]} the signal is {hidden[smallest]:.3g} times the input's: the "
            "initial weights are too small",
            ("smallest signal by the input's", hidden[smallest], f"above {t.SIGNAL_SHRUNK:g}"),
            ("the same, layer by layer", in_words(ratios), "about 1 each"),
            layers=paths,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        return squashing_to_relu(setup) if setup.has_hidden(Sigmoid) else setup.initialize()


def squashing_to_relu(setup: TrainingSetup) -> str:
    """Replace hidden sigmoids and tanhs by ReLUs, and draw new weights."""
    return setup.replace_activations((Sigmoid, Tanh), ReLU, "hidden sigmoids and tanhs are ReLUs")


def signal_by_layer(exam: Examination) -> tuple[tuple[str, ...], list[float]]:
    """Return the layers with weights, and their signal relative to the input's; none if unknown."""
    start = exam.start
    if start is None or not start.input_signal > 0 or equal_layers(exam):
        return (), []
    layers = [layer for layer in start.weighted if math.isfinite(layer.signal)]
    ratios = [layer.signal / start.input_signal for layer in layers]
    ratios = [ratio if math.isfinite(ratio) else math.inf for ratio in ratios]
    return tuple(layer.path for layer in layers), ratios


def grows(exam: Examination, ratios: list[float]) -> bool:
    """Whether the weights make the signal grow from layer to layer."""
    heavy = max(gains(exam)) > t.GAIN_LARGE or len(ratios) > t.DEEP
    return heavy and max(ratios) > t.SIGNAL_GROWN


def in_words(ratios: list[float]) -> str:
    """Return the ratios of the first layers as text."""
    return ", ".join(f"{ratio:.2g}" for ratio in ratios[:12])


def gains(exam: Examination) -> list[float]:
    """Return the factors by which weight matrices multiply the spread of independent inputs."""
    units = [units_first(value) for value in exam.weights.values()]
    return [float(np.sqrt((u.astype(np.float64) ** 2).sum(axis=1).mean())) for u in units] or [1.0]


def cut_off(start: Snapshot | None) -> bool:
    """Whether dead or saturated activations, and not small weights, stop the signal."""
    layers = [] if start is None else start.layers
    return any(a.dead_share >= t.DEAD or a.saturated >= t.SATURATED for a in layers)


class LossAtStart(Condition):
    """A first loss that is far from chance.

    Before the first step a network knows nothing, and should say so: every class as likely as the
    others. A much higher loss means that it is sure of wrong things, and has to unlearn them first.
    """

    id = "loss-at-start"
    order = 330
    symptom_of = ("setup faults",)
    remedy = "network.layers[-2].weight.value *= 0.1  # of the last Linear: outputs start near 0"

    def find(self, exam: Examination) -> Iterator[Finding]:
        start, classes = exam.start, number_of_classes(exam)
        if start is None or classes < 2:
            return
        chance = math.log(classes)
        if math.isfinite(start.loss) and start.loss <= chance + t.CHANCE_EXCESS:
            return
        yield self.finding(
            "warning",
            "the first loss",
            f"the initial loss is {start.loss:.3g}; a network that knows nothing has ln {classes} "
            f"= {chance:.3g}",
            ("loss before the first step", start.loss, f"about {chance:.3g}"),
        )


def number_of_classes(exam: Examination) -> int:
    """Return the number of classes among which the network chooses; 0 if unknown."""
    if isinstance(exam.loss, BinaryCrossEntropy):
        return 2
    last: Any = next(reversed(exam.weights.values()), None)
    known = isinstance(exam.loss, CategoricalCrossEntropy) and exam.labels is not None
    return len(units_first(last)) if known and last is not None else 0
