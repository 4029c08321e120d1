"""TrainingState: where a training is. What callbacks, checkpoints and post-mortems look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.data.sources import Source
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.module import freeze_only, frozen_names, named_generators, walk
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.training.history import History
from chainrule.training.measurement import Measurement
from chainrule.training.monitor import VALIDATION

Metric = Callable[[Array, Array], float]


@dataclass(eq=False)
class TrainingState:
    """The parts of a training and its progress. Every callback is given it.

    Attributes
    ----------
    network, loss, optimizer, metrics, clip_norm, seed, post_mortem_file
        As given to `Trainer`.
    micro_batch_size, workers, sync_batch_norm
        Likewise.
    rng : Generator
        What shuffles, splits and augments the data.
    rank, world_size : int
        Which of the processes that train together over MPI this is, from 0, and how many there
        are; 0 of 1 without MPI. What a callback writes should be written by rank 0 alone.
    history : History
        What has happened so far.
    epochs : int
        How many epochs there will be.
    epoch, batch, step : int
        How many epochs are done, how many batches of the current epoch, and how many steps in all.
    batches_per_epoch, batch_size : int
        0 if unknown, as for an iterable of batches.
    chosen_workers : int or None
        What ``workers="auto"`` has become, once that is known.
    callbacks : CallbackList
        All callbacks, in the order in which they are called.
    order, validation_rows : ndarray of int
        The rows of the current epoch, in their order; those held out for validation.
    source, validation : Source or None
        The training data and the validation data, while `fit` runs.
    measurement : Measurement
        The loss and the predictions of the current epoch, from which its metrics are computed.
    columns : list of str
        The columns that the history will have.
    settings : dict
        What has to be the same to resume from a checkpoint.
    stop_requested : str
        Why this process wants to stop; it happens when all processes have agreed, after the step.
    ended_well : bool
        Whether training ended by itself or by `stop`, not by an error.
    """

    network: Network
    loss: Loss
    optimizer: Optimizer
    metrics: Mapping[str, Metric]
    rng: np.random.Generator
    epochs: int = 0
    clip_norm: float | None = None
    micro_batch_size: int | None = None
    workers: int | str = 1
    sync_batch_norm: bool = False
    seed: Any = None
    post_mortem_file: Any = None
    rank: int = 0
    world_size: int = 1
    history: History = field(default_factory=History)
    epoch: int = 0
    batch: int = 0
    step: int = 0
    batches_per_epoch: int = 0
    batch_size: int = 0
    chosen_workers: int | None = None
    callbacks: Any = ()
    order: Array = field(default_factory=lambda: np.empty(0, np.intp))
    validation_rows: Array = field(default_factory=lambda: np.empty(0, np.intp))
    source: Any = None
    validation: Any = None
    columns: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    stop_requested: str = ""
    ended_well: bool = False

    def __post_init__(self) -> None:
        self.measurement = Measurement(self.metrics, self.loss)
        self._epoch_start = time.monotonic()
        self._average: Any = None

    @cached_property
    def generators(self) -> dict[str, np.random.Generator]:
        """The random generators of the network's layers, by their paths."""
        return named_generators(self.network)

    @property
    def notes(self) -> list[str]:
        """What was noticed about data, network and loss: `History.notes`, the same list."""
        return self.history.notes

    @property
    def stop_reason(self) -> str:
        """Why training stops before its last epoch: `History.stop_reason`."""
        return self.history.stop_reason

    @stop_reason.setter
    def stop_reason(self, reason: str) -> None:
        self.history.stop_reason = reason

    def stop(self, reason: str) -> None:
        """End training after the current step; the reason becomes ``history.stop_reason``.

        Where several processes train together, this happens when the others know of it.
        """
        self.stop_requested = self.stop_requested or reason

    # ------------------------------------------------------------ undoing a refused start

    def all_generators(self) -> dict[str, np.random.Generator]:
        """Return the trainer's random generator and those of the layers."""
        return {"trainer": self.rng, **{f"network/{k}": g for k, g in self.generators.items()}}

    def undo_changes(self, values: bool) -> Callable[[], None]:
        """Return a function that undoes what `fit` may change before its first step.

        A refused resume must leave weights, optimizer and generators as they were. With `values`,
        weights, what is frozen and the optimizer's memory are included, which takes a copy.
        """
        generators = self.all_generators().values()
        rng_states = [generator.bit_generator.state for generator in generators]
        network = self.network.state() if values else {}
        optimizer = self.optimizer.state() if values else {}
        frozen = frozen_names(walk(self.network)) if values else []
        learning_rate = self.optimizer.learning_rate

        def undo() -> None:
            for generator, before in zip(generators, rng_states, strict=True):
                generator.bit_generator.state = before
            if values:
                self.network.load_state(network)
                freeze_only(self.network, frozen, "")
                self.optimizer.load_state(optimizer)
                self.optimizer.learning_rate = learning_rate

        return undo

    # ------------------------------------------------------------ averaged weights

    def average_weights_with(self, average: Any) -> None:
        """Let `evaluated_weights` be those of an `ExponentialMovingAverage`."""
        if self._average is not None:
            raise ConfigurationError(
                f"{self._average!r} and {average!r} cannot both provide the network's weights: "
                "give one of them apply=False."
            )
        self._average = average

    @contextmanager
    def evaluated_weights(self) -> Iterator[Network]:
        """Give the network the weights that are validated and saved as best, in a with block.

        They are its own, unless an `ExponentialMovingAverage` is among the callbacks.
        """
        if self._average is None or not self._average.steps:
            yield self.network
        else:
            with self._average.applied(self.network):
                yield self.network

    def apply_average(self) -> None:
        """Give the network the averaged weights for good, if there are any."""
        if self._average is not None and self._average.steps:
            self._average.copy_to(self.network)

    # ------------------------------------------------------------ progress

    @contextmanager
    def using(self, source: Source, validation: Source | None) -> Iterator[None]:
        """Hold the data within the block."""
        self.source, self.validation = source, validation
        self.batches_per_epoch, self.batch_size = len(source), source.batch_size
        try:
            yield
        finally:
            self.source = self.validation = None

    def start_epoch(self, order: Array) -> None:
        """Begin an epoch that uses the samples in this order."""
        self.order = order
        self.measurement.reset()

    def finish_step(self, loss: float, gradient_norm: float, learning_rate: float) -> None:
        """Count a step, and record its numbers."""
        self.batch += 1
        self.step += 1
        steps = self.history.steps
        steps["loss"].append(loss)
        steps["gradient_norm"].append(gradient_norm)
        steps["learning_rate"].append(learning_rate)

    def finish_epoch(self, row: Mapping[str, float]) -> None:
        """Count an epoch, and record its row."""
        self.history.add_epoch(row)
        self.epoch += 1
        self.batch = 0
        self.note_metrics()

    def row(self, validation: Mapping[str, float] | None) -> dict[str, float]:
        """Return the current epoch's row of the history."""
        row = self.measurement.result(self.source.class_weight)
        if self.measurement.unweighted:
            self.say(self.measurement.note())
        if validation is not None:
            row |= {VALIDATION + name: value for name, value in validation.items()}
        now = time.monotonic()
        row["learning_rate"] = self.history.steps["learning_rate"][-1]
        row["seconds"], self._epoch_start = now - self._epoch_start, now
        return row

    def say(self, note: str) -> None:
        """Add a note, unless it is there already or empty."""
        if note and note not in self.notes:
            self.notes.append(note)

    def note_metrics(self, epoch: int = -1) -> None:
        """Note in the network, for `Network.save`, how good it was after this epoch."""
        row = self.history.row(epoch)
        numbers = {k: v for k, v in row.items() if k not in ("seconds", "learning_rate")}
        self.network.metadata["metrics"] = numbers
        self.network.metadata["seed"] = self.seed if isinstance(self.seed, int) else None


# ---------------------------------------------------------------- one training at a time

_trained_now: set[int] = set()
_lock = threading.Lock()


@contextmanager
def exclusive_training(network: Network) -> Iterator[None]:
    """Refuse, within the block, that another training changes the network or a part of it.

    Two trainings of networks that share a module would mix their gradients.

    Raises
    ------
    ConfigurationError
        A module or a parameter of the network is in training, in this or another thread.
    """
    own = {id(thing) for _, thing in walk(network)}
    with _lock:
        if not own.isdisjoint(_trained_now):
            raise ConfigurationError(
                "This network, or a part that it shares with another network, is being trained by "
                "another fit right now. Wait for that one, or train a copy: copy.deepcopy(network)."
            )
        _trained_now.update(own)
    try:
        yield
    finally:
        with _lock:
            _trained_now.difference_update(own)
