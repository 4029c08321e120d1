"""Convolutions; ONNX's kernels are laid out as ours."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule
from benchmarks.onnx_conformance.adapters.windows import Axis, axes_of, window
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, predicts


def conv(case: NodeCase) -> Expression:
    x, weight, bias = case.input(0), case.input(1), case.input(2)
    options = window(case)
    if case.get("auto_pad") == "SAME_UPPER":
        options["padding"] = "same"
    kind = chainrule.Conv1d if x.ndim == 3 else chainrule.Conv2d
    groups = case.get("group", 1)
    module = kind(x.shape[1], len(weight), **options, groups=groups, bias=bias is not None)
    return predicts(with_weight(module, weight, bias), x)


def with_weight(module: Any, weight: Array, bias: Array | None) -> Any:
    """Return the module with these values."""
    module.weight.value = weight
    if bias is not None:
        module.bias.value = bias
    return module


def conv_transpose(case: NodeCase) -> Expression:
    """One axis is an image of height 1; the weight (C, O / groups, ...) is laid out as ours."""
    x, weight, bias = case.input(0), case.input(1), case.input(2)
    if single := x.ndim == 3:
        x, weight = x[:, :, np.newaxis], weight[:, :, np.newaxis]
    axes = axes_of(case)
    cuts = [cut_off(case, place, axis) for place, axis in enumerate(axes)]
    groups = case.get("group", 1)
    module = chainrule.ConvTranspose2d(
        x.shape[1],
        weight.shape[1] * groups,
        weight.shape[2:],
        stride=two([axis.stride for axis in axes], 1),
        padding=two([(before, after) for before, after, _ in cuts], (0, 0)),
        output_padding=two([further for _, _, further in cuts], 0),
        groups=groups,
        bias=bias is not None,
        dilation=two([axis.dilation for axis in axes], 1),
    )
    read = (lambda y: [y[:, :, 0]]) if single else (lambda y: [y])
    return predicts(with_weight(module, weight, bias), x, read)


def cut_off(case: NodeCase, place: int, axis: Axis) -> tuple[int, int, int]:
    """Return what is cut off the output before and after, and what is put on behind."""
    further = case.get("output_padding", [0] * (place + 1))[place]
    whole = (axis.length - 1) * axis.stride + axis.effective_size + further
    mode = case.get("auto_pad", "NOTSET")
    if "output_shape" in case.attributes:
        total = whole - case.get("output_shape")[place]
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        total = whole - axis.length * axis.stride
    else:
        return axis.before, axis.after, further
    if total < 0:
        return 0, 0, further - total
    halves = total // 2, total - total // 2
    return (*(halves if mode == "SAME_UPPER" else halves[::-1]), further)


def two(values: list[Any], first: Any) -> tuple[Any, Any]:
    """Return two values; that of a single axis stands behind `first`."""
    return (first, *values) if len(values) == 1 else tuple(values)


COUNTERPARTS = {
    "Conv": Counterpart(("Conv1d", "Conv2d"), conv),
    "ConvTranspose": Counterpart(("ConvTranspose2d",), conv_transpose),
}
