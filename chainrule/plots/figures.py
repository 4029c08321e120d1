"""The figures that everything here is drawn on: no window is opened, and a notebook shows them."""

from __future__ import annotations

import functools
import io
from typing import Any

from chainrule.extras import require

MOST_PANELS_IN_A_ROW = 3


def new_figure(purpose: str, width: float, height: float | None = None) -> Any:
    """Return an empty figure, in inches; a square one without a height."""
    require("matplotlib.figure", "plots", purpose)
    return figure_class()(figsize=(width, height or width), layout="constrained")


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
    """Make the figure as large as it has to be for the panel to have this size, in inches.

    Labels take the room that they need, so it is measured how much that is.
    """
    for _ in range(2):  # with more room, ticks may be set otherwise
        figure.draw_without_rendering()
        place = panel.get_position(original=True)
        whole = figure.get_size_inches()
        figure.set_size_inches(
            whole[0] + width - place.width * whole[0], whole[1] + height - place.height * whole[1]
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
