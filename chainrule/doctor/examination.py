"""Examination: what passes and trial runs tell of a case is measured and written into it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.gradient_check import check_module
from chainrule.doctor import trial as trials
from chainrule.doctor.conditions.case import Case, Trial
from chainrule.doctor.conditions.snapshot import Recorder, of_the_library
from chainrule.doctor.conditions.steps import not_freezing
from chainrule.doctor.conditions.targets import recall_of
from chainrule.doctor.conditions.thresholds import LEARNED
from chainrule.errors import ChainruleError
from chainrule.layers import BatchNorm
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.pytree import first_array, take, tree_leaves

MOST_SAMPLES = 2000
"""So many samples, drawn at random, are looked at and tried."""

MOST_STEPS = 300
"""How long the trial run is, at most."""

BY_HEART = 0.01
"""The learning rate of Adam with which a small batch is to be learned, if the user's does not."""

HELD_OUT = 0.2
LEAST_TO_HOLD_OUT = 60


def examine_case(case: Case, steps: int, seed: int) -> None:
    """Fill in what passes and trial runs tell; where they are refused, why."""
    good = usable_rows(case)
    if not len(good):
        return
    case_on = copy.copy(case)
    case_on.X, case_on.y = take(case.X, good), take(case.y, good)
    try:
        look_at_the_start(case, case_on)
        try_training(case, case_on, steps, seed)
        if learned_something(case):
            case.out_of_fold = trials.out_of_fold(case, case_on, good, steps, seed)
    except ChainruleError as error:
        case.refused = str(error)


def learned_something(case: Case) -> bool:
    """Whether the trial knows its samples well enough to say something about a single one."""
    trial = case.trial
    return trial is not None and trial.last < LEARNED * trial.first


def usable_rows(case: Case) -> Array:
    """Return the samples that are finite, so that one NaN does not hide all else."""
    good = np.ones(len(first_array(case.X)), bool)
    for array in [*tree_leaves(case.X), *tree_leaves(case.y)]:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                flat = array.reshape(len(array), -1).astype(case.network.dtype)
            good &= np.isfinite(flat).all(axis=1)
    return np.flatnonzero(good)


def look_at_the_start(case: Case, usable: Case) -> None:
    """Measure a pass before the first step; check the modules that are the user's own."""
    rows = slice(0, trials.PROBE)
    X, y = take(usable.X, rows), take(usable.y, rows)
    case.start, recorder = trials.examine(case.network, case.loss, X, y, 0)
    case.places_per_sample = places_per_sample(recorder)
    case.wrong_backward = list(checked_modules(case.network, recorder))


def places_per_sample(recorder: Recorder) -> dict[str, int]:
    """Return how many numbers of one sample go into a channel's statistics, by path."""
    return {
        path: math.prod(x.shape[2:])
        for path, (module, x, _) in recorder.outputs.items()
        if isinstance(module, BatchNorm) and isinstance(x, np.ndarray)
    }


def checked_modules(network: Network, recorder: Recorder) -> Any:
    """Yield (path, verdict) of each module of the user's own whose backward is wrong."""
    wrong: list[str] = []
    for path, module in reversed(network.named_modules().items()):
        if not path or of_the_library(module) or path not in recorder.outputs:
            continue
        if any(inner.startswith(path + ".") for inner in wrong):
            continue  # the inner one is to blame
        _, x, y = recorder.outputs[path]
        if not all(bool(np.isfinite(a).all()) for a in tree_leaves(y)):
            continue  # no gradient to check where there is no number
        try:
            report = check_module(module, take(x, slice(0, 4)))
        except Exception:  # whatever a user's own code raises: it takes other arguments, say
            continue
        if not report.passed:
            wrong.append(path)
            yield path, str(report)


def try_training(case: Case, usable: Case, steps: int, seed: int) -> None:
    """Run the trials: as it is, with other rates, on one batch, and the reference."""
    optimizer = case.optimizer
    if optimizer is None:
        return
    known, held = split_rows(len(first_array(usable.X)), seed)
    X, y = take(usable.X, known), take(usable.y, known)
    options: dict[str, Any] = {
        "batch_size": case.batch_size,
        "steps": steps,
        "seed": seed,
        "clip_norm": case.clip_norm,
        "class_weight": case.class_weight,
    }

    def tried(
        rate: float, watched: bool = False, optimizer: Optimizer = optimizer
    ) -> trials.Course:
        course = trials.run(
            case.network, case.loss, optimizer, X, y, rate=rate, watched=watched, **options
        )
        course.trial.start = math.nan if case.start is None else case.start.loss
        return course

    course = tried(1.0, watched=True)
    case.trial, case.measured = course.trial, course.measured
    case.gradient_norms, case.not_finite = course.gradient_norms, course.not_finite
    case.slower = first_that_differs(tried, course.trial, (0.1, 0.01, 0.001), learned_well)
    case.faster = first_that_differs(tried, course.trial, (10.0, 100.0, 1000.0), learned_or_left)
    if len(not_freezing(optimizer)) < len(optimizer.lr_multipliers):
        case.unfrozen = tried(1.0, optimizer=thawed(optimizer)).trial
    case.one_batch = trials.on_one_batch(usable, optimizer, seed)
    if not case.one_batch.last < 0.5 * case.one_batch.baseline:
        case.one_batch_adam = trials.on_one_batch(usable, Adam(BY_HEART), seed)
    if not case.not_finite:
        look_at_the_end(case, usable, course.network, known, held, steps, seed)


def thawed(optimizer: Optimizer) -> Optimizer:
    """Return an optimizer of the same network that freezes nothing."""
    optimizer = copy.copy(optimizer)
    optimizer.lr_multipliers = not_freezing(optimizer)
    return optimizer


def first_that_differs(
    tried: Callable[[float], trials.Course],
    as_it_is: Trial,
    factors: Sequence[float],
    enough: Callable[[Trial], bool],
) -> Trial:
    """Return the trial of the first factor that does enough; where none does, the best one."""
    best: Trial | None = None
    for factor in factors:
        trial = tried(factor).trial
        trial.factor = factor
        if best is None or trial.last < best.last:
            best = trial
        if enough(trial) or (factor == factors[0] and enough(as_it_is)):
            break
    assert best is not None
    return best


def learned_well(trial: Trial) -> bool:
    """Whether the loss fell by half."""
    return trial.last < 0.5 * trial.first


def learned_or_left(trial: Trial) -> bool:
    """Whether the loss fell by half, or rose: a still higher rate will tell no more."""
    return learned_well(trial) or trial.last > 1.1 * trial.first


def look_at_the_end(
    case: Case,
    usable: Case,
    trained: Network,
    known: Array,
    held: Array,
    steps: int,
    seed: int,
) -> None:
    """Measure what the trial's network has learned."""
    probe = known[: trials.PROBE]
    X, y = take(usable.X, probe), take(usable.y, probe)
    case.end, _ = trials.examine(trained, case.loss, X, y, steps)
    case.gaps = trials.gaps(trained, case.loss, X, y)
    if steps >= case.steps:
        measure_samples(case, trained)
    trial = case.trial
    if len(held) and trial is not None:
        X, y = take(usable.X, held), take(usable.y, held)
        with np.errstate(all="ignore"):
            pred = trained.predict(X)
        trial.held_out_losses = trials.losses_of_samples(case.loss, pred, y)
        trial.baseline = trials.baseline(case.loss, y, pred)
        case.reference = trials.reference(
            usable, known, held, steps=steps, batch_size=case.batch_size, seed=seed
        )


def measure_samples(case: Case, trained: Network, most: int = MOST_SAMPLES) -> None:
    """Measure the first samples' losses, and how much of each class is recognised, in the end.

    Samples that are not finite have the loss NaN.
    """
    good = usable_rows(case)
    good = good[good < most]
    y = take(case.y, good)
    with np.errstate(all="ignore"):
        pred = trained.predict(take(case.X, good))
    losses = trials.losses_of_samples(case.loss, pred, y)
    if losses is not None:
        case.losses_of_samples = np.full(min(most, len(first_array(case.X))), np.nan)
        case.losses_of_samples[good] = losses
    labels = None if case.labels is None else case.labels[good]
    rows = isinstance(pred, np.ndarray) and pred.ndim == 2
    if labels is not None and rows and np.isfinite(pred).all():
        half = 0.0 if getattr(case.loss, "from_logits", False) else 0.5
        chosen = pred.argmax(axis=1) if pred.shape[1] > 1 else (pred[:, 0] > half).astype(int)
        case.recall = recall_of(labels, chosen)


def split_rows(samples: int, seed: int) -> tuple[Array, Array]:
    """Return the rows to try on, and those to hold out; none of few."""
    order = np.random.default_rng(seed).permutation(samples)
    count = int(HELD_OUT * samples) if samples >= LEAST_TO_HOLD_OUT else 0
    return np.sort(order[count:]), np.sort(order[:count])
