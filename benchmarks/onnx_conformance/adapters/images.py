"""Images of other sizes: padded, resized, or with pixels from channels and back."""

from __future__ import annotations

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import (
    Counterpart,
    Expression,
    NotExpressible,
    predicts,
)

PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(case: NodeCase) -> Expression:
    """Say a node that pads height and width; it lists all begins, then all ends."""
    x, pads, value = case.input(0), case.input(1), case.input(2)
    axes = range(x.ndim) if case.input(3) is None else [axis % x.ndim for axis in case.input(3)]
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, *np.split(pads, 2), strict=True):
        widths[axis] = (int(before), int(after))
    if x.ndim != 4 or any(map(any, widths[:2])):
        raise NotExpressible("padding of the batch or of channels")
    mode = PAD_MODES[case.get("mode", "constant")]
    module = chainrule.Pad2d(widths[2:], mode=mode, value=0.0 if value is None else float(value))
    return predicts(module, x, lambda y: (y.astype(x.dtype),))


def depth_to_space(case: NodeCase) -> Expression:
    """In the mode DCR, the place in a block counts before the channel; in CRD, as ours, behind."""
    x, size = case.input(0), case.get("blocksize")
    if case.get("mode", "DCR") == "DCR":
        x = channels_first(x, size)
    return predicts(chainrule.PixelShuffle(size), x)


def space_to_depth(case: NodeCase) -> Expression:
    x, size = case.input(0), case.get("blocksize")

    def read(y: Array) -> tuple[Array]:
        return (y if case.get("mode", "DCR") == "CRD" else channels_last(y, size),)

    return predicts(chainrule.PixelUnshuffle(size), x, read)


def channels_first(x: Array, size: int) -> Array:
    """Return channels in the order (place in the block, channel) in the order (channel, place)."""
    return x.reshape(len(x), size**2, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


def channels_last(x: Array, size: int) -> Array:
    """Undo `channels_first`."""
    return x.reshape(len(x), -1, size**2, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


def resize(case: NodeCase) -> Expression:
    """Say a node that makes images larger by whole numbers; ours matches middles of pixels."""
    for name, ours in {
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_floor",
        "keep_aspect_ratio_policy": "stretch",
        "antialias": 0,
    }.items():
        if case.get(name, ours) != ours:
            raise NotExpressible(f"{name} = {case.get(name)}")
    x, scales, sizes = case.input(0), case.input(2), case.input(3)
    axes = case.get("axes", list(range(x.ndim)))
    if scales is None:
        scales = [size / x.shape[axis] for size, axis in zip(sizes, axes, strict=True)]
    return upsampled(case, dict(zip(axes, scales, strict=True)))


def upsample(case: NodeCase) -> Expression:
    return upsampled(case, dict(enumerate(case.input(1))))


def upsampled(case: NodeCase, scales: dict[int, float]) -> Expression:
    """Return the expression for these scales by axis."""
    x, mode = case.input(0), case.get("mode", "nearest")
    every = [scales.get(axis, 1.0) for axis in range(x.ndim)]
    if mode not in ("nearest", "linear"):
        raise NotExpressible(f"mode = {mode}")
    if any(scale != int(scale) for scale in every) or every[:2] != [1, 1]:
        raise NotExpressible("a scale that is no whole number")
    return predicts(chainrule.Upsample([int(scale) for scale in every[2:]], mode=mode), x)


COUNTERPARTS = {
    "DepthToSpace": Counterpart(("PixelShuffle",), depth_to_space),
    "Pad": Counterpart(("Pad2d",), pad),
    "Resize": Counterpart(("Upsample",), resize),
    "SpaceToDepth": Counterpart(("PixelUnshuffle",), space_to_depth),
    "Upsample": Counterpart(("Upsample",), upsample),
}
