"""What a training is given, made into what it works with; and what makes no sense, refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks import (
    check_bool,
    check_function,
    check_instance,
    check_range,
    check_whole,
)
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.pytree import PyTree, by_name
from chainrule.training.averaging import ExponentialMovingAverage
from chainrule.training.callback import Callback
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.history import RESERVED
from chainrule.training.interruption import StopOnInterrupt
from chainrule.training.monitor import VALIDATION
from chainrule.training.run import MOST_WORKERS, Metric, Run
from chainrule.training.threads import blas_controller


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Return the metrics by name; a function is called what it is called.

    A partial has its options behind that, ``partial(f1_score, average="macro")`` is f1_score_macro;
    those of one output, ``{"species": [accuracy]}``, its name in front: species_accuracy.
    """
    if not isinstance(metrics, Mapping | Sequence) or isinstance(metrics, str):
        raise ConfigurationError(f"metrics must be a list, such as [accuracy]; got {metrics!r}.")
    if not isinstance(metrics, Mapping):
        pairs = [(_name_of(metric), metric) for metric in metrics]
    else:
        pairs = []
        for name, metric in metrics.items():
            if isinstance(metric, list | tuple):
                pairs += [(f"{name}_{_name_of(m)}", partial(_of_output, m, name)) for m in metric]
            else:
                pairs.append((name, metric))
    named: dict[str, Metric] = {}
    for name, metric in pairs:
        if name in named:
            raise ConfigurationError(
                f"Two metrics are called {name!r}. Give them names, in a dict: "
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
            )
        named[name] = metric
    return named


def _name_of(metric: Any) -> str:
    """Return what a function is called; of a partial, with its options behind.

    Text is an option's value alone, True its name, and other numbers have the name in front:
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


def _of_output(metric: Metric, name: str, y_true: PyTree, y_pred: PyTree) -> float:
    """Return the metric of one of several outputs."""
    outputs = by_name(y_pred, list(y_pred), "The outputs")
    if name not in outputs:
        raise ConfigurationError(
            f"There is no output {name!r} to measure; there are {list(y_pred)}."
        )
    return metric(by_name(y_true, list(y_pred), "The targets")[name], outputs[name])


def augmented(x: PyTree, augment: Any, rng: np.random.Generator) -> PyTree:
    """Return the batch changed by `augment`: one function, or one for each input by its name."""
    if not isinstance(augment, Mapping):
        return augment(x, rng)
    refuse_other_names(augment, x)
    return {name: augment[name](a, rng) if name in augment else a for name, a in x.items()}


def arranged(progress: Callback | None, callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks in the order to call them: those that write checkpoints come last.

    So a checkpoint holds what the others have just decided. And as ends are called in the
    opposite order, it is written before early stopping brings the best weights back; between the
    two, an average of the weights takes their place.
    """
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise ConfigurationError(
            f"callbacks must be a list, such as [EarlyStopping()]; got {callbacks!r}."
        )
    for callback in callbacks:
        check_instance(callback, Callback, "callbacks must be objects of subclasses of Callback")
    first: list[Callback] = [] if progress is None else [progress]
    last = (ExponentialMovingAverage, Checkpoint)
    ordered = sorted(callbacks, key=lambda c: [isinstance(c, kind) for kind in reversed(last)])
    return [*first, StopOnInterrupt(), *ordered]


def refuse_other_names(augment: Mapping[str, Any], x: PyTree) -> None:
    """Raise ConfigurationError where something is to be changed that is no input."""
    unknown = [name for name in augment if not isinstance(x, Mapping) or name not in x]
    if unknown:
        raise ConfigurationError(f"augment names {unknown}, which the data does not have.")


def check_augment(augment: Any, X: Any, y: Any) -> None:
    """Raise ConfigurationError unless it is a function, one for each of some inputs, or None."""
    if isinstance(augment, Mapping) and y is not None:  # else batches tell which inputs there are
        refuse_other_names(augment, X)
    functions = list(augment.values()) if isinstance(augment, Mapping) else [augment]
    for function in functions:
        if augment is not None:
            check_function(function, "augment must be a function augment(x, rng)")


def overridden(callbacks: Sequence[Callback], hook: str) -> list[Callable[[Run], None]]:
    """Return the hooks of this name that do something: one that is not there costs nothing."""
    kept = [c for c in callbacks if getattr(type(c), hook) is not getattr(Callback, hook)]
    return [getattr(callback, hook) for callback in kept]


def check_arguments(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    clip_norm: float | None,
    micro_batch_size: int | None,
    workers: int | str,
    sync_batch_norm: bool,
    ranks: int = 1,
) -> None:
    """Raise ConfigurationError where a Trainer is given something else than it needs."""
    check_instance(network, Network, "network must be a Network")
    check_instance(loss, Loss, "loss must be a Loss")
    check_instance(optimizer, Optimizer, "optimizer must be an Optimizer")
    if clip_norm is not None:
        check_range("clip_norm", clip_norm, inclusive=False)
    if micro_batch_size is not None:
        check_whole("micro_batch_size", micro_batch_size)
    check_workers(workers)
    if ranks > 1:
        blas_controller()
        if workers == "auto":
            raise ConfigurationError(
                "workers='auto' is found out by one process's steps; with several ranks give the "
                "number of threads that each shall have, such as workers=1."
            )
    if check_bool("sync_batch_norm", sync_batch_norm) and micro_batch_size is not None:
        raise ConfigurationError(
            "sync_batch_norm takes statistics over the whole batch, of which micro_batch_size lets "
            "only a part be there at a time. Give one of the two."
        )


def check_workers(workers: int | str) -> None:
    """Raise ConfigurationError unless this is a number or "auto"; and where they cannot work."""
    if workers != "auto":
        if isinstance(workers, str):
            raise ConfigurationError(f"workers must be a whole number or 'auto', got {workers!r}.")
        check_whole("workers", workers, most=MOST_WORKERS)
    if workers != 1:
        blas_controller()


def as_loss(loss: Any, weights: Mapping[str, float] | None) -> Any:
    """Return the losses of several outputs as one; a single loss as it is."""
    if isinstance(loss, Mapping):
        return LossPerOutput(loss, weights=weights)
    if weights is not None:
        raise ConfigurationError(
            "loss_weights says how much each output's loss counts: give the losses as a dict too."
        )
    return loss


def refuse_two_class_weights(loss: Loss, class_weight: ClassWeight | str | None) -> None:
    """Raise ConfigurationError where both the loss and `fit` are told how much classes count."""
    if class_weight is not None and getattr(loss, "class_weight", None) is not None:
        raise ConfigurationError(
            f"class_weight is given to fit and to the loss, {loss!r}: classes would be weighted "
            "twice. Give it to one of the two."
        )
