"""Doctor: a callback that watches a training, a step now and then, and tells what it saw."""

from __future__ import annotations

import contextlib
import copy
import math
import sys

import numpy as np

from chainrule.checks import check_bool, check_whole
from chainrule.data.sources import Source
from chainrule.doctor import trial as trials
from chainrule.doctor.conditions import every_finding
from chainrule.doctor.conditions.case import Case, Trial
from chainrule.doctor.conditions.finding import NOTE
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.snapshot import Recorder
from chainrule.doctor.examination import (
    MOST_SAMPLES,
    checked_modules,
    measure_samples,
    places_per_sample,
)
from chainrule.doctor.prescription import Prescription
from chainrule.doctor.report import Report
from chainrule.errors import ChainruleError, ConfigurationError, NotFiniteError
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.pytree import PyTree, take
from chainrule.training.callback import Callback
from chainrule.training.early_stopping import EarlyStopping
from chainrule.training.run import Run
from chainrule.watching import watch

SHARE = 0.005
"""Passes at the beginning and the end have at most so many samples as a part of all that training
goes through, so that they cost no more than a few per cent of it."""

LEAST, LEAST_OF_DATA = 64, 500
"""But not fewer than these: for a pass, and to look at the data."""

EARLY = (1, 10)
"""Steps that are watched besides every k-th one: most that goes wrong does so at once."""


class Doctor(Callback):
    """Watch a training: ``callbacks=[Doctor()]``; afterwards ``doctor.report``.

    A step now and then is looked at layer by layer: what the activations are like, the
    gradients, and how far the weights move. What the training computes is not changed by a bit.

    Parameters
    ----------
    every : int
        How many steps there are from one that is watched to the next.
    show : bool
        Whether to print the report at the end, where there is more to tell than notes.

    Attributes
    ----------
    report : Report
        What was found; after training, however it ended.
    """

    first_rank_alone = True

    def __init__(self, *, every: int = 200, show: bool = True) -> None:
        self.every = check_whole("every", every)
        self.show = check_bool("show", show)
        self._report: Report | None = None
        self._case: Case | None = None
        self._watching = contextlib.ExitStack()
        self._recorder: Recorder | None = None

    @property
    def report(self) -> Report:
        """What was found."""
        if self._report is None:
            raise ConfigurationError("There is no report before a training with this Doctor ended.")
        return self._report

    def prescribe(self) -> Prescription:
        """Return a set-up with the remedies applied, from the weights that training began with."""
        return self.report.prescribe()

    # ------------------------------------------------------------ watching

    def on_fit_begin(self, trainer: Run) -> None:
        self._report, self._case, self._recorder, self._steps = None, None, None, 0
        self._trainer_first: tuple[Network, Optimizer] = copy.deepcopy(
            (trainer.network, trainer.optimizer)
        )
        self._case = self._begin(trainer)
        self._watch_next(trainer)

    def _begin(self, trainer: Run) -> Case:
        network, optimizer = self._trainer_first
        steps, size = trainer.epochs * trainer.batches_per_epoch, trainer.batch_size
        self._budget = max(LEAST, int(SHARE * steps * size))
        most = min(MOST_SAMPLES, max(LEAST_OF_DATA, 2 * self._budget))
        X, y, self._rows = samples_of(trainer.source, most)
        held = None
        if trainer.validation is not None:
            held = samples_of(trainer.validation, most)[:2]
        case = Case(network, trainer.loss, optimizer, X, y, held, size, steps, trainer.clip_norm)
        case.planned_epochs = trainer.epochs
        if self._rows is not None:
            case.names = Names(rows=self._rows)
        probe = self._probe()
        with contextlib.suppress(ChainruleError):
            case.start, recorder = trials.examine(
                network, trainer.loss, take(X, probe), take(y, probe), 0
            )
            case.places_per_sample = places_per_sample(recorder)
            case.wrong_backward = list(checked_modules(network, recorder))
        return case

    def on_step_end(self, trainer: Run) -> None:
        self._steps += 1
        if self._recorder is not None:
            self._note(trainer)
        following = self._steps + 1
        if following in EARLY or following % self.every == 0:
            self._watch_next(trainer)

    def _watch_next(self, trainer: Run) -> None:
        """Let the coming step be watched."""
        self._recorder = Recorder()
        self._before = trainer.network.flat.values.copy()
        self._watching.enter_context(watch(trainer.network, self._recorder))

    def _note(self, trainer: Run) -> None:
        """Take the numbers of the step that was watched, and watch no longer."""
        self._watching.close()
        case = self._case
        if case is not None and self._recorder is not None and self._recorder.gradients:
            loss = trainer.history.steps["loss"][-1]
            case.measured.append(
                self._recorder.snapshot(trainer.network, self._steps, loss, self._before)
            )
        self._recorder = None

    # ------------------------------------------------------------ the end

    def on_fit_end(self, trainer: Run) -> None:
        self._watching.close()
        self._recorder = None
        if self._case is None:
            return  # training was refused before it began
        case, history = self._case, trainer.history
        error = None if trainer.ended_well else sys.exception()
        if isinstance(error, NotFiniteError):
            case.not_finite = str(error)
        case.trial = trial_of(history.steps["loss"], case.not_finite)
        case.gradient_norms = history.steps["gradient_norm"]
        case.epochs, case.stop_reason = history.epochs, history.stop_reason
        case.kept_epoch = kept_epoch(trainer)
        if error is None:
            with contextlib.suppress(ChainruleError):
                self._look_at_the_end(case, trainer.network)
        self._report = Report(every_finding(case), case, self._rows)
        told = [f for f in self._report.findings if f.severity != NOTE]
        history.notes += [
            f"the doctor: {f.summary}" for f in told if f.summary not in history.notes
        ]
        if self.show and told:
            print(self._report)

    def _look_at_the_end(self, case: Case, network: Network) -> None:
        probe = self._probe()
        X, y = take(case.X, probe), take(case.y, probe)
        case.end, _ = trials.examine(network, case.loss, X, y, self._steps)
        case.gaps = trials.gaps(network, case.loss, X, y)
        measure_samples(case, network, 2 * self._budget)

    def _probe(self) -> slice:
        """Return the samples of a pass that is looked at as a whole."""
        return slice(0, min(trials.PROBE, self._budget))


def kept_epoch(trainer: Run) -> int:
    """Return the epoch whose weights the network has, or will be given by early stopping."""
    for callback in trainer.callbacks:
        if isinstance(callback, EarlyStopping) and callback.restore_best:
            return callback.best_epoch
    return trainer.history.kept_epoch


def samples_of(source: Source, most: int) -> tuple[PyTree, PyTree, Array | None]:
    """Return some of a source's samples, drawn at random, and which; or its first batch."""
    samples = source.samples
    if samples is not None:
        rows = samples.rows
        if len(rows) > most:
            rows = rows[np.random.default_rng(0).permutation(len(rows))[:most]]
        return take(samples.X, rows), take(samples.y, rows), rows
    x, y, _ = source.first()
    return x, y, None


def trial_of(losses: list[float], not_finite: str) -> Trial:
    """Return the training itself, as a trial."""
    return Trial(np.array([*losses, *([math.inf] if not_finite else [])]))
