"""Figures: no window is opened, and a notebook shows them."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from chainrule.checks.extras import require

MOST_PANELS_IN_A_ROW = 3

MARGIN = 0.1
"""Inches around a panel and its labels."""

AMPLE = 8.0
"""Inches that are more than labels and legends ever take."""


def new_figure(purpose: str, width: float, height: float | None = None) -> Any:
    """Return an empty figure of this size in inches; it is square without a height.

    A notebook shows matplotlib's figures only after pyplot was imported, which may open windows
    elsewhere. So the figure is given a picture of its own to show.
    """
    figure = require("matplotlib.figure", "plots", purpose).Figure(
        figsize=(width, height or width), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=MARGIN, h_pad=MARGIN)
    figure._repr_png_ = partial(as_png, figure)
    return figure


def as_png(figure: Any) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def new_panels(
    purpose: str, count: int, width: float, height: float, in_a_row: int = MOST_PANELS_IN_A_ROW
) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, each of this size in inches, with so many in a row."""
    columns = min(count, in_a_row)
    rows = -(-count // columns)
    figure = new_figure(purpose, width * columns, height * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for panel in panels[count:]:
        panel.remove()
    return figure, panels[:count]


def resize_to_fit(figure: Any, panel: Any, width: float, height: float) -> None:
    """Resize the figure so that each of its panels has this size, in inches.

    How much room labels and legends take is measured.
    """
    grid = panel.get_subplotspec().get_gridspec()
    figure.set_size_inches(grid.ncols * (width + AMPLE), grid.nrows * (height + AMPLE))
    for _ in range(2):  # in a figure of another size the ticks may differ
        figure.get_layout_engine().execute(figure)
        place = panel.get_position(original=True)
        whole_width, whole_height = figure.get_size_inches()
        figure.set_size_inches(
            whole_width + grid.ncols * (width - place.width * whole_width),
            whole_height + grid.nrows * (height - place.height * whole_height),
        )
