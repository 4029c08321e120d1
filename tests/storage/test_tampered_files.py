"""Files with a right checksum whose content nobody saved: each is refused, and says why."""

import numpy as np
import pytest

from chainrule import (
    Adam,
    BatchNorm,
    Buffer,
    CategoricalCrossEntropy,
    ChainruleError,
    Checkpoint,
    ConfigurationError,
    Ensemble,
    ExponentialMovingAverage,
    FileFormatError,
    GroupNorm,
    LayerNorm,
    Linear,
    Network,
    RMSNorm,
    Standardizer,
    StateError,
    Trainer,
)
from chainrule.storage.archive import read_archive, write_archive

X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
Y = np.arange(20) % 3


def tampered(path, kind, change):
    arrays, description = read_archive(path, kind)
    change(arrays, description)
    write_archive(path, kind, arrays, description)


# ---------------------------------------------------------------- averages in checkpoints

AVERAGE = "ExponentialMovingAverage"


def fit(folder, **options):
    network = Network([Linear(3, 4, seed=0), BatchNorm(4), Linear(4, 3, seed=1)])
    trainer = Trainer(network, CategoricalCrossEntropy(from_logits=True), Adam(0.01), seed=0)
    callbacks = [ExponentialMovingAverage(0.9), Checkpoint(folder)]
    trainer.fit(X, Y, epochs=2, callbacks=callbacks, progress=False, **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("average", np.zeros(3, np.float32)),
        ("average", np.zeros((39, 1), np.float32)),
        ("average", np.zeros(39, np.int64)),
        ("average", np.zeros(39, np.bool_)),
        ("average", np.full(39, np.nan, np.float32)),
        ("average", np.float32(1)),
        ("steps", np.zeros(2, np.int64)),
        ("steps", np.array(-1)),
        ("steps", np.array(1.5)),
        ("steps", np.array(2**60)),
        ("buffers/layers.1.running_var", np.full(4, -1, np.float32)),
        ("buffers/layers.1.running_var", np.ones(4, np.int32)),
        ("buffers/layers.1.running_mean", np.full(4, np.inf, np.float32)),
        ("buffers/layers.1.running_mean", np.zeros((2, 2), np.float32)),
        ("buffers/more", np.zeros(2)),
    ],
)
def test_an_average_of_another_kind_is_refused(tmp_path, name, value):
    fit(tmp_path)
    last = tmp_path / "last.npz"

    def change(arrays, description):
        place = [entry["class"] for entry in description["callbacks"]].index(AVERAGE)
        assert f"callbacks/{place}/average" in arrays
        arrays[f"callbacks/{place}/{name}"] = value

    tampered(last, "checkpoint", change)
    with pytest.raises(StateError):
        fit(tmp_path, resume=last)


@pytest.mark.parametrize("value", ["text", None, 3, [1, [2, 3]], {"a": 1}, 10**400, True])
@pytest.mark.parametrize("name", ["average", "steps", "best"])
def test_a_callbacks_state_of_another_type_is_refused(tmp_path, name, value):
    fit(tmp_path)
    last = tmp_path / "last.npz"

    def change(arrays, description):
        classes = [entry["class"] for entry in description["callbacks"]]
        place = classes.index("Checkpoint" if name == "best" else AVERAGE)
        arrays.pop(f"callbacks/{place}/{name}", None)
        description["callbacks"][place]["state"][name] = value

    tampered(last, "checkpoint", change)
    if name != "average" and value == 3:
        return  # that is what it may be
    with pytest.raises(StateError):
        fit(tmp_path, resume=last)


def test_a_callback_of_ones_own_may_trip_over_its_state(tmp_path):
    class Counts(ExponentialMovingAverage):
        def load_state(self, state, training):
            return 1 / len(state["no such name"])

    def fit(**options):
        trainer = Trainer(Network([3, 3], seed=0), CategoricalCrossEntropy(), Adam(), seed=0)
        callbacks = [Counts(), Checkpoint(tmp_path)]
        trainer.fit(X, Y, epochs=1, callbacks=callbacks, progress=False, **options)

    fit()
    with pytest.raises(StateError, match=r"Counts\.load_state fails with the state .* KeyError"):
        fit(resume=tmp_path / "last.npz")


def test_the_state_of_an_average_by_hand_is_looked_at_too():
    network = Network([3, 3], seed=0)
    average = ExponentialMovingAverage(0.9)
    average.update(network)
    good = average.state()
    for bad in ({"average": np.zeros(12, np.int64)}, {"steps": np.array("x")}):
        with pytest.raises(StateError):
            average.load_state({**good, **bad})
    average.load_state(good)
    average.update(network)
    assert average.steps == 2


# ---------------------------------------------------------------- ensembles


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("best_epochs", [10**30, 0]),
        ("best_epochs", [float("inf"), 0]),
        ("best_epochs", [0]),
        ("best_epochs", 3),
        ("weights", [1e308, 1e308]),
        ("weights", [1.0, 1.0]),
        ("weights", [1e300, 0.0]),
        ("weights", [10**400, 1]),
        ("weights", [-1.0, 2.0]),
        ("weights", [0.0, 0.0]),
        ("weights", [[1], [2]]),
        ("notes", "text"),
        ("notes", [1]),
        ("members", [{"dropout": 10**400}, {}]),
        ("members", [{"seed": 1e300}, {}]),
        ("members", [{"dropout": 0.5}, {}]),
        ("members", [3, 4]),
        ("activation", ["relu"]),
        ("activation", "tanh"),
        ("batch_norm", 1),
        ("batch_norm", True),
        ("dtype", "f4,("),
        ("dtype", "\ud800"),
        ("output", None),
    ],
)
def test_an_ensembles_description_is_read_as_a_whole(tmp_path, name, value):
    path = tmp_path / "ensemble.npz"
    Ensemble([3, 4, 3], 2, seed=0).save(path)
    tampered(path, "module", lambda _, found: found["metadata"]["ensemble"].update({name: value}))
    with pytest.raises(FileFormatError) as refused:
        Ensemble.load(path)
    assert len(str(refused.value)) < 1000


def test_an_ensemble_is_no_larger_than_its_file(tmp_path):
    """Layers that do not follow each other would make large ones between them."""
    from chainrule import StackedLinear

    path = tmp_path / "ensemble.npz"
    ensemble = Ensemble([1, 3, 2], 1, seed=0)
    ensemble.save(path)
    chain = Network([StackedLinear(1, 1, 3000) for _ in range(6)])
    chain.metadata = read_archive(path, "module")[1]["metadata"]
    chain.save(path)
    with pytest.raises(FileFormatError, match="more than the file has values for"):
        Ensemble.load(path)


# ---------------------------------------------------------------- values that would predict NaN


@pytest.mark.parametrize("epsilon", [0, -1e-5, 1e-320, 1e-40, float("nan"), float("inf"), None])
@pytest.mark.parametrize(
    "build",
    [
        lambda **options: BatchNorm(3, **options),
        lambda **options: LayerNorm(3, **options),
        lambda **options: RMSNorm(3, **options),
        lambda **options: GroupNorm(1, 3, **options),
    ],
)
def test_a_norm_divides_by_nothing_that_may_be_zero(tmp_path, build, epsilon):
    with pytest.raises(ConfigurationError, match="epsilon must be a number with"):
        build(epsilon=epsilon)
    path = tmp_path / "norm.npz"
    Network([build(epsilon=0.5)]).save(path)

    def change(_, description):
        (layer,) = description["module"]["arguments"]["layers"]["tuple"]
        layer["module"]["arguments"]["epsilon"] = epsilon

    tampered(path, "module", change)
    with pytest.raises(FileFormatError, match="epsilon must be"):
        Network.load(path)


def test_a_variance_is_not_negative(tmp_path):
    path = tmp_path / "norm.npz"
    network = Network([BatchNorm(3)])
    network.save(path)
    name = "values/layers.0.running_var"
    tampered(path, "module", lambda a, _: a.update({name: np.float32([1, -1, 1])}))
    with pytest.raises(StateError, match=r"layers\.0\.running_var: holds -1, and is at least 0"):
        Network.load(path)
    with pytest.raises(StateError, match="is at least 0"):
        network.load_state({**network.state(), "layers.0.running_var": np.float32([1, -1, 1])})


def test_a_buffer_of_ones_own_may_have_a_least_value():
    from chainrule import Module

    class Own(Module):
        def __init__(self):
            self.count = Buffer(np.zeros(2, np.int64), least=0)

    Own().load_state({"count": np.array([0, 3])})
    with pytest.raises(StateError, match="count: holds -3, and is at least 0"):
        Own().load_state({"count": np.array([0, -3])})


@pytest.mark.parametrize(
    ("name", "value"),
    [("std", [1.0, 0.0, 1.0]), ("std", [1.0, -1.0, 1.0]), ("std", [np.inf] * 3), ("mean", [1.0])],
)
def test_a_standardizer_divides_by_what_it_can(tmp_path, name, value):
    path = tmp_path / "scaled.npz"
    network = Network([3, 3], seed=0)
    network.preparation = Standardizer().fit(X)
    network.save(path)
    key = f"preparations/preparation/{name}"
    tampered(path, "module", lambda arrays, _: arrays.update({key: np.array(value)}))
    with pytest.raises(ChainruleError):
        Network.load(path)
