"""Habits from other libraries: what is told to those who have them."""

import copy
import pickle
import re

import pytest

import chainrule
from chainrule import (
    LSTM,
    SGD,
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    ConfigurationError,
    Dropout,
    Linear,
    Network,
    ReLU,
    Softmax,
    Trainer,
)

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
