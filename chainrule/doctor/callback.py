"""Doctor: a callback that watches a training, a step now and then, and reports what it saw."""

from __future__ import annotations

import contextlib
import copy
import math
import sys

import numpy as np

from chainrule.checks import check_bool, check_whole
from chainrule.data.sources import Source
from chainrule.doctor import trials
from chainrule.doctor.conditions.examination import Examination, LearningCurve
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.search import all_findings
from chainrule.doctor.conditions.snapshot import Recorder
from chainrule.doctor.examine import MOST_SAMPLES, look_at_start, measure_samples
from chainrule.doctor.prescription import Prescription
from chainrule.doctor.report import Report
from chainrule.errors import ChainruleError, ConfigurationError, NotFiniteError
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.pytree import PyTree, take
from chainrule.training.callback import Callback
from chainrule.training.early_stopping import EarlyStopping
from chainrule.training.state import TrainingState
from chainrule.watching import watch

SHARE = 0.005
"""The passes at the start and the end take at most this share of all samples that training goes
through, so that they cost no more than a few per cent of it."""

LEAST, LEAST_OF_DATA = 64, 500
"""But at least so many: in a pass, and to look at the data."""

EARLY = (1, 10)
"""Steps that are watched besides every k-th one: most of what goes wrong does so at once."""


class Doctor(Callback):
    """Watch a training: ``callbacks=[Doctor()]``; afterwards ``doctor.report``.

    A step now and then is measured layer by layer: the activations, the gradients, and how far the
    weights move. What the training computes is not changed by a bit.

    Parameters
    ----------
    every : int
        The number of steps from one that is watched to the next.
    show : bool
        Whether to print the report after training, if there is more to say than notes.

    Attributes
    ----------
    report : Report
        What was found; after training, however it ended.

    Raises
    ------
    ConfigurationError
        If an option is out of its range, or `report` is asked for before training has ended.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Doctor, Network, Trainer
    >>> X = np.random.default_rng(0).standard_normal((200, 4)) * 1000
    >>> y = (X > 0).sum(axis=1) // 2
    >>> doctor = Doctor(show=False)
    >>> trainer = Trainer(Network([4, 8, 3], seed=0), CategoricalCrossEntropy(), Adam(0.01), seed=0)
    >>> history = trainer.fit(X, y, epochs=2, callbacks=[doctor], progress=False)
    >>> doctor.report.findings[0].id
    'input-scale'
    """

    first_rank_alone = True

    def __init__(self, *, every: int = 200, show: bool = True) -> None:
        self.every = check_whole("every", every)
        self.show = check_bool("show", show)
        self._report: Report | None = None
        self._exam: Examination | None = None
        self._watching = contextlib.ExitStack()
        self._recorder: Recorder | None = None

    @property
    def report(self) -> Report:
        """What was found."""
        if self._report is None:
            raise ConfigurationError("There is no report before a training with this Doctor ended.")
        return self._report

    def prescribe(self) -> Prescription:
        """Return a set-up with the remedies applied, with the weights from before training."""
        return self.report.prescribe()

    # ------------------------------------------------------------ during training

    def on_fit_begin(self, state: TrainingState) -> None:
        self._report, self._exam, self._recorder, self._steps = None, None, None, 0
        self._exam = self._start(state)
        self._watch_next(state)

    def _start(self, state: TrainingState) -> Examination:
        """Return the examination of the training before its first step."""
        network, optimizer = copy.deepcopy((state.network, state.optimizer))
        steps, size = state.epochs * state.batches_per_epoch, state.batch_size
        self._budget = max(LEAST, int(SHARE * steps * size))
        most = min(MOST_SAMPLES, max(LEAST_OF_DATA, 2 * self._budget))
        X, y, self._rows = samples_of(state.source, most)
        held = None
        if state.validation is not None:
            held = samples_of(state.validation, most)[:2]
        exam = Examination(network, state.loss, optimizer, X, y, held, size, steps, state.clip_norm)
        exam.planned_epochs = state.epochs
        if self._rows is not None:
            exam.names = Names(rows=self._rows)
        with contextlib.suppress(ChainruleError):
            look_at_start(exam, exam.subset(self._probe()))
        return exam

    def on_step_end(self, state: TrainingState) -> None:
        self._steps += 1
        if self._recorder is not None:
            self._measure(state)
        following = self._steps + 1
        if following in EARLY or following % self.every == 0:
            self._watch_next(state)

    def _watch_next(self, state: TrainingState) -> None:
        """Watch the coming step."""
        self._recorder = Recorder()
        self._before = state.network.flat.values.copy()
        self._watching.enter_context(watch(state.network, self._recorder))

    def _measure(self, state: TrainingState) -> None:
        """Keep the numbers of the step that was watched, and stop watching."""
        self._watching.close()
        if self._exam is not None and self._recorder is not None and self._recorder.gradients:
            loss = state.history.steps["loss"][-1]
            self._exam.measured.append(
                self._recorder.snapshot(state.network, self._steps, loss, self._before)
            )
        self._recorder = None

    # ------------------------------------------------------------ after training

    def on_fit_end(self, state: TrainingState) -> None:
        self._watching.close()
        self._recorder = None
        if self._exam is None:
            return  # training was refused before it started
        exam, history = self._exam, state.history
        error = None if state.ended_well else sys.exception()
        if isinstance(error, NotFiniteError):
            exam.not_finite = str(error)
        losses = [*history.steps["loss"], *([math.inf] if exam.not_finite else [])]
        exam.trial = LearningCurve(np.array(losses))
        exam.gradient_norms = history.steps["gradient_norm"]
        exam.epochs, exam.stop_reason = history.epochs, history.stop_reason
        exam.kept_epoch = kept_epoch(state)
        if error is None:
            with contextlib.suppress(ChainruleError):
                self._look_at_end(exam, state.network)
        self._report = Report(all_findings(exam), exam, self._rows)
        told = [f for f in self._report.findings if f.severity != "note"]
        history.notes += [
            f"the doctor: {f.summary}" for f in told if f.summary not in history.notes
        ]
        if self.show and told:
            print(self._report)

    def _look_at_end(self, exam: Examination, network: Network) -> None:
        probe = exam.subset(self._probe())
        exam.end, _ = trials.watched_pass(network, exam.loss, probe.X, probe.y, self._steps)
        exam.gaps = trials.gaps(network, exam.loss, probe.X, probe.y)
        measure_samples(exam, network, 2 * self._budget)

    def _probe(self) -> slice:
        """Return the samples for a pass that is measured."""
        return slice(0, min(trials.PROBE, self._budget))


def kept_epoch(state: TrainingState) -> int:
    """Return the epoch whose weights the network has, or will be given by early stopping."""
    for callback in state.callbacks:
        if isinstance(callback, EarlyStopping) and callback.restore_best:
            return callback.best_epoch
    return state.history.kept_epoch


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
