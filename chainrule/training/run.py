"""Run: where a training stands. What callbacks, checkpoints and post-mortems look at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.checks import check_seed
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.training.history import History
from chainrule.training.measurement import Measurement

Metric = Callable[[Array, Array], float]

MOST_WORKERS = 1024
"""More are a mistake, such as a batch size."""


class Run:
    """The parts of a training, and its state. `Trainer` is one, and moves it.

    Attributes
    ----------
    network, loss, optimizer, metrics, clip_norm, micro_batch_size, workers, sync_batch_norm
        As they were given to `Trainer`.
    rank, ranks : int
        Which of the processes this is that train together over MPI, from 0, and how many there
        are. Alone: 0 of 1. What a callback writes, rank 0 should write alone.
    chosen_workers : int or None
        How many ``workers="auto"`` has become, once that is known.
    history : History
        What happened, up to now.
    epochs, epoch, batch, step : int
        How many epochs there shall be, how many are done, how many batches of the present
        one, and how many steps in all.
    batches_per_epoch, batch_size : int
        0 where an iterable does not tell.
    notes : list of str
        What there is to say about data, network and loss: `History.notes`, the same list.
    order, validation_rows : ndarray of int
        The samples of the present epoch, in their order; those that are held out.
    source, validation : Source or None
        What is learned from, and measured on, while `fit` runs; None before and after.
    measurement : Measurement
        What the present epoch's numbers are made of.
    columns : list of str
        What the history will hold of each epoch.
    settings : dict
        What has to be the same to go on from a checkpoint.
    wish_to_stop : str
        Why this rank wants to stop, before all have agreed to.
    ended_well : bool
        Whether training ended by itself or by `stop`, not by an error.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Mapping[str, Metric],
        clip_norm: float | None,
        micro_batch_size: int | None,
        seed: int | np.random.Generator | None,
        post_mortem_file: str | os.PathLike[str] | None,
        workers: int | str = 1,
        sync_batch_norm: bool = False,
    ) -> None:
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = dict(metrics)
        self.clip_norm = clip_norm
        self.micro_batch_size = micro_batch_size
        self.seed = seed
        self.post_mortem_file = post_mortem_file
        self.workers = workers
        self.sync_batch_norm = sync_batch_norm
        self.rng = check_seed(seed)
        self.rank, self.ranks = 0, 1
        self.begin(epochs=0)

    def begin(self, epochs: int) -> None:
        """Stand at the beginning of a training."""
        self.history = History()
        self.epochs = epochs
        self.epoch = self.batch = self.step = 0
        self.batches_per_epoch = self.batch_size = 0
        self.notes = self.history.notes
        self.callbacks: list[Any] = []
        self.order: Array = np.empty(0, np.intp)
        self.validation_rows: Array = np.empty(0, np.intp)
        self.measurement = Measurement(self.metrics)
        self.columns: list[str] = []
        self.settings: dict[str, Any] = {}
        self.chosen_workers: int | None = None
        self.ended_well = False
        self.wish_to_stop = ""
        self._average: Any = None
        self.generators: dict[str, np.random.Generator] = {}
        self.source: Any = None
        self.validation: Any = None
        self.epoch_began = time.monotonic()

    def stop(self, reason: str) -> None:
        """End training after the current step; the reason goes into ``history.stop_reason``.

        Where several ranks train together it does so when the others have heard of it.
        """
        if self.ranks == 1:
            self.history.stop_reason = self.history.stop_reason or reason
        else:
            self.wish_to_stop = self.wish_to_stop or reason

    def average_weights_with(self, average: Any) -> None:
        """Let `evaluated_weights` be those of an `ExponentialMovingAverage`."""
        if self._average is not None:
            raise ConfigurationError(
                f"{self._average!r} and {average!r} cannot both give the network its weights: give "
                "one of them apply=False."
            )
        self._average = average

    @contextmanager
    def evaluated_weights(self) -> Iterator[Network]:
        """Give the network, inside a with block, the weights that are validated and kept as best.

        They are its own, unless an `ExponentialMovingAverage` is among the callbacks.
        """
        if self._average is None or not self._average.steps:
            yield self.network
        else:
            with self._average.applied(self.network):
                yield self.network

    def note_metrics(self, epoch: int = -1) -> None:
        """Note in the network, for `Network.save`, how good it was after this epoch."""
        row = self.history.row(epoch)
        numbers = {k: v for k, v in row.items() if k not in ("seconds", "learning_rate")}
        self.network.metadata["metrics"] = numbers
        self.network.metadata["seed"] = self.seed if isinstance(self.seed, int) else None
