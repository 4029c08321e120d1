"""Conditions of the end of the network: what the last layer gives, and what the loss expects."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.doctor.conditions import rebuilding
from chainrule.doctor.conditions.condition import Condition, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.layers import (
    BatchNorm,
    Dropout,
    Flatten,
    GroupNorm,
    HardSigmoid,
    LayerNorm,
    Linear,
    ReLU,
    RMSNorm,
    Sequential,
    Sigmoid,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from chainrule.layers.graph import Graph
from chainrule.loss_functions import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    Loss,
    LossPerOutput,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
)
from chainrule.module import Module
from chainrule.network import Network, in_a_row
from chainrule.parameter import Array
from chainrule.pytree import by_name

RANGES: dict[type[Module], tuple[float, float]] = {
    Sigmoid: (0, 1),
    HardSigmoid: (0, 1),
    Softmax: (0, 1),
    Tanh: (-1, 1),
    Softsign: (-1, 1),
    ReLU: (0, math.inf),
    Softplus: (0, math.inf),
}
"""The range of their outputs."""

REGRESSION = (MeanSquaredError, MeanAbsoluteError, Huber, Quantile)
NORMALIZATIONS = (BatchNorm, LayerNorm, GroupNorm, RMSNorm)


def outputs(exam: Examination) -> Iterator[tuple[list[Module], Loss, Any]]:
    """Yield, for each output that has a loss: the layers before it, the loss, the targets."""
    body, loss = exam.network.body, exam.loss
    if not isinstance(loss, LossPerOutput):
        if not isinstance(body, Graph):
            yield in_a_row(body), loss, exam.y
    elif isinstance(body, Graph):
        names = list(loss.losses_by_output)
        targets = by_name(exam.y, names, "The targets") if exam.y is not None else {}
        for name, part in loss.losses_by_output.items():
            if name in body.nodes:
                yield in_a_row(body.nodes[name].module), part, targets.get(name)


def number_of_outputs(network: Network) -> int | None:
    """Return the number of outputs of the last layer with weights, or None if it is no Linear."""
    for layer in reversed(in_a_row(network.body)):
        if isinstance(layer, Linear):
            return layer.out_features
        if layer.parameters() and not isinstance(layer, BatchNorm):
            return None
    return None


def path_of_last(network: Network) -> str:
    """Return the path of the last layer."""
    body, path = network.body, ""
    while isinstance(body, Sequential) and body.layers:
        path += f"{'.' if path else ''}layers.{len(body.layers) - 1}"
        body = body.layers[-1]
    return path or "the network"


class NoSoftmax(Condition):
    """A loss that expects probabilities and gets logits.

    Cross-entropy takes the logarithm of the network's output, so that has to be a probability. A
    network without a softmax outputs logits, and some of these are negative.
    """

    id = "no-softmax"
    order = 50
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        for layers, loss, _ in outputs(exam):
            if getattr(loss, "from_logits", True) or not self._outputs_logits(layers):
                continue
            last = "Sigmoid" if isinstance(loss, BinaryCrossEntropy) else "Softmax"
            yield self.finding(
                "problem",
                path_of_last(exam.network),
                f"the loss expects probabilities, and the network ends in "
                f"{type(layers[-1]).__name__}: end it in {last}, or give the loss from_logits=True",
                ("range of the output", "any number", "0 to 1"),
                remedy=f"loss = {type(loss).__name__}(from_logits=True)",
            )

    def _outputs_logits(self, layers: list[Module]) -> bool:
        """Whether the last layer that changes values leaves them unbounded."""
        for layer in reversed(layers):
            if not isinstance(layer, Dropout | Flatten):
                return isinstance(layer, (Linear, ReLU, Tanh, *NORMALIZATIONS))
        return False

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.loss = with_logits(setup.loss, True)
        return "the loss takes logits (from_logits=True): the network ends without a softmax"


class SoftmaxTwice(Condition):
    """A softmax that is applied twice.

    The second softmax gets values from 0 to 1 and makes nearly equal probabilities of them: of two
    classes at most 0.73. So the loss cannot come near 0, and its gradient is small where the
    network is wrong.
    """

    id = "softmax-twice"
    order = 90
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        for layers, loss, _ in outputs(exam):
            last = layers[-1]
            name = type(last).__name__
            if isinstance(last, Softmax | Sigmoid) and getattr(loss, "from_logits", False):
                told = (
                    f"the network ends in {name} and the loss has from_logits=True, so "
                    f"{name.lower()} is applied twice: leave out one of the two"
                )
                remedy = f"loss = {type(loss).__name__}()  # without from_logits=True"
            elif len(layers) > 1 and isinstance(last, Softmax) and isinstance(layers[-2], Softmax):
                told = "the network ends in two Softmax layers: leave out one of the two"
                remedy = "network = Network(network.layers[:-1])"
            else:
                continue
            where, evidence = path_of_last(exam.network), ("times that it is applied", 2.0, "1")
            yield self.finding("problem", where, told, evidence, remedy=remedy)

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        if getattr(setup.loss, "from_logits", False):
            setup.loss = with_logits(setup.loss, False)
            return "the loss takes probabilities (from_logits=False): the network has a softmax"
        layers = rebuilding.copied_layers(setup.network)
        if layers is not None:
            setup.replace_network(Network(layers[:-1], dtype=setup.network.dtype))
        return "one of the two softmax layers is left out"


def with_logits(loss: Loss, from_logits: bool) -> Loss:
    """Return the loss with another `from_logits`."""
    loss = copy.copy(loss)
    loss.from_logits = from_logits  # type: ignore[attr-defined]
    return loss


class SigmoidForClasses(Condition):
    """Sigmoids for classes that exclude each other.

    Sigmoids are separate yes-or-no answers: that one class is likely does not make the others less
    so. Categorical cross-entropy looks at the true class alone, so with sigmoids its minimum is to
    say yes to every class.
    """

    id = "sigmoid-for-classes"
    order = 100
    static = True
    setup_fault = True
    remedy = """network = Network([*network.layers[:-1], Softmax()])
loss = CategoricalCrossEntropy()"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        for layers, loss, y in outputs(exam):
            if isinstance(loss, CategoricalCrossEntropy):
                if isinstance(layers[-1], Sigmoid | HardSigmoid) and not loss.from_logits:
                    yield self._about(exam, "a Sigmoid", "problem")
            elif isinstance(loss, BinaryCrossEntropy) and is_one_hot(y):
                yield self._about(exam, "a sigmoid for each class", "warning")

    def _about(self, exam: Examination, ending: str, severity: str) -> Finding:
        return self.finding(
            severity,
            path_of_last(exam.network),
            f"each sample is of exactly one class, and the network ends in {ending}: end it in "
            "Softmax, with CategoricalCrossEntropy",
            ("sum of a sample's outputs", "anything", "1"),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        layers = rebuilding.copied_layers(setup.network)
        if layers is None:
            return None
        setup.replace_network(Network([*layers[:-1], Softmax()], dtype=setup.network.dtype))
        if not isinstance(setup.loss, CategoricalCrossEntropy):
            setup.loss = CategoricalCrossEntropy()
        return "the network ends in Softmax, with CategoricalCrossEntropy"


def is_one_hot(y: Any) -> bool:
    """Whether targets hold a single 1 in each row, of more than two columns."""
    if not isinstance(y, np.ndarray) or y.ndim != 2 or y.shape[1] <= 2:
        return False
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


class BoundedOutput(Condition):
    """Targets that the last layer cannot reach.

    The last layer has no outputs beyond its range. Targets out there pull it to its limit, where
    its slope is 0 and nothing is learned.
    """

    id = "bounded-output"
    order = 110
    static = True
    setup_fault = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        for layers, loss, y in outputs(exam):
            last = layers[-1]
            if isinstance(loss, CategoricalCrossEntropy):
                before = layers[-2] if isinstance(last, Softmax) and len(layers) > 1 else None
                logits = last if loss.from_logits else before
                if isinstance(logits, ReLU | Sigmoid | Tanh):
                    yield self._of_logits(exam, logits)
            elif isinstance(loss, REGRESSION) and isinstance(y, np.ndarray) and y.size:
                low, high = RANGES.get(type(last), (-math.inf, math.inf))
                outside = (y < low) | (y > high)
                if outside.any():
                    yield self._of_targets(exam, type(last), y, outside)

    def _of_logits(self, exam: Examination, layer: Module) -> Finding:
        """Return the finding about an activation in front of the softmax."""
        name, (low, high) = type(layer).__name__, RANGES[type(layer)]
        return self.finding(
            "problem",
            path_of_last(exam.network),
            f"{name} stands between the last Linear and the softmax, so logits lie from {low:g} to "
            f"{high:g}: leave it out",
            ("range of the logits", f"{low:g} to {high:g}", "any number"),
            cause="A softmax needs logits of any size, negative ones too. Behind a ReLU a class "
            "whose logit is negative gets no gradient, and behind a tanh or sigmoid no probability "
            "comes near 1.",
            remedy=f"network = Network([*network.layers[:-2], Softmax()])  # without the {name}",
        )

    def _of_targets(
        self, exam: Examination, layer: type[Module], y: Array, outside: Array
    ) -> Finding:
        """Return the finding about a regression's targets."""
        low, high = RANGES[layer]
        summary = (
            f"y goes from {y.min():g} to {y.max():g}, and the network ends in {layer.__name__}, "
            f"whose output lies from {low:g} to {high:g}"
        )
        impossible = bool(outside.all())
        if impossible:
            summary = (
                f"This cannot be learned: {summary}. End a regression in a Linear layer: "
                "Network([Linear(10, 32), ReLU(), Linear(32, 1)])."
            )
        else:
            summary = f"{summary}: {outside.mean():.0%} of the targets cannot be reached"
        rows = np.flatnonzero(outside.reshape(len(y), -1).any(axis=1))[:1000]
        return self.finding(
            "problem" if outside.mean() > 0.05 else "warning",
            path_of_last(exam.network),
            summary,
            ("share of targets out of reach", float(outside.mean()), "0"),
            remedy="network = Network(network.layers[:-1])  # ends in the Linear layer",
            impossible=impossible,
            rows=exam.names.of_rows(rows),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        layers = rebuilding.copied_layers(setup.network)
        if layers is None or len(layers) < 2:
            return None
        change = ""
        if isinstance(setup.loss, CategoricalCrossEntropy):
            left_out = layers.pop(len(layers) - (2 if isinstance(layers[-1], Softmax) else 1))
        else:
            left_out = layers.pop()
            setup.standardize_targets()
            change = "; y is standardised"
        setup.replace_network(Network(layers, dtype=setup.network.dtype))
        return f"the {type(left_out).__name__} behind the last Linear is left out{change}"
