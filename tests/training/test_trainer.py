"""Trainer: what it does to the network, against loops written by hand; what it refuses."""

import math
import threading
import tracemalloc

import numpy as np
import pytest

from chainrule import (
    GRU,
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Callback,
    CategoricalCrossEntropy,
    ConfigurationError,
    Dropout,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    ShapeError,
    Trainer,
)
from chainrule.layers.allocator import keep_freed_memory
from chainrule.metrics import accuracy, mean_absolute_error, r2_score

RNG = np.random.default_rng(0)
X = RNG.standard_normal((70, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def network(dtype="float32", dropout=0.0):
    layers = [Linear(4, 8), ReLU(), Dropout(dropout), Linear(8, 3)]
    return Network(layers, seed=0, dtype=dtype)


def trainer(net=None, optimizer=None, **options):
    loss = CategoricalCrossEntropy(from_logits=True)
    options = {"seed": 1, "post_mortem_file": None} | options
    return Trainer(net or network(), loss, optimizer or Adam(0.01), **options)


def fit(subject, *data, **options):
    options = {"epochs": 2, "batch_size": 16, "progress": False} | options
    return subject.fit(*(data or (X, Y)), **options)


def values(subject):
    return subject.network.flat.values.copy()


class Record(Callback):
    """Keeps the name of every hook, and the weights after every step."""

    def __init__(self):
        self.calls, self.weights = [], []

    def on_fit_begin(self, trainer):
        self.calls.append("begin")

    def on_step_end(self, trainer):
        self.calls.append("step")
        self.weights.append(values(trainer))

    def on_epoch_end(self, trainer):
        self.calls.append("epoch")

    def on_fit_end(self, trainer):
        self.calls.append("end")


# ---------------------------------------------------------------- the same as a loop by hand


def test_it_does_what_a_loop_written_by_hand_does():
    subject = trainer(optimizer=Adam(0.01))
    history = fit(subject, epochs=3)
    net, loss, optimizer = network(), CategoricalCrossEntropy(from_logits=True), Adam(0.01)
    rng, losses = np.random.default_rng(1), []
    for _ in range(3):
        order = rng.permutation(len(X))
        for start in range(0, len(X), 16):
            rows = order[start : start + 16]
            value, dy = loss.value_and_gradient(Y[rows], net.forward(X[rows]))
            losses.append(value)
            net.backward(dy)
            optimizer.step(net)
    np.testing.assert_array_equal(values(subject), net.flat.values)
    assert history.steps["loss"] == losses
    counts = [16, 16, 16, 16, 6]
    assert history.epochs["loss"][0] == pytest.approx(np.average(losses[:5], weights=counts))


def test_every_sample_comes_once_an_epoch_in_an_order_that_changes():
    seen = []
    net = Network([Linear(1, 1)], seed=0)
    rows = np.arange(50.0)[:, None]

    def watch(x, rng):
        seen.extend(x[:, 0].tolist())
        return x

    subject = Trainer(net, MeanSquaredError(), SGD(1e-6), seed=3)
    fit(subject, rows, rows, augment=watch)
    assert sorted(seen[:50]) == sorted(seen[50:]) == rows[:, 0].tolist()
    assert seen[:50] != seen[50:] != sorted(seen[50:])
    seen.clear()
    fit(subject, rows, rows, augment=watch, shuffle=False)
    assert seen == rows[:, 0].tolist() * 2


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    results = []
    for seed in (1, 1, 2):
        subject = trainer(network(dropout=0.3), seed=seed)
        fit(subject)
        results.append(values(subject))
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("micro", [1, 5, 7, 16, 100])
def test_micro_batches_make_the_step_of_the_whole_batch(micro, weighted):
    weight = np.linspace(0, 3, 70) if weighted else None
    whole = trainer(network("float64"), SGD(0.5), metrics=[accuracy])
    parts = trainer(network("float64"), SGD(0.5), metrics=[accuracy], micro_batch_size=micro)
    expected = fit(whole, X, Y, sample_weight=weight, epochs=1)
    got = fit(parts, X, Y, sample_weight=weight, epochs=1)
    np.testing.assert_allclose(values(parts), values(whole), rtol=0, atol=1e-14)
    np.testing.assert_allclose(got.steps["loss"], expected.steps["loss"], rtol=1e-13)
    assert got.epochs["accuracy"] == expected.epochs["accuracy"]


def test_a_micro_batch_that_counts_for_nothing_moves_nothing():
    weight = np.array([0.0, 0, 1, 2])
    batch = [(X[:4], Y[:4], weight)]
    whole = trainer(network("float64"), SGD(0.5))
    parts = trainer(network("float64"), SGD(0.5), micro_batch_size=2)
    fit(whole, batch)
    fit(parts, batch)
    np.testing.assert_allclose(values(parts), values(whole), rtol=0, atol=1e-15)


def weighted_by_class(weights, **options):
    loss = CategoricalCrossEntropy(from_logits=True, class_weight=weights)
    return Trainer(network("float64"), loss, SGD(0.5), seed=1, post_mortem_file=None, **options)


@pytest.mark.parametrize("micro", [1, 3, 7])
def test_micro_batches_are_weighed_as_the_loss_weighs_its_classes(micro):
    whole = weighted_by_class([0.0, 1.0, 5.0])
    parts = weighted_by_class([0.0, 1.0, 5.0], micro_batch_size=micro)
    expected, got = fit(whole), fit(parts)
    np.testing.assert_allclose(values(parts), values(whole), rtol=0, atol=1e-13)
    np.testing.assert_allclose(got.epochs["loss"], expected.epochs["loss"], rtol=1e-12)
    measured = [whole.evaluate(X, Y, batch_size=size)["loss"] for size in (70, 9)]
    assert measured[0] == pytest.approx(measured[1])


def test_a_batch_that_counts_for_nothing_is_refused_in_parts_as_it_is_as_a_whole():
    first = np.flatnonzero(Y == 0)
    for micro in (None, 2):
        subject = weighted_by_class([0.0, 1.0, 5.0], micro_batch_size=micro)
        with pytest.raises(InputError, match="All weights of this batch are 0"):
            fit(subject, [(X, Y), (X[first], Y[first])])
        assert subject.state.step == 1


def test_clipping_scales_the_whole_gradient_to_the_norm():
    free, held = trainer(network("float64"), SGD(1.0)), None
    start = values(free)
    history = fit(free, epochs=1, batch_size=70)
    move = start - values(free)
    norm = history.steps["gradient_norm"][0]
    assert norm == pytest.approx(np.linalg.norm(move))
    held = trainer(network("float64"), SGD(1.0), clip_norm=norm / 4)
    clipped = fit(held, epochs=1, batch_size=70)
    np.testing.assert_allclose(start - values(held), move / 4, rtol=0, atol=1e-15)
    assert clipped.steps["gradient_norm"][0] == pytest.approx(norm), "the history has it unclipped"
    loose = trainer(network("float64"), SGD(1.0), clip_norm=norm * 4)
    fit(loose, epochs=1, batch_size=70)
    np.testing.assert_array_equal(values(loose), values(free))


# ---------------------------------------------------------------- weights


def test_a_weight_of_two_is_the_sample_twice_and_of_zero_not_at_all():
    weight = np.ones(70)
    weight[:10], weight[10:20] = 2, 0
    chosen = np.r_[0:10, 0:10, 20:70]
    weighted, repeated = (
        trainer(network("float64"), SGD(0.5)),
        trainer(network("float64"), SGD(0.5)),
    )
    fit(weighted, X, Y, sample_weight=weight, epochs=1, batch_size=200)
    fit(repeated, X[chosen], Y[chosen], epochs=1, batch_size=200)
    np.testing.assert_allclose(values(weighted), values(repeated), rtol=0, atol=1e-14)


def test_class_weights_are_sample_weights():
    of_class = {0: 1.0, 2: 5.0}
    by_class, by_sample = trainer(network("float64")), trainer(network("float64"))
    fit(by_class, class_weight=of_class, sample_weight=np.full(70, 2.0))
    fit(by_sample, sample_weight=2 * np.array([1.0, 1.0, 5.0])[Y])
    np.testing.assert_array_equal(values(by_class), values(by_sample))


@pytest.mark.parametrize("one_hot", [None, int, float, bool])
def test_balanced_classes_count_the_same_in_sum(one_hot):
    y = np.eye(3, dtype=one_hot)[Y] if one_hot else Y
    balanced, by_hand = trainer(network("float64")), trainer(network("float64"))
    fit(balanced, X, y, class_weight="balanced")
    fit(by_hand, X, y, sample_weight=(70 / (3 * np.bincount(Y)))[Y])
    np.testing.assert_array_equal(values(balanced), values(by_hand))


def test_class_weights_may_be_listed():
    named, listed, iterated = (trainer(network("float64")) for _ in range(3))
    fit(named, class_weight={0: 3.0, 2: 5.0}, shuffle=False)
    fit(listed, class_weight=[3, 1, 5], shuffle=False)
    batches = [(X[a : a + 16], Y[a : a + 16]) for a in range(0, 70, 16)]
    fit(iterated, batches, class_weight=np.array([3, 1, 5, 7]))  # no batch has the last class
    np.testing.assert_array_equal(values(named), values(listed))
    np.testing.assert_array_equal(values(named), values(iterated))
    refused(InputError, "class_weight has 2 weights for 3 classes", X, Y, class_weight=[1, 2])


def test_class_weights_mean_the_same_in_fit_and_in_the_loss():
    for class_weight in ({0: 3.0, 2: 5.0}, (3.0, 1.0, 5.0)):
        loss = CategoricalCrossEntropy(from_logits=True, class_weight=class_weight)
        in_fit = trainer(network("float64"), SGD(0.1))
        in_loss = Trainer(network("float64"), loss, SGD(0.1), seed=1)
        fit(in_fit, class_weight=class_weight)
        fit(in_loss)
        np.testing.assert_allclose(values(in_fit), values(in_loss), rtol=1e-12)


def test_class_weights_of_a_sequence_count_positions():
    x, y = np.ones((6, 5, 4)), np.arange(30).reshape(6, 5) % 3
    subject, by_hand = trainer(network("float64")), trainer(network("float64"))
    fit(subject, x, y, class_weight={1: 4.0})
    fit(by_hand, x, y, sample_weight=np.where(y == 1, 4.0, 1.0))
    np.testing.assert_array_equal(values(subject), values(by_hand))


def test_yes_or_no_in_floats_has_classes_too():
    def run(**options):
        net = Network([Linear(4, 1)], seed=0, dtype="float64")
        subject = Trainer(net, BinaryCrossEntropy(from_logits=True), SGD(0.1), seed=0)
        fit(subject, X, (Y > 0).astype(float), **options)
        return values(subject)

    expected = run(sample_weight=np.where(Y > 0, 3.0, 1.0))
    np.testing.assert_array_equal(run(class_weight={1: 3.0}), expected)


# ---------------------------------------------------------------- where data comes from


def test_an_iterable_of_batches_gives_what_the_arrays_give():
    batches = [(X[a : a + 16], Y[a : a + 16]) for a in range(0, 70, 16)]
    from_list, from_arrays = trainer(), trainer()
    fit(from_list, batches, class_weight={0: 2.0})
    fit(from_arrays, shuffle=False, class_weight={0: 2.0})
    np.testing.assert_array_equal(values(from_list), values(from_arrays))
    assert from_list.state.batches_per_epoch == 5


def test_batches_may_bring_weights_and_come_from_a_generator_once():
    weight = np.linspace(1, 2, 70)

    def stream():
        for a in range(0, 70, 16):
            yield X[a : a + 16], Y[a : a + 16], weight[a : a + 16]

    from_stream, from_arrays = trainer(), trainer()
    fit(from_stream, stream(), epochs=1)
    fit(from_arrays, X, Y, sample_weight=weight, shuffle=False, epochs=1)
    np.testing.assert_array_equal(values(from_stream), values(from_arrays))
    assert from_stream.state.batches_per_epoch == 0
    with pytest.raises(ConfigurationError, match="read only once"):
        fit(trainer(), stream(), epochs=2)


def test_a_mapped_array_is_never_copied_as_a_whole(tmp_path):
    rows, features = 4096, 1024  # 16 MiB, of which a chunk of 1 MiB is in memory at a time
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(rows, features))
    mapped[:, 0] = np.arange(rows) % 2
    y = np.arange(rows) % 2
    subject = Trainer(
        Network([Linear(features, 2)], seed=0),
        CategoricalCrossEntropy(from_logits=True),
        SGD(0.1),
        metrics=[accuracy],
    )
    fit(trainer(), epochs=1)  # the first training in a process loads more
    tracemalloc.start()
    try:
        history = fit(subject, mapped, y, batch_size=64, validation_split=0.25)
        subject.evaluate(mapped, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert history.epochs["val_accuracy"][-1] == 1
    assert subject.predict(mapped, batch_size=100).shape == (rows, 2)
    assert peak < mapped.nbytes / 3


def test_lists_are_taken():
    subject = trainer()
    fit(subject, X.tolist(), Y.tolist())
    other = trainer()
    fit(other, X, Y)
    np.testing.assert_array_equal(values(subject), values(other))


# ---------------------------------------------------------------- validation


def test_the_validation_split_is_stratified_shuffled_and_says_so(capsys):
    y = np.repeat([0, 1, 2], [60, 30, 10])
    x = np.arange(400.0).reshape(100, 4) / 400
    subject = trainer()
    history = fit(subject, x, y, validation_split=0.2, progress="lines", epochs=1)
    held_out = subject.state.validation_rows
    assert np.bincount(y[held_out]).tolist() == [12, 6, 2]
    assert held_out.tolist() != sorted(held_out)
    assert not set(held_out) & set(subject.state.order)
    assert len(held_out) + len(subject.state.order) == 100
    first_line = capsys.readouterr().out.splitlines()[0]
    assert first_line == "20 of 100 samples for validation, shuffled, stratified by class"
    expected = subject.evaluate(x[held_out], y[held_out])["loss"]
    assert history.epochs["val_loss"] == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.linspace(0, 1, 20), "not stratified: y does not hold classes"),
        (np.arange(40).reshape(20, 2) % 3, "not stratified: y does not hold classes"),
        (np.r_[np.zeros(19, int), 1], "not stratified: a class has a single sample"),
    ],
)
def test_where_it_cannot_stratify_it_says_that(y, words):
    outputs = 1 if y.ndim == 1 else 2
    subject = Trainer(Network([Linear(4, outputs)], seed=0), MeanSquaredError(), SGD(0.01))
    fit(subject, X[:20], y, validation_split=0.25)
    assert words in subject.state.notes[0]
    assert len(subject.state.validation_rows) == 5


def test_validation_data_is_measured_with_its_weights_and_not_trained_on():
    weight = np.linspace(1, 2, 20)
    plain, watched = trainer(), trainer(metrics=[accuracy])
    fit(plain, X[:50], Y[:50])
    history = fit(watched, X[:50], Y[:50], validation_data=(X[50:], Y[50:], weight))
    np.testing.assert_array_equal(values(plain), values(watched))
    measured = watched.evaluate(X[50:], Y[50:], sample_weight=weight)
    assert history.epochs["val_loss"][-1] == measured["loss"]
    assert history.epochs["val_accuracy"][-1] == measured["accuracy"]
    batches = [(X[50:60], Y[50:60]), (X[60:], Y[60:])]
    history = fit(trainer(), validation_data=batches)
    assert len(history.epochs["val_loss"]) == 2


def test_evaluate_and_predict_do_not_depend_on_the_batch_size():
    subject = trainer(
        metrics={"right": accuracy, "off": lambda t, p: mean_absolute_error(t, p[:, 0])}
    )
    fit(subject)
    whole = subject.evaluate(X, Y, batch_size=70)
    for size in (1, 33, 1000):
        assert subject.evaluate(X, Y, batch_size=size) == pytest.approx(whole)
        np.testing.assert_allclose(
            subject.predict(X, batch_size=size), subject.network.predict(X), 1e-5, 1e-6
        )
    assert whole["right"] == accuracy(Y, subject.network.predict(X))
    assert set(whole) == {"loss", "right", "off"}


def test_metrics_of_training_are_means_over_the_batches():
    subject = trainer(optimizer=SGD(1e-12), metrics=[accuracy])
    history = fit(subject)
    assert history.epochs["accuracy"][0] == pytest.approx(subject.evaluate(X, Y)["accuracy"])


# ---------------------------------------------------------------- callbacks


def test_hooks_are_called_in_order_and_the_end_always():
    first, second = Record(), Record()
    fit(trainer(), callbacks=[first, second])
    steps = ["step"] * 5
    assert first.calls == ["begin", *steps, "epoch", *steps, "epoch", "end"]

    class Breaks(Callback):
        def on_epoch_end(self, trainer):
            raise ZeroDivisionError

    record, subject = Record(), trainer()
    with pytest.raises(ZeroDivisionError):
        fit(subject, callbacks=[record, Breaks()])
    assert record.calls == ["begin", *steps, "epoch", "end"]
    assert not subject.state.ended_well


def test_stop_ends_after_the_present_step():
    class StopAtSeven(Callback):
        def on_step_end(self, trainer):
            if trainer.step == 7:
                trainer.stop("seven")
                trainer.stop("too late")

    record, subject = Record(), trainer()
    history = fit(subject, epochs=10, callbacks=[StopAtSeven(), record])
    assert (subject.state.step, subject.state.epoch, subject.state.batch) == (7, 1, 2)
    assert record.calls.count("step") == 7
    assert history.stop_reason == "seven"
    assert subject.state.ended_well


def test_fitting_again_begins_a_new_history_and_keeps_what_was_learned():
    subject = trainer()
    before = fit(subject)
    learned = values(subject)
    after = fit(subject, epochs=1)
    assert len(before) == 2
    assert len(after) == 1
    assert subject.optimizer.steps == 15
    assert not np.array_equal(values(subject), learned)


def test_a_fitted_network_knows_what_it_was_trained_with():
    subject = trainer(metrics=[accuracy])
    history = fit(subject)
    numbers = subject.network.metadata["metrics"]
    assert numbers == {
        "loss": history.epochs["loss"][-1],
        "accuracy": history.epochs["accuracy"][-1],
    }
    assert subject.network.metadata["seed"] == 1


def test_augmentation_draws_from_the_runs_generator():
    def noise(x, rng):
        return x + rng.standard_normal(x.shape, dtype=np.float32)

    runs = [trainer(), trainer()]
    for subject in runs:
        fit(subject, augment=noise)
    np.testing.assert_array_equal(values(runs[0]), values(runs[1]))
    plain = trainer()
    fit(plain)
    assert not np.array_equal(values(runs[0]), values(plain))


# ---------------------------------------------------------------- the last batch, the whole epoch


@pytest.mark.parametrize("micro", [None, 16])
def test_no_run_dies_of_a_last_batch_of_one_sample(micro):
    net = Network([Linear(4, 8), BatchNorm(8), ReLU(), Linear(8, 3)], seed=0)
    subject = trainer(net, metrics=[accuracy], micro_batch_size=micro)
    history = fit(subject, X[:65], Y[:65])
    assert len(history.steps["loss"]) == 2 * 4
    sizes = [(X[a:b], Y[a:b]) for a, b in ((0, 32), (32, 64), (64, 65))]
    history = fit(subject, sizes, None, validation_data=(X[:65], Y[:65]))
    assert len(history.steps["loss"]) == 2 * 2


def test_sequences_of_another_length_stay_a_batch_of_their_own():
    net = Network([GRU(4, 8), LastStep(), Linear(8, 3)], seed=0)
    steps = [RNG.standard_normal((n, t, 4)) for n, t in ((8, 3), (1, 5))]
    history = fit(trainer(net), [(x, Y[: len(x)]) for x in steps], None, epochs=1)
    assert len(history.steps["loss"]) == 2


def test_a_batch_size_of_one_is_what_it_says():
    assert len(fit(trainer(), X[:5], Y[:5], batch_size=1, epochs=1).steps["loss"]) == 5


def test_drop_last_leaves_out_what_is_smaller():
    seen = []

    def watch(x, rng):
        seen.append(len(x))
        return x

    fit(trainer(), drop_last=True, augment=watch)
    assert seen == [16] * 8
    refused(ConfigurationError, "drop_last leaves no batch", drop_last=True, batch_size=71)
    message = "drop_last is for arrays"
    refused(ConfigurationError, message, [(X, Y)], None, drop_last=True)


def test_metrics_are_taken_over_the_epoch_not_as_a_mean_of_batches():
    net = Network([Linear(4, 1)], seed=0)
    subject = Trainer(net, MeanSquaredError(), SGD(1e-12), metrics=[r2_score], seed=0)
    target = X[:, :1] + np.arange(70)[:, None]
    history = fit(subject, X, target, epochs=1)
    expected = r2_score(target, net.predict(X))
    assert history.epochs["r2_score"][0] == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(
        np.mean([r2_score(target[a : a + 16], net.predict(X[a : a + 16])) for a in (0, 16, 32)])
    )


# ---------------------------------------------------------------- what is refused, at the door


def refused(error, message, *data, subject=None, **options):
    subject = subject or trainer()
    before = values(subject)
    with pytest.raises(error, match=message):
        fit(subject, *data, **options)
    np.testing.assert_array_equal(values(subject), before)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:-1], "same number of samples"),
        (X[:0], Y[:0], "empty"),
        (X, Y + 1, "labels run from 0 to 2"),
        (X, Y - 1, "labels run from 0 to 2"),
        (X, Y.astype(str), "y must hold numbers"),
        ([[1, 2], [3]], [0, 1], "rows of X differ in length"),
        (np.where(np.arange(280).reshape(70, 4) == 41, np.nan, X), Y, "X holds NaN.*row 10"),
        (X, np.where(np.arange(70) == 9, np.inf, Y), "y holds NaN or infinity, first in row 9"),
        (np.float32(3), Y, "single number"),
        (X, None, "Give X and y"),
        (3, None, "Give X and y"),
        ([], None, "yielded no batch"),
        ([X], None, r"Expected batches \(x, y\).*ndarray of shape"),
        ([(X, Y[:3])], None, "same number of samples"),
        (["ab"], None, "Expected batches"),
    ],
)
def test_data_that_cannot_be_used_is_told_before_the_first_step(x, y, message):
    refused(InputError, message, x, y)


def test_the_last_sample_is_checked_before_the_first_step():
    wrong = Y.copy()
    wrong[-1] = 7
    refused(InputError, "labels from", X, wrong)
    refused(InputError, "labels from", X, Y, validation_data=(X, wrong))
    refused(ShapeError, "expected 4 features", X[:, :3], Y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.ones(3)}, "3 sample weights for 70"),
        ({"sample_weight": -np.ones(70)}, "not negative"),
        ({"sample_weight": np.zeros(70)}, "not all zero"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "every sample the weight zero"),
        ({"class_weight": {1: 2.0, 7: 3.0}}, r"the classes \[7\], which no sample has; y holds"),
        ({"sample_weight": np.full(70, 1e308)}, "sum to more than a number can hold"),
        (
            {"sample_weight": np.full(70, 1e200), "class_weight": {0: 1e200}},
            "sum to more than a number can hold",
        ),
    ],
)
def test_weights_that_make_no_sense(options, message):
    refused(InputError, message, X, Y, **options)


def test_class_numbers_of_a_thousand_million_take_no_memory():
    huge = np.array([0, 10**9] * 35)
    keep_freed_memory()  # the first training in a process does
    tracemalloc.start()
    refused(InputError, "labels from 0 to 1000000000", X, huge, class_weight="balanced")
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_class_weights_need_classes():
    subject = Trainer(Network([Linear(4, 1)], seed=0), MeanSquaredError(), SGD(0.1))
    refused(InputError, "needs classes", X, X[:, 0], subject=subject, class_weight={0: 1.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"validation_split": 1.5}, "0 < validation_split < 1, got 1.5"),
        ({"validation_split": 0.1, "validation_data": (X, Y)}, "not both"),
        ({"class_weight": "even"}, "got 'even'. .* also takes 'balanced'"),
        (
            {"class_weight": {-1: 1.0}},
            "a class in class_weight must be a whole number",
        ),
        ({"class_weight": {0: math.inf}}, r"0 <= class_weight\[0\], got inf"),
        ({"callbacks": [Record]}, r"Did you forget the \(\)"),
        ({"progress": "loud"}, "progress must be"),
    ],
)
def test_options_that_make_no_sense(options, message):
    refused(ConfigurationError, message, X, Y, **options)


def test_class_weights_are_given_once():
    for class_weight in ({1: 2.0}, [1, 2, 1]):
        loss = CategoricalCrossEntropy(class_weight=class_weight)
        for again in ({0: 3.0}, [1, 2, 1], "balanced"):
            subject = Trainer(network(), loss, SGD(0.1))
            message = "given to fit and to the loss.*Give it to one"
            refused(ConfigurationError, message, X, Y, subject=subject, class_weight=again)


def test_options_that_iterables_cannot_have():
    batches = [(X, Y)]
    refused(ConfigurationError, "validation_split needs arrays", batches, validation_split=0.1)
    refused(ConfigurationError, "give the weight of each", batches, class_weight="balanced")
    refused(ConfigurationError, "yield the weights", batches, sample_weight=np.ones(70))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": Linear(4, 3)}, "network must be a Network"),
        ({"loss": CategoricalCrossEntropy}, r"loss must be a Loss.*Did you forget the \(\)"),
        ({"optimizer": "adam"}, "optimizer must be an Optimizer"),
        ({"clip_norm": 0}, "clip_norm must be"),
        ({"micro_batch_size": 0}, "micro_batch_size must be"),
        ({"metrics": ["accuracy"]}, "A metric is a function"),
        ({"metrics": {"loss": accuracy}}, "A metric cannot be called"),
    ],
)
def test_a_trainer_of_the_wrong_parts(options, message):
    parts = {"network": network(), "loss": CategoricalCrossEntropy(), "optimizer": Adam()}
    with pytest.raises(ConfigurationError, match=message):
        Trainer(**(parts | options))


def test_predict_of_nothing_is_refused():
    with pytest.raises(InputError, match="empty"):
        trainer().predict(X[:0])


def test_a_wrong_label_in_a_later_batch_is_told_as_such():
    with pytest.raises(InputError, match="labels run from 0 to 2"):
        fit(trainer(), [(X, Y), (X, Y + 5)])


def test_predict_needs_a_batch_size():
    for size in (0, 2.5, "8"):
        with pytest.raises(ConfigurationError, match="batch_size must be a whole number"):
            trainer().predict(X, batch_size=size)


def test_a_trainers_numbers_may_be_numpys():
    subject = trainer(clip_norm=np.float32(1), micro_batch_size=np.int64(8))
    fit(subject, epochs=np.int64(1), batch_size=np.int64(16))
    assert len(subject.history) == 1


# ---------------------------------------------------------------- one training at a time


class InAnotherThread(Callback):
    """Calls fit of another trainer in another thread, at the first step of this training."""

    def __init__(self, other):
        self.other, self.raised = other, None

    def on_step_end(self, state):
        if state.step == 1:
            thread = threading.Thread(target=self.run)
            thread.start()
            thread.join()

    def run(self):
        try:
            fit(self.other, epochs=1)
        except ConfigurationError as error:
            self.raised = error


def test_two_threads_cannot_train_one_network_at_the_same_time():
    subject = trainer()
    alone = values_after(trainer())
    for other in (subject, trainer(subject.network), trainer(sharing(subject.network))):
        attempt = InAnotherThread(other)
        fit(subject, callbacks=[attempt])
        assert "is being trained by another fit right now" in str(attempt.raised)
        assert other.state is subject.state or other.state.step == 0
    attempt = InAnotherThread(trainer())
    fresh = trainer()
    assert np.array_equal(values_after(fresh, callbacks=[attempt]), alone)
    assert attempt.raised is None


def test_a_network_that_was_trained_can_be_trained_again():
    subject = trainer()
    with pytest.raises(InputError):
        fit(subject, X, Y[:3])
    fit(subject)
    fit(trainer(sharing(subject.network)))


def sharing(net):
    """Return another network that shares a layer."""
    return Network([net.layers[0], ReLU(), Linear(8, 3)])


def values_after(subject, **options):
    fit(subject, **options)
    return values(subject)
