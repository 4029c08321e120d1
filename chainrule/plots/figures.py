"""Figures that no window is opened for."""

from __future__ import annotations

from typing import Any

from chainrule.extras import require


def new_figure(purpose: str, width: float, height: float | None = None) -> Any:
    """Return an empty figure, in inches; a square one without a height."""
    figure_class = require("matplotlib.figure", "plots", purpose).Figure
    return figure_class(figsize=(width, height or width), layout="constrained")
