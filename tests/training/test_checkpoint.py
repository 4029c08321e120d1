"""Checkpoints: a killed training goes on and ends with the same bits; nothing wrong is loaded."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule
from chainrule import (
    LBFGS,
    SGD,
    Adam,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    CSVLog,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    FileFormatError,
    Linear,
    Module,
    Momentum,
    Muon,
    Network,
    PolynomialDecay,
    ReduceOnPlateau,
    ReLU,
    RMSprop,
    Rprop,
    StateError,
    StopFile,
    Tanh,
    Trainer,
)
from chainrule.metrics import accuracy
from chainrule.module import named_generators
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.rng_state import from_plain_state, to_plain_state
from chainrule.training import checkpoint_file, setup
from chainrule.training.lock import FolderLock


def jittered(x, rng):
    return x + rng.normal(size=x.shape).astype(x.dtype)


RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def trainer(optimizer=None, sizes=(4, 8, 2), dtype="float32", seed=1, **options):
    a, b, c = sizes
    network = Network([Linear(a, b), ReLU(), Dropout(0.3), Linear(b, c)], seed=0, dtype=dtype)
    loss = CategoricalCrossEntropy(from_logits=True)
    return Trainer(network, loss, optimizer or Adam(0.01), seed=seed, **options)


def fit(subject, *data, **options):
    options = {"epochs": 4, "batch_size": 16, "progress": False} | options
    return subject.fit(*(data or (X, Y)), **options)


class StopAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            trainer.stop("that was the step")


class Same:
    """Compares two trainers in every bit that counts."""

    def __init__(self, subject):
        self.subject = subject

    def __eq__(self, other):
        a, b = self.subject, other.subject
        columns = [{k: v for k, v in t.history.epochs.items() if k != "seconds"} for t in (a, b)]
        return (
            np.array_equal(a.network.flat.values, b.network.flat.values)
            and all(
                np.array_equal(v, b.optimizer.state_vectors[k])
                for k, v in a.optimizer.state_vectors.items()
            )
            and a.rng.bit_generator.state == b.rng.bit_generator.state
            and columns[0] == columns[1]
            and a.history.steps == b.history.steps
            and (a.state.step, a.state.epoch, a.state.batch)
            == (b.state.step, b.state.epoch, b.state.batch)
        )


# ---------------------------------------------------------------- bit for bit


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX systems do")
@pytest.mark.long
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    script = Path(__file__).parent / "kill_and_resume.py"
    root = str(Path(chainrule.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "21"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert sum(result["kills"].values()) >= 21
    assert min(result["kills"].values()) >= 7
    assert all(result["equal"])


@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 15, 16])
def test_stopped_after_any_step_it_goes_on_as_if_nothing_had_been(tmp_path, step):
    whole = trainer()
    fit(whole, validation_split=0.2, class_weight="balanced")
    first = trainer()
    options = {"validation_split": 0.2, "class_weight": "balanced"}
    fit(first, callbacks=[StopAt(step), Checkpoint(tmp_path)], **options)
    resumed = trainer(seed=99)  # whatever it is given: the state comes from the file
    fit(resumed, callbacks=[Checkpoint(tmp_path)], resume=tmp_path / "last.npz", **options)
    assert Same(resumed) == Same(whole)


class Decay(Callback):
    """Changes the learning rate after every step and every epoch, and keeps no state."""

    def on_step_end(self, state):
        state.optimizer.learning_rate *= 0.9

    def on_epoch_end(self, state):
        state.optimizer.learning_rate *= 0.7


class Fail(Callback):
    """Fails at a hook."""

    def __init__(self, hook, step):
        self.hook, self.step = hook, step

    def on_step_end(self, state):
        if self.hook == "step" and state.step == self.step:
            raise ZeroDivisionError

    def on_epoch_end(self, state):
        if self.hook == "epoch" and state.step >= self.step:
            raise ZeroDivisionError


@pytest.mark.parametrize("at", [("step", 3), ("step", 4), ("step", 7), ("epoch", 4), ("epoch", 8)])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_wherever_the_checkpoint_is_in_the_list_it_resumes_exactly(tmp_path, at, place):
    def callbacks(folder, *last):
        own = [Decay(), ExponentialMovingAverage(0.8), EarlyStopping("loss", patience=9)]
        return [*own[:place], Checkpoint(folder, every_steps=1), *own[place:], *last]

    whole, killed, resumed = trainer(), trainer(), trainer(seed=99)
    fit(whole, callbacks=callbacks(tmp_path / "whole"))
    with pytest.raises(ZeroDivisionError):
        fit(killed, callbacks=callbacks(tmp_path, Fail(*at)))
    fit(resumed, callbacks=callbacks(tmp_path), resume=tmp_path / "last.npz")
    assert resumed.state.notes[0].startswith("resumed from")
    assert Same(resumed) == Same(whole)


OPTIMIZERS = [
    lambda: Adam(0.01, amsgrad=True),
    lambda: RMSprop(0.01, centered=True, momentum=0.5),
    lambda: Momentum(0.01, dampening=0.5),
    lambda: Muon(0.01),
    lambda: Rprop(0.01),
    lambda: LBFGS(weight_decay=0.01, history_size=3),
]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda make: repr(make()))
def test_what_an_optimizer_remembers_is_resumed(tmp_path, make):
    whole, first, second = (trainer(make()) for _ in range(3))
    fit(whole, epochs=9, batch_size=60)
    fit(first, epochs=4, batch_size=60, callbacks=[Checkpoint(tmp_path)])
    fit(second, epochs=9, batch_size=60, resume=tmp_path / "last.npz")
    assert Same(second) == Same(whole)


@pytest.mark.parametrize("again", [False, True])
def test_a_schedule_that_a_plateau_has_multiplied_is_resumed(tmp_path, again):
    def make():
        return trainer(SGD(PolynomialDecay(0.1, steps=100)))

    def callbacks(*more):  # no improvement is large enough
        plateaus = [ReduceOnPlateau("loss", patience=1, min_delta=9.0, factor=0.7, min_lr=0.01)]
        plateaus += [ReduceOnPlateau("loss", patience=2, min_delta=9.0, factor=0.9)]
        return [*plateaus, Checkpoint(tmp_path), *more]

    whole, killed = make(), make()
    fit(whole, epochs=12, callbacks=callbacks())
    with pytest.raises(ZeroDivisionError):
        fit(killed, epochs=12, callbacks=callbacks(Fail("step", 30)))
    resumed = killed if again else make()
    fit(resumed, epochs=12, callbacks=callbacks(), resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)
    rates = whole.history.epochs["learning_rate"]
    assert rates[-1] == pytest.approx(0.01, rel=1e-9)
    assert resumed.optimizer.learning_rate == whole.optimizer.learning_rate
    refused("learning_rate was 'Poly", trainer(SGD(0.1)), resume=tmp_path / "last.npz")


def test_an_option_that_an_older_version_did_not_know_had_its_default(tmp_path):
    fit(trainer(), epochs=2, callbacks=[Checkpoint(tmp_path)])
    forged(
        tmp_path / "last.npz", lambda arrays, description: description["settings"].pop("amsgrad")
    )
    forged(tmp_path / "last.npz", lambda arrays, description: description.pop("scale"))
    refused(
        "amsgrad was False, here it is True",
        trainer(Adam(0.01, amsgrad=True)),
        resume=tmp_path / "last.npz",
    )
    resumed, whole = trainer(), trainer()
    fit(resumed, resume=tmp_path / "last.npz")
    fit(whole)
    assert Same(resumed) == Same(whole)


@pytest.mark.parametrize("place", [0, 1])
def test_callbacks_are_called_in_the_order_given(tmp_path, place):
    calls = []

    class Noted(Checkpoint):
        def on_epoch_end(self, state):
            super().on_epoch_end(state)
            calls.append("checkpoint")

    class Mine(Callback):
        def on_epoch_end(self, state):
            calls.append("mine")
            found.append((tmp_path / "last.npz").exists())

    found = []
    both = [Noted(tmp_path), Mine()]
    fit(trainer(), callbacks=both if place == 0 else both[::-1], epochs=1)
    assert calls == ["checkpoint", "mine"][:: 1 if place == 0 else -1]
    assert found == [place == 0]


def test_iterables_and_micro_batches_are_resumed_too(tmp_path):
    batches = [(X[a : a + 16], Y[a : a + 16]) for a in range(0, 60, 16)]
    whole = trainer(micro_batch_size=5)
    fit(whole, batches)
    first, resumed = trainer(micro_batch_size=5), trainer(micro_batch_size=5)
    fit(first, batches, callbacks=[StopAt(6), Checkpoint(tmp_path)])
    fit(resumed, batches, resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)


def test_more_epochs_may_be_asked_for(tmp_path):
    whole = trainer()
    fit(whole, epochs=5)
    first, resumed = trainer(), trainer()
    fit(first, epochs=3, callbacks=[Checkpoint(tmp_path)])
    history = fit(resumed, epochs=5, resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)
    assert len(history) == 5
    before = resumed.network.flat.values.copy()
    fit(resumed, epochs=2, resume=tmp_path / "last.npz")
    assert resumed.state.epoch == 3, "nothing is left to do"
    assert not np.array_equal(resumed.network.flat.values, before)


def test_the_callbacks_go_on_too(tmp_path):
    def callbacks(folder, *more):
        log = CSVLog(tmp_path / f"{folder}.csv")
        stopping = EarlyStopping("loss", patience=2, min_delta=0.02)
        plateau = ReduceOnPlateau("loss", patience=1, min_delta=0.05)
        return [Checkpoint(tmp_path / folder), stopping, plateau, log, *more]

    whole = trainer()
    fit(whole, epochs=30, callbacks=callbacks("whole"))
    assert "has not improved" in whole.history.stop_reason
    last = whole.state.step
    for step in (2, 9, last - 1, last):
        first, resumed = trainer(), trainer()
        fit(first, epochs=30, callbacks=callbacks("part", StopAt(step)))
        resume = tmp_path / "part" / "last.npz"
        fit(resumed, epochs=30, callbacks=callbacks("part"), resume=resume)
        assert Same(resumed) == Same(whole)
        assert resumed.optimizer.learning_rate == whole.optimizer.learning_rate
        assert resumed.history.stop_reason == whole.history.stop_reason
        rows = [(tmp_path / f"{f}.csv").read_text().splitlines() for f in ("part", "whole")]
        assert [r.rpartition(",")[0] for r in rows[0]] == [r.rpartition(",")[0] for r in rows[1]]


def test_killed_after_early_stopping_it_stops_again_with_the_best_weights(tmp_path):
    def callbacks():
        return [EarlyStopping("loss", patience=1, min_delta=10), Checkpoint(tmp_path)]

    whole, resumed = trainer(), trainer()
    fit(whole, callbacks=callbacks())
    assert whole.state.epoch == 2
    history = fit(resumed, callbacks=callbacks(), resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)
    assert "has not improved" in history.stop_reason


def test_other_generators_are_kept_too(tmp_path):
    for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        whole, first, resumed = (trainer() for _ in range(3))
        for subject in (whole, first, resumed):
            subject.network.layers[2].rng = np.random.Generator(kind(5))
        fit(whole)
        fit(first, callbacks=[StopAt(6), Checkpoint(tmp_path / kind.__name__)])
        fit(resumed, resume=tmp_path / kind.__name__ / "last.npz")
        assert Same(resumed) == Same(whole)
        state = whole.network.layers[2].rng.bit_generator.state
        np.testing.assert_equal(
            from_plain_state(json.loads(json.dumps(to_plain_state(state))), state, "a state"), state
        )


# ---------------------------------------------------------------- when and what is written


def test_the_best_network_and_the_last_state(tmp_path):
    scores = [3.0, 1.0, 2.0, 1.5]

    class Score(Callback):
        columns = ("score",)

        def on_epoch_end(self, trainer):
            column = trainer.history.epochs.setdefault("score", [0.0] * trainer.epoch)
            column[-1] = scores[trainer.epoch - 1]
            weights.append(trainer.network.state())

    for mode, best in (("min", 1), (None, 0)):
        weights = []
        checkpoint = Checkpoint(tmp_path / str(mode), monitor="score", mode=mode)
        fit(trainer(), callbacks=[Score(), checkpoint])
        network = Network.load(checkpoint.best)
        assert network.metadata["metrics"]["score"] == scores[best]
        for name, value in network.state().items():
            np.testing.assert_array_equal(value, weights[best][name])


def test_what_monitors_a_column_comes_after_what_writes_it(tmp_path):
    class Score(Callback):
        columns = ("score",)

    for watching in (Checkpoint(tmp_path, monitor="score"), EarlyStopping("score")):
        with pytest.raises(ConfigurationError, match="monitors 'score', which a later callback wr"):
            fit(trainer(), callbacks=[watching, Score()])


def test_best_is_by_the_validation_loss_unless_there_is_none(tmp_path):
    subject = trainer()
    history = fit(subject, validation_split=0.3, callbacks=[Checkpoint(tmp_path)])
    found = Network.load(tmp_path / "best.npz").metadata["metrics"]["val_loss"]
    assert found == min(history.epochs["val_loss"])
    history = fit(trainer(), callbacks=[Checkpoint(tmp_path)])
    assert Network.load(tmp_path / "best.npz").metadata["metrics"]["loss"] == min(
        history.epochs["loss"]
    )


def test_it_is_written_every_so_many_steps(tmp_path):
    written = []

    class Look(Checkpoint):
        def on_step_end(self, trainer):
            before = self.last.stat().st_mtime_ns if self.last.exists() else 0
            super().on_step_end(trainer)
            if self.last.exists() and self.last.stat().st_mtime_ns != before:
                written.append(trainer.step)

    fit(trainer(), epochs=2, callbacks=[Look(tmp_path, every_steps=3)])
    assert written == [3, 6]
    with pytest.raises(ConfigurationError, match="every_steps must be"):
        Checkpoint(tmp_path, every_steps=0)
    with pytest.raises(ConfigurationError, match="mode='max' or mode='min', got 'up'"):
        Checkpoint(tmp_path, mode="up")
    with pytest.raises(ConfigurationError, match="larger 'height' better or worse"):
        Checkpoint(tmp_path, monitor="height")


def test_it_holds_what_the_other_callbacks_decided_whatever_their_order(tmp_path):
    (tmp_path / "stop").touch()
    subject, resumed = trainer(), trainer()
    fit(subject, callbacks=[Checkpoint(tmp_path), StopFile(tmp_path / "stop")])
    assert subject.state.step == 1
    fit(resumed, epochs=1, resume=tmp_path / "last.npz", callbacks=[StopAt(2)])
    assert resumed.state.step == 2


def test_after_an_error_the_last_good_checkpoint_stays(tmp_path):
    class Break(Callback):
        def on_step_end(self, trainer):
            if trainer.step == 6:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(trainer(), callbacks=[Checkpoint(tmp_path), Break()])
    resumed = trainer()
    fit(resumed, resume=tmp_path / "last.npz", callbacks=[StopAt(5)])
    assert resumed.state.step == 5, "it went on from step 4, the end of the first epoch"


def test_the_first_start_says_that_there_is_nothing_to_resume(tmp_path, capsys):
    subject, plain = trainer(), trainer()
    path = tmp_path / "last.npz"
    fit(subject, resume=path, progress="lines", callbacks=[StopAt(6), Checkpoint(tmp_path)])
    assert f"no checkpoint at {path} yet: starting from the beginning" in capsys.readouterr().out
    fit(subject, resume=path, progress="lines")
    assert f"resumed from {path}: epoch 2, after batch 2" in capsys.readouterr().out
    fit(plain)
    assert Same(subject) == Same(plain)


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def path(tmp_path):
    fit(trainer(), epochs=1, callbacks=[Checkpoint(tmp_path)])
    return tmp_path / "last.npz"


def refused(message, subject, *data, **options):
    before = subject.network.flat.values.copy()
    with pytest.raises(StateError, match=message):
        fit(subject, *data, **options)
    np.testing.assert_array_equal(subject.network.flat.values, before)
    assert subject.optimizer.steps == 0


OTHER = {
    "samples": (lambda: trainer(), (X[:50], Y[:50]), {}, "samples was 60, here it is 50"),
    "data": (lambda: trainer(), (X, 1 - Y), {}, "X, y and weights was '.*', here it is"),
    "weights": (lambda: trainer(), (), {"sample_weight": np.arange(60)}, "X, y and weights was"),
    "validation": (lambda: trainer(), (), {"validation_data": (X, Y)}, "validation_data was None"),
    "split": (lambda: trainer(), (), {"validation_split": 0.2}, "validation_split was None"),
    "class_weight": (lambda: trainer(), (), {"class_weight": {1: 2.0}}, "class_weight was None"),
    "batch_size": (lambda: trainer(), (), {"batch_size": 8}, "batch_size was 16, here it is 8"),
    "drop_last": (lambda: trainer(), (), {"drop_last": True}, "drop_last was False"),
    "shuffle": (lambda: trainer(), (), {"shuffle": False}, "shuffle was True"),
    "augment": (lambda: trainer(), (), {"augment": jittered}, "augment was None, .* 'jittered'"),
    "optimizer": (lambda: trainer(SGD(0.1)), (), {}, "optimizer was 'Adam', here it is 'SGD'"),
    "beta1": (lambda: trainer(Adam(0.01, beta1=0.8)), (), {}, "beta1 was 0.9, here it is 0.8"),
    "rate": (lambda: trainer(Adam(0.02)), (), {}, "learning_rate was 0.01, here it is 0.02"),
    "clip_norm": (lambda: trainer(clip_norm=1.0), (), {}, "clip_norm was None, here it is 1.0"),
    "micro": (lambda: trainer(micro_batch_size=4), (), {}, "micro_batch_size was None"),
    "metrics": (lambda: trainer(metrics=[accuracy]), (), {}, "metrics was {}"),
    "dtype": (lambda: trainer(dtype="float64"), (), {}, "dtype was 'float32'"),
    "sizes": (lambda: trainer(sizes=(4, 9, 2)), (), {}, "network was "),
}


@pytest.mark.parametrize("what", OTHER)
def test_a_checkpoint_of_another_training_is_refused_by_name(path, what):
    build, data, options, message = OTHER[what]
    refused(message, build(), *data, resume=path, **options)


def test_another_network_and_other_generators_are_refused(path):
    class Quiet(ReLU):
        def __init__(self):
            self.rng = np.random.default_rng(0)

    loss = CategoricalCrossEntropy(from_logits=True)
    tanh = Network([Linear(4, 8), Tanh(), Dropout(0.3), Linear(8, 2)], seed=0)
    refused(
        r"network was .*ReLU(.|\n)*here it is .*Tanh", Trainer(tanh, loss, Adam(0.01)), resume=path
    )
    Quiet.__name__ = "ReLU"
    more = Network([Linear(4, 8), Quiet(), Dropout(0.3), Linear(8, 2)], seed=0)
    refused("other random generators", Trainer(more, loss, Adam(0.01)), resume=path)


def everything(subject):
    """Return all that a refused resume must leave as it is."""
    return {
        "values": subject.network.state(),
        "optimizer": subject.optimizer.state(),
        "rate": subject.optimizer.learning_rate,
        "rng": subject.rng.bit_generator.state,
        "generators": [g.bit_generator.state for g in named_generators(subject.network).values()],
        "history": (subject.history, subject.history.epochs, list(subject.history.notes)),
        "run": (subject.state.epoch, subject.state.batch, subject.state.step, subject.state.epochs),
    }


@pytest.mark.parametrize("at", ["optimizer", "generators", "callbacks", "history"])
def test_a_resume_that_is_refused_late_leaves_everything_untouched(tmp_path, at, monkeypatch):
    class Other(Callback):
        def state(self):
            return {"value": 1}

        def load_state(self, state, trainer):
            raise StateError("not this one")

    fit(trainer(), epochs=2, callbacks=[Checkpoint(tmp_path), Other()])
    subject = trainer()
    fit(subject, epochs=1)
    before = everything(subject)
    if at == "optimizer":
        monkeypatch.setattr(subject.optimizer, "state_names", ("other",))
    elif at == "generators":

        def broken(*_):
            raise StateError("no such state")

        monkeypatch.setattr(checkpoint_file, "from_plain_state", broken)
    elif at == "history":
        monkeypatch.setattr(setup, "look_at", lambda *_: 1 / 0)
    with pytest.raises((StateError, ZeroDivisionError)):
        fit(subject, callbacks=[Other()], resume=tmp_path / "last.npz")
    monkeypatch.undo()
    np.testing.assert_equal(everything(subject), before)
    assert everything(subject)["history"][0] is before["history"][0]
    fit(subject, resume=tmp_path / "last.npz")
    assert subject.state.epoch == 4


def test_a_fit_that_is_refused_at_the_door_keeps_the_history(path):
    subject = trainer()
    fit(subject)
    before = everything(subject)
    for options in ({"validation_split": 7}, {"callbacks": [EarlyStopping("x", mode="min")]}):
        with pytest.raises(ConfigurationError):
            fit(subject, **options)
    np.testing.assert_equal(everything(subject), before)


def test_the_rate_may_be_the_first_one_or_the_one_that_callbacks_left(tmp_path):
    plateau = ReduceOnPlateau("loss", patience=1, min_delta=10)
    subject = trainer()
    fit(subject, callbacks=[plateau, Checkpoint(tmp_path)])
    left = subject.optimizer.learning_rate
    assert left < 0.01
    for rate in (0.01, left):
        again = trainer(Adam(rate))
        fit(again, callbacks=[plateau], epochs=4, resume=tmp_path / "last.npz")
        assert again.optimizer.learning_rate == left
    refused("learning_rate was 0.01", trainer(Adam(0.005)), resume=tmp_path / "last.npz")


# ---------------------------------------------------------------- one training at a time


def test_a_folder_belongs_to_one_training_and_says_to_which(tmp_path):
    seen = []

    class Second(Callback):
        def on_epoch_end(self, trainer_):
            subject = trainer()
            with pytest.raises(ConfigurationError) as told:
                fit(subject, callbacks=[Checkpoint(tmp_path)])
            seen.append(str(told.value))
            assert subject.optimizer.steps == 0

    fit(trainer(), epochs=2, callbacks=[Checkpoint(tmp_path), Second()])
    assert len(seen) == 2
    assert f"in use by another training: process {os.getpid()}, since 20" in seen[0]
    fit(trainer(), epochs=1, callbacks=[Checkpoint(tmp_path)])  # it was given back


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process as POSIX systems do")
def test_a_killed_training_holds_its_folder_no_longer(tmp_path):
    child = os.fork()
    if child == 0:
        FolderLock(tmp_path).acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / ".lock").read_text().startswith(f"process {child}")
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()
    assert (tmp_path / ".lock").read_text() == ""


# ---------------------------------------------------------------- generators, iterables


class Noisy(Module):
    """Adds noise, from generators that stand in a list and in a dict."""

    def __init__(self):
        self.rngs = [np.random.default_rng(0), {"b": np.random.default_rng(1)}]

    def forward(self, x, training=True):
        if training:
            for rng in (self.rngs[0], self.rngs[1]["b"]):
                x = x + rng.normal(size=x.shape).astype(x.dtype)
        return x

    def backward(self, dy):
        return dy


def test_generators_in_lists_and_dicts_go_on_too(tmp_path):
    def build():
        network = Network([Linear(4, 8), Noisy(), Linear(8, 2)], seed=0)
        return Trainer(network, CategoricalCrossEntropy(from_logits=True), Adam(0.01), seed=1)

    assert list(named_generators(build().network)) == ["layers.1.rngs.0", "layers.1.rngs.1.b"]
    whole, first, resumed = build(), build(), build()
    fit(whole)
    fit(first, callbacks=[StopAt(6), Checkpoint(tmp_path)])
    fit(resumed, resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)


class Shuffled:
    """Batches in an order of its own, that follows from the epoch or from a generator."""

    def __init__(self, by_epoch):
        self.rng = np.random.default_rng(5)
        if by_epoch:
            self.set_epoch = self.begin

    def begin(self, epoch):
        self.rng = np.random.default_rng(epoch)

    def __iter__(self):
        order = self.rng.permutation(60)
        for start in range(0, 60, 16):
            yield X[order[start : start + 16]], Y[order[start : start + 16]]


@pytest.mark.parametrize("step", [3, 8, 10])
def test_an_iterable_that_shuffles_by_the_epoch_goes_on(tmp_path, step):
    whole, first, resumed = trainer(), trainer(), trainer()
    fit(whole, Shuffled(by_epoch=True))
    assert whole.history.steps["loss"][0] != whole.history.steps["loss"][4]
    fit(first, Shuffled(by_epoch=True), callbacks=[StopAt(step), Checkpoint(tmp_path)])
    fit(resumed, Shuffled(by_epoch=True), resume=tmp_path / "last.npz")
    assert Same(resumed) == Same(whole)


def test_an_iterable_that_shuffles_itself_is_refused(tmp_path):
    subject = trainer()
    history = fit(subject, Shuffled(by_epoch=False), callbacks=[Checkpoint(tmp_path)])
    assert any("yields other batches each time" in note for note in history.notes)
    refused(
        "give it|Give it a method set_epoch",
        trainer(),
        Shuffled(False),
        resume=tmp_path / "last.npz",
    )
    batches = [(X[a : a + 16], Y[a : a + 16]) for a in range(0, 60, 16)]
    fit(trainer(), batches, callbacks=[Checkpoint(tmp_path)])
    other = [(X[a : a + 16] + 1, Y[a : a + 16]) for a in range(0, 60, 16)]
    refused("X, y and weights was", trainer(), other, resume=tmp_path / "last.npz")


def test_a_truncated_or_changed_checkpoint_is_refused(path):
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-1], b""):
        path.write_bytes(content)
        refused("truncated, damaged", trainer(), resume=path)
    with np.load(io.BytesIO(whole)) as file:
        place = whole.index(file["network/layers.0.weight"].tobytes())
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused("damaged", trainer(), resume=path)


def test_files_of_the_wrong_kind_are_refused(path):
    best = path.with_name("best.npz")
    refused("is a 'module' file; a 'checkpoint' file was expected", trainer(), resume=best)
    with pytest.raises(FileFormatError, match="is a 'checkpoint' file; a 'module' file"):
        Network.load(path)
    np.savez(path, weights=np.ones(3))
    refused("is not a chainrule file", trainer(), resume=path)


# ---------------------------------------------------------------- a right checksum, a wrong content


def forged(path, change):
    """Change what is in a checkpoint, and make its checksum right again."""
    arrays, description = read_archive(path, "checkpoint")
    change(arrays, description)
    write_archive(path, "checkpoint", arrays, description)


def put(name, value):
    return lambda arrays, description: arrays.__setitem__(name, value)


def say(*keys, value):
    def change(arrays, description):
        at = description
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


WRONG = [
    (lambda a, d: d.pop("epoch"), r"\['epoch'\] is missing"),
    (say("epoch", value="1"), "epoch should be a whole number from 0"),
    (say("epoch", value=3), "of all epochs should be 3 numbers, got 2"),
    (say("batch", value=10**6), "batch should be a whole number from 0 to"),
    (say("step", value=3), "of all steps should be 3 numbers"),
    (say("sums", value={"loss": 1.0}), r"sums should hold .*\['weight'\] is missing"),
    (say("sums", "weight", value=float("nan")), "weight should be a finite number of at least 0"),
    (say("learning_rate", value=None), "or this optimizer has a schedule, and the other has none"),
    (say("scale", value={"factor": 0.5}), r"scale should hold .*\['lowest'\] is missing"),
    (say("scale", value={"factor": -1.0, "lowest": 0.0}), "factor should be a finite number of"),
    (say("learning_rate", value=[1]), "learning_rate should be a finite number"),
    (say("callbacks", 0, value={"class": "Watch"}), r"callbacks\[0\] should hold"),
    (say("rng_states", "trainer", "state", value={"state": 1}), r"trainer.*|\['inc'\] is missing"),
    (say("rng_states", "trainer", "has_uint32", value=7), "has_uint32 should be a whole number"),
    (say("rng_states", "trainer", "bit_generator", value="MT19937"), "other random generators"),
    (put("order", np.zeros(3)), "order should be an array of whole numbers with 1 axes"),
    (put("order", np.zeros(90, int)), "order does not hold each row of these data once"),
    (put("validation_rows", np.array([1])), "validation_rows are not rows of these data"),
    (put("history/steps/loss", np.zeros((2, 2))), "'loss' of all steps should be an array"),
    (put("network/layers.0.weight", np.zeros(3)), r"layers\.0\.weight: has shape \(3,\)"),
    (put("optimizer/steps", np.zeros(2, int)), "number of steps should be an array"),
    (put("optimizer/mean", np.zeros(2)), "the optimizer's mean for 2 values"),
    (put("optimizer/other", np.zeros(2)), "the optimizer's other for 2 values"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_checkpoint_with_wrong_content_is_refused_and_changes_nothing(tmp_path, change, message):
    fit(trainer(), epochs=2, callbacks=[Checkpoint(tmp_path), Callback()])
    forged(tmp_path / "last.npz", change)
    subject = trainer()
    before = everything(subject)
    with pytest.raises(StateError, match=message):
        fit(subject, resume=tmp_path / "last.npz")
    np.testing.assert_equal(everything(subject), before)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"name": "loss", "best": 1.0, "best_epoch": 0}, r"\['waited'\] is missing"),
        (
            {"name": "loss", "best": 1.0, "best_epoch": 9, "waited": 0},
            "best_epoch should be a whole",
        ),
        ({"name": "loss", "best": 1.0, "best_epoch": -1, "waited": 0}, "is of no epoch"),
        ({"name": "loss", "best": "1", "best_epoch": 0, "waited": 0}, "best should be a number"),
        ({"name": "x", "best": 1.0, "best_epoch": 0, "waited": 0}, "monitored 'x'; there is"),
        ({"name": 3}, "should be text, got 3"),
    ],
)
def test_a_callbacks_state_is_looked_at(tmp_path, state, message):
    fit(trainer(), epochs=2, callbacks=[Checkpoint(tmp_path)])

    def change(arrays, description):
        (entry,) = (e for e in description["callbacks"] if e["class"] == "Checkpoint")
        entry["state"] = state

    forged(tmp_path / "last.npz", change)
    with pytest.raises(StateError, match=message):
        fit(trainer(), callbacks=[Checkpoint(tmp_path / "new")], resume=tmp_path / "last.npz")


def test_the_best_weights_have_to_fit(tmp_path):
    stopping = [EarlyStopping("loss"), Checkpoint(tmp_path)]
    fit(trainer(), epochs=2, callbacks=stopping)

    def change(arrays, description):
        (name,) = (n for n in arrays if n.endswith("weights/layers.0.weight"))
        arrays[name] = arrays[name][:1]

    forged(tmp_path / "last.npz", change)
    with pytest.raises(StateError, match=r"layers\.0\.weight: has shape"):
        fit(trainer(), callbacks=[EarlyStopping("loss")], resume=tmp_path / "last.npz")


@pytest.mark.parametrize("kind", ["MT19937", "Philox"])
def test_a_place_behind_the_end_of_a_generators_table_is_refused(kind):
    state = getattr(np.random, kind)(0).state
    saved = json.loads(json.dumps(to_plain_state(state)))
    if kind == "MT19937":
        saved["state"]["pos"] = 9999
    else:
        saved["buffer_pos"] = 9999
    with pytest.raises(FileFormatError, match="pos should be a whole number from 0 to"):
        from_plain_state(saved, state, "it")
    saved = json.loads(json.dumps(to_plain_state(state)))
    saved["state"]["key"] = {"array": [1], "dtype": "object"}
    with pytest.raises(FileFormatError, match="key should be"):
        from_plain_state(saved, state, "it")


# ---------------------------------------------------------------- two processes, one folder

RIVAL = """
import sys
from pathlib import Path
import numpy as np
from chainrule import Adam, CategoricalCrossEntropy, Checkpoint, ConfigurationError
from chainrule import Network, Trainer
folder = Path(sys.argv[1])
X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
trainer = Trainer(Network([3, 4, 2], seed=0), CategoricalCrossEntropy(), Adam(0.01), seed=0)
for number in range(20):
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        trainer.fit(X, (X[:, 0] > 0).astype(int), epochs=3, progress=False,
                    callbacks=[Checkpoint(folder / str(number), every_steps=1)])
        print("trained", flush=True)
    except ConfigurationError as error:
        print(f"refused {error}", flush=True)
"""


def test_of_two_processes_in_one_folder_neither_harms_the_other(tmp_path):
    command = [sys.executable, "-W", "error", "-c", RIVAL, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        outcomes = []
        for number in range(20):
            for rival in (one, other):
                assert rival.stdout.readline() == "ready\n"
            for rival in (one, other):  # both begin at once
                rival.stdin.write("go\n")
                rival.stdin.flush()
            told = [rival.stdout.readline() for rival in (one, other)]
            outcomes += [line.split()[0] for line in told]
            for line, holder in zip(told, (other, one), strict=True):
                if line.startswith("refused"):
                    assert "in use by another training" in line
                    assert f"process {holder.pid}, since" in line or "an unknown process" in line
            assert "trained" in outcomes[-2:]
            names = sorted(p.name for p in (tmp_path / str(number)).iterdir())
            assert names == [".lock", "best.npz", "last.npz"]  # whole, and nothing half-written
            read_archive(tmp_path / str(number) / "last.npz", "checkpoint")
        for rival in (one, other):
            rival.communicate(timeout=60)
            assert rival.returncode == 0
    assert "refused" in outcomes  # they did meet
