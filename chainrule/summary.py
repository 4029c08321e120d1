"""A network as a table in text: each layer, its output's shape, its parameters, its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.layers.containers import Sequential
from chainrule.module import Module, arguments, locate, named_parameters
from chainrule.parameter import Array

Row = tuple[str, str, str, str]


def summarize(network: Sequential, sample_shape: Sequence[int] | None, dtype: np.dtype) -> str:
    """Return the table for a network; shapes are found by sending one sample of zeros through.

    Parameters
    ----------
    network : Sequential
        The network; its layers become the rows.
    sample_shape : sequence of int, optional
        One sample's shape, without the batch axis. Without it the first layer's `in_features`
        is taken, or else the column of shapes stays empty.
    dtype : dtype
        The type the network computes in.
    """
    rows: list[Row] = [("layer", "output", "parameters", "memory")]
    rows += _layer_rows(network, sample_shape, dtype)
    learned = sum(p.size for p in named_parameters(network).values())
    held = sum(p.value.nbytes + p.grad.nbytes for p in named_parameters(network).values())
    rows.append(("total", "", f"{learned:,}", _size(held)))
    rules = "-" * len(_table(rows).split("\n")[0])
    head, *body, total = _table(rows).split("\n")
    note = "memory: parameters and their gradients; output: per batch of N"
    return "\n".join([head, rules, *body, rules, total, note])


def _layer_rows(
    network: Sequential, sample_shape: Sequence[int] | None, dtype: np.dtype
) -> Iterator[Row]:
    features = getattr(network.layers[0], "in_features", None)
    if sample_shape is None and features is not None:
        sample_shape = (features,)
    kind = np.intp if network.takes_indices else dtype
    x = None if sample_shape is None else np.zeros((1, *sample_shape), kind)
    for index, layer in enumerate(network.layers):
        if x is not None:
            x = _predict(network, layer, x)
        shape = "" if x is None else f"({', '.join(['N', *map(str, x.shape[1:])])})"
        parameters = named_parameters(layer).values()
        held = sum(p.value.nbytes + p.grad.nbytes for p in parameters)
        learned = sum(p.size for p in parameters)
        yield f"{index}: {_one_line(layer)}", shape, f"{learned:,}", _size(held)


def _predict(network: Sequential, layer: Module, x: Array) -> Array:
    try:
        return layer.predict(x)
    except Exception as error:
        locate(error, network)
        raise


def _one_line(layer: Module) -> str:
    if "\n" not in repr(layer):
        return repr(layer)
    options = {k: v for k, v in arguments(layer).items() if not isinstance(v, Module | tuple)}
    shown = [f"{name}={value!r}" for name, value in options.items()]
    return f"{type(layer).__name__}({', '.join([*shown, '...'])})"


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
