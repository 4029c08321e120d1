"""The ROC curve: how many of the positives are found, over how many others are taken for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import InputError
from chainrule.metrics import class_indices, roc_auc_score, roc_curve
from chainrule.parameter import Array
from chainrule.plots.figures import new_figure, resize_to_fit
from chainrule.plots.inputs import class_labels, finite_numbers

MOST_NAMED = 10
"""Of more classes only the worst ones get a colour and a name."""

Curve = tuple[str, Array, Array, float]
"""The name of a class, false and true positive rates, and the area below."""


def plot_roc(
    y_true: ArrayLike, y_score: ArrayLike, *, class_names: Sequence[str] | None = None
) -> Any:
    """Draw the true positive rate over the false positive rate, for every threshold.

    AUC, the area below, is the probability that a positive sample gets a higher score than a
    negative one. Of several classes there is a curve for each against all others; of more than
    ten, those with the smallest area are named. See `chainrule.metrics.roc_curve`.

    Parameters
    ----------
    y_true : array_like
        The true classes, as indices (N,) or one-hot rows; of two, 0 and 1 or -1 and 1.
    y_score : array_like
        Probabilities or other scores: (N,) or (N, 1) of the positive class, or (N, C).
    class_names : sequence of str, optional
        What to call the classes; otherwise their numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    curves, missing = curves_of_classes(y_true, y_score, class_names)
    worst = sorted(curves, key=lambda curve: curve[-1])[:MOST_NAMED]
    named, others = (curves, []) if len(curves) <= MOST_NAMED else (worst, curves)
    figure = new_figure("Drawing a ROC curve", 5)
    panel = figure.subplots()
    for _, false_rate, true_rate, _ in others:
        panel.plot(false_rate, true_rate, color="0.85", linewidth=1)
    for name, false_rate, true_rate, area in named:
        panel.plot(false_rate, true_rate, label=f"{name} (AUC = {area:.3f})")
    if others:
        rest = [area for *_, area in curves if area > worst[-1][-1]] or [worst[-1][-1]]
        says = f"{len(curves) - len(named)} others (AUC from {min(rest):.3f})"
        panel.plot([], [], color="0.85", label=says)
    for name in missing:
        panel.plot([], [], " ", label=f"{name}: not in y_true")
    panel.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="chance (AUC = 0.5)")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title="ROC curve")
    panel.set(xlabel="false positive rate", ylabel="true positive rate")
    panel.grid(alpha=0.3)
    beside = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "frameon": False}
    panel.legend(**(beside if len(curves) > 1 else {"loc": "lower right"}))
    resize_to_fit(figure, panel, 3.8, 3.8)
    return figure


def curves_of_classes(
    y_true: ArrayLike, y_score: ArrayLike, class_names: Sequence[str] | None
) -> tuple[list[Curve], list[str]]:
    """Return the curve of each class against all others, and the classes that have no sample."""
    true, score = class_indices(y_true), finite_numbers("y_score", y_score)
    score = score[:, np.newaxis] if score.ndim == 1 else score
    if score.ndim != 2 or len(score) != len(true):
        raise InputError(
            f"Expected a score (N,), or a row of scores (N, C), for each of the {len(true)} "
            f"labels; got an array of shape {np.shape(y_score)}."
        )
    count = max(score.shape[1], 2)
    if count == 2 and set(true) <= {-1, 1}:
        true = (true + 1) // 2
    if not 0 <= true.min() <= true.max() < count:
        raise InputError(
            f"The scores are of {count} classes, so labels run from 0 to {count - 1}; "
            f"y_true goes from {true.min()} to {true.max()}."
        )
    names = class_labels(class_names, count, "class ")
    classes = range(count) if count > 2 else [1]
    present = [k for k in classes if (true == k).any() and not (true == k).all()]
    if not present:
        raise InputError(f"A ROC curve needs two classes; y_true holds only class {true[0]}.")
    curves = []
    for k in present:
        false_rate, true_rate, _ = roc_curve(true == k, score[:, min(k, score.shape[1] - 1)])
        area = roc_auc_score(true == k, score[:, min(k, score.shape[1] - 1)])
        curves.append((names[k], false_rate, true_rate, area))
    return curves, [names[k] for k in classes if k not in present]
