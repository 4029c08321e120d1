"""The options of `Trainer` and its `fit`: validated, and turned into what training works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks import check_function, check_instance, check_range, is_own
from chainrule.checks.own_code import check_call, described, named, refuse_swapped
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.pytree import PyTree, first_array, tree_leaves
from chainrule.training.history import RESERVED
from chainrule.training.measurement import metric_of_output
from chainrule.training.monitor import VALIDATION
from chainrule.training.state import Metric

Augment = Callable[[Any, np.random.Generator], Any]
ClassWeights = ClassWeight | str

# ---------------------------------------------------------------- loss and optimizer


def check_trainer(network: Any, loss: Any, optimizer: Any, clip_norm: float | None) -> float | None:
    """Return `clip_norm`; raise ConfigurationError if `Trainer` is given something else."""
    check_instance(network, Network, "network must be a Network")
    check_instance(loss, Loss, "loss must be a Loss, such as MeanSquaredError() or one of your own")
    check_instance(optimizer, Optimizer, "optimizer must be an Optimizer, such as Adam(0.001)")
    if is_own(loss):
        loss.check_usable()
    if is_own(optimizer) and not optimizer.needs_closure:
        check_call(optimizer.step, ("network",), "def step(self, network)")
    if clip_norm is not None and optimizer.needs_closure:
        raise ConfigurationError(
            f"{type(optimizer).__name__} compares losses with gradients, which clip_norm would "
            "change. It needs no clipping: no step goes to a higher loss."
        )
    return None if clip_norm is None else check_range("clip_norm", clip_norm, inclusive=False)


def as_loss(loss: Any, weights: Mapping[str, float] | None) -> Any:
    """Return the losses of several outputs as one loss; a single loss as it is."""
    if isinstance(loss, Mapping):
        return LossPerOutput(loss, weights=weights)
    if weights is not None:
        raise ConfigurationError(
            "loss_weights says how much each output's loss counts: give the losses as a dict too."
        )
    return loss


def refuse_two_class_weights(loss: Loss, class_weight: ClassWeights | None) -> None:
    """Raise ConfigurationError if both the loss and `fit` have class weights."""
    if class_weight is not None and getattr(loss, "class_weight", None) is not None:
        raise ConfigurationError(
            f"class_weight is given to fit and to the loss, {loss!r}: classes would be weighted "
            "twice. Give it to one of the two."
        )


# ---------------------------------------------------------------- metrics


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Return the metrics by name; a function has its own name.

    A partial has its options appended: ``partial(f1_score, average="macro")`` is f1_score_macro.
    Those of one output have its name in front: ``{"species": [accuracy]}`` is species_accuracy.

    >>> from chainrule.metrics import accuracy, f1_score
    >>> list(named_metrics([accuracy, partial(f1_score, average="macro")]))
    ['accuracy', 'f1_score_macro']
    """
    if not isinstance(metrics, Mapping | Sequence) or isinstance(metrics, str):
        raise ConfigurationError(f"metrics must be a list, such as [accuracy]; got {metrics!r}.")
    if not isinstance(metrics, Mapping):
        pairs = [(_name_of(metric), metric) for metric in metrics]
    else:
        pairs = []
        for name, metric in metrics.items():
            if isinstance(metric, list | tuple):
                pairs += [(f"{name}_{_name_of(m)}", metric_of_output(m, name)) for m in metric]
            else:
                pairs.append((name, metric))
    named: dict[str, Metric] = {}
    for name, metric in pairs:
        if name in named:
            raise ConfigurationError(
                f"Two metrics are called {name!r}. Name them in a dict: "
                f"metrics={{'first': ..., 'second': ...}}."
            )
        if name in RESERVED or name.startswith(VALIDATION):
            raise ConfigurationError(
                f"A metric cannot be called {name!r}: the history has a column of that name, or "
                f"may have one. Rename it: metrics={{'my_{name}': ...}}."
            )
        if not callable(metric):
            raise ConfigurationError(
                f"A metric is a function (y_true, y_pred) -> float, such as "
                f"chainrule.metrics.accuracy; got {metric!r} as {name!r}."
                + (" Give the function itself, not its name." if isinstance(metric, str) else "")
            )
        write = f"def {name if name.isidentifier() else 'metric'}(y_true, y_pred)"
        check_call(metric, ("y_true", "y_pred"), write)
        refuse_swapped(metric, write)
        named[name] = metric
    return named


def _name_of(metric: Any) -> str:
    """Return the name of a function; of a partial, with its options appended.

    Of text the value is appended, of True the name, and of other numbers both:
    roc_auc_score_ovo_weighted, balanced_accuracy_score_adjusted, top_k_accuracy_k_3.
    """
    if not isinstance(metric, partial):
        return getattr(metric, "__name__", type(metric).__name__)
    words = [_name_of(metric.func)]
    for option, value in metric.keywords.items():
        if isinstance(value, str):
            words.append(value)
        elif value is True:
            words.append(option)
        elif value is None or isinstance(value, bool | int | float | np.number):
            words.append(f"{option}_{value}")
    return "_".join(words)


# ---------------------------------------------------------------- augmentation


def make_augment(
    augment: Augment | Mapping[str, Augment] | None, rng: np.random.Generator, X: PyTree
) -> Callable[[PyTree], PyTree] | None:
    """Return a function that augments a batch: by one function, or one for each input by name.

    `X` is the data, or None if the batches will tell which inputs there are.
    """
    if augment is None:
        return None
    functions = augment.values() if isinstance(augment, Mapping) else [augment]
    for function in functions:
        check_function(function, "augment must be a function augment(x, rng)")
        check_call(function, ("x", "rng"), "def augment(x, rng)")

    def changed(function: Augment, x: Any) -> Any:
        """Return the batch, changed; refuse another number of samples."""
        count, new = len(first_array(x)), function(x, rng)
        arrays = [new] if isinstance(x, np.ndarray) else tree_leaves(new)
        if any(np.ndim(array) == 0 or len(array) != count for array in arrays):
            raise InputError(
                f"{named(function)} returned {described(new)} for a batch of {count} samples; it "
                "must return the inputs of as many samples, changed."
            )
        return new

    if not isinstance(augment, Mapping):
        return lambda x: changed(augment, x)

    def refuse_unknown(x: PyTree) -> None:
        unknown = [name for name in augment if not isinstance(x, Mapping) or name not in x]
        if unknown:
            raise ConfigurationError(f"augment names {unknown}, which the data does not have.")

    def each(x: PyTree) -> PyTree:
        refuse_unknown(x)
        return {name: changed(augment[name], a) if name in augment else a for name, a in x.items()}

    if X is not None:
        refuse_unknown(X)
    return each
