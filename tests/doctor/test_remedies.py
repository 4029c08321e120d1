"""What the doctor names and mends: each condition planted where only it can be to blame."""

import dataclasses

import numpy as np
import pytest

from chainrule import (
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Doctor,
    Dropout,
    Linear,
    MeanSquaredError,
    Module,
    Momentum,
    Network,
    ReLU,
    Softmax,
    Tanh,
    Trainer,
    diagnose,
)
from chainrule.doctor.conditions import CONDITIONS, Examination
from chainrule.doctor.conditions.examination import LearningCurve
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.doctor.report import Report
from chainrule.layers import LeakyReLU

LOSS = CategoricalCrossEntropy()


def clusters(samples=300, classes=3, spread=0.5):
    """Return points around so many corners, which any network can tell apart."""
    rng = np.random.default_rng(0)
    y = np.arange(samples) % classes
    corners = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2]])[:classes]
    return (corners[y] + spread * rng.standard_normal((samples, 3))).astype(np.float32), y


def accuracy(network, X, y):
    return float((network.predict(X).argmax(axis=1) == y).mean())


def found(report, name):
    return next(f for f in report.every_finding() if f.id == name)


# ---------------------------------------------------------------- labels


def test_wrong_labels_are_found_by_networks_that_did_not_see_them():
    X, y = clusters()
    rows = np.arange(0, 300, 10)
    y[rows] = (y[rows] + 1) % 3
    network = Network([3, 16, 3], seed=0)
    report = diagnose(network, X, y, loss=LOSS, optimizer=Adam(0.01), epochs=10)
    named = found(report, "mislabelled-rows")
    assert named.severity == "warning"
    assert len(set(named.rows) & set(rows.tolist())) >= 20
    assert len(set(named.rows) - set(rows.tolist())) <= 2


def test_right_labels_are_not_spoken_against():
    X, y = clusters()
    report = diagnose(Network([3, 64, 3], seed=0), X, y, loss=LOSS, optimizer=Adam(0.01), epochs=30)
    named = [f for f in report.every_finding() if f.id == "mislabelled-rows"]
    assert all(f.severity == "note" and len(f.rows) <= 2 for f in named)


def test_a_sample_is_suspect_by_the_formula_of_confident_learning():
    mislabelled = CONDITIONS["mislabelled-rows"]
    labels = np.repeat([0, 1], 30)
    given = np.array([[0.9, 0.1], [0.1, 0.9]])[labels]
    given[0] = 0.05, 0.95  # sure of the other class: its mean over its own is 0.9
    given[1] = 0.4, 0.6  # wrong, and not sure
    given[2] = 0.13, 0.87  # unlikely, but less sure of the other class than its own samples
    (named,) = mislabelled.by_others(labels, given, Names())
    assert named.rows == (0,)
    given[7] = np.nan  # not finite: it was not asked
    (named,) = mislabelled.by_others(labels, given, Names(rows=np.arange(100, 160)))
    assert named.rows == (100,)


def test_where_most_is_hard_nothing_is_said_of_a_single_label():
    mislabelled = CONDITIONS["mislabelled-rows"]
    labels = np.repeat([0, 1], 30)
    given = np.array([[0.9, 0.1], [0.1, 0.9]])[labels]
    given[10:20] = 0.45, 0.55  # wrong, and not sure: the task is hard
    given[0] = 0.05, 0.95
    assert not list(mislabelled.by_others(labels, given, Names()))
    given[10:20] = 0.55, 0.45
    assert [f.rows for f in mislabelled.by_others(labels, given, Names())] == [(0,)]


def test_a_nan_among_the_inputs_does_not_hide_what_else_there_is():
    X, y = clusters()
    X[7, 1] = np.nan
    report = diagnose(Network([3, 16, 3], seed=0), X, y, loss=LOSS, optimizer=Adam(0.01), epochs=9)
    assert report.ids()[0] == "not-finite-data"
    assert "refused" not in report.ids()
    assert np.isnan(report.examination.sample_losses[7])
    assert np.isfinite(np.delete(report.examination.sample_losses, 7)).all()


def test_a_column_that_tells_a_class_of_a_handful_is_no_leak():
    X, y = clusters(classes=2)
    keep = np.flatnonzero((y == 0) | (np.arange(300) < 10))  # five of the second class
    X, y = X[keep], y[keep]
    X[:, 2] = y
    ids = diagnose(Network([3, 8, 2], seed=0), X, y, loss=LOSS, epochs=2).ids()
    assert "leaking-column" not in ids
    X, y = clusters(classes=2)
    X[:, 2] = y
    assert diagnose(Network([3, 8, 2], seed=0), X, y, loss=LOSS, epochs=2).ids()[0] == (
        "leaking-column"
    )


@pytest.mark.parametrize(
    ("values", "severity"),
    [(np.linspace(-50, 50, 5000), "warning"), (np.linspace(-1, 1, 400), "problem")],
    ids=["one of many", "nothing is left to the others"],
)
def test_targets_are_a_problem_where_they_leave_nothing_of_the_loss_to_the_others(values, severity):
    y = values.copy()
    middle, spread = np.median(y), np.subtract(*np.quantile(y, [0.75, 0.25]))
    y[5] = middle + 40 * spread
    exam = Examination(Network([Linear(1, 1)]), MeanSquaredError(), X=y[:, None], y=y[:, None])
    (named,) = CONDITIONS["dominating-samples"].find(exam)
    assert (named.rows, named.severity) == ((5,), severity)
    share = 40**2 / np.sum(((y - middle) / spread) ** 2)
    assert named.evidence[1].value == pytest.approx(share, rel=1e-2)


# ---------------------------------------------------------------- layers


def test_layers_that_are_frozen_though_they_are_new_are_let_go():
    X, y = clusters()
    frozen = Adam(0.01, lr_multipliers={"*.weight": 0.0})
    report = diagnose(Network([3, 16, 3], seed=0), X, y, loss=LOSS, optimizer=frozen, epochs=10)
    assert report.findings[0].id == "unchanged-layer"
    assert report.findings[0].severity == "problem"
    plan = report.prescribe()
    assert plan.optimizer.lr_multipliers == {}
    assert frozen.lr_multipliers == {"*.weight": 0.0}
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


def test_an_optimizer_that_has_stepped_lets_its_frozen_layers_go_too():
    X, y = clusters()
    network, frozen = Network([3, 16, 3], seed=0), Adam(0.01, lr_multipliers={"*.weight": 0.0})
    Trainer(network, LOSS, frozen).fit(X, y, epochs=1, progress=False)
    report = diagnose(network, X, y, loss=LOSS, optimizer=frozen, epochs=10)
    assert report.findings[0].id == "unchanged-layer"
    assert report.findings[0].severity == "problem"
    plan = report.prescribe()
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


def test_what_freeze_froze_is_let_go_too():
    X, y = clusters()
    network = Network([3, 16, 3], seed=0)
    for layer in network.layers:
        if isinstance(layer, Linear):
            layer.weight.trainable = False
    report = diagnose(network, X, y, loss=LOSS, optimizer=Adam(0.01), epochs=10)
    assert report.findings[0].id == "unchanged-layer"
    assert report.findings[0].severity == "problem"
    assert report.findings[0].remedy == "network.unfreeze()"
    plan = report.prescribe()
    assert not network.layers[0].weight.trainable
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


def test_frozen_layers_that_do_no_harm_are_a_note():
    X, y = clusters()
    frozen = Adam(0.01, lr_multipliers={"layers.0.*": 0.0})
    report = diagnose(Network([3, 64, 3], seed=0), X, y, loss=LOSS, optimizer=frozen, epochs=20)
    assert found(report, "unchanged-layer").severity == "note"
    assert report.prescribe().optimizer.lr_multipliers == {"layers.0.*": 0.0}


class Threshold(Module):
    """max(x - threshold, 0), as a user would write it."""

    def __init__(self, threshold):
        self.threshold = threshold

    def forward(self, x, training=True):
        passes = x > self.threshold
        self.save_for_backward(passes, training=training)
        return np.where(passes, x - x.dtype.type(self.threshold), 0)

    def backward(self, dy):
        (passes,) = self.saved_values()
        return dy * passes


def test_an_activation_of_the_users_own_is_seen_to_be_dead():
    X, y = clusters()
    layers = [Linear(3, 16, seed=0), Threshold(50.0), Linear(16, 3, seed=1), Softmax()]
    report = diagnose(Network(layers), X, y, loss=LOSS, optimizer=Adam(0.01), epochs=20)
    assert report.findings[0].id == "dead-relu"
    assert "Threshold" in report.findings[0].remedy
    plan = report.prescribe()
    assert isinstance(plan.network.layers[1], LeakyReLU)
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


def test_running_means_that_do_not_arrive_are_given_a_usual_momentum():
    X, y = clusters()
    layers = [Linear(3, 16, seed=0), BatchNorm(16, momentum=0.0005), ReLU(), Linear(16, 3, seed=1)]
    network = Network([*layers, Softmax()])
    network.layers[0].bias.value = np.full(16, 5.0)  # what the means would have to learn
    report = diagnose(network, X, y, loss=LOSS, optimizer=Adam(0.01), epochs=20)
    assert report.findings[0].id == "train-predict-gap"
    plan = report.prescribe()
    assert (plan.network.layers[1].momentum, network.layers[1].momentum) == (0.1, 0.0005)
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


@pytest.mark.parametrize("options", [{}, {"momentum": None}], ids=["0.1", "the mean of all"])
def test_a_usual_momentum_is_left_as_it_is(options):
    layers = [Linear(3, 8), BatchNorm(8, **options), ReLU(), Linear(8, 3), Softmax()]
    X, y = clusters()
    report = diagnose(Network(layers, seed=0), X, y, loss=LOSS, optimizer=Adam(0.01), epochs=5)
    plan = Report([blamed_for("train-predict-gap")], report.examination).prescribe()
    assert plan.changes == []
    assert [name for name, _ in plan.untreated] == ["train-predict-gap"]


def test_where_nothing_runs_along_no_running_means_are_blamed():
    layers = [Linear(3, 8), BatchNorm(8, track_running_stats=False), Linear(8, 3), Softmax()]
    X, y = clusters()
    report = diagnose(Network(layers, seed=0), X, y, loss=LOSS, optimizer=Adam(0.01), epochs=5)
    exam = dataclasses.replace(report.examination, gaps=(0.1, 9.0))
    assert list(CONDITIONS["train-predict-gap"].find(exam)) == []


def blamed_for(name):
    """Return a finding without a reason."""
    return CONDITIONS[name].finding("warning", "somewhere", "it is not so", remedy="pass")


def test_a_layer_that_all_must_pass_and_nothing_can_is_named():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    y = (X[:, 0] > 0) + 2 * (X[:, 1] > 0) + 4 * (X[:, 2] > 0)
    layers = [Linear(4, 32, seed=0), ReLU(), Linear(32, 1, seed=1), Tanh(), Linear(1, 8, seed=2)]
    report = diagnose(Network([*layers, Softmax()]), X, y, loss=LOSS, optimizer=Adam(0.01))
    assert report.findings[0].id == "underfitting"
    assert "cannot-overfit-a-batch" in [f.id for f in report.findings[0].consequences]


def test_a_small_batch_is_learned_with_nothing_dropped_out():
    X, y = clusters()
    layers = [Linear(3, 8, seed=0), ReLU(), Dropout(0.7, seed=0), Linear(8, 3, seed=1), Softmax()]
    network = Network(layers)
    report = diagnose(network, X, y, loss=LOSS, optimizer=Adam(0.01), epochs=10)
    assert "cannot-overfit-a-batch" not in report.ids()
    assert network.layers[2].p == 0.7


# ---------------------------------------------------------------- steps


def test_what_hides_behind_the_first_problem_is_treated_too():
    X, y = clusters()
    network = Network([Linear(3, 16, seed=0), ReLU(), Linear(16, 3, seed=1), Softmax()])
    loss = CategoricalCrossEntropy(from_logits=True)
    report = diagnose(network, X, y, loss=loss, optimizer=Adam(1e-6), epochs=20)
    assert report.findings[0].id == "softmax-twice"
    plan = report.prescribe()
    assert {name for name, _ in plan.changes} == {"softmax-twice", "learning-rate-too-low"}
    assert 1e-3 <= plan.optimizer.learning_rate <= 0.1
    plan.fit(X, y, progress=False)
    assert accuracy(plan.network, X, y) > 0.9


def test_a_training_that_came_to_nothing_after_huge_steps_has_too_high_a_rate():
    X, y = clusters()
    doctor = Doctor(show=False)
    network = Network([3, 8, 8, 8, 3], seed=1)
    trainer = Trainer(network, LOSS, Adam(3.0), seed=0)
    losses = trainer.fit(X, y, epochs=20, callbacks=[doctor], progress=False).epochs["loss"]
    assert losses[-1] > 1  # ln 3 is 1.1: it did not diverge, and learned nothing
    assert doctor.report.findings[0].id == "learning-rate-too-high"
    assert doctor.report.findings[0].severity == "problem"


def test_batch_norm_that_overflows_in_the_trial_is_no_refusal():
    X, y = clusters()
    layers = [Linear(3, 16, seed=0), BatchNorm(16), ReLU(), Linear(16, 16, seed=1), BatchNorm(16)]
    network = Network([*layers, ReLU(), Linear(16, 3, seed=2), Softmax()])
    report = diagnose(network, X, y, loss=LOSS, optimizer=Momentum(100.0), epochs=50)
    assert "refused" not in report.ids()
    assert report.findings[0].id == "learning-rate-too-high"


def test_a_training_that_was_stopped_too_early_goes_on():
    X, y = clusters(spread=1.0)
    doctor = Doctor(show=False)
    network = Network([3, 16, 3], seed=0)
    Trainer(network, LOSS, Adam(0.003), seed=0).fit(
        X, y, epochs=2, callbacks=[doctor], progress=False
    )
    assert doctor.report.ids() == ["still-improving"]
    plan = doctor.prescribe()
    assert plan.epochs == 20
    history = plan.fit(X, y, progress=False)
    assert 2 < len(history.epochs["loss"]) <= 20
    assert accuracy(plan.network, X, y) > accuracy(network, X, y)


def test_the_cure_of_overfitting_holds_out_a_part_unless_it_is_given_one():
    X, y = clusters(spread=1.5)
    doctor = Doctor(show=False)
    Trainer(Network([3, 64, 3], seed=0), LOSS, Adam(0.03), seed=0).fit(
        X[:60], y[:60], validation_data=(X[60:], y[60:]), epochs=60, callbacks=[doctor],
        progress=False,
    )  # fmt: skip
    assert "overfitting" in doctor.report.ids()
    alone, with_data = doctor.prescribe(), doctor.prescribe()
    history = alone.fit(X, y, progress=False)
    assert len(history.epochs["val_loss"]) < 60
    assert any("60 of 300 samples for validation" in note for note in history.notes)
    history = with_data.fit(X[:60], y[:60], validation_data=(X[60:], y[60:]), progress=False)
    assert len(history.epochs["val_loss"]) < 60
    assert not any("samples for validation" in note for note in history.notes)


def test_a_rate_that_no_other_beats_is_kept_and_said_to_be_so():
    X, y = clusters()
    network = Network([3, 16, 3], seed=0)
    report = diagnose(network, X, y, loss=LOSS, optimizer=Adam(0.03), epochs=20)
    plan = Report([blamed_for("learning-rate-too-high")], report.examination).prescribe()
    assert (plan.changes, plan.optimizer.learning_rate) == ([], 0.03)
    assert "none had a clearly lower final loss" in dict(plan.untreated)["learning-rate-too-high"]


@pytest.mark.parametrize(("last", "blamed"), [(0.4, True), (5.0, False)])
def test_samples_dominate_only_where_training_went_well(last, blamed):
    sizes = np.full(100, 0.01)
    sizes[3] = 50.0
    network = Network([Linear(2, 1)])
    exam = Examination(network, MeanSquaredError(), end=Snapshot(1, 1.0, output_gradients=sizes))
    exam.trial = LearningCurve(np.array([1.0] * 10 + [last] * 10))
    assert bool(list(CONDITIONS["dominating-samples"].find(exam))) == blamed


def test_a_loss_of_nothing_that_stays_there_has_converged():
    exam = Examination(Network([Linear(1, 1)]), MeanSquaredError(), planned_epochs=12)
    exam.epochs = {"loss": [1.0, 0.1] + [0.0] * 10}
    (named,) = CONDITIONS["converged"].find(exam)
    assert (named.id, named.evidence[0].value) == ("converged", 0.0)
