"""Trainer: the loop of ten lines, for people who train for an hour.

`Trainer.fit` checks what it is given, then runs `_train`, which is the whole loop, and `_step`,
which is the whole step. What happens around it (checkpoints, early stopping, logs) is the work
of callbacks. Where several processes train together, each runs all of this; what they have to
agree on goes through `ranks.py`, for which one process is a rank that is alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_whole
from chainrule.checks.habits import TRAINER_ATTRIBUTES, GivesAdvice, gives_advice
from chainrule.data.samples import Batch, check_samples
from chainrule.data.sources import (
    CHANGING,
    ArraySource,
    Source,
    make_source,
)
from chainrule.diagnosis.machine import cores
from chainrule.errors import ConfigurationError, InputError, ModuleError, RankError
from chainrule.layers.micro_batch import WHOLE, MicroBatch
from chainrule.loss_functions import Loss
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.module import named_generators
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.pytree import PyTree, concatenate, first_array, take
from chainrule.training import agreement, checkpoint, failure
from chainrule.training.advice import advice, note_on_scores, note_on_the_end
from chainrule.training.allocator import keep_freed_memory
from chainrule.training.arguments import (
    arranged,
    as_loss,
    augmented,
    check_arguments,
    check_augment,
    named_metrics,
    overridden,
    refuse_two_class_weights,
)
from chainrule.training.callback import Callback
from chainrule.training.history import History
from chainrule.training.measurement import Measurement
from chainrule.training.monitor import VALIDATION
from chainrule.training.over_ranks import (
    OverRanks,
    brought_together,
    parts_of_batches,
    turns,
)
from chainrule.training.pace import Pace
from chainrule.training.parts import InTurn, Passed, StepFailed, Way
from chainrule.training.progress import make_progress
from chainrule.training.ranks import BEGIN, EPOCH, MEASURING, Alone, Ranks, as_ranks
from chainrule.training.rehearsal import in_users_words, rehearse, rehearse_single_sample
from chainrule.training.run import Metric, Run
from chainrule.training.settings import WORKERS, settings_of
from chainrule.training.step import StepResult, take_step
from chainrule.training.team import Team, on_its_way, own_copy, team_of
from chainrule.training.threads import Threads
from chainrule.watching import watched

Augment = Callable[[Any, "np.random.Generator"], Any]

EVALUATION_BATCH = 256


class Trainer(GivesAdvice, Run):
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
        Functions ``(y_true, y_pred) -> float``, such as `chainrule.metrics.accuracy`. They are
        taken over a whole epoch, whose predictions are kept for that. Of several outputs,
        ``{"species": [accuracy]}`` measures one.
    loss_weights : mapping of str to float, optional
        How much the loss of each output counts; 1 without it.
    clip_norm : float, optional
        Gradients whose norm, over all parameters, is larger are scaled down to it.
    micro_batch_size : int, optional
        Send each batch through in parts of this size and add up their gradients: the same step
        with less memory. (Batch normalisation sees the parts.)
    workers : int or "auto"
        How many threads share each batch, and predictions: each takes a part of it forward and
        back, and the gradients are summed. The same step, to rounding; whether it takes less time
        depends on the network and the machine. Batches of recurrent layers are shared out only
        where they are large; a note says from which size on. The same number of workers gives the
        same bits each time. ``"auto"`` takes the first steps with one and with as many as there
        are processors, goes on with what is faster, and says so in `History.notes`. More than one
        need the extra ``workers``.
    sync_batch_norm : bool
        Whether, with several workers, `BatchNorm` takes its statistics over the whole batch, as
        one worker does. Otherwise each worker takes them over its part, as with a batch of that
        size, and the running statistics follow the mean of the parts'. Ranks are the same in this.
    communicator : mpi4py.MPI.Intracomm, optional
        Train together with the processes of this communicator, such as ``MPI.COMM_WORLD`` in a
        program started by ``mpiexec -n 4 python -m mpi4py train.py``. All of them do the same,
        with the same whole data, and each takes its own rows of each batch; the gradients are
        summed over them, and what is learned is the same, to rounding, as in one process. The
        first rank alone writes checkpoints and shows progress; callbacks are called on all, unless
        they are `Callback.first_rank_alone`. A rank that fails ends the training on all, with its
        error. BLAS has one thread in each. `evaluate` and `predict` are each rank's own affair.
        Several ranks need the extra ``mpi``.
    seed : int or Generator, optional
        Where the order of the samples, the validation split and augmentation come from.
    post_mortem_file : path, optional
        Where the batch is saved if training meets NaN or infinity, for
        `chainrule.diagnosis.replay`. The file holds rows of your data. ``"auto"`` is
        ``post_mortem.npz`` in the folder of the `Checkpoint` callback, and no file without one;
        None saves nothing.

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
        workers: int | str = 1,
        sync_batch_norm: bool = False,
        communicator: Any = None,
        seed: int | np.random.Generator | None = None,
        post_mortem_file: str | os.PathLike[str] | None = "auto",
    ) -> None:
        whole = as_loss(loss, loss_weights)
        self._ranks: Alone = as_ranks(communicator)
        check_arguments(
            network,
            whole,
            optimizer,
            clip_norm,
            micro_batch_size,
            workers,
            sync_batch_norm,
            self._ranks.count,
        )
        super().__init__(
            network,
            whole,
            optimizer,
            named_metrics(metrics),
            clip_norm,
            micro_batch_size,
            seed,
            post_mortem_file,
            workers,
            sync_batch_norm,
        )
        self.rank, self.ranks = self._ranks.rank, self._ranks.count
        self._way: Way = InTurn(micro_batch_size)
        self._pace: Pace | None = None
        self._threads = Threads(1)

    attribute_advice = TRAINER_ATTRIBUTES

    # ------------------------------------------------------------ training

    @gives_advice
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
        drop_last: bool = False,
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
            ``(x, y)`` or ``(x, y, weight)``, gone through every epoch. One that shuffles itself
            has a method ``set_epoch(epoch)``, called before each epoch, from which its order
            follows; without it a checkpoint cannot be gone on with. They are taken as they are:
            the network's preparations are for `Network.predict_raw`, and of targets that were
            scaled, the loss and the metrics are in the scaled units.
        epochs, batch_size : int
            How often to go through the data, and how many samples make one step. The last batch of
            an epoch may be smaller; a single sample that is left over joins the batch before it.
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
        drop_last : bool
            Whether to leave out, in each epoch, a last batch that would be smaller.
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
            settings have to be the same; what differs is named, and nothing is changed then.

        Returns
        -------
        History
            Of this call: each begins a new one, in which epochs count from 1, early stopping and
            the best epoch are about these epochs alone. To make two calls one, go on from a
            checkpoint with `resume`.

        Raises
        ------
        InputError, ShapeError, ConfigurationError
            Something given cannot be used; told before the first step.
        NotFiniteError
            Training met NaN or infinity; the message is a post-mortem.
        """
        with (
            self._ranks.together(),
            contextlib.ExitStack() as undo,
            contextlib.ExitStack() as ends,
        ):
            epochs = check_whole("epochs", epochs)
            shuffle, drop_last = check_bool("shuffle", shuffle), check_bool("drop_last", drop_last)
            check_augment(augment, X, y)
            keep_freed_memory()
            refuse_two_class_weights(self.loss, class_weight)
            options = {
                "validation_split": validation_split,
                "class_weight": class_weight,
                "shuffle": shuffle,
                "drop_last": drop_last,
                "augment": augment,
            }
            before = checkpoint.Before(self, values=resume is not None or self.rank > 0)
            undo.callback(before.put_back, self)
            self.begin(epochs)
            agreement.begin(self, self._ranks)
            self.callbacks = arranged(make_progress(progress), callbacks)
            if self.rank:
                self.callbacks = [c for c in self.callbacks if not c.first_rank_alone]
            source = make_source(
                X,
                y,
                batch_size,
                sample_weight=sample_weight,
                class_weight=class_weight,
                epochs=epochs,
                drop_last=drop_last,
            )
            validation = self._validation_source(validation_data, validation_split)
            self._note_settings(source, validation, options, resume, callbacks)
            resumed = self._restored(resume, source)
            if validation_split is not None:
                source, validation = self._held_out(source, validation_split)
            self._look_at(source, validation)
            agreement.share_values(self, self._ranks)
            ends.callback(self._let_go_of_the_data)
            ends.enter_context(self._working_together())
            for callback in self.callbacks:  # ended in the opposite order, come what may
                ends.callback(callback.on_fit_end, self)
                callback.on_fit_begin(self)
            if resumed is not None:
                checkpoint.restore_callbacks(self, resumed)
            undo.pop_all()  # from here on nothing is put back
            self._train(source, validation, shuffle, augment)
            note_on_the_end(self.history, epochs)
            self.ended_well = True
        return self.history

    def _train(
        self, source: Source, validation: Source | None, shuffle: bool, augment: Augment | None
    ) -> None:
        """Run the epochs that remain: the whole loop."""
        step_hooks = overridden(self.callbacks, "on_step_end")
        change = None if augment is None else lambda x: augmented(x, augment, self.rng)
        ranks, together = self._ranks, self.sync_batch_norm
        agreement.after_step(self, ranks)  # a callback that was restored may have stopped already
        while self.epoch < self.epochs and not self.history.stop_reason:
            if self.batch == 0:
                self.order = source.order(self.rng if shuffle else None)
                self.measurement.reset()
            place = self.order, self.batch, self.epoch
            for part, batch, whole in parts_of_batches(ranks, source, *place, together, change):
                self._step(part, batch, whole)
                for hook in step_hooks:
                    hook(self)
                agreement.after_step(self, ranks)
                if self.history.stop_reason:
                    return
            self._finish_epoch(validation)
            for callback in self.callbacks:
                callback.on_epoch_end(self)
            agreement.after_epoch(self, ranks)

    def _step(self, part: MicroBatch, batch: Batch, whole: Callable[[], Batch]) -> None:
        """Move the parameters once, by the gradient of one batch, and note what happened.

        `batch` is the part of it that this rank takes; `whole` gives all of it, for post-mortems.
        """
        rng_states = [rng.bit_generator.state for rng in self.generators.values()]
        began = time.perf_counter()
        try:
            with on_its_way(part):
                result = take_step(
                    self.network, self.loss, self.optimizer, batch, self.clip_norm, self._way
                )
        except (InputError, StepFailed, RankError) as error:
            named = dict(zip(self.generators, rng_states, strict=True))
            told = failure.tell(self, whole(), named, error)
            if told is None:
                raise
            raise told from None
        if self._pace is not None:
            samples = len(first_array(batch[0]))
            self._follow_pace(self._pace, time.perf_counter() - began, samples)
        self.batch += 1
        self.step += 1
        self._record(part, batch[1], result)

    def _record(self, part: MicroBatch, y: PyTree, result: StepResult) -> None:
        columns = self.history.steps
        columns["loss"].append(result.loss)
        columns["gradient_norm"].append(result.gradient_norm)
        columns["learning_rate"].append(result.learning_rate)
        split = self.metrics and part is not WHOLE
        own = y, result.predictions
        pair = brought_together(self._ranks, *own) if split else own
        if pair is not None and not self.rank:  # the first one measures for all
            self.measurement.add(result.loss, result.counts, *pair)

    def _finish_epoch(self, validation: Source | None) -> None:
        """Write the epoch's row into the history."""
        row = {} if self.rank else self.measurement.result()
        if validation is not None:
            with self.evaluated_weights():
                measured = self._measure(validation, self._ranks)
            row |= {VALIDATION + name: value for name, value in measured.items()}
        now = time.monotonic()
        row["learning_rate"] = self.history.steps["learning_rate"][-1]
        row["seconds"], self.epoch_began = now - self.epoch_began, now
        self.history.add_epoch(self._ranks.from_first(EPOCH, lambda: row))
        self.epoch += 1
        self.batch = 0
        self.note_metrics()

    # ------------------------------------------------------------ workers

    @contextlib.contextmanager
    def _working_together(self) -> Iterator[None]:
        """Let the workers share the steps, and what is measured, within the block."""
        workers, alone = self._number_of_workers(), InTurn(self.micro_batch_size)
        self._go_on(alone)
        several = isinstance(self._ranks, Ranks)
        if workers == 1 and not several:
            yield
            return
        together = self.sync_batch_norm
        with team_of(self.network, workers, self.micro_batch_size, together, several) as team:
            if self.workers == "auto" and self.chosen_workers is None:
                self._pace = Pace(alone, team)
            self._go_on(team if self._pace is None else self._pace.way)
            self._note_once(team.in_words())
            if isinstance(self._ranks, Ranks):
                self._way = OverRanks(self._ranks, team)
            try:
                yield
            finally:
                self._pace = None
                self._go_on(alone)

    def _note_once(self, note: str | None) -> None:
        if note is not None and note not in self.notes:
            self.notes.append(note)

    def _go_on(self, way: Way) -> None:
        self._way = way
        self._threads = way.threads if isinstance(way, Team) else Threads(1)

    def _number_of_workers(self) -> int:
        """Return how many threads there shall be: with "auto", what was chosen, if it was."""
        if self.workers != "auto":
            return int(self.workers)
        return self.chosen_workers or cores()

    def _follow_pace(self, pace: Pace, seconds: float, samples: int) -> None:
        """Go on with one worker or all, as the steps so far tell."""
        pace.note(seconds, samples)
        self._go_on(pace.way)
        if pace.decided:
            self._pace = None
            self.notes.append(pace.in_words(samples))
            self.chosen_workers = self.settings[WORKERS] = pace.workers

    @contextlib.contextmanager
    def _threads_for(self, batches: int) -> Iterator[Threads]:
        """Give the threads that share so many batches of predictions: those of `fit`, or new ones.

        A network that is watched has one thread at a time.
        """
        workers = (self.chosen_workers or 1) if self.workers == "auto" else int(self.workers)
        if self._threads.count > 1 and not watched(self.network):
            self._threads.hold_blas_back()  # a step that was not shared out had let it go
            yield self._threads
        else:
            alone = self.source is not None or batches == 1 or watched(self.network)
            with Threads(1 if alone else workers) as threads:
                yield threads

    # ------------------------------------------------------------ before the first step

    def _validation_source(self, data: Any, share: float | None) -> Source | None:
        """Return where `validation_data` comes from."""
        if data is not None and share is not None:
            raise ConfigurationError("Give validation_data or validation_split, not both.")
        if data is None:
            return None
        X, y, weight = (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
        if isinstance(data, list) and len(data) in (2, 3) and isinstance(data[0], np.ndarray):
            raise InputError("Give validation_data as a tuple: (X, y), or (X, y, weight).")
        called = " of validation_data"
        return make_source(
            X, y, EVALUATION_BATCH, sample_weight=weight, epochs=self.epochs, called=called
        )

    def _held_out(self, source: Source, share: float) -> tuple[Source, Source]:
        """Return the part of the source to train on, and the part to validate on."""
        samples = source.samples
        if samples is None:
            raise ConfigurationError(
                "validation_split needs arrays; with an iterable of batches give validation_data."
            )
        if not len(self.validation_rows):  # else a checkpoint brought them
            self.validation_rows, words = samples.split(share, self.rng)
            self.notes.append(words)
        rest = samples.subset(np.setdiff1d(samples.rows, self.validation_rows))
        return (
            ArraySource(rest, source.batch_size, source.drop_last),
            ArraySource(samples.subset(self.validation_rows), EVALUATION_BATCH),
        )

    def _restored(
        self, path: str | os.PathLike[str] | None, source: Source
    ) -> checkpoint.CallbackStates | None:
        """Go on from a checkpoint, if there is one; the first rank reads it for all."""
        if path is None:
            return None
        content = self._ranks.from_first(BEGIN, lambda: checkpoint.read(path))
        return checkpoint.restore(self, path, content, source)

    def _note_settings(
        self,
        source: Source,
        validation: Source | None,
        options: Mapping[str, Any],
        resume: str | os.PathLike[str] | None,
        callbacks: Sequence[Callback],
    ) -> None:
        """Note what must be the same to go on from here, where a checkpoint is read or written.

        And on all ranks.
        """
        resumed = resume is not None
        kept = resumed or any(isinstance(c, checkpoint.Checkpoint) for c in callbacks)
        if not kept and self.ranks == 1:
            return  # reading all data for their fingerprint takes time
        settings = settings_of(self, source, validation, options)
        if self.ranks > 1:
            agreement.refuse_other_trainings(self, self._ranks, settings, callbacks, resumed)
        if kept:
            self.settings = settings
            if CHANGING in self.settings.values():
                self.notes.append(
                    "the iterable yields other batches each time, so this training cannot be gone "
                    "on with from its checkpoint; give it a method set_epoch(epoch)"
                )

    def _look_at(self, source: Source, validation: Source | None) -> None:
        """Tell before the first step what does not fit together, and what is to be expected."""
        self.optimizer.check_network(self.network)
        self.optimizer.current_learning_rate()  # a schedule may give what is none
        rehearse(self, source)
        rehearse_single_sample(self, source)
        if validation is not None:
            rehearse(self, validation, " of validation_data")
        self.notes += advice(self.network, self.loss, source)
        self.notes += note_on_scores(self.loss, self.metrics)
        measured = ["loss", *self.metrics]
        held_out = [] if validation is None else [VALIDATION + name for name in measured]
        own = [name for callback in self.callbacks for name in callback.columns]
        self.columns = [*measured, *held_out, "learning_rate", "seconds", *own]
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ConfigurationError(
                f"Two columns of the history would be called {twice}: rename the metric or the "
                "callback's column."
            )
        self.batches_per_epoch = len(source)
        self.batch_size = source.batch_size
        self.generators = named_generators(self.network)
        self.source, self.validation = source, validation

    def _let_go_of_the_data(self) -> None:
        self.source = self.validation = None

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
        source = make_source(X, y, batch_size, sample_weight=sample_weight)
        rehearse(self, source)
        return self._measure(source, Alone())

    def _measure(self, source: Source, ranks: Alone) -> dict[str, float]:
        """Return the loss and the metrics over a source that is not trained on.

        The ranks take batches in turn, and the first one measures.
        """
        measurement = Measurement(self.metrics if ranks.first else {})
        with self._threads_for(len(source)) as threads:
            for group, find in turns(ranks, source, threads.count):
                found = threads.map(self._predicted, [batch for _, batch in group])
                own = [
                    (number, batch[1] if self.metrics else None, measured)
                    for (number, batch), measured in zip(group, found, strict=True)
                ]
                for number, y, measured in itertools.chain(*ranks.all_of(MEASURING, own)):
                    if isinstance(measured, InputError):
                        told = failure.tell_measuring(self, source, number, find(number))
                        raise measured if told is None else told from None
                    measurement.add(measured.loss, measured.counts, y, measured.predictions)
        return ranks.from_first(MEASURING, measurement.result)

    def _predicted(self, batch: Batch) -> Passed | InputError:
        """Return a batch's loss and predictions; or why it has none, to be told in its turn."""
        x, y, weight = batch
        loss = own_copy(self.loss)
        try:
            y_pred = self.network.predict(x)
            value = loss.forward(y, y_pred, weight)
            counts = loss.total_weight(y, y_pred, weight)
            return Passed(counts, value, [y_pred] if self.metrics else [])
        except InputError as error:
            return error

    def predict(self, X: Any, *, batch_size: int = EVALUATION_BATCH) -> Any:
        """Return the network's output for every sample, computed batch by batch.

        The workers share the batches.
        """
        samples = check_samples(X)
        batch_size = check_whole("batch_size", batch_size)
        starts = range(0, max(1, len(samples)), batch_size)

        def of_batch(start: int) -> PyTree:
            return self.network.predict(take(samples.X, slice(start, start + batch_size)))

        predictions: list[PyTree] = []
        try:
            with self._threads_for(len(starts)) as threads:
                for first in range(0, len(starts), threads.count):
                    predictions += threads.map(of_batch, starts[first : first + threads.count])
            return concatenate(predictions)
        except (ModuleError, InputError) as error:
            in_users_words(error, min(batch_size, len(samples)), len(samples))
            raise
