"""Normalisations equal PyTorch's: values, gradients, and running statistics over many batches."""

import numpy as np
import pytest

from chainrule import layers
from chainrule.module import cast

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

nn = torch.nn


def batch_norms(shape, **options):
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    renamed = {{"epsilon": "eps"}.get(name, name): value for name, value in options.items()}
    return layers.BatchNorm(shape[1], **options), kind(shape[1], **renamed)


PAIRS = {
    "BatchNorm-table": ((8, 5), lambda shape: batch_norms(shape)),
    "BatchNorm-sequence": ((4, 3, 6), lambda shape: batch_norms(shape, momentum=0.35)),
    "BatchNorm-image": ((3, 4, 5, 2), lambda shape: batch_norms(shape, epsilon=0.02)),
    "BatchNorm-one_image": ((1, 4, 3, 3), lambda shape: batch_norms(shape)),
    "BatchNorm-mean_of_all": ((4, 3, 6), lambda shape: batch_norms(shape, momentum=None)),
    "BatchNorm-by_the_batch": (
        (3, 4, 5, 2),
        lambda shape: batch_norms(shape, track_running_stats=False),
    ),
    "BatchNorm-not_affine": ((6, 3), lambda shape: batch_norms(shape, affine=False)),
    "LayerNorm": ((6, 5), lambda shape: (layers.LayerNorm(5), nn.LayerNorm(5))),
    "LayerNorm-last_two": (
        (3, 2, 4, 5),
        lambda shape: (layers.LayerNorm((4, 5), epsilon=0.01), nn.LayerNorm((4, 5), 0.01)),
    ),
    "LayerNorm-not_affine": (
        (3, 4, 5),
        lambda shape: (
            layers.LayerNorm(5, affine=False),
            nn.LayerNorm(5, elementwise_affine=False),
        ),
    ),
    "LayerNorm-no_bias": (
        (3, 4, 5),
        lambda shape: (layers.LayerNorm((4, 5), bias=False), nn.LayerNorm((4, 5), bias=False)),
    ),
    "RMSNorm": ((3, 4, 5), lambda shape: (layers.RMSNorm(5), nn.RMSNorm(5, eps=1e-5))),
    "RMSNorm-last_two": (
        (3, 4, 5),
        lambda shape: (layers.RMSNorm((4, 5), epsilon=0.01), nn.RMSNorm((4, 5), eps=0.01)),
    ),
    "GroupNorm": ((3, 6, 2, 4), lambda shape: (layers.GroupNorm(3, 6), nn.GroupNorm(3, 6))),
    "GroupNorm-table": ((4, 6), lambda shape: (layers.GroupNorm(2, 6), nn.GroupNorm(2, 6))),
    "GroupNorm-not_affine": (
        (2, 4, 5),
        lambda shape: (
            layers.GroupNorm(1, 4, epsilon=0.01, affine=False),
            nn.GroupNorm(1, 4, 0.01, affine=False),
        ),
    ),
    "InstanceNorm-sequence": (
        (2, 3, 5),
        lambda shape: (layers.InstanceNorm(3), nn.InstanceNorm1d(3)),
    ),
    "InstanceNorm-image": (
        (2, 3, 4, 5),
        lambda shape: (
            layers.InstanceNorm(3, affine=True),
            nn.InstanceNorm2d(3, affine=True),
        ),
    ),
    "InstanceNorm-running": (
        (3, 4, 5, 2),
        lambda shape: (
            layers.InstanceNorm(4, momentum=0.3, affine=True, track_running_stats=True),
            nn.InstanceNorm2d(4, momentum=0.3, affine=True, track_running_stats=True),
        ),
    ),
    "InstanceNorm-running_sequence": (
        (2, 3, 6),
        lambda shape: (
            layers.InstanceNorm(3, track_running_stats=True),
            nn.InstanceNorm1d(3, track_running_stats=True),
        ),
    ),
}
every_pair = pytest.mark.parametrize(("shape", "build"), PAIRS.values(), ids=PAIRS)


def built(shape, build):
    """Return both layers in float64, with the same gains and offsets."""
    rng = np.random.default_rng(3)
    ours, theirs = build(shape)
    theirs = theirs.double()
    cast(ours, "float64")
    parameters = dict(theirs.named_parameters())
    assert set(parameters) == set(ours.named_parameters())
    for name, parameter in ours.named_parameters().items():
        parameter.value = rng.uniform(0.5, 2, parameter.shape)
        parameters[name].data = torch.tensor(parameter.value.copy())
    return ours, theirs, parameters


def equal(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)


@every_pair
def test_values_and_gradients(shape, build):
    ours, theirs, parameters = built(shape, build)
    rng = np.random.default_rng(4)
    x, dy = 3 + 2 * rng.standard_normal(shape), rng.standard_normal(shape)
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = theirs(x_torch)
    y_torch.backward(torch.tensor(dy))
    equal(ours.forward(x), y_torch)
    equal(ours.backward(dy), x_torch.grad)
    for name, parameter in ours.named_parameters().items():
        equal(parameter.grad, parameters[name].grad)


@every_pair
def test_running_statistics_and_prediction(shape, build):
    ours, theirs, _ = built(shape, build)
    buffers = dict(theirs.named_buffers())
    rng = np.random.default_rng(5)
    for scale in (0.5, 4.0, 1.0, 30.0):
        x = scale + scale * rng.standard_normal(shape)
        ours.forward(x)
        theirs(torch.tensor(x))
        for name, buffer in ours.named_buffers().items():
            equal(buffer.value, buffers[name])
    theirs.eval()
    x = rng.standard_normal((2, *shape[1:]))
    equal(ours.predict(x), theirs(torch.tensor(x)))
    equal(ours.predict(x[:1]), theirs(torch.tensor(x[:1])))


def test_both_refuse_one_value_per_channel():
    ours, theirs = batch_norms((1, 3))
    with pytest.raises(ValueError, match="more than one value per channel"):
        ours.forward(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs(torch.ones((1, 3)))
