"""What metrics take for classes: compared with scikit-learn, or refused; never taken for others."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as theirs

import chainrule.metrics as ours
from chainrule import (
    SGD,
    BinaryCrossEntropy,
    ConfigurationError,
    Graph,
    Hinge,
    InputError,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    Trainer,
)

MACRO = {"average": "macro"}
PAIRS = {
    "accuracy": (ours.accuracy, theirs.accuracy_score),
    "balanced": (ours.balanced_accuracy_score, theirs.balanced_accuracy_score),
    "precision": (
        partial(ours.precision_score, **MACRO),
        partial(theirs.precision_score, **MACRO, zero_division=0),
    ),
    "recall": (
        partial(ours.recall_score, average="weighted"),
        partial(theirs.recall_score, average="weighted", zero_division=0),
    ),
    "f1": (partial(ours.f1_score, **MACRO), partial(theirs.f1_score, **MACRO, zero_division=0)),
}
LABELS = {
    "from 0": np.array([0, 1, 2]),
    "from 1": np.array([1, 2, 3]),
    "signs": np.array([-1, 1]),
    "with gaps": np.array([5, 70, 9]),
    "floats": np.array([0.0, 2.0, 3.0]),
    "booleans": np.array([False, True]),
    "small integers": np.array([0, 200], np.uint8),
}
OF_SCORES = {
    **{name: pair[0] for name, pair in PAIRS.items()},
    "top 2": partial(ours.top_k_accuracy, k=2),
    "log loss": ours.log_loss,
    "brier": ours.brier_score_loss,
    "auc": ours.roc_auc_score,
}
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]])


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("name", PAIRS)
def test_predicted_labels_are_compared_by_their_names(name, kind):
    own, reference = PAIRS[name]
    rng = np.random.default_rng(0)
    for n in (5, 12, 40):
        true, pred = rng.choice(LABELS[kind], (2, n))
        weight = rng.uniform(0.1, 2, n)
        if name == "balanced":
            pred = rng.choice(true, n)  # else theirs warns of a class that is not true anywhere
        for y_true in (true, true[:, np.newaxis], true.tolist()):
            assert own(y_true, pred) == pytest.approx(reference(true, pred))
        expected = reference(true, pred, sample_weight=weight)
        assert own(true, pred, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("name", PAIRS)
def test_scores_stand_for_the_classes_from_0(name, classes):
    own, reference = PAIRS[name]
    rng = np.random.default_rng(classes)
    for n in (classes, 40):
        true = np.append(np.arange(classes), rng.integers(0, classes, n - classes))
        scores = rng.standard_normal((n, classes))
        expected = reference(true, scores.argmax(axis=1))
        for y_true in (true, true[:, np.newaxis], np.eye(classes)[true], true.astype(float)):
            assert own(y_true, scores) == pytest.approx(expected)
        masked = np.where(np.arange(classes) == classes - 1, -np.inf, scores)
        assert own(true, masked) == pytest.approx(reference(true, masked.argmax(axis=1)))


@pytest.mark.parametrize("name", PAIRS)
def test_a_column_of_probabilities_stands_for_0_and_1(name):
    own, reference = PAIRS[name]
    rng = np.random.default_rng(0)
    true, p = rng.integers(0, 2, 40), rng.random(40)
    for y_true in (true, true > 0, true[:, np.newaxis] * 1.0):
        for y_pred in (p, p[:, np.newaxis]):
            assert own(y_true, y_pred) == pytest.approx(reference(true, (p >= 0.5) * 1))
    assert own([0, 0], [0.2, 0.1]) == own([1, 1], [0.8, 0.9])  # one class alone


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("labels", [[-1, 1, 1, -1], [1, 2, 2, 1], [-1] * 4, [2] * 4, [0, 1, 2, 1]])
def test_a_column_beside_other_classes_is_refused(name, labels):
    with pytest.raises(InputError, match="which of them is meant is not known"):
        PAIRS[name][0](labels, [0.1, 0.9, 0.8, 0.2])


def test_what_is_told_of_signs():
    with pytest.raises(InputError, match=r"np.where\(y_pred >= 0.5, 1, -1\) of probabilities"):
        ours.accuracy([-1, 1, 1, -1], [0.1, 0.9, 0.8, 0.2])
    p = np.array([0.1, 0.9, 0.8, 0.2])
    assert ours.accuracy([-1, 1, 1, -1], np.where(p >= 0.5, 1, -1)) == 1


@pytest.mark.parametrize("name", [*PAIRS, "auc", "log loss", "top 2"])
@pytest.mark.parametrize(
    "targets",
    [[0.3, 1.7, 2.0, 5.5], [0.2, 0.9, 0.4, 0.8], [[0.3, 1.7], [2.0, 1.0]] * 2, [1e300] * 4],
)
def test_the_targets_of_a_regression_are_refused(name, targets):
    for scores in (np.array([0.1, 1.9, 2.2, 5.0]), PROBABILITIES):
        if name in ("top 2", "log loss") and scores.ndim == 1:
            continue
        with pytest.raises(InputError, match=r"must hold classes|not name one|8 labels and 4"):
            OF_SCORES[name](targets, scores)


@pytest.mark.parametrize("name", OF_SCORES)
@pytest.mark.parametrize("labels", [[1, 2, 3, 1], [-1, 1, 0, 1], [0, 1, 2, -100], [0, 1, 2, 3]])
def test_classes_without_a_score_are_refused(name, labels):
    with pytest.raises(InputError, match="labels run from 0 to 2; y_true holds labels from"):
        OF_SCORES[name](labels, PROBABILITIES)


@pytest.mark.parametrize("name", [*PAIRS, "top 2"])
def test_rows_of_another_number_of_classes_are_refused(name):
    with pytest.raises(InputError, match="4 columns and y_pred 3"):
        OF_SCORES[name](np.eye(4), PROBABILITIES)


@pytest.mark.parametrize("name", OF_SCORES)
def test_text_is_refused(name):
    with pytest.raises(InputError, match="number the classes from 0"):
        OF_SCORES[name](["a", "b", "a", "c"], PROBABILITIES)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_infinity_is_no_score(name, bad):
    scores = PROBABILITIES.copy()
    scores[1, 1] = bad
    with pytest.raises(InputError, match="y_pred holds NaN or infinity, first in row 1, column 1"):
        PAIRS[name][0]([0, 1, 2, 0], scores)


def test_the_area_takes_classes_alone():
    assert ours.roc_auc_score([-1, 1, 1, -1], [0.1, 0.9, 0.8, 0.2]) == 1
    with pytest.raises(InputError, match="y_true must hold classes"):
        ours.roc_auc_score([0.2, 0.7, 0.7, 0.2], [0.1, 0.9, 0.8, 0.2])


def test_top_k_of_sequences():
    rng = np.random.default_rng(0)
    true, scores = rng.integers(0, 4, (5, 6)), rng.standard_normal((5, 6, 4))
    flat = ours.top_k_accuracy(true.reshape(-1), scores.reshape(-1, 4), k=2)
    assert ours.top_k_accuracy(true, scores, k=2) == flat
    assert flat == theirs.top_k_accuracy_score(true.reshape(-1), scores.reshape(-1, 4), k=2)


X = np.random.default_rng(0).standard_normal((30, 2))
SIGN = np.where(X[:, :1] > 0, 1, -1)


def test_it_is_told_before_the_first_step():
    trainer = Trainer(Network([Linear(2, 1)], seed=0), Hinge(), SGD(0.1), metrics=[ours.accuracy])
    with pytest.raises(ConfigurationError, match=r"'accuracy' cannot be taken.*>= 0, 1, -1\)"):
        trainer.fit(X, SIGN, progress=False)
    trainer = Trainer(
        Network([Linear(2, 1)], seed=0), MeanSquaredError(), SGD(0.1), metrics=[ours.accuracy]
    )
    with pytest.raises(ConfigurationError, match="y_true must hold classes, got numbers from"):
        trainer.fit(X, X[:, :1], progress=False)


def test_scores_that_would_be_taken_for_probabilities_are_told():
    def notes(network, loss, y, metrics):
        trainer = Trainer(network, loss, SGD(0.1), metrics=metrics)
        return trainer.fit(X, y, epochs=1, progress=False).notes

    yes = (SIGN > 0) * 1
    found = notes(Network([Linear(2, 1)], seed=0), Hinge(), yes, [ours.accuracy])
    assert any("with Hinge the network returns scores" in note for note in found)
    nodes = {"a": Node(Linear(2, 1), "x"), "b": Node(Linear(2, 1), "x")}
    two = Network(Graph("x", nodes, ["a", "b"]), seed=0)
    losses = {"a": BinaryCrossEntropy(from_logits=True), "b": MeanSquaredError()}
    found = notes(two, losses, {"a": yes, "b": yes}, {"a": [ours.accuracy], "b": [ours.accuracy]})
    assert sum(note.startswith("a_accuracy: a single column") for note in found) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_class_numbers_may_be_floats_of_any_type(dtype):
    labels = np.array([0, 1, 1, 0], dtype)
    assert ours.accuracy(labels, np.array([0, 1, 0, 0])) == 0.75
