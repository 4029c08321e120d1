"""A picture of how a network hangs together: boxes in their order, and arrows between them."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.layers import Graph, Module, Node, Sequential
from chainrule.network import Network
from chainrule.plots.figures import new_figure
from chainrule.summary.table import one_line, output_shapes

ROW, COLUMN = 0.8, 3.1
"""Inches from one box to the next, down and across."""

WORDS = 36
"""Characters that a box has room for."""


def plot_network(network: Network, sample_shape: Any = None) -> Any:
    """Draw a network's layers, or the nodes of its graph, with what goes from where to where.

    A module at several places has the same colour at each. Dashed arrows are further inputs, such
    as a mask, with the name under which the module takes them.

    Parameters
    ----------
    network : Network
        What to draw.
    sample_shape : sequence of int, or mapping of str to sequence of int, optional
        As in `Network.summary`; with it the arrows tell the shapes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    inputs, nodes = wiring(network)
    shapes = output_shapes(network, sample_shape)
    places = arranged(inputs, nodes)
    rows = 1 + max(row for row, _ in places.values())
    columns = 1 + 2 * max(abs(column) for _, column in places.values())
    figure = new_figure("Drawing a network", COLUMN * columns, ROW * rows + 0.4)
    panel = figure.subplots()
    panel.set(xlim=(-columns / 2, columns / 2), ylim=(0.6 - rows, 0.6))
    panel.axis("off")
    colours = _colours(nodes)
    boxes: dict[str, Any] = {}
    used: dict[int, int] = defaultdict(int)
    for name in inputs:
        boxes[name] = _draw_box(panel, places[name], name, "0.93")
    for name, node in nodes.items():
        found = shapes.get(id(node.module), [])
        use = used[id(node.module)]
        used[id(node.module)] += 1
        text = f"{name}: {in_short(node.module)}"
        text += f"\n{found[use]}" if use < len(found) else ""
        boxes[name] = _draw_box(panel, places[name], text, colours[id(node.module)])
    figure.draw_without_rendering()  # boxes get their sizes, so that arrows end at them
    for name, node in nodes.items():
        for source, key in _arrows(node):
            _draw_arrow(panel, places[source], places[name], key, boxes[source], boxes[name])
    return figure


def in_short(module: Module) -> str:
    """Return what a module is in a few words: of several in a row, their classes."""
    if isinstance(module, Sequential):
        text = ", ".join(type(layer).__name__ for layer in module.layers)
    else:
        text = one_line(module)
    return textwrap.shorten(text, WORDS, placeholder=" ...")


def wiring(network: Network) -> tuple[list[str], dict[str, Node]]:
    """Return a network's inputs and nodes; layers in a row are nodes called by their numbers."""
    body = network.body
    if isinstance(body, Graph):
        return list(network.input_kinds()), {name: body.nodes[name] for name in body.order}
    layers = body.layers if isinstance(body, Sequential) else (body,)
    names = ["x", *map(str, range(len(layers)))]
    return ["x"], {names[i + 1]: Node(layer, names[i]) for i, layer in enumerate(layers)}


def arranged(inputs: Sequence[str], nodes: Mapping[str, Node]) -> dict[str, tuple[int, float]]:
    """Return (row, column) of every name: below all that it takes, its row being centred."""
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


def _arrows(node: Node) -> list[tuple[str, str]]:
    """Return (source, name under which it is taken) for all that goes into a node."""
    return [(source, "") for source in node.inputs] + [(s, key) for key, s in node.further.items()]


def _colours(nodes: Mapping[str, Node]) -> dict[int, str]:
    """Return a colour for each module: its own where it is shared, the common one elsewhere."""
    count: dict[int, int] = defaultdict(int)
    for node in nodes.values():
        count[id(node.module)] += 1
    shared = [module for module, uses in count.items() if uses > 1]
    palette = ["#fdd9b5", "#c9e7c8", "#e4cdf0", "#f7c8d0"]
    own = {module: palette[i % len(palette)] for i, module in enumerate(shared)}
    return {module: own.get(module, "#d6e6f5") for module in count}


def _draw_box(panel: Any, place: tuple[int, float], text: str, colour: str) -> Any:
    """Draw a box with text in it, and return the box."""
    row, column = place
    box = {"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": "0.5"}
    drawn = panel.text(column, -row, text, ha="center", va="center", fontsize=8, bbox=box, zorder=2)
    return drawn.get_bbox_patch()


def _draw_arrow(
    panel: Any, start: tuple[int, float], end: tuple[int, float], key: str, source: Any, target: Any
) -> None:
    """Draw an arrow from box to box; one that passes over rows goes around what stands there."""
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
