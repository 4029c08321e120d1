"""The doctor: what it leaves alone, how it tells, what it prescribes, and who is healthy."""

import copy
import re
import subprocess
import sys

import numpy as np
import pytest

from chainrule import (
    GELU,
    GRU,
    LBFGS,
    LSTM,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigurationError,
    Conv2d,
    CosineDecay,
    Doctor,
    Dropout,
    EarlyStopping,
    Embedding,
    Flatten,
    Graph,
    InputError,
    LastStep,
    LayerNorm,
    Linear,
    MaxPool2d,
    MeanSquaredError,
    Momentum,
    Muon,
    Network,
    Node,
    NotFiniteError,
    ReLU,
    Residual,
    Rprop,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    Trainer,
    diagnose,
    train_test_split,
)
from chainrule.doctor import trials
from chainrule.doctor.conditions import CONDITIONS, Condition, Examination, by_cause
from chainrule.doctor.report import Report
from chainrule.module import named_generators

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
X = (RNG.standard_normal((300, 4)) + 2 * np.eye(3, 4)[Y]).astype(np.float32)
CURVE = (np.sin(2 * X[:, :1]) + X[:, 1:2] * 0.3).astype(np.float32)
IMAGES = (RNG.standard_normal((200, 1, 8, 8)) * 0.3).astype(np.float32)
KINDS = RNG.integers(0, 2, 200)
IMAGES[KINDS == 1, :, 2:5, 2:5] += 1
LOSS = CategoricalCrossEntropy()
LOGITS = CategoricalCrossEntropy(from_logits=True)


def classifier():
    return Network([4, 16, 3], seed=0)


def finding(id, severity="problem", *evidence, summary="s", **options):
    return CONDITIONS[id].finding(severity, "here", summary, *evidence, **options)


# ---------------------------------------------------------------- nothing of the user's is touched


def bits(network, optimizer):
    generators = named_generators(network).values()
    return (
        {k: v.tobytes() for k, v in network.state().items()},
        [p.grad.tobytes() for p in network.parameters()],
        {k: v.tobytes() for k, v in optimizer.state().items()},
        [str(g.bit_generator.state) for g in generators],
        optimizer.learning_rate,
        optimizer.steps,
        set(vars(network)),
    )


@pytest.mark.parametrize("trained", [False, True])
def test_diagnose_leaves_network_optimizer_and_generators_as_they_were(trained):
    layers = [Linear(4, 16, seed=0), BatchNorm(16), Dropout(0.3, seed=3), ReLU()]
    network = Network([*layers, Linear(16, 3, seed=1), Softmax()])
    optimizer = Adam(0.01)
    if trained:
        Trainer(network, LOSS, optimizer, seed=0).fit(X, Y, epochs=1, progress=False)
    before, global_state = bits(network, optimizer), legacy_state()
    x, y = X.copy(), Y.copy()
    report = diagnose(network, x, y, loss=LOSS, optimizer=optimizer, steps=30)
    assert bits(network, optimizer) == before
    assert legacy_state() == global_state
    assert x.tobytes() == X.tobytes()
    assert y.tobytes() == Y.tobytes()
    report.prescribe().fit(x, y, epochs=1, progress=False)
    assert bits(network, optimizer) == before
    optimizer.step  # noqa: B018  it is still bound to its own network
    if trained:
        Trainer(network, LOSS, optimizer, seed=0).fit(X, Y, epochs=1, progress=False)


def test_a_network_between_forward_and_backward_may_go_back_afterwards():
    network = classifier()
    y_pred = network.forward(X[:8])
    diagnose(network, X, Y, loss=LOSS, steps=10, epochs=1)
    network.backward(LOSS.backward(Y[:8], y_pred))


def test_what_is_given_may_be_read_only():
    x, y = X.copy(), Y.copy()
    x.flags.writeable = y.flags.writeable = False
    assert diagnose(classifier(), x, y, loss=LOSS, optimizer=Adam(0.01), steps=20).healthy


@pytest.mark.parametrize("optimizer", [Adam(0.01), Momentum(0.05), SGD(CosineDecay(0.1, 200))])
def test_the_callback_changes_no_bit_of_a_training(optimizer):
    def train(callbacks):
        layers = [Linear(4, 16, seed=0), BatchNorm(16), Dropout(0.3, seed=3), ReLU()]
        network = Network([*layers, Linear(16, 3, seed=1), Softmax()])
        trainer = Trainer(network, LOSS, copy.deepcopy(optimizer), seed=0)
        history = trainer.fit(
            X, Y, epochs=3, validation_split=0.2, callbacks=callbacks, progress=False
        )
        return network.state(), history

    doctor = Doctor(every=3, show=False)
    (plain, one), (watched, other) = train([]), train([doctor])
    assert {k: v.tobytes() for k, v in plain.items()} == {
        k: v.tobytes() for k, v in watched.items()
    }
    assert one.steps == other.steps
    assert [s.step for s in doctor.report.examination.measured][:4] == [1, 3, 6, 9]


def test_the_same_seed_finds_the_same():
    reports = [diagnose(classifier(), X * 200, Y, loss=LOSS, steps=40) for _ in range(2)]
    assert str(reports[0]) == str(reports[1])


def legacy_state():
    """Return NumPy's global state, which nothing here may touch."""
    return np.random.get_state()[1].tobytes()  # noqa: NPY002


# ---------------------------------------------------------------- who is healthy


def mlp(*layers):
    return Network([*layers, Softmax()], seed=0)


def deep(activation, depth, weights):
    layers = [Linear(4, 24, initialization=weights, seed=0), activation()]
    for k in range(depth):
        layers += [Linear(24, 24, initialization=weights, seed=k), activation()]
    return Network([*layers, Linear(24, 3, seed=9), Softmax()])


def residual():
    block = Sequential([LayerNorm(16), Linear(16, 16), ReLU(), Linear(16, 16)])
    return mlp(Linear(4, 16), Residual(block), LayerNorm(16), Linear(16, 3))


HEALTHY = {
    "plain": (classifier, Adam(0.01)),
    "wide": (lambda: Network([4, 128, 3], seed=0), Adam(0.003)),
    "tanh": (lambda: deep(Tanh, 1, "xavier"), Adam(0.01)),
    "tanh, 6 deep": (lambda: deep(Tanh, 5, "xavier"), Adam(0.003)),
    "relu, 8 deep": (lambda: deep(ReLU, 7, "kaiming"), Adam(0.002)),
    "one sigmoid layer": (
        lambda: mlp(Linear(4, 16, initialization="xavier"), Sigmoid(), Linear(16, 3)),
        Adam(0.03),
    ),
    "batch norm": (lambda: mlp(Linear(4, 32), BatchNorm(32), ReLU(), Linear(32, 3)), Adam(0.01)),
    "residual": (residual, AdamW(0.005)),
    "momentum": (classifier, Momentum(0.02)),
    "no hidden layer": (lambda: mlp(Linear(4, 3)), Adam(0.03)),
    "the last layer begins at 0": (
        lambda: Network(
            [Linear(4, 16, seed=0), GELU(), Linear(16, 3, initialization="zero"), Softmax()]
        ),
        Adam(0.01),
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_of_healthy_networks_there_is_no_problem(name):
    build, optimizer = HEALTHY[name]
    report = diagnose(build(), X, Y, loss=LOSS, optimizer=optimizer, epochs=20)
    assert report.problems == [], report
    assert report.healthy
    assert report


@pytest.mark.parametrize("name", ["plain", "tanh, 6 deep", "batch norm", "momentum"])
def test_nor_is_there_while_they_train(name):
    build, optimizer = HEALTHY[name]
    doctor = Doctor(show=False)
    Trainer(build(), LOSS, copy.deepcopy(optimizer), seed=0).fit(
        X, Y, epochs=20, validation_split=0.2, callbacks=[doctor], progress=False
    )
    assert doctor.report.problems == [], doctor.report


def test_other_kinds_of_networks_and_data_are_healthy_too():
    sequences = RNG.standard_normal((200, 10, 3)).astype(np.float32)
    largest = sequences.sum(axis=1).argmax(axis=1)
    conv = [Conv2d(1, 6, 3, padding=1), BatchNorm(6), ReLU(), MaxPool2d(2), Flatten()]
    tokens = RNG.integers(0, 30, (200, 6))
    cases = [
        (Network([*conv, Linear(96, 2), Softmax()], seed=0), IMAGES, KINDS, LOSS),
        (
            Network([LSTM(3, 12), LastStep(), Linear(12, 3), Softmax()], seed=0),
            sequences,
            largest,
            LOSS,
        ),
        (
            Network([Embedding(30, 8), GRU(8, 8), LastStep(), Linear(8, 2), Softmax()], seed=0),
            tokens,
            (tokens[:, -1] > 15).astype(int),
            LOSS,
        ),
        (Network([Linear(4, 32), ReLU(), Linear(32, 1)], seed=0), X, CURVE, MeanSquaredError()),
        (Network([4, 16, 1], seed=0), X, (Y > 0).astype(int), BinaryCrossEntropy()),
        (
            Network([Linear(4, 16), ReLU(), Linear(16, 3)], seed=0),
            X,
            Y,
            CategoricalCrossEntropy(from_logits=True),
        ),
    ]  # fmt: skip
    for network, x, y, loss in cases:
        report = diagnose(network, x, y, loss=loss, optimizer=Adam(0.01), epochs=20)
        assert report.problems == [], report


def test_a_rare_class_that_can_be_learned_is_no_problem():
    keep = np.flatnonzero((Y != 2) | (np.cumsum(Y == 2) <= 8))
    far = X + 3 * np.eye(3, 4)[Y]
    report = diagnose(classifier(), far[keep], Y[keep], loss=LOSS, optimizer=Adam(0.02), epochs=30)
    assert report.problems == []
    assert "class-imbalance" in report.ids()


def test_a_small_rate_with_the_epochs_that_it_needs_is_no_problem():
    report = diagnose(classifier(), X, Y, loss=LOSS, optimizer=Adam(0.001), epochs=300)
    assert report.problems == []
    report = diagnose(classifier(), X, Y, loss=LOSS, optimizer=Adam(0.00002), epochs=3)
    assert report.findings[0].id == "learning-rate-too-low"


# ---------------------------------------------------------------- arrangements


def test_a_network_of_several_outputs_is_looked_at():
    nodes = {
        "kind": Node(Sequential([Linear(4, 8), ReLU(), Linear(8, 3), Softmax()]), "x"),
        "size": Node(Sequential([Linear(4, 8), ReLU(), Linear(8, 1)]), "x"),
    }
    network = Network(Graph(inputs=["x"], nodes=nodes, outputs=["kind", "size"]), seed=0)
    losses = {"kind": LOSS, "size": MeanSquaredError()}
    y = {"kind": Y, "size": CURVE}
    assert diagnose(network, X, y, loss=losses, optimizer=Adam(0.01)).problems == []
    y["size"] = CURVE * 1000
    assert diagnose(network, X, y, loss=losses).findings[0].id == "target-scale"
    doctor = Doctor(show=False)
    Trainer(network, losses, Adam(0.01), seed=0).fit(
        X, y, epochs=2, callbacks=[doctor], progress=False
    )
    assert doctor.report.findings[0].id == "target-scale"


def test_an_iterable_of_batches_is_looked_at():
    def batches():
        for start in range(0, 288, 32):
            yield X[start : start + 32] * 1000, Y[start : start + 32]

    report = diagnose(classifier(), list(batches()), loss=LOSS)
    assert report.findings[0].id == "input-scale"
    doctor = Doctor(show=False)
    Trainer(classifier(), LOSS, Adam(0.01)).fit(
        list(batches()), epochs=2, callbacks=[doctor], progress=False
    )
    assert doctor.report.findings[0].id == "input-scale"


def test_a_trial_takes_the_batches_of_a_training():
    """Of 33 samples the last is trained on in both: it joins the batch before it."""
    x, y, seen = X[:33], Y[:33], []

    class Counting(CategoricalCrossEntropy):
        def losses(self, y_true, y_pred):
            seen.append(len(y_pred))
            return super().losses(y_true, y_pred)

    exam = Examination(classifier(), Counting(), Adam(0.01), x, y, batch_size=8)
    trials.run(exam, 5, 0)
    in_trial, seen[:] = seen[:], []
    Trainer(classifier(), Counting(), Adam(0.01), seed=0).fit(
        x, y, batch_size=8, epochs=2, progress=False
    )
    assert in_trial[:5] == [8, 8, 8, 9, 8]
    assert {8, 9} <= set(seen)


def test_of_many_samples_some_are_looked_at():
    many = np.tile(X, (20, 1)) + np.float32(0.01) * RNG.standard_normal((6000, 4))
    report = diagnose(classifier(), many, np.tile(Y, 20), loss=LOSS, steps=30)
    assert len(report.rows) == 2000
    assert len(np.unique(report.rows)) == 2000


def test_of_many_samples_the_rows_are_called_by_their_places_in_all():
    many = np.tile(X, (20, 1))
    far = many[:, :1] * 2.0
    far[::500] = 1e6
    regressor = Network([Linear(4, 8), ReLU(), Linear(8, 1)], seed=0)
    report = diagnose(regressor, many, far, loss=MeanSquaredError(), steps=30)
    (named,) = (f.rows for f in report.every_finding() if f.id == "dominating-samples")
    assert named == tuple(row for row in range(0, 6000, 500) if row in report.rows)
    assert 0 < len(named) < 12
    plan = report.prescribe()
    kept, _ = plan.prepare(many, far)
    assert len(kept) == 6000 - 12  # all that are as far out, whether they were looked at or not


def test_remedies_that_drop_columns_know_what_is_left():
    x = np.column_stack([X, X[:, 0], Y * 10.0 - 10])
    network = Network([6, 16, 3], seed=0)
    report = diagnose(network, x, Y, loss=LOSS, optimizer=Adam(0.01), epochs=20)
    assert {"leaking-column", "duplicate-columns"} <= set(report.ids())
    kept, _ = report.prescribe().prepare(x, Y)
    assert kept.shape == X.shape


def test_what_is_given_wrongly_is_refused_in_words():
    with pytest.raises(ConfigurationError, match="network must be a Network"):
        diagnose([4, 3], X, Y, loss=LOSS)
    with pytest.raises(InputError, match="same number of samples"):
        diagnose(classifier(), X, Y[:5], loss=LOSS)
    with pytest.raises(InputError, match="X and y, or an iterable"):
        diagnose(classifier(), X, loss=LOSS)
    with pytest.raises(ConfigurationError, match="no report before"):
        _ = Doctor().report
    with pytest.raises(ConfigurationError, match="every"):
        Doctor(every=0)


def test_what_the_trainer_would_refuse_is_told_as_a_finding():
    report = diagnose(Network([5, 8, 3], seed=0), X, Y, loss=LOSS)
    assert report.findings[0].id == "refused"
    assert "expected 5 features" in report.findings[0].summary


# ---------------------------------------------------------------- in training


def test_a_nan_in_training_is_told_with_the_place_where_it_began():
    network = Network([Linear(4, 16), ReLU(), Linear(16, 1)], seed=0)
    doctor = Doctor(show=False)
    with pytest.raises(NotFiniteError):
        Trainer(network, MeanSquaredError(), SGD(50.0)).fit(
            X, CURVE, callbacks=[doctor], progress=False
        )
    assert doctor.report.findings[0].id == "learning-rate-too-high"
    told = next(f for f in doctor.report.every_finding() if f.id == "not-a-number")
    assert re.search(r"forward|backward|update|loss", told.where)


def test_the_report_is_printed_where_there_is_something_to_tell(capsys):
    def train(x, doctor):
        Trainer(classifier(), LOSS, Adam(0.01), seed=0).fit(
            x, Y, epochs=5, callbacks=[doctor], progress=False
        )
        return capsys.readouterr().out

    assert train(X, Doctor()) == ""
    assert "PROBLEM  input-scale" in train(X * 1000, Doctor())
    assert train(X * 1000, Doctor(show=False)) == ""


def test_the_trainers_notes_are_the_static_checks():
    history = Trainer(classifier(), LOSS, Adam(0.01), seed=0).fit(
        X * 1000, Y, epochs=1, progress=False
    )
    report = diagnose(classifier(), X * 1000, Y, loss=LOSS)
    assert history.notes[0] == report.findings[0].summary


def test_early_stopping_that_kept_the_best_epoch_is_no_overfitting():
    x = RNG.standard_normal((60, 10))
    y = (x[:, 0] + RNG.standard_normal(60) > 0).astype(int)
    held = RNG.standard_normal((200, 10))
    truth = (held[:, 0] + RNG.standard_normal(200) > 0).astype(int)

    def ids(before=(), behind=()):
        doctor = Doctor(show=False)
        Trainer(Network([10, 128, 2], seed=0), LOSS, Adam(0.005), seed=0).fit(
            x, y, epochs=80, validation_data=(held, truth), callbacks=[*before, doctor, *behind],
            progress=False,
        )  # fmt: skip
        return doctor.report.ids()

    assert "overfitting" in ids()
    assert "overfitting" not in ids([], [EarlyStopping(patience=5)])
    assert "overfitting" not in ids([EarlyStopping(patience=5)], [])


def test_data_are_let_go_of_after_training():
    trainer = Trainer(classifier(), LOSS, Adam(0.01), seed=0)
    trainer.fit(X, Y, epochs=1, progress=False)
    assert trainer.state.source is None
    assert trainer.state.validation is None


# ---------------------------------------------------------------- findings and reports


def test_a_finding_tells_everything_in_words():
    told = str(
        finding(
            "dead-relu",
            "problem",
            ("dead units", 0.97, "below 0.4"),
            summary="most units are dead",
            remedy="network = ...\noptimizer = ...",
        )
    )
    assert "PROBLEM  dead-relu  (here)" in told
    assert "dead units: 0.97 (healthy: below 0.4)" in told
    assert "    optimizer = ..." in told
    assert "why       A ReLU passes no gradient where it is 0." in told
    assert "docs/doctor/dead-relu.md" in told


def test_the_root_stands_first_and_its_consequences_under_it():
    found = [
        finding("cannot-overfit-a-batch"),
        finding("dead-relu", "warning"),
        finding("input-scale"),
        finding("overfitting", "warning"),
        finding("constant-columns", "note"),
    ]
    roots = by_cause(found)
    assert [f.id for f in roots] == ["input-scale", "constant-columns"]
    under = [f.id for f in roots[0].consequences]
    assert under == ["dead-relu", "overfitting", "cannot-overfit-a-batch"]


def test_a_warning_that_explains_a_problem_is_one():
    (root,) = by_cause([finding("dead-relu"), finding("target-scale", "warning")])
    assert (root.id, root.severity) == ("target-scale", "problem")
    problem, note = by_cause([finding("input-scale", "note"), finding("dead-relu")])
    assert (problem.id, note.id) == ("dead-relu", "input-scale")  # a note explains nothing


def test_conditions_name_each_other_by_ids_that_exist():
    named = {name for condition in CONDITIONS.values() for name in condition.symptom_of}
    assert named - set(CONDITIONS) == {"setup faults", "all problems"}
    orders = [condition.order for condition in CONDITIONS.values()]
    assert len(orders) == len(set(orders)) == 40
    assert all(condition.title and condition.cause for condition in CONDITIONS.values())


@pytest.fixture
def many_zeros():
    """Define a condition as a user would, and forget it in the end."""

    class ManyZeros(Condition):
        """Inputs that are mostly 0.

        Weights of inputs that are 0 get no gradient.
        """

        id = "many-zeros"
        static = True
        symptom_of = ("input-scale",)
        remedy = "X = X[:, (X != 0).any(axis=0)]"

        def find(self, exam):
            share = float((exam.X == 0).mean())
            if share > 0.5:
                yield self.finding("problem", "X", "X is 0", ("zeros", share, "below 0.5"))

        def treat(self, setup, finding):
            setup.row_changes.append(lambda X, y: (X + 1, y))
            return "1 is added to X"

        def shell_remedy(self, finding, command):
            return command.with_options(epochs=3)

    yield ManyZeros
    del CONDITIONS["many-zeros"]


def test_a_condition_is_one_class(many_zeros):
    x = X * (np.arange(4) == 0)
    report = diagnose(classifier(), x, Y, loss=LOSS, optimizer=Adam(0.01), epochs=20)
    (found,) = (f for f in report.every_finding() if f.id == "many-zeros")
    told = str(report)
    assert "PROBLEM  many-zeros  (X)" in told
    assert "why       Weights of inputs that are 0 get no gradient." in told
    assert "docs/doctor/many-zeros.md" in told
    assert ("many-zeros", "1 is added to X") in report.prescribe().changes
    history = Trainer(classifier(), LOSS, Adam(0.01), seed=0).fit(x, Y, epochs=1, progress=False)
    assert "X is 0" in history.notes

    class Command:
        def with_options(self, epochs):
            return f"train --epochs {epochs}"

    (shown,) = Report([found], report.examination).for_shell(Command()).findings
    assert shown.remedy == "train --epochs 3"
    (root,) = by_cause([found, finding("input-scale")])
    assert (root.id, [f.id for f in root.consequences]) == ("input-scale", ["many-zeros"])


def test_a_report_shows_itself_on_a_terminal_and_in_a_notebook():
    report = diagnose(classifier(), X * 1000, Y, loss=LOSS)
    text = str(report)
    assert text.splitlines()[0] == (
        "The doctor found 1 problem. First: input-scale (X, columns 0, 1, 2, 3)."
    )
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("    "))
    html = report._repr_html_()
    assert "<table>" in html
    assert "input-scale" in html
    healthy = diagnose(classifier(), X, Y, loss=LOSS, optimizer=Adam(0.01), epochs=20)
    assert "found nothing wrong" in str(healthy)
    assert healthy._repr_html_()


def test_a_page_stands_by_itself(tmp_path):
    x = X * 1000
    report = diagnose(classifier(), x, Y, loss=LOSS)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 1
    assert "input-scale" in page
    fetched = re.findall(r"(?:src|href)\s*=\s*[\"'](?!#)([^\"']*)", page)
    assert [f for f in fetched if not f.startswith("data:")] == []
    assert "@import" not in page
    assert "<script" not in page


# ---------------------------------------------------------------- prescriptions


def accuracy(plan, x, y):
    return float((plan.network.predict_raw(x).argmax(axis=1) == y).mean())


def test_a_prescription_of_rescaled_data_is_saved_with_the_network():
    report = diagnose(classifier(), X * 1000, Y, loss=LOSS, optimizer=Adam(0.01))
    plan = report.prescribe()
    assert "standardised" in plan.explain()
    x, x_test, y, y_test = train_test_split(X * 1000, Y, test_size=0.3, seed=0)
    plan.fit(x, y, epochs=20, progress=False)
    assert accuracy(plan, x_test, y_test) > 0.8


def test_a_prescription_for_a_regression_answers_in_its_own_units():
    network = Network([Linear(4, 32), ReLU(), Linear(32, 1)], seed=0)
    y = 5000 + 300 * CURVE
    report = diagnose(network, X, y, loss=MeanSquaredError(), optimizer=Adam(0.01), epochs=30)
    plan = report.prescribe()
    plan.fit(X, y, epochs=30, progress=False)
    error = plan.network.predict_raw(X) - y
    assert (error**2).mean() < 0.6 * y.var()


@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        ([Linear(4, 16), ReLU(), Linear(16, 3), Softmax(), Softmax()], LOSS),
        ([Linear(4, 16), ReLU(), Linear(16, 3), Sigmoid()], LOSS),
        ([Linear(4, 16), ReLU(), Linear(16, 3), ReLU(), Softmax()], LOSS),
        ([Linear(4, 16), ReLU(), Linear(16, 3)], LOSS),
        ([Linear(4, 16), ReLU(), Linear(16, 3), Softmax()], LOGITS),
    ],
)  # fmt: skip
def test_an_end_that_does_not_fit_is_mended(layers, loss):
    network = Network(layers, seed=0)
    plan = diagnose(network, X, Y, loss=loss, optimizer=Adam(0.01), epochs=20).prescribe()
    plan.fit(X, Y, epochs=20, progress=False)
    assert accuracy_of(plan) > 0.85
    assert len(network.layers) == len(layers)


def accuracy_of(plan):
    return float((plan.network.predict(X).argmax(axis=1) == Y).mean())


def test_a_prescription_of_what_is_healthy_changes_nothing():
    plan = diagnose(classifier(), X, Y, loss=LOSS, optimizer=Adam(0.01), epochs=20).prescribe()
    assert plan.changes == []
    assert plan.explain() == "Nothing was changed: the doctor found nothing to treat."
    assert "Prescription" in plan._repr_html_()


def test_of_several_outputs_what_can_be_is_mended():
    nodes = {"size": Node(Sequential([Linear(4, 8), ReLU(), Linear(8, 1)]), "x")}
    network = Network(Graph(inputs=["x"], nodes=nodes, outputs=["size"]), seed=0)
    x, y = X.copy(), {"size": CURVE.copy()}
    y["size"][3] = np.nan
    report = diagnose(network, x, y, loss={"size": MeanSquaredError()}, optimizer=Adam(0.01))
    assert report.findings[0].id == "not-finite-data"
    plan = report.prescribe()
    history = plan.fit(x, y, epochs=2, progress=False)
    assert np.isfinite(history.epochs["loss"]).all()


def test_an_error_outside_of_the_training_is_none_of_its_own():
    doctor = Doctor(show=False)
    try:
        raise ValueError("something else")
    except ValueError:
        Trainer(classifier(), LOSS, Adam(0.01), seed=0).fit(
            X, Y, epochs=2, callbacks=[doctor], progress=False
        )
    assert doctor.report.examination.end is not None


def test_remedies_are_code():
    sick = [
        diagnose(classifier(), X * 1000, Y, loss=LOSS),
        diagnose(classifier(), X, Y + 1, loss=LOSS),
        diagnose(Network([4, 16, 3], initialization="zero"), X, Y, loss=LOSS, epochs=2),
        diagnose(classifier(), X, Y, loss=LOGITS, optimizer=Adam(5.0)),
    ]
    remedies = [f.remedy for report in sick for f in report.every_finding()]
    assert len(remedies) > 6
    for remedy in remedies:
        compile(remedy, "<remedy>", "exec")


def test_what_no_setup_can_mend_is_said():
    report = diagnose(
        classifier(), X, Y, loss=LOSS, optimizer=Adam(0.01), epochs=20, validation_data=(X, Y)
    )
    assert "What no change of the set-up can treat" in report.prescribe().explain()


def test_a_callbacks_prescription_begins_with_the_weights_that_training_began_with():
    network, doctor = classifier(), Doctor(show=False)
    first = network.state()
    Trainer(network, LOSS, Adam(0.01), seed=0).fit(
        X * 1000, Y, epochs=3, callbacks=[doctor], progress=False
    )
    plan = doctor.prescribe()
    assert all(np.array_equal(v, first[k]) for k, v in plan.network.state().items())


# ---------------------------------------------------------------- the clinic


@pytest.mark.long
def test_a_slice_of_the_clinic_runs_and_can_be_gone_on_with(tmp_path):
    def clinic(*arguments):
        command = [sys.executable, "-m", "benchmarks.clinic", "--file", tmp_path / "c.jsonl"]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=300, check=True
        )
        return done.stdout

    pytest.importorskip("sklearn")
    clinic("run", "--part", "tuning", "--bundled", "--patients", "3")
    assert len(clinic("run", "--part", "tuning", "--bundled", "--patients", "5").splitlines()) == 2
    told = clinic("report", "--part", "tuning")
    assert "| planted |" in told
    assert "problems reported of healthy ones: 0 of 2" in told


@pytest.mark.parametrize("optimizer", [LBFGS(), Rprop(), Muon(0.01)], ids=repr)
def test_optimizers_that_move_in_other_ways_are_no_illness(optimizer):
    report = diagnose(
        Network([4, 16, 16, 3], seed=0), X, Y, loss=LOSS, optimizer=optimizer, epochs=60
    )
    assert report.healthy, str(report)
    if optimizer.finds_step_lengths:
        assert report.examination.slower is report.examination.faster is None
