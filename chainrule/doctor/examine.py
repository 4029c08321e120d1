"""examine: measures everything that the conditions look at, by passes and trials."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from chainrule.diagnosis.gradient_check import check_module
from chainrule.doctor import trials
from chainrule.doctor.conditions.examination import Examination, LearningCurve
from chainrule.doctor.conditions.gradients import frozen_parameters, let_learn
from chainrule.doctor.conditions.snapshot import Recorder
from chainrule.doctor.conditions.targets import recalls
from chainrule.doctor.conditions.thresholds import LEARNED
from chainrule.errors import ChainruleError
from chainrule.layers import BatchNorm
from chainrule.network import Network
from chainrule.optimizers import Adam
from chainrule.parameter import Array
from chainrule.pytree import first_array, take, tree_leaves

MOST_SAMPLES = 2000
"""At most so many samples, drawn at random, are looked at and tried."""

MOST_STEPS = 300
"""The length of the trial run, at most."""

MEMORIZING_RATE = 0.01
"""The learning rate of Adam for memorising a small batch, where the user's optimizer fails."""

HELD_OUT = 0.2
LEAST_TO_HOLD_OUT = 60


def examine(exam: Examination, steps: int, seed: int) -> None:
    """Fill in what passes and trials show; where they are refused, why.

    Parameters
    ----------
    exam : Examination
        With network, loss, optimizer and data.
    steps : int
        The length of the trial run.
    seed : int
        The order of the samples follows from it.
    """
    good = usable_rows(exam)
    if not len(good):
        return
    usable = exam.subset(good)
    try:
        look_at_start(exam, usable.subset(slice(0, trials.PROBE)))
        run_trials(exam, usable, steps, seed)
        trial = exam.trial
        if trial is not None and trial.last < LEARNED * trial.first:
            samples = len(first_array(exam.X))
            exam.out_of_fold = trials.out_of_fold(usable, samples, good, steps, seed)
    except ChainruleError as error:
        exam.refused = str(error)


def usable_rows(exam: Examination) -> Array:
    """Return the samples that are finite, so that one NaN does not hide everything else."""
    good = np.ones(len(first_array(exam.X)), bool)
    for array in [*tree_leaves(exam.X), *tree_leaves(exam.y)]:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                flat = array.reshape(len(array), -1).astype(exam.network.dtype)
            good &= np.isfinite(flat).all(axis=1)
    return np.flatnonzero(good)


def look_at_start(exam: Examination, probe: Examination) -> None:
    """Measure a pass before the first step, and check the user's own modules."""
    exam.start, recorder = trials.watched_pass(exam.network, exam.loss, probe.X, probe.y, 0)
    exam.positions_per_sample = {
        path: math.prod(x.shape[2:])
        for path, (module, x, _) in recorder.outputs.items()
        if isinstance(module, BatchNorm) and isinstance(x, np.ndarray)
    }
    exam.wrong_backward = list(wrong_modules(exam.network, recorder))


def wrong_modules(network: Network, recorder: Recorder) -> Iterator[tuple[str, str]]:
    """Yield path and verdict of each of the user's own modules whose backward is wrong."""
    wrong: list[str] = []
    for path, module in reversed(network.named_modules().items()):
        if not path or module.built_in or path not in recorder.outputs:
            continue
        if any(inner.startswith(path + ".") for inner in wrong):
            continue  # the inner one is to blame
        _, x, y = recorder.outputs[path]
        if not all(bool(np.isfinite(a).all()) for a in tree_leaves(y)):
            continue  # without finite outputs there is no gradient to check
        try:
            report = check_module(module, take(x, slice(0, 4)))
        except Exception:  # whatever a user's own code raises: it takes other arguments, say
            continue
        if not report.passed:
            wrong.append(path)
            yield path, str(report)


def run_trials(exam: Examination, usable: Examination, steps: int, seed: int) -> None:
    """Run the trials: as it is, with other rates, with nothing frozen, on one batch."""
    optimizer = exam.optimizer
    if optimizer is None:
        return
    known, held = split_rows(len(first_array(usable.X)), seed)
    part = usable.subset(known)
    initial = math.nan if exam.start is None else exam.start.loss

    def tried(rate: float) -> LearningCurve:
        curve = trials.run(part, steps, seed, rate=rate).curve
        curve.initial, curve.factor = initial, rate
        return curve

    trial = trials.run(part, steps, seed, watched=True)
    trial.curve.initial = initial
    exam.trial, exam.measured = trial.curve, trial.measured
    exam.gradient_norms, exam.not_finite = trial.gradient_norms, trial.not_finite
    if not optimizer.finds_step_lengths:
        exam.slower = first_that_differs(tried, trial.curve, (0.1, 0.01, 0.001), learned_well)
        exam.faster = first_that_differs(tried, trial.curve, (10.0, 100.0, 1000.0), learned_or_rose)
    if frozen_parameters(exam):
        thawed = copy.copy(part)
        thawed.network, thawed.optimizer = copy.deepcopy((exam.network, optimizer))
        let_learn(thawed.network, thawed.optimizer)
        exam.unfrozen = trials.run(thawed, steps, seed).curve
        exam.unfrozen.initial = initial
    exam.one_batch = trials.on_one_batch(usable, optimizer, seed)
    if not exam.one_batch.last < 0.5 * exam.one_batch.baseline:
        exam.one_batch_adam = trials.on_one_batch(usable, Adam(MEMORIZING_RATE), seed)
    if not exam.not_finite:
        look_at_end(exam, trial.network, usable.subset(known[: trials.PROBE]), steps)
        if len(held):
            hold_out(exam, trial, usable, known, held, steps, seed)


def split_rows(samples: int, seed: int) -> tuple[Array, Array]:
    """Return the rows to train on, and those to hold out; none, if there are few."""
    order = np.random.default_rng(seed).permutation(samples)
    count = int(HELD_OUT * samples) if samples >= LEAST_TO_HOLD_OUT else 0
    return np.sort(order[count:]), np.sort(order[:count])


def first_that_differs(
    tried: Callable[[float], LearningCurve],
    as_it_is: LearningCurve,
    factors: Sequence[float],
    enough: Callable[[LearningCurve], bool],
) -> LearningCurve:
    """Return the trial with the first factor that does enough; the best one, if none does."""
    curves: list[LearningCurve] = []
    for factor in factors:
        curves.append(tried(factor))
        if enough(curves[-1]) or (factor == factors[0] and enough(as_it_is)):
            break
    return min(curves, key=lambda curve: curve.last)


def learned_well(curve: LearningCurve) -> bool:
    """Whether the loss fell by half."""
    return curve.last < 0.5 * curve.first


def learned_or_rose(curve: LearningCurve) -> bool:
    """Whether the loss fell by half, or rose: a still higher rate will say no more."""
    return learned_well(curve) or curve.last > 1.1 * curve.first


def look_at_end(exam: Examination, trained: Network, probe: Examination, step: int) -> None:
    """Measure a pass after the last step."""
    exam.end, _ = trials.watched_pass(trained, exam.loss, probe.X, probe.y, step)
    exam.gaps = trials.gaps(trained, exam.loss, probe.X, probe.y)
    if step >= exam.steps:
        measure_samples(exam, trained)


def hold_out(
    exam: Examination,
    trial: trials.Trial,
    usable: Examination,
    known: Array,
    held: Array,
    steps: int,
    seed: int,
) -> None:
    """Measure the trial's network on rows that it did not see, and a plain network on the same."""
    X, y = take(usable.X, held), take(usable.y, held)
    with np.errstate(all="ignore"):
        pred = trial.network.predict(X)
    trial.curve.held_out_losses = trials.sample_losses(exam.loss, pred, y)
    trial.curve.baseline = trials.baseline(exam.loss, y, pred)
    exam.reference = trials.reference(usable, known, held, steps, seed)


def measure_samples(exam: Examination, trained: Network, most: int = MOST_SAMPLES) -> None:
    """Measure the losses of the first samples, and each class's recall, after training.

    Samples that are not finite have the loss NaN.
    """
    good = usable_rows(exam)
    good = good[good < most]
    y = take(exam.y, good)
    with np.errstate(all="ignore"):
        pred = trained.predict(take(exam.X, good))
    losses = trials.sample_losses(exam.loss, pred, y)
    if losses is not None:
        exam.sample_losses = np.full(min(most, len(first_array(exam.X))), np.nan)
        exam.sample_losses[good] = losses
    labels = None if exam.labels is None else exam.labels[good]
    is_table = isinstance(pred, np.ndarray) and pred.ndim == 2
    if labels is not None and is_table and np.isfinite(pred).all():
        half = 0.0 if getattr(exam.loss, "from_logits", False) else 0.5
        chosen = pred.argmax(axis=1) if pred.shape[1] > 1 else (pred[:, 0] > half).astype(int)
        exam.recall = recalls(labels, chosen)
