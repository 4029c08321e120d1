"""Every operator with a counterpart in chainrule, and how its nodes are said; one file a family."""

from benchmarks.onnx_conformance.adapters import (
    activations,
    attention,
    convolution,
    images,
    linear,
    losses,
    normalization,
    optimizers,
    pooling,
    recurrent,
    shape,
)
from benchmarks.onnx_conformance.outcome import Counterpart

FAMILIES = (
    activations,
    attention,
    convolution,
    images,
    linear,
    losses,
    normalization,
    optimizers,
    pooling,
    recurrent,
    shape,
)

COUNTERPARTS: dict[str, Counterpart] = {
    operator: counterpart
    for family in FAMILIES
    for operator, counterpart in family.COUNTERPARTS.items()
}
