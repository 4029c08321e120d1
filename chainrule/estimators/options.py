"""The words of the estimators' options, what they stand for in chainrule, and their bounds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import loss_functions, optimizers
from chainrule.checks import (
    check_choice,
    check_range,
    check_whole,
    check_whole_numbers,
    is_whole,
    network_dtype,
)
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.preparation import Preparation

MakeOptimizer = Callable[..., Optimizer]

ACTIVATIONS: Mapping[str, str] = {
    **{name: name for name in ("relu", "silu", "gelu", "mish", "elu", "selu", "leaky_relu")},
    "tanh": "tanh",
    "logistic": "sigmoid",
    "sigmoid": "sigmoid",
}
"""scikit-learn's word and the ensemble's."""

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
    "nadam": optimizers.NAdam,
    "radam": optimizers.RAdam,
    "rmsprop": optimizers.RMSprop,
    "sgd": optimizers.SGD,
    "momentum": optimizers.Momentum,
    "nesterov": optimizers.Nesterov,
    "lion": optimizers.Lion,
}

REGRESSION_LOSSES: Mapping[str, type[Loss]] = {
    "squared_error": loss_functions.MeanSquaredError,
    "absolute_error": loss_functions.MeanAbsoluteError,
    "huber": loss_functions.Huber,
}


def optimizer_maker(optimizer: Any) -> MakeOptimizer:
    """Return what makes an optimizer: a class, or a function that takes the same arguments."""
    if callable(optimizer) and not isinstance(optimizer, Optimizer):
        return optimizer
    return check_choice("optimizer", optimizer, OPTIMIZERS, ", or the class of one, such as Adam")


def regression_loss(loss: Any) -> Loss:
    """Return the loss on numbers."""
    if isinstance(loss, Loss):
        return copy.deepcopy(loss)
    return check_choice("loss", loss, REGRESSION_LOSSES, ", or a loss such as Huber()")()


def class_loss(loss: Any, output: str) -> Loss:
    """Return the loss on what goes into a Softmax or a Sigmoid."""
    if isinstance(loss, Loss):
        if not hasattr(loss, "from_logits"):
            raise ConfigurationError(
                f"A classifier's loss must be one on probabilities, such as "
                f"CategoricalFocalCrossEntropy(); got {loss!r}."
            )
        loss = copy.deepcopy(loss)
        loss.from_logits = True
        return loss
    usual = CategoricalCrossEntropy if output == "softmax" else BinaryCrossEntropy
    otherwise = ", or a loss such as CategoricalFocalCrossEntropy()"
    check_choice("loss", loss, {"log_loss": usual}, otherwise)
    return usual(from_logits=True)


def sizes_of(hidden_layers: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers: one number is one layer, an empty tuple none."""
    if is_whole(hidden_layers):
        return (check_whole("hidden_layers", hidden_layers),)
    return check_whole_numbers("hidden_layers", hidden_layers)


# ---------------------------------------------------------------- bounds


def check(estimator: Any) -> None:
    """Raise ConfigurationError where an estimator's option makes no sense, naming it."""
    sizes_of(estimator.hidden_layers)
    check_choice("activation", estimator.activation, ACTIVATIONS)
    check_range("dropout", estimator.dropout, high=1)
    if not isinstance(estimator.batch_norm, str) or estimator.batch_norm != "auto":
        check_truth("batch_norm", estimator.batch_norm, " or 'auto'")
    optimizer_maker(estimator.optimizer)
    check_range("learning_rate", estimator.learning_rate, inclusive=False)
    check_range("weight_decay", estimator.weight_decay)
    check_whole("epochs", estimator.epochs)
    if estimator.batch_size != "auto" or not isinstance(estimator.batch_size, str):
        check_whole("batch_size", estimator.batch_size)
    check_stopping(estimator)
    check_whole("members", estimator.members)
    check_truth("warm_start", estimator.warm_start)
    if not callable(estimator.verbose):
        check_truth("verbose", estimator.verbose)
    network_dtype(estimator.dtype)
    check_preparation(estimator.preparation)
    if estimator.network is not None and not (
        isinstance(estimator.network, Network)
        or (callable(estimator.network) and not isinstance(estimator.network, type))
    ):
        raise ConfigurationError(
            "network must be a Network, or a function (features, outputs) that returns one; got "
            f"{estimator.network!r:.100}."
        )


def check_stopping(estimator: Any) -> None:
    """Check when training ends."""
    wanted = estimator.early_stopping
    if not (isinstance(wanted, bool | np.bool_) or (isinstance(wanted, str) and wanted == "auto")):
        raise ConfigurationError(f"early_stopping must be True, False or 'auto'; got {wanted!r}.")
    check_range("validation_fraction", estimator.validation_fraction, high=1, inclusive=False)
    check_whole("patience", estimator.patience)


def check_truth(name: str, value: Any, otherwise: str = "") -> None:
    """Refuse what is neither True nor False, nor a number that says how much."""
    if not isinstance(value, bool | np.bool_ | int | np.integer):
        raise ConfigurationError(f"{name} must be True or False{otherwise}, got {value!r}.")


def check_preparation(preparation: Any) -> None:
    """Refuse what does not prepare rows."""
    automatic = isinstance(preparation, str) and preparation == "auto"
    if not (preparation is None or automatic or isinstance(preparation, Preparation)):
        raise ConfigurationError(
            "preparation must be 'auto', None or a Preparation such as TablePreparation(); got "
            f"{preparation!r:.100}."
        )
