"""Pooling over windows and over whole images."""

from __future__ import annotations

import chainrule
from benchmarks.onnx_conformance.adapters.windows import axes_of, window
from benchmarks.onnx_conformance.cases import NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible, predicts


def max_pool(case: NodeCase) -> Expression:
    """Say the node; the largest values' indices, a second output, are not given by ours."""
    options = window(case) | {"ceil_mode": bool(case.get("ceil_mode"))}
    kind = chainrule.MaxPool1d if case.input(0).ndim == 3 else chainrule.MaxPool2d
    return predicts(kind(**options), case.input(0))


def average_pool(case: NodeCase) -> Expression:
    if any(axis.dilation > 1 for axis in axes_of(case)):
        raise NotExpressible("dilation")
    options = window(case) | {"ceil_mode": bool(case.get("ceil_mode"))}
    del options["dilation"]
    options["count_include_pad"] = bool(case.get("count_include_pad"))
    kind = chainrule.AvgPool1d if case.input(0).ndim == 3 else chainrule.AvgPool2d
    return predicts(kind(**options), case.input(0))


def over_all(case: NodeCase, module: chainrule.Module) -> Expression:
    """Say the node; ours drops the axes that become 1."""
    x = case.input(0)
    ones = [1] * (x.ndim - 2)
    return predicts(module, x, lambda y: [y.reshape(*x.shape[:2], *ones)])


COUNTERPARTS = {
    "AveragePool": Counterpart(("AvgPool1d", "AvgPool2d"), average_pool),
    "GlobalAveragePool": Counterpart(
        ("GlobalAvgPool",), lambda case: over_all(case, chainrule.GlobalAvgPool())
    ),
    "GlobalMaxPool": Counterpart(
        ("GlobalMaxPool",), lambda case: over_all(case, chainrule.GlobalMaxPool())
    ),
    "MaxPool": Counterpart(("MaxPool1d", "MaxPool2d"), max_pool),
}
