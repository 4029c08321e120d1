"""A step that met NaN or infinity: the report about it, and what is saved of it."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch
from chainrule.data.sources import Source
from chainrule.diagnosis.post_mortem import NonFiniteArray, investigate, investigate_prediction
from chainrule.errors import (
    ChainruleError,
    ConfigurationError,
    InputError,
    NotFiniteError,
    RankError,
)
from chainrule.module import Module, named_generators
from chainrule.network import Network
from chainrule.parallel.strategy import StepFailed
from chainrule.parameter import Array
from chainrule.pytree import PyTree, as_dict, first_array, tree_leaves
from chainrule.storage.archive import write_archive
from chainrule.storage.names import with_prefix
from chainrule.storage.rng_state import to_plain_state
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.state import TrainingState
from chainrule.watching import Watcher, watch

LAST_LOSSES = 5

MAY_BE_NOT_FINITE = (InputError, StepFailed, RankError)
"""Errors of a step behind which there may be NaN or infinity."""

# ---------------------------------------------------------------- reporting it


def report_step(
    state: TrainingState, batch: Batch, generators: Sequence[Any], error: Exception
) -> None:
    """Raise NotFiniteError with a post-mortem, if that is why a step failed.

    `generators` are the states of `state.generators` before the step.
    """
    rng_states = dict(zip(state.generators, generators, strict=True))
    failed = error if isinstance(error, StepFailed) else None
    try:
        finding = investigate(
            state.network, state.loss, batch, state.optimizer, state.clip_norm, rng_states
        )
    except ChainruleError:
        finding = None
    if finding is None:
        if failed is None:
            return
        network = failed.network or state.network  # a replica, with its part of the batch
        finding = _traces(network, failed.stage, failed.batch or batch, rng_states)
    what = (
        f"Training met NaN or infinity at step {state.step + 1} (epoch {state.epoch + 1}, "
        f"batch {state.batch + 1}) and stopped; the step was not completed."
    )
    first = state.batch * state.batch_size
    samples = _samples(state.order[first:], finding.rows)
    raise _error(state, what, finding, samples, batch, rng_states) from None


def report_evaluation(state: TrainingState, source: Source, number: int, batch: Batch) -> None:
    """Raise NotFiniteError if data that are not trained on led to NaN or infinity.

    `number` is that of the batch in the source.
    """
    finding = investigate_prediction(state.network, batch[0], state.loss)
    if finding is None:
        return
    what = (
        f"Evaluation met NaN or infinity in batch {number + 1} of the data that are not trained on "
        f"(after epoch {state.epoch + 1})."
    )
    samples = source.samples
    rows = () if samples is None else samples.rows[number * source.batch_size :]
    raise _error(state, what, finding, _samples(rows, finding.rows), batch, {}) from None


def _error(
    state: TrainingState,
    what: str,
    finding: NonFiniteArray,
    samples: str,
    batch: Batch,
    rng_states: Mapping[str, Any],
) -> NotFiniteError:
    """Return the error with the whole report, after saving the batch if that is wanted."""
    losses = [v for v in state.history.steps["loss"] if math.isfinite(v)][-LAST_LOSSES:]
    lines = [what, f"  the first such array: {finding}"]
    if samples:
        lines.append(f"  those are the samples {samples} of the data")
    lines.append(f"  the last losses: {', '.join(f'{v:.6g}' for v in losses) or 'none yet'}")
    file = _save(state, batch, rng_states, finding, losses)
    kept = (
        f"  the batch, rows of your data, is in {file}: chainrule.diagnosis.replay repeats the step"
        if file
        else "  to keep the batch for a replay, give Trainer a post_mortem_file"
    )
    lines.append("  rank 0 reports where the batch is, if it was kept" if state.rank else kept)
    lines.append(
        "What usually helps: a smaller learning rate, clip_norm=1.0, standardised inputs, and a "
        "look at the rows named above."
    )
    return NotFiniteError("\n".join(lines), finding, file)


def _samples(order: Any, rows: list[int]) -> str:
    """Return the row numbers in the data of a batch's rows; `order` begins with that batch."""
    if not rows or not len(order):
        return ""
    samples = [str(order[row]) for row in rows[:10]]
    return ", ".join(samples) + (" ..." if len(rows) > 10 else "")


def _file(state: TrainingState) -> str | os.PathLike[str] | None:
    """Return where to save the batch: "auto" is beside the checkpoint, if there is one."""
    if state.post_mortem_file != "auto":
        return state.post_mortem_file
    folders = [c.folder for c in state.callbacks if isinstance(c, Checkpoint)]
    return folders[0] / "post_mortem.npz" if folders else None


def _save(
    state: TrainingState,
    batch: Batch,
    rng_states: Mapping[str, Any],
    finding: NonFiniteArray,
    losses: list[float],
) -> str:
    """Save what a replay needs; return the file's name, or "" if it cannot be written."""
    path = _file(state)
    if path is None or state.rank:  # the first rank writes it
        return ""
    x, y, weight = batch
    arrays = with_prefix("x", as_dict(x))
    arrays |= with_prefix("y", as_dict(y))
    arrays |= {} if weight is None else {"weight": weight}
    arrays |= with_prefix("network", state.network.state())
    arrays |= with_prefix("optimizer", state.optimizer.state())
    description = {
        "finding": asdict(finding),
        "losses": losses,
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "rng_states": {name: to_plain_state(state) for name, state in rng_states.items()},
    }
    try:
        write_archive(path, "post-mortem", arrays, description)
    except (OSError, ConfigurationError):  # what went wrong in the training is told
        return ""
    return os.fspath(path)


# ---------------------------------------------------------------- when the step cannot be repeated


def _traces(
    network: Network, direction: str, batch: Batch, rng_states: Mapping[str, Any]
) -> NonFiniteArray:
    """Return what the failed pass itself has left behind, where the repeated step succeeds.

    As with a module that fails at its thousandth call.
    """
    if direction == "forward":
        return _trace_forward(network, batch[0], rng_states)
    values = "value" if direction == "update" else "grad"
    finite = ""
    for path, parameter in reversed(network.named_parameters().items()):
        if not np.isfinite(getattr(parameter, values)).all():
            what = f"the {values} of {path}"
            if direction == "backward" and finite:  # it may come from a layer in between
                what += f", or the gradient from the layer after it; that of {finite} is finite"
            return NonFiniteArray(direction, what)
        finite = path
    return NonFiniteArray(direction, "an array that is finite when the step is repeated")


def _trace_forward(network: Network, x: PyTree, rng_states: Mapping[str, Any]) -> NonFiniteArray:
    """Compare what the failed pass saved for backward with what the repeated one saves.

    The first saved array that is not finite belongs to the module that met it. If it is the
    module's input, the module before it is to blame, unless that passed on its own input.
    """
    again = copy.deepcopy(network)
    for name, generator in named_generators(again).items():
        if name in rng_states:
            generator.bit_generator.state = rng_states[name]
    calls = _Calls()
    with np.errstate(all="ignore"), watch(again, calls):
        again.forward(x)
    modules = network.named_modules()
    for place, (path, given, output, kept) in enumerate(calls.made):
        for was, now in zip(modules[path]._saved or (), kept, strict=False):
            if not isinstance(was, np.ndarray) or was.dtype.kind != "f" or all_finite(was):
                continue
            rows = _bad_rows(was, len(first_array(x)))
            what = "what was saved for backward"
            if any(_same(now, a) for a in given):
                what = "the input or the output"
                if not _same(now, output):
                    before = (p for p, _, out, _ in reversed(calls.made[:place]) if _same(now, out))
                    path, what = next(before, path), "the output"
            return NonFiniteArray("forward", what, path, type(modules[path]).__name__, rows)
    return NonFiniteArray("forward", "an array that is finite when the step is repeated")


class _Calls(Watcher):
    """Records, in order, the input and output of innermost modules, and what they saved."""

    def __init__(self) -> None:
        self.made: list[tuple[str, list[Any], Any, tuple[Any, ...]]] = []

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        self.made.append((path, tree_leaves(x), y, module._saved or ()))


def _same(a: Any, b: Any) -> bool:
    arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return arrays and a.size == b.size and np.array_equal(a.ravel(), b.ravel())


def _bad_rows(array: Array, count: int) -> list[int]:
    """Return the rows of the batch in which something is not finite, if rows are samples."""
    if len(array) != count:
        return []
    finite = np.isfinite(array.reshape(count, -1)).all(axis=1)
    return [int(row) for row in np.flatnonzero(~finite)]
