"""A dry run: what does not fit together is reported before the first step, not in mid-epoch.

Some samples go through the network, among them those with the smallest and the largest target and
index. Then every target is shown to the loss, and the metrics are tried. Of an iterable the first
batch is used.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.checks.own_code import described
from chainrule.data.samples import Batch, Samples, batch_bounds, rows_of
from chainrule.data.sources import Source
from chainrule.data.weights import without_class_weight
from chainrule.errors import ChainruleError, ConfigurationError, InputError, ModuleError
from chainrule.loss_functions import JointLoss, Loss, LossPerOutput
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.module import Module
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.pytree import PyTree, by_name, is_tuple, named_arrays, take, tree_leaves
from chainrule.training.measurement import its_output, measured_by
from chainrule.training.own_modules import own_modules, rehearse
from chainrule.training.state import TrainingState

ROWS = 13
"""How many samples are sent through: an unlikely size of anything else, see `tell_all_samples`."""

MOST_NUMBERS = 100_000_000
"""Every target is shown to the loss if that takes about this many numbers at most: a second."""

FAR = 1000.0
"""How far logits are moved: no probability is so far from the range 0 to 1."""


def dry_run(state: TrainingState, source: Source, called: str = "") -> None:
    """Raise what the first epoch would raise; `called` says which data it is."""
    try:
        if source.samples is not None:
            _run_samples(state, source.samples, called)
        else:
            batch = source.first()
            finite = all(_is_finite_in(array, state.network) for array in tree_leaves(batch[0]))
            if finite or called:  # else the first step raises it, with a post-mortem
                _run_batch(state, batch, source.class_weight)
    except (ModuleError, InputError) as error:
        if called and called not in str(error):
            _reword(error, lambda text: f"{text} (That is{called}.)")
        raise


def dry_run_backward(state: TrainingState, source: Source) -> None:
    """Raise what the backward pass of modules of the user's own would raise."""
    if Module.own_classes and own_modules(state.network):
        state.notes.extend(rehearse(state, rows_of(source.first(), slice(ROWS))))


def dry_run_single_sample(state: TrainingState, source: Source) -> None:
    """Raise what a training batch of one sample would raise, if there will be one."""
    samples = source.samples
    if samples is None:
        return
    bounds = batch_bounds(len(samples), source.batch_size, source.drop_last)
    if state.micro_batch_size == 1 or int(np.diff(bounds).min()) == 1:
        with np.errstate(all="ignore"):
            copy.deepcopy(state.network).forward(take(samples.X, samples.rows[:1]))


def _is_finite_in(array: Array, network: Network) -> bool:
    """Whether the numbers of an array are finite in the network's dtype."""
    if array.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):
        return all_finite(array.astype(network.dtype, copy=False))


def _run_samples(state: TrainingState, samples: Samples, called: str) -> None:
    """Send some samples through, among them the smallest and the largest target and index."""
    network, loss = state.network, state.loss
    for name, array in (named_arrays(samples.X, "X") | named_arrays(samples.y, "y")).items():
        _refuse_too_large(array, name + called, network.dtype)
    places = np.concatenate([samples.extremes(), _extreme_indices(network, samples)])
    rows = np.resize(places, max(ROWS, len(places)))
    try:
        y_pred = _run_batch(state, samples.take(rows), samples.class_weight)
    except (ModuleError, InputError) as error:
        tell_all_samples(error, len(rows), len(tree_leaves(samples.X)[0]))
        raise
    if y_pred is not None:
        _show_all_targets(loss, samples, y_pred)


def _run_batch(
    state: TrainingState, batch: Batch, class_weight: ClassWeight | None
) -> PyTree | None:
    """Raise what a batch would raise; return the predictions, or None if they are not finite."""
    x, y, weight = batch
    y_pred = state.network.predict(x)
    if not state.loss.takes(y_pred):
        return None  # the first step reports where they come from
    with np.errstate(all="ignore"):
        state.loss.value_and_gradient(y, y_pred, weight)  # a user's own may return anything
    if state.metrics:
        _try_metrics(
            state.loss,
            state.metrics,
            y,
            _with_far_logits(state.loss, y_pred),
            without_class_weight(y, weight, class_weight),
        )
    return y_pred


def _refuse_too_large(array: Array, name: str, dtype: np.dtype[Any]) -> None:
    """Raise InputError where a number becomes infinite in the network's dtype."""
    if array.dtype.kind != "f" or array.itemsize <= dtype.itemsize or isinstance(array, np.memmap):
        return
    largest = float(np.finfo(dtype).max)
    if max(array.max(), -array.min()) > largest:
        row = int((np.abs(array.reshape(len(array), -1)) > largest).any(axis=1).argmax())
        raise InputError(
            f"{name} holds numbers too large for the network's {dtype}, first in row {row}. Drop "
            "those rows, scale the data, or build the network with dtype='float64'."
        )


def _extreme_indices(network: Network, source: Samples) -> Array:
    """Return the rows with the smallest and the largest number of each integer input."""
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


def tell_all_samples(error: ModuleError | InputError, tried: int, samples: int) -> None:
    """Let a message name the shape of all samples, (150, 4), not of the few that were tried."""

    def reworded(text: str) -> str:
        return re.sub(rf"\({tried}(?=[,)])", f"({samples}", text)

    _reword(error, reworded)


def _reword(error: ModuleError | InputError, change: Callable[[str], str]) -> None:
    """Change the text of an error."""
    if isinstance(error, ModuleError):
        error.detail = change(error.detail)
    error.args = tuple(change(a) if isinstance(a, str) else a for a in error.args)


def _show_all_targets(loss: Loss, source: Samples, y_pred: PyTree) -> None:
    """Raise what the loss refuses about any of the targets, also one in the middle."""
    if isinstance(loss, LossPerOutput):
        losses = loss.losses_by_output
        pred = by_name(y_pred, list(losses), "The outputs that have a loss")
        true = by_name(source.y, list(losses), "The targets")
        pairs = [(part, true[name], pred[name]) for name, part in losses.items()]
    elif isinstance(loss, JointLoss) or isinstance(y_pred, Mapping):
        return  # what such a loss does with its targets is not known here
    else:
        pairs = [(loss, source.y, y_pred)]
    for part, true, pred in pairs:
        numbers = len(source) * max(1, pred[0].size)
        own = type(part).forward is not Loss.forward  # whose targets need not be rows
        if own or numbers > MOST_NUMBERS or isinstance(true, np.memmap):
            continue
        size = max(1, 1_000_000 // max(1, pred[0].size))
        for start in range(0, len(source), size):
            rows = source.rows[start : start + size]
            part.rows(true.take(rows, axis=0), np.resize(pred, (len(rows), *pred.shape[1:])))


def _with_far_logits(loss: Loss, y_pred: PyTree) -> PyTree:
    """Return the predictions, with logits moved as far from the range 0 to 1 as they may get.

    The initial ones might pass for probabilities. Moving all of them alike changes no order.
    """
    if isinstance(loss, LossPerOutput):
        if not isinstance(y_pred, Mapping):
            return y_pred
        losses = loss.losses_by_output
        return {name: _with_far_logits(losses[name], pred) for name, pred in y_pred.items()}
    return y_pred - FAR if getattr(loss, "from_logits", False) else y_pred


def _try_metrics(
    loss: Loss, metrics: Mapping[str, Any], y: PyTree, y_pred: PyTree, weight: Array | None
) -> None:
    """Raise ConfigurationError if a metric does not take such targets and predictions.

    Other errors of metrics that are not chainrule's are passed over: they may be due to there being
    so few samples.
    """
    for name, metric in metrics.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = measured_by(loss, metric, y, y_pred, weight)[0]
        except ConfigurationError:
            raise
        except (ChainruleError, TypeError, AttributeError, LookupError) as error:
            if isinstance(y_pred, Mapping) and its_output(metric)[1] is None:
                output = name if name in y_pred else next(iter(y_pred))
                why = str(error).rstrip(".")
                raise ConfigurationError(
                    f"The metric {name!r} is given all outputs at once, a dict of {[*y_pred]}, and "
                    f"cannot be taken of it: {why}. To measure one output, put its metrics in a "
                    f"list: metrics={{{output!r}: [accuracy]}}."
                ) from error
            if isinstance(error, LookupError):
                continue
            raise ConfigurationError(
                f"The metric {name!r} cannot be taken here: {error}"
            ) from error
        except Exception:
            continue
        if np.ndim(value) or not isinstance(value, int | float | np.number | np.ndarray):
            raise ConfigurationError(
                f"The metric {name!r} must return a number, got {described(value)}."
            )
