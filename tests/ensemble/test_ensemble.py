"""Ensemble: every member learns as it would alone, and those that are good predict together."""

import copy
import functools
import itertools
import pickle
import threading

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigurationError,
    CosineDecay,
    Ensemble,
    FileFormatError,
    Huber,
    InputError,
    Linear,
    Lion,
    LossPerOutput,
    Member,
    Momentum,
    NAdam,
    Network,
    NotFiniteError,
    RAdam,
    ReLU,
    RMSprop,
    Softmax,
    StateError,
    check_module,
)
from chainrule.data.samples import batch_bounds
from chainrule.errors import ChainruleError
from chainrule.initializers import KaimingUniform
from chainrule.metrics import accuracy


def table(samples=120, features=4, classes=3, seed=0):
    """Return a task that can be learned: classes by which feature is the largest."""
    X = np.random.default_rng(seed).standard_normal((samples, features)).astype(np.float32)
    return X, X[:, :classes].argmax(axis=1)


def various(count=4, **options):
    """Return members with different hyperparameters."""
    rates = np.geomspace(0.003, 0.03, count)
    return [
        {"learning_rate": float(rate), "weight_decay": 0.01 * k, "dropout": 0.1 * (k % 3)} | options
        for k, rate in enumerate(rates)
    ]


# ---------------------------------------------------------------- one member is one network


def trained_alone(member, sizes, X, y, loss, optimizer, epochs, batch_size, dtype, options):
    """Return a network trained by a plain loop, with the member's order of samples."""
    ensemble = Ensemble(sizes, [member], dtype=dtype, **options)
    (network,) = ensemble.networks()
    for place, layer in enumerate(network):
        if hasattr(layer, "rng"):
            layer.rng = copy.deepcopy(ensemble.network[place].rngs[0])
    order_from = np.random.default_rng([ensemble.members[0].seed, 1])
    for _ in range(epochs):
        order = order_from.permutation(len(X))
        bounds = batch_bounds(len(X), batch_size)
        for start, stop in itertools.pairwise(bounds):
            rows = order[start:stop]
            _, gradient = loss.value_and_gradient(y[rows], network.forward(X[rows]))
            network.backward_parameters(gradient)
            optimizer.step(network)
    return network


@pytest.mark.parametrize("optimizer", [AdamW, Adam, SGD, Momentum, RMSprop, NAdam, RAdam, Lion])
def test_one_member_is_a_network_trained_alone(optimizer):
    X, y = table(70)
    member = {"learning_rate": 0.005, "weight_decay": 0.1, "seed": 5}
    ensemble = Ensemble([4, 8, 3], [member], dtype="float64")
    network = trained_alone(
        member, [4, 8, 3], X, y, CategoricalCrossEntropy(),
        optimizer(0.005, weight_decay=0.1), 4, 16, "float64", {},
    )  # fmt: skip
    ensemble.fit(X, y, epochs=4, batch_size=16, optimizer=optimizer)
    np.testing.assert_allclose(ensemble.predict(X), network.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("place", [0, 3])
def test_a_member_among_others_is_a_network_trained_alone(place):
    X, y = table(97)
    options = {"batch_norm": True, "activation": "silu"}
    members = [member | {"seed": k} for k, member in enumerate(various(4, dropout=0.2))]
    ensemble = Ensemble([4, 6, 5, 3], members, dtype="float64", **options)
    member = members[place]
    network = trained_alone(
        member, [4, 6, 5, 3], X, y, CategoricalCrossEntropy(label_smoothing=0.1),
        AdamW(member["learning_rate"], weight_decay=member["weight_decay"]),
        3, 32, "float64", options,
    )  # fmt: skip
    ensemble.fit(X, y, epochs=3, label_smoothing=0.1)
    members = ensemble.predict_members(X)[:, place]
    np.testing.assert_allclose(members, network.predict(X), rtol=1e-8, atol=1e-10)


def test_a_schedule_multiplies_each_learning_rate():
    X, y = table(64)
    member = {"learning_rate": 0.02, "seed": 1}
    schedule = CosineDecay(1.0, 6)
    network = trained_alone(
        member, [4, 5, 3], X, y, CategoricalCrossEntropy(),
        Adam(lambda step: 0.02 * schedule(step)), 2, 16, "float64", {},
    )  # fmt: skip
    members = [{"learning_rate": 0.1}, member]
    ensemble = Ensemble([4, 5, 3], members, dtype="float64")
    ensemble.fit(X, y, epochs=2, batch_size=16, optimizer=Adam, schedule=schedule)
    np.testing.assert_allclose(ensemble.predict_members(X)[:, 1], network.predict(X), rtol=1e-9)


def test_the_stack_passes_the_gradient_check():
    ensemble = Ensemble([3, 4, 2], various(3), batch_norm=True, activation="tanh", seed=0)
    x = np.random.default_rng(0).standard_normal((6, 3, 3))
    for given in (x, x[:, 0]):
        report = check_module(ensemble.network, given)
        assert report.passed, str(report)


# ---------------------------------------------------------------- members are independent


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.2},
        {"weight_decay": 0.5},
        {"dropout": 0.5},
        {"seed": 99},
        {"learning_rate": 1e30},  # it meets NaN and leaves the stack
    ],
    ids=str,
)
def test_members_do_not_affect_each_other(change):
    X, y = table(150)
    members = various(4, dropout=0.2)
    other = [*members[:1], members[1] | change, *members[2:]]
    predicted = []
    for given in (members, other):
        ensemble = Ensemble([4, 6, 3], given, batch_norm=True, seed=0)
        ensemble.fit(X, y, epochs=12, validation_split=0.2, patience=3)
        predicted.append(ensemble.predict_members(X))
    np.testing.assert_array_equal(predicted[0][:, [0, 2, 3]], predicted[1][:, [0, 2, 3]])
    assert not np.array_equal(predicted[0][:, 1], predicted[1][:, 1])


def test_members_are_independent_of_how_many_there_are():
    X, y = table()
    few, many = (various(4)[:count] for count in (2, 4))
    predicted = [
        Ensemble([4, 6, 3], given, seed=0).fit(X, y, epochs=3).predict_members(X)[:, :2]
        for given in (few, many)
    ]
    np.testing.assert_array_equal(*predicted)


def test_the_same_seed_gives_the_same_bits():
    X, y = table()
    values = [
        Ensemble([4, 6, 3], various(), seed=7).fit(X, y, epochs=4, validation_split=0.25).predict(X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*values)
    members = Ensemble([4, 6, 3], 3, seed=7).members
    assert len({member.seed for member in members}) == 3
    assert members == Ensemble([4, 6, 3], 3, seed=7).members


# ---------------------------------------------------------------- what it learns


def test_it_learns_classes_and_reports_the_spread():
    X, y = table(300)
    ensemble = Ensemble([4, 16, 3], various(6), seed=0)
    ensemble.fit(X[:200], y[:200], epochs=60, validation_split=0.2, patience=10)
    mean, spread = ensemble.predict(X[200:], return_std=True)
    assert accuracy(y[200:], mean) > 0.9
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-5)
    members = ensemble.predict_members(X[200:])
    weights = ensemble.weights[:, np.newaxis]
    expected = (members * weights).sum(axis=1)
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    variance = ((members - expected[:, np.newaxis]) ** 2 * weights).sum(axis=1)
    np.testing.assert_allclose(spread, np.sqrt(variance), atol=1e-5)


def test_it_learns_a_binary_label():
    X, _ = table(200)
    y = (X[:, 0] > 0).astype(int)
    ensemble = Ensemble([4, 8, 1], various(), output="sigmoid", seed=0)
    ensemble.fit(X, y, epochs=30, validation_split=0.2, metric="accuracy")
    assert accuracy(y, ensemble.predict(X)) > 0.95


def test_it_learns_several_labels():
    X, _ = table(300)
    y = (X[:, :2] > 0).astype(int)
    ensemble = Ensemble([4, 8, 2], various(), output="sigmoid", seed=0)
    ensemble.fit(X, y, epochs=30, validation_data=(X[:50], y[:50]), metric="accuracy")
    assert ((ensemble.predict(X) > 0.5) == y).mean() > 0.95
    assert ensemble.history["val_accuracy"].shape == (30, 4)
    assert (ensemble.history["val_accuracy"][-1] > 0.8).all()


@pytest.mark.parametrize(("outputs", "loss"), [(1, None), (2, None), (1, Huber(0.5))])
def test_it_learns_numbers(outputs, loss):
    X, _ = table(300)
    y = np.stack([X[:, 0] + X[:, 1], X[:, 2]], axis=1)[:, :outputs]
    ensemble = Ensemble([4, 16, outputs], various(), output="linear", seed=0)
    given = y[:, 0] if outputs == 1 else y
    ensemble.fit(X, given, epochs=60, validation_split=0.2, metric="rmse", loss=loss)
    assert np.sqrt(((ensemble.predict(X) - y) ** 2).mean()) < 0.3
    best = np.nanmin(ensemble.history["val_rmse"], axis=0)
    assert (best < 0.5).any()


def test_a_weight_of_two_equals_the_sample_given_twice():
    X, y = table(40)
    weight = np.ones(40)
    weight[:10] = 2
    twice = np.r_[np.arange(40), np.arange(10)]
    members = various(2, dropout=0)
    predicted = []
    for data, sample_weight in (((X, y), weight), ((X[twice], y[twice]), None)):
        ensemble = Ensemble([4, 5, 3], members, dtype="float64", seed=0)
        ensemble.fit(*data, epochs=3, batch_size=64, sample_weight=sample_weight)
        predicted.append(ensemble.predict_members(X))
    np.testing.assert_allclose(*predicted, rtol=1e-9, atol=1e-12)


def test_class_weights_act_as_sample_weights():
    X, y = table(60)
    options = {"epochs": 3, "batch_size": 20}
    by_class, by_sample, without = (Ensemble([4, 5, 3], 2, seed=0) for _ in range(3))
    by_class.fit(X, y, class_weight={0: 0.0, 1: 3.0}, **options)
    by_sample.fit(X, y, sample_weight=np.array([0.0, 3.0, 1.0])[y], **options)
    np.testing.assert_array_equal(by_class.predict(X), by_sample.predict(X))
    kept = y != 0
    without.fit(X[kept], y[kept], sample_weight=np.array([0.0, 3.0, 1.0])[y][kept], **options)
    np.testing.assert_array_equal(by_class.predict(X), without.predict(X))


# ---------------------------------------------------------------- early stopping


def test_every_member_stops_by_itself_and_keeps_its_best_weights():
    X, y = table(80)
    y = y.copy()
    y[::4] = (y[::4] + 1) % 3  # noise, so that it soon gets worse
    ensemble = Ensemble([4, 32, 3], various(6, dropout=0), seed=0)
    held = X[:30], y[:30]
    ensemble.fit(X[30:], y[30:], epochs=200, batch_size=10, validation_data=held, patience=6)
    losses = ensemble.history["val_loss"]
    stopped = [int(np.isfinite(own).sum()) for own in losses.T]
    assert len(set(stopped)) > 1, "members stop at different times"
    for k, epochs in enumerate(stopped):
        best = int(np.nanargmin(losses[:, k]))
        assert ensemble.best_epochs[k] == best
        assert epochs in (best + 7, 200)
        assert np.isnan(losses[epochs:, k]).all()
        alone = CategoricalCrossEntropy().forward(held[1], ensemble.predict_members(X[:30])[:, k])
        assert alone == pytest.approx(losses[best, k], rel=1e-5)
    assert len(losses) == max(stopped), "training ends with the last member"


def test_a_stopped_member_does_not_affect_the_others():
    """The stack is rebuilt without it, with its optimizer and random generators."""
    X, y = table(100)
    data = {"validation_data": (X[:30], y[:30]), "batch_size": 10}
    stopping, going_on = (Ensemble([4, 8, 3], various(3), seed=0) for _ in range(2))
    stopping.fit(X[30:], y[30:], epochs=40, patience=2, **data)
    going_on.fit(X[30:], y[30:], epochs=40, **data)
    cut = stopping.history["val_loss"]
    assert np.isnan(cut).any()
    whole = going_on.history["val_loss"][: len(cut)]
    np.testing.assert_array_equal(cut[np.isfinite(cut)], whole[np.isfinite(cut)])


def test_on_epoch_end_sees_the_row_and_can_stop():
    X, y = table()
    rows = []

    def watch(epoch, row):
        rows.append((epoch, sorted(row), row["loss"].shape))
        return epoch == 2

    ensemble = Ensemble([4, 5, 3], 2, seed=0)
    ensemble.fit(X, y, epochs=9, validation_split=0.2, on_epoch_end=watch)
    assert rows == [(epoch, ["loss", "val_loss"], (2,)) for epoch in range(3)]


def test_an_interrupted_training_leaves_the_best_weights():
    X, y = table()

    def interrupt(epoch, row):
        if epoch == 3:
            raise KeyboardInterrupt

    ensemble = Ensemble([4, 5, 3], 2, seed=0)
    before = ensemble.predict(X)
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(X, y, epochs=9, validation_data=(X, y), on_epoch_end=interrupt)
    losses = ensemble.history["val_loss"]
    own = ensemble.predict_members(X)
    for k, best in enumerate(ensemble.best_epochs):
        found = CategoricalCrossEntropy().forward(y, own[:, k])
        assert found == pytest.approx(losses[best, k], rel=1e-5)
    assert not np.array_equal(ensemble.predict(X), before), "predict uses them too"


def test_an_interruption_in_the_middle_of_an_epoch():
    X, y = table()
    steps = []

    def factor(step):
        steps.append(step)
        if step == 7:
            raise KeyboardInterrupt
        return 1.0

    members = [{"learning_rate": 1e30}, {"learning_rate": 0.01}]
    ensemble = Ensemble([4, 5, 3], members, seed=0)
    before = ensemble.predict_members(X)
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(X, y, epochs=9, schedule=factor)
    after = ensemble.predict_members(X)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    assert not np.array_equal(after[:, 1], before[:, 1])


def test_fit_continues_from_the_present_weights():
    X, y = table()
    ensemble = Ensemble([4, 8, 3], 3, seed=0)
    first = ensemble.fit(X, y, epochs=5).history["loss"]
    second = ensemble.fit(X, y, epochs=5).history["loss"]
    assert (second[0] < first[0]).all()


# ---------------------------------------------------------------- NaN


def test_a_member_that_meets_nan_is_left_out_with_a_note():
    X, y = table()
    members = [{"learning_rate": 0.01}, {"learning_rate": 1e30}, {"learning_rate": 0.02}]
    for batch_norm in (False, True):
        ensemble = Ensemble([4, 6, 3], members, batch_norm=batch_norm, seed=0)
        ensemble.fit(X, y, epochs=3, batch_size=16, validation_split=0.2, optimizer=SGD)
        (note,) = ensemble.notes
        assert note.startswith("Member 1 (Member(learning_rate=1e+30")
        assert "met NaN or infinity in epoch 1; it is left out." in note
        assert ensemble.weights[1] == 0
        assert np.isfinite(ensemble.predict(X)).all()
        assert np.isnan(ensemble.history["val_loss"][:, 1]).all()
        assert np.isfinite(ensemble.history["val_loss"][:, [0, 2]]).all()


def test_a_member_that_meets_nan_without_validation():
    X, y = table()
    members = [{"learning_rate": 0.01}, {"learning_rate": 1e30}]
    ensemble = Ensemble([4, 6, 3], members, seed=0).fit(X, y, epochs=2, optimizer=SGD)
    assert ensemble.weights.tolist() == [1, 0]


def test_a_member_that_diverges_later_keeps_its_best_weights():
    X, y = table()
    members = [{"learning_rate": 0.01}, {"learning_rate": 0.02}]

    def breaking(learning_rate, **options):
        explosion = lambda step: 1.0 if step < 10 else 1e38 if step == 10 else 1.0  # noqa: E731
        return SGD(explosion, **options)

    ensemble = Ensemble([4, 6, 3], members, seed=0)
    ensemble.fit(
        X[:96], y[:96], epochs=5, validation_data=(X[96:], y[96:]), batch_size=16,
        optimizer=breaking,
    )  # fmt: skip
    assert len(ensemble.notes) == 2
    assert "in epoch 2; it has its weights of epoch 1, its best" in ensemble.notes[0]
    assert len(ensemble.history["loss"]) == 2
    assert np.isfinite(ensemble.predict(X)).all()


def test_all_members_meet_nan():
    X, y = table()
    ensemble = Ensemble([4, 6, 3], [{"learning_rate": 1e30}] * 2, seed=0)
    before = ensemble.predict(X)
    with pytest.raises(NotFiniteError, match="All 2 members met NaN or infinity"):
        ensemble.fit(X, y, epochs=3, optimizer=SGD)
    np.testing.assert_array_equal(ensemble.predict(X), before)


# ---------------------------------------------------------------- files and networks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load(tmp_path, dtype):
    X, y = table()
    options = {"batch_norm": True, "activation": "gelu", "dtype": dtype}
    ensemble = Ensemble([4, 6, 3], various(), seed=0, **options)
    ensemble.fit(X, y, epochs=5, validation_split=0.2)
    file = tmp_path / "ensemble.npz"
    ensemble.save(file, class_names=["a", "b", "c"], metrics={"accuracy": 0.9})
    again = Ensemble.load(file)
    np.testing.assert_array_equal(again.predict(X), ensemble.predict(X))
    np.testing.assert_array_equal(again.predict_members(X), ensemble.predict_members(X))
    assert again.members == ensemble.members
    assert repr(again) == repr(ensemble)
    assert again.metadata["class_names"] == ["a", "b", "c"]
    np.testing.assert_array_equal(again.best_epochs, ensemble.best_epochs)
    again.fit(X, y, epochs=1)
    stack = Network.load(file)
    np.testing.assert_array_equal(stack.predict(X), ensemble.predict_members(X))


@pytest.mark.parametrize(
    "initialization", ["zero", KaimingUniform(), lambda shape, rng: np.ones(shape)]
)
def test_members_are_initialized_as_layers_are(tmp_path, initialization):
    ensemble = Ensemble([4, 6, 3], 2, initialization=initialization, seed=0)
    for member, network in zip(ensemble.members, ensemble.networks(), strict=True):
        own = Network([Linear(4, 6), ReLU(), Linear(6, 3), Softmax()], seed=member.seed,
                      initialization=initialization)  # fmt: skip
        np.testing.assert_array_equal(network.flat.values, own.flat.values)
    ensemble.save(tmp_path / "ensemble.npz")
    again = Ensemble.load(tmp_path / "ensemble.npz")
    np.testing.assert_array_equal(again.predict(X), ensemble.predict(X))


def test_a_file_of_a_network_is_refused(tmp_path):
    file = tmp_path / "network.npz"
    Network([4, 3], seed=0).save(file)
    with pytest.raises(FileFormatError, match="holds a network, not an ensemble"):
        Ensemble.load(file)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("members"),
        lambda d: d["members"].pop(),
        lambda d: d["members"].append({}),
        lambda d: d["members"].__setitem__(0, {"learning_rate": -1}),
        lambda d: d.update(activation="magic"),
        lambda d: d.update(batch_norm=True),
        lambda d: d.update(weights=[0, 0]),
        lambda d: d.update(weights=[1]),
        lambda d: d.update(weights=["much", "little"]),
    ],
)
def test_an_inconsistent_file_is_refused(tmp_path, damage):
    ensemble = Ensemble([4, 6, 3], 2, seed=0)
    ensemble.save(tmp_path / "ensemble.npz")
    network = Network.load(tmp_path / "ensemble.npz")
    damage(network.metadata["ensemble"])
    network.save(tmp_path / "damaged.npz")
    with pytest.raises(StateError):
        Ensemble.load(tmp_path / "damaged.npz")


def test_members_as_single_networks(tmp_path):
    X, y = table()
    ensemble = Ensemble([4, 6, 3], various(), batch_norm=True, seed=0).fit(X, y, epochs=4)
    networks = ensemble.networks()
    assert [type(layer).__name__ for layer in networks[1]] == [
        "Linear", "BatchNorm", "ReLU", "Dropout", "Linear", "Softmax",
    ]  # fmt: skip
    members = ensemble.predict_members(X)
    for k, network in enumerate(networks):
        np.testing.assert_allclose(network.predict(X), members[:, k], rtol=2e-6, atol=1e-7)
    networks[0].save(tmp_path / "one.npz")
    assert Network.load(tmp_path / "one.npz").predict(X).shape == (120, 3)


def test_copies_are_independent():
    X, y = table()
    ensemble = Ensemble([4, 6, 3], 2, seed=0).fit(X, y, epochs=2)
    before = ensemble.predict(X)
    for other in (copy.deepcopy(ensemble), pickle.loads(pickle.dumps(ensemble))):
        np.testing.assert_array_equal(other.predict(X), before)
        other.fit(X, y, epochs=1)
        np.testing.assert_array_equal(ensemble.predict(X), before)


# ---------------------------------------------------------------- input validation


def test_members_in_every_form():
    given = [{}, {"learning_rate": 0.1}, Member(0.2, seed=3)]
    members = Ensemble([2, 1], given, output="linear", seed=0).members
    assert [member.learning_rate for member in members] == [0.001, 0.1, 0.2]
    assert members[2].seed == 3
    assert len(Ensemble([2, 1], 5, output="linear")) == 5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ensemble([4], 2), "needs the size of its input and of its output"),
        (lambda: Ensemble([4, 0, 3], 2), "sizes must be a sequence of whole numbers"),
        (lambda: Ensemble([4, 3], 0), "members must be a whole number of at least 1, got 0"),
        (lambda: Ensemble([4, 3], []), "needs at least one member"),
        (lambda: Ensemble([4, 3], "many"), "members must be a number, or a list"),
        (lambda: Ensemble([4, 3], [3]), r"members\[0\] must be a dict, got 3"),
        (
            lambda: Ensemble([4, 3], [{}, {"lr": 1}]),
            r"members\[1\] has \['lr'\]; a member's options are",
        ),
        (lambda: Ensemble([4, 3], [{"learning_rate": 0}]), r"members\[0\]: learning_rate must be"),
        (lambda: Ensemble([4, 3], [{"weight_decay": -1}]), r"members\[0\]: weight_decay must be"),
        (lambda: Ensemble([4, 3], [{"dropout": 1}]), r"members\[0\]: dropout must be"),
        (lambda: Ensemble([4, 3], [{"seed": -1}]), r"members\[0\]: seed must be"),
        (lambda: Ensemble([4, 3], 2, activation="magic"), "activation must be one of 'elu'"),
        (lambda: Ensemble([4, 3], 2, output="magic"), "output must be one of 'softmax'"),
        (lambda: Ensemble([4, 1], 2), "A softmax over one output is always 1"),
        (lambda: Ensemble([4, 3], 2, dtype="int8"), "dtype must be float32 or float64"),
        (lambda: Ensemble([4, 3], 2, initialization="magic"), "Unknown initialization 'magic'"),
        (lambda: Ensemble([4, 3], 2, initialization=3), "initialization must be a name"),
        (lambda: Ensemble([4, 3], 2, batch_norm="no"), "batch_norm must be True or False"),
    ],
)
def test_invalid_options_of_an_ensemble(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize("option", ["learning_rate", "lr", "weight_decay", "dropout"])
def test_options_of_members_are_refused_with_advice(option):
    with pytest.raises(ConfigurationError, match="each member has its own"):
        Ensemble([4, 3], 2, **{option: 0.1})
    with pytest.raises(ConfigurationError, match="each member has its own"):
        Ensemble([4, 3], 2).fit(X, Y, **{option: 0.1})


def test_habits_from_other_libraries_are_refused_with_advice():
    with pytest.raises(ConfigurationError, match="'hidden_layers': sizes come first"):
        Ensemble(hidden_layers=(8,))
    with pytest.raises(ConfigurationError, match="'verbose': on_epoch_end is called"):
        Ensemble([4, 3], 2).fit(X, Y, verbose=True)
    with pytest.raises(AttributeError, match=r"predict\(X\) returns probabilities"):
        Ensemble([4, 3], 2).predict_proba(X)


X, Y = table(20)
HOLES = np.where(np.arange(20)[:, None] == 7, np.nan, X)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ((X[:, :3], Y), {}, r"X must be \(N, 4\), got the shape \(20, 3\)"),
        ((X[0], Y[:4]), {}, r"X must be \(N, 4\)"),
        ((X, Y[:5]), {}, "same number of samples"),
        ((HOLES, Y), {}, "X holds NaN or infinity, first in row 7"),
        ((X.astype(float) * 1e300, Y), {}, "too large for float32, first in row 0"),
        ((X, Y + 1), {}, "labels run from 0 to 2"),
        ((X, Y - 0.5), {}, "Class labels are whole numbers"),
        ((X, ["a"] * 20), {}, "number classes from 0"),
        ((X, None), {}, "give X and y"),
        (({"a": X}, Y), {}, "learns from one array"),
        ((X, Y), {"validation_data": [X, Y]}, r"must be \(X, y\)"),
        ((X, Y), {"validation_data": (X[:, :2], Y)}, "X of validation_data must be"),
        ((X, Y), {"sample_weight": [1]}, "1 sample weights for 20 samples"),
        ((X, Y), {"epochs": 0}, "epochs must be a whole number"),
        ((X, Y), {"batch_size": 0}, "batch_size must be a whole number"),
        ((X, Y), {"patience": 3}, "patience needs a validation"),
        ((X, Y), {"patience": 0, "validation_split": 0.2}, "patience must be a whole number"),
        ((X, Y), {"validation_split": 1.0}, "validation_split must be"),
        ((X, Y), {"validation_split": 0.2, "validation_data": (X, Y)}, "Give one of"),
        ((X, Y), {"metric": "magic"}, "metric must be 'loss', 'accuracy', 'rmse'"),
        ((X, Y), {"metric": lambda y, p: 0.0}, "Is a larger '<lambda>' better or worse"),
        ((X, Y), {"selection_rounds": -1}, "selection_rounds must be"),
        ((X, Y), {"loss": CategoricalCrossEntropy()}, "give it from_logits=True"),
        ((X, Y), {"loss": CategoricalCrossEntropy}, r"Did you forget the \(\)"),
        (
            (X, Y),
            {"loss": CategoricalCrossEntropy(from_logits=True, class_weight={0: 2.0})},
            "Give class_weight to fit",
        ),
        (
            (X, Y),
            {"loss": LossPerOutput({"y": Huber()})},
            "one output; .* for networks with several",
        ),
        ((X, Y), {"label_smoothing": 1.5}, "label_smoothing must be"),
        ((X, Y), {"optimizer": Adam()}, "optimizer must be the class of an optimizer"),
        ((X, Y), {"schedule": 0.5}, "schedule"),
    ],
)
def test_invalid_data_and_options_of_fit(data, options, message):
    ensemble = Ensemble([4, 5, 3], 2, seed=0)
    before = ensemble.predict(X)
    with pytest.raises(ChainruleError, match=message):
        ensemble.fit(*data, **options)
    np.testing.assert_array_equal(ensemble.predict(X), before)


def test_invalid_data_for_other_outputs():
    numbers = Ensemble([4, 1], 2, output="linear")
    with pytest.raises(ConfigurationError, match="label_smoothing is for classes"):
        numbers.fit(X, X[:, 0], label_smoothing=0.1)
    with pytest.raises(InputError, match="too large for float32"):
        numbers.fit(X, X[:, 0].astype(float) * 1e300)
    answers = Ensemble([4, 2], 2, output="sigmoid")
    with pytest.raises(InputError, match=r"y_true must lie in \[0, 1\]"):
        answers.fit(X, np.full((20, 2), 2))
    with pytest.raises(InputError, match="they must be equal"):
        answers.fit(X, Y)
    answers.fit(X, Y[:, None] == [0, 1], epochs=1, loss=BinaryCrossEntropy(from_logits=True))


def test_predict_refuses_other_shapes():
    ensemble = Ensemble([4, 3], 2)
    for wrong in (X[0], X[:, :3], np.ones((5, 2, 4))):
        with pytest.raises(InputError, match=r"X must be \(N, 4\)"):
            ensemble.predict(wrong)
    with pytest.raises(InputError, match="holds NaN"):
        ensemble.predict(HOLES)


def test_an_optimizer_with_options():
    ensemble = Ensemble([4, 5, 3], various(), seed=0)
    ensemble.fit(X, Y, epochs=2, optimizer=functools.partial(Adam, beta2=0.9))
    assert np.isfinite(ensemble.history["loss"]).all()


def test_two_threads_cannot_train_one_ensemble_at_the_same_time():
    ensemble, (X, y) = Ensemble([4, 5, 3], various(2), seed=0), table()
    errors = []

    def again():
        try:
            ensemble.fit(X, y, epochs=1)
        except ConfigurationError as error:
            errors.append(str(error))

    def in_another_thread(epoch, row):
        thread = threading.Thread(target=again)
        thread.start()
        thread.join()

    ensemble.fit(X, y, epochs=1, on_epoch_end=in_another_thread)
    assert len(errors) == 1
    assert "is being trained by another fit right now" in errors[0]
