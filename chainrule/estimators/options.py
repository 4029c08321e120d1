"""The estimators' options: what their words stand for, and which values are valid."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule import loss_functions, optimizers
from chainrule.checks import (
    check_bool,
    check_choice,
    check_function,
    check_instance,
    check_range,
    check_whole,
    check_whole_numbers,
    is_whole,
    network_dtype,
)
from chainrule.ensemble import architecture
from chainrule.ensemble.optimizer import OptimizerFactory
from chainrule.errors import ConfigurationError
from chainrule.estimators import defaults
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.preparation import Preparation

ACTIVATIONS = {**{name: name for name in architecture.ACTIVATIONS}, "logistic": "sigmoid"}
"""scikit-learn's names, and the ensemble's."""

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
    "adagrad": optimizers.AdaGrad,
    "adadelta": optimizers.Adadelta,
    "adamax": optimizers.Adamax,
}

LOSSES: Mapping[str, Mapping[str, type[Loss]]] = {
    "softmax": {"log_loss": loss_functions.CategoricalCrossEntropy},
    "sigmoid": {"log_loss": loss_functions.BinaryCrossEntropy},
    "linear": {
        "squared_error": loss_functions.MeanSquaredError,
        "absolute_error": loss_functions.MeanAbsoluteError,
        "huber": loss_functions.Huber,
    },
}
"""What the names of losses stand for, by the network's output."""

FIXED = ["activation", "batch_norm", "dropout", "dtype", "hidden_layers", "loss", "members"]
FIXED += ["network", "preparation", "random_state"]
"""Options that count when training starts; `partial_fit` and warm_start cannot change them."""

PLAIN = (bool, int, float, str, tuple, np.generic)


# ---------------------------------------------------------------- what they stand for


def optimizer_factory(optimizer: Any) -> OptimizerFactory:
    """Return what makes an optimizer: a class, or a function that takes the same arguments."""
    if callable(optimizer) and not isinstance(optimizer, Optimizer):
        return optimizer
    otherwise = ", or the class of one, such as Adam"
    if isinstance(optimizer, str) and optimizer == "lbfgs":
        otherwise += (
            " (L-BFGS needs all rows in every step, and members are trained on batches of their "
            "own: Trainer(network, loss, LBFGS()).fit(X, y, batch_size=len(X)) trains one network)"
        )
    return check_choice("optimizer", optimizer, OPTIMIZERS, otherwise)


def make_loss(loss: Any, output: str) -> Loss:
    """Return the loss of an ensemble with this output; a loss for classes takes logits."""
    if isinstance(loss, Loss):
        loss = copy.deepcopy(loss)
    else:
        example = "Huber()" if output == "linear" else "CategoricalFocalCrossEntropy()"
        loss = check_choice("loss", loss, LOSSES[output], f", or a loss such as {example}")()
    if output == "linear":
        return loss
    if not hasattr(loss, "from_logits"):
        raise ConfigurationError(
            "A classifier's loss must take probabilities, such as CategoricalFocalCrossEntropy(); "
            f"got {loss!r}."
        )
    loss.from_logits = True
    return loss


def layer_sizes(hidden_layers: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers: a number is one layer, an empty tuple none."""
    if is_whole(hidden_layers):
        return (check_whole("hidden_layers", hidden_layers),)
    return check_whole_numbers("hidden_layers", hidden_layers)


def batch_size(estimator: Any, rows: int) -> int:
    """Return how many of these rows make a step."""
    wanted = estimator.batch_size
    return min(defaults.batch_size(rows) if wanted == "auto" else wanted, rows)


def batch_norm(estimator: Any, rows: int) -> bool:
    """Return whether there is a `BatchNorm`, for a training on so many rows."""
    wanted = estimator.batch_norm
    return rows >= defaults.ROWS_FOR_BATCH_NORM if isinstance(wanted, str) else wanted


def patience(estimator: Any) -> int | None:
    """Return after how many epochs without an improvement training stops, or None."""
    wanted = estimator.early_stopping
    return estimator.patience if isinstance(wanted, str) or wanted else None


# ---------------------------------------------------------------- which values are valid


def check(estimator: Any) -> None:
    """Raise ConfigurationError for an option that is invalid, naming it."""
    layer_sizes(estimator.hidden_layers)
    check_choice("activation", estimator.activation, ACTIVATIONS)
    check_range("dropout", estimator.dropout, high=1)
    optimizer_factory(estimator.optimizer)
    check_range("learning_rate", estimator.learning_rate, inclusive=False)
    check_range("weight_decay", estimator.weight_decay)
    check_whole("epochs", estimator.epochs)
    if not _is_auto(estimator.batch_size):
        check_whole("batch_size", estimator.batch_size)
    for name in ("batch_norm", "early_stopping"):
        value = getattr(estimator, name)
        if not (_is_auto(value) or isinstance(value, bool | np.bool_)):
            raise ConfigurationError(f"{name} must be True, False or 'auto'; got {value!r}.")
    check_range("validation_fraction", estimator.validation_fraction, high=1, inclusive=False)
    check_whole("patience", estimator.patience)
    check_whole("members", estimator.members)
    for name in ("warm_start", "temperature_scaling"):
        check_bool(name, getattr(estimator, name, False))
    if not callable(estimator.verbose) and not is_whole(estimator.verbose):
        check_bool("verbose", estimator.verbose)
    network_dtype(estimator.dtype)
    preparation, network = estimator.preparation, estimator.network
    if preparation is not None and not _is_auto(preparation):
        expected = "preparation must be 'auto', None or a Preparation such as TablePreparation()"
        check_instance(preparation, Preparation, expected)
    if network is not None and not isinstance(network, Network):
        expected = "network must be a Network, or a function (features, outputs) that returns one"
        check_function(network, expected)


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def fixed_options(estimator: Any) -> dict[str, Any]:
    """Return the options that cannot change once training has started."""
    found = {name: getattr(estimator, name) for name in FIXED}
    return {**found, "hidden_layers": layer_sizes(estimator.hidden_layers)}


def check_unchanged(estimator: Any, before: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if an option has changed that training cannot follow any more."""
    for name, now in fixed_options(estimator).items():
        old = before[name]
        same = isinstance(old, PLAIN) and isinstance(now, PLAIN) and old == now
        if not (same or old is now):
            raise ConfigurationError(
                f"{name} was {old!r:.80} when training started, and is now {now!r:.80}. "
                "partial_fit and warm_start continue with the same networks: set it back, or fit "
                "a new estimator, clone(estimator).fit(X, y)."
            )
