"""The ROC curve: the true positive rate over the false positive rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_numbers
from chainrule.errors import InputError
from chainrule.metrics import roc_auc_score, roc_curve
from chainrule.metrics.inputs import true_classes
from chainrule.parameter import Array
from chainrule.plots.figures import new_panels, resize_to_fit
from chainrule.plots.inputs import check_class_names

MOST_NAMED = 10
"""With more classes only the worst ones have a color and a name."""

Curve = tuple[str, Array, Array, float]
"""The name of a class, its false and true positive rates, and the area under its curve."""


def plot_roc(
    y_true: ArrayLike, y_score: ArrayLike, *, class_names: Sequence[str] | None = None
) -> Any:
    """Plot the true positive rate over the false positive rate, for every threshold.

    AUC, the area under the curve, is the probability that a positive sample gets a higher score
    than a negative one. With several classes there is a curve for each against all others; with
    more than ten, only those with the smallest area are named. See `chainrule.metrics.roc_curve`.

    Parameters
    ----------
    y_true : array_like
        The true classes, as indices (N,) or one-hot rows; two classes may be 0 and 1, or -1 and 1.
    y_score : array_like
        Probabilities or other scores: (N,) or (N, 1) for the positive class, or (N, C).
    class_names : sequence of str, optional
        The names of the classes; by default their numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        There is a single class, or labels and scores do not fit together.

    Examples
    --------
    >>> from chainrule.plots import plot_roc
    >>> plot_roc([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.6]).savefig("roc.png")  # doctest: +SKIP
    """
    curves, absent = class_curves(y_true, y_score, class_names)
    worst = sorted(curves, key=lambda curve: curve[-1])[:MOST_NAMED]
    named, others = (curves, []) if len(curves) <= MOST_NAMED else (worst, curves)
    figure, [panel] = new_panels("Drawing a ROC curve", 1, 5, 5)
    for _, false_rate, true_rate, _ in others:
        panel.plot(false_rate, true_rate, color="0.85", linewidth=1)
    for name, false_rate, true_rate, area in named:
        panel.plot(false_rate, true_rate, label=f"{name} (AUC = {area:.3f})")
    if others:
        rest = [area for *_, area in curves if area > worst[-1][-1]] or [worst[-1][-1]]
        label = f"{len(curves) - len(named)} others (AUC from {min(rest):.3f})"
        panel.plot([], [], color="0.85", label=label)
    for name in absent:
        panel.plot([], [], " ", label=f"{name}: not in y_true")
    panel.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="chance (AUC = 0.5)")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title="ROC curve")
    panel.set(xlabel="false positive rate", ylabel="true positive rate")
    panel.grid(alpha=0.3)
    beside = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "frameon": False}
    panel.legend(**(beside if len(curves) > 1 else {"loc": "lower right"}))
    resize_to_fit(figure, panel, 3.8, 3.8)
    return figure


def class_curves(
    y_true: ArrayLike, y_score: ArrayLike, class_names: Sequence[str] | None
) -> tuple[list[Curve], list[str]]:
    """Return the curve of each class against all others, and the classes without a sample."""
    true, score = true_classes(y_true), check_numbers("y_score", y_score)
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
            f"There are scores for {count} classes, so labels run from 0 to {count - 1}; "
            f"y_true has labels from {true.min()} to {true.max()}."
        )
    names = check_class_names(class_names, count, "class ")
    classes = range(count) if count > 2 else [1]
    present = [k for k in classes if (true == k).any() and not (true == k).all()]
    if not present:
        raise InputError(f"A ROC curve needs two classes; y_true holds only class {true[0]}.")
    curves = []
    for k in present:
        positive, own = true == k, score[:, min(k, score.shape[1] - 1)]
        false_rate, true_rate, _ = roc_curve(positive, own)
        curves.append((names[k], false_rate, true_rate, roc_auc_score(positive, own)))
    return curves, [names[k] for k in classes if k not in present]
