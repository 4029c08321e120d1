"""Trial runs: a few hundred steps on copies, so that nothing of the user's is touched.

What a tenth of the learning rate, one small batch, or a plain reference network would do is tried,
not guessed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.diagnosis.post_mortem import investigate
from chainrule.doctor.conditions.case import Case, Trial, is_class_loss
from chainrule.doctor.conditions.snapshot import Recorder, Snapshot
from chainrule.errors import ChainruleError, InputError, NotFiniteError
from chainrule.layers import Dropout, Flatten, Linear, ReLU, Sigmoid, Softmax
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, take, tree_leaves
from chainrule.training.parts import StepFailed
from chainrule.training.step import take_step
from chainrule.watching import watch

MEASURED_STEPS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Which steps of a trial are watched, besides the last."""

PROBE = 512
"""Samples of a pass that is looked at as a whole: enough to tell a dead unit from a rare one."""

SMALL_BATCH, SMALL_BATCH_STEPS = 16, 200

REFERENCE_HIDDEN = 64

SLIGHTLY = 0.1
"""Losses that differ by less than this part of the lowest are as good as it."""

FOLDS, FEWEST_FOR_FOLDS = 3, 60
"""Networks that each leave out a part, so that every sample is left out once."""

ASKED = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""After which parts of their steps they are asked about it."""


@dataclass
class Course:
    """A trial that was run: its losses, where it ended, and what was measured on the way."""

    trial: Trial
    network: Network
    gradient_norms: list[float] = field(default_factory=list)
    measured: list[Snapshot] = field(default_factory=list)
    not_finite: str = ""


def run(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    X: PyTree,
    y: PyTree,
    *,
    batch_size: int,
    steps: int,
    seed: int,
    rate: float = 1.0,
    clip_norm: float | None = None,
    class_weight: Any = None,
    watched: bool = False,
    on_step: Callable[[int, Network], None] | None = None,
) -> Course:
    """Train copies for so many steps, with the learning rate times `rate`.

    After each step `on_step` is given its number and the network as it is then.
    """
    first = network
    network, optimizer = copy.deepcopy((network, optimizer))
    scale_rate(optimizer, rate)
    rng = np.random.default_rng(seed)
    weights = weights_of(y, class_weight)
    losses: list[float] = []
    course = Course(Trial(np.empty(0)), network)
    for step, rows in enumerate(batches(len(first_array(X)), batch_size, steps, rng), start=1):
        weight = None if weights is None else weights[rows]
        batch = take(X, rows), take(y, rows), weight
        look = watched and (step in MEASURED_STEPS or step == steps)
        try:
            if look:
                value, norm = watched_step(course, network, loss, optimizer, batch, clip_norm, step)
            else:
                result = take_step(network, loss, optimizer, batch, clip_norm)
                value, norm = result.loss, result.gradient_norm
        except (StepFailed, InputError) as error:
            if isinstance(error, InputError) and not accepted(first, loss, batch):
                raise
            course.not_finite = post_mortem(network, loss, optimizer, batch, clip_norm, step)
            losses.append(math.inf)
            break
        losses.append(value)
        course.gradient_norms.append(norm)
        if on_step is not None:
            on_step(step, network)
    course.trial = Trial(np.array(losses))
    return course


def watched_step(
    course: Course,
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    batch: Any,
    clip_norm: float | None,
    step: int,
) -> tuple[float, float]:
    """Take one step with the recorder looking on."""
    recorder, before = Recorder(), network.flat.values.copy()
    with watch(network, recorder):
        result = take_step(network, loss, optimizer, batch, clip_norm)
    course.measured.append(recorder.snapshot(network, step, result.loss, before))
    return result.loss, result.gradient_norm


def batches(samples: int, size: int, steps: int, rng: np.random.Generator) -> Any:
    """Yield rows, epoch after epoch, each shuffled; a last batch of one is left out."""
    done, size = 0, min(size, samples)
    while done < steps:
        order = rng.permutation(samples)
        for first in range(0, samples - (1 if size > 1 else 0), size):
            if done == steps:
                return
            yield order[first : first + size]
            done += 1


def scale_rate(optimizer: Optimizer, factor: float) -> None:
    """Multiply the learning rate, a number or a schedule."""
    rate = optimizer.learning_rate
    if factor == 1.0:
        return
    optimizer.learning_rate = Scaled(rate, factor) if callable(rate) else rate * factor


@dataclass
class Scaled:
    """A schedule times a factor."""

    schedule: Callable[[int], float]
    factor: float

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.factor * self.schedule(step)


def weights_of(y: PyTree, class_weight: Any) -> Array | None:
    """Return the samples' weights for a `class_weight` as `Trainer.fit` takes it."""
    from chainrule.data.weights import sample_weights

    return None if class_weight is None else sample_weights(y, None, class_weight)


def accepted(network: Network, loss: Loss, batch: Any) -> bool:
    """Whether a network as it was before training takes a batch, so that training is to blame."""
    x, y, weight = batch
    try:
        with np.errstate(all="ignore"):
            loss.forward(y, copy.deepcopy(network).forward(x), weight)
    except ChainruleError:
        return False
    return True


def post_mortem(
    network: Network, loss: Loss, optimizer: Optimizer, batch: Any, clip: float | None, step: int
) -> str:
    """Return in words where NaN or infinity began."""
    finding = None
    try:
        finding = investigate(network, loss, batch, optimizer, clip)
    except ChainruleError:
        finding = None
    told = finding if finding is not None else "update: the parameters"
    return f"The trial met NaN or infinity at step {step}.\n  the first such array: {told}"


# ---------------------------------------------------------------- one pass with many samples


def examine(
    network: Network, loss: Loss, X: PyTree, y: PyTree, step: int
) -> tuple[Snapshot, Recorder]:
    """Return a pass forward and back through a copy, as numbers; and the recorder that saw it."""
    network = copy.deepcopy(network)
    recorder = Recorder()
    with np.errstate(all="ignore"), watch(network, recorder):
        y_pred = network.forward(X)
        if not all(bool(np.isfinite(a).all()) for a in tree_leaves(y_pred)):
            return recorder.snapshot(network, step, math.inf, None), recorder
        value, dy = loss.value_and_gradient(y, y_pred)
        network.backward(dy)
    return recorder.snapshot(network, step, value, None), recorder


def gaps(network: Network, loss: Loss, X: PyTree, y: PyTree) -> tuple[float, float]:
    """Return the loss of one batch in a training pass (on a copy), and in prediction."""
    with np.errstate(all="ignore"):
        train = loss.forward(y, copy.deepcopy(network).forward(X))
        return train, loss.forward(y, network.predict(X))


def losses_of_samples(loss: Loss, pred: Any, y: Any) -> Array | None:
    """Return the loss of each sample, where a sample is one row of the output."""
    if not isinstance(y, np.ndarray) or not isinstance(pred, np.ndarray) or pred.ndim > 2:
        return None
    try:
        with np.errstate(all="ignore"):
            return np.asarray(loss.losses(*loss.rows(y, pred)), dtype=np.float64)
    except ChainruleError:
        return None


def baseline(loss: Loss, y: Any, y_pred: Any) -> float:
    """Return the loss of the best answer that is the same for every sample; NaN if unknown."""
    if not isinstance(y, np.ndarray) or not isinstance(y_pred, np.ndarray):
        return math.nan
    try:
        true, pred = loss.rows(y, np.full_like(y_pred, 0.5) if is_class_loss(loss) else y_pred)
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


def on_one_batch(case: Case, optimizer: Optimizer, seed: int) -> Trial:
    """Return the trial of learning a small batch by heart, with nothing dropped out."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(first_array(case.X)))[:SMALL_BATCH]
    X, y = take(case.X, rows), take(case.y, rows)
    size = len(rows)
    course = run(
        without_dropout(case.network),
        case.loss,
        optimizer,
        X,
        y,
        batch_size=size,
        steps=SMALL_BATCH_STEPS,
        seed=seed,
    )
    trial = course.trial
    trial.baseline = baseline(case.loss, y, case.network.predict(X))
    return trial


def without_dropout(network: Network) -> Network:
    """Return a copy that drops nothing out: what is to be learned by heart needs every unit."""
    network = copy.deepcopy(network)
    for module in network.named_modules().values():
        if isinstance(module, Dropout):
            module.p = 0.0
    return network


def reference(
    case: Case, known: Array, held: Array, *, steps: int, batch_size: int, seed: int
) -> Trial | None:
    """Return the trial of a plain network on the same rows, standardised; None where it has no say.

    It is trained on the rows `known` and measured on `held`.
    """
    x, y, loss = case.x, case.y, case.loss
    if x is None or not isinstance(y, np.ndarray) or y.ndim > 2 or len(held) < 10:
        return None
    flat = x.reshape(len(x), -1).astype(np.float64)
    std = flat[known].std(axis=0)
    flat = ((flat - flat[known].mean(axis=0)) / np.where(std > 1e-12, std, 1.0)).clip(-10, 10)
    outputs = np.shape(case.network.predict(take(case.X, known[:1])))[-1]
    mine: Loss = loss
    target = y
    ending: list[Any] = []
    shift, spread = 0.0, 1.0
    if isinstance(loss, CategoricalCrossEntropy):
        mine, ending = CategoricalCrossEntropy(), [Softmax()]
    elif isinstance(loss, BinaryCrossEntropy):
        mine, ending = BinaryCrossEntropy(), [Sigmoid()]
    elif is_class_loss(loss):
        return None
    else:
        shift, spread = float(y[known].mean()), float(y[known].std()) or 1.0
        target = (y - shift) / spread
    size = REFERENCE_HIDDEN
    layers = [Flatten(), Linear(flat.shape[1], size), ReLU(), Linear(size, size), ReLU()]
    network = Network([*layers, Linear(size, outputs), *ending], seed=seed)
    course = run(
        network, mine, Adam(0.003), flat[known].astype(np.float32), target[known],
        batch_size=batch_size, steps=steps, seed=seed,
    )  # fmt: skip
    trial = course.trial
    with np.errstate(all="ignore"):
        pred = course.network.predict(flat[held].astype(np.float32)) * spread + shift
        if np.isfinite(pred).all():
            plain = mine if ending else loss
            rows = plain.rows(y[held], pred.astype(np.float64))
            trial.held_out_losses = plain.losses(*rows)
    return trial


def out_of_fold(case: Case, usable: Case, rows: Array, steps: int, seed: int) -> Array | None:
    """Return the probabilities of classes (N, C) that networks give which did not see a sample.

    Each is asked when it knows the samples that it does not see best: later it may have learned
    wrong labels by heart. `rows` are where the usable samples stand among all; the others have NaN.
    """
    labels, optimizer = usable.labels, case.optimizer
    if labels is None or optimizer is None or len(labels) < FEWEST_FOR_FOLDS:
        return None
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    found: Array | None = None
    for k in range(FOLDS):
        known, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        best = Best(case.loss, take(usable.X, held), take(usable.y, held), steps)
        run(
            case.network, case.loss, optimizer, take(usable.X, known), take(usable.y, known),
            batch_size=case.batch_size, steps=steps, seed=seed, clip_norm=case.clip_norm,
            class_weight=case.class_weight, on_step=best.look,
        )  # fmt: skip
        if best.probabilities is None:
            return None
        if found is None:
            found = np.full((len(first_array(case.X)), best.probabilities.shape[1]), np.nan)
        found[rows[held]] = best.probabilities
    return found


class Best:
    """Asks a network in training now and then about samples, and keeps its best answers."""

    def __init__(self, loss: Loss, X: PyTree, y: PyTree, steps: int) -> None:
        self.loss, self.X, self.y = loss, X, y
        self.when = {max(1, round(steps * part)) for part in ASKED}
        self.probabilities: Array | None = None
        self._lowest = math.inf

    def look(self, step: int, network: Network) -> None:
        """Ask, after some of the steps."""
        if step not in self.when:
            return
        with np.errstate(all="ignore"):
            y_pred = network.predict(self.X)
            losses = losses_of_samples(self.loss, y_pred, self.y)
        mean = math.inf if losses is None else float(losses.mean())
        if mean < self._lowest:
            self._lowest, self.probabilities = mean, probabilities(self.loss, y_pred)


def probabilities(loss: Loss, y_pred: PyTree) -> Array | None:
    """Return an output as probabilities (N, C), also where it is logits or one column."""
    if not isinstance(y_pred, np.ndarray) or y_pred.ndim != 2:
        return None
    y_pred = y_pred.astype(np.float64)
    if getattr(loss, "from_logits", False):
        y_pred = Sigmoid().predict(y_pred) if y_pred.shape[1] == 1 else Softmax().predict(y_pred)
    return np.hstack([1 - y_pred, y_pred]) if y_pred.shape[1] == 1 else y_pred


def best_rate(
    case: Case, steps: int, seed: int, factors: tuple[float, ...], nearly: float
) -> float:
    """Return by which factor the learning rate ends lowest within so many steps, or nearly so.

    Of those that do nearly as well the one nearest to 1 is taken: what is lowest after a few
    hundred steps is often too high for a thousand.
    """
    ends, first = {}, math.inf
    for factor in factors:
        try:
            course = run(
                case.network, case.loss, case.optimizer or Adam(), case.X, case.y,
                batch_size=case.batch_size, steps=steps, seed=seed, rate=factor,
                clip_norm=case.clip_norm, class_weight=case.class_weight,
            )  # fmt: skip
        except (ChainruleError, NotFiniteError):
            continue
        ends[factor], first = course.trial.last, course.trial.first
    good = {factor: end for factor, end in ends.items() if math.isfinite(end)}
    if not good:
        return 1.0
    best = min(good.values())
    bound = best + max(nearly * (first - best), SLIGHTLY * abs(best))
    enough = [factor for factor, end in good.items() if end <= bound]
    return min(enough, key=lambda factor: abs(math.log(factor)))
