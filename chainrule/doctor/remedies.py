"""What is done about each condition: a function from a set-up and a finding to what it changed.

It changes the set-up and returns in words what it did and why; nothing ("") where an earlier one
did it already, or it is still to be tried; None where it can do nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.doctor import rebuilding
from chainrule.doctor.conditions.finding import Finding
from chainrule.doctor.conditions.steps import not_freezing
from chainrule.doctor.prescription import Prescription
from chainrule.layers import BatchNorm, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from chainrule.loss_functions import CategoricalCrossEntropy, Huber, Loss
from chainrule.network import Network
from chainrule.preparation import Standardizer
from chainrule.pytree import PyTree, first_array, take, tree_leaves
from chainrule.training.early_stopping import EarlyStopping

CLIP_NORM = 1.0
BATCH_SIZE = 32
WIDTH = 64

MORE_EPOCHS, PATIENCE = 10, 10
MOMENTUM = 0.1
"""Of batch normalisation's running means: what is usual."""

# ---------------------------------------------------------------- the data


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

    def step(X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
        good = np.ones(len(first_array(X)), bool)
        for array in [*tree_leaves(X), *tree_leaves(y)]:
            if array.dtype.kind == "f":
                good &= np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        return take(X, np.flatnonzero(good)), take(y, np.flatnonzero(good))

    plan.steps_of_rows.append(step)
    return "rows that hold NaN or infinity are left out"


def drop_column(plan: Prescription, finding: Finding) -> str | None:
    """Leave out columns, and the weights that they had."""
    places = plan.case.names.places_of(finding.columns)
    wanted = [place for place in places if place not in plan.dropped]
    if places and not wanted:
        return ""
    columns = [c - sum(gone < c for gone in plan.dropped) for c in wanted]  # in what is left
    network = rebuilding.without_columns(plan.network, columns) if columns else None
    if network is None:
        return None
    plan.dropped.update(wanted)
    plan.steps_of_rows.append(lambda X, y: (np.delete(X, columns, axis=1), y))
    plan.use(network)
    return (
        f"the columns {list(finding.columns)} are left out, and the first layer has so many inputs "
        "fewer"
    )


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

    def step(X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
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
    good = np.delete(y, plan.case.names.samples_of(finding.rows), axis=0)
    low, high = good.min(), good.max()

    def step(X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
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


# ---------------------------------------------------------------- the end of the network


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


# ---------------------------------------------------------------- weights and activations


def draw_anew(plan: Prescription, finding: Finding) -> str:
    """Draw all weights for the size of their layers, once."""
    return "" if plan.drawn else _drawn(plan)


def _drawn(plan: Prescription) -> str:
    layers = rebuilding.layers_of(plan.network) or []
    squashing = any(isinstance(layer, Tanh | Sigmoid) for layer in layers[:-1])
    name = "xavier" if squashing else "kaiming"
    network = copy.deepcopy(plan.network)
    rebuilding.draw(network, name)
    plan.use(network)
    plan.drawn = True
    plan.search = plan.search or "any"
    return f"all weights are drawn anew ({name}), for the size of each layer"


def with_relu(plan: Prescription, finding: Finding) -> str:
    """Take ReLUs for hidden sigmoids and tanhs, and draw the weights."""
    network = rebuilding.with_activations(plan.network, (Sigmoid, Tanh), ReLU)
    if network is None:
        return draw_anew(plan, finding)
    plan.use(network)
    return f"hidden sigmoids and tanhs are ReLUs; {_drawn(plan)}"


def smaller_start(plan: Prescription, finding: Finding) -> str:
    """Mend a signal that dies out."""
    squashing = any(isinstance(a, Sigmoid) for a in (rebuilding.layers_of(plan.network) or [])[:-1])
    return with_relu(plan, finding) if squashing else draw_anew(plan, finding)


def revive(plan: Prescription, finding: Finding) -> str:
    """Take LeakyReLUs, and draw the weights."""
    plan.search = "lower"
    modules = plan.network.named_modules()
    dead = {type(modules[path]) for path in finding.layers if path in modules} | {ReLU}
    network = rebuilding.with_activations(plan.network, tuple(dead), LeakyReLU)
    if network is None:
        return draw_anew(plan, finding)
    plan.use(network)
    return f"ReLUs are LeakyReLUs, which cannot die; {_drawn(plan)}"


def clip(plan: Prescription, finding: Finding) -> str:
    """Clip the gradient."""
    plan.clip_norm = CLIP_NORM
    plan.search = plan.search or "lower"
    return f"gradients are clipped to the norm {CLIP_NORM:g}"


def unfreeze(plan: Prescription, finding: Finding) -> str | None:
    """Let frozen layers learn; draw weights anew that got no gradient."""
    learning = not_freezing(plan.optimizer)
    if len(learning) == len(plan.optimizer.lr_multipliers):
        return draw_anew(plan, finding)
    plan.optimizer.lr_multipliers = learning
    return "no layer is frozen: lr_multipliers of 0 are left out"


def larger_batches(plan: Prescription, finding: Finding) -> str:
    """Take batches of a usual size."""
    plan.batch_size = BATCH_SIZE
    return f"batches are of {BATCH_SIZE} samples"


def usual_momentum(plan: Prescription, finding: Finding) -> str | None:
    """Let running means arrive."""
    network = copy.deepcopy(plan.network)
    slow = [
        module
        for module in network.named_modules().values()
        if isinstance(module, BatchNorm) and module.momentum < MOMENTUM
    ]
    if not slow:
        return None
    for module in slow:
        module.momentum = MOMENTUM
    plan.use(network)
    return f"batch normalisation has the momentum {MOMENTUM:g}, so that its running means arrive"


def wider(plan: Prescription, finding: Finding) -> str | None:
    """Take more neurons."""
    network = rebuilding.widened(plan.network, WIDTH)
    if network is None:
        return None
    plan.use(network)
    plan.search = plan.search or "any"
    return f"hidden Linear layers have {WIDTH} neurons at least"


# ---------------------------------------------------------------- steps


def lower_rate(plan: Prescription, finding: Finding) -> str:
    """Have lower rates tried."""
    plan.search = "lower"
    return ""


def higher_rate(plan: Prescription, finding: Finding) -> str:
    """Have higher rates tried."""
    plan.search = "higher"
    return ""


def stop_early(plan: Prescription, finding: Finding) -> str:
    """Stop where the validation loss is lowest, with a little weight decay."""
    plan.validation_split = 0.2
    plan.callbacks = [EarlyStopping(patience=10)]
    if not plan.optimizer.weight_decay:
        plan.optimizer.weight_decay = 1e-4
    return "training stops where the validation loss no longer falls, and keeps the best weights"


def more_epochs(plan: Prescription, finding: Finding) -> str:
    """Train on until the loss no longer falls."""
    plan.epochs *= MORE_EPOCHS
    plan.callbacks = [EarlyStopping("loss", patience=PATIENCE, restore_best=False)]
    return f"up to {plan.epochs} epochs, until the loss has not fallen for {PATIENCE}"


NOTES_TREATED = ("still-improving",)
"""What is treated though it is only a note."""

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
    "train-predict-gap": usual_momentum,
    "still-improving": more_epochs,
    "underfitting": wider,
    "overfitting": stop_early,
}
"""What is done about each condition. What is not here, no set-up can mend: a wrong backward, wrong
labels, a validation set that overlaps."""
