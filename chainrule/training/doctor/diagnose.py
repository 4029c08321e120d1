"""diagnose: look at a network and its data before training, with a short trial run on copies."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_instance, check_range, check_whole
from chainrule.data.sources import as_array, refuse_other_lengths
from chainrule.diagnosis.doctor import every_finding
from chainrule.diagnosis.doctor.case import Case, Trial
from chainrule.diagnosis.doctor.snapshot import Recorder, of_the_library
from chainrule.diagnosis.doctor.targets import recall_of
from chainrule.diagnosis.gradient_check import check_module
from chainrule.errors import ChainruleError, InputError
from chainrule.layers import BatchNorm
from chainrule.loss_functions import Loss
from chainrule.module import named_modules
from chainrule.nested import Nested, arrays_of, concatenate, first_array, map_arrays, take
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.training.arguments import as_loss
from chainrule.training.doctor import trial as trials
from chainrule.training.doctor.report import Report

MOST_SAMPLES = 2000
"""So many samples, drawn at random, are looked at and tried."""

MOST_STEPS = 300
"""How long the trial run is, at most."""

HELD_OUT = 0.2
LEAST_TO_HOLD_OUT = 60

BATCHES_OF_AN_ITERABLE = 32


def diagnose(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    loss: Loss | Mapping[str, Loss],
    optimizer: Optimizer | None = None,
    validation_data: Any = None,
    batch_size: int = 32,
    epochs: int = 10,
    clip_norm: float | None = None,
    class_weight: Any = None,
    steps: int = MOST_STEPS,
    seed: int = 0,
) -> Report:
    """Tell what is likely to keep a network from learning, and what to do.

    The data, the labels, the network and the loss are looked at; then copies of the network and
    the optimizer are trained for a few hundred steps, also with a tenth and with ten times the
    learning rate, and on a single small batch. The network, the optimizer and their random
    generators are left as they were, to the last bit.

    Parameters
    ----------
    network : Network
        What is to be trained.
    X, y : array_like, or an iterable of batches
        The training data, as `Trainer.fit` takes it.
    loss, optimizer : Loss and Optimizer
        What it is to be trained with; without an optimizer, Adam.
    validation_data : tuple of arrays, optional
        ``(X, y)``: looked at for rows that are training rows too.
    batch_size, epochs, clip_norm, class_weight
        What `Trainer` and its `fit` will be given: whether a learning rate is too low depends on
        how many steps there will be.
    steps : int
        How long the trial run is; never longer than the training.
    seed : int
        Where the order of the samples comes from. The same seed finds the same.

    Returns
    -------
    Report
        What was found, the root first; ``print(report)``, ``report.save_html(path)``,
        ``report.prescribe()``.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Network, diagnose
    >>> X = np.random.default_rng(0).standard_normal((200, 4)) * 1000
    >>> y = (X > 0).sum(axis=1) // 2
    >>> report = diagnose(Network([4, 8, 3], seed=0), X, y, loss=CategoricalCrossEntropy())
    >>> report.findings[0].id
    'input-scale'
    """
    whole = as_loss(loss, None)
    check_instance(network, Network, "network must be a Network")
    check_instance(whole, Loss, "loss must be a Loss")
    if optimizer is not None:
        check_instance(optimizer, Optimizer, "optimizer must be an Optimizer")
        optimizer.check_network(network)
    batch_size, epochs = check_whole("batch_size", batch_size), check_whole("epochs", epochs)
    steps = check_whole("steps", steps, least=10)
    if clip_norm is not None:
        clip_norm = check_range("clip_norm", clip_norm, inclusive=False)
    X, y = gathered(X, y)
    # one copy, from which all others are made: not a bit of the user's own is written to
    network, optimizer = copy.deepcopy((network, Adam() if optimizer is None else optimizer))
    samples = len(first_array(X))
    planned = epochs * -(-samples // batch_size)
    X, y, rows = some(X, y, seed)
    validation = None if validation_data is None else gathered(*tuple(validation_data)[:2])
    case = Case(
        network, whole, optimizer, X, y, validation, batch_size, planned, clip_norm, class_weight
    )
    case.planned_epochs = epochs
    examination(case, min(steps, planned), seed)
    return Report(every_finding(case), case, rows)


def gathered(X: Any, y: Any) -> tuple[Nested, Nested]:
    """Return arrays; of an iterable the first batches."""
    if y is None:
        if not hasattr(X, "__iter__") or isinstance(X, np.ndarray | Mapping):
            raise InputError("Give X and y, or an iterable of batches (x, y).")
        parts = []
        for batch, _ in zip(X, range(BATCHES_OF_AN_ITERABLE), strict=False):
            parts.append(tuple(batch)[:2])
        if not parts:
            raise InputError("The iterable yields no batch.")
        X, y = concatenate([x for x, _ in parts]), concatenate([t for _, t in parts])
    X = map_arrays(lambda a: as_array(a, "X"), X)
    y = map_arrays(lambda a: as_array(a, "y"), y)
    refuse_other_lengths(X, y, "")
    return X, y


def some(X: Nested, y: Nested, seed: int) -> tuple[Nested, Nested, Array]:
    """Return at most MOST_SAMPLES of the samples, and which they are."""
    samples = len(first_array(X))
    rows = np.arange(samples)
    if samples > MOST_SAMPLES:
        rows = np.sort(np.random.default_rng(seed).permutation(samples)[:MOST_SAMPLES])
    return take(X, rows), take(y, rows), rows


# ---------------------------------------------------------------- the examination


def examination(case: Case, steps: int, seed: int) -> None:
    """Fill in what passes and trial runs tell; where they are refused, why."""
    good = usable_rows(case)
    if not len(good):
        return
    case_on = copy.copy(case)
    case_on.X, case_on.y = take(case.X, good), take(case.y, good)
    try:
        look_at_the_start(case, case_on)
        try_training(case, case_on, steps, seed)
    except ChainruleError as error:
        case.refused = str(error)


def usable_rows(case: Case) -> Array:
    """Return the samples that are finite, so that one NaN does not hide all else."""
    good = np.ones(len(first_array(case.X)), bool)
    for array in [*arrays_of(case.X), *arrays_of(case.y)]:
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
    for path, module in reversed(named_modules(network).items()):
        if not path or of_the_library(module) or path not in recorder.outputs:
            continue
        if any(inner.startswith(path + ".") for inner in wrong):
            continue  # the inner one is to blame
        _, x, y = recorder.outputs[path]
        if not all(bool(np.isfinite(a).all()) for a in arrays_of(y)):
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
    if any(factor == 0 for factor in optimizer.lr_multipliers.values()):
        case.unfrozen = tried(1.0, optimizer=thawed(optimizer)).trial
    case.one_batch = trials.on_one_batch(usable, optimizer, seed)
    if not case.one_batch.last < 0.5 * case.one_batch.baseline:
        case.one_batch_adam = trials.on_one_batch(usable, Adam(0.003), seed)
    if not case.not_finite:
        look_at_the_end(case, usable, course.network, known, held, steps, seed)


def thawed(optimizer: Optimizer) -> Optimizer:
    """Return a copy that freezes nothing."""
    optimizer = copy.deepcopy(optimizer)
    optimizer.lr_multipliers = {p: f for p, f in optimizer.lr_multipliers.items() if f != 0}
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
    """Measure the first samples' losses, and how much of each class is recognised, in the end."""
    X, y = take(case.X, slice(0, most)), take(case.y, slice(0, most))
    with np.errstate(all="ignore"):
        pred = trained.predict(X)
    case.losses_of_samples = trials.losses_of_samples(case.loss, pred, y)
    labels = None if case.labels is None else case.labels[:most]
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
