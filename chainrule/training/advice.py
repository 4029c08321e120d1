"""What the trainer tells before its first step and after its last one, each in one line.

They are the doctor's: an error where training cannot work, a note where it may not. They stand in
`History.notes`, and in front of the first line of progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from chainrule.data.sources import Source
from chainrule.doctor.conditions import static_findings, still_falling
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.loss_functions.cross_entropy import BinaryLoss
from chainrule.metrics import (
    accuracy,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)
from chainrule.network import Network
from chainrule.pytree import first_array, take
from chainrule.training.history import History
from chainrule.training.run import Metric

ROWS, MOST_BYTES = 1000, 1 << 20
"""How many samples of X are looked at, at most."""


OF_CLASSES = (accuracy, balanced_accuracy_score, f1_score, precision_score, recall_score)
"""Metrics that make a class of a single column: 1 from 0.5 on."""


def advice(network: Network, loss: Loss, source: Source) -> list[str]:
    """Return the notes; raise ConfigurationError where training cannot work."""
    X = y = None
    samples = source.samples
    if samples is not None:
        first = first_array(samples.X)
        count = max(2, min(ROWS, len(samples), MOST_BYTES // max(1, first[0].nbytes)))
        places = np.linspace(0, len(samples) - 1, count).astype(np.intp)
        X, y = take(samples.X, samples.rows[places]), samples.y
    findings = static_findings(network, loss, X, y)
    for finding in findings:
        if finding.impossible:
            raise ConfigurationError(finding.summary)
    return list(dict.fromkeys(f.summary for f in findings if f.severity != "note"))


def note_on_scores(loss: Loss, metrics: Mapping[str, Metric]) -> list[str]:
    """Return a note where metrics would take scores, of which class 1 is from 0 on, for 0 to 1."""
    if not (isinstance(loss, BinaryLoss) and loss.from_logits):
        return []
    wrong = [name for name, metric in metrics.items() if unwrapped(metric) in OF_CLASSES]
    if not wrong:
        return []
    name = unwrapped(metrics[wrong[0]]).__name__
    return [
        f"{', '.join(wrong)}: a single column means class 1 from 0.5 on, as probabilities do, but "
        f"with from_logits=True the network puts out scores, for which that is from 0 on. Give "
        f"metrics={{{wrong[0]!r}: lambda y, scores: {name}(y, scores > 0)}}."
    ]


def unwrapped(metric: Metric) -> Any:
    """Return the function within a `partial`."""
    return metric.func if isinstance(metric, partial) else metric


def note_on_the_end(history: History, epochs: int) -> None:
    """Note that the loss was still falling when the epochs were over."""
    told = still_falling(history.epochs, epochs, history.stop_reason)
    if told:
        history.notes.append(told)
