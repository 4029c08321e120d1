"""Normalisation: running statistics, what is refused, what weight decay leaves alone."""

import numpy as np
import pytest

from chainrule import (
    SGD,
    ConfigurationError,
    InputError,
    MeanSquaredError,
    Network,
    ShapeError,
    Trainer,
    layers,
)
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


@pytest.mark.parametrize(
    "layer",
    [BatchNorm(3, momentum=None), InstanceNorm(3, momentum=None, track_running_stats=True)],
    ids=repr,
)
def test_without_a_momentum_statistics_are_the_mean_over_all_batches(layer, tmp_path):
    cast(layer, "float64")
    batches = np.random.default_rng(0).normal(2, 3, (7, 4, 3, 5))
    axes = (0, 2) if isinstance(layer, BatchNorm) else 2
    for batch in batches[:4]:
        layer.forward(batch)
    layer.save(tmp_path / "layer.npz")
    layer = type(layer).load(tmp_path / "layer.npz")  # and it goes on from there
    for batch in batches[4:]:
        layer.forward(batch)
    assert layer.num_batches_tracked.value == 7
    means = [np.reshape(batch.mean(axis=axes), (-1, 3)).mean(axis=0) for batch in batches]
    variances = [np.reshape(b.var(axis=axes, ddof=1), (-1, 3)).mean(axis=0) for b in batches]
    np.testing.assert_allclose(layer.running_mean.value, np.mean(means, axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.value, np.mean(variances, axis=0), rtol=1e-12)


@pytest.mark.parametrize("options", [{"momentum": None}, {"track_running_stats": False}], ids=str)
def test_statistics_of_every_kind_with_workers(options):
    """Parts of one size, whose statistics are put together: the mean of all batches as well."""
    X = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    y = X[:, :1] * 2
    states = []
    for workers in (1, 2):
        network = Network([Linear(3, 4), BatchNorm(4, **options), Linear(4, 1)], seed=0)
        trainer = Trainer(
            network,
            MeanSquaredError(),
            SGD(0.05),
            workers=workers,
            sync_batch_norm=True,
            seed=0,
        )
        trainer.fit(X, y, epochs=3, batch_size=16, progress=False)
        states.append(network.state())
    for name, value in states[0].items():
        np.testing.assert_allclose(states[1][name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_without_running_statistics_a_prediction_is_by_its_batch():
    layer = BatchNorm(2, track_running_stats=False)
    assert layer.named_buffers() == {}
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_array_equal(layer.predict(x), layer.forward(x))
    with pytest.raises(ShapeError, match=r"one value has no variance\. Predict more than one"):
        layer.predict(x[:1])


def test_a_prediction_of_single_values_by_running_statistics():
    layer = InstanceNorm(2, epsilon=1e-12, track_running_stats=True)
    np.testing.assert_allclose(layer.predict(np.ones((3, 2, 1))), np.ones((3, 2, 1)))
    with pytest.raises(ShapeError, match="expected more than one value per channel of a"):
        layer.forward(np.ones((3, 2, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
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


@pytest.mark.parametrize("bad", [1e21, 3e38])
def test_a_variance_beyond_the_type_is_refused_with_row_and_layer(bad):
    network = Network([Linear(2, 2, seed=0), BatchNorm(2)])
    network.layers[0].weight.value = np.eye(2)
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    network.forward(x)
    before = network.state()
    x[3, 1] = bad
    with pytest.raises(InputError, match=r"channel 1 .* row 3 holds") as told:
        network.forward(x)
    assert "BatchNorm (layers.1)" in "".join(told.value.__notes__)
    for name, value in network.state().items():
        np.testing.assert_array_equal(value, before[name], name)


@pytest.mark.parametrize("size", [1e19, 1e30, 1e38])
@pytest.mark.parametrize("name", [name for name in ALL if name != "BatchNorm"])
def test_huge_numbers_are_normalised_as_in_float64(name, size):
    x = np.random.default_rng(0).normal(size=(6, 4, 4)).clip(-3, 3) * size
    dy = np.random.default_rng(1).normal(size=x.shape)
    results = []
    for dtype in ("float32", "float64"):
        layer = ALL[name]()
        cast(layer, dtype)
        y = layer.forward(x.astype(dtype))
        results.append((y, layer.backward(dy.astype(dtype)) * size))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=2e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=3e-6)


@every_norm
def test_what_is_infinite_does_not_come_out_as_zero(build):
    x = np.ones((6, 4, 4), np.float32)
    x[2, 1, 1] = np.inf
    with np.errstate(all="ignore"):
        assert np.isnan(build().forward(x)).any()


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("BatchNorm", "RMSNorm")])
def test_huge_numbers_that_are_all_equal_become_zero(name):
    assert not ALL[name]().forward(np.full((2, 4, 4), 3e38, np.float32)).any()


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
