"""Monitor: what is better than what, and for how long it has been."""

import math

import numpy as np
import pytest

from chainrule import (
    SGD,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    EarlyStopping,
    Network,
    ReduceOnPlateau,
    Trainer,
)
from chainrule.training.history import History
from chainrule.training.monitor import Monitor, default_monitor

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40)


def improvements(values, **options):
    monitor = Monitor("val_loss", **options)
    return [monitor.update(value, epoch) for epoch, value in enumerate(values)], monitor


def test_the_best_value_and_the_wait():
    found, monitor = improvements([3.0, 2.0, 2.5, 2.0, 1.0])
    assert found == [True, True, False, False, True]
    assert (monitor.best, monitor.best_epoch, monitor.waited) == (1.0, 4, 0)
    found, monitor = improvements([1.0, 3.0, 2.0], mode="max")
    assert found == [True, True, False]
    assert (monitor.best, monitor.best_epoch, monitor.waited) == (3.0, 1, 1)


def test_better_has_to_be_by_more_than_min_delta():
    assert improvements([1.0, 0.9, 0.7], min_delta=0.2)[0] == [True, False, True]


def test_a_number_is_better_than_nan_and_nan_better_than_nothing():
    found, monitor = improvements([math.nan, 5.0, math.nan, 4.0])
    assert found == [False, True, False, True]
    assert (monitor.best, monitor.best_epoch) == (4.0, 3)
    found, monitor = improvements([math.nan, math.nan])
    assert found == [False, False]
    assert (monitor.best, monitor.waited) == (None, 2)
    history = History()
    for value in (math.nan, 3.0, 2.0, math.nan):
        history.add_epoch({"loss": value})
    assert history.best_epoch() == 2


def test_it_goes_on_from_its_state():
    _, monitor = improvements([3.0, 2.0, 2.5])
    other = Monitor("val_loss")
    other.load_state(monitor.state(), epochs=3)
    assert not other.update(2.0, 3)
    assert other.update(1.5, 4)
    new = Monitor("val_loss")
    new.load_state(Monitor("val_loss").state(), epochs=0)
    assert new.update(9.0, 0)


def test_what_is_watched_where_nobody_says():
    assert default_monitor(["loss", "val_loss"]) == "val_loss"
    assert default_monitor(["loss", "accuracy"]) == "loss"


# ---------------------------------------------------------------- where it is used


def trainer(rate=0.1, metrics=()):
    network = Network([3, 4, 2], seed=0)
    return Trainer(network, CategoricalCrossEntropy(), SGD(rate), metrics=metrics, seed=0)


class Scores:
    """A metric that is NaN in the first epoch, and then grows."""

    __name__ = "f1"

    def __init__(self):
        self.calls = 0

    def __call__(self, y_true, y_pred):
        self.calls += 1
        return math.nan if self.calls <= 2 else self.calls


def test_the_best_file_does_not_freeze_at_an_epoch_of_nan(tmp_path):
    checkpoint = Checkpoint(tmp_path, monitor="f1")
    subject = trainer(metrics=[Scores()])
    subject.fit(X, Y, epochs=3, batch_size=20, callbacks=[checkpoint], progress=False)
    best = Network.load(checkpoint.best)
    for name, value in subject.network.state().items():
        np.testing.assert_array_equal(best.state()[name], value)


def test_an_epoch_of_nan_is_not_the_one_to_go_back_to():
    stopping = EarlyStopping("f1", patience=9)
    trainer(metrics=[Scores()]).fit(
        X, Y, epochs=3, batch_size=20, callbacks=[stopping], progress=False
    )
    assert stopping.best_epoch == 2


class SetRate(Callback):
    """Changes the learning rate by hand, as a user's callback may."""

    def on_epoch_end(self, trainer):
        trainer.optimizer.learning_rate = 0.5 ** (trainer.epoch % 3 + 1)


class StopAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            trainer.stop("cut")


CHANGING = {
    "two plateaus": lambda: [
        ReduceOnPlateau("loss", patience=1, min_delta=0.5, factor=0.5),
        ReduceOnPlateau("loss", patience=2, min_delta=0.5, factor=0.3),
    ],
    "by hand": lambda: [SetRate()],
}


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("cut", [1, 4, 6, 7, 9])
def test_a_learning_rate_that_was_changed_is_resumed(name, cut, tmp_path):
    def run(folder, *more):
        subject = trainer()
        checkpoint = Checkpoint(folder, every_steps=1)
        callbacks = [*CHANGING[name](), *more, checkpoint]
        subject.fit(
            X,
            Y,
            epochs=5,
            batch_size=20,
            callbacks=callbacks,
            progress=False,
            resume=checkpoint.last,
        )
        return subject.network.flat.values

    whole = run(tmp_path / "whole")
    run(tmp_path / "cut", StopAt(cut))
    np.testing.assert_array_equal(run(tmp_path / "cut"), whole)


def test_a_callbacks_state_may_have_any_name(tmp_path):
    class Keeps(Callback):
        kept = None

        def state(self):
            return {"class": 7, "state": "here"}

        def load_state(self, state, trainer):
            self.kept = dict(state)

    checkpoint = Checkpoint(tmp_path)
    trainer().fit(X, Y, epochs=1, callbacks=[Keeps(), checkpoint], progress=False)
    again = Keeps()
    trainer().fit(
        X,
        Y,
        epochs=2,
        callbacks=[again, Checkpoint(tmp_path)],
        progress=False,
        resume=checkpoint.last,
    )
    assert again.kept == {"class": 7, "state": "here"}
