"""Plots of a regression: predictions over targets, and residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_numbers
from chainrule.errors import InputError
from chainrule.metrics import mean_absolute_error, r2_score
from chainrule.parameter import Array
from chainrule.plots.figures import new_panels, resize_to_fit
from chainrule.plots.inputs import check_names


def plot_predictions(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    output_names: Sequence[str] | None = None,
    half_width: ArrayLike | None = None,
) -> Any:
    """Plot each prediction over its target; a perfect one lies on the diagonal.

    The title has R² = 1 - Σ (p - y)² / Σ (y - mean of y)² and the mean absolute error.

    Parameters
    ----------
    y_true, y_pred : array_like
        Numbers (N,), or (N, outputs) with a panel for each output.
    output_names : sequence of str, optional
        The names of the outputs.
    half_width : float or array_like, shape (outputs,), optional
        Half the width of the prediction intervals, as `NetworkRegressor.interval_half_width`
        returns it: a band around the diagonal, which contains the points whose interval contains
        the target.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError, ConfigurationError
        The arrays or names do not fit together.

    Examples
    --------
    >>> from chainrule.plots import plot_predictions
    >>> plot_predictions([1.0, 2.0, 3.0], [1.1, 1.9, 3.2]).savefig("fit.png")  # doctest: +SKIP
    """
    true, pred = check_regression(y_true, y_pred)
    names = check_names("output_names", output_names, true.shape[1])
    bands = check_half_width(half_width, true.shape[1])
    figure, panels = new_panels("Drawing predictions", len(true.T), 4.4, 4.4)
    for i, (panel, y, p) in enumerate(zip(panels, true.T, pred.T, strict=True)):
        low, high = min(y.min(), p.min()), max(y.max(), p.max())
        margin = 0.05 * (high - low) or 1.0
        ends = np.array([low - margin, high + margin])
        if bands is not None:
            band = {"color": "0.9", "linewidth": 0, "label": "interval", "zorder": 0}
            panel.fill_between(ends, ends - bands[i], ends + bands[i], **band)
        panel.plot(ends, ends, color="0.4", linestyle="--", linewidth=1, label="perfect")
        _draw_points(panel, y, p)
        panel.set(xlim=ends, ylim=ends, xlabel="true", ylabel="predicted")
        panel.set_title(_title(names[i : i + 1], y, p), fontsize=10)
        panel.legend(frameon=False, loc="upper left")
        panel.locator_params(nbins=6)  # the same ticks on both axes
        panel.grid(alpha=0.3)
    resize_to_fit(figure, panels[0], 3.6, 3.6)
    return figure


def plot_residuals(
    y_true: ArrayLike, y_pred: ArrayLike, *, output_names: Sequence[str] | None = None
) -> Any:
    """Plot the residuals, true - predicted, over the predictions.

    A good model leaves a band around zero of the same width everywhere. A curve means that the
    network has missed something, a funnel that its errors grow with its predictions.

    Parameters
    ----------
    y_true, y_pred : array_like
        Numbers (N,), or (N, outputs) with a panel for each output.
    output_names : sequence of str, optional
        The names of the outputs.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError, ConfigurationError
        The arrays or names do not fit together.

    Examples
    --------
    >>> from chainrule.plots import plot_residuals
    >>> plot_residuals([1.0, 2.0, 3.0], [1.1, 1.9, 3.2]).savefig("residuals.png")  # doctest: +SKIP
    """
    true, pred = check_regression(y_true, y_pred)
    names = check_names("output_names", output_names, true.shape[1])
    figure, panels = new_panels("Drawing residuals", len(true.T), 5.0, 3.8)
    for i, (panel, y, p) in enumerate(zip(panels, true.T, pred.T, strict=True)):
        panel.axhline(0.0, color="0.4", linestyle="--", linewidth=1)
        _draw_points(panel, p, y - p)
        most = 1.1 * np.abs(y - p).max() or 1.0
        panel.set(xlabel="predicted", ylabel="residual (true - predicted)", ylim=(-most, most))
        panel.set_title(_title(names[i : i + 1], y, p), fontsize=10)
        panel.grid(alpha=0.3)
    return figure


def _draw_points(panel: Any, x: Array, y: Array) -> None:
    """Draw a point for each sample, more transparent if there are many."""
    opacity = min(0.8, max(0.05, 12 / np.sqrt(len(x))))
    panel.scatter(x, y, s=16, alpha=opacity, linewidths=0, rasterized=len(x) > 5000, zorder=2)


def _title(name: Sequence[str], true: Array, pred: Array) -> str:
    numbers = [f"R² = {r2_score(true, pred):.3f}"] if true.min() < true.max() else []
    numbers.append(f"mean absolute error = {mean_absolute_error(true, pred):.4g}")
    return "\n".join([*name, ", ".join(numbers)])


def check_regression(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return the targets and the predictions of a regression, each as (N, outputs)."""
    true, pred = check_numbers("y_true", y_true), check_numbers("y_pred", y_pred)
    true, pred = (a[:, np.newaxis] if a.ndim == 1 else a for a in (true, pred))
    if true.ndim != 2 or true.shape != pred.shape:
        raise InputError(
            "Expected numbers (N,) or (N, outputs), as many predictions as targets; got "
            f"{np.shape(y_true)} and {np.shape(y_pred)}."
        )
    return true.astype(np.float64), pred.astype(np.float64)


def check_half_width(half_width: ArrayLike | None, outputs: int) -> Array | None:
    """Return half the width of each output's interval, (outputs,), or None."""
    if half_width is None:
        return None
    widths = check_numbers("half_width", half_width)
    if widths.ndim > 1 or widths.size not in (1, outputs) or (widths < 0).any():
        raise InputError(
            f"half_width must be a number of at least 0 for each of {outputs} outputs, or one for "
            f"all; got {half_width!r:.100}."
        )
    return np.broadcast_to(widths, (outputs,))
