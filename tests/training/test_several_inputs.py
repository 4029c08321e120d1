"""Training on several inputs and outputs: every way that one array can take, they can take too."""

import numpy as np
import pytest

from chainrule import (
    LSTM,
    SGD,
    Adam,
    Add,
    CategoricalCrossEntropy,
    ConfigurationError,
    EarlyStopping,
    Graph,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    NotFiniteError,
    Parallel,
    Residual,
    Sequential,
    Softmax,
    Tanh,
    Trainer,
    find_learning_rate,
    replay,
)
from chainrule.metrics import accuracy, mean_absolute_error

rng = np.random.default_rng(0)
X = {"a": rng.standard_normal((48, 3)), "b": rng.standard_normal((48, 2))}
Y = {"kind": rng.integers(0, 2, 48), "size": X["a"][:, :1] - X["b"][:, :1]}
LOSSES = {"kind": CategoricalCrossEntropy(from_logits=True), "size": MeanSquaredError()}


def network(dtype="float64"):
    graph = Graph(
        ["a", "b"],
        {
            "from_a": Node(Linear(3, 6), "a"),
            "from_b": Node(Linear(2, 6), "b"),
            "sum": Node(Add(), "from_a", "from_b"),
            "hidden": Node(Tanh(), "sum"),
            "kind": Node(Linear(6, 2), "hidden"),
            "size": Node(Linear(6, 1), "sum"),
        },
        ["kind", "size"],
    )
    return Network(graph, seed=0, dtype=dtype)


def trainer(optimizer=None, **options):
    return Trainer(network(), LOSSES, optimizer or SGD(0.05), seed=0, **options)


def weights(subject):
    return subject.network.flat.values


def trained(x, y=None, subject=None, **options):
    subject = subject or trainer()
    subject.fit(x, y, epochs=2, batch_size=16, shuffle=False, progress=False, **options)
    return subject


def test_dicts_tuples_maps_and_iterables_are_the_same_training(tmp_path):
    expected = weights(trained(X, Y))
    np.testing.assert_array_equal(weights(trained(tuple(X.values()), tuple(Y.values()))), expected)
    mapped = {}
    for name, array in X.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    np.testing.assert_array_equal(weights(trained(mapped, Y)), expected)
    batches = [
        ({n: x[i : i + 16] for n, x in X.items()}, {n: y[i : i + 16] for n, y in Y.items()})
        for i in (0, 16, 32)
    ]
    np.testing.assert_array_equal(weights(trained(batches)), expected)


def test_parts_of_a_batch_make_the_same_step():
    expected = weights(trained(X, Y))
    found = weights(trained(X, Y, trainer(micro_batch_size=4)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_weights_validation_and_metrics_of_each_output():
    metrics = {"kind": [accuracy], "size": [mean_absolute_error], "both": lambda y, p: len(p)}
    subject = trainer(Adam(0.02), metrics=metrics, loss_weights={"size": 0.5})
    history = subject.fit(
        X,
        Y,
        epochs=3,
        validation_split=0.25,
        sample_weight=np.linspace(1, 2, 48),
        callbacks=[EarlyStopping(patience=2)],
        progress=False,
    )
    names = ["kind_accuracy", "size_mean_absolute_error", "both"]
    assert set(names) | {f"val_{name}" for name in names} <= set(history.epochs)
    assert history.epochs["val_both"] == [2, 2, 2]
    measured = subject.evaluate(X, Y)
    predicted = subject.predict(X, batch_size=7)
    assert measured["kind_accuracy"] == accuracy(Y["kind"], predicted["kind"])
    parts = [loss.forward(Y[name], predicted[name]) for name, loss in LOSSES.items()]
    assert measured["loss"] == pytest.approx(parts[0] + 0.5 * parts[1])


def test_augmentation_of_one_input():
    seen = []

    def louder(x, rng):
        seen.append(x.shape)
        return 2 * x

    doubled = weights(trained(X, Y, augment={"a": louder}))
    assert seen == [(16, 3)] * 6
    expected = weights(trained({"a": 2 * X["a"], "b": X["b"]}, Y))
    np.testing.assert_array_equal(doubled, expected)
    with pytest.raises(ConfigurationError, match=r"augment names \['c'\]"):
        trained(X, Y, augment={"c": louder})


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({"a": X["a"]}, Y, r"\['b'\] is missing"),
        (X, {"kind": Y["kind"]}, r"'size'.* is missing"),
        ({**X, "b": X["b"][:9]}, Y, "same number of samples"),
        ({**X, "b": np.full((48, 2), np.nan)}, Y, r"X\['b'\] holds NaN"),
        (X, {**Y, "kind": np.array(["x"] * 48)}, r"y\['kind'\] must hold numbers"),
        (X, None, "Give X and y"),
    ],
)
def test_what_does_not_fit_is_told_by_name_before_the_first_step(x, y, message):
    subject = trainer()
    before = weights(subject).copy()
    with pytest.raises(InputError, match=message):
        trained(x, y, subject)
    np.testing.assert_array_equal(weights(subject), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_weights": {"other": 1.0}}, r"weights for \['other'\]"),
        ({"metrics": {"colour": [accuracy]}}, "no output 'colour' to measure"),
    ],
)
def test_names_of_outputs_that_are_not_there(options, message):
    with pytest.raises(ConfigurationError, match=message):
        trained(X, Y, trainer(**options))
    with pytest.raises(ConfigurationError, match="give the losses as a dict too"):
        Trainer(network(), MeanSquaredError(), SGD(), loss_weights={"size": 1.0})


def test_a_post_mortem_names_the_rows_and_can_be_replayed(tmp_path):
    spoiled = {name: x.copy() for name, x in X.items()}
    spoiled["b"][5] = 1e300
    file = tmp_path / "nan.npz"
    with pytest.raises(NotFiniteError) as caught:
        trained(spoiled, Y, trainer(post_mortem_file=file))
    finding = caught.value.origin
    assert finding.rows == [5]
    assert replay(file, network(), trainer().loss, SGD(0.05)) == finding


def test_class_weights_need_one_array_of_classes():
    with pytest.raises(InputError, match="class_weight needs classes"):
        trained(X, Y, class_weight="balanced")


def test_lengths_travel_beside_the_sequences():
    x, lengths = rng.standard_normal((40, 6, 2)), rng.integers(1, 7, 40)
    labels = rng.integers(0, 2, 40)

    def run(data):
        net = Network([LSTM(2, 5), LastStep(), Linear(5, 2), Softmax()], seed=0)
        subject = Trainer(net, CategoricalCrossEntropy(), SGD(0.1), seed=0)
        return trained(data, labels, subject)

    subject = run({"x": x, "lengths": lengths})
    shorter = np.where(np.arange(6)[:, None] < lengths[:, None, None], x, 7.0)
    np.testing.assert_array_equal(weights(run((shorter, lengths))), weights(subject))
    assert not np.array_equal(weights(run(x)), weights(subject))
    found = subject.predict({"x": x, "lengths": lengths}, batch_size=9)
    np.testing.assert_allclose(found, subject.network.predict(x, lengths=lengths), rtol=1e-5)


def test_the_range_test_takes_several_inputs():
    subject = trainer()
    test = find_learning_rate(subject.network, X, Y, loss=subject.loss, steps=20, seed=0)
    assert len(test.losses) > 2


def test_parameters_alone_are_asked_of_what_is_inside():
    asked = []

    class Noted(Linear):
        def backward_parameters(self, dy):
            asked.append("parameters")
            super().backward_parameters(dy)

        def backward(self, dy):
            asked.append("input")
            return super().backward(dy)

    for around in (
        lambda m: Residual(Sequential([m, Tanh()])),
        lambda m: Residual(Tanh(), m),
        lambda m: Parallel([m, Tanh()]),
        lambda m: Graph("x", {"y": Node(m, "x")}, "y"),
    ):
        asked.clear()
        net = Network([around(Noted(3, 3))], seed=0)
        net.backward_parameters(np.ones_like(net.forward(X["a"])))
        assert asked == ["parameters"]
