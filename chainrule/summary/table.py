"""A network as a table in text: each layer, its output's shape, its parameters, its memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_whole_numbers
from chainrule.checks.constructor import arguments
from chainrule.layers.containers import Sequential
from chainrule.layers.graph import Graph
from chainrule.module import Module
from chainrule.summary.display import Shown, html_table
from chainrule.watching import Watcher, watch

Row = tuple[str, str, str, str]

HEAD: Row = ("layer", "output", "parameters", "memory")
NOTE = "memory: parameters and their gradients; output: per batch of N"


def summarize(network: Any, sample_shape: Any) -> Shown:
    """Return the table for a network; shapes come from predicting one sample of zeros.

    Parameters
    ----------
    network : Network
        Its layers, or the nodes of its graph, become the rows.
    sample_shape : sequence of int, or mapping of str to sequence of int, optional
        The shape of one sample, without the batch axis; by name for several inputs. By default it
        is the first layer's `in_features`; without those, the column of shapes stays empty.
    """
    rows = table_rows(network, output_shapes(network, sample_shape))
    head, *body, total = _table([HEAD, *rows]).split("\n")
    rules = "-" * len(head)
    notes = [*what_learns(network), NOTE]
    text = "\n".join([head, rules, *body, rules, total, *notes])
    last = len(rows) - 1
    return Shown(text, html_table(HEAD, rows, notes=notes, numbers=(2, 3), bold=[last]))


def html_of_network(network: Any) -> str:
    """Return the table as HTML, without output shapes, as finding them takes a prediction."""
    rows = [(name, count, size) for name, _, count, size in table_rows(network, {})]
    title = f"{type(network).__name__}, {network.dtype}"
    head, last = (HEAD[0], *HEAD[2:]), len(rows) - 1
    notes = what_learns(network)
    return html_table(head, rows, title=title, notes=notes, numbers=(1, 2), bold=[last])


def what_learns(network: Any) -> list[str]:
    """Return a line on how many parameters learn; none where all do."""
    parameters = network.parameters()
    learning = sum(p.size for p in parameters if p.trainable)
    frozen = sum(p.size for p in parameters) - learning
    return [f"{learning:,} parameters learn, {frozen:,} are frozen"] if frozen else []


def frozen_mark(module: Module) -> str:
    """Return what to write behind the name of a module that is frozen, or of which a part is."""
    frozen = [not parameter.trainable for parameter in module.parameters()]
    if not frozen:  # but it may have running statistics
        frozen = [not module.trainable] if module.named_buffers() else []
    if not any(frozen):
        return ""
    return " (frozen)" if all(frozen) else " (frozen in part)"


def table_rows(network: Any, shapes: dict[int, list[str]]) -> list[Row]:
    """Return the rows of the table; the last one is the total."""
    return [*layer_rows(network.body, shapes), ("total", "", *_sizes(network))]


def output_shapes(network: Any, sample_shape: Any) -> dict[int, list[str]]:
    """Return the output shapes of each module by its id, in order of use."""
    if sample_shape is None:
        features = getattr(next(iter(_parts(network.body)))[1], "in_features", None)
        sample_shape = None if features is None else (features,)
    if sample_shape is None:
        return {}
    seen = _Shapes()
    with watch(network, seen):
        network.predict(zeros(network, sample_shape))
    return seen.found


class _Shapes(Watcher):
    """Records the shape of every output."""

    def __init__(self) -> None:
        self.found: dict[int, list[str]] = {}

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        arrays = y if isinstance(y, Mapping) else {"": y}
        shown = [f"({', '.join(['N', *map(str, array.shape[1:])])})" for array in arrays.values()]
        self.found.setdefault(id(module), []).append(" ".join(shown))


def zeros(network: Any, sample_shape: Any) -> Any:
    """Return a batch of one sample of zeros."""
    kinds = network.input_kinds()
    if isinstance(sample_shape, Mapping):
        if not isinstance(network.body, Graph):  # further inputs of layers change no shape
            sample_shape = {"x": sample_shape.get("x", ())}
        return {n: _zeros(s, _type(network, kinds.get(n))) for n, s in sample_shape.items()}
    return _zeros(sample_shape, _type(network, next(iter(kinds.values()))))


def _zeros(sample_shape: Any, dtype: Any) -> Any:
    return np.zeros((1, *check_whole_numbers("sample_shape", sample_shape)), dtype)


def _type(network: Any, kind: str | None) -> Any:
    """Return the type of an input; an unknown one is assumed to be a mask."""
    return {"floats": network.dtype, "indices": np.intp}.get(kind or "", np.bool_)


def _parts(body: Module) -> Iterator[tuple[str, Module]]:
    """Yield the modules that get a row, by name: layers, a graph's nodes, or the one module."""
    if isinstance(body, Sequential):
        yield from ((str(index), layer) for index, layer in enumerate(body.layers))
    elif isinstance(body, Graph):
        yield from ((name, body[name]) for name in body.order)
    else:
        yield type(body).__name__, body


def layer_rows(body: Module, shapes: dict[int, list[str]]) -> Iterator[Row]:
    """Yield a row for each part; a module that is used again is marked as shared."""
    uses: dict[int, int] = {}
    for name, part in _parts(body):
        use = uses[id(part)] = uses.get(id(part), -1) + 1
        found = shapes.get(id(part), [])
        shape = found[use] if use < len(found) else ""
        sizes = _sizes(part) if use == 0 else ("shared", "")
        taken = _sources(body, name)
        yield f"{name}: {one_line(part)}{taken}{frozen_mark(part)}", shape, *sizes


def _sources(body: Module, name: str) -> str:
    """Return the inputs of a graph's node, as text."""
    if not isinstance(body, Graph):
        return ""
    node = body.nodes[name]
    further = [f"{key}={source}" for key, source in node.further.items()]
    return f" <- {', '.join([*node.inputs, *further])}"


def one_line(layer: Module) -> str:
    """Describe a module in one line, without the modules inside it."""
    if "\n" not in repr(layer):
        return repr(layer)
    plain = {
        name: value
        for name, value in arguments(layer).items()
        if not isinstance(value, Module | tuple | dict)
    }
    shown = [f"{name}={value!r}" for name, value in plain.items()]
    return f"{type(layer).__name__}({', '.join([*shown, '...'])})"


def _sizes(module: Module) -> tuple[str, str]:
    """Return the number of parameters of a module and their memory, as text."""
    parameters = module.parameters()
    held = sum(p.value.nbytes + p.grad.nbytes for p in parameters)
    return f"{sum(p.size for p in parameters):,}", _size(held)


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _table(rows: Sequence[Row]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {size:>{widths[3]}}"
        for name, shape, count, size in rows
    )
