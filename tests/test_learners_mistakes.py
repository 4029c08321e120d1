"""What people get wrong first, and the sentence that tells them so: one table for each part.

Each message names the user's own class and method, and says what to write.
"""

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    Ensemble,
    JointLoss,
    Linear,
    Loss,
    MeanSquaredError,
    Network,
    Optimizer,
    Trainer,
    check_loss,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4)).astype(np.float32)
T = X[:, :2] + 1
LABELS = (X[:, 0] > 0).astype(int)


def fit(layers=None, y=T, *, loss=None, optimizer=None, network=None, fit=None, **options):
    """Train for two epochs, two steps each; return the history."""
    network = network or Network(layers or [Linear(4, 2)], seed=0)
    loss, optimizer = loss or MeanSquaredError(), optimizer or Adam(0.01)
    trainer = Trainer(network, loss, optimizer, seed=0, **options)
    return trainer.fit(X, y, epochs=2, progress=False, **(fit or {}))


def make(base, **members):
    """Return an object of a class named Mine."""
    return type("Mine", (base,), members)()


def cases(table):
    return pytest.mark.parametrize(("write", "words"), table, ids=lambda case: str(case)[:40])


# ---------------------------------------------------------------- losses


def squares(self, y_true, y_pred):
    return ((y_pred - y_true) ** 2).sum(axis=1)


def slopes(self, y_true, y_pred):
    return 2 * (y_pred - y_true)


def loss(losses=squares, gradients=slopes):
    return make(Loss, losses=losses, gradients=gradients)


WRONG_LOSSES = [
    (lambda self, y_true, y_pred: ((y_pred - y_true) ** 2).mean(), "a single number for"),
    (lambda self, y_true, y_pred: float(((y_pred - y_true) ** 2).sum()), "leave your own .mean()"),
    (lambda self, y_true, y_pred: (y_pred - y_true) ** 2, r"Add up the outputs of each row: .sum"),
    (lambda self, y_true, y_pred: squares(self, y_true, y_pred)[:, None], "an array of shape"),
    (lambda self, y_true, y_pred: squares(self, y_true, y_pred)[1:], "an array of shape"),
    (lambda self, y_true, y_pred: None, r"None (is its return missing?)"),
    (lambda self, y_true, y_pred: [1.0] * len(y_pred), "a list of"),
]


@pytest.mark.parametrize(("losses", "words"), WRONG_LOSSES)
@pytest.mark.parametrize("weight", [None, np.arange(40.0)])
def test_losses_must_be_one_number_a_row(losses, words, weight):
    mine = loss(losses=losses)
    for call in (mine.forward, mine.value_and_gradient, mine):
        with pytest.raises(ConfigurationError, match=r"Mine.losses returned") as error:
            call(T, T + 1, weight)
        assert words in str(error.value)
        assert "it must return the loss of each row, an array of shape (40,)" in str(error.value)
    with pytest.raises(ConfigurationError, match=r"Mine\.losses returned"):
        fit(loss=mine, fit={"sample_weight": weight})
    with pytest.raises(ConfigurationError, match=r"Mine\.losses returned"):
        fit(loss={"y": mine}, network=one_output(), y={"y": T})
    report = check_loss(mine, T[:5], T[:5] + 1)
    assert not report
    assert "Mine.losses returned" in str(report)


def one_output():
    from chainrule import Graph, Node

    return Network(Graph(["x"], {"y": Node(Linear(4, 2), "x")}, ["y"]), seed=0)


WRONG_GRADIENTS = [
    (lambda self, y_true, y_pred: slopes(self, y_true, y_pred).sum(axis=1), "an array of shape"),
    (lambda self, y_true, y_pred: slopes(self, y_true, y_pred).mean(), "a single number"),
    (lambda self, y_true, y_pred: slopes(self, y_true, y_pred).T, "an array of shape (2, "),
    (lambda self, y_true, y_pred: None, "None (is its return missing?)"),
    (lambda self, y_true, y_pred: slopes(self, y_true, y_pred).tolist(), "a list of"),
]


@pytest.mark.parametrize(("gradients", "words"), WRONG_GRADIENTS)
@pytest.mark.parametrize("weight", [None, np.arange(40.0)])
def test_gradients_must_have_the_shape_of_the_predictions(gradients, words, weight):
    mine = loss(gradients=gradients)
    for call in (mine.backward, mine.value_and_gradient):
        with pytest.raises(ConfigurationError, match=r"Mine\.gradients returned") as error:
            call(T, T + 1, weight)
        assert words in str(error.value)
        assert "an array of their shape (40, 2)" in str(error.value)
    with pytest.raises(ConfigurationError, match=r"Mine\.gradients returned"):
        fit(loss=mine, fit={"sample_weight": weight})
    assert "Mine.gradients returned" in str(check_loss(mine, T[:5], T[:5] + 1))


@pytest.mark.parametrize(("losses", "words"), WRONG_LOSSES)
def test_an_ensemble_says_the_same_of_a_loss(losses, words):
    ensemble = Ensemble([4, 3, 2], members=2, output="linear", seed=0)
    with pytest.raises(ConfigurationError, match=r"Mine\.losses returned"):
        ensemble.fit(X, T, loss=loss(losses=losses), epochs=1)


def test_an_ensemble_needs_a_loss_of_rows():
    mine = make(Loss, forward=Mean.forward, backward=Mean.backward)
    with pytest.raises(ConfigurationError, match="Mine needs losses and gradients, for single"):
        Ensemble([4, 3, 2], members=2, output="linear").fit(X, T, loss=mine, epochs=1)


def define(**methods):
    return lambda: make(Loss, **methods)


@cases(
    [
        (define(losses=lambda self, y_pred: 0), "Write def losses(self, y_true, y_pred)."),
        (define(losses=lambda self, y_true, y_pred, w: 0), "(y_true, y_pred, w) cannot be called"),
        (define(losses=lambda y_true, y_pred: 0), "Write def losses(self, y_true, y_pred)."),
        (define(gradients=lambda self, x: 0), "Write def gradients(self, y_true, y_pred)."),
        (define(losses=lambda self, y_pred, y_true: 0), "takes the predictions first, but is"),
        (define(gradients=lambda self, prediction, target: 0), "is given the targets first."),
        (
            define(forward=lambda self, y_pred, y_true: 0),
            "Write def forward(self, y_true, y_pred, ",
        ),
        (
            define(backward=lambda self, output, target: 0),
            "Write def backward(self, y_true, y_pred",
        ),
    ]
)
def test_a_loss_that_cannot_be_called_is_refused_where_it_is_written(write, words):
    with pytest.raises(ConfigurationError) as error:
        write()
    assert words in str(error.value)


class Mean(Loss):
    """A loss written as a whole, with weights."""

    def forward(self, y_true, y_pred, sample_weight=None):
        return float(np.average(((y_pred - y_true) ** 2).sum(axis=1), weights=sample_weight))

    def backward(self, y_true, y_pred, sample_weight=None):
        weight = np.ones(len(y_pred)) if sample_weight is None else np.asarray(sample_weight)
        return 2 * (y_pred - y_true) * (weight / weight.sum())[:, None].astype(y_pred.dtype)


@pytest.mark.parametrize("weight", [None, np.arange(40.0)])
def test_a_loss_of_forward_and_backward_trains_like_one_of_rows(weight):
    assert check_loss(Mean(), T[:5], T[:5] + RNG.standard_normal((5, 2)))
    whole, rows = Network([Linear(4, 2)], seed=0), Network([Linear(4, 2)], seed=0)
    options = {"sample_weight": weight}
    history = fit(loss=Mean(), network=whole, fit=options)
    other = fit(loss=loss(), network=rows, fit=options)
    np.testing.assert_allclose(whole.flat.values, rows.flat.values, rtol=1e-5)
    np.testing.assert_allclose(history.epochs["loss"], other.epochs["loss"], rtol=1e-5)
    assert not [note for note in history.notes + other.notes if "Mine" in note or "Mean" in note]


def test_a_loss_of_forward_and_backward_may_take_class_numbers():
    class OfClasses(Loss):
        def forward(self, y_true, y_pred, sample_weight=None):
            return float(-np.log(y_pred[np.arange(len(y_true)), y_true]).mean())

        def backward(self, y_true, y_pred, sample_weight=None):
            gradient = np.zeros_like(y_pred)
            gradient[np.arange(len(y_true)), y_true] = -1 / len(y_true)
            return gradient / y_pred

    mine, right = Network([4, 2], seed=0), Network([4, 2], seed=0)
    fit(loss=OfClasses(), network=mine, y=LABELS)
    fit(loss=CategoricalCrossEntropy(), network=right, y=LABELS)
    np.testing.assert_allclose(mine.flat.values, right.flat.values, rtol=1e-4, atol=1e-6)


def whole_loss(forward=Mean.forward, backward=Mean.backward):
    return make(Loss, forward=forward, backward=backward)


@cases(
    [
        (
            whole_loss(forward=lambda self, t, p: ((p - t) ** 2).mean()),
            "takes no sample_weight, which training gives it. Write def forward(self, y_true, ",
        ),
        (
            whole_loss(backward=lambda self, t, p: 2 * (p - t) / p.size),
            "takes no sample_weight, which training gives it. Write def backward(self, y_true, ",
        ),
        (make(Loss, losses=squares), "Mine has no gradients. A loss writes losses(self"),
        (make(Loss, gradients=slopes), "Mine has no losses. A loss writes losses(self"),
        (make(Loss, loss=squares, gradient=slopes), "Mine has no losses and no gradients. A loss"),
        (make(Loss, forward=Mean.forward), "Mine has no losses and no gradients"),
        (
            whole_loss(forward=lambda self, y_true, y_pred, sample_weight=None: y_pred - y_true),
            "Mine.forward returned an array of shape",
        ),
        (
            whole_loss(forward=lambda self, y_true, y_pred, sample_weight=None: None),
            "Mine.forward returned None (is its return missing?)",
        ),
        (
            whole_loss(backward=lambda self, y_true, y_pred, sample_weight=None: None),
            "Mine.backward returned None (is its return missing?)",
        ),
        (
            whole_loss(
                backward=lambda self, y_true, y_pred, sample_weight=None: y_pred.sum(axis=1)
            ),
            "Mine.backward returned an array of shape",
        ),
    ]
)
def test_a_loss_that_training_cannot_use_is_refused_by_both(write, words):
    with pytest.raises(ConfigurationError) as error:
        fit(loss=write)
    assert words in str(error.value)
    if "Mine.backward returned" not in words and "Mine.forward returned" not in words:
        assert words in str(check_loss(write, T[:5], T[:5] + 1))


def test_check_loss_finds_what_training_relies_on():
    def summed(self, y_true, y_pred, sample_weight=None):
        return float(((y_pred - y_true) ** 2).sum())

    def of_the_sum(self, y_true, y_pred, sample_weight=None):
        return 2 * (y_pred - y_true)

    def unweighted(self, y_true, y_pred, sample_weight=None):
        return Mean().forward(y_true, y_pred)

    def other(self, y_true, y_pred, sample_weight=None):
        value, gradient = MeanSquaredError().value_and_gradient(y_true, y_pred, sample_weight)
        return 3 * value, gradient

    p = T[:5] + RNG.standard_normal((5, 2))
    for mine, words in [
        (
            whole_loss(summed, of_the_sum),
            "the loss is twice as large: forward must return the mean",
        ),
        (whole_loss(unweighted), "where each sample is given as often as it weighs"),
        (make(MeanSquaredError, value_and_gradient=other), "differs from forward"),
        (make(MeanSquaredError, total_weight=lambda *_, **__: None), "total_weight returned None"),
    ]:
        report = check_loss(mine, T[:5], p)
        assert not report.passed
        assert any(words in problem for problem in report.problems), str(report)


def test_a_wrong_gradient_of_a_loss_is_noted_before_the_first_step():
    def halved(self, y_true, y_pred):
        return slopes(self, y_true, y_pred) / len(y_pred)

    (note,) = [n for n in fit(loss=loss(gradients=halved)).notes if "Mine" in n]
    assert "Mine: its gradient is not its slope, which looks like: off by the factor 0.25" in note
    assert not [n for n in fit(loss=loss()).notes if "Mine" in n]


def test_the_gradients_of_a_joint_loss():
    class Mine(JointLoss):
        def losses(self, y_true, y_pred):
            return ((y_pred["a"] - y_pred["b"]) ** 2).sum(axis=1)

        def gradients(self, y_true, y_pred):
            return self.wrong(2 * (y_pred["a"] - y_pred["b"]))

    p = {"a": T, "b": T + 1}
    for wrong, words in [
        (lambda d: (d, -d), "Mine.gradients returned a tuple of 2; it must return a dict"),
        (
            lambda d: {"a": d},
            "returned gradients at ['a']; it must return a dict with the gradient",
        ),
        (lambda d: {"a": d, "b": -d.sum(axis=1)}, "an array of shape (40,) for the output 'b'"),
    ]:
        mine = Mine()
        mine.wrong = wrong
        with pytest.raises(ConfigurationError) as error:
            mine.backward(None, p)
        assert words in str(error.value)


# ---------------------------------------------------------------- optimizers


def test_a_rule_that_returns_is_refused_at_its_first_step():
    mine = type("Mine", (Optimizer,), {"update_rule": lambda self, w, g, lr: w - lr * g})
    with pytest.raises(
        ConfigurationError, match=r"Mine.update_rule returned an array.*w -= \.\.\."
    ):
        fit(optimizer=mine(0.1))


def rebinds(self, w, g, learning_rate):
    w = w - learning_rate * g


def rebinds_memory(self, w, g, learning_rate, v):
    v = 0.9 * v + g
    w -= learning_rate * v


def test_an_optimizer_that_moves_nothing_is_noted():
    mine = type("Mine", (Optimizer,), {"update_rule": rebinds})
    notes = fit(optimizer=mine(0.1)).notes
    assert "the first step of Mine moved nothing, though the gradient is not 0" in notes[0]
    assert "w -= ..." in notes[0]
    mine = type("Mine", (Optimizer,), {"update_rule": rebinds_memory, "state_names": ("v",)})
    notes = fit(optimizer=mine(0.1)).notes
    assert "the memory v of Mine is still 0 after its first step" in notes[0]
    assert not [n for n in fit(optimizer=SGD(0.1)).notes if "step" in n]
    notes = fit(optimizer=SGD(0.1, lr_multipliers={"*": 0})).notes
    assert "moved nothing" in notes[0]
    assert "is everything frozen?" in notes[0]


class Forgetful(Optimizer):
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update_rule(self, w, g, learning_rate):
        w -= learning_rate * g


class Undecorated(Optimizer):
    beta: float = 0.9

    def update_rule(self, w, g, learning_rate):
        w -= learning_rate * g


def optimizer_of(**members):
    return lambda: fit(optimizer=type("Mine", (Optimizer,), members)(0.1))


@cases(
    [
        (lambda: fit(optimizer=Forgetful(0.1)), "Forgetful.__init__ does not call the one of"),
        (lambda: Undecorated(0.1, beta=0.5), "Undecorated declares 'beta', but its __init__ does"),
        (
            optimizer_of(update_rule=rebinds_memory),
            "is called with w, g, learning_rate and no state",
        ),
        (optimizer_of(update_rule=rebinds, state_names="v"), "Write ('v',)."),
        (
            optimizer_of(update_rule=lambda self, w, g: None),
            "Write def update_rule(self, w, g, lea",
        ),
        (optimizer_of(step=lambda self: None), "Write def step(self, network)."),
        (
            lambda: Adam([0.1, 0.2]),
            "learning_rate must be one number or a schedule, got [0.1, 0.2]",
        ),
        (lambda: fit(optimizer="adam"), "optimizer must be an Optimizer, such as Adam(0.001)"),
        (lambda: fit(loss="mse"), "loss must be a Loss, such as MeanSquaredError()"),
    ]
)
def test_an_optimizer_that_cannot_be_used(write, words):
    with pytest.raises(ConfigurationError) as error:
        write()
    assert words in str(error.value)
