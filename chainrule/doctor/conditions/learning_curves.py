"""Conditions of the learning curves: underfitting, overfitting, stopped too early, converged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import rebuilding
from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Finding, TrainCommand
from chainrule.doctor.conditions.examination import (
    VALIDATION,
    Examination,
    LearningCurve,
    still_falling,
    watched_loss,
)
from chainrule.doctor.conditions.learning_rate import higher_rate_helps, usual_update
from chainrule.doctor.conditions.names import counted
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.conditions.weights import units_first
from chainrule.layers.graph import Graph

WIDTH = 64
WIDER = "network = Network([features, 64, 64, outputs], seed=0)"
MORE_EPOCHS, PATIENCE = 10, 10


class CannotOverfitABatch(Condition):
    """A network that cannot learn a handful of samples.

    Any network of some size can memorise a handful of samples. If it cannot, no data and no
    patience will help: a layer is dead, a backward wrong, or the loss does not fit.
    """

    id = "cannot-overfit-a-batch"
    order = 350
    symptom_of = (
        "all problems",
        "setup faults",
        "vanishing-gradients",
        "dead-relu",
        "unchanged-layer",
        "saturated-activation",
        "underfitting",
    )
    remedy = """print(check_module(network, X[:4]))  # are all gradients right?
print(network.summary(X[:1]))         # is every layer where it should be?"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        own, (best, share) = exam.one_batch, left_of_one_batch(exam)
        if own is not None and share > t.BATCH_LEARNED:
            yield self.finding(
                "problem",
                "the network",
                f"{len(own.losses)} steps on 16 samples alone bring the loss to {best:.3g}; "
                f"guessing their mean gives {own.baseline:.3g}: something between input and loss "
                "is broken",
                ("loss on one batch by that of guessing", share, f"below {t.BATCH_LEARNED:g}"),
            )

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        return wider_command(command)


def left_of_one_batch(exam: Examination) -> tuple[float, float]:
    """Return the final loss on one small batch, and relative to guessing's; NaN if unknown."""
    own, other = exam.one_batch, exam.one_batch_adam
    if own is None or not own.baseline > 1e-6:
        return float("nan"), float("nan")
    best = min(curve.last for curve in (own, other) if curve is not None)
    return best, best / own.baseline


class Underfitting(Condition):
    """A network that is too small.

    A network with few units can draw few boundaries; what lies between them it cannot tell apart. A
    wider one that learns the same rows better shows that there is more to learn.
    """

    id = "underfitting"
    order = 270
    symptom_of = (
        "setup faults",
        "vanishing-gradients",
        "small-batches-for-batch-norm",
        "learning-rate-too-high",
        "learning-rate-too-low",
        "dead-relu",
        "unchanged-layer",
        "saturated-activation",
        "train-predict-gap",
    )
    remedy = WIDER

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.trial is not None and exam.reference is not None:
            yield from self._by_reference(exam, exam.trial, exam.reference)
        yield from self._by_bottleneck(exam)

    def _by_reference(
        self, exam: Examination, trial: LearningCurve, reference: LearningCurve
    ) -> Iterator[Finding]:
        """Find a network that a plain one with more units beats clearly on held-out rows."""
        mine, theirs, guessing = trial.held_out, reference.held_out, trial.baseline
        if not (math.isfinite(theirs) and math.isfinite(mine) and guessing > 0):
            return
        if mine < t.UNDERFITTED * theirs + 0.05 * guessing or theirs / guessing > 0.7:
            return
        if higher_rate_helps(exam):
            return
        if len(trial.losses) < t.STEPS_TO_JUDGE or usual_update(exam) < t.UPDATE_TOO_SMALL:
            return  # it has hardly moved yet
        if not is_flat(trial.losses) or not surely_above(trial, reference):
            return  # more steps may help; or it may be chance
        yield self.finding(
            "problem" if mine > 2 * theirs + 0.15 * guessing else "warning",
            "the network",
            f"on held-out rows the loss is {mine:.3g}, where a network with two layers of 64 units "
            f"has {theirs:.3g}, and it no longer falls: the network is too small",
            (
                "loss on held-out rows by a plain network's",
                mine / max(theirs, 1e-12),
                f"below {t.UNDERFITTED:g}",
            ),
            ("the plain network's by that of guessing", theirs / guessing, "lower is easier"),
        )

    def _by_bottleneck(self, exam: Examination) -> Iterator[Finding]:
        """Find a hidden layer so narrow that not even a batch can be learned."""
        _, share = left_of_one_batch(exam)
        if not share > t.BATCH_LEARNED or isinstance(exam.network.body, Graph):
            return
        widths = {p: len(units_first(w)) for p, w in list(exam.weights.items())[:-1]}
        path = min(widths, key=lambda path: widths[path], default="")
        if not path or widths[path] > t.BOTTLENECK:
            return
        width, layer = widths[path], path.rpartition(".")[0]
        yield self.finding(
            "problem",
            layer,
            f"all that is known about a sample goes through {counted(width, 'unit')} of {layer}, "
            "and not even 16 samples can be learned: it is too narrow",
            ("units", width, "more than the classes, and usually dozens"),
            ("loss on one batch by that of guessing", share, f"below {t.BATCH_LEARNED:g}"),
            cause="A layer passes on no more numbers than it has units. What does not fit into "
            "these few is lost to all layers behind it.",
            layers=(layer,),
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        network = rebuilding.widened(setup.network, WIDTH)
        if network is None:
            return None
        setup.replace_network(network)
        setup.try_rates("any")
        return f"hidden Linear layers have at least {WIDTH} units"

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        return wider_command(command)


def wider_command(command: TrainCommand) -> str:
    """Return the command with twice as many units, or as many as by default if these are fewer."""
    sizes, usual = command.estimator.hidden_layers, type(command.estimator)().hidden_layers
    more = usual if sum(sizes) < sum(usual) else tuple(2 * size for size in sizes)
    return command.with_options(hidden=more)


def surely_above(trial: LearningCurve, reference: LearningCurve) -> bool:
    """Whether the losses on held-out rows are above the reference's by more than chance."""
    if trial.held_out_losses is None or reference.held_out_losses is None:
        return False
    more = trial.held_out_losses - reference.held_out_losses
    return bool(more.mean() > t.SURE * more.std() / math.sqrt(len(more)))


def is_flat(losses: np.ndarray) -> bool:
    """Whether the losses have stopped falling: the last fifth against the one before."""
    fifth = len(losses) // 5
    if fifth < 5 or not np.isfinite(losses).all():
        return False
    before, last = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
    return bool(last > 0.9 * before)


class Overfitting(Condition):
    """Overfitting.

    The network has started to memorise the training rows, noise and all, which is of no use for
    others. The epoch with the lowest validation loss is the one to keep.
    """

    id = "overfitting"
    order = 300
    symptom_of = ("setup faults", "learning-rate-too-high")
    remedy = """trainer.fit(X, y, validation_split=0.2, callbacks=[EarlyStopping(patience=10)])
# and: Dropout(0.3) behind hidden layers, AdamW(0.001, weight_decay=0.01), more data"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        train, held = exam.epochs.get("loss"), exam.epochs.get(VALIDATION + "loss")
        if not train or not held or len(held) < 3 or not np.isfinite([*train, *held]).all():
            return
        best, kept = int(np.argmin(held)), exam.kept_epoch % len(held)
        ratio = held[kept] / max(held[best], 1e-12)
        if best >= len(held) - 2 or ratio < t.OVERFITTING or train[kept] > train[best]:
            return
        yield self.finding(
            "problem" if ratio >= t.OVERFITTED else "warning",
            f"epochs {best + 1} to {kept + 1}",
            f"the validation loss was lowest after epoch {best + 1} ({held[best]:.3g}) and is now "
            f"{held[kept]:.3g}, while the training loss fell to {train[kept]:.3g}",
            ("validation loss by its lowest", ratio, f"below {t.OVERFITTING:g}"),
            (
                "validation loss by training loss",
                held[kept] / max(train[kept], 1e-12),
                "about 1 to 2",
            ),
        )

    def is_symptom_of(self, root: Finding) -> bool:
        """Weights of a wrong scale do not make a network memorise its rows."""
        return not root.id.startswith("initialization") and super().is_symptom_of(root)

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.validation_split = 0.2
        setup.early_stopping = {"patience": PATIENCE}
        if not setup.optimizer.weight_decay:
            setup.optimizer.weight_decay = 1e-4
        return "training stops when the validation loss no longer falls, and keeps the best weights"


class StillImproving(Condition):
    """Training that was stopped too early.

    The loss was still falling when the epochs were over, so the network has not learned what it
    could. More epochs are the simplest remedy; a higher learning rate is quicker, if training stays
    stable.
    """

    id = "still-improving"
    order = 380
    symptom_of = ("all problems", "setup faults")
    treats_notes = True

    def find(self, exam: Examination) -> Iterator[Finding]:
        told = still_falling(exam.epochs, exam.planned_epochs, exam.stop_reason)
        if told:
            yield self.finding(
                "note",
                "the last epochs",
                told,
                ("epochs", exam.planned_epochs, "more"),
                remedy=f"trainer.fit(X, y, epochs={2 * exam.planned_epochs})",
            )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.epochs *= MORE_EPOCHS
        setup.early_stopping = {"monitor": "loss", "patience": PATIENCE, "restore_best": False}
        return f"up to {setup.epochs} epochs, until the loss has not fallen for {PATIENCE}"


class Converged(Condition):
    """Training that has converged.

    The loss no longer changes, so further epochs cost time and gain nothing. A lower learning rate
    may still find a little more.
    """

    id = "converged"
    order = 400
    symptom_of = ("all problems", "setup faults")

    def find(self, exam: Examination) -> Iterator[Finding]:
        name, values = watched_loss(exam.epochs)
        losses = np.asarray(values, dtype=np.float64)
        third = len(losses) // 3
        if third < 3 or not np.isfinite(losses).all():
            return
        if still_falling(exam.epochs, exam.planned_epochs, exam.stop_reason):
            return
        before, last = losses[-2 * third : -third].mean(), losses[-third:].mean()
        if abs(before - last) <= t.FLAT * abs(before):
            since = len(losses) - 2 * third + 1
            fall = float((before - last) / before) if before else 0.0
            yield self.finding(
                "note",
                f"since epoch {since}",
                f"{name} has stayed at {last:.4g} for the last {2 * third} epochs: training has "
                "converged",
                (f"fall of {name} in the last third", fall, "about 0"),
                remedy=f"trainer.fit(X, y, epochs={since})  # or EarlyStopping",
            )
