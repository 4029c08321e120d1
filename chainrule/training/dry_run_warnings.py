"""Warnings before the first step and after the last one, each in one line.

They are static checks of the doctor: an error if training cannot work, a note if it may not. The
notes are in `History.notes`, and shown before the first line of progress.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial

import numpy as np

from chainrule.checks import is_own
from chainrule.data.samples import rows_of
from chainrule.data.sources import Source
from chainrule.diagnosis import check_loss
from chainrule.doctor.conditions import static_findings
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions import Hinge, Loss, LossPerOutput
from chainrule.loss_functions.cross_entropy import BinaryLoss
from chainrule.metrics import (
    accuracy,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)
from chainrule.pytree import by_name, first_array, take
from chainrule.training.measurement import its_output
from chainrule.training.state import Metric, TrainingState

ROWS, MOST_BYTES = 1000, 1 << 20
"""The most samples of X that are looked at, and the most bytes."""

SLOPES, MOST_OUTPUTS, WRONG = 4, 2000, 0.01
"""A user's own loss is checked on so many samples, if they have no more outputs; from this relative
error on it is wrong."""

OF_CLASSES = (accuracy, balanced_accuracy_score, f1_score, precision_score, recall_score)
"""Metrics that turn a single column into classes: 1 from 0.5 on."""


def dry_run_warnings(state: TrainingState, source: Source) -> list[str]:
    """Return the warnings; raise ConfigurationError if training cannot work."""
    X = y = None
    samples = source.samples
    if samples is not None:
        first = first_array(samples.X)
        count = max(2, min(ROWS, len(samples), MOST_BYTES // max(1, first[0].nbytes)))
        places = np.linspace(0, len(samples) - 1, count).astype(np.intp)
        X, y = take(samples.X, samples.rows[places]), samples.y
    findings = static_findings(state.network, state.loss, X, y)
    for finding in findings:
        if finding.impossible:
            raise ConfigurationError(finding.summary)
    warnings = list(dict.fromkeys(f.summary for f in findings if f.severity != "note"))
    warnings += _warn_of_scores(state.loss, state.metrics)
    if isinstance(state.loss, LossPerOutput) or is_own(state.loss):
        warnings += _warn_of_gradients(state, source)
    return warnings


def _warn_of_gradients(state: TrainingState, source: Source) -> list[str]:
    """Return a warning for each loss of the user's own whose gradient is not its slope."""
    several = state.loss if isinstance(state.loss, LossPerOutput) else None
    losses = {"": state.loss} if several is None else several.losses_by_output
    if not any(is_own(loss) for loss in losses.values()):
        return []
    x, y, _ = rows_of(source.first(), slice(SLOPES))
    y_pred = state.network.predict(x)
    found = []
    for output, loss in losses.items():
        true, pred = y, y_pred
        if several is not None:
            true = by_name(y, list(losses), "The targets")[output]
            pred = by_name(y_pred, list(losses), "The outputs that have a loss")[output]
        if is_own(loss) and isinstance(pred, np.ndarray) and pred.size <= MOST_OUTPUTS:
            with contextlib.suppress(InputError):
                report = check_loss(loss, true, pred)
                name = type(loss).__name__
                found += [f"{name}: {problem}" for problem in report.problems]
                found += [
                    f"{name}: its gradient is not its slope, which looks like: {result.hint} "
                    "(check_loss(loss, y_true, y_pred) shows more)"
                    for result in report.gradients
                    if result.error > WRONG
                ]
    return found


def _warn_of_scores(loss: Loss, metrics: Mapping[str, Metric]) -> list[str]:
    """Return a warning if metrics would take scores (class 1 from 0 on) for probabilities."""
    wrong: list[tuple[str, str, str]] = []
    for name, metric in metrics.items():
        function, output = its_output(metric)
        function = function.func if isinstance(function, partial) else function
        own = loss
        if isinstance(loss, LossPerOutput) and output is not None:
            own = loss.losses_by_output.get(output, loss)
        if function in OF_CLASSES and _learns_scores(own):
            wrong.append((name, function.__name__, type(own).__name__))
    if not wrong:
        return []
    first, function_name, loss_name = wrong[0]
    return [
        f"{', '.join(name for name, *_ in wrong)}: a single column means class 1 from 0.5 on, as "
        f"for probabilities, but with {loss_name} the network returns scores, for which it is from "
        f"0 on. Give metrics={{{first!r}: lambda y, scores: {function_name}(y, scores > 0)}}."
    ]


def _learns_scores(loss: Loss) -> bool:
    return isinstance(loss, Hinge) or (isinstance(loss, BinaryLoss) and loss.from_logits)
