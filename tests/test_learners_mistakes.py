"""What people get wrong first, and the sentence that tells them so: one table for each part.

Each message names the user's own class and method, and says what to write.
"""

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    Ensemble,
    Graph,
    InputError,
    JointLoss,
    Linear,
    Loss,
    MeanSquaredError,
    Module,
    Network,
    Node,
    Optimizer,
    Parameter,
    Poisson,
    Preparation,
    ReLU,
    Residual,
    Standardizer,
    Trainer,
    check_loss,
    check_module,
    diagnose,
)
from chainrule.errors import ModuleError
from chainrule.metrics import accuracy, mean_squared_error

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


def called(case):
    """Return what a test is called: the same in every process."""
    return getattr(case, "__name__", str(case)[:40])


def cases(table):
    return pytest.mark.parametrize(("write", "words"), table, ids=called)


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


def test_the_doctor_finds_an_optimizer_that_moves_nothing():
    mine = type("Mine", (Optimizer,), {"update_rule": rebinds})
    network, data = Network([Linear(4, 2)], seed=0), (X, T)
    report = diagnose(network, *data, loss=MeanSquaredError(), optimizer=mine(0.1), epochs=4)
    (finding,) = [f for f in report.findings if f.id == "unchanged-layer"]
    assert "Mine moved no parameter in any step measured" in finding.summary
    assert "check_optimizer(optimizer)" in finding.remedy
    report.prescribe()
    report = diagnose(network, *data, loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=4)
    assert "unchanged-layer" not in [f.id for f in report.findings]


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
        (
            lambda: fit(optimizer=Forgetful(0.1)),
            "Forgetful.__init__ does not call that of its parent",
        ),
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


# ---------------------------------------------------------------- layers


class Scale(Module):
    """y = x · gain, from which each mistake below differs in one method."""

    def __init__(self):
        self.gain = Parameter(np.ones(3))

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x * self.gain.value

    def backward(self, dy):
        (x,) = self.saved_values()
        self.gain.grad = (dy * x).sum(axis=0)
        return dy * self.gain.value


def forward_without_training(self, x):
    return Scale.forward(self, x)


def forward_with_training_by_name(self, x, *, training=True):
    return Scale.forward(self, x, training)


def forward_of(change):
    def forward(self, x, training=True):
        return change(Scale.forward(self, x, training))

    return {"forward": forward}


def backward_of(change):
    def backward(self, dy):
        return change(Scale.backward(self, dy))

    return {"backward": backward}


def forward_that_saves_nothing(self, x, training=True):
    return x * self.gain.value


def forward_with_a_parameter(self, x, training=True):
    return x * self.gain


def forward_with_a_product(self, x, training=True):
    return x @ self.gain


def forward_the_other_way_round(self, x, training=True):
    return self.gain * x


def forward_that_saves_without_training(self, x, training=True):
    self.save_for_backward(x)
    return x * self.gain.value


def forward_that_saves_by_position(self, x, training=True):
    self.save_for_backward(x, training)
    return x * self.gain.value


def backward_of_itself(self, dy):
    (x,) = self.saved_values()
    self.grad = (dy * x).sum(axis=0)
    return dy * self.gain.value


def backward_that_adds(self, dy):
    (x,) = self.saved_values()
    self.gain.grad += (dy * x).sum(axis=0)
    return dy * self.gain.value


def backward_of_a_part(self, dy):
    (x,) = self.saved_values()
    self.gain.grad[1:] = (dy * x).sum(axis=0)[1:]
    return dy * self.gain.value


def backward_that_learns(self, dy):
    (x,) = self.saved_values()
    self.__dict__["gain"] = Parameter(self.gain.value - 0.1 * (dy * x).sum(axis=0))
    return dy * self.gain.value


RETURN = "is its return missing?"
WRONG_LAYERS = [
    ({"forward": forward_without_training}, "Write def forward(self, x, training=True)."),
    (
        {"forward": forward_with_training_by_name},
        "(x, *, training) cannot be called as forward(x, ",
    ),
    (forward_of(lambda y: None), "forward returned None (is its return missing?) for a batch of"),
    (forward_of(lambda y: y.sum()), "forward returned a single number for a batch of"),
    (forward_of(lambda y: y.tolist()), "forward returned a list of"),
    (forward_of(lambda y: y[0]), "forward returned an array of shape (3,) for a batch of"),
    ({"forward": forward_that_saves_nothing}, "Write self.save_for_backward(x, training=training)"),
    ({"forward": forward_that_saves_without_training}, "Write self.save_for_backward(x, training="),
    ({"forward": forward_that_saves_by_position}, "Write self.save_for_backward(x, training="),
    ({"forward": forward_with_a_parameter}, "Write x * self.weight.value instead"),
    ({"forward": forward_with_a_product}, "Write x * self.weight.value instead"),
    ({"forward": forward_the_other_way_round}, "Write x * self.weight.value instead"),
    (
        backward_of(lambda dx: None),
        "backward returned None (is its return missing?); it must return",
    ),
    (backward_of(lambda dx: dx.T), "it must return dx, the gradient at its input, an array of the"),
    (backward_of(lambda dx: dx.T), "It looks transposed."),
    (backward_of(lambda dx: dx.sum(axis=0)), "backward returned an array of shape (3,); it must"),
    (backward_of(lambda dx: (dx,)), "backward returned a tuple of 1; it must return dx"),
    (backward_of(lambda dx: dx.tolist()), "backward returned a list of"),
    (backward_of(lambda dx: 1.0), "backward returned a single number; it must return dx"),
    ({"backward": lambda self: None}, "Write def backward(self, dy)."),
    ({"backward": lambda self, x, dy: None}, "Write def backward(self, dy)."),
    ({"backward": lambda self, dy, learning_rate: None}, "Write def backward(self, dy)."),
]
UNSET = [
    ({"backward": backward_of_itself}, "does not set the gradient of gain. Write self.gain.grad ="),
    ({"backward": backward_that_adds}, "adds to the gradient of gain, which then grows"),
    ({"backward": backward_of_a_part}, "the gradient of gain as a whole, only 2 of 3 numbers"),
    ({"backward": backward_that_learns}, "in the place of the Parameter gain, which the optimizer"),
]
PLACES = {
    "layers.1": lambda mine: [Linear(4, 3), mine, Linear(3, 2)],
    "layers.2": lambda mine: [Linear(4, 3), ReLU(), mine, Linear(3, 2)],
    "layers.1.body": lambda mine: [Linear(4, 3), Residual(mine), Linear(3, 2)],
}


@pytest.mark.parametrize(("methods", "words"), WRONG_LAYERS + UNSET)
@pytest.mark.parametrize("path", PLACES)
def test_a_wrong_layer_is_named_before_the_first_step(path, methods, words):
    network = Network(PLACES[path](type("Mine", (Scale,), methods)()), seed=0)
    before = network.flat.values.copy()
    with pytest.raises(ModuleError) as error:
        fit(network=network)
    assert words in str(error.value)
    assert f"Mine ({path})" in str(error.value), "it blames no neighbour"
    np.testing.assert_array_equal(network.flat.values, before)


@pytest.mark.parametrize(("methods", "words"), WRONG_LAYERS)
@pytest.mark.parametrize("path", PLACES)
def test_a_wrong_layer_is_named_in_a_loop_of_ones_own(path, methods, words):
    network = Network(PLACES[path](type("Mine", (Scale,), methods)()), seed=0)
    with pytest.raises(ModuleError) as error:
        network.backward(MeanSquaredError().backward(T, network.forward(X)))
    assert words in str(error.value)
    assert f"Mine ({path})" in str(error.value)


@pytest.mark.parametrize(("methods", "words"), WRONG_LAYERS)
def test_a_wrong_layer_is_named_when_it_is_used_alone(methods, words):
    mine = type("Mine", (Scale,), methods)()
    with pytest.raises(ModuleError) as error:
        mine.backward(mine(X[:, :3]))
    assert words in str(error.value)
    assert "Mine: " in str(error.value)


def test_a_method_without_self_is_refused_where_it_is_written():
    with pytest.raises(ConfigurationError, match=r"has no self. Write def forward\(self, x, train"):
        type("Mine", (Scale,), {"forward": lambda x, training=True: x})
    with pytest.raises(ConfigurationError, match="takes training before the input"):
        type("Mine", (Scale,), {"forward": lambda self, training, x: x})


def test_a_parameter_of_the_class_is_refused():
    for thing in (Parameter(np.ones(3)), Linear(2, 3)):
        with pytest.raises(ConfigurationError, match=r"Mine.part belongs to the class.*self"):
            type("Mine", (Scale,), {"part": thing})


def test_plain_arrays_are_noted():
    class Mine(Module):
        def __init__(self):
            self.gain = np.ones(3)

        def forward(self, x, training=True):
            self.x = x
            return x * self.gain

        def backward(self, dy):
            return dy * self.gain

    notes = fit([Linear(4, 3), Mine(), Linear(3, 2)]).notes
    assert notes[0].startswith("Mine (layers.1): gain is a plain array, so it is a constant.")
    assert not [note for note in notes if "x is a plain array" in note]


def test_right_layers_train_without_a_word():
    notes = fit([Linear(4, 3), Scale(), Residual(Scale()), Linear(3, 2)]).notes
    assert not [note for note in notes if "Scale" in note]


def test_one_layer_in_two_places_and_with_several_shapes():
    class Double(Module):
        def forward(self, x, training=True):
            return 2 * x

        def backward(self, dy):
            return 2 * dy

    double = Double()
    network = Network([double, Linear(4, 3, seed=0), double, Linear(3, 2, seed=1)])
    assert check_module(network, X[:5])
    network.backward(MeanSquaredError().backward(T, network.forward(X)))
    fit(network=network)


# ---------------------------------------------------------------- a forward that is wrong


def affine(forward):
    """Return a layer with this forward, and a backward that is right for y = x W + b."""
    layer = Linear(3, 3, seed=0)
    layer.bias.value = [0.5, -1.0, 2.0]
    weight, bias = layer.weight.value.astype(float), layer.bias.value.astype(float)
    return layer, lambda x: forward(x, weight, bias)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (lambda x, w, b: (x @ w + b) / 3, "off by the factor 3 = the length of the input's axis 1"),
        (lambda x, w, b: -(x @ w + b), "the right output with its sign flipped"),
        (lambda x, w, b: x @ w, "off by the same amounts in every sample: is a bias missing"),
        (lambda x, w, b: x @ w + 2 * b, "off by the same amounts in every sample"),
        (
            lambda x, w, b: (x @ w + b)[:, :2],
            "an output of shape (5, 3) where the reference has (5",
        ),
        (lambda x, w, b: (x @ w + b).T, "where the reference has (3, 5): transposed"),
        (lambda x, w, b: (x @ w + b)[:, ::-1], "reversed along axis 1"),
        (lambda x, w, b: x @ w.T + b, "by no common factor"),
        (lambda x, w, b: np.maximum(x @ w + b, 0), "is a mask missing?"),
        (lambda x, w, b: (x @ w + b) * 2, "is a 2 missing?"),
        (lambda x, w, b: np.where(x > 0, x @ w + b, np.nan), "finite in 15 of 15 numbers, the"),
    ],
)
def test_an_output_that_is_not_the_references_is_described(formula, words):
    layer, reference = affine(formula)
    x = np.random.default_rng(3).standard_normal((5, 3))
    report = check_module(layer, x, reference=reference)
    assert not report
    assert report.verdict == "Linear(3, 3): wrong: output"
    assert words in str(report)
    assert all(result.passed for result in report.gradients), "they are right for this forward"
    assert "WRONG" in report._repr_html_()


def test_the_output_and_the_place_where_it_differs():
    layer, reference = affine(lambda x, w, b: x @ w + b)
    x = np.random.default_rng(3).standard_normal((5, 3))
    report = check_module(layer, x, reference=reference)
    assert report
    assert report.verdict == "Linear(3, 3): the output and all gradients are right"

    def other(x):
        y = reference(x)
        y[2, 1] += 1e-3
        return y

    (result,) = check_module(layer, x, reference=other).outputs
    assert result.worst == (2, 1)
    assert result.expected - result.got == pytest.approx(1e-3)
    with pytest.raises(ConfigurationError, match=r"cannot be called as reference\(x\)"):
        check_module(layer, x, reference=lambda: None)
    with pytest.raises(ConfigurationError, match="reference must be a function"):
        check_module(layer, x, reference=3)


def test_a_wrong_forward_with_its_own_right_gradient_passes_only_without_a_reference():
    class Mean(Module):
        """A mean where a sum was asked for."""

        def forward(self, x, training=True):
            self.save_for_backward(x.shape, training=training)
            return x.mean(axis=1, keepdims=True)

        def backward(self, dy):
            (shape,) = self.saved_values()
            return np.broadcast_to(dy / shape[1], shape).copy()

    assert check_module(Mean(), X[:5])
    report = check_module(Mean(), X[:5], reference=lambda x: x.sum(axis=1, keepdims=True))
    assert not report
    assert "off by the factor 0.25 = 1 / the length of the input's axis 1" in str(report)


# ---------------------------------------------------------------- metrics


def two_outputs(**options):
    graph = Graph(["x"], {"a": Node(Linear(4, 3), "x"), "b": Node(Linear(4, 2), "x")}, ["a", "b"])
    losses = {"a": CategoricalCrossEntropy(from_logits=True), "b": MeanSquaredError()}
    return fit(network=Network(graph, seed=0), loss=losses, y={"a": LABELS, "b": T}, **options)


def of_an_array(y_true, y_pred):
    return (y_pred.argmax(axis=1) == y_true).mean()


@pytest.mark.parametrize(
    ("metrics", "advice"),
    [
        ({"a": accuracy}, "metrics={'a': [accuracy]}"),
        ({"b": mean_squared_error}, "metrics={'b': [accuracy]}"),
        ([accuracy], "metrics={'a': [accuracy]}"),
        ({"a": of_an_array}, "metrics={'a': [accuracy]}"),
    ],
)
def test_a_metric_of_all_outputs_at_once(metrics, advice):
    with pytest.raises(ConfigurationError) as error:
        two_outputs(metrics=metrics)
    assert "is given all outputs at once, a dict of ['a', 'b']" in str(error.value)
    assert f"To measure one output, put its metrics in a list: {advice}" in str(error.value)


def test_metrics_of_one_output_and_of_all():
    def both(y_true, y_pred):
        return float(np.mean(y_true["a"] == y_pred["a"].argmax(axis=1)))

    row = two_outputs(metrics={"a": [accuracy], "all": both}).row()
    assert row["a_accuracy"] == row["all"]


def returns_an_array(y_true, y_pred):
    return y_true - y_pred


def forgets_its_return(y_true, y_pred):
    (y_true - y_pred).mean()


def takes_one(y_pred):
    return 0.0


def swapped(y_pred, y_true):
    return 0.0


def misses_an_attribute(y_true, y_pred):
    return y_pred.meen()


@cases(
    [
        (returns_an_array, "must return a number, got an array of shape (13, 2)"),
        (forgets_its_return, "must return a number, got None (is its return missing?)"),
        (
            takes_one,
            "takes_one(y_pred) cannot be called as takes_one(y_true, y_pred), which is how",
        ),
        (swapped, "swapped(y_pred, y_true) takes the predictions first, but is given the targets"),
        (misses_an_attribute, "'misses_an_attribute' cannot be taken here"),
        ("accuracy", "Give the function itself, not its name."),
    ]
)
def test_a_metric_of_ones_own(write, words):
    with pytest.raises(ConfigurationError) as error:
        fit(metrics=[write])
    assert words in str(error.value)


def test_a_metric_that_fails_at_the_end_of_an_epoch_is_named():
    def fails(y_true, y_pred):
        if len(y_true) > 13:
            raise ZeroDivisionError
        return 0.0

    with pytest.raises(ZeroDivisionError) as error:
        fit(metrics=[fails])
    assert error.value.__notes__ == ["in the metric 'fails'"]


# ---------------------------------------------------------------- callbacks


def callback(**members):
    return type("Mine", (Callback,), members)()


@cases(
    [
        (callback(on_epoch_end=lambda self: None), "Write def on_epoch_end(self, state)."),
        (callback(on_fit_begin=lambda self, a, b: None), "Write def on_fit_begin(self, state)."),
        (callback(on_epoch_end=lambda self, epoch, logs=None: None), "is called with one argument"),
        (callback(on_epoch_ends=lambda self, state: None), "the nearest hook is on_epoch_end(self"),
        (callback(on_train_begin=lambda self, logs: None), "the nearest hook is on_fit_begin(self"),
        (
            callback(on_batch_end=lambda self, state: None),
            "Mine.on_batch_end would never be called",
        ),
        (callback(on_epoch_begin=lambda self, state: None), "Mine.on_epoch_begin would never be"),
        (callback(columns="norm"), "Mine.columns must be a tuple of names, got 'norm'. Write"),
        (callback(state={}), "Mine.state is a method of every callback, for checkpoints"),
        (lambda state: None, "such as class Mine(Callback): def on_epoch_end(self, state): ..."),
    ]
)
def test_a_callback_that_would_not_be_called(write, words):
    with pytest.raises(ConfigurationError) as error:
        fit(fit={"callbacks": [write]})
    assert words in str(error.value)


def test_other_methods_of_a_callback_are_its_own_affair(tmp_path):
    class Mine(Callback):
        def on_new_record(self, loss):
            self.best = loss

        def on_epoch_end(self, trainer):
            self.on_new_record(trainer.history.epochs["loss"][-1])

        def state(self):
            return None

    mine = Mine()
    fit(fit={"callbacks": [mine]})
    assert mine.best > 0
    with pytest.raises(ConfigurationError, match=r"Mine\.state returned None .*must return a dict"):
        fit(fit={"callbacks": [mine, Checkpoint(tmp_path)]})


# ---------------------------------------------------------------- functions


@cases(
    [
        (
            lambda shape, rng: rng.standard_normal(shape[::-1]),
            "must return an array of shape (4, 2)",
        ),
        (lambda shape, rng: None, "returned None (is its return missing?)"),
        (lambda shape, rng: 0.5, "returned a single number"),
        (lambda shape, rng: np.full(shape, np.nan), "returned what is no finite number"),
        (lambda shape, rng: np.full(shape, 1j), "returned what is no finite number"),
        (lambda shape, rng: np.full(shape, "a"), "returned what is no finite number"),
        (lambda shape: np.zeros(shape), "Write def initializer(shape, rng)."),
    ]
)
def test_an_initializer_of_ones_own(write, words):
    for build in (
        lambda: Linear(4, 2, initialization=write),
        lambda: Network([Linear(4, 2)], initialization=write),
        lambda: Network([4, 2], initialization=write),
    ):
        with pytest.raises(ConfigurationError) as error:
            build()
        assert words in str(error.value)


@cases(
    [
        (lambda: 0.1, "Write def schedule(step)."),
        (lambda epoch, rate: 0.1, "Write def schedule(step)."),
        (lambda step: None, "(step) must return the learning rate of each step."),
        (lambda step: -1.0, "(step) must return the learning rate of each step."),
        (lambda step: float("nan"), "(step) must return the learning rate of each step."),
    ]
)
def test_a_schedule_of_ones_own(write, words):
    with pytest.raises(ConfigurationError) as error:
        fit(optimizer=Adam(write))
    assert words in str(error.value)


@cases(
    [
        (lambda x: x, "Write def augment(x, rng)."),
        (lambda x, rng: None, "returned None (is its return missing?) for a batch of 32 samples"),
        (lambda x, rng: x[1:], "returned an array of shape (31, 4) for a batch of 32 samples"),
        (lambda x, rng: np.concatenate([x, x]), "it must return the inputs of as many samples"),
        (lambda x, rng: (x, x), "returned a tuple of 2 for a batch of 32 samples"),
    ]
)
def test_an_augmentation_of_ones_own(write, words):
    with pytest.raises((ConfigurationError, InputError)) as error:
        fit(fit={"augment": write})
    assert words in str(error.value)


# ---------------------------------------------------------------- data, networks


@pytest.mark.parametrize("use", ["fit", "evaluate", "loss"])
def test_weights_of_classes_in_place_of_those_of_samples(use):
    trainer = Trainer(Network([4, 2], seed=0), CategoricalCrossEntropy(), Adam())
    call = {
        "fit": lambda weight: trainer.fit(X, LABELS, sample_weight=weight, progress=False),
        "evaluate": lambda weight: trainer.evaluate(X, LABELS, sample_weight=weight),
        "loss": lambda weight: MeanSquaredError().forward(T, T, weight),
    }[use]
    with pytest.raises(InputError) as error:
        call({0: 1.0, 1: 5.0})
    assert "class_weight={0: 1.0, 1: 5.0}" in str(error.value)
    with pytest.raises(InputError, match="class_weight='balanced'"):
        call("balanced")


@cases(
    [
        (lambda self: None, "Mine.__iter__ returned no iterator. Write it with yield"),
        (lambda self: iter([]), "The iterable yielded no batch."),
        (lambda self: iter([None]), "Expected batches (x, y) or (x, y, weight) from the iterable"),
        (lambda self: iter([X]), "got ndarray of shape (40, 4)."),
        (lambda self: iter([(X, T, None, 1)]), "got tuple of 4."),
        (lambda self: iter([{"x": X, "y": T}]), "got dict of 2."),
        (lambda self: iter([(X, T[1:])]), "must have the same number of samples, got [40, 39]"),
        (lambda self: iter([(None, T)]), "x must hold numbers"),
    ]
)
def test_a_source_of_batches_of_ones_own(write, words):
    source = type("Mine", (), {"__iter__": write})()
    trainer = Trainer(Network([Linear(4, 2)], seed=0), MeanSquaredError(), Adam(), seed=0)
    for call in (
        lambda: trainer.fit(source, progress=False),
        lambda: trainer.evaluate(source),
        lambda: trainer.fit(X, T, validation_data=source, progress=False),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert words.removesuffix(".") in str(error.value).replace(" of validation_data", "")


def test_counts_that_were_standardised():
    counts = Standardizer().fit_transform(np.arange(40.0))
    with pytest.raises(
        InputError, match="Poisson takes counts as they are, so leave out what stan"
    ):
        fit([Linear(4, 1)], counts, loss=Poisson(log_input=True))


def test_a_preparation_of_ones_own():
    class Mine(Preparation):
        fitted = True

        def fit(self, X, y=None):
            self.mean = np.mean(X)

        def transform(self, X):
            return self.wrong(np.asarray(X))

    mine, network = Mine(), Network([Linear(4, 2)], seed=0)
    with pytest.raises(ConfigurationError, match=r"Mine.fit returned None .*must return self"):
        mine.fit_transform(X)
    network.preparation = mine
    for wrong, words in [
        (lambda rows: None, "Mine.transform returned None (is its return missing?) for 40 rows"),
        (lambda rows: rows[1:], "Mine.transform returned an array of shape (39, 4) for 40 rows"),
        (lambda rows: rows.mean(), "Mine.transform returned a single number for 40 rows"),
    ]:
        mine.wrong = wrong
        with pytest.raises(ConfigurationError) as error:
            network.predict_raw(X)
        assert words in str(error.value)
    mine.wrong = np.copy
    np.testing.assert_array_equal(network.predict_raw(X), network.predict(X))


def test_a_layer_that_is_no_module():
    class Scale:
        def forward(self, x, training=True):
            return x

    with pytest.raises(
        ConfigurationError, match=r"Scale has a forward, but is no Module. Write cl"
    ):
        Network([Linear(4, 2), Scale()])


def test_a_network_that_does_not_call_its_parents_constructor():
    class Mine(Network):
        def __init__(self):
            self.linear = Linear(4, 2)

    with pytest.raises(ConfigurationError, match=r"Mine.__init__ does not call that of its parent"):
        Mine().forward(X)
