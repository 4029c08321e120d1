"""Conditions of the start: neurons that are copies, weights of a wrong size, a loss off chance."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy
from chainrule.parameter import Array

DRAW_ANEW = "network = Network(network.layers, initialization={!r}, seed=0)  # draws every weight"


def symmetric_neurons(case: Case) -> Iterator[Finding]:
    """Find hidden layers whose neurons all have the same weights."""
    weights = case.weights
    hidden = list(weights.items())[:-1]  # the last one may well begin at 0
    alike = [path for path, value in hidden if neurons_are_equal(value)]
    if not alike:
        return
    value = weights[alike[0]]
    yield Finding(
        "symmetric-neurons",
        PROBLEM,
        ", ".join(alike[:5]),
        f"all neurons of {alike[0]} begin with the same weights"
        + (" (0)" if not value.any() else "")
        + ": draw them at random",
        (Evidence(f"different neurons in {alike[0]}", 1.0, str(units_first(value).shape[0])),),
        "Neurons with the same weights put out the same and get the same gradient, so they stay "
        "copies of each other for ever. A layer of a hundred is then no more than one neuron; with "
        "weights of 0 behind a ReLU not even that one learns.",
        DRAW_ANEW.format("kaiming"),
        layers=tuple(alike),
    )


def units_first(value: Array) -> Array:
    """Return a weight as a row of numbers for each unit that it feeds."""
    return value.T if value.ndim == 2 else value.reshape(len(value), -1)


def neurons_are_equal(value: Array) -> bool:
    """Whether every unit of a layer has the same weights."""
    units = units_first(value)
    if len(units) < 2:
        return False
    return bool(np.abs(units - units[0]).max() <= t.EQUAL * max(float(np.abs(units).max()), 1e-30))


def initialization(case: Case) -> Iterator[Finding]:
    """Find weights that make the signal grow or shrink from layer to layer."""
    start = case.start
    if start is None or not start.input_signal > 0:
        return
    layers = [layer for layer in start.weighing if math.isfinite(layer.signal)]
    if not layers or any(neurons_are_equal(v) for v in list(case.weights.values())[:-1]):
        return
    ratios = [layer.signal / start.input_signal for layer in layers]
    if not all(map(math.isfinite, ratios)):
        ratios = [r if math.isfinite(r) else math.inf for r in ratios]
    grown, shrunk = int(np.argmax(ratios)), int(np.argmin(ratios))
    told = ", ".join(f"{r:.2g}" for r in ratios[:12])
    gains = hidden_gains(case)
    heavy = max(gains) > t.GAIN_LARGE or len(layers) > t.DEEP
    if ratios[grown] > t.SIGNAL_GROWN and heavy:
        yield Finding(
            "initialization-too-large",
            PROBLEM,
            layers[grown].path,
            f"at {layers[grown].path} the signal is {ratios[grown]:.3g} times the input's: the "
            "weights begin too large",
            (
                Evidence(
                    "signal by the input's, largest", ratios[grown], f"0.1 to {t.SIGNAL_GROWN:g}"
                ),
                Evidence("the same, layer by layer", told, "about 1 each"),
            ),
            "Each layer multiplies the spread of its input by about √(fan-in) times the size of "
            "its weights. Where that is more than 1, outputs grow with depth: sigmoids and softmax "
            "saturate, and the first losses and gradients are huge.",
            DRAW_ANEW.format("kaiming"),
            layers=tuple(layer.path for layer in layers),
        )
    # the last layer's weights may begin small: that is a good start for a softmax
    elif (
        ratios[:-1]
        and min(ratios[:-1]) < t.SIGNAL_SHRUNK
        and not cut_off(start)
        and min(gains) < t.GAIN_SMALL
    ):
        shrunk = int(np.argmin(ratios[:-1]))
        yield Finding(
            "initialization-too-small",
            PROBLEM if min(ratios[:-1]) < t.SIGNAL_SHRUNK / 4 else WARNING,
            layers[shrunk].path,
            f"at {layers[shrunk].path} the signal is {ratios[shrunk]:.3g} times the input's: the "
            "weights begin too small",
            (
                Evidence(
                    "signal by the input's, smallest", ratios[shrunk], f"above {t.SIGNAL_SHRUNK:g}"
                ),
                Evidence("the same, layer by layer", told, "about 1 each"),
            ),
            "Each layer multiplies the spread of its input by about √(fan-in) times the size of "
            "its weights. Where that is less than 1, every sample ends up as the same numbers in "
            "the deep layers, and the gradient on its way back shrinks by the same factors.",
            DRAW_ANEW.format("kaiming")
            + "\n# or a normalisation, such as LayerNorm, behind each Linear",
            layers=tuple(layer.path for layer in layers),
        )


def hidden_gains(case: Case) -> list[float]:
    """Return by what each weight matrix multiplies the spread of inputs that are independent."""
    units = [units_first(value) for value in case.weights.values()]
    return [float(np.sqrt((u.astype(np.float64) ** 2).sum(axis=1).mean())) for u in units] or [1.0]


def cut_off(start: Snapshot) -> bool:
    """Whether the signal ends at activations, dead or saturated ones, and not for its weights."""
    return any(a.dead_share >= t.DEAD or a.saturated >= t.SATURATED for a in start.layers)


def loss_at_start(case: Case) -> Iterator[Finding]:
    """Find a first loss that is far above what guessing gives."""
    start, chance = case.start, chance_loss(case)
    if start is None or chance is None:
        return
    name, expected = chance
    if math.isfinite(start.loss) and start.loss <= expected + t.CHANCE_EXCESS:
        return
    yield Finding(
        "loss-at-start",
        WARNING,
        "the first loss",
        f"the loss begins at {start.loss:.3g}; a network that knows nothing has {name} = "
        f"{expected:.3g}",
        (Evidence("loss before the first step", start.loss, f"about {expected:.3g}"),),
        "Before the first step a network knows nothing, and should say so: every class as likely "
        "as the others. A much higher loss means that it is sure of wrong things, and training "
        "begins by unlearning them.",
        "network.layers[-2].weight.value *= 0.1  # of the last Linear: outputs begin near 0",
    )


def chance_loss(case: Case) -> tuple[str, float] | None:
    """Return the loss of guessing, and its name, where the loss is one of classes."""
    if isinstance(case.loss, CategoricalCrossEntropy) and isinstance(case.y, np.ndarray):
        for path_value in reversed(list(case.weights.values())):
            classes = units_first(path_value).shape[0]
            if case.labels is not None and classes >= 2:
                return f"ln {classes}", math.log(classes)
            return None
    if isinstance(case.loss, BinaryCrossEntropy):
        return "ln 2", math.log(2)
    return None


CONDITIONS = (symmetric_neurons,)
MEASURED = (initialization, loss_at_start)
