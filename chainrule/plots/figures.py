"""The figures that everything here is drawn on: no window is opened, and a notebook shows them."""

from __future__ import annotations

import functools
import io
from typing import Any

from chainrule.checks.extras import require

MOST_PANELS_IN_A_ROW = 3

MARGIN = 0.1
"""Inches around a panel and what is written beside it."""


AMPLE = 8.0
"""Inches that are more than labels and legends ever take."""


def new_figure(purpose: str, width: float, height: float | None = None) -> Any:
    """Return an empty figure, in inches; a square one without a height."""
    require("matplotlib.figure", "plots", purpose)
    figure = figure_class()(figsize=(width, height or width), layout="constrained")
    figure.get_layout_engine().set(w_pad=MARGIN, h_pad=MARGIN)
    return figure


def new_panels(purpose: str, count: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure and so many panels of this size in it, in rows of at most three."""
    columns = min(count, MOST_PANELS_IN_A_ROW)
    rows = -(-count // columns)
    figure = new_figure(purpose, width * columns, height * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for panel in panels[count:]:
        panel.remove()
    return figure, panels[:count]


def resize_to_fit(figure: Any, panel: Any, width: float, height: float) -> None:
    """Make the figure as large as it has to be for each of its panels to have this size, in inches.

    Labels and legends take the room that they need, so it is measured how much that is.
    """
    grid = panel.get_subplotspec().get_gridspec()
    figure.set_size_inches(grid.ncols * (width + AMPLE), grid.nrows * (height + AMPLE))
    for _ in range(2):  # in another figure, ticks may be set otherwise
        figure.get_layout_engine().execute(figure)
        place = panel.get_position(original=True)
        whole_width, whole_height = figure.get_size_inches()
        figure.set_size_inches(
            whole_width + grid.ncols * (width - place.width * whole_width),
            whole_height + grid.nrows * (height - place.height * whole_height),
        )


@functools.cache
def figure_class() -> type[Any]:
    """Return matplotlib's Figure with a picture for notebooks.

    A notebook shows matplotlib's own figures only after pyplot was imported, which may open
    windows elsewhere.
    """
    parent = require("matplotlib.figure", "plots", "A figure").Figure
    return type("Figure", (parent,), {"__module__": __name__, "_repr_png_": _as_png})


def _as_png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def __getattr__(name: str) -> Any:
    """Return the class of the figures: by its name here a pickled one finds it."""
    if name == "Figure":
        return figure_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
