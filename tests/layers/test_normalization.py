"""Normalisation: running statistics, what is refused, what weight decay leaves alone."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Network, ShapeError, layers
from chainrule.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Linear, RMSNorm
from chainrule.module import cast, initialize

ALL = {
    "BatchNorm": lambda: BatchNorm(4),
    "LayerNorm": lambda: LayerNorm(4),
    "GroupNorm": lambda: GroupNorm(2, 4),
    "InstanceNorm": lambda: InstanceNorm(4, affine=True),
    "RMSNorm": lambda: RMSNorm(4),
}
every_norm = pytest.mark.parametrize("build", ALL.values(), ids=ALL)


def test_running_statistics_by_hand():
    layer = BatchNorm(1, momentum=0.1)
    cast(layer, "float64")
    layer.forward(np.array([[1.0], [2.0], [6.0]]))  # mean 3; squares 4 + 1 + 9, over 3 - 1
    np.testing.assert_allclose(layer.running_mean.value, [0.9 * 0 + 0.1 * 3])
    np.testing.assert_allclose(layer.running_var.value, [0.9 * 1 + 0.1 * 7])
    layer.forward(np.array([[5.0], [7.0]]))
    np.testing.assert_allclose(layer.running_mean.value, [0.9 * 0.3 + 0.1 * 6])
    np.testing.assert_allclose(layer.running_var.value, [0.9 * 1.6 + 0.1 * 2])


def test_running_statistics_arrive_at_the_data_s_own():
    rng = np.random.default_rng(0)
    layer = BatchNorm(2)
    for _ in range(300):
        layer.forward((rng.standard_normal((256, 2, 4)) * [[3], [0.5]] + [[7], [-2]]).astype("f"))
    np.testing.assert_allclose(layer.running_mean.value, [7, -2], atol=0.05)
    np.testing.assert_allclose(layer.running_var.value, [9, 0.25], rtol=0.03)
    assert layer.running_var.value.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_batch_that_overflowed_does_not_spoil_the_running_statistics(bad):
    layer = BatchNorm(2)
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    layer.forward(x)
    before = layer.state()
    x[3, 1] = bad
    with np.errstate(all="ignore"):
        layer.forward(x)
    for name, value in layer.state().items():
        np.testing.assert_array_equal(value, before[name], name)


@pytest.mark.parametrize("momentum", [0, 1])
def test_momentum_at_its_ends_keeps_or_replaces(momentum):
    layer = BatchNorm(1, momentum=momentum)
    layer.forward(np.array([[1.0], [3.0]], np.float32))
    assert layer.running_mean.value == (2 if momentum else 0)
    assert layer.running_var.value == (2 if momentum else 1)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)])
def test_a_batch_of_one_value_per_channel_is_refused_in_training_alone(shape):
    layer = BatchNorm(3)
    x = np.ones(shape, np.float32)
    before = layer.state()
    with pytest.raises(ShapeError, match="expected more than one value per channel") as caught:
        layer.forward(x)
    assert str(shape) in str(caught.value)
    for name, value in layer.state().items():
        np.testing.assert_array_equal(value, before[name])
    assert layer.predict(x).shape == shape


def test_the_refusal_names_the_place_in_the_network():
    network = Network([Linear(4, 3), BatchNorm(3)])
    with pytest.raises(ShapeError, match=r"BatchNorm \(layers.1\): expected more than one value"):
        network.forward(np.ones((1, 4)))


def test_instance_norm_refuses_single_values_always():
    for shape in ((2, 3, 1), (2, 3), (2, 3, 1, 1)):
        with pytest.raises(ShapeError, match="expected more than one value per channel of a"):
            InstanceNorm(3).predict(np.ones(shape))


def test_a_prediction_does_not_depend_on_the_other_samples():
    layer = BatchNorm(3)
    x = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float32)
    layer.forward(x)
    np.testing.assert_array_equal(layer.predict(x)[:1], layer.predict(x[:1]))


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (BatchNorm(6, epsilon=1e-12), (0, 2, 3)),
        (LayerNorm((4, 5), epsilon=1e-12), (2, 3)),
        (InstanceNorm(6, epsilon=1e-12), (2, 3)),
        (GroupNorm(1, 6, epsilon=1e-12), (1, 2, 3)),
    ],
)
def test_mean_0_and_variance_1_also_far_from_zero_in_float32(layer, axes):
    x = np.random.default_rng(0).standard_normal((8, 6, 4, 5)) * 3 + 1000
    y = layer.forward(x.astype(np.float32)).astype(np.float64)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-3)
    np.testing.assert_allclose(y.var(axis=axes), 1, atol=1e-3)


@every_norm
def test_nothing_moves_where_all_numbers_are_equal(build):
    layer = build()
    y = layer.forward(np.zeros((3, 4, 4), np.float32))
    np.testing.assert_array_equal(y, 0)
    assert np.isfinite(layer.backward(np.ones_like(y))).all()


@every_norm
def test_weight_decay_leaves_gains_alone_and_drawing_sets_them_back(build):
    layer = build()
    first = layer.state()
    assert layer.named_parameters()
    for parameter in layer.named_parameters().values():
        assert not parameter.decay
        parameter.value = parameter.value + 3
    initialize(layer, np.random.default_rng(0), lambda shape, rng: rng.standard_normal(shape))
    for name, value in layer.state().items():
        np.testing.assert_array_equal(value, first[name])


def test_group_norm_lies_between_layer_and_instance_norm():
    x = np.random.default_rng(0).standard_normal((3, 6, 4, 5))
    np.testing.assert_allclose(
        GroupNorm(1, 6).predict(x), LayerNorm((6, 4, 5)).predict(x), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(GroupNorm(6, 6).predict(x), InstanceNorm(6).predict(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: BatchNorm(0), "num_features"),
        (lambda: BatchNorm(3, epsilon=0), "epsilon"),
        (lambda: BatchNorm(3, momentum=1.1), "momentum"),
        (lambda: LayerNorm(()), "normalized_shape"),
        (lambda: LayerNorm((3, 0)), "normalized_shape"),
        (lambda: LayerNorm("4"), "normalized_shape"),
        (lambda: LayerNorm(4, epsilon=-1), "epsilon"),
        (lambda: RMSNorm(2.5), "normalized_shape"),
        (lambda: RMSNorm(4, epsilon=float("nan")), "epsilon"),
        (lambda: GroupNorm(2, 5), "5 channels cannot be split into 2 groups"),
        (lambda: GroupNorm(0, 4), "num_groups"),
        (lambda: GroupNorm(2, 4, epsilon=0), "epsilon"),
        (lambda: InstanceNorm(-1), "num_features"),
    ],
)
def test_refuses_options_that_make_no_sense(build, named):
    with pytest.raises(ConfigurationError, match=named):
        build()


def test_exported():
    assert set(ALL) == set(layers.normalization.__all__)
