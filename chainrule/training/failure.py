"""A step that met NaN or infinity: what is told about it, and what is kept of it."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch
from chainrule.data.sources import Source
from chainrule.diagnosis.post_mortem import NonFiniteArray, investigate, investigate_prediction
from chainrule.errors import ChainruleError, NotFiniteError
from chainrule.module import Module, named_generators
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.pytree import PyTree, as_dict, first_array, tree_leaves
from chainrule.storage.archive import write_archive
from chainrule.storage.names import with_prefix
from chainrule.storage.rng_state import to_plain_state
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.parts import StepFailed
from chainrule.training.run import Run
from chainrule.watching import Watcher, watch

LAST_LOSSES = 5

# ---------------------------------------------------------------- telling it


def tell(
    trainer: Run, batch: Batch, rng_states: Mapping[str, Any], error: Exception
) -> NotFiniteError | None:
    """Return the error to raise after a step that failed, or None: it failed for another reason."""
    failed = error if isinstance(error, StepFailed) else None
    try:
        finding = investigate(
            trainer.network, trainer.loss, batch, trainer.optimizer, trainer.clip_norm, rng_states
        )
    except ChainruleError:
        finding = None
    if finding is None:
        if failed is None:
            return None
        network = failed.network or trainer.network  # a worker's, with its part of the batch
        finding = _traces(network, failed.stage, failed.batch or batch, rng_states)
    what = (
        f"Training met NaN or infinity at step {trainer.step + 1} (epoch {trainer.epoch + 1}, "
        f"batch {trainer.batch + 1}) and stopped; the step was not completed."
    )
    first = trainer.batch * trainer.batch_size
    samples = _samples(trainer.order[first:], finding.rows)
    return _error(trainer, what, finding, samples, batch, rng_states)


def tell_measuring(
    trainer: Run, source: Source, number: int, batch: Batch
) -> NotFiniteError | None:
    """Return the error to raise where data that are not trained on led to NaN, or None.

    `number` is that of the batch in the source.
    """
    finding = investigate_prediction(trainer.network, batch[0])
    if finding is None:
        return None
    what = (
        f"Measuring met NaN or infinity in batch {number + 1} of the data that are not trained on "
        f"(after epoch {trainer.epoch + 1})."
    )
    samples = source.samples
    rows = () if samples is None else samples.rows[number * source.batch_size :]
    return _error(trainer, what, finding, _samples(rows, finding.rows), batch, {})


def _error(
    trainer: Run,
    what: str,
    finding: NonFiniteArray,
    samples: str,
    batch: Batch,
    rng_states: Mapping[str, Any],
) -> NotFiniteError:
    """Return the error with the whole report, after writing the batch where it is wanted."""
    losses = [v for v in trainer.history.steps["loss"] if math.isfinite(v)][-LAST_LOSSES:]
    lines = [what, f"  the first such array: {finding}"]
    if samples:
        lines.append(f"  those are the samples {samples} of the data")
    lines.append(f"  the last losses: {', '.join(f'{v:.6g}' for v in losses) or 'none yet'}")
    file = _save(trainer, batch, rng_states, finding, losses)
    kept = (
        f"  the batch, which are rows of your data, is in {file}: chainrule.diagnosis.replay does "
        "the step again"
        if file
        else "  to keep the batch for a replay, give Trainer a post_mortem_file"
    )
    lines.append("  rank 0 tells where the batch is, if it was kept" if trainer.rank else kept)
    lines.append(
        "What usually helps: a smaller learning rate, clip_norm=1.0, standardised inputs, and a "
        "look at the rows named above."
    )
    return NotFiniteError("\n".join(lines), finding, file)


def _samples(order: Any, rows: list[int]) -> str:
    """Return where in the data the rows of a batch stand; `order` begins with that batch."""
    if not rows or not len(order):
        return ""
    samples = [str(order[row]) for row in rows[:10]]
    return ", ".join(samples) + (" ..." if len(rows) > 10 else "")


def _file(trainer: Run) -> str | os.PathLike[str] | None:
    """Return where the batch is to be written: "auto" is beside the checkpoint, if there is one."""
    if trainer.post_mortem_file != "auto":
        return trainer.post_mortem_file
    folders = [c.folder for c in trainer.callbacks if isinstance(c, Checkpoint)]
    return folders[0] / "post_mortem.npz" if folders else None


def _save(
    trainer: Run,
    batch: Batch,
    rng_states: Mapping[str, Any],
    finding: NonFiniteArray,
    losses: list[float],
) -> str:
    """Write all that a replay needs; return the file's name, or nothing if it cannot be written."""
    path = _file(trainer)
    if path is None or trainer.rank:  # the first rank writes it
        return ""
    x, y, weight = batch
    arrays = with_prefix("x", as_dict(x))
    arrays |= with_prefix("y", as_dict(y))
    arrays |= {} if weight is None else {"weight": weight}
    arrays |= with_prefix("network", trainer.network.state())
    arrays |= with_prefix("optimizer", trainer.optimizer.state())
    description = {
        "finding": asdict(finding),
        "losses": losses,
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "step": trainer.step,
        "rng_states": {name: to_plain_state(state) for name, state in rng_states.items()},
    }
    try:
        write_archive(path, "post-mortem", arrays, description)
    except OSError:
        return ""
    return os.fspath(path)


# ---------------------------------------------------------------- when the step cannot be repeated


def _traces(
    network: Network, direction: str, batch: Batch, rng_states: Mapping[str, Any]
) -> NonFiniteArray:
    """Return what the failed pass itself has left behind.

    For a module that fails at its thousandth call, say: repeated, the step succeeds.
    """
    if direction == "forward":
        return _trace_forward(network, batch[0], rng_states)
    values = "value" if direction == "update" else "grad"
    finite = ""
    for path, parameter in reversed(network.named_parameters().items()):
        if not np.isfinite(getattr(parameter, values)).all():
            what = f"the {values} of {path}"
            if direction == "backward" and finite:  # it may have come so from a layer between
                what += f", or the gradient that came to it from behind; that of {finite} is finite"
            return NonFiniteArray(direction, what)
        finite = path
    return NonFiniteArray(direction, "an array that is finite when the step is repeated")


def _trace_forward(network: Network, x: PyTree, rng_states: Mapping[str, Any]) -> NonFiniteArray:
    """Compare what the failed pass kept for backward with what the repeated one keeps.

    The first kept array that is not finite tells which module met it. Where it is what that module
    was given, the one that had put it out is to blame; unless it gave the same further.
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
            if any(_same(now, a) for a in given):
                if _same(now, output):
                    what = "the input or the output"
                    return NonFiniteArray("forward", what, path, type(modules[path]).__name__, rows)
                path = next(
                    (p for p, _, out, _ in reversed(calls.made[:place]) if _same(now, out)), path
                )
                return NonFiniteArray(
                    "forward", "the output", path, type(modules[path]).__name__, rows
                )
            what = "what was kept for backward"
            return NonFiniteArray("forward", what, path, type(modules[path]).__name__, rows)
    return NonFiniteArray("forward", "an array that is finite when the step is repeated")


class _Calls(Watcher):
    """Notes, in their order, what innermost modules were given, put out, and kept for backward."""

    def __init__(self) -> None:
        self.made: list[tuple[str, list[Any], Any, tuple[Any, ...]]] = []

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        self.made.append((path, tree_leaves(x), y, module._saved or ()))


def _same(a: Any, b: Any) -> bool:
    arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return arrays and a.size == b.size and np.array_equal(a.ravel(), b.ravel())


def _bad_rows(array: Array, count: int) -> list[int]:
    """Return the rows of the batch in which something is not finite, if they can be told."""
    if len(array) != count:
        return []
    finite = np.isfinite(array.reshape(count, -1)).all(axis=1)
    return [int(row) for row in np.flatnonzero(~finite)]
