"""How a node says the way of its window, and how a layer takes it; for one or two spatial axes.

ONNX writes padding as all begins, then all ends; ours is (before, after) for each axis.
`auto_pad` is another way to say a padding, once the size of the input is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.onnx_conformance.cases import NodeCase
from benchmarks.onnx_conformance.outcome import NotExpressible


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a node: the input's length, and the window's way along it."""

    length: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def effective_size(self) -> int:
        """How many places the kernel reaches over."""
        return self.dilation * (self.kernel - 1) + 1

    def sides(self, case: NodeCase) -> tuple[int, int]:
        """Return (before, after), with what `auto_pad` adds."""
        mode = case.get("auto_pad", "NOTSET")
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            stops = -(-self.length // self.stride)
            total = max((stops - 1) * self.stride + self.effective_size - self.length, 0)
            halves = total // 2, total - total // 2
            return halves if mode == "SAME_UPPER" else halves[::-1]
        return self.before, self.after


def axes_of(case: NodeCase) -> list[Axis]:
    """Return the node's spatial axes: one or two."""
    lengths = case.input(0).shape[2:]
    count = len(lengths)
    if count > 2:
        raise NotExpressible("three spatial axes")
    kernel = case.get("kernel_shape", np.shape(case.input(1))[2:])
    strides, dilations = (case.get(name, [1] * count) for name in ("strides", "dilations"))
    pads = case.get("pads", [0] * 2 * count)
    columns = (lengths, kernel, strides, dilations, pads[:count], pads[count:])
    return [Axis(*values) for values in zip(*columns, strict=True)]


def plain(values: list[Any]) -> Any:
    """Return the value of a single axis by itself, those of two as a pair."""
    return values[0] if len(values) == 1 else tuple(values)


def window(case: NodeCase) -> dict[str, Any]:
    """Return the arguments of a convolution or a pooling layer."""
    axes = axes_of(case)
    return {
        "kernel_size": plain([axis.kernel for axis in axes]),
        "stride": plain([axis.stride for axis in axes]),
        "dilation": plain([axis.dilation for axis in axes]),
        "padding": plain([axis.sides(case) for axis in axes]),
    }
