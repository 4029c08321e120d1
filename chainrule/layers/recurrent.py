"""RNN, LSTM and GRU: layers on layers, in one or both directions, over sequences of any length.

What a single step computes is in recurrent_cells.py; this file runs the cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.checks import check_range, check_seed, check_sizes
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.layers.dropout import Dropout
from chainrule.layers.recurrent_cells import Cell, GRUCell, LSTMCell, RNNCell
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["GRU", "LSTM", "RNN", "LastStep"]

WORTH_A_THREAD = 16_384
"""Numbers in the states of a part, samples · hidden_size, from which on threads pay.

Two threads over one of the same machine, 20 steps, batches of 32 to 512: RNN, LSTM and GRU took
1.1 to 2.4 times the time up to 4,096 numbers a part, 0.75 to 1.2 with 16,384, 0.8 to 1.1 with
65,536.
"""


class Recurrent(Module):
    """The parent of RNN, LSTM and GRU: all but the formula of a step.

    Takes x (N, T, input_size), returns y (N, T, hidden_size): the top layer's h at every step.
    Both directions stand side by side, (N, T, 2 hidden_size), the forward one first.

    Parameters
    ----------
    input_size, hidden_size : int
        How many features come in at each step, and how many a layer remembers.
    num_layers : int
        How many layers; each takes the outputs of the one below.
    bidirectional : bool
        Whether a second set of cells reads each sequence from its end.
    dropout : float
        The probability of dropping an output on its way to the next layer.
    seed : int, optional
        The same seed gives the same weights and masks.

    Attributes
    ----------
    cells : list of Module
        Each holds weight_ih, weight_hh, bias_ih and bias_hh: PyTorch's, with the matrices
        transposed. Layer l's stands at l, or with both directions at 2 l and (reverse) 2 l + 1.

    Notes
    -----
    `forward` takes further arguments:

    lengths, (N,) whole numbers from 1 to T
        How long each sequence is; what stands behind its end is not read. There the output is 0,
        the final state is the one at the sequence's own end, and the reverse direction begins
        at that end.
    h_0, and c_0 of an LSTM, (N, L, hidden_size)
        The states to begin with, zero if not given, with L = layers times directions, in the order
        of `cells`. (PyTorch has L in front of N; here the batch is always in front.) Backward
        then returns their gradients too: (dx, dh_0, dc_0), or those of them that were given.
    return_state
        If true, the result is (y, h_n), or (y, (h_n, c_n)) of an LSTM: the final states, each
        shaped like a first one.

    `backward` takes a second argument, `dstate`: the loss's gradient at the final state, arranged
    like it, where something was made of it.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        sizes = check_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = sizes
        self.dropout = check_range("dropout", dropout, high=1)
        if dropout and num_layers == 1:
            raise ConfigurationError(
                "dropout acts between layers, and there is only one: give num_layers=2 or more, or "
                "put a Dropout layer behind."
            )
        self.bidirectional = bidirectional
        rng = check_seed(seed)
        directions = 2 if bidirectional else 1
        between = range(self.num_layers - 1)
        widths = itertools.chain(
            [self.input_size], (self.hidden_size * directions for _ in between)
        )
        self.cells = [self.make_cell(width, rng) for width in widths for _ in range(directions)]
        self.dropouts = [Dropout(dropout, seed=rng.spawn(1)[0]) for _ in between]

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        """Return one direction of one layer, for inputs of this size."""
        raise NotImplementedError(f"{type(self).__name__} has no make_cell(input_size, rng).")

    def forward(
        self,
        x: Array,
        training: bool = True,
        *,
        lengths: ArrayLike | None = None,
        h_0: ArrayLike | None = None,
        c_0: ArrayLike | None = None,
        return_state: bool = False,
    ) -> Any:
        self._check_input(x)
        spans = Spans(lengths, x)
        shape = (self.cells[0].states, len(self.cells), len(x), self.hidden_size)
        given = self._given({"h_0": h_0, "c_0": c_0}, shape, x.dtype)
        first = np.zeros(shape, x.dtype)
        for number, states in given.items():
            first[number] = states
        final = np.empty_like(first)
        y = spans.cleared(x.swapaxes(0, 1))  # (T, N, features) from here on
        for layer in range(self.num_layers):
            if layer:
                drop = self.dropouts[layer - 1].forward
                y = drop(y.swapaxes(0, 1), training).swapaxes(0, 1)
            outputs = []
            for place, turned in self._directions(layer, spans):
                cell = self.cells[place]
                states = cell.run(turned(y), first[:, place], spans.running, training)
                final[:, place] = spans.at_the_end(states)
                outputs.append(turned(states[0, 1:]))
            y = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        self.save_for_backward(spans, shape, list(given), training=training)
        y = y.swapaxes(0, 1)  # (N, T, features)
        return (y, self._final(final)) if return_state else y

    def backward(self, dy: Array, dstate: Any = None) -> Any:
        spans, shape, given = self.saved_values()
        names = ("dstate",) if shape[0] == 1 else ("dstate[0]", "dstate[1]")
        each = (dstate,) if shape[0] == 1 else (None, None) if dstate is None else dstate
        dfinal = np.zeros(shape, dy.dtype)
        of_name = dict(zip(names, each, strict=True))
        for number, states in self._given(of_name, shape, dy.dtype).items():
            dfinal[number] = states
        dfirst = np.empty(shape, dy.dtype)
        dy = spans.cleared(dy.swapaxes(0, 1))  # (T, N, features)
        for layer in reversed(range(self.num_layers)):
            if layer + 1 < self.num_layers:
                dy = self.dropouts[layer].backward(dy.swapaxes(0, 1)).swapaxes(0, 1)
            inputs = []
            for half, (place, turned) in enumerate(self._directions(layer, spans)):
                own = slice(half * self.hidden_size, (half + 1) * self.hidden_size)
                dstates = spans.gradients(turned(dy[:, :, own]), dfinal[:, place])
                inputs.append(turned(self.cells[place].backward(dstates)))
                dfirst[:, place] = dstates[:, 0]
            dy = inputs[0] if len(inputs) == 1 else inputs[0] + inputs[1]
        dx = dy.swapaxes(0, 1)
        return (dx, *(dfirst[number].swapaxes(0, 1) for number in given)) if given else dx

    @property
    def least_part(self) -> int:
        """How many samples are worth a thread of their own."""
        return math.ceil(WORTH_A_THREAD / self.hidden_size)

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the further inputs; an LSTM has two first states."""
        return ("lengths", *("h_0", "c_0")[: self.cells[0].states])

    def _directions(self, layer: int, spans: Spans) -> list[tuple[int, Callable[[Array], Array]]]:
        """Return, for each direction, its cell's place and how it turns a sequence to read it."""
        if self.bidirectional:
            return [(2 * layer, unturned), (2 * layer + 1, spans.turned)]
        return [(layer, unturned)]

    def _check_input(self, x: Array) -> None:
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            raise ShapeError(
                f"expected sequences (N, T, {self.input_size}), got an input of shape {x.shape}.",
                self,
            )

    def _given(
        self, states: dict[str, Any], shape: tuple[int, ...], dtype: DTypeLike
    ) -> dict[int, Array]:
        """Return the states that are given, (L, N, H) by their number; refuse other shapes."""
        count, cells, batch, hidden = shape
        found = {}
        for number, (name, state) in enumerate(states.items()):
            if state is None:
                continue
            if number >= count:
                raise ConfigurationError(f"{type(self).__name__} has no cell state {name}.")
            array = np.asarray(state, dtype)
            if array.shape != (batch, cells, hidden):
                raise ShapeError(
                    f"expected {name} of shape {(batch, cells, hidden)}, got {array.shape}.", self
                )
            found[number] = array.swapaxes(0, 1)
        return found

    def _final(self, states: Array) -> Any:
        """Return states (S, L, N, H) as users see them: h (N, L, H), or (h, c)."""
        each = tuple(state.swapaxes(0, 1) for state in states)
        return each if len(each) > 1 else each[0]


class RNN(Recurrent):
    """h_t = tanh(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh): the plain recurrent layer.

    Elman, "Finding Structure in Time", 1990. Over many steps its gradients vanish or explode
    (Bengio, Simard, Frasconi, 1994); LSTM and GRU are the cure.

    `nonlinearity` is ``"tanh"`` or ``"relu"``; the other arguments, shapes, lengths and states are
    those of `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bidirectional: bool = False,
        dropout: float = 0.0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ConfigurationError(
                f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}."
            )
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            seed=seed,
        )

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return RNNCell(input_size, self.hidden_size, rng, self.nonlinearity)


class LSTM(Recurrent):
    """Long short-term memory: what the cell c holds is kept, written and read through gates.

    i, f, o = σ(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh) and g = tanh(likewise), each with its own
    columns of the weights, in the order i f g o; then

    c_t = f c_{t-1} + i g,    h_t = o tanh(c_t).

    Hochreiter, Schmidhuber, "Long Short-Term Memory", 1997; with the forget gate of Gers,
    Schmidhuber, Cummins, 2000. f's bias_ih begins at 1, so that memory lasts.

    Arguments, shapes, lengths and states are those of `Recurrent`.
    """

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return LSTMCell(input_size, self.hidden_size, rng)


class GRU(Recurrent):
    """Gated recurrent unit: one state, of which a gate says how much is kept.

    r, z = σ(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh), in the order r z n of the columns; then

    n = tanh(x_t W_in + b_in + r (h_{t-1} W_hn + b_hn)),    h_t = (1 - z) n + z h_{t-1}.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014; with r behind the
    product, as PyTorch and cuDNN have it. z's bias_ih begins at 1, so that memory lasts.

    Arguments, shapes, lengths and states are those of `Recurrent`.
    """

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return GRUCell(input_size, self.hidden_size, rng)


class LastStep(Module):
    """y = x[:, -1]: of each sequence (N, T, features) what stands at its last step.

    Between a recurrent layer and a Linear: ``Network([LSTM(4, 32), LastStep(), Linear(32, 2)])``.
    With `lengths` (N,) it is each sequence's own last step. Of a bidirectional layer the reverse
    half has at that place read the last element alone; there, take the final state or the mean
    over time instead.
    """

    def forward(
        self, x: Array, training: bool = True, *, lengths: ArrayLike | None = None
    ) -> Array:
        if x.ndim != 3 or 0 in x.shape:
            raise ShapeError(
                f"expected sequences (N, T, features), got an input of shape {x.shape}.", self
            )
        ends = checked_lengths(lengths, *x.shape[:2])
        self.save_for_backward(x.shape, ends, training=training)
        return x[np.arange(len(x)), ends - 1]

    def backward(self, dy: Array) -> Array:
        shape, ends = self.saved_values()
        dx = np.zeros(shape, dy.dtype)
        dx[np.arange(len(dx)), ends - 1] = dy
        return dx


# ---------------------------------------------------------------- where sequences end


class Spans:
    """Where each sequence of a batch ends, and what that means for arrays (T, N, features).

    Attributes
    ----------
    ends : ndarray of int, shape (N,)
        How many steps each sequence has.
    running : ndarray, shape (T, N, 1), or None
        1 in front of a sequence's end and 0 behind it; None where all have T steps.
    """

    def __init__(self, lengths: ArrayLike | None, x: Array) -> None:
        batch, steps, _ = x.shape
        self.ends = checked_lengths(lengths, batch, steps)
        self.samples = np.arange(batch)
        self.running: Array | None = None
        if (self.ends < steps).any():
            time = np.arange(steps)[:, np.newaxis]  # (T, 1)
            inside = time < self.ends  # (T, N)
            self.running = inside[:, :, np.newaxis].astype(x.dtype)
            self.mirrored = np.where(inside, self.ends - 1 - time, time)  # (T, N)

    def cleared(self, x: Array) -> Array:
        """Return x with zeros behind the ends, whatever was there."""
        return x if self.running is None else np.where(self.running, x, 0)

    def turned(self, x: Array) -> Array:
        """Return each sequence from its end to its beginning; twice, it is as it was."""
        return x[::-1] if self.running is None else x[self.mirrored, self.samples]

    def at_the_end(self, states: Array) -> Array:
        """Return of `states` (S, T + 1, N, H) those at each sequence's own end, (S, N, H)."""
        return states[:, self.ends, self.samples]

    def gradients(self, dy: Array, dfinal: Array) -> Array:
        """Return the gradient at every state, (S, T + 1, N, H), so far as outputs tell it.

        `dy` (T, N, H) is the one at h after each step, `dfinal` (S, N, H) at the final states.
        """
        steps, batch, size = dy.shape
        dstates = np.zeros((len(dfinal), steps + 1, batch, size), dy.dtype)
        dstates[0, 1:] = dy
        dstates[:, self.ends, self.samples] += dfinal  # no place comes twice
        return dstates


def unturned(x: Array) -> Array:
    """Return x: the forward direction reads a sequence as it is."""
    return x


def checked_lengths(lengths: ArrayLike | None, batch: int, steps: int) -> Array:
    """Return the lengths (N,) as integers, T for all if None are given; refuse impossible ones."""
    if lengths is None:
        return np.full(batch, steps)
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu" or array.shape != (batch,):
        raise InputError(
            f"lengths must be one whole number for each of the {batch} sequences, got "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.min() < 1 or array.max() > steps:
        raise InputError(
            f"lengths must lie from 1 to {steps}, the number of steps; got lengths from "
            f"{array.min()} to {array.max()}. Drop empty sequences first."
        )
    return array.astype(np.intp)
