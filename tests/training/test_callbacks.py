"""Early stopping, plateaus, logs, and the ways to stop."""

import csv
import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from chainrule import (
    LBFGS,
    SGD,
    Adam,
    Callback,
    CategoricalCrossEntropy,
    ConfigurationError,
    CSVLog,
    EarlyStopping,
    Linear,
    MissingExtraError,
    Network,
    NotFiniteError,
    PolynomialDecay,
    ReduceOnPlateau,
    Rprop,
    StopFile,
    StopOnInterrupt,
    TensorBoardLog,
    Trainer,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def trainer(optimizer=None):
    network = Network([Linear(4, 2)], seed=0)
    loss = CategoricalCrossEntropy(from_logits=True)
    return Trainer(network, loss, optimizer or Adam(0.01), seed=0, post_mortem_file=None)


def fit(subject, **options):
    options = {"epochs": 10, "batch_size": 16, "progress": False} | options
    return subject.fit(X, Y, **options)


class Script(Callback):
    """Writes the given numbers into the history, epoch by epoch, and keeps the weights."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name, self.weights = values, name, []
        self.columns = (name,)

    def on_epoch_end(self, trainer):
        column = trainer.history.epochs.setdefault(self.name, [0.0] * trainer.epoch)
        column[-1] = self.values[trainer.epoch - 1]
        self.weights.append(trainer.network.flat.values.copy())


# ---------------------------------------------------------------- early stopping


def test_it_stops_after_its_patience_and_restores_the_best_weights():
    script, stopping = Script([5, 4, 3, 3.5, 3, 9, 1, 1, 1, 1]), EarlyStopping(patience=3)
    subject = trainer()
    history = fit(subject, callbacks=[script, stopping])
    assert subject.state.epoch == 6
    assert stopping.best_epoch == 2
    assert history.stop_reason == "val_loss has not improved for 3 epochs"
    np.testing.assert_array_equal(subject.network.flat.values, script.weights[2])
    assert subject.network.metadata["metrics"]["val_loss"] == 3


def test_a_change_that_is_too_small_is_none():
    script, stopping = Script([5, 4.9, 4.8, 4.7, 1]), EarlyStopping(patience=3, min_delta=0.5)
    fit(trainer(), callbacks=[script, stopping], epochs=5)
    assert stopping.best_epoch == 0
    assert len(script.weights) == 4


def test_scores_get_better_upwards_and_other_names_have_to_say():
    values = [0.1, 0.5, 0.4, 0.3]
    for name, mode in (("val_accuracy", None), ("speed", "max")):
        script, stopping = Script(values, name), EarlyStopping(name, patience=2, mode=mode)
        fit(trainer(), callbacks=[script, stopping], epochs=4)
        assert stopping.best_epoch == 1
    with pytest.raises(ConfigurationError, match="'speed' better or worse"):
        EarlyStopping("speed")


def test_best_weights_come_back_when_the_epochs_are_over():
    script = Script([3, 1, 2, 2])
    subject = trainer()
    fit(subject, callbacks=[script, EarlyStopping()], epochs=4)
    np.testing.assert_array_equal(subject.network.flat.values, script.weights[1])


def test_best_weights_come_back_after_an_error_and_after_nan():
    class Breaks(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 3:
                raise ZeroDivisionError

    script, subject = Script([3, 1, 2]), trainer()
    with pytest.raises(ZeroDivisionError):
        fit(subject, callbacks=[script, EarlyStopping(), Breaks()])
    np.testing.assert_array_equal(subject.network.flat.values, script.weights[1])

    class Poison(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 3:
                trainer.network.flat.values[0] = np.nan

    script, subject = Script([3, 1, 2]), trainer()
    with pytest.raises(NotFiniteError):
        fit(subject, callbacks=[script, EarlyStopping(), Poison()])
    np.testing.assert_array_equal(subject.network.flat.values, script.weights[1])


def test_the_last_weights_may_be_kept():
    script = Script([1, 2, 3])
    subject = trainer()
    fit(subject, callbacks=[script, EarlyStopping(restore_best=False)], epochs=3)
    np.testing.assert_array_equal(subject.network.flat.values, script.weights[2])


def test_nan_is_no_improvement_and_a_missing_column_is_an_error():
    stopping = EarlyStopping(patience=2)
    fit(trainer(), callbacks=[Script([2, math.nan, math.nan, 1]), stopping], epochs=4)
    assert stopping.best_epoch == 0
    with pytest.raises(ConfigurationError, match=r"no 'val_loss' in the history"):
        fit(trainer(), callbacks=[EarlyStopping()])


def test_it_begins_anew_with_every_training():
    stopping, subject = EarlyStopping(patience=2), trainer()
    fit(subject, callbacks=[Script([1, 2]), stopping], epochs=2)
    fit(subject, callbacks=[Script([7, 8]), stopping], epochs=2)
    assert stopping.best_epoch == 0
    assert stopping._monitor.best == 7


# ---------------------------------------------------------------- plateaus


def test_the_learning_rate_falls_on_a_plateau_but_not_below_its_minimum():
    script = Script([5, 5, 5, 4, 4, 4, 4, 4, 4])
    plateau = ReduceOnPlateau(patience=2, factor=0.1, min_lr=3e-4)
    history = fit(trainer(SGD(0.1)), callbacks=[script, plateau], epochs=9)
    rates = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 3e-4]
    assert history.epochs["learning_rate"] == pytest.approx(rates)
    assert history.steps["learning_rate"][::3] == pytest.approx(rates)
    low = trainer(SGD(1e-5))
    fit(low, callbacks=[Script([1, 1, 1]), ReduceOnPlateau(patience=1, min_lr=1e-3)], epochs=3)
    assert low.optimizer.learning_rate == 1e-5, "a minimum does not raise it"


def test_a_plateau_multiplies_a_schedule_from_then_on():
    script = Script([5, 5, 5, 4, 4, 4])
    plateau = ReduceOnPlateau(patience=2, factor=0.1, min_lr=2e-3)
    subject = trainer(SGD(PolynomialDecay(0.18, steps=18)))  # three steps an epoch
    history = fit(subject, callbacks=[script, plateau], epochs=6)
    line = np.array([0.18 - 0.01 * step for step in range(18)])
    factor = np.where(np.arange(18) < 9, 1, 0.1)
    expected = np.maximum(factor * line, np.minimum(line, 2e-3 * (factor < 1)))
    np.testing.assert_allclose(history.steps["learning_rate"], expected, rtol=1e-12)


@pytest.mark.parametrize("optimizer", [Rprop(), LBFGS()], ids=repr)
def test_a_plateau_of_what_finds_its_step_lengths_is_refused(optimizer):
    with pytest.raises(ConfigurationError, match="ReduceOnPlateau would change nothing"):
        fit(trainer(optimizer), callbacks=[ReduceOnPlateau("loss")], batch_size=60)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=0), "patience must be a whole number of at least 1"),
        (lambda: EarlyStopping(min_delta=-1), "0 <= min_delta, got -1"),
        (lambda: ReduceOnPlateau(factor=1.0), "0 < factor < 1, got 1"),
        (lambda: ReduceOnPlateau(patience=1.5), "patience must be"),
        (lambda: ReduceOnPlateau(min_lr="0"), "min_lr must be"),
        (lambda: TensorBoardLog("runs", every_steps=0), "every_steps must be"),
    ],
)
def test_options_that_make_no_sense(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


# ---------------------------------------------------------------- stopping


class At(Callback):
    """Does something after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            self.action()


def test_a_stop_file_ends_training_after_the_step_and_is_removed(tmp_path):
    file = tmp_path / "stop"
    subject = trainer()
    history = fit(subject, callbacks=[At(4, file.touch), StopFile(file)])
    assert subject.state.step == 4
    assert "stop was found" in history.stop_reason
    assert not file.exists()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_training_after_the_step():
    subject = trainer()
    before = signal.getsignal(signal.SIGINT)
    history = fit(subject, callbacks=[At(5, lambda: os.kill(os.getpid(), signal.SIGINT))])
    assert subject.state.step == 5
    assert history.stop_reason == "Ctrl-C"
    assert subject.state.ended_well
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_interrupts_at_once():
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    subject = trainer()
    with pytest.raises(KeyboardInterrupt):
        fit(subject, callbacks=[At(5, twice)])
    assert not subject.state.ended_well
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_raised_again_if_that_is_asked_for(tmp_path):
    """After the step, and after all that other callbacks do at the end."""
    subject, ended = trainer(), []

    class Ends(Callback):
        def on_fit_end(self, state):
            ended.append(state.ended_well)

    interrupt = At(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(subject, callbacks=[interrupt, StopOnInterrupt(reraise=True), Ends()])
    assert subject.state.step == 5
    assert subject.history.stop_reason == "Ctrl-C"
    assert ended == [True]
    assert signal.getsignal(signal.SIGINT) is before
    history = fit(trainer(), callbacks=[StopOnInterrupt(reraise=True)])
    assert history.stop_reason == ""


@pytest.mark.usefixtures("ctrl_c")
def test_a_script_that_asks_for_it_ends_with_status_130(tmp_path):
    script = """
import os, signal
import numpy as np
from chainrule import (
    SGD, Callback, CategoricalCrossEntropy, Network, StopOnInterrupt, Trainer
)

class Interrupts(Callback):
    def on_step_end(self, state):
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
trainer = Trainer(Network([2, 2], seed=0), CategoricalCrossEntropy(), SGD(0.1))
trainer.fit(np.eye(2), [0, 1], progress=False, callbacks=[Interrupts()%s])
print("went on")
"""
    ends = {"": (0, "went on\n"), ", StopOnInterrupt(reraise=True)": (-signal.SIGINT, "")}
    for more, expected in ends.items():
        done = subprocess.run(
            [sys.executable, "-c", script % more], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == expected, done.stderr


def test_a_handler_of_the_programs_own_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        history = fit(trainer(), callbacks=[At(5, lambda: os.kill(os.getpid(), signal.SIGINT))])
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]
    assert history.stop_reason == ""


def test_training_works_outside_the_main_thread():
    result = []
    thread = threading.Thread(target=lambda: result.append(fit(trainer(), epochs=2)))
    thread.start()
    thread.join()
    assert len(result[0]) == 2


@pytest.mark.usefixtures("ctrl_c")
def test_it_may_be_named_by_the_user_too():
    history = fit(
        trainer(), callbacks=[StopOnInterrupt(), At(5, lambda: os.kill(os.getpid(), signal.SIGINT))]
    )
    assert history.stop_reason == "Ctrl-C"


# ---------------------------------------------------------------- logs


def test_the_csv_log_has_a_row_an_epoch_at_once(tmp_path):
    path, seen = tmp_path / "logs" / "log.csv", []

    class Look(Callback):
        def on_epoch_end(self, trainer):
            seen.append(len(path.read_text().splitlines()))

    log = CSVLog(path)
    history = fit(trainer(), callbacks=[log, Look()], epochs=3, validation_split=0.25)
    assert seen == [2, 3, 4]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for name in ("loss", "val_loss"):
        assert [float(row[name]) for row in rows] == history.epochs[name]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    fit(trainer(), callbacks=[log], epochs=1)
    assert len(path.read_text().splitlines()) == 2, "a new training begins the file anew"


class FailsAfterAnEpoch(Callback):
    def on_epoch_end(self, trainer):
        raise ConfigurationError("planned")


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceOnPlateau])
def test_what_cannot_be_monitored_is_told_before_the_first_step(kind):
    subject = trainer()
    for name, advice in {
        "val_loss": r"nothing is validated. Give fit validation_split=0.2",
        "val_accuracy": r"it will have \['learning_rate', 'loss', 'seconds'\]",
    }.items():
        with pytest.raises(ConfigurationError, match=rf"no '{name}' in the history .*{advice}"):
            fit(subject, callbacks=[kind(name)])
    assert subject.optimizer.steps == 0
    fit(subject, callbacks=[kind()], validation_split=0.25, epochs=1)


def test_the_csv_log_is_closed_also_after_an_error(tmp_path):
    path = tmp_path / "log.csv"
    with pytest.raises(ConfigurationError):
        fit(trainer(), callbacks=[CSVLog(path), FailsAfterAnEpoch()])
    assert len(path.read_text().splitlines()) == 2


def test_tensorboard_gets_steps_and_epochs(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter  # noqa: F401

    history = fit(trainer(), callbacks=[TensorBoardLog(tmp_path, every_steps=2)], epochs=2)
    found = {}
    for file in tmp_path.iterdir():
        data, place = file.read_bytes(), 0
        while place < len(data):  # a record: length (8), its CRC (4), the event, its CRC (4)
            length = int.from_bytes(data[place : place + 8], "little")
            event = Event.FromString(data[place + 12 : place + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            place += length + 16
    losses = history.steps["loss"]
    assert [step for step, _ in found["step/loss"]] == [2, 4, 6]
    assert [v for _, v in found["step/loss"]] == pytest.approx([losses[1], losses[3], losses[5]])
    assert [v for _, v in found["epoch/loss"]] == pytest.approx(history.epochs["loss"])


def test_without_tensorboardx_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[tensorboard\]'"):
        fit(trainer(), callbacks=[TensorBoardLog(tmp_path)])


def test_numpy_numbers_are_numbers(tmp_path):
    assert type(EarlyStopping(patience=np.int64(3), min_delta=np.float32(0.5)).patience) is int
    assert type(ReduceOnPlateau(patience=np.int64(3), factor=np.float32(0.5)).factor) is float
    assert TensorBoardLog(tmp_path, every_steps=np.int64(3)).every_steps == 3


def test_no_two_columns_of_the_history_have_one_name():
    class Rate(Callback):
        columns = ("learning_rate",)

    with pytest.raises(ConfigurationError, match=r"would be called \['learning_rate'\]"):
        fit(trainer(), callbacks=[Rate()])
