"""Metrics count samples as the loss does: their weights, masks, and what the loss ignores."""

import math
from functools import partial

import numpy as np
import pytest

import chainrule.metrics as metrics
from chainrule import (
    SGD,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Checkpoint,
    EarlyStopping,
    Ensemble,
    FileFormatError,
    Graph,
    InputError,
    Linear,
    LossPerOutput,
    MeanSquaredError,
    Network,
    Node,
    Sigmoid,
    Softmax,
    Trainer,
    diagnose,
)
from chainrule.doctor.trials import baseline
from chainrule.metrics.weighting import measure
from chainrule.training.measurement import Measurement

RNG = np.random.default_rng(0)
N, T, C = 40, 5, 3
X = RNG.standard_normal((N, 4))
Y = RNG.integers(0, C, N)
WEIGHT = RNG.integers(0, 4, N).astype(float)
SEQUENCES = RNG.standard_normal((N, T, 4))
STEPS = RNG.integers(0, C, (N, T))
MASK = (np.arange(T) < RNG.integers(1, T + 1, N)[:, np.newaxis]).astype(float)
MACRO = {"average": "macro"}
OF_CLASSES = {
    "accuracy": metrics.accuracy,
    "balanced": metrics.balanced_accuracy_score,
    "precision": partial(metrics.precision_score, **MACRO),
    "recall": partial(metrics.recall_score, average="weighted"),
    "f1": partial(metrics.f1_score, average="micro"),
    "top 2": partial(metrics.top_k_accuracy, k=2),
    "auc": metrics.roc_auc_score,
    "log loss": metrics.log_loss,
    "brier": metrics.brier_score_loss,
}
OF_NUMBERS = {
    "absolute": metrics.mean_absolute_error,
    "squared": metrics.mean_squared_error,
    "root": metrics.root_mean_squared_error,
    "r2": metrics.r2_score,
}
OF_ANSWERS = {
    "f1": metrics.f1_score,
    "auc": metrics.roc_auc_score,
    "accuracy": metrics.accuracy,
    "log loss": metrics.log_loss,
    "brier": metrics.brier_score_loss,
}
ROWS = np.repeat(np.arange(N), WEIGHT.astype(int))  # a weight of two is the sample given twice

TASKS = {
    "classes": ([Linear(4, C), Softmax()], CategoricalCrossEntropy(), Y, OF_CLASSES),
    "numbers": ([Linear(4, 2)], MeanSquaredError(), X[:, 1:3] ** 2, OF_NUMBERS),
    "yes or no": ([Linear(4, 1), Sigmoid()], BinaryCrossEntropy(), Y[:, None] > 0, OF_ANSWERS),
}


def trainer(layers, loss, measured, **options):
    options = {"seed": 0, **options}
    network = Network(layers, seed=0, dtype="float64")
    return Trainer(network, loss, SGD(0.1), metrics=measured, **options)


def batches(x, y, weight, size=7):
    rows = [slice(a, a + size) for a in range(0, len(x), size)]
    return [(x[r], y[r], weight[r]) for r in rows if weight[r].any()]


@pytest.mark.parametrize("task", TASKS)
def test_a_weight_of_two_is_the_sample_given_twice(task):
    layers, loss, y, measured = TASKS[task]
    subject = trainer(layers, loss, measured)
    expected = subject.evaluate(X[ROWS], y[ROWS])
    assert subject.evaluate(X, y, sample_weight=WEIGHT) == pytest.approx(expected)
    assert subject.evaluate(batches(X, y, WEIGHT)) == pytest.approx(expected)
    assert subject.evaluate(X, y) != pytest.approx(expected)


@pytest.mark.parametrize("iterable", [False, True])
@pytest.mark.parametrize("way", [{}, {"micro_batch_size": 3}, {"workers": 2}])
@pytest.mark.parametrize("task", TASKS)
def test_training_and_validation_are_measured_with_weights(task, way, iterable):
    """With a learning rate of nearly nothing, an epoch is an evaluation."""
    layers, loss, y, measured = TASKS[task]
    subject = trainer(layers, loss, measured, **way)
    subject.optimizer.learning_rate = 1e-300
    data = batches(X, y, WEIGHT) if iterable else (X, y, WEIGHT)
    given = (data,) if iterable else data[:2]
    options = {} if iterable else {"sample_weight": WEIGHT}
    history = subject.fit(
        *given, **options, epochs=1, batch_size=8, validation_data=data, progress=False
    )
    expected = subject.evaluate(X[ROWS], y[ROWS])
    for name, value in expected.items():
        assert history.epochs[name][0] == pytest.approx(value), name
        assert history.epochs["val_" + name][0] == pytest.approx(value), name


PAIRS = {"auc of pairs": partial(metrics.roc_auc_score, multi_class="ovo")}


@pytest.mark.parametrize("name", [*OF_CLASSES, *PAIRS])
def test_padding_is_left_out(name):
    metric = {**OF_CLASSES, **PAIRS}[name]
    subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), {"m": metric})
    p = subject.predict(SEQUENCES)
    expected = metric(STEPS[MASK > 0], p[MASK > 0])
    found = subject.evaluate(SEQUENCES, STEPS, sample_weight=MASK)["m"]
    assert found == pytest.approx(expected)
    assert subject.evaluate(batches(SEQUENCES, STEPS, MASK))["m"] == pytest.approx(expected)
    subject.optimizer.learning_rate = 1e-300
    history = subject.fit(SEQUENCES, STEPS, sample_weight=MASK, epochs=1, progress=False)
    assert history.epochs["m"] == [pytest.approx(expected)]


def rows_measured(y_true, y_pred):
    return float(len(y_true))


def test_a_metric_that_takes_no_weights_leaves_rows_of_weight_0_out():
    net = [Linear(4, C), Softmax()]
    subject = trainer(net, CategoricalCrossEntropy(), [rows_measured])
    zero_or_two = np.where(WEIGHT > 0, 2.0, 0.0)
    options = {"epochs": 1, "progress": False}
    for given in ((X, Y), (batches(X, Y, zero_or_two),)):
        weight = {"sample_weight": zero_or_two} if len(given) == 2 else {}
        history = subject.fit(*given, **weight, **options)
        assert history.epochs["rows_measured"] == [(WEIGHT > 0).sum()]
        assert not any("sample_weight" in note for note in history.notes)
        assert subject.evaluate(*given, **weight)["rows_measured"] == (WEIGHT > 0).sum()
    history = subject.fit(SEQUENCES, STEPS, sample_weight=MASK, **options)
    assert history.epochs["rows_measured"] == [MASK.sum()]


def test_where_it_cannot_count_the_weights_that_is_said():
    subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), [rows_measured])
    options = {"epochs": 2, "progress": False}
    history = subject.fit(X, Y, sample_weight=WEIGHT, **options)
    assert sum("rows_measured: takes no sample_weight" in note for note in history.notes) == 1
    history = subject.fit(X, Y, validation_data=batches(X, Y, WEIGHT), **options)
    assert sum("rows_measured: takes no sample_weight" in note for note in history.notes) == 1
    subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), PAIRS)
    history = subject.fit(X, Y, sample_weight=WEIGHT, **options)
    assert any("auc of pairs: takes no sample_weight" in note for note in history.notes)
    subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), [rows_measured])
    with pytest.warns(UserWarning, match="rows_measured: takes no sample_weight"):
        subject.evaluate(X, Y, sample_weight=WEIGHT)


def test_class_weights_count_in_the_loss_alone():
    subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), [metrics.accuracy])
    plain, weighted = subject.evaluate(X, Y), subject.evaluate(X, Y, sample_weight=WEIGHT)
    subject.optimizer.learning_rate = 1e-300
    for class_weight in ("balanced", {0: 0.3, 2: 7.0}, [0.3, 1.0, 7.0]):
        options = {"class_weight": class_weight, "epochs": 1, "progress": False}
        history = subject.fit(X, Y, **options)
        assert history.epochs["accuracy"] == [pytest.approx(plain["accuracy"])]
        assert history.epochs["loss"][0] != pytest.approx(plain["loss"], rel=1e-6)
        history = subject.fit(X, Y, sample_weight=WEIGHT, **options)
        assert history.epochs["accuracy"] == [pytest.approx(weighted["accuracy"])]
        if class_weight != "balanced":
            history = subject.fit(batches(X, Y, WEIGHT), **options)
            assert history.epochs["accuracy"] == [pytest.approx(weighted["accuracy"])]
    in_loss = CategoricalCrossEntropy(class_weight=[0.3, 1.0, 7.0])
    subject = trainer([Linear(4, C), Softmax()], in_loss, [metrics.accuracy])
    assert subject.evaluate(X, Y)["accuracy"] == pytest.approx(
        metrics.accuracy(Y, subject.predict(X))
    )


def test_early_stopping_watches_the_weighted_number():
    """The sample that counts gets better all the time, the many that do not count get worse."""
    y = np.array([[1.0]] + [[-1.0]] * 9)
    weight = np.array([1000.0] + [1e-6] * 9)
    net = Network([Linear(1, 1, bias=False)], seed=0)
    net.parameters()[0].value = [[0.0]]
    subject = Trainer(net, MeanSquaredError(), SGD(0.05), metrics=[metrics.mean_squared_error])
    history = subject.fit(
        np.ones((10, 1)), y, sample_weight=weight, validation_data=(np.ones((10, 1)), y, weight),
        epochs=8, callbacks=[EarlyStopping("val_mean_squared_error", patience=2)], progress=False,
    )  # fmt: skip
    assert history.kept_epoch == 7
    assert history.epochs["val_mean_squared_error"] == pytest.approx(history.epochs["val_loss"])


def two_outputs():
    nodes = {"first": Node(Linear(4, C), "x"), "second": Node(Linear(4, 2), "x")}
    return Network(Graph("x", nodes, ["first", "second"]), seed=0, dtype="float64")


@pytest.mark.parametrize("ignore", [None, -1])
def test_each_of_several_outputs(ignore):
    """The targets that the first output's loss ignores are left out of its metrics alone."""
    steps = np.where(RNG.random((N, T)) < 0.3, -1, STEPS) if ignore else STEPS
    loss = CategoricalCrossEntropy(from_logits=True, ignore_index=ignore)
    y = {"first": steps, "second": SEQUENCES[..., :2]}
    subject = Trainer(
        two_outputs(),
        {"first": loss, "second": MeanSquaredError()},
        SGD(1e-300),
        metrics={
            "first": [metrics.accuracy],
            "second": [metrics.mean_squared_error],
        },
    )
    p, kept = subject.predict(SEQUENCES), (MASK > 0) & (steps != -1)
    accuracy = metrics.accuracy(steps[kept], p["first"][kept])
    squared = metrics.mean_squared_error(y["second"][MASK > 0], p["second"][MASK > 0])
    found = subject.evaluate(SEQUENCES, y, sample_weight=MASK)
    assert found["first_accuracy"] == pytest.approx(accuracy)
    assert found["second_mean_squared_error"] == pytest.approx(squared)
    history = subject.fit(SEQUENCES, y, sample_weight=MASK, epochs=1, progress=False)
    assert history.epochs["first_accuracy"] == [pytest.approx(accuracy)]
    assert history.epochs["second_mean_squared_error"] == [pytest.approx(squared)]


@pytest.mark.parametrize("iterable", [False, True])
def test_a_resumed_epoch_is_measured_with_all_weights(tmp_path, iterable):
    def run(**options):
        subject = trainer([Linear(4, C), Softmax()], CategoricalCrossEntropy(), [metrics.accuracy])
        data = (batches(X, Y, WEIGHT),) if iterable else (X, Y)
        more = {} if iterable else {"sample_weight": WEIGHT}
        return subject.fit(*data, **more, epochs=2, batch_size=8, progress=False, **options)

    whole = run(callbacks=[Checkpoint(tmp_path / "a", every_steps=1)])

    class Stop(EarlyStopping):
        def __init__(self):
            super().__init__("loss")

        def on_step_end(self, state):
            if state.step == 3 and not any("resumed" in note for note in state.notes):
                state.stop("enough")

    folder = Checkpoint(tmp_path / "b", every_steps=1)
    run(callbacks=[folder, Stop()])
    resumed = run(
        callbacks=[Checkpoint(tmp_path / "b", every_steps=1), Stop()],
        resume=tmp_path / "b" / "last.npz",
    )
    assert resumed.epochs["accuracy"] == whole.epochs["accuracy"]


def test_rows_of_weight_0_are_left_out_of_iterables_as_of_arrays():
    """Batch normalisation sees the same rows, so the same is learned."""
    from chainrule import BatchNorm

    def learned(*data, **options):
        net = Network([Linear(4, 6), BatchNorm(6), Linear(6, C)], seed=0, dtype="float64")
        subject = Trainer(net, CategoricalCrossEntropy(from_logits=True), SGD(0.1))
        subject.fit(*data, **options, epochs=3, shuffle=False, progress=False)
        return net.state()

    arrays = learned(X, Y, sample_weight=WEIGHT, batch_size=N)
    iterable = learned([(X, Y, WEIGHT)])
    assert all(np.array_equal(arrays[name], iterable[name]) for name in arrays)


METRICS = {"accuracy": "accuracy", "rmse": "rmse", "own": metrics.balanced_accuracy_score}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("way", ["validation_data", "validation_split", "cv"])
def test_an_ensembles_metric_counts_weights(metric, way):
    """Each member's score is that on its validation rows given as often as they count."""
    y = np.eye(C)[Y] if metric == "rmse" else Y
    kind = {"output": "linear"} if metric == "rmse" else {}
    weight = WEIGHT + (WEIGHT == 0)  # folds are of the rows that count
    ensemble = Ensemble([4, 6, C], [{"learning_rate": 1e-30}] * 3, seed=0, dtype="float64", **kind)
    folds = [(np.arange(20), np.arange(20, N))] * 3
    given = {
        "validation_data": {"validation_data": (X, y, WEIGHT)},
        "validation_split": {"validation_split": 0.5},
        "cv": {"cv": folds},
    }[way]
    ensemble.fit(X, y, sample_weight=weight, epochs=1, metric=METRICS[metric], mode="max", **given)
    p = ensemble.predict_members(X)
    found = next(iter(v for k, v in ensemble.history.items() if k.startswith("val_")))[0]
    if way == "validation_split":
        assert len(set(np.round(found, 12))) > 1
        return
    rows = ROWS if way == "validation_data" else np.repeat(folds[0][1], weight[20:].astype(int))
    function = {
        "accuracy": metrics.accuracy,
        "rmse": lambda t, q: math.sqrt(metrics.mean_squared_error(t, q)),
        "own": metrics.balanced_accuracy_score,
    }[metric]
    expected = [function(y[rows], p[rows, k]) for k in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_an_ensembles_notes_and_losses():
    ensemble = Ensemble([4, 6, C], [{"learning_rate": 1e-30}] * 2, seed=0, dtype="float64")
    ensemble.fit(
        X, Y, sample_weight=WEIGHT, epochs=1, batch_size=8, metric=rows_measured, mode="max",
        validation_data=(X, Y, WEIGHT),
    )  # fmt: skip
    assert any("rows_measured takes no sample_weight" in note for note in ensemble.notes)
    p = ensemble.predict_members(X)[ROWS]
    expected = [metrics.log_loss(Y[ROWS], p[:, k]) for k in range(2)]
    np.testing.assert_allclose(ensemble.history["loss"][0], expected, rtol=1e-10)
    ensemble.fit(X, Y, class_weight="balanced", epochs=1, metric="accuracy", validation_split=0.5)
    assert (ensemble.history["val_accuracy"] * 20 % 1).max() < 1e-9  # 20 rows that count the same


def test_measure_alone():
    true, pred = np.array([0.0, 1.0, 5.0]), np.array([0.0, 3.0, 9.0])
    weight = np.array([3.0, 1.0, 0.0])
    assert measure(metrics.mean_squared_error, true, pred, weight) == (1.0, True)
    assert measure(lambda t, p: len(t), true, pred, weight) == (2, False)
    assert measure(lambda t, p: len(t), true, pred, (weight > 0) * 0.5) == (2, True)
    assert math.isnan(measure(metrics.accuracy, true, pred, np.zeros(3))[0])
    assert measure(max, 1.0, 2.0) == (2.0, True)  # a function in C


@pytest.mark.parametrize("weights", ["none", "samples", "positions"])
@pytest.mark.parametrize("way", [{}, {"micro_batch_size": 3}])
def test_sequences_whose_length_differs_from_batch_to_batch(tmp_path, weights, way):
    rng = np.random.default_rng(0)
    data = []
    for steps in (5, 7, 3, 7):
        x, y = rng.standard_normal((6, steps, 4)), rng.integers(0, C, (6, steps))
        weight = rng.integers(0, 3, (6, steps) if weights == "positions" else 6) + 0.5
        data.append((x, y) if weights == "none" else (x, y, weight))
    subject = trainer(
        [Linear(4, C), Softmax()], CategoricalCrossEntropy(), [metrics.accuracy], **way
    )
    subject.optimizer.learning_rate = 1e-300
    options = {"epochs": 1, "progress": False, "validation_data": data}
    saving = Checkpoint(tmp_path, every_steps=1)  # with an unfinished epoch
    history = subject.fit(data, callbacks=[saving], **options)
    right = counted = 0.0
    for x, y, *weight in data:
        own = np.ones(y.shape) if not weight else weight[0].reshape(6, -1) * np.ones(y.shape)
        right += (own * (subject.predict(x).argmax(axis=2) == y)).sum()
        counted += own.sum()
    for name in ("accuracy", "val_accuracy"):
        assert history.epochs[name] == [pytest.approx(right / counted)]
    assert subject.evaluate(data)["accuracy"] == pytest.approx(right / counted)


def test_means_of_an_older_version_are_taken_over():
    loss = LossPerOutput({"a": MeanSquaredError(), "b": MeanSquaredError()})
    measurement = Measurement({}, loss)
    measurement.load_state({"weight": 3.0, "loss": 2.0}, {})
    assert measurement.result() == {"loss": 2.0}
    measurement.load_state({"weight": 0.0, "loss": 0.0}, {})
    with pytest.raises(InputError, match="All weights are 0"):
        measurement.result()
    measurement.load_state({"weight": [3.0, 1.0], "loss": [2.0, 5.0]}, {})
    assert measurement.result() == {"loss": 7.0}
    for wrong in ([1.0], [[1.0, 2.0]]):
        with pytest.raises(FileFormatError, match="a mean for each loss"):
            measurement.load_state({"weight": wrong, "loss": wrong}, {})
    with pytest.raises(FileFormatError, match="a mean for each loss"):
        Measurement({}, MeanSquaredError()).load_state({"weight": [1.0], "loss": [1.0]}, {})


def test_the_doctor_leaves_ignored_targets_out():
    y = np.where(np.arange(N) % 3 == 0, -100, Y)
    loss = CategoricalCrossEntropy(from_logits=True, ignore_index=-100)
    network = Network([Linear(4, C)], seed=0)
    report = str(diagnose(network, X, y, loss=loss, optimizer=SGD(1e-5), steps=30))
    assert "labels" not in report
    kept, plain = y != -100, CategoricalCrossEntropy(from_logits=True)
    z = network.predict(X)
    assert baseline(loss, y, z) == pytest.approx(baseline(plain, y[kept], z[kept]))
