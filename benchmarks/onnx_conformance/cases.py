"""A node case of ONNX in plain Python: attributes, inputs, and the outputs that must come out."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class NodeCase:
    """One node, one set of inputs, and what ONNX says must come out.

    name        ONNX's own: "test_conv_with_strides_padding"
    operator    of the node: "Conv"
    attributes  those that the node sets, by name; text as str
    inputs      by position; None where an optional one is left out
    outputs     by name, in order; "" names none of them
    positions   of `outputs` among all that the operator can give
    rtol, atol  how near is equal, by ONNX's own judgement
    """

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: dict[str, Any]
    positions: tuple[int, ...]
    rtol: float
    atol: float

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return the node's attribute, or the operator's default for it."""
        return self.attributes.get(attribute, default)

    def input(self, position: int) -> Any:
        """Return the input at this position; None where the node leaves it out."""
        return self.inputs[position] if position < len(self.inputs) else None


def collect() -> tuple[list[NodeCase], int]:
    """Return ONNX's cases of one node each, and how many more are expanded functions.

    An expanded case is the same computation again, as a graph of several simpler operators; it
    has no single counterpart.
    """
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow on purpose
        cases = collect_testcases(None)
    single = [case for case in cases if not re.search(r"_expanded(_ver\d+)?$", case.name)]
    return [read(case) for case in single], len(cases) - len(single)


def read(case: Any) -> NodeCase:
    """Return ONNX's test case as a NodeCase."""
    from onnx.helper import get_attribute_value

    (node,) = case.model.graph.node
    ((inputs, outputs),) = case.data_sets
    given = iter(inputs)
    return NodeCase(
        name=case.name,
        operator=node.op_type,
        attributes={a.name: plain(get_attribute_value(a)) for a in node.attribute},
        inputs=tuple(next(given) if name else None for name in node.input),
        outputs=dict(zip([name for name in node.output if name], outputs, strict=True)),
        positions=tuple(i for i, name in enumerate(node.output) if name),
        rtol=case.rtol,
        atol=case.atol,
    )


def plain(value: Any) -> Any:
    """Return an attribute's text as str; anything else as it is."""
    return value.decode() if isinstance(value, bytes) else value
