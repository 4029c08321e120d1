"""The moving average of the weights: its formula, its use in training, its state."""

import numpy as np
import pytest

from chainrule import (
    Adam,
    BatchNorm,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    Linear,
    Network,
    ReLU,
    StateError,
    Trainer,
)


def network_of(*weights, dtype="float64"):
    network = Network([Linear(2, 1, bias=False)], dtype=dtype)
    network.flat.values[:] = weights
    return network


def averaged(decay, *places):
    network, average = network_of(0, 0), ExponentialMovingAverage(decay)
    for weights in places:
        network.flat.values[:] = weights
        average.update(network)
    return network, average


def test_by_hand():
    network, average = averaged(0.75, [4, 0], [8, 0], [1, 16])
    with average.applied(network):
        np.testing.assert_allclose(network.flat.values, [0.75 * 5 + 0.25, 4])
    assert average.steps == 3


def test_the_first_step_is_the_weights_themselves():
    average = averaged(0.99, [4, 2])[1]
    average.copy_to(other := network_of(0, 0))
    np.testing.assert_array_equal(other.flat.values, [4, 2])


def test_own_weights_come_back_also_after_an_error():
    network, average = averaged(0.5, [4, 2], [0, 0])
    with average.applied(network) as same:
        assert same is network
        np.testing.assert_array_equal(network.predict([[1.0, 0.0]]), [[2.0]])
    np.testing.assert_array_equal(network.flat.values, [0, 0])
    with pytest.raises(ZeroDivisionError), average.applied(network):
        1 / 0  # noqa: B018
    np.testing.assert_array_equal(network.flat.values, [0, 0])
    average.update(network)
    assert average.steps == 3


def test_updating_while_applied_is_refused():
    network, average = averaged(0.5, [4, 2], [0, 0])
    with (
        average.applied(network),
        pytest.raises(ConfigurationError, match="call update after the with block"),
    ):
        average.update(network)


def test_for_good():
    network, average = averaged(0.5, [4, 2], [0, 0])
    average.copy_to(network)
    np.testing.assert_array_equal(network.flat.values, [2, 1])


def test_the_type_is_kept():
    network, average = network_of(1, 2, dtype="float32"), ExponentialMovingAverage(np.float64(0.9))
    average.update(network)
    average.update(network)
    assert average.state()["average"].dtype == np.float32


def test_goes_on_bit_for_bit_from_its_state():
    places = np.random.default_rng(0).standard_normal((10, 2))
    straight = averaged(0.9, *places)[1].state()
    network, average = averaged(0.9, *places[:4])
    saved = average.state()
    average.update(network)  # what is saved is a copy
    again = ExponentialMovingAverage(0.9)
    again.load_state(saved)
    for weights in places[4:]:
        network.flat.values[:] = weights
        again.update(network)
    assert again.steps == 10
    np.testing.assert_array_equal(again.state()["average"], straight["average"])


def test_an_empty_state():
    average = averaged(0.9, [1, 2])[1]
    assert ExponentialMovingAverage().state() == {"steps": 0}
    average.load_state(ExponentialMovingAverage().state())
    with pytest.raises(ConfigurationError, match="There is no average yet: call update"):
        average.copy_to(network_of(0, 0))


def test_states_that_do_not_fit():
    average = averaged(0.9, [1, 2])[1]
    with pytest.raises(StateError, match=r"holds \['average', 'steps'\], got \['steps'\]"):
        average.load_state({"steps": np.array(1)})
    with pytest.raises(StateError, match=r"holds \['steps'\], got \[\]"):
        average.load_state({})
    larger = Network([Linear(3, 1, bias=False)])
    for method in (average.update, average.copy_to):
        with pytest.raises(StateError, match="The average has 2 values, the network 3"):
            method(larger)


def test_warming_up_it_forgets_the_first_weights_soon():
    network, average = network_of(0, 0), ExponentialMovingAverage(0.5, warmup=True)
    expected = None
    for n, weights in enumerate(np.random.default_rng(0).standard_normal((20, 2))):
        network.flat.values[:] = weights
        average.update(network)
        kept = min(0.5, n / (9 + n))
        expected = weights if expected is None else kept * expected + (1 - kept) * weights
    average.copy_to(network)
    np.testing.assert_allclose(network.flat.values, expected, rtol=1e-12)


def test_running_statistics_are_averaged_and_come_back():
    network, average = Network([BatchNorm(1)], dtype="float64"), ExponentialMovingAverage(0.75)
    for mean in (4, 8, 1):
        network[0].running_mean.value = [mean]
        average.update(network)
    with average.applied(network):
        np.testing.assert_allclose(network[0].running_mean.value, [0.75 * 5 + 0.25])
    assert network[0].running_mean.value == [1]
    larger = Network([BatchNorm(1), BatchNorm(1)], dtype="float64")
    with pytest.raises(StateError, match="The average has 2 values, the network 4"):
        average.copy_to(larger)
    with pytest.raises(StateError, match=r"The average has the buffers .*running_mean.*network {}"):
        average.copy_to(network_of(0, 0))


@pytest.mark.parametrize("decay", [1, -0.1, None])
def test_a_decay_that_makes_no_sense(decay):
    with pytest.raises(ConfigurationError, match="0 <= decay < 1, got"):
        ExponentialMovingAverage(decay)


def test_shows_itself():
    assert repr(ExponentialMovingAverage(0.9)) == "ExponentialMovingAverage(decay=0.9)"
    all_told = ExponentialMovingAverage(0.9, warmup=True, apply=False)
    assert repr(all_told) == "ExponentialMovingAverage(decay=0.9, warmup=True, apply=False)"


# ---------------------------------------------------------------- in a training

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
X_VALID, Y_VALID = X[:20], Y[:20]


def trainer():
    network = Network([Linear(4, 8), BatchNorm(8), ReLU(), Dropout(0.3), Linear(8, 2)], seed=0)
    return Trainer(network, CategoricalCrossEntropy(from_logits=True), Adam(0.05), seed=1)


def fit(subject, callbacks, **options):
    options = {"epochs": 4, "batch_size": 16, "progress": False} | options
    return subject.fit(X, Y, validation_data=(X_VALID, Y_VALID), callbacks=callbacks, **options)


def bits(state):
    return {name: value.tobytes() for name, value in state.items()}


class ByHand(Callback):
    """Averages every step's weights and running statistics by the definition, in float32."""

    def __init__(self, decay):
        self.decay, self.average, self.epochs, self.own = np.float32(decay), {}, [], []

    def on_step_end(self, trainer):
        for name, value in trainer.network.state().items():
            before = self.average.get(name, value)
            self.average[name] = before + (1 - self.decay) * (value - before)

    def on_epoch_end(self, trainer):
        self.epochs.append(self.average.copy())
        self.own.append(trainer.network.state())


def close(state, expected):
    return all(np.allclose(state[k], v, rtol=1e-4, atol=1e-6) for k, v in expected.items())


def test_the_average_is_validated_and_is_what_the_network_ends_with():
    subject, by_hand = trainer(), ByHand(0.8)
    history = fit(subject, [by_hand, ExponentialMovingAverage(0.8)])
    assert close(subject.network.state(), by_hand.epochs[-1])
    assert not close(subject.network.state(), by_hand.own[-1])
    measured = []
    for average in by_hand.epochs:
        subject.network.load_state(average)
        measured.append(subject.evaluate(X_VALID, Y_VALID)["loss"])
    np.testing.assert_allclose(history.epochs["val_loss"], measured, rtol=1e-4)


def test_the_steps_are_those_without_it():
    plain, subject, by_hand = trainer(), trainer(), ByHand(0.8)
    fit(plain, [])
    fit(subject, [ExponentialMovingAverage(0.8), by_hand])
    assert subject.history.steps == plain.history.steps
    assert bits(by_hand.own[-1]) == bits(plain.network.state())


def test_kept_alone_it_changes_nothing():
    plain, subject, average = trainer(), trainer(), ExponentialMovingAverage(0.8, apply=False)
    fit(plain, [])
    fit(subject, [average])
    assert bits(subject.network.state()) == bits(plain.network.state())
    assert subject.history.epochs["val_loss"] == plain.history.epochs["val_loss"]
    assert average.steps == 16


@pytest.mark.parametrize("first", [True, False])
def test_the_best_weights_are_the_average_s(tmp_path, first):
    subject, by_hand, stopping = trainer(), ByHand(0.8), EarlyStopping(patience=2)
    others = [stopping, Checkpoint(tmp_path), by_hand]
    average = [ExponentialMovingAverage(0.8)]
    history = fit(subject, average + others if first else others + average, epochs=30)
    assert history.stop_reason, "it was stopped early"
    assert stopping.best_epoch < len(history) - 1
    assert close(subject.network.state(), by_hand.epochs[stopping.best_epoch])
    best = Network.load(tmp_path / "best.npz")
    assert bits(best.state()) == bits(subject.network.state())
    value = subject.evaluate(X_VALID, Y_VALID)["loss"]
    assert value == history.epochs["val_loss"][stopping.best_epoch]


class StopAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            trainer.stop("that was the step")


@pytest.mark.parametrize("step", [1, 3, 4, 5, 15])
def test_stopped_after_any_step_it_goes_on_with_the_same_bits(tmp_path, step):
    def callbacks(folder, *more):
        stopping = EarlyStopping(patience=50)
        average = ExponentialMovingAverage(0.8, warmup=True)
        return [stopping, Checkpoint(tmp_path / folder), average, *more]

    whole, first, resumed = trainer(), trainer(), trainer()
    fit(whole, callbacks("whole"))
    fit(first, callbacks("part", StopAt(step)))
    fit(resumed, callbacks("part"), resume=tmp_path / "part" / "last.npz")
    assert bits(resumed.network.state()) == bits(whole.network.state())
    assert resumed.history.epochs["val_loss"] == whole.history.epochs["val_loss"]
    assert resumed.history.steps == whole.history.steps


def test_another_average_is_refused_by_name(tmp_path):
    fit(trainer(), [Checkpoint(tmp_path), ExponentialMovingAverage(0.8)])
    for others in ([], [ExponentialMovingAverage(0.9)]):
        subject = trainer()
        before = bits(subject.network.state())
        with pytest.raises(StateError, match=r"average was .*decay=0.8"):
            fit(subject, others, resume=tmp_path / "last.npz")
        assert bits(subject.network.state()) == before


def test_two_cannot_both_be_used():
    subject = trainer()
    with pytest.raises(ConfigurationError, match=r"cannot both .* give one of them apply=False"):
        fit(subject, [ExponentialMovingAverage(0.8), ExponentialMovingAverage(0.9)])
    assert subject.state.step == 0
    kept = ExponentialMovingAverage(0.9, apply=False)
    fit(subject, [ExponentialMovingAverage(0.8), kept])
    assert kept.steps == 16


def test_each_training_begins_a_new_average():
    average = ExponentialMovingAverage(0.8)
    fit(trainer(), [average])
    fit(trainer(), [average], epochs=1)
    assert average.steps == 4


def test_the_network_ends_with_it_after_an_error_too():
    class Fails(Callback):
        def on_epoch_end(self, trainer):
            raise RuntimeError("full disk")

    subject, by_hand = trainer(), ByHand(0.8)
    with pytest.raises(RuntimeError, match="full disk"):
        fit(subject, [by_hand, ExponentialMovingAverage(0.8), Fails()])
    assert close(subject.network.state(), by_hand.average)
