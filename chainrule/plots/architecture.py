"""A network's architecture as boxes and arrows."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.checks import check_instance
from chainrule.layers import Graph, Module, Node, Sequential
from chainrule.network import Network
from chainrule.plots.figures import new_panels
from chainrule.summary.table import one_line, output_shapes

ROW, COLUMN = 0.8, 3.1
"""Inches from one box to the next, vertically and horizontally."""

WORDS = 36
"""Characters that fit into a box."""


def plot_network(network: Network, sample_shape: Any = None) -> Any:
    """Plot a network's layers, or the nodes of its graph, and the connections between them.

    A module that is used several times has the same color each time. Dashed arrows are further
    inputs, such as a mask, labelled with the name of the argument.

    Parameters
    ----------
    network : Network
        What to plot.
    sample_shape : sequence of int, or mapping of str to sequence of int, optional
        As in `Network.summary`; with it each box shows the shape of its output.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigurationError
        `network` is not a Network.
    ShapeError
        The sample shape does not fit the network.

    Examples
    --------
    >>> from chainrule import Network
    >>> from chainrule.plots import plot_network
    >>> plot_network(Network([4, 10, 3]), (4,)).savefig("network.png")  # doctest: +SKIP
    """
    check_instance(network, Network, "network must be a Network")
    inputs, nodes = wiring(network)
    shapes = output_shapes(network, sample_shape)
    places = arrange(inputs, nodes)
    rows = 1 + max(row for row, _ in places.values())
    columns = 1 + 2 * max(abs(column) for _, column in places.values())
    figure, [panel] = new_panels("Drawing a network", 1, COLUMN * columns, ROW * rows + 0.4)
    panel.set(xlim=(-columns / 2, columns / 2), ylim=(0.6 - rows, 0.6))
    panel.axis("off")
    colors = _colors(nodes)
    boxes = {name: _draw_box(panel, places[name], name, "0.93") for name in inputs}
    for name, node in nodes.items():
        text, module = f"{name}: {describe(node.module)}", id(node.module)
        if shapes.get(module):  # one for each use
            text += f"\n{shapes[module].pop(0)}"
        boxes[name] = _draw_box(panel, places[name], text, colors[module])
    figure.draw_without_rendering()  # boxes get their sizes, at which arrows end
    for name, node in nodes.items():
        further = [(source, key) for key, source in node.further.items()]
        for source, key in [*((source, "") for source in node.inputs), *further]:
            _draw_arrow(panel, places[source], places[name], key, boxes[source], boxes[name])
    return figure


def describe(module: Module) -> str:
    """Return a module in a few words; for a sequence, the classes of its layers."""
    if isinstance(module, Sequential):
        text = ", ".join(type(layer).__name__ for layer in module.layers)
    else:
        text = one_line(module)
    return textwrap.shorten(text, WORDS, placeholder=" ...")


def wiring(network: Network) -> tuple[list[str], dict[str, Node]]:
    """Return a network's inputs and nodes; layers in a row are nodes with numbers as names."""
    body = network.body
    if isinstance(body, Graph):
        return list(network.input_kinds()), {name: body.nodes[name] for name in body.order}
    layers = body.layers if isinstance(body, Sequential) else (body,)
    names = ["x", *map(str, range(len(layers)))]
    return ["x"], {names[i + 1]: Node(layer, names[i]) for i, layer in enumerate(layers)}


def arrange(inputs: Sequence[str], nodes: Mapping[str, Node]) -> dict[str, tuple[int, float]]:
    """Return (row, column) of every name: below all its inputs, and its row centered."""
    rows = dict.fromkeys(inputs, 0)
    for name, node in nodes.items():
        rows[name] = 1 + max(rows[source] for source in node.sources)
    in_row: dict[int, list[str]] = defaultdict(list)
    for name, row in rows.items():
        in_row[row].append(name)
    return {
        name: (row, place - (len(names) - 1) / 2)
        for row, names in in_row.items()
        for place, name in enumerate(names)
    }


def _colors(nodes: Mapping[str, Node]) -> dict[int, str]:
    """Return a color for each module: one of its own if it is shared, else the common one."""
    count = Counter(id(node.module) for node in nodes.values())
    shared = [module for module, uses in count.items() if uses > 1]
    palette = ["#fdd9b5", "#c9e7c8", "#e4cdf0", "#f7c8d0"]
    own = {module: palette[i % len(palette)] for i, module in enumerate(shared)}
    return {module: own.get(module, "#d6e6f5") for module in count}


def _draw_box(panel: Any, place: tuple[int, float], text: str, color: str) -> Any:
    """Draw a box with text in it, and return the box."""
    row, column = place
    box = {"boxstyle": "round,pad=0.4", "facecolor": color, "edgecolor": "0.5"}
    drawn = panel.text(column, -row, text, ha="center", va="center", fontsize=8, bbox=box, zorder=2)
    return drawn.get_bbox_patch()


def _draw_arrow(
    panel: Any, start: tuple[int, float], end: tuple[int, float], key: str, source: Any, target: Any
) -> None:
    """Draw an arrow from box to box; one that passes rows is bent around the boxes there."""
    (row, column), (to_row, to_column) = start, end
    passes = to_row - row > 1 and column == to_column
    style = {
        "arrowstyle": "-|>",
        "color": "0.45",
        "linestyle": "--" if key else "-",
        "connectionstyle": "arc3,rad=0.35" if passes else "arc3",
        "patchA": source,
        "patchB": target,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    panel.annotate("", xy=(to_column, -to_row), xytext=(column, -row), arrowprops=style, zorder=1)
    if key:
        near = 0.7 * column + 0.3 * to_column, -(0.7 * row + 0.3 * to_row)
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        panel.text(*near, key, fontsize=7, color="0.3", ha="center", bbox=white, zorder=3)
