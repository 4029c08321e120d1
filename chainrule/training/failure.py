"""A step that met NaN or infinity: what is told about it, and what is kept of it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from chainrule.data.sources import Batch
from chainrule.diagnosis.post_mortem import Finding, investigate
from chainrule.errors import ChainruleError, NotFiniteError
from chainrule.module import saved_arrays
from chainrule.nested import as_dict, first_array
from chainrule.network import Network
from chainrule.storage.archive import write_archive
from chainrule.storage.names import with_prefix
from chainrule.storage.rng_state import to_plain_state
from chainrule.training.run import Run
from chainrule.training.step import StepFailed

LAST_LOSSES = 5

# ---------------------------------------------------------------- telling it


def tell(
    trainer: Run, batch: Batch, rng_states: Mapping[str, Any], error: Exception
) -> NotFiniteError | None:
    """Return the error to raise after a step that failed, or None: it failed for another reason."""
    failed = error.stage if isinstance(error, StepFailed) else ""
    try:
        finding = investigate(
            trainer.network, trainer.loss, batch, trainer.optimizer, trainer.clip_norm, rng_states
        )
    except ChainruleError:
        finding = None
    if finding is None:
        if not failed:
            return None
        finding = _traces(trainer.network, failed, len(first_array(batch[0])))
    losses = [v for v in trainer.history.steps["loss"] if math.isfinite(v)][-LAST_LOSSES:]
    lines = [
        f"Training met NaN or infinity at step {trainer.step + 1} (epoch {trainer.epoch + 1}, "
        f"batch {trainer.batch + 1}) and stopped; the step was not completed.",
        f"  the first such array: {finding}",
    ]
    samples = _samples(trainer, finding.rows)
    if samples:
        lines.append(f"  those are the samples {samples} of the data")
    lines.append(f"  the last losses: {', '.join(f'{v:.6g}' for v in losses) or 'none yet'}")
    file = _save(trainer, batch, rng_states, finding, losses)
    if file:
        lines.append(f"  the batch is in {file}: chainrule.diagnosis.replay does the step again")
    lines.append(
        "What usually helps: a smaller learning rate, clip_norm=1.0, standardised inputs, and a "
        "look at the rows named above."
    )
    return NotFiniteError("\n".join(lines), finding, file)


def _samples(trainer: Run, rows: list[int]) -> str:
    """Return where in the data the rows of the present batch stand, if they come from arrays."""
    if not rows or not len(trainer.order):
        return ""
    first = trainer.batch * trainer.settings["batch_size"]
    samples = [str(trainer.order[first + row]) for row in rows[:10]]
    return ", ".join(samples) + (" ..." if len(rows) > 10 else "")


def _save(
    trainer: Run,
    batch: Batch,
    rng_states: Mapping[str, Any],
    finding: Finding,
    losses: list[float],
) -> str:
    """Write all that a replay needs; return the file's name, or nothing if it cannot be written."""
    if trainer.post_mortem_file is None:
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
        write_archive(trainer.post_mortem_file, "post-mortem", arrays, description)
    except OSError:
        return ""
    return os.fspath(trainer.post_mortem_file)


# ---------------------------------------------------------------- when the step cannot be repeated


def _traces(network: Network, direction: str, count: int) -> Finding:
    """Return what the failed pass itself has left behind.

    For a module that fails at its thousandth call, say: repeated, the step may well succeed.
    """
    if direction == "forward":
        for path, module, kept in saved_arrays(network):
            if kept.dtype.kind == "f" and len(kept) == count:
                bad = np.flatnonzero(~np.isfinite(kept.reshape(count, -1)).all(axis=1))
                if bad.size:
                    what = "what was kept for backward"
                    return Finding(direction, what, path, type(module).__name__, bad.tolist())
    values = "value" if direction == "update" else "grad"
    for path, parameter in reversed(network.named_parameters().items()):
        if direction != "forward" and not np.isfinite(getattr(parameter, values)).all():
            return Finding(direction, f"the {values} of {path}")
    return Finding(direction, "an array that is finite when the step is repeated")
