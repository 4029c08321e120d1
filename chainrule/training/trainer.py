"""Trainer: the training loop, with progress, validation, callbacks and checkpoints around it.

`Trainer.fit` prepares a training (`setup.py`) and runs it: `_train` is the whole loop, `_step` the
whole step. How a step is run (in one go, in parts, in threads, in several processes) is decided by
a `Strategy`. What happens around it (checkpoints, early stopping, logs) is done by callbacks.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_seed, check_whole
from chainrule.checks.habits import TRAINER_ATTRIBUTES, GivesAdvice, gives_advice
from chainrule.data.sources import Source, make_source
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parallel import BatchShare, make_strategy
from chainrule.storage.atomic import check_replaceable
from chainrule.training import evaluation, failure, options, setup
from chainrule.training.callback import Callback
from chainrule.training.dry_run import dry_run
from chainrule.training.history import History
from chainrule.training.interruption import raise_interrupt
from chainrule.training.state import Metric, TrainingState, exclusive_training
from chainrule.training.step import take_step


class Trainer(GivesAdvice):
    """Trains a network on data, and evaluates it.

    Parameters
    ----------
    network : Network
        What is trained.
    loss : Loss, or mapping of str to Loss
        What is minimized. A network of several outputs has a loss for each, by the names of the
        outputs, or one loss that takes them all.
    optimizer : Optimizer
        How the parameters move.
    metrics : sequence of callables, or mapping of names to callables
        Functions ``(y_true, y_pred) -> float``, such as `chainrule.metrics.accuracy`. They are
        computed over a whole epoch, whose predictions are kept for that. For several outputs,
        ``{"species": [accuracy]}`` measures one. Sample weights count in those that take
        ``sample_weight``; a note names those that do not. What has the weight 0, such as padding,
        or is ignored by the loss, is left out of all of them; of masked sequences they are given
        the positions that are left, (M,) and (M, outputs). Class weights count in the loss alone.
    loss_weights : mapping of str to float, optional
        How much the loss of each output counts; 1 by default.
    clip_norm : float, optional
        Gradients whose norm over all parameters is larger are scaled down to it.
    micro_batch_size : int, optional
        Send each batch through in parts of this size and accumulate their gradients: the same step
        with less memory. (Batch normalisation sees the parts.)
    workers : int or "auto"
        How many threads share each batch, and predictions. The same step, to rounding; whether it
        takes less time depends on the network and the machine. The same number of workers gives
        the same bits each time. ``"auto"`` takes the first steps with one and with as many as there
        are processors, goes on with what is faster, and notes it in `History.notes`. Batches of
        recurrent layers are shared only if they are large; a note says from which size on. More
        than one worker needs the extra ``workers``.
    sync_batch_norm : bool
        Whether, with several workers or ranks, `BatchNorm` takes its statistics over the whole
        batch, as with one worker. Otherwise each takes them over its part, and the running
        statistics follow the mean of the parts'.
    communicator : mpi4py.MPI.Intracomm or chainrule.parallel.Communicator, optional
        Train together with the processes of this communicator, such as ``MPI.COMM_WORLD`` in a
        program started by ``mpiexec -n 4 python -m mpi4py train.py``; see ``docs/parallel.md``.
        All of them run the same program on the same data, and each takes its own rows of each
        batch. After 30 seconds of waiting they say for which rank; ``Communicator(MPI.COMM_WORLD,
        timeout=600)`` also ends the job after ten minutes. Several ranks need the extra ``mpi``.
    seed : int or Generator, optional
        Determines the order of the samples, the validation split and augmentation.
    post_mortem_file : path, optional
        Where to save the batch if training meets NaN or infinity, for `chainrule.diagnosis.replay`.
        The file holds rows of your data. ``"auto"`` is ``post_mortem.npz`` in the folder of the
        `Checkpoint` callback, and no file without one; None saves nothing.

    Attributes
    ----------
    state : TrainingState
        Where the training is: the present one, or the last one.
    history : History
        What has happened in it.
    strategy : Strategy
        How its steps are run.

    Raises
    ------
    ConfigurationError
        An option cannot be used.

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

    attribute_advice = TRAINER_ATTRIBUTES

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
        self.network, self.optimizer = network, optimizer
        self.loss: Loss = options.as_loss(loss, loss_weights)
        self.strategy = make_strategy(
            micro_batch_size=micro_batch_size,
            workers=workers,
            sync_batch_norm=sync_batch_norm,
            communicator=communicator,
        )
        self.clip_norm = options.check_trainer(network, self.loss, optimizer, clip_norm)
        self.metrics = options.named_metrics(metrics)
        self.micro_batch_size, self.workers = micro_batch_size, workers
        self.sync_batch_norm = sync_batch_norm
        self.seed, self.rng = seed, check_seed(seed)
        if post_mortem_file not in (None, "auto"):
            check_replaceable(post_mortem_file)
        self.post_mortem_file = post_mortem_file
        self.state = self._new_state(epochs=0)

    def _new_state(self, epochs: int) -> TrainingState:
        return TrainingState(
            self.network,
            self.loss,
            self.optimizer,
            self.metrics,
            self.rng,
            epochs=epochs,
            clip_norm=self.clip_norm,
            micro_batch_size=self.micro_batch_size,
            workers=self.workers,
            sync_batch_norm=self.sync_batch_norm,
            seed=self.seed,
            post_mortem_file=self.post_mortem_file,
            rank=self.strategy.rank,
            world_size=self.strategy.world_size,
        )

    @property
    def history(self) -> History:
        """What has happened, in the present training or the last one."""
        return self.state.history

    def stop(self, reason: str) -> None:
        """End training after the current step, for instance from another thread."""
        self.state.stop(reason)

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
        class_weight: options.ClassWeights | None = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        drop_last: bool = False,
        augment: options.Augment | Mapping[str, options.Augment] | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | str = "auto",
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train, and return what happened.

        Ctrl-C ends training after the current step. `fit` then returns, ``history.stop_reason`` is
        "Ctrl-C", and the network keeps what it has learned. With the callback
        ``StopOnInterrupt(reraise=True)`` it raises KeyboardInterrupt instead, which ends a script
        with exit status 130. A second Ctrl-C interrupts the step.

        Parameters
        ----------
        X, y : array_like, or a tuple or dict of arrays
            Samples along the first axis. Several inputs or outputs are given as a dict by their
            names, with further inputs such as lengths among them, or as a tuple in their order. A
            `numpy.memmap` is never copied as a whole. Or X alone: an iterable of batches
            ``(x, y)`` or ``(x, y, weight)``, read once per epoch. One that shuffles itself has a
            method ``set_epoch(epoch)``, called before each epoch, from which its order follows;
            without it a training cannot be resumed. It may yield the same arrays each time, filled
            with the next batch: each batch is copied. The data are used as they are: the network's
            preparations are for `Network.predict_raw`, and if targets were scaled, the loss and
            the metrics are in the scaled units.
        epochs, batch_size : int
            How often to go through the data, and how many samples make one step. The last batch of
            an epoch may be smaller; a single sample left over joins the batch before it.
        validation_data : tuple of arrays, or iterable of batches, optional
            Evaluated after every epoch: ``(X, y)`` or ``(X, y, weight)``.
        validation_split : float, optional
            Or: the share of X and y to hold out for that, chosen at random and, if y holds classes,
            the same share of each class. The first line of progress says so.
        class_weight : mapping of int to float, sequence of float, or "balanced", optional
            How much each class counts in the loss (give it to one of the two only); "balanced"
            makes all classes count the same in total.
        sample_weight : array_like, shape (N,) or (N, T), optional
            How much each sample counts, or each position of a sequence, in the loss and in metrics.
            Two is the same as having the sample twice; samples of weight 0 are left out.
        shuffle : bool
            Whether each epoch uses the samples in a new order.
        drop_last : bool
            Whether to leave out a smaller last batch in each epoch.
        augment : callable, or mapping of str to callable, optional
            ``augment(x, rng) -> x`` changes each training batch; see `chainrule.augmentation`.
            For several inputs, one function for each that is to be changed.
        callbacks : sequence of Callback
            Called at certain moments, in this order.
        progress : {"auto", "bar", "lines", False}
            What to show.
        resume : path, optional
            A file that a `Checkpoint` callback writes. If it exists, training goes on from there,
            and ends with the same bits as without the interruption. The data and the settings have
            to be the same; otherwise the differences are named, and nothing is changed. Callbacks
            may be left out or added; one that goes on from a state, such as `EarlyStopping`, needs
            the same options.

        Returns
        -------
        History
            Of this call: each call starts a new one, in which epochs count from 1, and early
            stopping and the best epoch refer to these epochs alone. To continue an earlier call,
            use `resume`.

        Raises
        ------
        InputError, ShapeError, ConfigurationError
            Something given cannot be used; raised before the first step.
        NotFiniteError
            Training met NaN or infinity; the message is a post-mortem.
        """
        strategy = self.strategy
        with (
            strategy.session(),
            exclusive_training(self.network),
            contextlib.ExitStack() as undo,
        ):
            options.refuse_two_class_weights(self.loss, class_weight)
            state = self._new_state(check_whole("epochs", epochs))
            undo.callback(setattr, self, "state", self.state)
            undo.callback(state.undo_changes(values=resume is not None or state.rank > 0))
            self.state = state
            strategy.begin(state)
            state.callbacks = setup.make_callbacks(callbacks, progress, state.rank)
            change = options.make_augment(augment, self.rng, None if y is None else X)
            source = make_source(
                X,
                y,
                batch_size,
                sample_weight=sample_weight,
                class_weight=class_weight,
                epochs=epochs,
                drop_last=check_bool("drop_last", drop_last),
            )
            validation = setup.validation_source(validation_data, validation_split, epochs)
            same = {
                "validation_split": validation_split,
                "class_weight": class_weight,
                "shuffle": check_bool("shuffle", shuffle),
                "drop_last": drop_last,
                "augment": augment,
            }
            if self.loss.ignore_index is not None:
                source = setup.without_ignored(self.loss, source)
            setup.note_settings(state, strategy, source, validation, same, callbacks, resume)
            saved = setup.resume(state, strategy, source, resume)
            if validation_split is not None:
                source, validation = setup.hold_out(state, source, validation_split)
            setup.look_at(state, source, validation)
            strategy.broadcast_state(state)
            with (
                state.using(source, validation),
                strategy.running(self.network, state),
                state.callbacks.running(state),
            ):
                state.callbacks.load_state(saved, state)
                undo.pop_all()  # from here on nothing is undone
                self._train(state, source, validation, shuffle, change)
                setup.note_the_end(state)
                state.ended_well = True
        raise_interrupt(state)
        return state.history

    def _train(
        self,
        state: TrainingState,
        source: Source,
        validation: Source | None,
        shuffle: bool,
        augment: Callable[[Any], Any] | None,
    ) -> None:
        """Run the epochs that remain: the whole loop."""
        strategy, callbacks = self.strategy, state.callbacks
        strategy.synchronize(state)  # a callback may have stopped the training already
        while state.epoch < state.epochs and not state.stop_reason:
            if state.batch == 0:
                state.start_epoch(source.order(self.rng if shuffle else None))
            place = state.order, state.batch, state.epoch
            for share in strategy.batches(source, *place, augment):
                self._step(state, share)
                callbacks.on_step_end(state)
                strategy.synchronize(state)
                if state.stop_reason:
                    return
            measured = None
            if validation is not None:
                with state.evaluated_weights():
                    measured, note = evaluation.evaluate(state, validation, strategy)
                state.say(note)
            state.finish_epoch(strategy.broadcast(partial(state.row, measured)))
            callbacks.on_epoch_end(state)
            strategy.synchronize_epoch(state)

    def _step(self, state: TrainingState, share: BatchShare) -> None:
        """Move the parameters once, by the gradient of one batch, and record what happened."""
        strategy = self.strategy
        before = [generator.bit_generator.state for generator in state.generators.values()]
        try:
            with strategy.step(share):
                result = take_step(
                    state.network,
                    state.loss,
                    state.optimizer,
                    share.batch,
                    state.clip_norm,
                    strategy,
                    first=state.step == 0,
                )
        except failure.MAY_BE_NOT_FINITE as error:
            failure.report_step(state, share.whole(), before, error)
            raise
        state.notes.extend(result.notes)
        state.finish_step(result.loss, result.gradient_norm, result.learning_rate)
        measured = strategy.gather(share, result.predictions, bool(state.metrics))
        if measured is not None:
            state.measurement.add(result, *measured)

    # ------------------------------------------------------------ evaluation

    def evaluate(
        self, X: Any, y: Any = None, *, batch_size: int = 256, sample_weight: Any = None
    ) -> dict[str, float]:
        """Return the loss and the metrics on data that is not trained on.

        The metrics are computed once, over all predictions. With several processes each does it by
        itself.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        batch_size : int
            How many samples go through the network at a time.

        Examples
        --------
        >>> from chainrule import Adam, Linear, MeanSquaredError, Network
        >>> trainer = Trainer(Network([Linear(1, 1, bias=False)]), MeanSquaredError(), Adam())
        >>> trainer.evaluate([[0.0], [0.0]], [[1.0], [3.0]])
        {'loss': 5.0}
        """
        source = make_source(X, y, batch_size, sample_weight=sample_weight)
        dry_run(self.state, source)
        measured, note = evaluation.evaluate(self.state, source, self.strategy.local)
        if note:
            warnings.warn(note, stacklevel=2)
        return measured

    def predict(self, X: Any, *, batch_size: int = 256) -> Any:
        """Return the network's output for every sample, computed batch by batch.

        Parameters
        ----------
        X : array_like, or a tuple or dict of arrays
            As in `fit`.
        batch_size : int
            How many samples go through the network at a time.

        Returns
        -------
        ndarray, or dict of ndarray
            The outputs, with the samples along the first axis.
        """
        return evaluation.predict(self.network, X, batch_size, self.strategy.local)
