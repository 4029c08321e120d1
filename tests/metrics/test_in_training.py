"""Metrics as entries of a Trainer: their names, which way they get better, what is told early."""

import math
from functools import partial

import numpy as np
import pytest

import chainrule.metrics
from chainrule import (
    Adam,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    EarlyStopping,
    Graph,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    Sequential,
    Trainer,
)
from chainrule.layers.activations import sigmoid, softmax
from chainrule.metrics import (
    accuracy,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
    top_k_accuracy,
)
from chainrule.training.monitor import better_is
from chainrule.training.options import named_metrics
from chainrule.training.settings import plain

MACRO = {"average": "macro"}
CLASSES = {
    "accuracy": accuracy,
    "top_k_accuracy_k_2": partial(top_k_accuracy, k=2),
    "balanced_accuracy_score": balanced_accuracy_score,
    "balanced_accuracy_score_adjusted": partial(balanced_accuracy_score, adjusted=True),
    "precision_score_macro": partial(precision_score, **MACRO),
    "recall_score_weighted": partial(recall_score, average="weighted"),
    "f1_score_macro_zero_division_nan": partial(f1_score, **MACRO, zero_division=math.nan),
    "roc_auc_score": roc_auc_score,
    "roc_auc_score_ovo_weighted": partial(roc_auc_score, multi_class="ovo", average="weighted"),
    "log_loss": log_loss,
    "brier_score_loss": brier_score_loss,
}
NUMBERS = {
    "mean_absolute_error": mean_absolute_error,
    "mean_squared_error": mean_squared_error,
    "root_mean_squared_error": root_mean_squared_error,
    "r2_score": r2_score,
    "r2_score_variance_weighted": partial(r2_score, multioutput="variance_weighted"),
}
BINARY = {
    "f1_score": f1_score,
    "recall_score_pos_label_0": partial(recall_score, pos_label=0),
    "roc_auc_score": roc_auc_score,
    "log_loss": log_loss,
    "brier_score_loss": brier_score_loss,
}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = X[:, :3].argmax(axis=1)


def test_every_metric_is_tried_here():
    tried = {getattr(m, "func", m).__name__ for m in [*CLASSES.values(), *NUMBERS.values()]}
    assert tried == set(chainrule.metrics.__all__) - {
        "class_indices",
        "confusion_matrix",
        "roc_curve",
    }


def fit(sizes, loss, y, metrics, **options):
    if "validation_data" not in options:
        options = {"validation_split": 0.3, **options}
    trainer = Trainer(Network(sizes, seed=0), loss, Adam(0.01), metrics=metrics, seed=0)
    given = {"epochs": 2, "progress": False, **options}
    return trainer, trainer.fit(X, y, **given)


@pytest.mark.parametrize(
    ("sizes", "loss", "y", "metrics"),
    [
        ([4, 8, 3], CategoricalCrossEntropy(), Y, CLASSES),
        ([4, 8, 3], CategoricalCrossEntropy(), np.eye(3)[Y], CLASSES),
        ([4, 8, 1], BinaryCrossEntropy(), (Y > 0) * 1, BINARY),
        ([4, 8, 2], CategoricalCrossEntropy(), (Y > 0) * 1, BINARY),
        ([4, 8, 2], MeanSquaredError(), X[:, :2] > 0, NUMBERS),
    ],
)
def test_measured_over_training_and_validation_under_a_good_name(sizes, loss, y, metrics):
    trainer, history = fit(sizes, loss, y, list(metrics.values()))
    assert list(trainer.metrics) == list(metrics)
    last = trainer.evaluate(X, y)
    for name, metric in metrics.items():
        assert len(history.column("val_" + name)) == 2
        assert last[name] == pytest.approx(metric(y, trainer.predict(X)))
        assert np.isfinite(history.column(name)).all()


LOWER = {"log_loss", "brier_score_loss", *(name for name in NUMBERS if name.endswith("error"))}


@pytest.mark.parametrize("name", [*CLASSES, *NUMBERS])
def test_which_way_each_gets_better(name):
    for shown in (name, "val_" + name, "val_size_" + name, "loss_type_" + name, "score_" + name):
        assert better_is(shown) == ("min" if name in LOWER else "max")


def test_short_names_and_those_of_others():
    for name in ("mae", "RMSE", "val_mse", "hinge_loss", "max_error", "perplexity"):
        assert better_is(name) == "min"
    for name in ("auc", "R2", "val_F1", "d2_absolute_error_score", "error_type_accuracy"):
        assert better_is(name) == "max"
    for name in ("sauce", "tamaeq", "r2d"):
        with pytest.raises(ConfigurationError, match="better or worse"):
            better_is(name)


def test_two_metrics_of_one_name_are_refused_and_not_lost():
    def of_class(number):
        return lambda y_true, y_pred: f1_score(y_true, y_pred, average=None, labels=[number])[0]

    with pytest.raises(ConfigurationError, match="Two metrics are called '<lambda>'"):
        named_metrics([of_class(0), of_class(1)])
    with pytest.raises(ConfigurationError, match="Two metrics are called 'kind_accuracy'"):
        named_metrics({"kind": [accuracy, accuracy]})
    assert list(named_metrics({"first": of_class(0), "second": of_class(1)})) == ["first", "second"]


def test_no_metric_may_take_the_name_of_another_column():
    for name in ("loss", "learning_rate", "seconds", "val_accuracy", "val_loss"):
        with pytest.raises(ConfigurationError, match=f"cannot be called '{name}'"):
            named_metrics({name: accuracy})
    with pytest.raises(ConfigurationError, match="cannot be called 'val_accuracy'"):
        named_metrics({"val": [accuracy]})


def test_a_partial_of_one_of_several_outputs_has_both_names():
    assert list(named_metrics({"kind": [partial(f1_score, **MACRO)]})) == ["kind_f1_score_macro"]


def test_arrays_are_no_part_of_a_name():
    weighted = partial(f1_score, labels=[0, 2], sample_weight=np.ones(3), **MACRO)
    assert list(named_metrics([weighted])) == ["f1_score_macro"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (f1_score, "average='binary' is for two classes, and there are 3"),
        (partial(f1_score, average=None), "must return a number"),
        (root_mean_squared_error, "y_true and y_pred must match"),
    ],
)
def test_what_cannot_be_measured_is_told_before_the_first_step(metric, message):
    with pytest.raises(ConfigurationError, match=message):
        fit([4, 8, 3], CategoricalCrossEntropy(), Y, [metric])


@pytest.mark.parametrize(
    ("sizes", "loss", "y", "metric"),
    [
        (1, BinaryCrossEntropy(from_logits=True), (Y > 0) * 1, log_loss),
        (1, BinaryCrossEntropy(from_logits=True), (Y > 0) * 1, brier_score_loss),
        (3, CategoricalCrossEntropy(from_logits=True), Y, log_loss),
        (3, CategoricalCrossEntropy(from_logits=True), Y, roc_auc_score),
    ],
)
def test_logits_are_no_probabilities_whatever_the_first_ones_are(sizes, loss, y, metric):
    """The first logits may lie between 0 and 1 by chance: it is told at once all the same."""
    body = [Linear(4, sizes, initialization="zero")]
    for one, target in ((loss, y), ({"out": loss}, {"out": y})):
        network = Network(Graph(["x"], {"out": Node(Sequential(body), "x")}, ["out"]), seed=0)
        if one is loss:
            network = Network(body, seed=0)
        metrics = [metric] if one is loss else {"out": [metric]}
        trainer = Trainer(network, one, Adam(0.01), metrics=metrics, seed=0)
        with pytest.raises(
            ConfigurationError, match="cannot be taken here: Expected probabilities"
        ):
            trainer.fit(X, target, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("outputs", "loss", "y", "metric"),
    [
        (1, BinaryCrossEntropy(from_logits=True), (Y > 0) * 1, roc_auc_score),
        (
            3,
            CategoricalCrossEntropy(from_logits=True),
            Y,
            CLASSES["f1_score_macro_zero_division_nan"],
        ),
    ],
)
def test_the_order_of_logits_can_be_measured(outputs, loss, y, metric):
    trainer, _ = fit([Linear(4, outputs)], loss, y, {"metric": metric})
    logits = trainer.predict(X)
    p = sigmoid(logits) if outputs == 1 else softmax(logits)
    assert trainer.evaluate(X, y)["metric"] == pytest.approx(metric(y, p))


def test_validation_without_positives_trains_and_saves(tmp_path):
    """AUC of one class is NaN: never the best epoch, and no reason to die."""
    y = np.arange(60) % 2
    negatives = (X[:10], np.zeros(10, int))
    watch = [
        EarlyStopping("val_roc_auc_score", patience=3),
        Checkpoint(tmp_path, monitor="val_roc_auc_score"),
    ]
    trainer, history = fit(
        [4, 8, 1],
        BinaryCrossEntropy(),
        y,
        [roc_auc_score, f1_score],
        validation_data=negatives,
        callbacks=watch,
    )
    assert np.isnan(history.column("val_roc_auc_score")).all()
    assert np.isfinite(history.column("roc_auc_score")).all()
    trainer.network.save(tmp_path / "network.npz")
    saved = Network.load(tmp_path / "network.npz").metadata["metrics"]
    assert saved["f1_score"] == history.row()["f1_score"]


def test_what_a_checkpoint_keeps_of_a_partial_is_the_same_in_another_process():
    """So its place in memory is no part of it."""
    kept = plain({"f1": partial(f1_score, **MACRO)})
    assert kept == plain({"f1": partial(f1_score, **MACRO)})
    assert " at 0x" not in str(kept)
    assert kept != plain({"f1": partial(f1_score, average="micro")})
