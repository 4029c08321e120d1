"""Habits from other libraries: what is told to those who have them."""

import copy
import inspect
import pickle
import re

import pytest

import chainrule
import chainrule.estimators as estimators
from chainrule import (
    GRU,
    LBFGS,
    LSTM,
    SGD,
    AdaGrad,
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    ConfigurationError,
    Conv2d,
    ConvTranspose2d,
    CosineDecay,
    Dropout,
    Embedding,
    KLDivergence,
    LayerNorm,
    Linear,
    LinearLR,
    MaxPool2d,
    MeanSquaredError,
    Module,
    Muon,
    Network,
    ReLU,
    RMSprop,
    Rprop,
    Softmax,
    Softplus,
    StepDecay,
    Trainer,
    TransformerBlock,
    Upsample,
    plots,
)
from chainrule.checks import habits

NETWORK = Network([4, 8, 3], seed=0)
OPTIMIZER = Adam(0.01)


def trainer():
    return Trainer(NETWORK, CategoricalCrossEntropy(), Adam(0.01))


@pytest.mark.parametrize(
    ("thing", "name", "hint"),
    [
        (NETWORK, "fit", "Trainer(network, loss, optimizer).fit(X, y)"),
        (NETWORK, "compile", "loss and optimizer go to the Trainer"),
        (NETWORK, "train", "there is no mode to switch"),
        (NETWORK, "eval", "there is no mode to switch"),
        (NETWORK, "evaluate", "evaluate(X, y) measures it"),
        (NETWORK, "zero_grad", "there is nothing to zero"),
        (NETWORK, "predict_proba", "predict(X)"),
        (NETWORK, "state_dict", "state() returns all values by name"),
        (NETWORK, "cuda", "everything runs on the processor"),
        (Linear(4, 3), "eval", "there is no mode to switch"),
        (OPTIMIZER, "zero_grad", "there is nothing to zero"),
        (OPTIMIZER, "lr", "it is called learning_rate"),
        (trainer(), "train", "it is fit(X, y)"),
        (trainer(), "compile", "Trainer(network, loss, optimizer)"),
    ],
)
def test_methods_that_are_called_otherwise_here(thing, name, hint):
    with pytest.raises(AttributeError, match=re.escape(hint)) as caught:
        getattr(thing, name)
    assert caught.value.name == name
    assert f"{type(thing).__name__!r} object has no attribute {name!r}; " in str(caught.value)


@pytest.mark.parametrize("thing", [NETWORK, OPTIMIZER, trainer()])
def test_every_other_missing_name_is_an_ordinary_error(thing):
    assert not hasattr(thing, "no_such_thing")
    with pytest.raises(AttributeError, match=r"has no attribute 'no_such_thing'$"):
        thing.no_such_thing  # noqa: B018
    assert getattr(thing, "fit_predict", None) is None
    copy.deepcopy(thing)
    pickle.loads(pickle.dumps(thing))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Adam(lr=0.01), "Adam has no option 'lr': it is called learning_rate"),
        (lambda: Adam(NETWORK.parameters(), lr=0.01), "no option 'lr': it is called learning_rate"),
        (lambda: SGD(NETWORK.parameters(), 0.1), "an optimizer is not given the parameters"),
        (lambda: Adam(NETWORK.parameters()), "an optimizer is not given the parameters"),
        (lambda: Adam(iter(NETWORK.parameters())), "an optimizer is not given the parameters"),
        (lambda: Adam(NETWORK), "an optimizer is not given the parameters"),
        (lambda: Adam(betas=(0.9, 0.99)), "they are called beta1 and beta2"),
        (lambda: Adam(0.01, eps=1e-6), "it is called epsilon"),
        (lambda: NETWORK.update(lr=0.1), "Network.update has no option 'lr'"),
        (lambda: OPTIMIZER.step(NETWORK.parameters()), r"optimizer.step\(network\)"),
        (lambda: trainer().fit([[1.0]], [1], verbose=0), "it is called progress"),
        (lambda: trainer().fit([[1.0]], [1], lr=0.1), "belongs to the optimizer"),
        (lambda: Linear(4, 8, activation="relu"), "an activation is a layer of its own"),
        (lambda: Linear(input_dim=4), "sizes come first"),
        (lambda: Dropout(rate=0.5), "it is called p"),
        (lambda: BatchNorm(3, eps=1e-3), "it is called epsilon"),
        (lambda: Softmax(dim=1), "it is called axis"),
        (lambda: LSTM(3, 4, batch_first=True), "the batch axis always comes first"),
        (lambda: Network(Linear(4, 3), ReLU()), "as one list"),
        (lambda: Network(4, 8, 3), "as one list"),
        (lambda: Network([4, 3], optimizer="adam"), "the optimizer goes to the Trainer"),
    ],
)
def test_options_that_are_called_otherwise_here(call, message):
    with pytest.raises(ConfigurationError, match=message):
        call()


def test_what_pytorch_s_users_write_and_is_right_works():
    assert Linear(4, 8, bias=False).bias is None
    assert Linear(in_features=4, out_features=8).weight.shape == (4, 8)
    loss = CategoricalCrossEntropy()
    y_pred = NETWORK.predict([[1.0, 2.0, 3.0, 4.0]])
    assert loss([1], y_pred) == loss.forward([1], y_pred)


@pytest.mark.parametrize(
    "call",
    [lambda: Linear(4), lambda: Adam(0.01, nonsense=1), lambda: Network(), lambda: Dropout(dim=2)],
)
def test_every_other_call_that_does_not_fit_is_python_s_error(call):
    with pytest.raises(TypeError):
        call()


def test_a_type_error_from_inside_is_left_as_it_is():
    class Own(chainrule.Callback):
        def on_fit_begin(self, trainer):
            raise TypeError("from inside")

    with pytest.raises(TypeError, match="from inside"):
        trainer().fit([[1.0, 2, 3, 4]] * 4, [0, 1, 2, 0], callbacks=[Own()], progress=False)


# ---------------------------------------------------------------- the table itself


def test_the_error_of_a_property_is_its_own():
    class Own(ReLU):
        @property
        def score(self):
            return self.no_such_thing

        @property
        def width(self):
            return self.no_such_thing

    for name in ("score", "width"):  # the first is in the table, too
        with pytest.raises(AttributeError, match=r"has no attribute 'no_such_thing'$"):
            getattr(Own(), name)


def test_help_shows_the_options_of_the_constructor():
    assert set(inspect.signature(Adam).parameters) > {"learning_rate", "beta1", "beta2", "epsilon"}
    assert list(inspect.signature(Linear).parameters)[:3] == ["in_features", "out_features", "bias"]
    assert not inspect.signature(ReLU).parameters


def public_names():
    names = {name: getattr(chainrule, name) for name in chainrule.__all__}
    names |= {name: getattr(chainrule.layers, name) for name in chainrule.layers.__all__}
    names |= {name: getattr(estimators, name) for name in estimators.__all__}
    return names


def options_of_everything():
    kinds = [value for value in public_names().values() if inspect.isclass(value)]
    drawn = [getattr(plots, name) for name in plots.__all__]
    functions = [Trainer.fit, Network.update, *drawn, *(kind.__init__ for kind in kinds)]
    return {name for function in functions for name in inspect.signature(function).parameters}


@pytest.mark.parametrize(("habit", "advice"), habits.OPTIONS.items())
def test_what_an_option_is_called_here_exists(habit, advice):
    if advice.startswith(habits.RENAMED):
        name = advice.removeprefix(habits.RENAMED).split(":")[0]
        assert name in options_of_everything()


@pytest.mark.parametrize(("habit", "advice"), habits.NAMES.items())
def test_a_name_of_another_library_leads_to_one_that_exists(habit, advice):
    assert habit not in chainrule.__all__
    words = re.findall(r"\b[A-Z]\w+[a-z]\w*", advice)
    known = {*public_names(), "NumPy", "False", "True", "Standardizer"}
    assert [word for word in words if word in known] or "chainrule." in advice
    with pytest.raises(ImportError, match=re.escape(advice)):
        exec(f"from chainrule import {habit}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SGD(0.1, momentum=0.9), r"Momentum\(learning_rate, momentum=0.9\)"),
        (lambda: CategoricalCrossEntropy(reduction="sum"), "always the mean over the batch"),
        (lambda: MeanSquaredError(reduction="none"), r"row's own loss is loss.losses\(\*loss.rows"),
        (lambda: CategoricalCrossEntropy(ignore_class=0), "it is called ignore_index"),
        (lambda: KLDivergence(ignore_index=0), "sample_weight=0 leaves"),
        (lambda: CategoricalCrossEntropy(weight=[1, 2]), "class_weight"),
        (lambda: Linear(4, 8, True), "takes 2 argument"),
        (lambda: Linear(4, 8, device="cuda"), "on the processor"),
        (lambda: ReLU(inplace=True), "never writes into its input"),
        (lambda: Conv2d(3, 8, 5, padding_mode="same"), "'zeros', 'reflect', 'replicate', 'circ"),
        (lambda: ConvTranspose2d(3, 8, 5, padding_mode="reflect"), "Conv1d and Conv2d have it"),
        (lambda: GRU(3, 8, proj_size=2), "LSTM alone has a projection"),
        (lambda: LSTM(3, 8, batch_first=True), "the batch axis always comes first"),
        (lambda: MaxPool2d(2, return_indices=True), "where the largest values were"),
        (lambda: TransformerBlock(8, 2, layer_norm_eps=1e-12), "it is called epsilon"),
        (lambda: TransformerBlock(8, 2, dim_feedforward=32), "it is called hidden_size"),
        (lambda: LayerNorm(8, elementwise_affine=False), "it is called affine"),
        (lambda: Upsample(size=(64, 64)), "the sizes are multiplied with"),
        (lambda: Embedding(9, 3, max_norm=1), "every vector learns alike"),
        (lambda: Softplus(threshold=20), "exact everywhere"),
        (lambda: Upsample(2, align_corners=False), "the middles of pixels match"),
        (lambda: RMSprop(alpha=0.9), "it is called rho"),
        (
            lambda: SGD(0.1, dampening=0.5),
            r"Momentum\(learning_rate, momentum=0.9, dampening=0.1\)",
        ),
        (lambda: Adam(maximize=True), "change the loss's sign"),
        (lambda: Adam(decoupled_weight_decay=True), "AdamW has it"),
        (lambda: AdaGrad(lr_decay=0.1), "give a schedule"),
        (lambda: Rprop(etas=(0.5, 1.2)), "eta_minus and eta_plus"),
        (lambda: Rprop(step_sizes=(1e-6, 50)), "min_step and max_step"),
        (lambda: Muon(ns_steps=5), "it is called newton_schulz_steps"),
        (lambda: Muon(adjust_lr_fn="original"), "it is called scale"),
        (lambda: LBFGS(line_search_fn="strong_wolfe"), "always searches"),
        (lambda: LBFGS(max_eval=30), "it is called max_evaluations"),
        (lambda: LinearLR(0.1, last_epoch=3), "the optimizer counts the steps"),
        (lambda: CosineDecay(0.1, decay_steps=9), "it is called steps"),
        (lambda: StepDecay(0.1, 9, 0.5), "the others by name: factor=..."),
    ],
)
def test_more_habits(call, message):
    with pytest.raises(ConfigurationError, match=message):
        call()


def test_absent_attributes_are_not_listed_and_may_be_defined():
    assert "lr" not in dir(OPTIMIZER)
    assert not hasattr(OPTIMIZER, "lr")
    assert not hasattr(Adam, "lr")

    class Mine(SGD):
        lr = 0.5

    assert Mine(0.1).lr == 0.5
    assert "lr" in dir(Mine(0.1))

    class Plain(SGD):
        """A user's class may use the name for something else."""

    optimizer = Plain(0.1)
    optimizer.lr = 3
    assert optimizer.lr == 3
    assert "lr" in dir(optimizer)


ASSIGNED = [
    (OPTIMIZER, "lr", "it is called learning_rate"),
    (NETWORK, "training", "there is no mode to switch"),
    (NETWORK, "weights", "parameters"),
    (NETWORK, "requires_grad", r"freeze\(\) and unfreeze\(\)"),
    (NETWORK.parameters()[0], "requires_grad", "trainable = False"),
]


@pytest.mark.parametrize(("thing", "name", "advice"), ASSIGNED, ids=[n for _, n, _ in ASSIGNED])
def test_to_assign_to_what_is_not_here_is_refused_with_advice_too(thing, name, advice):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; .*{advice}"):
        setattr(thing, name, False)
    assert name not in vars(thing)


def test_a_layer_is_frozen_once_it_is_built():
    with pytest.raises(ConfigurationError, match="no option 'trainable': build it, then freeze"):
        Linear(4, 8, trainable=False)


def test_a_module_of_a_users_own_may_not_require_gradients_but_be_in_training():
    class Mine(Module):
        def __init__(self):
            self.training = True

    module = Mine()
    assert module.training
    module.training = False
    assert not module.training
    with pytest.raises(AttributeError, match="freeze"):
        module.requires_grad = False
