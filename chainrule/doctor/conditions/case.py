"""Case: everything about one training that a condition may look at.

It is filled by whoever watched: the trainer before its first step, a trial run, the callback. What
was not measured is None, and then the conditions that need it say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.data.weights import class_labels
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.snapshot import Snapshot
from chainrule.layers import Embedding
from chainrule.loss_functions import Loss
from chainrule.network import Network, code_columns
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array


@dataclass
class Trial:
    """The losses of a short training on copies, a number a step, and what it was a trial of."""

    losses: Array
    held_out_losses: Array | None = None
    """The loss of each row that had no part in it."""
    start: float = float("nan")
    """The loss of many samples before the first step."""
    factor: float = 1.0
    """What the learning rate was multiplied with."""
    baseline: float = float("nan")
    """The loss on the same rows of knowing only the targets' mean."""

    @property
    def held_out(self) -> float:
        """The mean loss of the rows that had no part in it; NaN without any."""
        return float("nan") if self.held_out_losses is None else float(self.held_out_losses.mean())

    @property
    def first(self) -> float:
        """The loss at the start: of many samples where it was measured, or of the first step."""
        if self.start > 0:
            return self.start
        return float(self.losses[0]) if len(self.losses) else float("nan")

    @property
    def last(self) -> float:
        """The loss at the end: the mean of the last tenth of the steps; infinite after NaN."""
        if not len(self.losses) or not np.isfinite(self.losses).all():
            return float("inf")
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())


@dataclass
class Case:
    """A network, its data and its training, and what was measured of them.

    Attributes
    ----------
    network, loss, optimizer
        As the user gave them; conditions only look.
    X, y : arrays
        The samples to look at (a part, where there are many), as they are given to the network.
    validation : tuple or None
        The same of validation data.
    batch_size, steps : int
        What training uses, and how many steps it is to take in all.
    start, end : Snapshot or None
        A pass with many samples, before the first step and after the last one.
    measured : list of Snapshot
        Some steps of the training in between.
    trial, slower, faster, unfrozen, one_batch, one_batch_adam, reference : Trial or None
        The trial run; the same with lower and higher rates, and with nothing frozen; on a single
        small batch, by the user's optimizer and by another; and a plain network on the same data.
    gaps : tuple of float or None
        The loss of one batch in a training pass and in prediction, after training.
    recall : ndarray or None
        How much of each class is recognised after training.
    losses_of_samples : ndarray or None
        The loss of the first samples in X after training; NaN of those that are not finite.
    out_of_fold : ndarray or None
        The probabilities (N, C) that networks give which were trained without a sample; NaN of
        samples that are not finite.
    gradient_norms : sequence of float
        Of every step, before clipping.
    places_per_sample : mapping of str to int
        How many numbers of one sample go into a channel's statistics, by a batch norm's path.
    wrong_backward : sequence of (str, str)
        The modules of the user's own that failed their gradient check, and the verdict.
    refused : str
        Why the trial run was refused.
    epochs : mapping
        The table of a `History`, where a real training was watched.
    planned_epochs, kept_epoch, stop_reason
        Of that training.
    not_finite : str
        The post-mortem's words, if NaN or infinity were met.
    names : Names
        What the user calls columns, rows and classes.
    as_given : bool
        Whether X is the table from which the network's inputs are yet to be prepared, a number for
        each of its cells. Only conditions of a table are asked of it then.
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
    trial: Trial | None = None
    slower: Trial | None = None
    faster: Trial | None = None
    unfrozen: Trial | None = None
    one_batch: Trial | None = None
    one_batch_adam: Trial | None = None
    reference: Trial | None = None
    gaps: tuple[float, float] | None = None
    recall: Array | None = None
    losses_of_samples: Array | None = None
    out_of_fold: Array | None = None
    gradient_norms: Sequence[float] = ()
    places_per_sample: Mapping[str, int] = field(default_factory=dict)
    wrong_backward: Sequence[tuple[str, str]] = ()
    refused: str = ""
    epochs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    planned_epochs: int = 0
    kept_epoch: int = -1
    stop_reason: str = ""
    not_finite: str = ""
    names: Names = field(default_factory=Names)
    as_given: bool = False

    @property
    def x(self) -> Array | None:
        """The inputs where they are one array of floats (or whole numbers taken as such).

        Columns of codes, which a `CategoryEmbedding` looks up, are no such numbers.
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

    @cached_property
    def weights(self) -> dict[str, Array]:
        """The values of all weights that are matrices or kernels, without embeddings."""
        tables = {
            id(module.weight)
            for module in self.network.named_modules().values()
            if isinstance(module, Embedding)
        }
        return {
            path: p.value
            for path, p in self.network.named_parameters().items()
            if p.decay and p.value.ndim >= 2 and id(p) not in tables
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
        """By which part the loss of the trial (or of the training watched) fell; None without."""
        if self.trial is None or not np.isfinite(self.trial.first):
            return None
        if not np.isfinite(self.trial.last):
            return -np.inf
        return 1 - self.trial.last / max(self.trial.first, 1e-12)


def is_class_loss(loss: Loss) -> bool:
    """Whether this loss is one of classes."""
    return hasattr(loss, "from_logits")
