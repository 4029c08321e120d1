"""Conditions of the end of the network: what the last layer gives, and what the loss expects."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.endings import NORMALIZATIONS, RANGES, REGRESSION, outputs
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.layers import (
    Dropout,
    Flatten,
    HardSigmoid,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.module import Module
from chainrule.parameter import Array

GOES_ON = (ReLU, Tanh, Sigmoid, HardSigmoid)


def softmax_twice(case: Case) -> Iterator[Finding]:
    """Find a softmax (or sigmoid) that is taken twice."""
    for layers, loss, _ in outputs(case.network, case.loss, case.y):
        last = layers[-1]
        name = type(last).__name__
        told = remedy = ""
        if isinstance(last, Softmax | Sigmoid) and getattr(loss, "from_logits", False):
            told = (
                f"the network ends in {name} and the loss has from_logits=True, so {name.lower()} "
                "is taken twice: leave out one of the two"
            )
            remedy = f"loss = {type(loss).__name__}()  # without from_logits=True"
        elif len(layers) > 1 and isinstance(last, Softmax) and isinstance(layers[-2], Softmax):
            told = "the network ends in two Softmax, one after the other: leave out one of the two"
            remedy = "network = Network(network.layers[:-1])"
        if told:
            yield Finding(
                "softmax-twice",
                PROBLEM,
                path_of_last(case.network.body),
                told,
                (Evidence("times that it is taken", 2.0, "1"),),
                "The second softmax gets numbers from 0 to 1, of which it makes probabilities that "
                "are nearly equal: of two classes at most 0.73. So the loss cannot come near 0, "
                "and its gradient is small where the network is wrong.",
                remedy,
            )


def no_softmax(case: Case) -> Iterator[Finding]:
    """Find a network that puts out any numbers, and a loss that wants probabilities."""
    for layers, loss, _ in outputs(case.network, case.loss, case.y):
        if getattr(loss, "from_logits", True) or not _puts_out_any_number(layers):
            continue
        last = "Sigmoid" if isinstance(loss, BinaryCrossEntropy) else "Softmax"
        yield Finding(
            "no-softmax",
            PROBLEM,
            path_of_last(case.network.body),
            f"the loss wants probabilities, and the network ends in {type(layers[-1]).__name__}: "
            f"end it in {last}, or give the loss from_logits=True",
            (Evidence("range of the output", "any number", "0 to 1"),),
            "Cross-entropy takes the logarithm of what the network puts out, so that has to be a "
            "probability. A layer without a softmax puts out logits: negative numbers among them.",
            f"loss = {type(loss).__name__}(from_logits=True)",
            impossible=False,
        )


def sigmoid_for_classes(case: Case) -> Iterator[Finding]:
    """Find exclusive classes whose outputs do not compete, or cannot say what they should."""
    for layers, loss, y in outputs(case.network, case.loss, case.y):
        last = layers[-1]
        if isinstance(loss, CategoricalCrossEntropy):
            before = layers[-2] if isinstance(last, Softmax) and len(layers) > 1 else None
            logits = last if loss.from_logits else before
            if isinstance(last, Sigmoid | HardSigmoid) and not loss.from_logits:
                yield _not_exclusive(case, "a Sigmoid", PROBLEM)
            elif isinstance(logits, ReLU | Sigmoid | Tanh):
                yield _squeezed(case, logits)
        elif (
            isinstance(loss, BinaryCrossEntropy)
            and isinstance(y, np.ndarray)
            and y.ndim == 2
            and y.shape[1] > 2
            and _exclusive(y)
        ):
            yield _not_exclusive(case, "a sigmoid for each class", WARNING)


def _not_exclusive(case: Case, ends_in: str, severity: str) -> Finding:
    return Finding(
        "sigmoid-for-classes",
        severity,
        path_of_last(case.network.body),
        f"each sample is of exactly one class, and the network ends in {ends_in}: end it in "
        "Softmax, with CategoricalCrossEntropy",
        (Evidence("sum of the outputs of a sample", "anything", "1"),),
        "Sigmoids are separate answers of yes or no: that one class is likely does not make the "
        "others less so. Categorical cross-entropy looks at the true class alone, so with sigmoids "
        "saying yes to every class is its minimum.",
        "network = Network([*network.layers[:-1], Softmax()])\nloss = CategoricalCrossEntropy()",
    )


def _squeezed(case: Case, layer: Module) -> Finding:
    name = type(layer).__name__
    low, high = RANGES[type(layer)]
    return Finding(
        "bounded-output",
        PROBLEM,
        path_of_last(case.network.body),
        f"{name} stands between the last Linear and the softmax, so logits lie from {low:g} to "
        f"{high:g}: leave it out",
        (Evidence("range of the logits", f"{low:g} to {high:g}", "any number"),),
        "A softmax needs logits of any size, below 0 too. Behind a ReLU a class whose logit is "
        "negative gets no gradient, and behind a tanh or sigmoid no probability comes near 1.",
        "network = Network([*network.layers[:-2], Softmax()])  # without the " + name,
    )


def bounded_output(case: Case) -> Iterator[Finding]:
    """Find a regression's targets that the last layer cannot give."""
    for layers, loss, y in outputs(case.network, case.loss, case.y):
        if isinstance(loss, REGRESSION) and isinstance(y, np.ndarray) and y.size:
            yield from _about_the_range(case, layers[-1], y)


def _about_the_range(case: Case, last: Module, y: Array) -> Iterator[Finding]:
    low, high = RANGES.get(type(last), (-math.inf, math.inf))
    outside = (y < low) | (y > high)
    if not outside.any():
        return
    name = type(last).__name__
    told = (
        f"y goes from {y.min():g} to {y.max():g}, and the network ends in {name}, whose output "
        f"lies from {low:g} to {high:g}"
    )
    impossible = bool(outside.all())
    if impossible:
        summary = (
            f"This cannot be learned: {told}. End a regression in a Linear layer: "
            "Network([Linear(10, 32), ReLU(), Linear(32, 1)])."
        )
    else:
        summary = f"{told}: {outside.mean():.0%} of the targets cannot be reached"
    yield Finding(
        "bounded-output",
        PROBLEM if outside.mean() > 0.05 else WARNING,
        path_of_last(case.network.body),
        summary,
        (Evidence("share of targets out of reach", float(outside.mean()), "0"),),
        f"{name} puts out nothing below {low:g}"
        + (f" or above {high:g}" if high < 1e9 else "")
        + ". Targets out there pull the layer to its end, where its slope is 0 and nothing is "
        "learned.",
        "network = Network(network.layers[:-1])  # ends in the Linear layer",
        impossible=impossible,
        rows=case.names.of_rows(np.flatnonzero(outside.reshape(len(y), -1).any(axis=1))[:1000]),
    )


def target_scale(case: Case) -> Iterator[Finding]:
    """Find a regression's targets that are far larger or smaller than what networks put out."""
    for layers, loss, y in outputs(case.network, case.loss, case.y):
        if not isinstance(loss, REGRESSION) or not isinstance(y, np.ndarray) or len(y) < 2:
            continue
        values = y.astype(np.float64)
        if not np.isfinite(values).all() or (values == values[:1]).all():
            continue
        if type(layers[-1]) in RANGES:
            continue  # `bounded_output` tells
        size, std = float(np.sqrt((values**2).mean())), float(values.std())
        if std >= t.TINY and size <= t.TARGET_LARGE:
            continue
        yield Finding(
            "target-scale",
            PROBLEM if size > t.TARGET_WILD or std < t.TINY else WARNING,
            "y",
            f"y has the root mean square {size:.3g} and the standard deviation {std:.3g}; a "
            "network begins with outputs of about 1: standardise y too",
            (
                Evidence("root mean square of y", size, f"below {t.TARGET_LARGE:g}"),
                Evidence("standard deviation of y", std, f"above {t.TINY:g}"),
            ),
            "The last layer has to grow to the targets' size, a step at a time, before it can tell "
            "them apart. Meanwhile the squared error, and with it the gradient, is huge or "
            "nothing.",
            "scaler = Standardizer().fit(y_train)\n"
            "network.target_preparation = scaler  # predict_raw then answers in y's units\n"
            "trainer.fit(X_train, scaler.transform(y_train))",
        )


def _exclusive(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def _puts_out_any_number(layers: list[Module]) -> bool:
    """Whether the last layer that does something to numbers is one without bounds."""
    for layer in reversed(layers):
        if isinstance(layer, Dropout | Flatten):
            continue
        return isinstance(layer, (Linear, ReLU, Tanh, *NORMALIZATIONS))
    return False


def path_of_last(body: Module) -> str:
    """Return the path of the last layer."""
    path = ""
    while isinstance(body, Sequential) and body.layers:
        path += f"{'.' if path else ''}layers.{len(body.layers) - 1}"
        body = body.layers[-1]
    return path or "the network"


def wants_probabilities(loss: Loss) -> bool:
    """Whether a loss takes probabilities, not logits."""
    return getattr(loss, "from_logits", None) is False


CONDITIONS = (softmax_twice, no_softmax, sigmoid_for_classes, bounded_output, target_scale)
