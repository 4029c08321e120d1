"""The same step and the same figures, however a batch is split: every loss, its own denominator.

What one step in float64 leaves is compared with the step on the whole batch, which is itself
compared with the definition: Σ_k weight_k Σ_n w_n loss_n / Σ_n w_n.
"""

import numpy as np
import pytest

import chainrule.loss_functions as loss_functions
from chainrule import (
    SGD,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    CategoricalCrossEntropy,
    CategoricalFocalCrossEntropy,
    CategoricalHinge,
    CosineSimilarity,
    Graph,
    Hinge,
    Huber,
    KLDivergence,
    Linear,
    LossPerOutput,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiMargin,
    Network,
    Node,
    Poisson,
    Quantile,
    Sequential,
    Tanh,
    Trainer,
)

RNG = np.random.default_rng(0)
N, T, C = 23, 4, 3
X = RNG.standard_normal((N, T, 5))
CLASSES = np.sort(RNG.integers(0, C, (N, T)), axis=0)  # so that parts hold other classes
NUMBERS = RNG.standard_normal((N, T, C))
YES = RNG.integers(0, 2, (N, T, C))
MASK = np.arange(T) < np.sort(RNG.integers(1, T + 1, N))[:, np.newaxis]  # short ones first
WEIGHTS = {
    "none": None,
    "samples": RNG.uniform(0.1, 3, N) * (np.arange(N) % 5 > 0),
    "a mask": MASK.astype(float),
    "positions": MASK * RNG.uniform(0.1, 3, (N, T)),
}
LOSSES = {
    "cross-entropy": (CategoricalCrossEntropy(from_logits=True), CLASSES),
    "with class weights": (
        CategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 0.0, 5.0]),
        CLASSES,
    ),
    "smoothed": (
        CategoricalCrossEntropy(from_logits=True, class_weight={2: 9.0}, label_smoothing=0.1),
        CLASSES,
    ),
    "focal": (CategoricalFocalCrossEntropy(from_logits=True, class_weight={0: 4.0}), CLASSES),
    "divergence": (KLDivergence(from_logits=True), np.eye(C)[CLASSES]),
    "yes or no": (BinaryCrossEntropy(from_logits=True, pos_weight=3.0), YES),
    "focal yes or no": (BinaryFocalCrossEntropy(from_logits=True), YES),
    "hinge": (Hinge(), YES),
    "hinge of classes": (CategoricalHinge(), CLASSES),
    "margins": (MultiMargin(), CLASSES),
    "squared": (MeanSquaredError(), NUMBERS),
    "absolute": (MeanAbsoluteError(), NUMBERS),
    "huber": (Huber(), NUMBERS),
    "quantile": (Quantile(0.8), NUMBERS),
    "counts": (Poisson(log_input=True), CLASSES[..., np.newaxis] + np.zeros(C)),
    "directions": (CosineSimilarity(), NUMBERS),
}
WAYS = {
    "micro-batches": {"micro_batch_size": 4},
    "single rows": {"micro_batch_size": 1},
    "two workers": {"workers": 2},
    "three workers of micro-batches": {"workers": 3, "micro_batch_size": 3},
    "the whole batch's statistics": {"workers": 2, "sync_batch_norm": True},
}


def one_output():
    return Network([Linear(5, 6), Tanh(), Linear(6, C)], seed=0, dtype="float64")


def two_outputs():
    nodes = {
        "hidden": Node(Sequential([Linear(5, 6), Tanh()]), "x"),
        "first": Node(Linear(6, C), "hidden"),
        "second": Node(Linear(6, C), "hidden"),
    }
    return Network(Graph("x", nodes, ["first", "second"]), seed=0, dtype="float64")


def after_a_step(make, loss, y, weight, **way):
    """Return the parameters after one step on everything, the history and an evaluation."""
    network = make()
    trainer = Trainer(network, loss, SGD(0.5), seed=0, **way)
    history = trainer.fit(
        X, y, sample_weight=weight, epochs=1, batch_size=N, shuffle=False, progress=False
    )
    return network.flat.values.copy(), history


def check_ways(make, loss, y, weight, ways):
    values, history = after_a_step(make, loss, y, weight)
    assert np.abs(values - make().flat.values).max() > 1e-4
    for way, options in ways.items():
        others, told = after_a_step(make, loss, y, weight, **options)
        np.testing.assert_allclose(others, values, rtol=1e-10, atol=1e-12, err_msg=way)
        for name in ("loss", "gradient_norm"):
            assert told.steps[name] == pytest.approx(history.steps[name], rel=1e-10), way
        assert told.epochs["loss"] == pytest.approx(history.epochs["loss"], rel=1e-10), way
    network = make()
    for size in (N, 1, 4, 7):
        trainer = Trainer(network, loss, SGD(0.5), seed=0)
        measured = trainer.evaluate(X, y, sample_weight=weight, batch_size=size)
        assert measured["loss"] == pytest.approx(history.epochs["loss"][0], rel=1e-10)
        told = trainer.fit(
            X, y, sample_weight=weight, epochs=1, batch_size=N, shuffle=False, progress=False,
            validation_data=[slices(y, weight, slice(a, a + size)) for a in range(0, N, size)],
        )  # fmt: skip
        whole = trainer.evaluate(X, y, sample_weight=weight, batch_size=N)["loss"]
        assert told.epochs["val_loss"][0] == pytest.approx(whole, rel=1e-10)
        network = make()


def slices(y, weight, rows):
    """Return some rows as a batch of an iterable."""
    own = {name: of[rows] for name, of in y.items()} if isinstance(y, dict) else y[rows]
    return (X[rows], own) if weight is None else (X[rows], own, weight[rows])


def test_every_loss_is_here():
    tried = {type(loss).__name__ for loss, _ in LOSSES.values()}
    every = {
        name for name in loss_functions.__all__ if isinstance(getattr(loss_functions, name), type)
    }
    assert every - tried == {"Loss", "JointLoss", "LossPerOutput"}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("case", LOSSES)
def test_one_loss(case, weight):
    weight = WEIGHTS[weight]
    if weight is not None and weight.ndim == 1:
        weight = np.where(weight > 0, weight, 0.2)  # rows of weight 0 alone are no batch
    check_ways(one_output, *LOSSES[case], weight, WAYS)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("case", LOSSES)
def test_beside_another_loss(case, weight):
    """Where one loss has class weights, the two are divided by different sums."""
    loss, y = LOSSES[case]
    weight = WEIGHTS[weight]
    if weight is not None and weight.ndim == 1:
        weight = np.where(weight > 0, weight, 0.2)
    weighted = CategoricalCrossEntropy(from_logits=True, class_weight=[0.5, 0.1, 7.0])
    both = LossPerOutput({"first": weighted, "second": loss}, weights={"second": 0.3})
    check_ways(two_outputs, both, {"first": CLASSES, "second": y}, weight, WAYS)


def test_the_sum_of_two_means_is_as_defined():
    loss = LossPerOutput({"first": LOSSES["with class weights"][0], "second": MeanSquaredError()})
    network = two_outputs()
    y, w = {"first": CLASSES, "second": NUMBERS}, WEIGHTS["positions"]
    z = network.predict(X)
    log_p = z["first"] - np.log(np.exp(z["first"]).sum(axis=2, keepdims=True))
    of_class = np.array([1.0, 0.0, 5.0])[CLASSES]
    own = -np.take_along_axis(log_p, CLASSES[..., np.newaxis], 2)[..., 0]
    squared = ((z["second"] - NUMBERS) ** 2).mean(axis=2)
    expected = (w * of_class * own).sum() / (w * of_class).sum() + (w * squared).sum() / w.sum()
    trainer = Trainer(network, loss, SGD(0.5), workers=2)
    for size in (3, N):
        assert trainer.evaluate(X, y, sample_weight=w, batch_size=size)["loss"] == pytest.approx(
            expected, rel=1e-12
        )


def test_an_output_without_a_counting_row_in_some_parts():
    """A part of which all rows have a class of weight 0 adds nothing, and nothing is NaN."""
    y = np.zeros((N, T), int)
    y[-2:] = 2
    weighted = CategoricalCrossEntropy(from_logits=True, class_weight=[0.0, 1.0, 1.0])
    both = LossPerOutput({"first": weighted, "second": MeanSquaredError()})
    check_ways(two_outputs, both, {"first": y, "second": NUMBERS}, None, WAYS)
