"""Linear, as the product of a matrix with weights: Gemm and MatMul. Embedding, as Gather."""

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


def gemm(case: NodeCase) -> Expression:
    """Say alpha A B + beta C; the factors go into the weights, B and C."""
    a, b, c = case.input(0), case.input(1), case.input(2)
    if c is not None and c.ndim == 2 and len(c) > 1:
        raise NotExpressible("a bias of its own for each row")
    x = a.T if case.get("transA") else a
    weight = b.T if case.get("transB") else b
    module = chainrule.Linear(*weight.shape, bias=c is not None)
    module.weight.value = case.get("alpha", 1.0) * weight
    if c is not None:
        module.bias.value = np.broadcast_to(case.get("beta", 1.0) * c, (1, weight.shape[1]))[0]
    return predicts(module, x)


def matmul(case: NodeCase) -> Expression:
    a, b = case.inputs
    if a.ndim < 2 or b.ndim != 2:
        raise NotExpressible("a stack of matrices, or a vector, instead of one weight matrix")
    module = chainrule.Linear(*b.shape, bias=False)
    module.weight.value = b
    return predicts(module, a)


def gather(case: NodeCase) -> Expression:
    """Embedding looks up rows; what lies behind the axis is one row, what lies before stays out."""
    data, indices = case.inputs
    if indices.min() < 0:
        raise NotExpressible("negative indices, counted from the end")
    axis = case.get("axis", 0)
    table = np.moveaxis(data, axis, 0)  # (rows, *the other axes)
    module = chainrule.Embedding(len(table), table[0].size)
    module.weight.value = table.reshape(len(table), -1)

    def read(y):  # (*indices.shape, size of a row)
        y = y.reshape(*indices.shape, *table.shape[1:])
        before = range(indices.ndim, indices.ndim + axis)
        return (np.moveaxis(y, tuple(before), tuple(range(axis))),)

    return predicts(module, indices, read)


COUNTERPARTS = {
    "Gather": Counterpart(("Embedding",), gather),
    "Gemm": Counterpart(("Linear",), gemm),
    "MatMul": Counterpart(("Linear",), matmul),
}
