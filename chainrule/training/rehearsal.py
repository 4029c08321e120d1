"""A rehearsal: what does not fit together is told before the first step, not in an epoch's middle.

Some samples go through the network, and with them come the least and the greatest target and index.
Then every target is shown to the loss, and the metrics are tried. Of an iterable the first batch
is looked at.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch, Samples, batch_bounds
from chainrule.data.sources import Source
from chainrule.errors import ChainruleError, ConfigurationError, InputError, ModuleError
from chainrule.loss_functions import JointLoss, Loss, LossPerOutput
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.pytree import PyTree, by_name, first_array, is_tuple, named_arrays, take, tree_leaves
from chainrule.training.run import Run

ROWS = 13
"""How many samples are sent through: not a likely size of anything else, see `in_users_words`."""

MOST_NUMBERS = 100_000_000
"""Every target is shown to the loss where that is about so many numbers at most: a second."""

FAR = 1000.0
"""How far logits are moved: no probability is so far from 0 to 1."""


def rehearse(trainer: Run, source: Source, called: str = "") -> None:
    """Raise what the first epoch would raise; `called` says which data it is."""
    try:
        if source.samples is not None:
            rehearse_arrays(trainer, source.samples, called)
        else:
            batch = source.first()
            finite = all(is_finite_in(array, trainer.network) for array in tree_leaves(batch[0]))
            if finite or called:  # else the first step tells, with a report
                rehearse_batch(trainer, batch)
    except (ModuleError, InputError) as error:
        if called and called not in str(error):
            say(error, lambda text: f"{text} (That is{called}.)")
        raise


def is_finite_in(array: Array, network: Network) -> bool:
    """Whether an array holds finite numbers still in the network's type."""
    if array.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):
        return all_finite(array.astype(network.dtype, copy=False))


def rehearse_arrays(trainer: Run, source: Samples, called: str) -> None:
    """Send some samples through, with the least and the greatest target and index among them."""
    network, loss = trainer.network, trainer.loss
    for name, array in (named_arrays(source.X, "X") | named_arrays(source.y, "y")).items():
        refuse_too_large(array, name + called, network.dtype)
    places = np.concatenate([source.extremes(), extreme_indices(network, source)])
    rows = np.resize(places, max(ROWS, len(places)))
    x, y = take(source.X, rows), take(source.y, rows)
    try:
        y_pred = rehearse_batch(trainer, (x, y, None))
    except (ModuleError, InputError) as error:
        in_users_words(error, len(rows), len(first_array(source.X)))
        raise
    if y_pred is not None:
        show_all_targets(loss, source, y_pred)


def rehearse_batch(trainer: Run, batch: Batch) -> PyTree | None:
    """Raise what a batch would raise; return the predictions, or None where they are not finite."""
    x, y, weight = batch
    y_pred = trainer.network.predict(x)
    if not all(all_finite(array) for array in tree_leaves(y_pred)):
        return None  # the first step tells from where
    with np.errstate(all="ignore"):
        trainer.loss.forward(y, y_pred, weight)
    try_metrics(trainer.metrics, y, with_far_logits(trainer.loss, y_pred))
    return y_pred


def rehearse_single_sample(trainer: Run, source: Source) -> None:
    """Raise what a batch of one sample would raise in training, where there will be one."""
    samples = source.samples
    if samples is None:
        return
    bounds = batch_bounds(len(samples), source.batch_size, source.drop_last)
    if 1 in (trainer.micro_batch_size, *np.diff(bounds)):
        with np.errstate(all="ignore"):
            copy.deepcopy(trainer.network).forward(take(samples.X, samples.rows[:1]))


def refuse_too_large(array: Array, name: str, dtype: np.dtype[Any]) -> None:
    """Raise InputError where a number becomes infinite in the network's type."""
    if array.dtype.kind != "f" or array.itemsize <= dtype.itemsize or isinstance(array, np.memmap):
        return
    largest = float(np.finfo(dtype).max)
    if max(array.max(), -array.min()) > largest:
        row = int((np.abs(array.reshape(len(array), -1)) > largest).any(axis=1).argmax())
        raise InputError(
            f"{name} holds numbers too large for the network's {dtype}, first in row {row}. Drop "
            "those rows, scale the data, or build the network with dtype='float64'."
        )


def extreme_indices(network: Network, source: Samples) -> Array:
    """Return the samples with the least and the greatest number in each input of whole numbers."""
    rows: list[int] = []
    for name, array in _inputs(network, source.X):
        whole = array.dtype.kind in "iu" and not isinstance(array, np.memmap)
        if whole and network.input_kinds().get(name) != "floats":
            numbers = array.take(source.rows, axis=0).reshape(len(source.rows), -1)
            rows += [int(numbers.min(axis=1).argmin()), int(numbers.max(axis=1).argmax())]
    return source.rows[np.array(rows, np.intp)]


def _inputs(network: Network, X: PyTree) -> Iterator[tuple[str, Array]]:
    names = list(network.input_kinds())
    if isinstance(X, Mapping):
        yield from X.items()
    else:
        yield from zip(names, X if is_tuple(X) else (X,), strict=False)


def in_users_words(error: ModuleError | InputError, tried: int, samples: int) -> None:
    """Let a message speak of all samples, (150, 4), where it speaks of the few that were tried."""

    def told(text: str) -> str:
        return re.sub(rf"\({tried}(?=[,)])", f"({samples}", text)

    say(error, told)


def say(error: ModuleError | InputError, told: Callable[[str], str]) -> None:
    """Change the words of an error."""
    if isinstance(error, ModuleError):
        error.detail = told(error.detail)
    error.args = tuple(told(a) if isinstance(a, str) else a for a in error.args)


def show_all_targets(loss: Loss, source: Samples, y_pred: PyTree) -> None:
    """Raise what the loss has against any of the targets, one in the middle too."""
    if isinstance(loss, LossPerOutput):
        losses = loss.losses_by_output
        pred = by_name(y_pred, list(losses), "The outputs that have a loss")
        true = by_name(source.y, list(losses), "The targets")
        pairs = [(part, true[name], pred[name]) for name, part in losses.items()]
    elif isinstance(loss, JointLoss) or isinstance(y_pred, Mapping):
        return  # what such a loss makes of its targets is its own affair
    else:
        pairs = [(loss, source.y, y_pred)]
    for part, true, pred in pairs:
        numbers = len(source) * max(1, pred[0].size)
        if numbers > MOST_NUMBERS or isinstance(true, np.memmap):
            continue
        size = max(1, 1_000_000 // max(1, pred[0].size))
        for start in range(0, len(source), size):
            rows = source.rows[start : start + size]
            part.rows(true.take(rows, axis=0), np.resize(pred, (len(rows), *pred.shape[1:])))


def with_far_logits(loss: Loss, y_pred: PyTree) -> PyTree:
    """Return the predictions, those that are logits as far from 0 to 1 as they may come to lie.

    The first ones of all might pass for probabilities. Moving all of them changes no order.
    """
    if isinstance(loss, LossPerOutput):
        if not isinstance(y_pred, Mapping):
            return y_pred
        losses = loss.losses_by_output
        return {name: with_far_logits(losses[name], pred) for name, pred in y_pred.items()}
    return y_pred - FAR if getattr(loss, "from_logits", False) else y_pred


def try_metrics(metrics: Mapping[str, Any], y: PyTree, y_pred: PyTree) -> None:
    """Raise ConfigurationError where a metric is not made for such targets and predictions.

    What others than chainrule's metrics raise of so few samples may be due to these.
    """
    for name, metric in metrics.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = metric(y, y_pred)
        except ConfigurationError:
            raise
        except (ChainruleError, TypeError) as error:
            raise ConfigurationError(
                f"The metric {name!r} cannot be taken here: {error}"
            ) from error
        except Exception:
            continue
        if np.ndim(value) or not isinstance(value, int | float | np.number | np.ndarray):
            raise ConfigurationError(f"The metric {name!r} must return a number, got {value!r}.")
