"""Trials: short trainings on copies, so that nothing of the user's is changed.

What another learning rate, one small batch, or a plain reference network would do is tried, not
guessed.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.data.samples import Batch, Samples
from chainrule.data.sources import ArraySource, training_batches
from chainrule.data.weights import sample_weights
from chainrule.diagnosis.post_mortem import investigate
from chainrule.doctor.conditions.examination import Examination, LearningCurve, is_class_loss
from chainrule.doctor.conditions.snapshot import Recorder, Snapshot
from chainrule.errors import ChainruleError, InputError, NotFiniteError
from chainrule.layers import Dropout, Flatten, Linear, ReLU, Sigmoid, Softmax
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.optimizers.schedules import scaled
from chainrule.parallel import StepFailed
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, take
from chainrule.training.step import take_step
from chainrule.watching import watch

MEASURED_STEPS = (1, 2, 5, 10, 20, 50, 100, 200)
"""The steps of a trial that are watched, besides the last."""

PROBE = 512
"""Samples in a pass that is looked at: enough to tell a dead unit from a rare one."""

SMALL_BATCH, SMALL_BATCH_STEPS = 16, 200

REFERENCE_HIDDEN = 64

SLIGHTLY = 0.1
"""Losses that differ by less than this share of the lowest count as equal."""

FOLDS, FEWEST_FOR_FOLDS = 3, 60
"""Each fold is left out by one network, so that every sample is left out once."""

ASKED = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""After these shares of its steps a network is asked about its fold."""


@dataclass
class Trial:
    """A trial that was run: its losses, the network at its end, what was measured on the way."""

    curve: LearningCurve
    network: Network
    gradient_norms: list[float] = field(default_factory=list)
    measured: list[Snapshot] = field(default_factory=list)
    not_finite: str = ""


def run(
    exam: Examination,
    steps: int,
    seed: int,
    *,
    optimizer: Optimizer | None = None,
    rate: float = 1.0,
    watched: bool = False,
    on_step: Callable[[int, Network], None] | None = None,
) -> Trial:
    """Train copies of the examined network and optimizer.

    Parameters
    ----------
    exam : Examination
        The network, loss, optimizer, samples and options of the training.
    steps, seed : int
        How many steps; the order of the samples follows from the seed.
    optimizer : Optimizer, optional
        Another one than the examined.
    rate : float
        What the learning rate is multiplied by.
    watched : bool
        Whether to measure some of the steps.
    on_step : callable, optional
        After each step it is given the step's number and the network.
    """
    network, optimizer = copy.deepcopy((exam.network, optimizer or exam.optimizer or Adam()))
    scale_rate(optimizer, rate)
    samples = Samples(exam.X, exam.y, sample_weights(exam.y, None, exam.class_weight))
    source = ArraySource(samples, exam.batch_size)
    batches = training_batches(source, steps, np.random.default_rng(seed))
    losses: list[float] = []
    trial = Trial(LearningCurve(np.empty(0)), network)
    for step, batch in enumerate(batches, start=1):
        look = watched and (step in MEASURED_STEPS or step == steps)
        recorder, before = Recorder(), network.flat.values.copy() if look else None
        try:
            with watch(network, recorder) if look else contextlib.nullcontext():
                result = take_step(network, exam.loss, optimizer, batch, exam.clip_norm)
        except (StepFailed, InputError) as error:
            if isinstance(error, InputError) and not accepted(exam, batch):
                raise
            found = first_not_finite(network, exam, optimizer, batch)
            trial.not_finite = f"The trial met NaN or infinity at step {step}.\n  {found}"
            losses.append(math.inf)
            break
        if look:
            trial.measured.append(recorder.snapshot(network, step, result.loss, before))
        losses.append(result.loss)
        trial.gradient_norms.append(result.gradient_norm)
        if on_step is not None:
            on_step(step, network)
    trial.curve = LearningCurve(np.array(losses))
    return trial


def scale_rate(optimizer: Optimizer, factor: float) -> None:
    """Multiply the learning rate, a number or a schedule."""
    if factor != 1.0:
        optimizer.learning_rate = scaled(optimizer.learning_rate, factor)


def accepted(exam: Examination, batch: Batch) -> bool:
    """Whether the untrained network takes a batch, so that training is to blame for an error."""
    x, y, weight = batch
    try:
        with np.errstate(all="ignore"):
            exam.loss.forward(y, copy.deepcopy(exam.network).forward(x), weight)
    except ChainruleError:
        return False
    return True


def first_not_finite(
    network: Network, exam: Examination, optimizer: Optimizer, batch: Batch
) -> str:
    """Return in words where NaN or infinity occurred first."""
    try:
        found = investigate(network, exam.loss, batch, optimizer, exam.clip_norm)
    except ChainruleError:
        found = None
    return f"the first such array: {found or 'update: the parameters'}"


# ---------------------------------------------------------------- one pass with many samples


def watched_pass(
    network: Network, loss: Loss, X: PyTree, y: PyTree, step: int
) -> tuple[Snapshot, Recorder]:
    """Return one forward and backward pass through a copy, in numbers, and its recorder."""
    network = copy.deepcopy(network)
    recorder = Recorder()
    with np.errstate(all="ignore"), watch(network, recorder):
        y_pred = network.forward(X)
        if not loss.takes(y_pred):
            return recorder.snapshot(network, step, math.inf, None), recorder
        value, dy = loss.value_and_gradient(y, y_pred)
        network.backward(dy)
    return recorder.snapshot(network, step, value, None), recorder


def gaps(network: Network, loss: Loss, X: PyTree, y: PyTree) -> tuple[float, float]:
    """Return the loss of one batch in a training pass (on a copy), and in prediction."""
    with np.errstate(all="ignore"):
        train = loss.forward(y, copy.deepcopy(network).forward(X))
        return train, loss.forward(y, network.predict(X))


def sample_losses(loss: Loss, pred: Any, y: Any) -> Array | None:
    """Return the loss of each sample, where a sample is one row of the output."""
    if not isinstance(y, np.ndarray) or not isinstance(pred, np.ndarray) or pred.ndim > 2:
        return None
    try:
        with np.errstate(all="ignore"):
            return np.asarray(loss.losses(*loss.rows(y, pred)), dtype=np.float64)
    except ChainruleError:
        return None


def baseline(loss: Loss, y: Any, y_pred: Any) -> float:
    """Return the loss of the best constant prediction; NaN if unknown."""
    if not isinstance(y, np.ndarray) or not isinstance(y_pred, np.ndarray):
        return math.nan
    try:
        true, pred = loss.rows(y, np.full_like(y_pred, 0.5) if is_class_loss(loss) else y_pred)
        if loss.ignore_index is not None:
            counts = true.any(axis=1)
            true, pred = true[counts], pred[counts]
        mean = true.astype(np.float64).mean(axis=0)
        if is_class_loss(loss):
            mean = np.clip(mean, 1e-7, 1 - 1e-7)
            if isinstance(loss, CategoricalCrossEntropy):
                mean = mean / mean.sum()
                mean = np.log(mean) if loss.from_logits else mean
            elif getattr(loss, "from_logits", False):
                mean = np.log(mean / (1 - mean))
        answer = np.broadcast_to(mean.astype(pred.dtype), pred.shape)
        return float(np.mean(loss.losses(true, answer)))
    except (ChainruleError, ValueError):
        return math.nan


# ---------------------------------------------------------------- other trials


def on_one_batch(exam: Examination, optimizer: Optimizer, seed: int) -> LearningCurve:
    """Return the losses of memorising one small batch, without dropout."""
    rows = np.random.default_rng(seed).permutation(len(first_array(exam.X)))[:SMALL_BATCH]
    batch = exam.subset(rows)
    batch.network = copy.deepcopy(exam.network)
    for module in batch.network.named_modules().values():
        if isinstance(module, Dropout):
            module.p = 0.0
    batch.batch_size, batch.clip_norm, batch.class_weight = len(rows), None, None
    curve = run(batch, SMALL_BATCH_STEPS, seed, optimizer=optimizer).curve
    curve.baseline = baseline(exam.loss, batch.y, exam.network.predict(batch.X))
    return curve


def reference(
    exam: Examination, known: Array, held: Array, steps: int, seed: int
) -> LearningCurve | None:
    """Return the losses of a plain network on the same rows, standardised; None if there is none.

    It is trained on the rows `known` and measured on the rows `held`.
    """
    x, y, loss = exam.x, exam.y, exam.loss
    if x is None or not isinstance(y, np.ndarray) or y.ndim > 2 or len(held) < 10:
        return None
    flat = x.reshape(len(x), -1).astype(np.float64)
    std = flat[known].std(axis=0)
    flat = ((flat - flat[known].mean(axis=0)) / np.where(std > 1e-12, std, 1.0)).clip(-10, 10)
    outputs = np.shape(exam.network.predict(take(exam.X, known[:1])))[-1]
    ending: list[Any] = []
    target, shift, spread = y, 0.0, 1.0
    if isinstance(loss, CategoricalCrossEntropy):
        loss, ending = CategoricalCrossEntropy(ignore_index=loss.ignore_index), [Softmax()]
    elif isinstance(loss, BinaryCrossEntropy):
        loss, ending = BinaryCrossEntropy(), [Sigmoid()]
    elif is_class_loss(loss):
        return None
    else:
        shift, spread = float(y[known].mean()), float(y[known].std()) or 1.0
        target = (y - shift) / spread
    size = REFERENCE_HIDDEN
    layers = [Flatten(), Linear(flat.shape[1], size), ReLU(), Linear(size, size), ReLU()]
    network = Network([*layers, Linear(size, outputs), *ending], seed=seed)
    plain = Examination(
        network, loss, Adam(0.003), flat[known].astype(np.float32), target[known],
        batch_size=exam.batch_size,
    )  # fmt: skip
    trial = run(plain, steps, seed)
    with np.errstate(all="ignore"):
        pred = trial.network.predict(flat[held].astype(np.float32)) * spread + shift
        if np.isfinite(pred).all():
            rows = loss.rows(y[held], pred.astype(np.float64))
            trial.curve.held_out_losses = loss.losses(*rows)
    return trial.curve


def out_of_fold(
    exam: Examination, samples: int, rows: Array, steps: int, seed: int
) -> Array | None:
    """Return the class probabilities (N, C) predicted by networks that did not see the sample.

    Each network is asked when it predicts its fold best: later it may have memorised wrong labels.

    Parameters
    ----------
    exam : Examination
        With the usable samples alone.
    samples : int
        How many samples there are in all, N.
    rows : ndarray of int
        The positions of the usable samples; the others get NaN.
    """
    labels = exam.labels
    if labels is None or exam.optimizer is None or len(labels) < FEWEST_FOR_FOLDS:
        return None
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    found: Array | None = None
    for k in range(FOLDS):
        held = np.flatnonzero(fold == k)
        best = BestPrediction(exam.subset(held), steps)
        run(exam.subset(np.flatnonzero(fold != k)), steps, seed, on_step=best.look)
        if best.probabilities is None:
            return None
        if found is None:
            found = np.full((samples, best.probabilities.shape[1]), np.nan)
        found[rows[held]] = best.probabilities
    return found


class BestPrediction:
    """Predicts held-out samples now and then in a training, and keeps the best prediction."""

    def __init__(self, held: Examination, steps: int) -> None:
        self.held = held
        self.when = {max(1, round(steps * part)) for part in ASKED}
        self.probabilities: Array | None = None
        self._lowest = math.inf

    def look(self, step: int, network: Network) -> None:
        """Predict, after some of the steps."""
        if step not in self.when:
            return
        loss = self.held.loss
        with np.errstate(all="ignore"):
            y_pred = network.predict(self.held.X)
            losses = sample_losses(loss, y_pred, self.held.y)
        mean = math.inf if losses is None else float(losses.mean())
        if mean < self._lowest:
            self._lowest, self.probabilities = mean, probabilities(loss, y_pred)


def probabilities(loss: Loss, y_pred: PyTree) -> Array | None:
    """Return an output as probabilities (N, C), also where it is logits or one column."""
    if not isinstance(y_pred, np.ndarray) or y_pred.ndim != 2:
        return None
    y_pred = y_pred.astype(np.float64)
    if getattr(loss, "from_logits", False):
        y_pred = Sigmoid().predict(y_pred) if y_pred.shape[1] == 1 else Softmax().predict(y_pred)
    return np.hstack([1 - y_pred, y_pred]) if y_pred.shape[1] == 1 else y_pred


def best_rate(exam: Examination, steps: int, factors: tuple[float, ...], nearly: float) -> float:
    """Return the factor of the learning rate with the lowest final loss, or nearly the lowest.

    Of those that are nearly as good the one nearest to 1 is taken: what is lowest after a few
    hundred steps is often too high for a thousand.
    """
    ends, first = {}, math.inf
    for factor in factors:
        try:
            curve = run(exam, steps, 0, rate=factor).curve
        except (ChainruleError, NotFiniteError):
            continue
        ends[factor], first = curve.last, curve.first
    good = {factor: end for factor, end in ends.items() if math.isfinite(end)}
    if not good:
        return 1.0
    best = min(good.values())
    bound = best + max(nearly * (first - best), SLIGHTLY * abs(best))
    enough = [factor for factor, end in good.items() if end <= bound]
    return min(enough, key=lambda factor: abs(math.log(factor)))
