"""Activations: the node's attributes become the module's arguments."""

from __future__ import annotations

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import NodeCase
from benchmarks.onnx_conformance.outcome import (
    Adapter,
    Counterpart,
    Expression,
    NotExpressible,
    predicts,
)


def plainly(name: str) -> Adapter:
    """Return the adapter of an operator without attributes."""
    return lambda case: predicts(getattr(chainrule, name)(), case.input(0))


def leaky_relu(case: NodeCase) -> Expression:
    return predicts(chainrule.LeakyReLU(case.get("alpha", 0.01)), case.input(0))


def prelu(case: NodeCase) -> Expression:
    """PReLU has a slope a channel, on axis 1; the node's slope is broadcast from the last axis."""
    x, slope = case.inputs
    if slope.ndim > 1:  # a slope for each number of the batch: the whole batch as one row
        x_rows, back = x.reshape(1, -1), lambda y: y.reshape(x.shape)
    else:
        x_rows, back = np.moveaxis(x, -1, 1), lambda y: np.moveaxis(y, 1, -1)
    module = chainrule.PReLU(slope.size)
    module.weight.value = np.broadcast_to(slope, x.shape).ravel() if slope.ndim > 1 else slope
    return predicts(module, x_rows, lambda y: (back(y),))


def elu(case: NodeCase) -> Expression:
    return predicts(chainrule.ELU(case.get("alpha", 1.0)), case.input(0))


def selu(case: NodeCase) -> Expression:
    if case.get("alpha") or case.get("gamma"):
        raise NotExpressible("alpha and gamma other than the self-normalising pair")
    return predicts(chainrule.SELU(), case.input(0))


def celu(case: NodeCase) -> Expression:
    return predicts(chainrule.CELU(case.get("alpha", 1.0)), case.input(0))


def clip(case: NodeCase) -> Expression:
    """Say the node; a bound that it leaves out is the largest number there is."""
    x, largest = case.input(0), float(np.finfo(np.float32).max)
    bounds = (case.input(1), case.input(2))
    low, high = (
        default if bound is None else float(bound)
        for bound, default in zip(bounds, (-largest, largest), strict=True)
    )
    if low >= high:
        raise NotExpressible("bounds of which the upper one is the lower")
    return predicts(chainrule.HardTanh(low, high), x)


def gelu(case: NodeCase) -> Expression:
    return predicts(chainrule.GELU(case.get("approximate", "none")), case.input(0))


def swish(case: NodeCase) -> Expression:
    if case.get("alpha", 1.0) != 1.0:
        raise NotExpressible("alpha other than 1")
    return predicts(chainrule.SiLU(), case.input(0))


def hard_sigmoid(case: NodeCase) -> Expression:
    if abs(case.get("alpha", 0.2) - 1 / 6) > 1e-6 or case.get("beta", 0.5) != 0.5:
        raise NotExpressible("a slope other than 1/6")
    return predicts(chainrule.HardSigmoid(), case.input(0))


def softmax(case: NodeCase) -> Expression:
    return predicts(chainrule.Softmax(case.get("axis", -1)), case.input(0))


def log_softmax(case: NodeCase) -> Expression:
    return predicts(chainrule.LogSoftmax(case.get("axis", -1)), case.input(0))


COUNTERPARTS = {
    "Celu": Counterpart(("CELU",), celu),
    "Clip": Counterpart(("HardTanh",), clip),
    "Elu": Counterpart(("ELU",), elu),
    "Gelu": Counterpart(("GELU",), gelu),
    "HardSigmoid": Counterpart(("HardSigmoid",), hard_sigmoid),
    "HardSwish": Counterpart(("HardSwish",), plainly("HardSwish")),
    "LeakyRelu": Counterpart(("LeakyReLU",), leaky_relu),
    "LogSoftmax": Counterpart(("LogSoftmax",), log_softmax),
    "Mish": Counterpart(("Mish",), plainly("Mish")),
    "PRelu": Counterpart(("PReLU",), prelu),
    "Relu": Counterpart(("ReLU",), plainly("ReLU")),
    "Selu": Counterpart(("SELU",), selu),
    "Sigmoid": Counterpart(("Sigmoid",), plainly("Sigmoid")),
    "Softmax": Counterpart(("Softmax",), softmax),
    "Softplus": Counterpart(("Softplus",), plainly("Softplus")),
    "Softsign": Counterpart(("Softsign",), plainly("Softsign")),
    "Swish": Counterpart(("SiLU",), swish),
    "Tanh": Counterpart(("Tanh",), plainly("Tanh")),
}
