"""Hints: habits from other libraries, and what to do here; each told in one line.

They stand where Python would say only that there is no such name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from chainrule.errors import ConfigurationError

Function = TypeVar("Function", bound=Callable[..., Any])

NO_MODE = "there is no mode to switch: a pass is for training unless it is predict(x)"
NO_ZEROING = "each backward pass sets the gradients anew, so there is nothing to zero"
TRAINED = "a Trainer trains it: Trainer(network, loss, optimizer).fit(X, y)"
MEASURED = "Trainer(network, loss, optimizer, metrics=[accuracy]).evaluate(X, y) measures it"
ON_THE_PROCESSOR = "everything runs on the processor, in NumPy"

OF_MODULES = {
    "fit": TRAINED,
    "compile": "loss and optimizer go to the Trainer: Trainer(network, loss, optimizer)",
    "train": f"{NO_MODE}; {TRAINED}",
    "eval": NO_MODE,
    "evaluate": MEASURED,
    "score": MEASURED,
    "predict_proba": "a network that ends in Softmax or Sigmoid gives probabilities: predict(X)",
    "zero_grad": NO_ZEROING,
    "state_dict": "state() returns all values by name, and save(path) writes them",
    "load_state_dict": "load_state(state) takes values by name; Network.load(path) reads a file",
    "get_weights": "state() returns all values by name, parameters() the parameters",
    "set_weights": "load_state(state) takes values by name",
    "add": "a network is built whole: Network([Linear(4, 8), ReLU(), Linear(8, 3)])",
    "to": f"{ON_THE_PROCESSOR}; Network(..., dtype='float64') chooses the type",
    "cuda": ON_THE_PROCESSOR,
    "cpu": ON_THE_PROCESSOR,
    "double": "Network(..., dtype='float64') chooses the type",
    "modules": "layers are network.layers, and iterating over the network gives them",
}
OF_OPTIMIZERS = {
    "zero_grad": NO_ZEROING,
    "param_groups": "lr_multipliers={'layers.0.*': 0.1} gives parameters rates of their own",
    "apply_gradients": "after network.backward(gradient) it is optimizer.step(network)",
    "minimize": "after network.backward(gradient) it is optimizer.step(network)",
    "update": "it is optimizer.step(network)",
    "lr": "it is called learning_rate",
    "state_dict": "state() returns its memory by name",
    "load_state_dict": "load_state(state) takes its memory by name",
}
OF_TRAINERS = {
    "train": "it is fit(X, y)",
    "compile": "loss and optimizer are given when it is built: Trainer(network, loss, optimizer)",
    "save": "trainer.network.save(path) writes the network, the Checkpoint callback the training",
    "test": "evaluate(X, y) measures, predict(X) predicts",
    "score": "evaluate(X, y) measures, predict(X) predicts",
}

RENAMED = "it is called "

OPTIONS = {
    "lr": "it is called learning_rate",
    "betas": "they are called beta1 and beta2",
    "beta_1": "it is called beta1",
    "beta_2": "it is called beta2",
    "eps": "it is called epsilon",
    "rate": "it is called p",
    "dim": "it is called axis",
    "activation": "an activation is a layer of its own: [Linear(4, 8), ReLU()]",
    "input_shape": "sizes come first: Linear(in_features, out_features)",
    "input_dim": "sizes come first: Linear(in_features, out_features)",
    "units": "sizes come first: Linear(in_features, out_features)",
    "filters": "sizes come first: Conv2d(in_channels, out_channels, kernel_size)",
    "batch_first": "the batch axis always comes first: (N, T, features)",
    "device": ON_THE_PROCESSOR,
    "verbose": "it is called progress: progress=False shows nothing",
    "optimizer": "the optimizer goes to the Trainer: Trainer(network, loss, optimizer)",
    "loss": "the loss goes to the Trainer: Trainer(network, loss, optimizer)",
    "learning_rate": "it belongs to the optimizer: Adam(learning_rate=0.001)",
}
"""Options of other names, by what they are called elsewhere."""


def missing(thing: object, name: str, hints: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that is not there, with what to do instead."""
    hint = f"; {hints[name]}." if name in hints else ""
    kind = type(thing).__name__
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint}", name=name, obj=thing)


def hinting(function: Function, positional: str = "") -> Function:
    """Let a function tell what its options are called here, where a call does not fit it.

    `positional` is told to those who give too much by position.
    """

    @functools.wraps(function)
    def told(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except TypeError:
            hint = hint_for(function, arguments, options, positional)
            if hint:
                called = type(arguments[0]).__name__ + f".{function.__name__}"
                raise ConfigurationError(f"{called.removesuffix('.__init__')}{hint}") from None
            raise

    return told  # type: ignore[return-value]


def hint_for(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    positional: str,
) -> str:
    """Return what to say of a call, or nothing where it fits: then the error came from inside."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
        return ""
    except TypeError:
        known = signature.parameters
    for name in options:
        hint = OPTIONS.get(name, "")
        if name == "lr" and "learning_rate" not in known:
            hint = OPTIONS["learning_rate"]
        here = hint.removeprefix(RENAMED).split(":")[0] if hint.startswith(RENAMED) else None
        if hint and name not in known and (here is None or here in known):
            return f" has no option {name!r}: {hint}."
    by_position = [p for p in known.values() if p.kind is not p.KEYWORD_ONLY]
    too_many = len(arguments) > len(by_position)
    return f" {positional}" if positional and too_many else ""
