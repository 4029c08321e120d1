"""The cross-entropy of logits; classes on axis 1 in ONNX, on the last axis here.

`ignore_index` becomes samples of weight 0. Ours is a mean; its parts alone, reduction "none", are
what `Loss.losses` gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible


def softmax_cross_entropy(case: NodeCase) -> Expression:
    """Ours does not give the logarithms of the probabilities, the second output."""
    logits, labels, weights = case.input(0), case.input(1), case.input(2)
    loss = chainrule.CategoricalCrossEntropy(from_logits=True, class_weight=weights)
    pred = np.moveaxis(logits, 1, -1)  # (N, d1, ..., C)
    counted = labels != case.get("ignore_index")
    true = np.where(counted, labels, 0)  # an ignored label need not be a class
    match case.get("reduction", "mean"):
        case "mean":
            return Expression(loss, loss.forward, (true, pred, counted), scalar)
        case "none" if counted.all():
            rows = loss.rows(true, pred)
            return Expression(loss, loss.losses, rows, lambda each: [each.reshape(labels.shape)])
        case "none":
            raise NotExpressible("a loss of 0 for each sample that is left out")
        case other:
            raise NotExpressible(f'reduction "{other}"')


def scalar(value: float) -> list[Array]:
    """Return the loss as ONNX has it, an array without axes."""
    return [np.array(value, np.float32)]


def negative_log_likelihood(case: NodeCase) -> Any:
    raise NotExpressible("log-probabilities of no distribution: they do not sum to one")


COUNTERPARTS = {
    "NegativeLogLikelihoodLoss": Counterpart(("CategoricalCrossEntropy",), negative_log_likelihood),
    "SoftmaxCrossEntropyLoss": Counterpart(("CategoricalCrossEntropy",), softmax_cross_entropy),
}
