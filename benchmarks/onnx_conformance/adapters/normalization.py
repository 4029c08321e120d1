"""BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RMSNorm: scale and bias become weight and bias."""

from __future__ import annotations

from typing import Any

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible, predicts

EPSILON = 1e-5
"""What ε is where the node does not say."""


def with_gain(module: Any, scale: Array, bias: Array | None = None) -> Any:
    """Return the module with these values."""
    module.weight.value = scale
    if bias is not None:
        module.bias.value = bias
    return module


def batch_norm(case: NodeCase) -> Expression:
    x, scale, bias, mean, variance = case.inputs
    if case.get("training_mode"):
        raise NotExpressible("a running variance that is not the unbiased one")
    module = with_gain(
        chainrule.BatchNorm(x.shape[1], epsilon=case.get("epsilon", EPSILON)), scale, bias
    )
    module.running_mean.value = mean
    module.running_var.value = variance
    return predicts(module, x)


def mean_variance_norm(case: NodeCase) -> Expression:
    """BatchNorm in training; ONNX adds 1e-9 to the root, ours its square under it."""
    x = case.input(0)
    if case.get("axes", [0, 2, 3]) != [0, 2, 3]:
        raise NotExpressible("statistics over other axes than batch and pixels")
    module = chainrule.BatchNorm(x.shape[1], epsilon=1e-18, affine=False)
    return Expression(module, module.forward, (x, True))


def last_axes(case: NodeCase, kind: type) -> Expression:
    """LayerNorm and RMSNorm: statistics over all axes from `axis` on; from 0, x is one sample."""
    x, scale, bias = case.input(0), case.input(1), case.input(2)
    axis = case.get("axis", -1) % x.ndim
    module = with_gain(kind(x.shape[axis:], epsilon=case.get("epsilon", EPSILON)), scale, bias)
    return predicts(module, x) if axis else predicts(module, x[None], lambda y: (y[0],))


def group_norm(case: NodeCase) -> Expression:
    x, scale, bias = case.inputs
    epsilon = case.get("epsilon", EPSILON)
    module = chainrule.GroupNorm(case.get("num_groups"), x.shape[1], epsilon=epsilon)
    return predicts(with_gain(module, scale, bias), x)


def instance_norm(case: NodeCase) -> Expression:
    x, scale, bias = case.inputs
    module = chainrule.InstanceNorm(x.shape[1], epsilon=case.get("epsilon", EPSILON), affine=True)
    return predicts(with_gain(module, scale, bias), x)


COUNTERPARTS = {
    "BatchNormalization": Counterpart(("BatchNorm",), batch_norm),
    "GroupNormalization": Counterpart(("GroupNorm",), group_norm),
    "InstanceNormalization": Counterpart(("InstanceNorm",), instance_norm),
    "LayerNormalization": Counterpart(
        ("LayerNorm",), lambda case: last_axes(case, chainrule.LayerNorm)
    ),
    "MeanVarianceNormalization": Counterpart(("BatchNorm",), mean_variance_norm),
    "RMSNormalization": Counterpart(("RMSNorm",), lambda case: last_axes(case, chainrule.RMSNorm)),
}
