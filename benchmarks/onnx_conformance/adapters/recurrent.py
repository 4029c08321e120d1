"""RNN, LSTM, GRU: ONNX's gates in our order, its matrices transposed, its sequences batch first.

The node's W (D, G H, I), R (D, G H, H) and B (D, 2 G H), for D directions and G gates, become
weight_ih (I, G H), weight_hh (H, G H), bias_ih and bias_hh (G H,) of each direction's cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible

OPTIONS = {"hidden_size", "direction", "layout", "linear_before_reset"}
"""The attributes that are read below."""


def recurrent(case: NodeCase, kind: type, order: Sequence[int]) -> Expression:
    """Say the node with a module of this kind; `order` tells where our gates stand in ONNX's."""
    if further := sorted(case.attributes.keys() - OPTIONS):
        raise NotExpressible(f"the attribute {further[0]}")
    x, w, r, b, lengths, *states = [case.input(position) for position in range(7)]
    if case.input(7) is not None:
        raise NotExpressible("peepholes")
    if any(given is not None for given in (lengths, *states)):
        raise NotExpressible("lengths or first states")
    batch_first = bool(case.get("layout"))
    reverse = case.get("direction") == "reverse"
    module = kind(w.shape[-1], r.shape[-1], bidirectional=len(w) == 2)
    for direction, cell in enumerate(module.cells):
        cell.weight_ih.value = reordered(w[direction], order).T
        cell.weight_hh.value = reordered(r[direction], order).T
        halves = np.split(np.zeros(2 * w.shape[1]) if b is None else b[direction], 2)
        cell.bias_ih.value, cell.bias_hh.value = (reordered(half, order) for half in halves)
    x = x if batch_first else x.swapaxes(0, 1)  # (N, T, I)
    x = x[:, ::-1] if reverse else x

    def read(result: Any) -> list[Array]:
        y, state = result
        finals = state if isinstance(state, tuple) else (state,)  # (N, D, H) each: h, and c
        y = y[:, ::-1] if reverse else y
        y = y.reshape(*y.shape[:2], len(w), -1)  # (N, T, D, H)
        if batch_first:
            return [y, *finals]
        return [y.transpose(1, 2, 0, 3), *(final.swapaxes(0, 1) for final in finals)]

    call = partial(module.forward, training=False, return_state=True)
    return Expression(module, call, (x,), read)


def reordered(gates: Array, order: Sequence[int]) -> Array:
    """Return the blocks of axis 0, one a gate, in our order."""
    blocks = np.split(gates, len(order))
    return np.concatenate([blocks[place] for place in order])


def rnn(case: NodeCase) -> Expression:
    return recurrent(case, chainrule.RNN, [0])


def lstm(case: NodeCase) -> Expression:
    return recurrent(case, chainrule.LSTM, [0, 2, 3, 1])  # i o f c, and ours i f g o


def gru(case: NodeCase) -> Expression:
    """Ours resets h W + b, as PyTorch's does; ONNX's, by default, resets h.

    Over a single step from the zero state the two are the same where that b is 0.
    """
    x, b = case.input(0), case.input(3)
    steps = x.shape[1 if case.get("layout") else 0]
    resets_nothing = steps == 1 and (b is None or not np.split(b[0], 6)[-1].any())
    if not case.get("linear_before_reset") and not resets_nothing:
        raise NotExpressible("linear_before_reset = 0: a reset gate on the state itself")
    return recurrent(case, chainrule.GRU, [1, 0, 2])  # z r h, and ours r z n


COUNTERPARTS = {
    "GRU": Counterpart(("GRU",), gru),
    "LSTM": Counterpart(("LSTM",), lstm),
    "RNN": Counterpart(("RNN",), rnn),
}
