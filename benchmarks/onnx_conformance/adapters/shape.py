"""Flatten, Reshape, Transpose, Dropout, Identity.

Ours keep the batch axis; a tensor can be a batch of one.

`x[np.newaxis]` is the tensor as one sample, so that any of its axes may change.
"""

from __future__ import annotations

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import NodeCase
from benchmarks.onnx_conformance.outcome import (
    Counterpart,
    Expression,
    NotExpressible,
    predicts,
)


def flatten(case: NodeCase) -> Expression:
    x = case.input(0)
    axis = case.get("axis", 1) % x.ndim
    if axis > 1:
        raise NotExpressible("several batch axes made one")
    return predicts(chainrule.Flatten(), x if axis == 1 else x[np.newaxis])


def reshape(case: NodeCase) -> Expression:
    x, wanted = case.inputs
    shape = tuple(  # a 0 stands for the input's own size there, unless `allowzero`
        x.shape[i] if size == 0 and not case.get("allowzero") else int(size)
        for i, size in enumerate(wanted)
    )
    if 0 in shape:
        raise NotExpressible("a tensor without numbers")
    if shape[0] == len(x) and len(shape) > 1:  # the batch stays: each sample is reshaped
        return predicts(chainrule.Reshape(shape[1:]), x)
    return predicts(chainrule.Reshape(shape), x[np.newaxis], lambda y: (y[0],))


def transpose(case: NodeCase) -> Expression:
    x = case.input(0)
    order = case.get("perm", list(range(x.ndim))[::-1])
    return predicts(chainrule.Transpose(order), x[np.newaxis], lambda y: (y[0],))


def dropout(case: NodeCase) -> Expression:
    x, ratio, training = case.input(0), case.input(1), bool(case.input(2) or False)
    p = float(case.get("ratio", 0.5) if ratio is None else ratio)
    module = chainrule.Dropout(p)  # keeps its mask, the second output, to itself
    if not training:
        return predicts(module, x)
    if p > 0:
        raise NotExpressible("the very numbers of ONNX's random generator")
    return Expression(module, module.forward, (x, True))


COUNTERPARTS = {
    "Dropout": Counterpart(("Dropout",), dropout),
    "Flatten": Counterpart(("Flatten",), flatten),
    "Identity": Counterpart(
        ("Identity",), lambda case: predicts(chainrule.Identity(), case.input(0))
    ),
    "Reshape": Counterpart(("Reshape",), reshape),
    "Transpose": Counterpart(("Transpose",), transpose),
}
