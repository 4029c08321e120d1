"""Examination: everything about one training that a condition may look at.

It is filled in by whoever measured: the trainer before its first step, the doctor's trials, the
callback. What was not measured is None, and conditions that need it find nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.data.weights import class_labels
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.doctor.conditions.thresholds import STILL_FALLING
from chainrule.layers import Embedding
from chainrule.loss_functions import Loss
from chainrule.network import Network, code_columns
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.pytree import take

VALIDATION = "val_"
"""What the names of validation columns in a `History` start with."""


@dataclass
class LearningCurve:
    """The losses of a short training on copies, one for each step.

    Attributes
    ----------
    losses : ndarray, shape (steps,)
        Infinite after NaN.
    initial : float
        The loss of many samples before the first step; NaN where it was not measured.
    factor : float
        What the learning rate was multiplied by.
    held_out_losses : ndarray or None
        The loss of each row that was not trained on.
    baseline : float
        The loss on the same rows of the best constant prediction.
    """

    losses: Array
    initial: float = float("nan")
    factor: float = 1.0
    held_out_losses: Array | None = None
    baseline: float = float("nan")

    @property
    def held_out(self) -> float:
        """The mean loss of the rows that were not trained on; NaN without any."""
        return float("nan") if self.held_out_losses is None else float(self.held_out_losses.mean())

    @property
    def first(self) -> float:
        """The initial loss: of many samples where it was measured, or of the first step."""
        if self.initial > 0:
            return self.initial
        return float(self.losses[0]) if len(self.losses) else float("nan")

    @property
    def last(self) -> float:
        """The final loss: the mean over the last tenth of the steps; infinite after NaN."""
        if not len(self.losses) or not np.isfinite(self.losses).all():
            return float("inf")
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())


@dataclass
class Examination:
    """A network, its data and its training, and what was measured of them.

    Attributes
    ----------
    network, loss, optimizer
        As the user gave them; conditions only read them.
    X, y : arrays
        The samples to look at (some of them, if there are many), as the network gets them.
    validation : tuple or None
        The same of the validation data.
    batch_size, steps : int
        What training uses, and how many steps it is to take in all.
    clip_norm, class_weight
        What `Trainer` and its `fit` are given.
    start, end : Snapshot or None
        A pass with many samples, before the first step and after the last one.
    measured : list of Snapshot
        Some steps of the training in between.
    trial : LearningCurve or None
        The trial run, or the training that was watched.
    slower, faster, unfrozen, one_batch, one_batch_adam, reference : LearningCurve or None
        The trial run with a lower and a higher learning rate, and with nothing frozen; on one small
        batch, by the user's optimizer and by Adam; a plain network on the same data.
    gaps : tuple of float or None
        The loss of one batch in a training pass and in prediction, after training.
    recall : ndarray or None
        The recall of each class after training.
    sample_losses : ndarray or None
        The loss of the first samples in X after training; NaN of those that are not finite.
    out_of_fold : ndarray or None
        The probabilities (N, C) predicted by networks that were trained without the sample; NaN
        for samples that are not finite.
    gradient_norms : sequence of float
        Of every step, before clipping.
    positions_per_sample : mapping of str to int
        How many values of one sample go into a channel's statistics, by the batch norm's path.
    wrong_backward : sequence of (str, str)
        The user's own modules that failed their gradient check, and the verdict.
    refused : str
        Why the trial run was refused.
    not_finite : str
        The post-mortem's message, if NaN or infinity occurred.
    epochs : mapping
        The table of a `History`, where a real training was watched.
    planned_epochs, kept_epoch, stop_reason
        Of that training.
    names : Names
        What the user calls columns, rows and classes.
    as_given : bool
        Whether X is the user's table, one number for each cell, and not yet what the network gets.
        Only conditions with `of_table` are given it.
    """

    network: Network
    loss: Loss
    optimizer: Optimizer | None = None
    X: Any = None
    y: Any = None
    validation: tuple[Any, Any] | None = None
    batch_size: int = 32
    steps: int = 0
    clip_norm: float | None = None
    class_weight: Any = None
    start: Snapshot | None = None
    end: Snapshot | None = None
    measured: list[Snapshot] = field(default_factory=list)
    trial: LearningCurve | None = None
    slower: LearningCurve | None = None
    faster: LearningCurve | None = None
    unfrozen: LearningCurve | None = None
    one_batch: LearningCurve | None = None
    one_batch_adam: LearningCurve | None = None
    reference: LearningCurve | None = None
    gaps: tuple[float, float] | None = None
    recall: Array | None = None
    sample_losses: Array | None = None
    out_of_fold: Array | None = None
    gradient_norms: Sequence[float] = ()
    positions_per_sample: Mapping[str, int] = field(default_factory=dict)
    wrong_backward: Sequence[tuple[str, str]] = ()
    refused: str = ""
    not_finite: str = ""
    epochs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    planned_epochs: int = 0
    kept_epoch: int = -1
    stop_reason: str = ""
    names: Names = field(default_factory=Names)
    as_given: bool = False

    def subset(self, rows: Array | slice) -> Examination:
        """Return a copy with some of the samples."""
        part = copy.copy(self)
        part.X, part.y = take(self.X, rows), take(self.y, rows)
        return part

    @property
    def x(self) -> Array | None:
        """The inputs, where they are one array of numbers; else None.

        Columns of codes, which a `CategoryEmbedding` looks up, are left out.
        """
        if self.as_given:
            return np.asarray(self.X)
        kinds = list(self.network.input_kinds().values())
        if not isinstance(self.X, np.ndarray) or kinds[0] != "floats":
            return None
        codes = code_columns(self.network)
        if not codes:
            return self.X
        return self.X[:, :-codes] if codes < self.X.shape[1] else None

    @property
    def table(self) -> Array | None:
        """The inputs, where they are a table of numbers, (N, columns); else None."""
        x = self.x
        return x if x is not None and x.ndim == 2 else None

    @cached_property
    def weights(self) -> dict[str, Array]:
        """The values of all weight matrices and kernels, without embeddings."""
        embeddings = {
            id(module.weight)
            for module in self.network.named_modules().values()
            if isinstance(module, Embedding)
        }
        return {
            path: p.value
            for path, p in self.network.named_parameters().items()
            if p.decay and p.value.ndim >= 2 and id(p) not in embeddings
        }

    @property
    def labels(self) -> Array | None:
        """The class of every sample, (N,), where the loss is one of classes."""
        if not isinstance(self.y, np.ndarray) or not is_class_loss(self.loss):
            return None
        labels = class_labels(self.y)
        return labels if labels is not None and labels.ndim == 1 else None

    @property
    def learned(self) -> float | None:
        """The share of its loss that the trial (or the watched training) removed; None without."""
        if self.trial is None or not np.isfinite(self.trial.first):
            return None
        if not np.isfinite(self.trial.last):
            return -np.inf
        return 1 - self.trial.last / max(self.trial.first, 1e-12)

    def remaining(self, trial: LearningCurve, other: LearningCurve) -> tuple[float, float]:
        """Return the share of the loss that is left after the trial, and after another one.

        What there was to lower at first is the initial loss, or that of the best constant
        prediction if it is less, above the lowest loss that any trial has reached.
        """
        curves = [self.trial, self.slower, self.faster, self.unfrozen]
        ends = [curve.last for curve in curves if curve is not None and np.isfinite(curve.last)]
        if self.reference is not None and np.isfinite(self.reference.held_out):
            ends.append(self.reference.held_out)
        lowest = min(ends, default=0.0)
        floor = lowest - 0.02 * abs(lowest) if lowest > 0 else lowest - 1e-9
        first = min(trial.first, trial.baseline) if trial.baseline > floor else trial.first
        if not first > floor:
            return float("nan"), float("nan")
        return (trial.last - floor) / (first - floor), (other.last - floor) / (first - floor)


def is_class_loss(loss: Loss) -> bool:
    """Whether the loss is one of classes."""
    return hasattr(loss, "from_logits")


def still_falling(epochs: Mapping[str, Sequence[float]], planned: int, stop_reason: str) -> str:
    """Return a note that the loss was still falling when the epochs were over, or ``""``.

    Parameters
    ----------
    epochs : mapping of str to sequence of float
        The table of a `History`.
    planned : int
        The number of epochs that training was to take.
    stop_reason : str
        Why it was stopped before, if it was.
    """
    name, losses = watched_loss(epochs)
    if len(losses) < max(2, planned) or stop_reason:
        return ""
    back = max(1, len(losses) // 10)
    before, last = losses[-1 - back], losses[-1]
    enough = max(STILL_FALLING * abs(before), 1e-4)
    if not (last == min(losses) and before - last > enough):
        return ""
    return (
        f"{name} was still falling at the end, from {before:.4g} to {last:.4g} in the last "
        f"{f'{back} epochs' if back > 1 else 'epoch'}: more epochs may help"
    )


def watched_loss(epochs: Mapping[str, Sequence[float]]) -> tuple[str, Sequence[float]]:
    """Return the validation loss after each epoch with its name, or the training loss without."""
    name = VALIDATION + "loss" if VALIDATION + "loss" in epochs else "loss"
    return name, epochs.get(name, ())
