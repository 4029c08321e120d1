"""What flows through a network during training: signals, gradients, updates and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.plots.figures import new_panels
from chainrule.plots.learning_curves import spans_decades

MOST_LINES = 10
"""With more parameters, some are plotted, spread evenly over the network."""

ByLayer = Mapping[str, Mapping[str, float]]


def draw_training_flow(
    signals: ByLayer,
    gradients: ByLayer,
    updates: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    losses: Mapping[str, Any],
) -> Any:
    """Plot the doctor's measurements in four panels.

    Parameters
    ----------
    signals, gradients : mapping of str to mapping of str to float
        For each point in time, a number for every layer, in their order.
    updates : mapping of str to (steps, ratios)
        The size of each parameter's updates, relative to its own.
    losses : mapping of str to sequence of float
        The losses of each trial run, a number for each step.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_panels("Drawing a report", 4, 5.2, 4.2, in_a_row=2)
    _by_layer(panels[0], signals, "signal: deviation over the samples")
    _by_layer(panels[1], gradients, "gradient at the output")
    chosen = list(updates)[:: max(1, -(-len(updates) // MOST_LINES))]
    for name in chosen:
        panels[2].plot(*updates[name], marker="o", markersize=3, label=name)
    panels[2].axhspan(1e-4, 1e-2, color="tab:green", alpha=0.12, label="usual")
    panels[2].set(title="update by weight", xlabel="step", yscale="log")
    for name, values in losses.items():
        finite = np.where(np.isfinite(values), values, np.nan)
        panels[3].plot(range(1, len(finite) + 1), finite, linewidth=1, label=name)
    scale = "log" if spans_decades(losses, 50) else "linear"
    panels[3].set(title="loss of the trial runs", xlabel="step", yscale=scale)
    for panel in panels:
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(frameon=False, fontsize="small")
    return figure


def _by_layer(panel: Any, numbers: ByLayer, title: str) -> None:
    for moment, of_layers in numbers.items():
        names = list(of_layers)
        values = np.array([of_layers[name] for name in names], dtype=np.float64)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        panel.plot(range(len(names)), values, marker="o", markersize=3, label=moment)
        panel.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize="small")
    panel.set(title=title, yscale="log")
