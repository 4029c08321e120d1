"""Trainer: the loop of ten lines, for people who train for an hour.

`Trainer.fit` checks what it is given, then runs `_train`, which is the whole loop, and `_step`,
which is the whole step. What happens around it (checkpoints, early stopping, logs) is the work
of callbacks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks import all_finite, check_instance, check_range, check_whole
from chainrule.data.sources import (
    ArraySource,
    Batch,
    Source,
    as_arrays,
    make_source,
    split,
)
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.module import named_generators
from chainrule.nested import Nested, arrays_of, by_name, concatenate, first_array, take
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.training import checkpoint, failure
from chainrule.training.callback import Callback
from chainrule.training.history import History
from chainrule.training.interruption import StopOnInterrupt
from chainrule.training.monitor import VALIDATION
from chainrule.training.progress import make_progress
from chainrule.training.run import Metric, Run
from chainrule.training.step import StepFailed, StepResult, take_step

Augment = Callable[[Any, "np.random.Generator"], Any]

EVALUATION_BATCH = 256


class Trainer(Run):
    """Trains a network on data, and measures it.

    Parameters
    ----------
    network : Network
        What learns.
    loss : Loss, or mapping of str to Loss
        What becomes small. A network of several outputs has a loss for each, by the outputs'
        names, or one loss that takes them all.
    optimizer : Optimizer
        How the parameters move.
    metrics : sequence of callables, or mapping of names to callables
        Functions ``(y_true, y_pred) -> float``, such as `chainrule.metrics.accuracy`. Of several
        outputs, ``{"species": [accuracy]}`` measures one.
    loss_weights : mapping of str to float, optional
        How much the loss of each output counts; 1 without it.
    clip_norm : float, optional
        Gradients whose norm, over all parameters, is larger are scaled down to it.
    micro_batch_size : int, optional
        Send each batch through in parts of this size and add up their gradients: the same step
        with less memory. (Batch normalisation sees the parts.)
    seed : int or Generator, optional
        Where the order of the samples, the validation split and augmentation come from.
    post_mortem_file : path, optional
        Where the batch is saved if training meets NaN or infinity; None saves nothing.

    Attributes
    ----------
    history : History
        What happened, up to now. `Run` lists all others.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Network, Trainer
    >>> X = np.random.default_rng(0).standard_normal((90, 4))
    >>> y = (X > 0).sum(axis=1) // 2
    >>> network = Network([4, 8, 3], seed=0)
    >>> trainer = Trainer(network, CategoricalCrossEntropy(), Adam(0.01), seed=0)
    >>> history = trainer.fit(X, y, epochs=5, progress=False)
    >>> history.epochs["loss"][-1] < history.epochs["loss"][0]
    True
    """

    def __init__(
        self,
        network: Network,
        loss: Loss | Mapping[str, Loss],
        optimizer: Optimizer,
        *,
        metrics: Sequence[Metric] | Mapping[str, Metric | Sequence[Metric]] = (),
        loss_weights: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        micro_batch_size: int | None = None,
        seed: int | np.random.Generator | None = None,
        post_mortem_file: str | os.PathLike[str] | None = "post_mortem.npz",
    ) -> None:
        whole = as_loss(loss, loss_weights)
        check_arguments(network, whole, optimizer, clip_norm, micro_batch_size)
        super().__init__(
            network,
            whole,
            optimizer,
            named_metrics(metrics),
            clip_norm,
            micro_batch_size,
            seed,
            post_mortem_file,
        )

    # ------------------------------------------------------------ training

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        validation_data: Any = None,
        validation_split: float | None = None,
        class_weight: ClassWeight | str | None = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        augment: Augment | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | str = "auto",
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train, and return what happened.

        Parameters
        ----------
        X, y : array_like, or a tuple or dict of arrays
            Samples along the first axis. Several inputs or outputs go in as a dict by their names,
            further inputs such as lengths among them, or as a tuple in their order. A
            `numpy.memmap` is never copied as a whole. Or X alone: an iterable of batches
            ``(x, y)`` or ``(x, y, weight)``, gone through every epoch.
        epochs, batch_size : int
            How often to go through the data, and how many samples make one step.
        validation_data : tuple of arrays, or iterable of batches, optional
            Measured after every epoch: ``(X, y)`` or ``(X, y, weight)``.
        validation_split : float, optional
            Or: the share of X and y to hold out for that, chosen at random and, where y holds
            classes, the same share of each class. The first line of progress says so.
        class_weight : mapping of int to float, sequence of float, or "balanced", optional
            How much each class counts, as losses take it too (one of them may be given it);
            "balanced" makes all classes count the same in sum.
        sample_weight : array_like, shape (N,), optional
            How much each sample counts. Two is the same as having the sample twice.
        shuffle : bool
            Whether every epoch takes the samples in a new order.
        augment : callable, or mapping of str to callable, optional
            ``augment(x, rng) -> x`` changes each training batch; see `chainrule.augmentation`.
            Of several inputs, one function for each that is to be changed.
        callbacks : sequence of Callback
            Told what happens, in this order.
        progress : {"auto", "bar", "lines", False}
            What to show.
        resume : path, optional
            A file that a `Checkpoint` callback writes. If it exists, training goes on from
            there, and ends with the same bits as without the interruption. The data and the
            settings have to be the same.

        Raises
        ------
        InputError, ShapeError, ConfigurationError
            Something given cannot be used; told before the first step.
        NotFiniteError
            Training met NaN or infinity; the message is a post-mortem.
        """
        epochs = check_whole("epochs", epochs)
        refuse_two_class_weights(self.loss, class_weight)
        self.begin(epochs)
        source = make_source(X, y, batch_size, sample_weight, class_weight, epochs)
        self.settings = settings(self, source, shuffle)
        resumed = checkpoint.restore(self, resume) if resume is not None else None
        source, validation = self._held_out(source, validation_data, validation_split)
        self._rehearse(source)
        self._rehearse(validation)
        self.batches_per_epoch = len(source)
        self.generators = named_generators(self.network)
        with (
            contextlib.ExitStack() as ends
        ):  # calls on_fit_end in the opposite order, come what may
            self.callbacks = arranged(make_progress(progress), callbacks)
            for callback in self.callbacks:
                ends.callback(callback.on_fit_end, self)
                callback.on_fit_begin(self)
            if resumed is not None:
                checkpoint.restore_callbacks(self, resumed)
            self._train(source, validation, shuffle, augment)
            self.ended_well = True
        return self.history

    def _train(
        self, source: Source, validation: Source | None, shuffle: bool, augment: Augment | None
    ) -> None:
        """Run the epochs that remain: the whole loop."""
        step_hooks = overridden(self.callbacks, "on_step_end")
        while self.epoch < self.epochs and not self.history.stop_reason:
            if self.batch == 0:
                self.order = source.order(self.rng if shuffle else None)
                self.sums = dict.fromkeys(self.sums, 0.0)
            for x, y, weight in source.batches(self.order, self.batch):
                if augment is not None:
                    x = augmented(x, augment, self.rng)
                self._step(x, y, weight)
                for hook in step_hooks:
                    hook(self)
                if self.history.stop_reason:
                    return
            self._finish_epoch(validation)
            for callback in self.callbacks:
                callback.on_epoch_end(self)

    def _step(self, x: Nested, y: Nested, weight: Array | None) -> None:
        """Move the parameters once, by the gradient of one batch, and note what happened."""
        rng_states = [rng.bit_generator.state for rng in self.generators.values()]
        batch = x, y, weight
        try:
            result = take_step(
                self.network,
                self.loss,
                self.optimizer,
                batch,
                self.clip_norm,
                self.micro_batch_size,
            )
        except (InputError, StepFailed) as error:
            named = dict(zip(self.generators, rng_states, strict=True))
            told = failure.tell(self, batch, named, error)
            if told is None:
                raise
            raise told from None
        self.batch += 1
        self.step += 1
        self._record(batch, result)

    def _record(self, batch: Batch, result: StepResult) -> None:
        x, y, weight = batch
        columns = self.history.steps
        columns["loss"].append(result.loss)
        columns["gradient_norm"].append(result.gradient_norm)
        columns["learning_rate"].append(result.learning_rate)
        counts = self.loss.total_weight(y, result.y_pred, weight)
        samples = len(first_array(x))
        self.sums["weight"] += counts
        self.sums["loss"] += counts * result.loss
        self.sums["samples"] += samples
        for name, metric in self.metrics.items():
            self.sums[name] += samples * metric(y, result.y_pred)

    def _finish_epoch(self, validation: Source | None) -> None:
        """Write the epoch's row into the history."""
        row = {"loss": self.sums["loss"] / self.sums["weight"]}
        row |= {name: self.sums[name] / self.sums["samples"] for name in self.metrics}
        if validation is not None:
            measured = self._measure(validation)
            row |= {VALIDATION + name: value for name, value in measured.items()}
        now = time.monotonic()
        row["learning_rate"] = self.history.steps["learning_rate"][-1]
        row["seconds"], self.epoch_began = now - self.epoch_began, now
        self.history.add_epoch(row)
        self.epoch += 1
        self.batch = 0
        self.note_metrics()

    # ------------------------------------------------------------ before the first step

    def _held_out(
        self, source: Source, data: Any, share: float | None
    ) -> tuple[Source, Source | None]:
        """Return the source to train on and the source to validate on."""
        if data is not None and share is not None:
            raise ConfigurationError("Give validation_data or validation_split, not both.")
        if data is not None:
            X, y, weight = (
                (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
            )
            return source, make_source(X, y, EVALUATION_BATCH, weight)
        if share is None:
            return source, None
        if not isinstance(source, ArraySource):
            raise ConfigurationError(
                "validation_split needs arrays; with an iterable of batches give validation_data."
            )
        if not len(self.validation_rows):  # else a checkpoint brought them
            self.validation_rows, words = split(source, share, self.rng)
            self.notes.append(words)
        return (
            source.part(np.setdiff1d(source.rows, self.validation_rows), source.batch_size),
            source.part(self.validation_rows, EVALUATION_BATCH),
        )

    def _rehearse(self, source: Source | None) -> None:
        """Send the samples with the least and the greatest label through network and loss.

        What does not fit together is told before training, not in the middle of an epoch.
        """
        if isinstance(source, ArraySource):
            rows = source.extremes()
            with np.errstate(all="ignore"):
                x, y = take(source.X, rows), take(source.y, rows)
                y_pred = self.network.predict(x)
                if all(all_finite(array) for array in arrays_of(y_pred)):
                    self.loss.forward(y, y_pred)

    # ------------------------------------------------------------ measuring

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        batch_size: int = EVALUATION_BATCH,
        sample_weight: Any = None,
    ) -> dict[str, float]:
        """Return the loss and the metrics on data that is not trained on.

        `X` and `y` are taken as in `fit`. The metrics are computed once, over all predictions.
        """
        source = make_source(X, y, batch_size, sample_weight)
        self._rehearse(source)
        return self._measure(source)

    def _measure(self, source: Source) -> dict[str, float]:
        weight_sum = loss_sum = 0.0
        truths, predictions = [], []
        for x, y, weight in source.batches(source.order(None)):
            y_pred = self.network.predict(x)
            counts = self.loss.total_weight(y, y_pred, weight)
            weight_sum += counts
            loss_sum += counts * self.loss.forward(y, y_pred, weight)
            if self.metrics:  # otherwise nothing is kept
                truths.append(y)
                predictions.append(y_pred)
        measured = {"loss": loss_sum / weight_sum}
        if self.metrics:
            y, y_pred = concatenate(truths), concatenate(predictions)
            measured |= {name: float(metric(y, y_pred)) for name, metric in self.metrics.items()}
        return measured

    def predict(self, X: Any, *, batch_size: int = EVALUATION_BATCH) -> Any:
        """Return the network's output for every sample, computed batch by batch."""
        X = as_arrays(X, "X")
        batch_size = check_whole("batch_size", batch_size)
        starts = range(0, max(1, len(first_array(X))), batch_size)
        return concatenate(
            [self.network.predict(take(X, slice(a, a + batch_size))) for a in starts]
        )


# ---------------------------------------------------------------- small parts of the above


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Return the metrics by name; a function is called what it is called.

    Those of one output, ``{"species": [accuracy]}``, get its name in front: species_accuracy.
    """
    if not isinstance(metrics, Mapping):
        metrics = {_name_of(metric): metric for metric in metrics}
    named: dict[str, Metric] = {}
    for name, metric in metrics.items():
        if isinstance(metric, list | tuple):
            named |= {f"{name}_{_name_of(m)}": partial(_of_output, m, name) for m in metric}
        else:
            named[name] = metric
    for name, metric in named.items():
        if not callable(metric) or name in ("loss", "learning_rate", "seconds"):
            raise ConfigurationError(
                f"A metric is a function (y_true, y_pred) -> float, such as "
                f"chainrule.metrics.accuracy; got {metric!r} as {name!r}."
            )
    return named


def _name_of(metric: Any) -> str:
    return getattr(metric, "__name__", type(metric).__name__)


def _of_output(metric: Metric, name: str, y_true: Nested, y_pred: Nested) -> float:
    """Return the metric of one of several outputs."""
    outputs = by_name(y_pred, list(y_pred), "The outputs")
    if name not in outputs:
        raise ConfigurationError(
            f"There is no output {name!r} to measure; there are {list(y_pred)}."
        )
    return metric(by_name(y_true, list(y_pred), "The targets")[name], outputs[name])


def augmented(x: Nested, augment: Any, rng: np.random.Generator) -> Nested:
    """Return the batch changed by `augment`: one function, or one for each input by its name."""
    if not isinstance(augment, Mapping):
        return augment(x, rng)
    unknown = [name for name in augment if not isinstance(x, Mapping) or name not in x]
    if unknown:
        raise ConfigurationError(f"augment names {unknown}, which the data does not have.")
    return {name: augment[name](a, rng) if name in augment else a for name, a in x.items()}


def arranged(progress: Callback | None, callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks in the order to call them: those that write checkpoints come last.

    So a checkpoint holds what the others have just decided. And as ends are called in the
    opposite order, it is written before early stopping brings the best weights back.
    """
    for callback in callbacks:
        check_instance(callback, Callback, "callbacks must be objects of subclasses of Callback")
    first: list[Callback] = [] if progress is None else [progress]
    ordered = sorted(callbacks, key=lambda c: isinstance(c, checkpoint.Checkpoint))
    return [*first, StopOnInterrupt(), *ordered]


def overridden(callbacks: Sequence[Callback], hook: str) -> list[Callable[[Trainer], None]]:
    """Return the hooks of this name that do something: one that is not there costs nothing."""
    kept = [c for c in callbacks if getattr(type(c), hook) is not getattr(Callback, hook)]
    return [getattr(callback, hook) for callback in kept]


def settings(trainer: Trainer, source: Source, shuffle: bool) -> dict[str, Any]:
    """Return what must be the same when a training goes on from a checkpoint."""
    return {
        "samples": source.samples,
        "batch_size": source.batch_size,
        "shuffle": shuffle,
        "dtype": trainer.network.dtype.name,
        "loss": type(trainer.loss).__name__,
        "optimizer": type(trainer.optimizer).__name__,
        "metrics": list(trainer.metrics),
    }


def check_arguments(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    clip_norm: float | None,
    micro_batch_size: int | None,
) -> None:
    """Raise ConfigurationError where a Trainer is given something else than it needs."""
    check_instance(network, Network, "network must be a Network")
    check_instance(loss, Loss, "loss must be a Loss")
    check_instance(optimizer, Optimizer, "optimizer must be an Optimizer")
    if clip_norm is not None:
        check_range("clip_norm", clip_norm, inclusive=False)
    if micro_batch_size is not None:
        check_whole("micro_batch_size", micro_batch_size)


def as_loss(loss: Any, weights: Mapping[str, float] | None) -> Any:
    """Return the losses of several outputs as one; a single loss as it is."""
    if isinstance(loss, Mapping):
        return LossPerOutput(loss, weights=weights)
    if weights is not None:
        raise ConfigurationError(
            "loss_weights says how much each output's loss counts: give the losses as a dict too."
        )
    return loss


def refuse_two_class_weights(loss: Loss, class_weight: ClassWeight | str | None) -> None:
    """Raise ConfigurationError where both the loss and `fit` are told how much classes count."""
    if class_weight is not None and getattr(loss, "class_weight", None) is not None:
        raise ConfigurationError(
            f"class_weight is given to fit and to the loss, {loss!r}: classes would be weighted "
            "twice. Give it to one of the two."
        )
