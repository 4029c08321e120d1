"""Prescription: a training set-up with the remedies in it, and what was changed, and why.

Each remedy is a function from a set-up and a finding to what it says of its change; `REMEDIES` says
which finding has which. Nothing of the user's is changed: the set-up begins as copies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.doctor.case import Case
from chainrule.diagnosis.doctor.finding import NOTE, PROBLEM, Finding
from chainrule.display import html_table
from chainrule.layers import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from chainrule.loss_functions import CategoricalCrossEntropy, Huber, Loss
from chainrule.nested import Nested, arrays_of, first_array, map_arrays, take
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.preparation import Standardizer
from chainrule.training.callback import Callback
from chainrule.training.doctor import rebuilding, trial
from chainrule.training.early_stopping import EarlyStopping
from chainrule.training.history import History
from chainrule.training.trainer import Trainer

RATES_TO_TRY = {
    "lower": (1.0, 0.3, 0.1, 0.03, 0.01, 0.001),
    "higher": (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
    "any": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
}
"""What the learning rate is multiplied with in the trials that choose another one."""

NEARLY, SURELY_BETTER = 0.05, 0.2
"""Rates whose loss ends within this part of the range of losses are as good as the best: of those
the one nearest to the user's is taken. Where the rate is not the root it takes more to leave it."""

TRIAL_STEPS = 200

CLIP_NORM = 1.0
BATCH_SIZE = 32
WIDTH = 64


class Prescription:
    """A training with the remedies applied: ``prescription.fit(X, y)`` runs it.

    Attributes
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
        To train with; new ones. The network's `preparation` and `target_preparation` are set where
        data are rescaled, so that ``network.predict_raw`` takes and gives raw numbers.
    clip_norm, batch_size, epochs, class_weight, validation_split
        What `Trainer` and its `fit` are given.
    callbacks : list of Callback
        Early stopping, where the cure is that.
    changes : list of (str, str)
        Which finding each change is for, and what it is and why.
    untreated : list of (str, str)
        The findings that no set-up can mend, and what to do about them.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.network: Network
        self.optimizer: Optimizer
        self.network, self.optimizer = copy.deepcopy((case.network, case.optimizer or Adam()))
        self.loss: Loss = case.loss
        self.clip_norm = case.clip_norm
        self.batch_size = case.batch_size
        self.epochs = max(1, case.planned_epochs or _epochs_of(case))
        self.class_weight = case.class_weight
        self.validation_split: float | None = None
        self.callbacks: list[Callback] = []
        self.steps_of_rows: list[Callable[[Nested, Nested], tuple[Nested, Nested]]] = []
        self.scale = 1.0
        self.search = ""
        self.changes: list[tuple[str, str]] = []
        self.untreated: list[tuple[str, str]] = []

    # ------------------------------------------------------------ using it

    def prepare(self, X: Nested, y: Nested) -> tuple[Nested, Nested]:
        """Return the data as the network is to get them: mended, rescaled."""
        for step in self.steps_of_rows:
            X, y = step(X, y)
        if self.network.preparation is not None:
            X = self.network.preparation.transform(X)
        if self.scale != 1.0:
            X = np.asarray(X, self.network.dtype) / self.scale
        if self.network.target_preparation is not None:
            y = self.network.target_preparation.transform(y)
        return X, y

    def trainer(self, **options: Any) -> Trainer:
        """Return a `Trainer` of the network; `options` are further ones of it, such as metrics."""
        return Trainer(
            self.network,
            self.loss,
            self.optimizer,
            **({"clip_norm": self.clip_norm, "seed": 0} | options),
        )

    def fit(self, X: Nested, y: Nested, **options: Any) -> History:
        """Train, on raw data as they were before; `options` are those of `Trainer.fit`."""
        X, y = self.prepare(map_arrays(np.asarray, X), map_arrays(np.asarray, y))
        validation = options.get("validation_data")
        if validation is not None:
            options["validation_data"] = self.prepare(*validation[:2])
        chosen: dict[str, Any] = {
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "class_weight": self.class_weight,
        }
        if validation is None and self.validation_split is not None:
            chosen["validation_split"] = self.validation_split
        held_out = validation is not None or "validation_split" in (chosen | options)
        chosen["callbacks"] = self.callbacks if held_out else []
        return self.trainer().fit(X, y, **(chosen | options))

    def explain(self) -> str:
        """Return what was changed, and why."""
        if not self.changes and not self.untreated:
            return "Nothing was changed: the doctor found nothing to treat."
        lines = [f"{len(self.changes)} change{'' if len(self.changes) == 1 else 's'}"]
        lines += [f"  {name}: {what}" for name, what in self.changes]
        if self.untreated:
            lines += ["What no set-up can mend:"]
            lines += [f"  {name}: {what}" for name, what in self.untreated]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [*self.changes, *((name, f"not mended: {what}") for name, what in self.untreated)]
        return html_table(("for", "what was changed, and why"), rows, title="Prescription")

    # ------------------------------------------------------------ what remedies use

    def current(self) -> Case:
        """Return the case as it is after the changes so far, to try things on."""
        X, y = self.prepare(self.case.X, self.case.y)
        return Case(
            self.network,
            self.loss,
            self.optimizer,
            X,
            y,
            batch_size=self.batch_size,
            clip_norm=self.clip_norm,
            class_weight=self.class_weight,
            steps=self.case.steps,
        )

    def use(self, network: Network) -> None:
        """Take another network, with the preparations of the one before and a fresh optimizer."""
        network.preparation = self.network.preparation
        network.target_preparation = self.network.target_preparation
        self.network = network
        self.optimizer = fresh(self.optimizer)


def fresh(optimizer: Optimizer) -> Optimizer:
    """Return an optimizer of the same kind and options, without a state."""
    new = copy.copy(optimizer)
    new.steps, new.state_vectors = 0, {}
    new._network, new._blocks, new._decays = None, [], None
    return new


def prescribe(findings: Sequence[Finding], case: Case, rows: Array | None = None) -> Prescription:
    """Return a set-up in which every root that is a problem or a warning is treated."""
    plan = Prescription(case)
    everything = [f for root in findings for f in (root, *root.consequences)]
    treated = [f for f in findings if f.severity != NOTE]
    # with a root that no set-up mends, what follows from it is no reason for changes
    for finding in treated:
        remedy = REMEDIES.get(finding.id)
        said = None if remedy is None else remedy(plan, finding)
        if said is None:
            plan.untreated.append((finding.id, finding.remedy.splitlines()[0]))
        else:
            plan.changes.append((finding.id, said))
    _rate(plan, everything)
    return plan


def _rate(plan: Prescription, everything: Sequence[Finding]) -> None:
    """Choose the learning rate by trials, where a finding that was treated asks for it."""
    for finding in everything:
        if finding.id.startswith("learning-rate"):
            plan.search = plan.search or "any"
    if not plan.search or not plan.changes:
        return
    factors = RATES_TO_TRY[plan.search]
    steps = max(20, min(TRIAL_STEPS, plan.case.steps or TRIAL_STEPS))
    enough = SURELY_BETTER if plan.search == "any" else NEARLY
    factor = trial.best_rate(plan.current(), steps, 0, factors, enough)
    if factor != 1.0:
        trial.scale_rate(plan.optimizer, factor)
        name = next(
            (f.id for f in everything if f.id.startswith("learning-rate")), plan.changes[0][0]
        )
        plan.changes.append(
            (
                name,
                f"the learning rate is {plan.optimizer.current_learning_rate():.2g}: of "
                f"{len(factors)} that were tried for {steps} steps each, it ended lowest",
            )
        )


def _epochs_of(case: Case) -> int:
    samples = len(first_array(case.X)) if case.X is not None else 1
    return round(case.steps * case.batch_size / max(1, samples)) or 1


# ---------------------------------------------------------------- remedies: the data


def rescale_inputs(plan: Prescription, finding: Finding) -> str | None:
    """Standardise a table; divide images by their largest number."""
    x = plan.case.x
    if x is None:
        return None
    if x.ndim == 2:
        X, _ = _mended(plan)
        plan.network.preparation = Standardizer().fit(X)
        return "X is standardised: every column gets mean 0 and standard deviation 1"
    finite = x[np.isfinite(x)] if x.dtype.kind == "f" else x
    plan.scale = float(np.abs(finite).max()) or 1.0
    return f"X is divided by {plan.scale:g}, its largest number"


def rescale_targets(plan: Prescription, finding: Finding) -> str | None:
    """Standardise the targets."""
    _, y = _mended(plan)
    if not isinstance(y, np.ndarray):
        return None
    plan.network.target_preparation = Standardizer().fit(y)
    plan.search = plan.search or "any"
    return "y is standardised; network.predict_raw answers in its own units again"


def _mended(plan: Prescription) -> tuple[Any, Any]:
    X, y = plan.case.X, plan.case.y
    for step in plan.steps_of_rows:
        X, y = step(X, y)
    return X, y


def drop_rows_not_finite(plan: Prescription, finding: Finding) -> str:
    """Leave out rows with NaN or infinity."""

    def step(X: Nested, y: Nested) -> tuple[Nested, Nested]:
        good = np.ones(len(first_array(X)), bool)
        for array in [*arrays_of(X), *arrays_of(y)]:
            if array.dtype.kind == "f":
                good &= np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        return take(X, np.flatnonzero(good)), take(y, np.flatnonzero(good))

    plan.steps_of_rows.append(step)
    return "rows that hold NaN or infinity are left out"


def drop_column(plan: Prescription, finding: Finding) -> str | None:
    """Leave out columns, and the weights that they had."""
    network = rebuilding.without_columns(plan.network, finding.columns)
    if network is None:
        return None
    columns = list(finding.columns)
    plan.steps_of_rows.append(lambda X, y: (np.delete(X, columns, axis=1), y))
    plan.use(network)
    return f"the columns {columns} are left out, and the first layer has so many inputs fewer"


def relabel(plan: Prescription, finding: Finding) -> str | None:
    """Give each class a number from 0, or an output."""
    y = plan.case.y
    classes = np.unique(y)
    outputs = rebuilding.number_of_outputs(plan.network)
    if outputs is None:
        return None
    if len(classes) <= outputs:
        plan.steps_of_rows.append(
            lambda X, y: (X, np.searchsorted(classes, y).clip(0, outputs - 1))
        )
        return f"the labels {classes[0]} to {classes[-1]} are numbered from 0"
    network = rebuilding.with_outputs(plan.network, int(classes.max()) + 1)
    if network is None or classes.min() < 0:
        return None
    plan.use(network)
    return f"the last Linear has {int(classes.max()) + 1} outputs, one for each class"


def one_hot_again(plan: Prescription, finding: Finding) -> str:
    """Take the largest number of each row for its class."""

    def step(X: Nested, y: Nested) -> tuple[Nested, Nested]:
        y = np.asarray(y)
        return X, y.argmax(axis=1) if y.ndim == 2 else y

    plan.steps_of_rows.append(step)
    return "each row of y is the class of its largest number"


def leave_out_far_targets(plan: Prescription, finding: Finding) -> str:
    """Leave out samples whose target is far outside, or bound their pull."""
    if not finding.rows:
        plan.loss = Huber()
        return "the loss is Huber's, in which a sample's pull is bounded"
    y = plan.case.y.reshape(len(plan.case.y), -1)
    good = np.delete(y, list(finding.rows), axis=0)
    low, high = good.min(), good.max()

    def step(X: Nested, y: Nested) -> tuple[Nested, Nested]:
        flat = np.asarray(y).reshape(len(y), -1)
        keep = np.flatnonzero(((flat >= low) & (flat <= high)).all(axis=1))
        return (take(X, keep), take(y, keep)) if len(keep) else (X, y)

    plan.steps_of_rows.append(step)
    plan.search = plan.search or "any"
    return f"samples whose target lies outside {low:.4g} to {high:.4g} are left out"


def balance(plan: Prescription, finding: Finding) -> str | None:
    """Let classes count the same."""
    if getattr(plan.loss, "class_weight", None) is not None:
        return None
    plan.class_weight = "balanced"
    return "every class counts the same in sum (class_weight='balanced')"


# ---------------------------------------------------------------- remedies: the end of the network


def one_softmax(plan: Prescription, finding: Finding) -> str:
    """Leave out one of two softmax."""
    layers = rebuilding.layers_of(plan.network)
    if getattr(plan.loss, "from_logits", False):
        plan.loss = _with_logits(plan.loss, False)
        return "the loss takes probabilities (from_logits=False): the network has a softmax"
    if layers is not None:
        plan.use(Network(layers[:-1], dtype=plan.network.dtype))
    return "one of the two softmax is left out"


def logits(plan: Prescription, finding: Finding) -> str:
    """Let the loss take logits."""
    plan.loss = _with_logits(plan.loss, True)
    return "the loss takes logits (from_logits=True): the network ends without a softmax"


def _with_logits(loss: Loss, logits: bool) -> Loss:
    loss = copy.copy(loss)
    loss.from_logits = logits  # type: ignore[attr-defined]
    return loss


def softmax_in_the_end(plan: Prescription, finding: Finding) -> str | None:
    """End in a softmax."""
    layers = rebuilding.layers_of(plan.network)
    if layers is None:
        return None
    plan.use(Network([*layers[:-1], Softmax()], dtype=plan.network.dtype))
    if not isinstance(plan.loss, CategoricalCrossEntropy):
        plan.loss = CategoricalCrossEntropy()
    return "the network ends in Softmax, with CategoricalCrossEntropy"


def without_bound(plan: Prescription, finding: Finding) -> str | None:
    """Leave out what bounds the output."""
    layers = rebuilding.layers_of(plan.network)
    if layers is None or len(layers) < 2:
        return None
    if isinstance(plan.loss, CategoricalCrossEntropy):
        place = len(layers) - (2 if isinstance(layers[-1], Softmax) else 1)
        dropped = layers.pop(place)
    else:
        dropped = layers.pop()
        _, y = _mended(plan)
        plan.network.target_preparation = Standardizer().fit(y)
        plan.search = plan.search or "any"
    plan.use(Network(layers, dtype=plan.network.dtype))
    return f"the {type(dropped).__name__} behind the last Linear is left out" + (
        "" if isinstance(plan.loss, CategoricalCrossEntropy) else "; y is standardised"
    )


# ---------------------------------------------------------------- remedies: weights and activations


def draw_anew(plan: Prescription, finding: Finding) -> str:
    """Draw all weights for the size of their layers."""
    layers = rebuilding.layers_of(plan.network) or []
    squashing = any(isinstance(layer, Tanh | Sigmoid) for layer in layers[:-1])
    name = "xavier" if squashing else "kaiming"
    network = copy.deepcopy(plan.network)
    rebuilding.draw(network, name)
    plan.use(network)
    plan.search = plan.search or "any"
    return f"all weights are drawn anew ({name}), for the size of each layer"


def with_relu(plan: Prescription, finding: Finding) -> str:
    """Take ReLUs for hidden sigmoids and tanhs, and draw the weights."""
    network = rebuilding.with_activations(plan.network, (Sigmoid, Tanh), ReLU)
    if network is not None:
        plan.use(network)
    said = draw_anew(plan, finding)
    return said if network is None else f"hidden sigmoids and tanhs are ReLUs; {said}"


def smaller_start(plan: Prescription, finding: Finding) -> str:
    """Mend a signal that dies out."""
    squashing = any(isinstance(a, Sigmoid) for a in (rebuilding.layers_of(plan.network) or [])[:-1])
    return with_relu(plan, finding) if squashing else draw_anew(plan, finding)


def revive(plan: Prescription, finding: Finding) -> str:
    """Take LeakyReLUs, and draw the weights."""
    network = rebuilding.with_activations(plan.network, (ReLU,), LeakyReLU)
    if network is not None:
        plan.use(network)
    said = draw_anew(plan, finding)
    plan.search = "lower"
    return said if network is None else f"ReLUs are LeakyReLUs, which cannot die; {said}"


def clip(plan: Prescription, finding: Finding) -> str:
    """Clip the gradient."""
    plan.clip_norm = CLIP_NORM
    plan.search = plan.search or "lower"
    return f"gradients are clipped to the norm {CLIP_NORM:g}"


def unfreeze(plan: Prescription, finding: Finding) -> str | None:
    """Draw weights anew that got no gradient."""
    return draw_anew(plan, finding) if finding.severity == PROBLEM else None


def larger_batches(plan: Prescription, finding: Finding) -> str:
    """Take batches of a usual size."""
    plan.batch_size = BATCH_SIZE
    return f"batches are of {BATCH_SIZE} samples"


def wider(plan: Prescription, finding: Finding) -> str | None:
    """Take more neurons."""
    network = rebuilding.widened(plan.network, WIDTH)
    if network is None:
        return None
    plan.use(network)
    plan.search = plan.search or "any"
    return f"hidden Linear layers have {WIDTH} neurons at least"


# ---------------------------------------------------------------- remedies: steps


def lower_rate(plan: Prescription, finding: Finding) -> str:
    """Try lower rates."""
    plan.search = "lower"
    return "lower learning rates are tried"


def higher_rate(plan: Prescription, finding: Finding) -> str:
    """Try higher rates."""
    plan.search = "higher"
    return "higher learning rates are tried"


def stop_early(plan: Prescription, finding: Finding) -> str:
    """Stop where the validation loss is lowest, with a little weight decay."""
    plan.validation_split = 0.2
    plan.callbacks = [EarlyStopping(patience=10)]
    if not plan.optimizer.weight_decay:
        plan.optimizer.weight_decay = 1e-4
    return "training stops where the validation loss no longer falls, and keeps the best weights"


REMEDIES: dict[str, Callable[[Prescription, Finding], str | None]] = {
    "not-finite-data": drop_rows_not_finite,
    "labels-out-of-range": relabel,
    "labels-not-one-hot": one_hot_again,
    "leaking-column": drop_column,
    "duplicate-columns": drop_column,
    "class-imbalance": balance,
    "dominating-samples": leave_out_far_targets,
    "input-scale": rescale_inputs,
    "target-scale": rescale_targets,
    "softmax-twice": one_softmax,
    "no-softmax": logits,
    "sigmoid-for-classes": softmax_in_the_end,
    "bounded-output": without_bound,
    "symmetric-neurons": draw_anew,
    "initialization-too-large": draw_anew,
    "initialization-too-small": smaller_start,
    "vanishing-gradients": with_relu,
    "exploding-gradients": clip,
    "not-a-number": clip,
    "learning-rate-too-high": lower_rate,
    "learning-rate-too-low": higher_rate,
    "dead-relu": revive,
    "saturated-activation": draw_anew,
    "unchanged-layer": unfreeze,
    "small-batches-for-batch-norm": larger_batches,
    "underfitting": wider,
    "overfitting": stop_early,
}
"""What is done about each condition. What is not here, no set-up can mend: a wrong backward, wrong
labels, a validation set that overlaps."""
