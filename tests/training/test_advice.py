"""What is told before the first step and after the last one: errors, notes, in one line each."""

import math
from functools import partial

import numpy as np
import pytest

from chainrule import (
    GRU,
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigurationError,
    Embedding,
    Flatten,
    Graph,
    Huber,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Standardizer,
    Tanh,
    Trainer,
)
from chainrule.metrics import accuracy, f1_score, roc_auc_score

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = (X[:, 0] > 0).astype(int)
LOGITS = CategoricalCrossEntropy(from_logits=True)
TARGET = X[:, :1] * 50 + 180  # about 50 to 310


def fit(layers, loss, x=X, y=Y, optimizer=None, metrics=(), **options):
    network = layers if isinstance(layers, Network) else Network(layers, seed=0)
    subject = Trainer(network, loss, optimizer or Adam(0.001), metrics=metrics, seed=0)
    options = {"epochs": 1, "batch_size": 16, "progress": False} | options
    return subject.fit(x, y, **options)


def notes(*arguments, **options):
    return fit(*arguments, **options).notes


# ---------------------------------------------------------------- the network's end


def test_a_regression_that_ends_in_a_sigmoid_is_refused():
    message = (
        r"y goes from .* to .*, and the network ends in Sigmoid, whose output lies from 0 to 1"
    )
    with pytest.raises(ConfigurationError, match=message):
        fit([4, 8, 1], MeanSquaredError(), y=TARGET)
    with pytest.raises(ConfigurationError, match=r"ends in Tanh, .* from -1 to 1"):
        fit([Linear(4, 1), Tanh()], Huber(), y=TARGET)
    assert notes([Linear(4, 1)], MeanSquaredError(), y=TARGET / 100) == []
    assert notes([4, 8, 1], MeanSquaredError(), y=Y.astype(float)) == []


def test_targets_of_which_some_cannot_be_reached_are_noted():
    (note,) = notes([Linear(4, 1), ReLU()], MeanSquaredError(), y=X[:, :1])
    share = (X[:, 0] < 0).mean()
    assert note.endswith(f"from 0 to inf: {share:.0%} of the targets cannot be reached")


@pytest.mark.parametrize(
    ("layers", "loss", "name"),
    [
        ([4, 8, 2], CategoricalCrossEntropy(from_logits=True), "Softmax"),
        ([4, 8, 1], BinaryCrossEntropy(from_logits=True), "Sigmoid"),
        (
            [Sequential([Linear(4, 2), Softmax()])],
            CategoricalCrossEntropy(from_logits=True),
            "Soft",
        ),
    ],
)
def test_a_softmax_and_from_logits_are_noted(layers, loss, name):
    (note,) = notes(layers, loss)
    assert note.startswith(f"the network ends in {name}")
    assert "applied twice" in note


def test_two_softmax_are_noted_and_one_is_not():
    loss = CategoricalCrossEntropy()
    (note,) = notes([Linear(4, 2), Softmax(), Softmax()], loss)
    assert "two Softmax" in note
    assert notes([Linear(4, 2), Softmax()], loss) == []
    assert notes([Linear(4, 2)], CategoricalCrossEntropy(from_logits=True)) == []


def test_each_output_of_a_graph_is_looked_at():
    def network():
        nodes = {
            "kind": Node(Sequential([Linear(4, 2), Softmax()]), "x"),
            "size": Node(Sequential([Linear(4, 1), Sigmoid()]), "x"),
        }
        return Network(Graph(inputs=["x"], nodes=nodes, outputs=["kind", "size"]), seed=0)

    losses = {"kind": CategoricalCrossEntropy(from_logits=True), "size": MeanSquaredError()}
    (note,) = notes(network(), losses, y={"kind": Y, "size": np.linspace(0.2, 0.8, 60)[:, None]})
    assert note.startswith("the network ends in Softmax")
    with pytest.raises(ConfigurationError, match="ends in Sigmoid"):
        fit(network(), losses, y={"kind": Y, "size": TARGET})


# ---------------------------------------------------------------- the data


def test_inputs_of_wild_scale_are_noted_once():
    note, *_ = notes([Linear(4, 2)], LOGITS, x=X * 1000, epochs=2)
    assert note.startswith(f"X holds values up to {np.abs(X).max() * 1000:.4g}")
    assert "Standardizer().fit(X_train)" in note
    (note,) = notes([Linear(4, 2)], LOGITS, x=X * [1, 1e-4, 1, 10])
    assert "column 3 has the standard deviation" in note
    assert "column 1 " in note
    standardized = Standardizer().fit_transform(X * [1, 1e-4, 1, 1000])
    assert notes([Linear(4, 2)], LOGITS, x=standardized) == []
    assert notes([BatchNorm(4), Linear(4, 2)], LOGITS, x=X * 1000) == []


def test_pictures_from_0_to_255_are_noted_and_indices_are_not():
    images = RNG.integers(0, 256, (60, 1, 2, 2)).astype(np.uint8)
    (note,) = notes([Flatten(), Linear(4, 2)], LOGITS, x=images)
    assert note.endswith(f"divide them by {images.max()}")
    tokens = RNG.integers(0, 500, (60, 3))
    layers = [Embedding(500, 4), GRU(4, 4), LastStep(), Linear(4, 2)]
    assert notes(layers, LOGITS, x=tokens) == []


def test_notes_come_before_the_first_line_of_progress(capsys):
    fit([Linear(4, 2), Softmax(), Softmax()], CategoricalCrossEntropy(), progress="lines")
    lines = capsys.readouterr().out.splitlines()
    assert "two Softmax" in lines[0]
    assert lines[1].startswith("epoch 1/1")


# ---------------------------------------------------------------- the end of training


def falling(per_epoch, epochs=10, floor=0.0, **options):
    """Train an easy thing with plain steps: the loss falls by this part in every epoch."""
    rate = (1 - math.sqrt(1 - per_epoch)) / 2
    x, y = np.ones((4, 1)), np.array([[1.0 + floor], [1.0 - floor]] * 2)
    network = Network([Linear(1, 1, bias=False)], dtype="float64")
    network.layers[0].weight.value = np.zeros((1, 1))
    subject = Trainer(network, MeanSquaredError(), SGD(rate), seed=0)
    return subject.fit(x, y, epochs=epochs, batch_size=4, progress=False, **options)


def test_a_loss_that_still_falls_at_the_end_is_noted():
    history = falling(0.1)
    (note,) = history.notes
    before, last = history.epochs["loss"][-2:]
    assert note == (
        f"loss was still falling at the end, from {before:.4g} to {last:.4g} in the last epoch: "
        "more epochs may help"
    )
    (note,) = falling(0.05, epochs=40).notes
    assert "in the last 4 epochs" in note


@pytest.mark.parametrize(
    "options",
    [
        {"per_epoch": 0.005},
        {"per_epoch": 0.3, "epochs": 60},  # as good as 0
        {"per_epoch": 0.3, "epochs": 30, "floor": 0.5},
        {"per_epoch": 0.1, "epochs": 1},
    ],
)
def test_a_loss_that_no_longer_falls_is_not_noted(options):
    assert falling(**options).notes == []


# ---------------------------------------------------------------- before the first step


def refused(error, message, *arguments, **options):
    with pytest.raises(error, match=message):
        fit(*arguments, **options)


def test_messages_speak_of_the_arrays_that_the_user_gave():
    refused(ShapeError, r"got an input of shape \(60, 4\)", [3, 2], CategoricalCrossEntropy())
    refused(
        InputError,
        r"y_true has the shape \(60, 3\) and y_pred \(60, 1\)",
        [Linear(4, 1)],
        MeanSquaredError(),
        y=np.ones((60, 3)),
    )


def middle(values, wrong):
    """Return a copy with something wrong in its middle, between the least and the greatest."""
    values = np.array(values)
    values[30] = wrong
    return values


def test_what_is_wrong_in_the_middle_of_the_data_is_told_before_the_first_step():
    soft = np.full((60, 2), 0.5)
    soft[0], soft[1] = (0, 1), (1, 0)
    tokens = middle(RNG.integers(1, 9, (60, 3)), 9)
    optimizer = SGD(0.1)
    cases = [
        ("sum 1", [4, 2], CategoricalCrossEntropy(), X, middle(soft, [0.5, 0.2])),
        ("index 9", [Embedding(9, 4), GRU(4, 2), LastStep()], LOGITS, tokens, Y),
        (
            "too large for the network's float32, first in row 30",
            [4, 2],
            LOGITS,
            middle(X, 1e39),
            Y,
        ),
        (
            "^y.* holds numbers too large",
            [Linear(4, 1)],
            MeanSquaredError(),
            X,
            middle(TARGET, 1e39),
        ),
    ]
    for message, layers, loss, x, y in cases:
        refused(InputError, message, layers, loss, x, y, optimizer)
        refused(
            InputError, message, layers, loss, x[:20], y[:20], optimizer, validation_data=(x, y)
        )
    assert optimizer.steps == 0


def test_validation_data_are_named():
    nan = middle(X, np.nan)
    refused(InputError, "X of validation_data holds NaN", [4, 2], LOGITS, validation_data=(nan, Y))


def test_metrics_are_tried_before_the_first_step():
    optimizer = SGD(0.1)

    def of_one(y_pred):
        return 0.0

    def of_many(y_true, y_pred):
        if len(y_true) < 60:
            raise ValueError("too few")
        return 1.0

    for metrics in ([of_one], {"kind": [accuracy]}, {"x": lambda y, p: "high"}):
        refused(
            ConfigurationError,
            "metric|output|cannot be called as",
            [4, 2],
            CategoricalCrossEntropy(),
            X,
            Y,
            optimizer,
            metrics,
        )
    assert optimizer.steps == 0
    history = fit([4, 2], CategoricalCrossEntropy(), metrics=[of_many])
    assert history.epochs["of_many"] == [1.0]


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("metrics", [[accuracy], {"F1": partial(f1_score, average="macro")}])
def test_metrics_of_classes_beside_scores_are_noted_and_the_advice_works(metrics, from_logits):
    layers = [Linear(4, 1)] if from_logits else [Linear(4, 1), Sigmoid()]
    network, loss = Network(layers, seed=0), BinaryCrossEntropy(from_logits=from_logits)
    told = notes(network, loss, y=Y[:, None], metrics=metrics)
    (name,) = ["accuracy"] if isinstance(metrics, list) else metrics
    told = [note for note in told if note.startswith(f"{name}: a single column")]
    assert len(told) == from_logits
    if told:
        advised = eval(told[0].partition("Give metrics=")[2].rstrip("."))
        assert not [n for n in notes(network, loss, y=Y[:, None], metrics=advised) if name in n]
        scores, metric = network.predict(X), {"accuracy": accuracy, "F1": f1_score}[name]
        assert advised[name](Y, scores) == metric(Y, (scores > 0).astype(int))


def test_ranks_and_regressions_beside_scores_are_not_noted():
    network, loss = Network([Linear(4, 1)], seed=0), BinaryCrossEntropy(from_logits=True)
    told = notes(network, loss, y=Y[:, None], metrics=[roc_auc_score])
    assert not any("single column" in note for note in told)


def test_metrics_that_are_no_list():
    for metrics in (accuracy, "accuracy", partial(accuracy)):
        refused(
            ConfigurationError,
            r"metrics must be a list, such as \[accuracy\]",
            [4, 2],
            LOGITS,
            metrics=metrics,
        )
