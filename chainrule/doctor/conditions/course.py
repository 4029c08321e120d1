"""Conditions of the course of the loss: not falling, falling for known rows alone, done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case, Trial
from chainrule.doctor.conditions.finding import NOTE, PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.start import units_first
from chainrule.doctor.conditions.steps import a_higher_rate_helps, update_ratio
from chainrule.layers.graph import Graph

VALIDATION = "val_"


def cannot_overfit(case: Case) -> Iterator[Finding]:
    """Find networks that cannot even learn a small batch by heart."""
    own, (best, share) = case.one_batch, left_of_a_batch(case)
    if own is None or not share > t.BATCH_LEARNED:
        return
    yield Finding(
        "cannot-overfit-a-batch",
        PROBLEM,
        "the network",
        f"{len(own.losses)} steps on 16 samples alone bring the loss to {best:.3g}; guessing their "
        f"mean gives {own.baseline:.3g}: something between input and loss is broken",
        (Evidence("loss on one batch by that of guessing", share, f"below {t.BATCH_LEARNED:g}"),),
        "Any network of some size can learn a handful of samples by heart. If it cannot, no data "
        "and no patience will help: a layer is dead, a backward wrong, or the loss does not fit.",
        "print(check_module(network, X[:4]))  # are all gradients right?\n"
        "print(network.summary(X[:1]))         # is every layer where it should be?",
    )


def left_of_a_batch(case: Case) -> tuple[float, float]:
    """Return the loss on one small batch in the end, and as a part of guessing's; NaN unknown."""
    own, other = case.one_batch, case.one_batch_adam
    if own is None or not own.baseline > 1e-6:
        return float("nan"), float("nan")
    best = min(trial.last for trial in (own, other) if trial is not None)
    return best, best / own.baseline


def bottleneck(case: Case) -> Iterator[Finding]:
    """Find a hidden layer so narrow that the network cannot even learn a batch."""
    _, share = left_of_a_batch(case)
    if not share > t.BATCH_LEARNED or isinstance(case.network.body, Graph):
        return
    widths = {p: len(units_first(w)) for p, w in list(case.weights.items())[:-1]}
    path = min(widths, key=lambda path: widths[path], default="")
    if not path or widths[path] > t.BOTTLENECK:
        return
    width, layer = widths[path], path.rpartition(".")[0]
    yield Finding(
        "underfitting",
        PROBLEM,
        layer,
        f"all that is known of a sample goes through {width} unit{'' if width == 1 else 's'} of "
        f"{layer}, and not even 16 samples can be learned: it is too narrow",
        (
            Evidence("units", float(width), "more than the classes, and usually dozens"),
            Evidence("loss on one batch by that of guessing", share, f"below {t.BATCH_LEARNED:g}"),
        ),
        "A layer passes on no more numbers than it has units. What does not fit into these few is "
        "lost to all layers behind it.",
        "network = Network([features, 64, 64, outputs], seed=0)",
        layers=(layer,),
    )


def underfitting(case: Case) -> Iterator[Finding]:
    """Find networks that are beaten clearly, on new rows, by a plain one with more neurons."""
    trial, reference = case.trial, case.reference
    if trial is None or reference is None or not math.isfinite(reference.held_out):
        return
    mine, theirs = trial.held_out, reference.held_out
    base = trial.baseline
    if not (math.isfinite(mine) and base > 0):
        return
    done = reference_share = theirs / base
    if mine < t.UNDERFITTED * theirs + 0.05 * base or done > 0.7:
        return
    if a_higher_rate_helps(case):
        return
    if len(trial.losses) < t.STEPS_TO_JUDGE or update_ratio(case) < t.UPDATE_TOO_SMALL:
        return  # it has hardly moved yet
    if not flat_end(trial.losses) or not surely_above(trial, reference):
        return  # it was still getting better: more steps may do; or it may be chance
    yield Finding(
        "underfitting",
        PROBLEM if mine > 2 * theirs + 0.15 * base else WARNING,
        "the network",
        f"on rows held out the loss is {mine:.3g}, where a network of two layers of 64 has "
        f"{theirs:.3g}, and it no longer falls: the network is too small",
        (
            Evidence(
                "loss on rows held out, by a plain network's",
                mine / max(theirs, 1e-12),
                f"below {t.UNDERFITTED:g}",
            ),
            Evidence("the plain network's, by guessing's", reference_share, "lower is easier"),
        ),
        "A network with few neurons can draw few boundaries; what lies between them it cannot tell "
        "apart. A wider one that learns the same rows better shows that there is more to be had.",
        "network = Network([features, 64, 64, outputs], seed=0)",
    )  # fmt: skip


def surely_above(trial: Trial, reference: Trial) -> bool:
    """Whether the losses on the rows held out are above the reference's by more than chance."""
    if trial.held_out_losses is None or reference.held_out_losses is None:
        return False
    more = trial.held_out_losses - reference.held_out_losses
    return bool(more.mean() > t.SURE * more.std() / math.sqrt(len(more)))


def flat_end(losses: Sequence[float] | np.ndarray) -> bool:
    """Whether the losses of the steps have stopped falling: last fifth against the one before."""
    losses = np.asarray(losses)
    fifth = len(losses) // 5
    if fifth < 5 or not np.isfinite(losses).all():
        return False
    before, last = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
    return bool(last > 0.9 * before)


def overfitting(case: Case) -> Iterator[Finding]:
    """Find a validation loss that has risen since its lowest, while the training loss fell."""
    train, held = case.epochs.get("loss"), case.epochs.get(VALIDATION + "loss")
    if not train or not held or len(held) < 3 or not np.isfinite([*train, *held]).all():
        return
    best = int(np.argmin(held))
    kept = case.kept_epoch % len(held)
    ratio = held[kept] / max(held[best], 1e-12)
    if best >= len(held) - 2 or ratio < t.OVERFITTING or train[kept] > train[best]:
        return
    far = held[kept] / max(train[kept], 1e-12)
    yield Finding(
        "overfitting",
        PROBLEM if ratio >= t.OVERFITTED else WARNING,
        f"epochs {best + 1} to {kept + 1}",
        f"the validation loss was lowest after epoch {best + 1} ({held[best]:.3g}) and is now "
        f"{held[kept]:.3g}, while the training loss fell to {train[kept]:.3g}",
        (
            Evidence("validation loss by its lowest", ratio, f"below {t.OVERFITTING:g}"),
            Evidence("validation loss by training loss", far, "about 1 to 2"),
        ),
        "The network has begun to learn the training rows by heart, noise and all, which is of no "
        "use for others. The epoch with the lowest validation loss is the one to keep.",
        "trainer.fit(X, y, validation_split=0.2, callbacks=[EarlyStopping(patience=10)])\n"
        "# and: Dropout(0.3) behind hidden layers, AdamW(0.001, weight_decay=0.01), more data",
    )


def convergence(case: Case) -> Iterator[Finding]:
    """Tell whether training is done, or ended while the loss still fell."""
    told = still_improving(case.epochs, case.planned_epochs, case.stop_reason)
    if told:
        yield Finding(
            "still-improving",
            NOTE,
            "the last epochs",
            told,
            (Evidence("epochs", float(case.planned_epochs), "more"),),
            "The loss still fell when the epochs were over, so the network has not learned what it "
            "could. More epochs are the simplest cure; a higher rate is quicker, if it holds.",
            f"trainer.fit(X, y, epochs={2 * case.planned_epochs})",
        )
        return
    name = VALIDATION + "loss" if VALIDATION + "loss" in case.epochs else "loss"
    column = np.asarray(case.epochs.get(name, ()), dtype=np.float64)
    third = len(column) // 3
    if third < 3 or not np.isfinite(column).all():
        return
    before, last = column[-2 * third : -third].mean(), column[-third:].mean()
    if abs(before - last) <= t.FLAT * abs(before):
        yield Finding(
            "converged",
            NOTE,
            f"since epoch {len(column) - 2 * third + 1}",
            f"{name} has stayed at {last:.4g} for the last {2 * third} epochs: training is done",
            (Evidence(f"fall of {name} in the last third", _fall(before, last), "about 0"),),
            "The loss no longer changes, so further epochs cost time and give nothing. A lower "
            "learning rate may still find a little more.",
            f"trainer.fit(X, y, epochs={len(column) - 2 * third + 1})  # or EarlyStopping",
        )


def _fall(before: float, last: float) -> float:
    """Return by which part a loss has fallen; 0 of one that was 0 already."""
    return float((before - last) / before) if before else 0.0


def still_improving(epochs: Mapping[str, Sequence[float]], planned: int, stop_reason: str) -> str:
    """Return the note that the loss still fell when the epochs were over, or nothing."""
    name = VALIDATION + "loss" if VALIDATION + "loss" in epochs else "loss"
    column = epochs.get(name, ())
    if len(column) < max(2, planned) or stop_reason:
        return ""
    back = max(1, len(column) // 10)
    before, last = column[-1 - back], column[-1]
    fall = before - last
    if not (last == min(column) and fall > max(t.STILL_FALLING * abs(before), 1e-4)):
        return ""
    return (
        f"{name} was still falling at the end, from {before:.4g} to {last:.4g} in the last "
        f"{f'{back} epochs' if back > 1 else 'epoch'}: more epochs may help"
    )


CONDITIONS = ()
MEASURED = (cannot_overfit, underfitting, bottleneck, overfitting, convergence)
