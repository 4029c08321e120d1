"""What a classifier of two features predicts at every point of the plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool, check_numbers, check_range, check_whole
from chainrule.checks.extras import require
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.metrics.inputs import true_classes
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.plots.figures import new_panels, resize_to_fit
from chainrule.plots.inputs import check_class_names, check_names

ROWS_AT_ONCE = 8192


def plot_decision_boundary(
    network: Network | Callable[[Array], ArrayLike],
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    from_logits: bool = False,
    grid_resolution: int = 200,
    eps: float | None = None,
) -> Any:
    """Plot the predicted class at every point of the plane, and the samples.

    The paler the color, the less certain the network is. Lines show where the predicted class
    changes.

    Parameters
    ----------
    network : Network, or callable
        A classifier that takes two features, or anything else with `predict_proba` or `predict`
        that returns probabilities. If it was trained on prepared rows, give
        ``network.predict_raw``, which takes X as it is.
    X : array_like, shape (N, 2)
        The samples; the plane around them is plotted.
    y : array_like, optional
        Their true classes, which determine their colors.
    class_names : sequence of str, optional
        The names of the classes.
    feature_names : sequence of str, optional
        The names of the two features.
    from_logits : bool
        Whether the network ends without Softmax or Sigmoid.
    grid_resolution : int
        How many points to predict in each direction.
    eps : float, optional
        How far the plane extends beyond the samples, in the units of X; by default 10 %.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError, ConfigurationError
        The network does not return probabilities for two features, or labels or names do not fit.

    Examples
    --------
    >>> from chainrule.plots import plot_decision_boundary
    >>> figure = plot_decision_boundary(network, X, y)  # doctest: +SKIP
    """
    points, resolution = _two_features(X), check_whole("grid_resolution", grid_resolution, least=2)
    from_logits = check_bool("from_logits", from_logits)
    feature_labels = check_names("feature_names", feature_names, 2) or ["feature 0", "feature 1"]
    low, high = points.min(axis=0), points.max(axis=0)
    around = 0.1 * (high - low) if eps is None else np.full(2, check_range("eps", eps))
    around[(low == high) & (around == 0)] = 1.0
    low, high = low - around, high + around
    across, up = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    plane = np.stack(np.meshgrid(across, up), axis=-1)  # (up, across, 2)
    p = class_probabilities(network, plane.reshape(-1, 2), from_logits)
    p = p.reshape(resolution, resolution, -1)  # (up, across, C)
    names = check_class_names(class_names, p.shape[-1])
    colors = _colors(len(names))
    labels = None if y is None else _labels(y, len(points), len(names))

    figure, [panel] = new_panels("Drawing a decision boundary", 1, 6.4, 4.6)
    extent = (low[0], high[0], low[1], high[1])
    panel.imshow(_shaded(p, colors), extent=extent, origin="lower", aspect="auto")
    for k in np.unique(p.argmax(axis=-1)):
        ahead = p[..., k] - np.delete(p, k, axis=-1).max(axis=-1)
        if ahead.min() < 0 < ahead.max():
            panel.contour(across, up, ahead, levels=[0.0], colors="0.25", linewidths=1)
    _draw_samples(panel, points, labels, names, colors)
    panel.set(xlim=extent[:2], ylim=extent[2:], xlabel=feature_labels[0], ylabel=feature_labels[1])
    panel.set_title("predicted class; pale: uncertain", fontsize=10)
    resize_to_fit(figure, panel, 4.4, 3.8)
    return figure


def class_probabilities(network: Any, rows: Array, from_logits: bool) -> Array:
    """Return the probability of each class (N, C); a single output is that of class 1 of two."""
    predict = getattr(network, "predict_proba", getattr(network, "predict", network))
    if not callable(predict):
        raise ConfigurationError(f"Expected a Network or a function, got {network!r}.")
    try:
        parts = [predict(rows[i : i + ROWS_AT_ONCE]) for i in range(0, len(rows), ROWS_AT_ONCE)]
    except ShapeError as error:
        raise InputError(
            f"A decision boundary can be plotted for networks that take two features; {error}"
        ) from error
    p = check_numbers("what the network returns", np.concatenate(parts)).astype(np.float64)
    if p.ndim == 1:
        p = p[:, np.newaxis]
    if p.ndim != 2 or len(p) != len(rows):
        raise InputError(f"Expected one row of probabilities a sample, got an array of {p.shape}.")
    if from_logits:
        p = np.concatenate([np.zeros_like(p), p], axis=1) if p.shape[1] == 1 else p
        p = np.exp(p - p.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)
    if p.min() < 0 or p.max() > 1:
        raise InputError(
            f"Probabilities lie between 0 and 1, but the network returned {p.min():.4g} to "
            f"{p.max():.4g}. Give from_logits=True if it ends without Softmax or Sigmoid."
        )
    return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


def _two_features(X: ArrayLike) -> Array:
    points = check_numbers("X", X)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(
            f"A plane has two features: expected X of shape (N, 2), got {points.shape}."
        )
    return points.astype(np.float64)


def _labels(y: ArrayLike, count: int, classes: int) -> Array:
    labels = true_classes(y)
    if len(labels) != count or not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"Expected {count} labels from 0 to {classes - 1}, as many as rows of X and as the "
            f"network has classes; got {len(labels)} from {labels.min()} to {labels.max()}."
        )
    return labels


def _colors(count: int) -> Array:
    """Return a color (red, green, blue) for each class."""
    maps = require("matplotlib", "plots", "Drawing a decision boundary").colormaps
    if count <= 10:
        return np.array(maps["tab10"].colors[:count])
    return maps["turbo"](np.linspace(0.05, 0.95, count))[:, :3]


def _shaded(p: Array, colors: Array) -> Array:
    """Return an image: the color of the most probable class, paler where it is less probable."""
    even = 1 / p.shape[-1]
    certain = (p.max(axis=-1, keepdims=True) - even) / (1 - even)
    strength = np.clip(0.12 + 0.48 * certain, 0, 1)
    return 1 - strength * (1 - colors[p.argmax(axis=-1)])


def _draw_samples(
    panel: Any, points: Array, labels: Array | None, names: Sequence[str], colors: Array
) -> None:
    style = {"s": 22, "edgecolors": "white", "linewidths": 0.6, "zorder": 3}
    if labels is None:
        panel.scatter(*points.T, color="0.2", **style)
    for k, name in enumerate(names):
        chosen = points[:0] if labels is None else points[labels == k]
        marker = "s" if labels is None else "o"  # the color of a region, or of samples
        panel.scatter(*chosen.T, color=colors[k], label=name, marker=marker, **style)
    columns = -(-len(names) // 20)
    panel.legend(
        title="predicted" if labels is None else "true class",
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        frameon=False,
        ncols=columns,
    )
