"""Workers: threads that share each batch learn what one does, and leave nothing behind."""

import copy
import os
import signal
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from chainrule import (
    GRU,
    LSTM,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    CategoricalCrossEntropy,
    ConfigurationError,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    MissingExtraError,
    Module,
    Network,
    NotFiniteError,
    Parameter,
    ReLU,
    Sequential,
    ShapeError,
    SpatialDropout,
    Tanh,
    Trainer,
    TransformerBlock,
)
from chainrule.doctor import Doctor
from chainrule.layers import Graph, Node, recurrent
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import JointLoss
from chainrule.metrics import accuracy
from chainrule.module import named_generators
from chainrule.parallel import DataParallel, Strategy, auto_workers, copy_of_loss, data_parallel
from chainrule.parallel.auto_workers import AutoWorkers
from chainrule.parallel.data_parallel import split_evenly
from chainrule.parallel.strategy import WeightedMean, move_towards
from chainrule.parallel.synchronized_generators import (
    SynchronizedGenerator,
    synchronized_generators,
)
from chainrule.parallel.threads import ThreadExchange, WorkerThreads
from chainrule.parameter import replica_of
from chainrule.training import Checkpoint, EarlyStopping, ExponentialMovingAverage
from chainrule.watching import Watcher, watch

RNG = np.random.default_rng(0)
X = RNG.standard_normal((53, 4))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
IMAGES = RNG.standard_normal((53, 2, 6, 6))
SEQUENCES = RNG.standard_normal((53, 5, 4))
WORDS = RNG.integers(0, 7, (53, 5))
LENGTHS = RNG.integers(1, 6, 53)
STEPS = np.random.default_rng(1).integers(0, 3, (53, 5))


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    """No thread, and BLAS as it was."""
    threads, blas = threading.enumerate(), [library["num_threads"] for library in threadpool_info()]
    yield
    assert threading.enumerate() == threads
    assert [library["num_threads"] for library in threadpool_info()] == blas


@pytest.fixture(autouse=True)
def _small_recurrent_layers_are_shared_out(monkeypatch):
    """Else a batch of theirs would be one part here, and nothing of parts be tested."""
    monkeypatch.setattr(recurrent, "WORTH_A_THREAD", 1)


def network(*layers, seed=0, dtype="float64"):
    return Network([*layers, Linear(8, 3)], seed=seed, dtype=dtype)


def plain(dtype="float64"):
    return network(Linear(4, 8), Tanh(), dtype=dtype)


def dropped():
    return network(Linear(4, 8), ReLU(), Dropout(0.3), GaussianNoise(0.1))


def trainer(net, workers=1, optimizer=None, loss=None, **options):
    loss = loss or CategoricalCrossEntropy(from_logits=True)
    options = {"seed": 1, "post_mortem_file": None} | options
    return Trainer(net, loss, optimizer or Adam(0.01), workers=workers, **options)


def fit(subject, *data, **options):
    options = {"epochs": 2, "batch_size": 12, "progress": False} | options
    return subject.fit(*(data or (X, Y)), **options)


def learned(net, workers=1, data=(X, Y), **options):
    """Return all values and buffers after training."""
    names = ("epochs", "batch_size", "sample_weight", "class_weight", "callbacks", "shuffle")
    of_fit = {name: options.pop(name) for name in names if name in options}
    fit(trainer(net, workers, **options), *data, **of_fit)
    return net.state()


def differences(a, b):
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def equal(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


class Do(Callback):
    """Does something after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            self.action(trainer)


# ---------------------------------------------------------------- the same numbers


def shared_layer():
    layer = Linear(4, 4)
    return network(layer, Tanh(), layer, Dropout(0.2), Linear(4, 8))


def siamese():
    tower = Linear(4, 3)
    nodes = {
        "left": Node(tower, "a"),
        "thin": Node(Dropout(0.3), "left"),
        "right": Node(tower, "b"),
    }
    return Network(Graph(["a", "b"], nodes, ["thin", "right"]), seed=0, dtype="float64")


def two_outputs(*layers):
    nodes = {
        "hidden": Node(Sequential([Linear(4, 8), Tanh(), *layers]), "x"),
        "class": Node(Linear(8, 3), "hidden"),
        "size": Node(Linear(8, 2), "hidden"),
    }
    return Network(Graph("x", nodes, ["class", "size"]), seed=0, dtype="float64")


class Distance(JointLoss):
    """Keeps something from its losses to its gradients, as users' losses do."""

    def __init__(self, others=None):
        self.others = others

    def losses(self, y_true, y_pred):
        self.difference = y_pred["thin"] - y_pred["right"] - y_true["thin"]
        if self.others is not None and current_micro_batch.get() is not WHOLE:
            self.others.wait(10)  # until they have kept theirs too
        return (self.difference**2).sum(axis=1)

    def gradients(self, y_true, y_pred):
        return {"thin": 2 * self.difference, "right": -2 * self.difference}


TWO = {"a": X, "b": X[::-1]}, {"thin": X[:, :3], "right": X[:, 1:]}

CASES = {
    "plain": (plain, (X, Y), {}),
    "dropout and noise": (dropped, (X, Y), {}),
    "images": (
        lambda: network(Conv2d(2, 3, 3), ReLU(), SpatialDropout(0.3), Flatten(), Linear(48, 8)),
        (IMAGES, Y),
        {},
    ),
    "a recurrent network of two layers": (
        lambda: network(LSTM(4, 8, 2, dropout=0.3, bidirectional=True), LastStep(), Linear(16, 8)),
        ({"x": SEQUENCES, "lengths": LENGTHS}, Y),
        {},
    ),
    "time as long as a part": (
        lambda: network(GRU(4, 8, 2, dropout=0.3), LastStep()),
        (SEQUENCES, Y),
        {"batch_size": 10},
    ),
    "a transformer": (
        lambda: network(Linear(4, 8), TransformerBlock(8, 2, dropout=0.2), LastStep()),
        (SEQUENCES, Y),
        # The gradient of the keys' bias is 0 but for rounding, of which Adam would make steps.
        {"optimizer": lambda: SGD(0.1)},
    ),
    "words": (lambda: network(Embedding(7, 8), GRU(8, 8), LastStep()), (WORDS, Y), {}),
    "a layer at two places": (shared_layer, (X, Y), {}),
    "several inputs and outputs": (
        siamese,
        TWO,
        {"loss": {"thin": MeanSquaredError(), "right": MeanSquaredError()}},
    ),
    "two losses, each with its own denominator": (
        lambda: two_outputs(Dropout(0.3)),
        (SEQUENCES, {"class": STEPS, "size": SEQUENCES[..., :2]}),
        {
            "loss": {
                "class": CategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 0.0, 9.0]),
                "size": MeanSquaredError(),
            },
            "sample_weight": (np.arange(5) < LENGTHS[:, np.newaxis]) * 1.0,
        },
    ),
    "a loss with a memory": (siamese, TWO, {"loss": Distance()}),
    "sample weights": (dropped, (X, Y), {"sample_weight": RNG.random(53)}),
    "class weights of fit": (dropped, (X, Y), {"class_weight": "balanced"}),
    "class weights of the loss": (
        dropped,
        (X, Y),
        {"loss": CategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 0.0, 5.0])},
    ),
    "clipping and weight decay": (
        dropped,
        (X, Y),
        {"clip_norm": 0.1, "optimizer": lambda: AdamW(0.01, weight_decay=0.1)},
    ),
    "statistics over the whole batch": (
        lambda: network(Linear(4, 8, bias=False), BatchNorm(8), ReLU(), Dropout(0.3)),
        (X, Y),
        {"sync_batch_norm": True, "sample_weight": RNG.random(53)},
    ),
    "statistics over images": (
        lambda: network(
            Conv2d(2, 3, 3, bias=False), BatchNorm(3), ReLU(), Flatten(), Linear(48, 8, bias=False),
            BatchNorm(8),
        ),
        (IMAGES, Y),
        {"sync_batch_norm": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_worker_and_several_learn_the_same(case):
    make, data, options = CASES[case]

    def run(workers):
        own = copy.deepcopy(options)
        if callable(own.get("optimizer")):
            own["optimizer"] = own["optimizer"]()
        return learned(make(), workers, data, epochs=20, **own)  # 100 steps

    one, two = run(1), run(2)
    assert differences(one, two) < 1e-10
    assert differences(one, run(3)) < 1e-10
    assert equal(two, run(2)), "the same workers, but other bits"
    assert differences(one, make().state()) > 1e-3, "nothing was learned"


def test_two_workers_are_micro_batches_side_by_side():
    options = {"data": (X[:48], Y[:48]), "batch_size": 16}
    for make in (lambda: plain("float32"), lambda: network(Linear(4, 8), BatchNorm(8))):
        micro, both = learned(make(), micro_batch_size=8, **options), learned(make(), 2, **options)
        values = [name for name in both if "running" not in name]
        assert all(np.array_equal(both[name], micro[name]) for name in values)


@pytest.mark.parametrize("workers", [2, 3])
def test_micro_batches_within_workers(workers):
    one = learned(dropped(), micro_batch_size=2, epochs=5)
    assert differences(one, learned(dropped(), workers, micro_batch_size=2, epochs=5)) < 1e-12


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_batches_smaller_than_the_workers_number(samples):
    data = X[:samples], Y[:samples]
    one = learned(dropped(), data=data)
    assert differences(one, learned(dropped(), 4, data=data)) < 1e-14


@pytest.mark.parametrize(("samples", "parts", "blas"), [(63, 1, 2), (64, 2, 1)])
def test_recurrent_layers_share_out_what_pays(monkeypatch, samples, parts, blas):
    monkeypatch.setattr(recurrent, "WORTH_A_THREAD", 32 * 8)
    rows, threads = [], []

    class Look(Module):
        def forward(self, x, training=True):
            rows.append(len(x))
            blas_alone = (lib for lib in threadpool_info() if lib["user_api"] == "blas")
            threads.append({lib["num_threads"] for lib in blas_alone})
            return x

        def backward(self, dy):
            return dy

    net = network(GRU(4, 8), LastStep(), Look())
    with threadpool_limits(2, user_api="blas"):
        data = np.zeros((samples, 5, 4)), np.zeros(samples, int)
        history = fit(trainer(net, 2), *data, epochs=1, batch_size=samples)
    step = rows[-parts:]  # the rehearsal before it has rows of its own
    assert (len(step), sum(step)) == (parts, samples)
    assert threads[-1] == {blas}
    assert [note for note in history.notes if "fewer than 64 samples are not" in note]


def test_predictions_side_by_side_have_one_blas_thread_each(monkeypatch):
    """Also where a step before them was not shared out, and BLAS has its own threads again."""
    monkeypatch.setattr(recurrent, "WORTH_A_THREAD", 1000 * 8)
    at_work = []

    class Look(Module):
        def forward(self, x, training=True):
            blas = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
            at_work.append((training, blas))
            return x

        def backward(self, dy):
            return dy

    net = network(GRU(4, 8), LastStep(), Look())
    data = np.zeros((600, 5, 4)), np.zeros(600, int)
    with threadpool_limits(2, user_api="blas"):
        subject = trainer(net, 2)
        fit(subject, *data, epochs=1, batch_size=50, validation_data=data)
    trained = max(place for place, (training, _) in enumerate(at_work) if training)
    assert at_work[trained] == (True, {2})
    assert at_work[trained + 1 :]
    assert {tuple(blas) for _, blas in at_work[trained + 1 :]} == {(1,)}


def test_batch_norm_never_meets_a_single_sample():
    net = network(Linear(4, 8), BatchNorm(8))
    learned(net, 4, data=(X[:7], Y[:7]), batch_size=7)
    assert np.isfinite(net.flat.values).all()


@pytest.mark.parametrize("counting", [slice(0, 4), slice(4, 8)])
@pytest.mark.parametrize("sync", [False, True])
def test_a_part_that_counts_for_nothing(counting, sync):
    weight = np.zeros(8)
    weight[counting] = 1
    batches = [(X[:8], Y[:8], weight)]

    def run(workers):
        layers = [Linear(4, 8, bias=False), *([BatchNorm(8)] if sync else []), ReLU()]
        options = {"sync_batch_norm": sync, "optimizer": SGD(0.1)}
        return learned(network(*layers), workers, (batches,), **options)

    assert differences(run(1), run(2)) < 1e-12


def test_a_batch_that_counts_for_nothing_is_refused():
    for sync in (False, True):
        net = network(Linear(4, 8), BatchNorm(8))
        loss = CategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 1.0, 0.0])
        batches = [(X[:8], Y[:8]), (X[:8], np.full(8, 2))]
        with pytest.raises(InputError, match="All weights of this batch are 0"):
            fit(trainer(net, 2, loss=loss, sync_batch_norm=sync), batches)


def test_huge_numbers_have_their_statistics_over_the_whole_batch():
    def run(workers):
        net = network(BatchNorm(4), Linear(4, 8), dtype="float32")
        huge = 1e19 * np.tanh(X)  # their variance is a float32, the sum of their squares is none
        learned(net, workers, data=(huge, Y), sync_batch_norm=True, optimizer=SGD(0.1))
        return net.flat.values

    one, two = run(1), run(2)
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def test_statistics_by_part_and_their_mean():
    net = network(BatchNorm(4), Linear(4, 8))
    learned(
        net, 3, optimizer=SGD(1e-9), data=(X[:10], Y[:10]), batch_size=10, epochs=1, shuffle=False
    )
    found = net.layers[0]
    parts = [X[0:3], X[3:6], X[6:10]]
    mean = 0.1 * sum(len(part) * part.mean(axis=0) for part in parts) / 10
    var = 0.9 + 0.1 * sum(len(part) * part.var(axis=0, ddof=1) for part in parts) / 10
    np.testing.assert_allclose(found.running_mean.value, mean, rtol=1e-12)
    np.testing.assert_allclose(found.running_var.value, var, rtol=1e-12)


def test_the_sums_and_the_step_are_shared_out_without_changing_a_bit(monkeypatch):
    def run():
        optimizer = AdamW(0.01, weight_decay=0.1, lr_multipliers={"*.bias": 2, "layers.4.*": 0})
        return learned(dropped(), 3, optimizer=optimizer)

    alone = run()
    monkeypatch.setattr(data_parallel, "WORTH_SHARING", 1)
    monkeypatch.setattr(data_parallel, "BLOCK", 7)
    monkeypatch.setattr("chainrule.optimizers.base.BLOCK", 5)
    assert equal(alone, run())


def test_an_optimizer_with_a_step_of_its_own_takes_it(monkeypatch):
    class Twice(SGD):
        def step(self, network):
            super().step(network)
            super().step(network)

    monkeypatch.setattr(data_parallel, "WORTH_SHARING", 1)
    assert (
        differences(
            learned(plain(), optimizer=Twice(0.1)), learned(plain(), 2, optimizer=Twice(0.1))
        )
        < 1e-12
    )


# ---------------------------------------------------------------- with everything else


def test_a_killed_training_goes_on_with_the_same_bits(tmp_path):
    whole = learned(dropped(), 2, epochs=4, metrics=[accuracy])
    first = trainer(dropped(), 2, metrics=[accuracy])
    with pytest.raises(ZeroDivisionError):
        fit(
            first, epochs=4, callbacks=[Checkpoint(tmp_path, every_steps=1), Do(7, lambda _: 1 / 0)]
        )
    second = trainer(dropped(), 2, metrics=[accuracy])
    fit(second, epochs=4, callbacks=[Checkpoint(tmp_path)], resume=tmp_path / "last.npz")
    assert second.state.notes[0] == f"resumed from {tmp_path / 'last.npz'}: epoch 2, after batch 2"
    assert not any("worker" in note for note in second.state.notes)
    assert equal(whole, second.network.state())


def test_a_checkpoint_goes_on_with_another_number_of_workers(tmp_path):
    whole = learned(dropped(), epochs=4)
    fit(trainer(dropped(), 2), callbacks=[Checkpoint(tmp_path)])
    second = trainer(dropped(), 3)
    fit(second, epochs=4, resume=tmp_path / "last.npz")
    assert "written with 2 worker(s), and there are 3 now" in second.state.notes[0]
    assert differences(whole, second.network.state()) < 1e-12


def test_a_checkpoint_without_workers_in_it_goes_on(tmp_path):
    subject = trainer(dropped())
    fit(subject, callbacks=[Checkpoint(tmp_path), Do(10, lambda run: run.settings.pop("workers"))])
    second = trainer(dropped(), 2)
    fit(second, epochs=4, resume=tmp_path / "last.npz")
    assert second.state.epoch == 4


def test_sync_batch_norm_is_a_setting_that_must_be_the_same(tmp_path):
    net = network(Linear(4, 8), BatchNorm(8))
    fit(trainer(net, 2, sync_batch_norm=True), callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(Exception, match="sync_batch_norm was True"):
        fit(trainer(network(Linear(4, 8), BatchNorm(8)), 2), resume=tmp_path / "last.npz")


def test_averages_and_the_best_weights():
    def run(workers):
        callbacks = [ExponentialMovingAverage(0.9), EarlyStopping(patience=2, monitor="loss")]
        return learned(
            network(Linear(4, 8, bias=False), BatchNorm(8)),
            workers,
            epochs=8,
            sync_batch_norm=True,
            callbacks=callbacks,
        )

    assert differences(run(1), run(2)) < 1e-10


def test_the_doctor_watches_and_changes_no_bit():
    doctor = Doctor(every=2, show=False)
    net = dropped()
    assert equal(learned(dropped(), 2), learned(net, 2, callbacks=[doctor]))
    assert doctor.report is not None
    assert [step.step for step in doctor.report.examination.measured][:3] == [1, 2, 4]
    assert all(type(rng) is np.random.Generator for rng in named_generators(net).values())


def test_whoever_watches_sees_the_first_part_in_his_own_thread():
    seen = []

    class Look(Watcher):
        def on_forward(self, path, module, x, y):
            seen.append((path, len(x), threading.current_thread()))

    net = plain()
    with watch(net, Look()):
        many = np.tile(X, (20, 1)), np.tile(Y, 20)
        fit(trainer(net, 2), epochs=1, batch_size=12, validation_data=many)
    assert {thread for _, _, thread in seen} == {threading.current_thread()}
    assert 6 in {count for path, count, _ in seen if path == "layers.0"}


def test_what_a_callback_changes_holds_for_all_workers():
    def run(workers):
        def change(run):
            run.network.layers[2].p = 0.9
            run.network.layers[0].weight.value *= 0.5
            run.network.load_state({k: v / 2 for k, v in run.network.state().items()})

        return learned(dropped(), workers, callbacks=[Do(3, change)])

    assert differences(run(1), run(2)) < 1e-12


def test_who_takes_the_values_over_is_noticed():
    def take_over(run):
        Network([*run.network.layers], dtype="float64").flat  # noqa: B018  gathers them anew

    def run(workers):
        return learned(plain(), workers, callbacks=[Do(3, take_over)])

    assert differences(run(1), run(2)) < 1e-12


@pytest.mark.parametrize("share", ["evaluate", "predict", "validation"])
def test_predictions_are_shared_and_the_same(share):
    one, two = trainer(plain(), 1, metrics=[accuracy]), trainer(plain(), 3, metrics=[accuracy])
    data = np.tile(X, (30, 1)), np.tile(Y, 30)
    if share == "evaluate":
        assert two.evaluate(*data) == one.evaluate(*data)
        batches = [(X[:20], Y[:20]), (X[20:], Y[20:], np.ones(33))]
        assert two.evaluate(batches) == one.evaluate(batches)
    elif share == "predict":
        assert np.array_equal(two.predict(data[0]), one.predict(data[0]))
        assert np.array_equal(two.predict(data[0][:1]), one.predict(data[0][:1]))
    else:
        of_one, of_two = (fit(t, validation_data=data).column("val_loss") for t in (one, two))
        np.testing.assert_allclose(of_one, of_two, rtol=1e-12)


def test_predictions_are_made_in_several_threads():
    names = set()

    class Note(Module):
        def forward(self, x, training=True):
            names.add(threading.current_thread().name)
            self.save_for_backward(training=training)
            return x

        def backward(self, dy):
            self.saved_values()
            return dy

    subject = trainer(network(Linear(4, 8), Note()), 2)
    subject.predict(np.tile(X, (30, 1)))
    assert len(names) == 2


def test_a_bad_prediction_is_told_by_its_batch():
    data = np.tile(X, (30, 1)).astype(np.float32)
    for place in (3, 600):
        bad = data.copy()
        bad[place] = 3e38
        told = []
        for workers in (1, 3):
            net = network(Linear(4, 8), dtype="float32")
            net.flat.values *= 10
            with pytest.raises(NotFiniteError) as caught:
                trainer(net, workers).evaluate(bad, np.tile(Y, 30))
            told.append(str(caught.value))
        assert told[0] == told[1]
        assert f"samples {place} of the data" in told[0]


# ---------------------------------------------------------------- what goes wrong


class Fails(Module):
    """Raises, or puts out NaN, in a replica or in the network itself; once it has been called."""

    def __init__(self, features, error=None, calls=3):
        self.features, self.error, self.calls = features, error, calls
        self.weight = Parameter(np.ones(features))
        self.gone_through = {}

    def forward(self, x, training=True):
        thread = threading.current_thread()
        self.save_for_backward(x, training=training)
        if training:
            self.gone_through[thread] = self.gone_through.get(thread, 0) + 1
            if thread.name.startswith("chainrule") and self.gone_through[thread] == self.calls:
                if self.error is not None:
                    raise self.error("no")
                return x * np.nan
        return x * self.weight.value

    def backward(self, dy):
        (x,) = self.saved_values()
        self.weight.grad = (x * dy).sum(axis=0)
        return dy * self.weight.value

    def __deepcopy__(self, memo):
        new = Fails(self.features, self.error, self.calls)
        new.weight = copy.deepcopy(self.weight, memo)
        return new


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("error", [ValueError, ShapeError])
def test_an_error_in_a_worker_is_told_with_its_place(error, sync):
    net = network(Linear(4, 8), Fails(8, error), BatchNorm(8))
    with pytest.raises(error, match="no") as caught:
        fit(trainer(net, 3, sync_batch_norm=sync))
    place = getattr(caught.value, "path", "") or caught.value.__notes__[0]
    assert "layers.1" in place


def test_nan_that_comes_once_in_a_worker_is_traced_there():
    net = network(Linear(4, 8), Fails(8))
    with pytest.raises(NotFiniteError) as caught:
        fit(trainer(net, 2))
    assert "at step 3" in str(caught.value)
    finding = caught.value.origin
    assert (finding.direction, finding.path, finding.layer) == ("forward", "layers.1", "Fails")


@pytest.mark.parametrize("row", [2, 9])
def test_nan_is_told_as_without_workers(tmp_path, row):
    bad = X.astype(np.float32)
    bad[12 + row] = 3e38

    def report(workers):
        net = network(Linear(4, 8), Dropout(0.2), Linear(8, 8), dtype="float32")
        net.flat.values *= 10
        file = tmp_path / f"{workers}.npz"
        with pytest.raises(NotFiniteError) as caught:
            fit(trainer(net, workers, post_mortem_file=file), bad, Y, shuffle=False)
        return str(caught.value).replace(str(file), "FILE"), caught.value.origin

    (one, found_one), (two, found_two) = report(1), report(2)
    assert found_two == found_one
    assert found_two.rows == [row]
    assert one.splitlines()[:3] == two.splitlines()[:3]


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("sync", [False, True])
def test_a_second_ctrl_c_within_a_step_ends_it(sync):
    class Interrupts(ReLU):
        def forward(self, x, training=True):
            if training and threading.current_thread() is threading.main_thread():
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
            return super().forward(x, training)

    net = network(Linear(4, 8), Interrupts(), BatchNorm(8), Dropout(0.1))
    subject = trainer(net, 3, sync_batch_norm=sync)
    with pytest.raises(KeyboardInterrupt):
        fit(subject)
    assert not subject.state.ended_well
    assert type(net.layers[3].rng) is np.random.Generator


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_after_the_step():
    subject = trainer(plain(), 2)
    history = fit(subject, callbacks=[Do(4, lambda _: os.kill(os.getpid(), signal.SIGINT))])
    assert (history.stop_reason, subject.state.step) == ("Ctrl-C", 4)


def test_a_meeting_that_is_called_off_lets_nobody_wait():
    exchange = ThreadExchange(2)
    ended = []

    def wait():
        try:
            exchange.allgather(1, "mine")
        except threading.BrokenBarrierError:
            ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    exchange.abort()
    thread.join(10)
    assert ended == [True]


def test_ctrl_c_while_work_is_handed_out_leaves_nobody_waiting():
    exchange = ThreadExchange(3)
    with WorkerThreads(3) as threads:
        submit, handed_out = threads._pool.submit, []

        def interrupted(*work):
            if handed_out:
                raise KeyboardInterrupt
            handed_out.append(submit(*work))
            return handed_out[0]

        threads._pool.submit = interrupted
        with pytest.raises(KeyboardInterrupt):
            threads.map(lambda place: exchange.allgather(place, 0), range(3), exchange.abort)
    assert isinstance(handed_out[0].exception(), threading.BrokenBarrierError)


def test_the_first_error_is_raised_and_all_have_ended():
    done = []

    def work(item):
        if item in (1, 2):
            raise ValueError(item)
        done.append(item)

    with WorkerThreads(4) as threads:
        with pytest.raises(ValueError, match="1"):
            threads.map(work, range(4))
        assert sorted(done) == [0, 3]
        assert threads.map(lambda item: item, range(4)) == [0, 1, 2, 3]


def test_threads_work_in_the_callers_context():
    with (
        WorkerThreads(2) as threads,
        np.errstate(divide="raise"),
        pytest.raises(FloatingPointError),
    ):
        threads.map(lambda place: np.ones(1) / np.array([1.0 - place]), range(2))


def test_blas_has_one_thread_meanwhile():
    seen = []

    def look(_):
        seen.extend(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")

    with threadpool_limits(2, user_api="blas"):
        fit(trainer(plain(), 2), callbacks=[Do(2, look)])
        assert set(seen) == {1}
        look(None)
        assert seen[-1] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be a whole number from 1 to 1024"),
        ({"workers": True}, "workers must be a whole number"),
        ({"workers": 1.5}, "workers must be a whole number"),
        ({"workers": 5000}, "workers must be a whole number from 1 to 1024"),
        ({"workers": "two"}, "workers must be a whole number or 'auto', got 'two'"),
        ({"workers": None}, "workers must be a whole number"),
        ({"sync_batch_norm": 1}, "sync_batch_norm must be True or False"),
        ({"sync_batch_norm": True, "micro_batch_size": 4}, "Give one of the two"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Trainer(plain(), MeanSquaredError(), SGD(0.1), **options)


def test_a_network_that_cannot_be_copied_is_told_at_the_door():
    class Locked(ReLU):
        def __init__(self):
            self.lock = threading.Lock()

    net = network(Linear(4, 8), Locked(), Dropout(0.1))
    with pytest.raises(TypeError) as caught:
        fit(trainer(net, 2))
    assert "Each worker needs a copy of the network" in caught.value.__notes__[0]
    assert type(net.layers[2].rng) is np.random.Generator


@pytest.mark.parametrize("workers", [2, "auto"])
def test_without_threadpoolctl_it_says_what_to_install(monkeypatch, workers):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[workers\]'"):
        trainer(plain(), workers)
    trainer(plain(), 1)


# ---------------------------------------------------------------- "auto"


@pytest.mark.parametrize(
    ("alone", "together", "kept"), [(0.010, 0.006, 2), (0.006, 0.010, 1), (0.01, 0.01, 1)]
)
def test_the_faster_way_is_kept(alone, together, kept):
    net = plain()
    auto = AutoWorkers(Strategy(), DataParallel(2))
    with auto.running(net):
        workers = []
        while not auto.decided:
            workers.append(auto.workers)
            auto.record(alone if auto.current is auto.single else together, 10)
        assert auto.workers == kept
        blas = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
        assert kept == 1 or blas == {1}
    count = workers.count(1)
    assert workers == [1] * count + [2] * (len(workers) - count)
    least = auto_workers.WARM_UP_STEPS + auto_workers.STEPS
    assert least <= count <= least + auto_workers.WARM_UP_SECONDS / alone
    assert f"{1000 * together:.3g} ms with 2 workers and {1000 * alone:.3g} ms" in auto.in_words(10)


def test_what_auto_chose_is_noted_and_gone_on_with(monkeypatch, tmp_path):
    monkeypatch.setattr(auto_workers, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr("chainrule.parallel.choice.cores", lambda: 2)
    first = trainer(dropped(), "auto")
    fit(first, epochs=5, callbacks=[Checkpoint(tmp_path)])
    assert first.state.chosen_workers in (1, 2)
    assert f"with one; going on with {first.state.chosen_workers}" in first.state.notes[0]
    assert differences(learned(dropped(), epochs=5), first.network.state()) < 1e-12
    second = trainer(dropped(), "auto")
    fit(second, epochs=6, resume=tmp_path / "last.npz")
    assert second.state.chosen_workers == first.state.chosen_workers
    assert not any("with one" in note for note in second.state.notes)


def test_auto_is_one_worker_where_there_is_one_processor(monkeypatch):
    monkeypatch.setattr("chainrule.parallel.choice.cores", lambda: 1)
    subject = trainer(plain(), "auto")
    fit(subject)
    assert not any("worker" in note for note in subject.state.notes)
    assert subject.state.chosen_workers is None
    assert subject.predict(X).shape == (53, 3)


# ---------------------------------------------------------------- the parts it is made of


def test_batches_are_shared_out_evenly():
    assert split_evenly(8, 3) == [slice(0, 2), slice(2, 5), slice(5, 8)]
    assert split_evenly(5, 4, least=2) == [slice(0, 2), slice(2, 5)]
    assert split_evenly(1, 4, least=2) == [slice(0, 1)]


def test_a_mean_that_moves_on_is_the_mean():
    mean, two = WeightedMean(), WeightedMean()
    for counts, loss in ((0, 7.0), (2, 1.0), (0, 9.0), (6, 3.0)):
        mean.add(counts, loss)
        two.add(np.array([counts, counts // 6]), np.array([loss, 5.0]))
    assert (mean.weight, mean.means) == (8, 2.5)
    np.testing.assert_array_equal([two.weight, two.means], [[8, 1], [2.5, 5.0]])
    buffer = np.full(2, np.nan)
    for value, share in ((1.0, 1), (9.0, 0), (3.0, 0.75)):
        move_towards(buffer, np.array([value, -value]), share)
    np.testing.assert_array_equal(buffer, [2.5, -2.5])


DRAWS = {
    "random": lambda rng, n: rng.random((n, 2)),
    "random in float32": lambda rng, n: rng.random((n, 2), np.float32),
    "normal": lambda rng, n: rng.normal(1.0, 2.0, (n, 2)),
    "standard_normal": lambda rng, n: rng.standard_normal((n, 2), dtype=np.float32),
    "uniform": lambda rng, n: rng.uniform(-1, 1, size=(n, 2)),
    "binomial": lambda rng, n: rng.binomial(1, 0.3, (n, 2)),
    "integers": lambda rng, n: rng.integers(0, 9, (n, 2), endpoint=True),
    "a vector": lambda rng, n: rng.random(n),
    "in place": lambda rng, n: rng.random(out=np.empty((n, 2))),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_a_part_is_drawn_as_with_the_whole_batch(draw):
    plain, ours = (
        np.random.default_rng(3),
        SynchronizedGenerator(np.random.default_rng(3).bit_generator),
    )
    whole = DRAWS[draw](plain, 9)
    token = current_micro_batch.set(MicroBatch(2, 4, 9))
    try:
        np.testing.assert_array_equal(DRAWS[draw](ours, 4), whole[2:6])
        assert ours.random() == plain.random()
        np.testing.assert_array_equal(ours.random((7, 4)), plain.random((7, 4)))
    finally:
        current_micro_batch.reset(token)
    assert current_micro_batch.get() is WHOLE
    np.testing.assert_array_equal(DRAWS[draw](ours, 4), DRAWS[draw](plain, 4))


def test_generators_are_put_back_where_they_were():
    net = network(Linear(4, 8), Dropout(0.3), LSTM(8, 8, 2, dropout=0.1))
    before = named_generators(net)
    with synchronized_generators(net):
        inside = named_generators(net)
        assert all(isinstance(rng, SynchronizedGenerator) for rng in inside.values())
        assert all(
            type(r) is np.random.Generator for r in named_generators(copy.deepcopy(net)).values()
        )
        inside["layers.1.rng"].random(3)
    after = named_generators(net)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert after["layers.1.rng"].random() == np.random.default_rng(0).spawn(1)[0].random(4)[3]


def test_what_a_loss_keeps_is_of_its_own_part():
    def run(workers, others=None):
        return learned(siamese(), workers, TWO, loss=Distance(others), batch_size=53)

    assert differences(run(1), run(3, threading.Barrier(3))) < 1e-10


def test_a_loss_is_copied_for_each_thread():
    inner = Distance()
    twin = copy_of_loss(inner)
    twin.difference = 1
    assert not hasattr(inner, "difference")
    both = Trainer(siamese(), {"thin": MeanSquaredError(), "right": MeanSquaredError()}, SGD()).loss
    assert copy_of_loss(both).losses_by_output["thin"] is not both.losses_by_output["thin"]


def test_a_replica_shares_values_and_nothing_else():
    net = network(Linear(4, 8), BatchNorm(8))
    net.backward(np.ones_like(net.forward(X)))
    twin = replica_of(net)
    assert twin.flat.values is net.flat.values
    gradient = net.flat.grads.copy()
    assert not twin.flat.grads.any()
    twin.backward(-np.ones_like(twin.forward(X[:5])))
    np.testing.assert_array_equal(net.flat.grads, gradient)
    assert not np.array_equal(*(n.layers[1].running_mean.value for n in (net, twin)))
    net.update(0.1)
    np.testing.assert_array_equal(twin.layers[0].weight.value, net.layers[0].weight.value)
    assert twin.named_modules().keys() == net.named_modules().keys()
