"""The normalisations, each against its definition: one group of numbers at a time."""

import math

import numpy as np

from cases import Case
from chainrule.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm


def standardized(values, epsilon):
    """(v - mean) / sqrt(variance + epsilon) for some numbers, by their definition."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(variance + epsilon) for v in values]


def affine(module, place, value):
    if module.weight is None:
        return value
    shift = 0 if module.bias is None else module.bias.value[place]
    return value * module.weight.value[place] + shift


def batch_norm(module, x, training):
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        values = x[:, channel]
        if training or not module.track_running_stats:
            new = np.reshape(standardized(values.ravel().tolist(), module.epsilon), values.shape)
        else:
            mean, variance = module.running_mean.value[channel], module.running_var.value[channel]
            new = (values - mean) / math.sqrt(variance + module.epsilon)
        y[:, channel] = affine(module, channel, new)
    return y


def layer_norm(module, x, training):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[: x.ndim - len(module.normalized_shape)]):
        new = np.reshape(standardized(x[place].ravel().tolist(), module.epsilon), x[place].shape)
        y[place] = affine(module, ..., new)
    return y


def rms_norm(module, x, training):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[: x.ndim - len(module.normalized_shape)]):
        values = x[place].ravel().tolist()
        root = math.sqrt(math.fsum(v * v for v in values) / len(values) + module.epsilon)
        y[place] = x[place] / root * (1 if module.weight is None else module.weight.value)
    return y


def group_norm(module, x, training):
    y = np.empty_like(x)
    channels = range(x.shape[1])
    for sample in range(x.shape[0]):
        for group in np.split(np.array(channels), module.num_groups):
            values = x[sample, group]
            new = standardized(values.ravel().tolist(), module.epsilon)
            y[sample, group] = np.reshape(new, values.shape)
        for channel in channels:
            y[sample, channel] = affine(module, channel, y[sample, channel])
    return y


def instance_norm(module, x, training):
    """As in group_norm, or with running statistics as in batch_norm."""
    own = training or not module.track_running_stats
    return group_norm(module, x, training) if own else batch_norm(module, x, training)


def used(layer):
    """Give the layer gains, offsets and running statistics that are not the first ones."""
    rng = np.random.default_rng(5)
    for thing in (layer.named_parameters() | layer.named_buffers()).values():
        if thing.value.dtype.kind == "f":  # no counter
            thing.value = rng.uniform(0.4, 2.0, thing.shape)
    return layer


def far_from_zero(rng):
    """A mean a thousand times the spread: Σ x² - n μ² would lose six digits here."""
    return 1000 + rng.standard_normal((6, 3, 4))


def all_equal(rng):
    return np.full((4, 6), 2.5)


CASES = [
    Case("BatchNorm", lambda: used(BatchNorm(5)), (8, 5), reference=batch_norm, bad_shape=(8, 4)),
    Case(
        "BatchNorm-image",
        lambda: used(BatchNorm(3)),
        (4, 3, 5, 2),
        reference=batch_norm,
        bad_shape=(3, 4, 5, 2),
    ),
    Case(
        "BatchNorm-sequence",
        lambda: used(BatchNorm(4, epsilon=0.1, momentum=0.3)),
        (3, 4, 5),
        reference=batch_norm,
        bad_shape=(4,),
    ),
    Case("BatchNorm-not_affine", lambda: BatchNorm(3, affine=False), (6, 3), reference=batch_norm),
    Case("BatchNorm-one_channel", lambda: used(BatchNorm(1)), (7, 1), reference=batch_norm),
    Case("BatchNorm-one_image", lambda: used(BatchNorm(2)), (1, 2, 3, 3), reference=batch_norm),
    Case("BatchNorm-two_samples", lambda: used(BatchNorm(3)), (2, 3), reference=batch_norm),
    Case("BatchNorm-far", lambda: used(BatchNorm(3)), x=far_from_zero, reference=batch_norm),
    Case("BatchNorm-equal", lambda: BatchNorm(6, epsilon=1e-2), x=all_equal, reference=batch_norm),
    Case(
        "BatchNorm-by_the_batch",
        lambda: used(BatchNorm(3, track_running_stats=False)),
        (5, 3, 2),
        reference=batch_norm,
        bad_shape=(1, 3),
    ),
    Case(
        "BatchNorm-mean_of_all",
        lambda: used(BatchNorm(3, momentum=None)),
        (5, 3),
        reference=batch_norm,
    ),
    Case("LayerNorm", lambda: used(LayerNorm(5)), (6, 5), reference=layer_norm, bad_shape=(6, 4)),
    Case(
        "LayerNorm-sequence",
        lambda: used(LayerNorm(4, epsilon=0.1)),
        (3, 5, 4),
        reference=layer_norm,
        bad_shape=(4,),
    ),
    Case(
        "LayerNorm-last_two",
        lambda: used(LayerNorm((3, 4))),
        (2, 5, 3, 4),
        reference=layer_norm,
        bad_shape=(2, 5, 4, 3),
    ),
    Case(
        "LayerNorm-not_affine",
        lambda: LayerNorm([4], affine=False),
        (3, 4),
        reference=layer_norm,
    ),
    Case(
        "LayerNorm-no_bias",
        lambda: used(LayerNorm((2, 4), bias=False)),
        (3, 2, 4),
        reference=layer_norm,
    ),
    Case("LayerNorm-one_sample", lambda: used(LayerNorm(4)), (1, 4), reference=layer_norm),
    Case("LayerNorm-one_feature", lambda: used(LayerNorm(1)), (3, 1), reference=layer_norm),
    Case("LayerNorm-far", lambda: used(LayerNorm(4)), x=far_from_zero, reference=layer_norm),
    Case("LayerNorm-equal", lambda: LayerNorm(6, epsilon=1e-2), x=all_equal, reference=layer_norm),
    Case("RMSNorm", lambda: used(RMSNorm(5)), (6, 5), reference=rms_norm, bad_shape=(6, 4)),
    Case(
        "RMSNorm-last_two",
        lambda: used(RMSNorm((3, 4), epsilon=0.1)),
        (2, 5, 3, 4),
        reference=rms_norm,
        bad_shape=(3, 4),
    ),
    Case("RMSNorm-not_affine", lambda: RMSNorm(4, affine=False), (3, 2, 4), reference=rms_norm),
    Case("RMSNorm-one_sample", lambda: used(RMSNorm(4)), (1, 4), reference=rms_norm),
    Case("RMSNorm-one_feature", lambda: used(RMSNorm(1)), (3, 1), reference=rms_norm),
    Case(
        "RMSNorm-all_zero",
        lambda: used(RMSNorm(3, epsilon=1e-2)),
        x=lambda rng: np.zeros((2, 3)),
        reference=rms_norm,
    ),
    Case(
        "GroupNorm",
        lambda: used(GroupNorm(2, 6)),
        (3, 6, 4, 3),
        reference=group_norm,
        bad_shape=(3, 4, 4, 3),
    ),
    Case(
        "GroupNorm-table", lambda: used(GroupNorm(3, 6, epsilon=0.1)), (4, 6), reference=group_norm
    ),
    Case("GroupNorm-one_group", lambda: used(GroupNorm(1, 3)), (2, 3, 5), reference=group_norm),
    Case(
        "GroupNorm-one_channel", lambda: used(GroupNorm(1, 1)), (2, 1, 3, 3), reference=group_norm
    ),
    Case("GroupNorm-one_sample", lambda: used(GroupNorm(2, 4)), (1, 4, 3), reference=group_norm),
    Case(
        "GroupNorm-not_affine",
        lambda: GroupNorm(2, 4, affine=False),
        (2, 4, 3),
        reference=group_norm,
    ),
    Case(
        "InstanceNorm",
        lambda: InstanceNorm(3),
        (2, 3, 4, 3),
        reference=group_norm,
        bad_shape=(2, 4, 4, 3),
    ),
    Case(
        "InstanceNorm-affine",
        lambda: used(InstanceNorm(3, epsilon=0.1, affine=True)),
        (4, 3, 5),
        reference=group_norm,
        bad_shape=(4, 3),
    ),
    Case(
        "InstanceNorm-running",
        lambda: used(InstanceNorm(3, affine=True, track_running_stats=True)),
        (4, 3, 5),
        reference=instance_norm,
        bad_shape=(4, 4, 5),
    ),
    Case(
        "InstanceNorm-mean_of_all",
        lambda: used(InstanceNorm(2, momentum=None, track_running_stats=True)),
        (2, 2, 3, 2),
        reference=instance_norm,
    ),
    Case("InstanceNorm-one_channel", lambda: InstanceNorm(1), (1, 1, 5), reference=group_norm),
]
