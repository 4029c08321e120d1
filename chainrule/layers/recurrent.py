"""RNN, LSTM and GRU: stacked layers, in one or both directions, over sequences of any length.

The formulas of a single step and their gradients are in recurrent_cells.py; this file runs the
cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.checks import (
    check_bool,
    check_choice,
    check_range,
    check_seed,
    check_sizes,
    check_whole,
)
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.layers.dropout import Dropout
from chainrule.layers.recurrent_cells import Cell, GRUCell, LSTMCell, RNNCell, States
from chainrule.layers.shape_checks import check_sequences
from chainrule.module import Module
from chainrule.parameter import Array, Parameter

__all__ = ["GRU", "LSTM", "RNN", "LastStep"]

WORTH_A_THREAD = 16_384
"""The size of a thread's states, samples · hidden_size, from which on a second thread pays off.

Two threads took this many times as long as one (RNN, LSTM and GRU, 20 steps, batches of 32 to
512): 1.1 to 2.4 with up to 4,096 numbers each, 0.75 to 1.2 with 16,384, 0.8 to 1.1 with 65,536.
"""


class Recurrent(Module):
    """Base class of RNN, LSTM and GRU: everything except the formula of a step."""

    proj_size = 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
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
                f"add a Dropout layer; got dropout={dropout!r} with num_layers=1."
            )
        self.bidirectional = check_bool("bidirectional", bidirectional)
        self.with_bias = check_bool("bias", bias)
        rng = check_seed(seed)
        directions = 2 if bidirectional else 1
        self.output_size = self.proj_size or self.hidden_size
        between = range(self.num_layers - 1)
        # no list: a file may ask for a hundred million layers, of which the first is refused
        widths = itertools.chain(
            [self.input_size], (self.output_size * directions for _ in between)
        )
        self.cells = [self.make_cell(width, rng) for width in widths for _ in range(directions)]
        self.dropouts = [Dropout(dropout, seed=rng.spawn(1)[0]) for _ in between]

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        """Return one direction of one layer, for inputs of this size."""
        raise NotImplementedError(f"{type(self).__name__} has no make_cell(input_size, rng).")

    @property
    def bias(self) -> Parameter | None:
        """The first cell's bias_ih; None without biases, as in Linear."""
        return self.cells[0].bias_ih

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
        check_sequences(self, x, self.input_size)
        spans = Spans(lengths, x)
        first, given = self._states({"h_0": h_0, "c_0": c_0}, len(x), x.dtype)
        final = [np.empty_like(state) for state in first]
        y = spans.cleared(x.swapaxes(0, 1))  # (T, N, features) from here on
        for layer in range(self.num_layers):
            if layer:
                drop = self.dropouts[layer - 1].forward
                y = drop(y.swapaxes(0, 1), training).swapaxes(0, 1)
            outputs = []
            for place, turn in self._directions(layer, spans):
                cell = self.cells[place]
                begin = [state[place] for state in first]
                states = cell.run(turn(y), begin, spans.running, training)
                for whole, state in zip(final, states, strict=True):
                    whole[place] = spans.at_the_end(state)
                outputs.append(turn(states[0][1:]))
            y = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        self.save_for_backward(spans, given, training=training)
        y = y.swapaxes(0, 1)  # (N, T, features)
        if not return_state:
            return y
        h_n, *c_n = (state.swapaxes(0, 1) for state in final)  # (N, L, H)
        return y, ((h_n, *c_n) if c_n else h_n)

    def backward(self, dy: Array, dstate: Any = None) -> Any:
        spans, given = self.saved_values()
        single = self.cells[0].states == 1
        names = ("dstate",) if single else ("dstate[0]", "dstate[1]")
        each = (dstate,) if single else (None, None) if dstate is None else dstate
        dfinal, _ = self._states(dict(zip(names, each, strict=True)), len(dy), dy.dtype)
        dfirst = [np.empty_like(state) for state in dfinal]
        dy = spans.cleared(dy.swapaxes(0, 1))  # (T, N, features)
        for layer in reversed(range(self.num_layers)):
            if layer + 1 < self.num_layers:
                dy = self.dropouts[layer].backward(dy.swapaxes(0, 1)).swapaxes(0, 1)
            inputs = []
            for half, (place, turn) in enumerate(self._directions(layer, spans)):
                own = slice(half * self.output_size, (half + 1) * self.output_size)
                dstates = spans.gradients(turn(dy[:, :, own]), [state[place] for state in dfinal])
                inputs.append(turn(self.cells[place].backward(dstates)))
                for whole, state in zip(dfirst, dstates, strict=True):
                    whole[place] = state[0]
            dy = inputs[0] if len(inputs) == 1 else inputs[0] + inputs[1]
        dx = dy.swapaxes(0, 1)
        return (dx, *(dfirst[number].swapaxes(0, 1) for number in given)) if given else dx

    @property
    def least_part(self) -> int:
        """How many samples a thread should have at least."""
        return math.ceil(WORTH_A_THREAD / self.hidden_size)

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the further inputs; an LSTM has two initial states."""
        return ("lengths", *("h_0", "c_0")[: self.cells[0].states])

    def _directions(self, layer: int, spans: Spans) -> list[tuple[int, Callable[[Array], Array]]]:
        """Return, for each direction, the place of its cell and how it reads a sequence."""
        if self.bidirectional:
            return [(2 * layer, as_it_is), (2 * layer + 1, spans.reversed)]
        return [(layer, as_it_is)]

    def _states(
        self, states: dict[str, Any], batch: int, dtype: DTypeLike
    ) -> tuple[list[Array], list[int]]:
        """Return each state (N, L, H) as (L, N, H), 0 by default, and which of them were given."""
        sizes, cells = self.cells[0].sizes, len(self.cells)
        filled = [np.zeros((cells, batch, size), dtype) for size in sizes]
        given = [number for number, state in enumerate(states.values()) if state is not None]
        for number in given:
            name, state = list(states.items())[number]
            if number >= len(sizes):
                raise ConfigurationError(f"{type(self).__name__} has no cell state {name}.")
            array, expected = np.asarray(state, dtype), (batch, cells, sizes[number])
            if array.shape != expected:
                raise ShapeError(f"expected {name} of shape {expected}, got {array.shape}.", self)
            filled[number] = array.swapaxes(0, 1)
        return filled, given


class RNN(Recurrent):
    """h_t = tanh(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh): the plain recurrent layer.

    x (N, T, input_size); y (N, T, hidden_size) is h_t of the top layer at each step.

    Backward, from the last step to the first: with a_t what tanh is applied to,
    da_t = (1 - h_t²) dh_t and dh_{t-1} += da_t W_hhᵀ; then dx_t = da_t W_ihᵀ,
    dW_ih = Σ_t x_tᵀ da_t, dW_hh = Σ_t h_{t-1}ᵀ da_t, and both biases get Σ_t da_t.

    Elman, "Finding Structure in Time", 1990. Over many steps its gradients vanish or explode
    (Bengio, Simard, Frasconi, 1994), which LSTM and GRU avoid.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of x, and of the state h.
    num_layers : int
        The number of layers; each takes the outputs of the one below.
    nonlinearity : str
        ``"tanh"``, or ``"relu"`` in its place.
    bias : bool
        Whether the cells have biases.
    bidirectional : bool
        Whether a second set of cells reads each sequence from its end. Then y is (N, T, 2
        hidden_size), the forward direction first.
    dropout : float
        The probability of dropping an output of a layer before the next layer, in training.
    seed : int, optional
        The same seed gives the same weights and masks.

    Attributes
    ----------
    cells : list of Module
        One for each layer and direction: layer l at index l, or with both directions at 2 l and
        (reverse) 2 l + 1. Each has PyTorch's weight_ih, weight_hh (both transposed), bias_ih and
        bias_hh.

    Raises
    ------
    ConfigurationError
        An option makes no sense, such as dropout with a single layer.
    ShapeError, InputError
        In forward: x is not (N, T, input_size), or the further inputs do not fit it.

    Notes
    -----
    `forward` takes further inputs by name. (Here the batch is always the first axis; PyTorch has
    L before N in the states.)

    lengths, (N,) integers from 1 to T
        How long each sequence is; what comes after its end is not read. There the output is 0. The
        final state is the one at the sequence's own end, where the reverse direction starts.
    h_0, (N, L, hidden_size)
        The initial state, 0 by default, with L = layers · directions, in the order of `cells`. If
        it is given, backward returns (dx, dh_0).
    return_state, bool
        If true, forward returns (y, h_n): also the final state (N, L, hidden_size).

    `backward` takes a second argument, `dstate`: the gradient of the loss with respect to the final
    state (N, L, hidden_size), arranged like it, if the loss depends on it.

    Examples
    --------
    >>> layer = RNN(4, 8, seed=0)
    >>> layer(np.zeros((2, 5, 4))).shape
    (2, 5, 8)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        check_choice("nonlinearity", nonlinearity, {"tanh": None, "relu": None})
        self.nonlinearity = str(nonlinearity)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            bidirectional=bidirectional,
            dropout=dropout,
            seed=seed,
        )

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return RNNCell(input_size, self.hidden_size, rng, self.with_bias, self.nonlinearity)


class LSTM(Recurrent):
    """Long short-term memory: c_t = f c_{t-1} + i g and h_t = o tanh(c_t), with gates i, f, o.

    i, f, o = σ(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh) and g = tanh(likewise), each with its own
    columns of the weights, in the order i f g o. So gates decide what the cell state c keeps,
    takes in and puts out. x (N, T, input_size); y (N, T, hidden_size) is h_t of the top layer at
    each step.

    Backward, from the last step to the first: do = dh_t tanh(c_t);
    dc_t += dh_t o (1 - tanh²(c_t)); di, df, dg = dc_t g, dc_t c_{t-1}, dc_t i; dc_{t-1} = dc_t f.
    Times the slopes σ' = σ (1 - σ) and tanh' = 1 - tanh² they are da_t, the gradient at what σ and
    tanh are applied to; from there on as in `RNN`.

    Hochreiter, Schmidhuber, "Long Short-Term Memory", 1997; with the forget gate of Gers,
    Schmidhuber, Cummins, 2000, whose bias_ih starts at 1, so that memory lasts.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of x, and of the state h.
    num_layers : int
        The number of layers; each takes the outputs of the one below.
    bias : bool
        Whether the cells have biases.
    bidirectional : bool
        Whether a second set of cells reads each sequence from its end. Then y is (N, T, 2
        hidden_size), the forward direction first.
    dropout : float
        The probability of dropping an output of a layer before the next layer, in training.
    proj_size : int
        If not 0, the size of h, less than hidden_size: h_t = (o tanh(c_t)) W_hr, which is also the
        output, so that y is (N, T, proj_size). Then dW_hr = Σ_t (o tanh(c_t))ᵀ dh_t, and dh_t W_hrᵀ
        takes the place of dh_t. Sak, Senior, Beaufays, "Long Short-Term Memory Based Recurrent
        Neural Network Architectures for Large Vocabulary Speech Recognition", 2014.
    seed : int, optional
        The same seed gives the same weights and masks.

    Attributes
    ----------
    cells : list of Module
        One for each layer and direction: layer l at index l, or with both directions at 2 l and
        (reverse) 2 l + 1. Each has PyTorch's weight_ih, weight_hh (both transposed), bias_ih and
        bias_hh, and with a projection weight_hr (transposed, too).

    Raises
    ------
    ConfigurationError
        An option makes no sense, such as dropout with a single layer.
    ShapeError, InputError
        In forward: x is not (N, T, input_size), or the further inputs do not fit it.

    Notes
    -----
    `forward` takes further inputs by name. (Here the batch is always the first axis; PyTorch has
    L before N in the states.)

    lengths, (N,) integers from 1 to T
        How long each sequence is; what comes after its end is not read. There the output is 0. The
        final state is the one at the sequence's own end, where the reverse direction starts.
    h_0, c_0, (N, L, hidden_size)
        The initial states, 0 by default, with L = layers · directions, in the order of `cells`; h_0
        is (N, L, proj_size) with a projection. If they are given, backward returns (dx, dh_0,
        dc_0), or (dx, dh_0) for h_0 alone.
    return_state, bool
        If true, forward returns (y, (h_n, c_n)): also the final states, (N, L, hidden_size) each.

    `backward` takes a second argument, `dstate`: the gradient of the loss with respect to the final
    states, (N, L, hidden_size) each, arranged like them, if the loss depends on them.

    Examples
    --------
    >>> layer = LSTM(4, 8, num_layers=2, seed=0)
    >>> y, (h_n, c_n) = layer.forward(np.zeros((2, 5, 4)), return_state=True)
    >>> y.shape, h_n.shape
    ((2, 5, 8), (2, 2, 8))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        proj_size: int = 0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.proj_size = check_whole("proj_size", proj_size, least=0)
        if check_whole("hidden_size", hidden_size) <= self.proj_size:
            raise ConfigurationError(
                "proj_size must be less than hidden_size, or 0 for no projection; got "
                f"proj_size={proj_size!r} with hidden_size={hidden_size!r}."
            )
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            bidirectional=bidirectional,
            dropout=dropout,
            seed=seed,
        )

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return LSTMCell(input_size, self.hidden_size, rng, self.with_bias, self.proj_size)


class GRU(Recurrent):
    """Gated recurrent unit: h_t = (1 - z) n + z h_{t-1}, where the gate z says how much is kept.

    r, z = σ(x_t W_ih + b_ih + h_{t-1} W_hh + b_hh), in the order r z n of the columns, and
    n = tanh(x_t W_in + b_in + r (h_{t-1} W_hn + b_hn)). x (N, T, input_size);
    y (N, T, hidden_size) is h_t of the top layer at each step.

    Backward, from the last step to the first: dz = dh_t (h_{t-1} - n), dn = dh_t (1 - z),
    dh_{t-1} += dh_t z. Times the slopes σ' and tanh' they are da_t, the gradient at what σ and tanh
    are applied to, with dr = da_n (h_{t-1} W_hn + b_hn); from there on as in `RNN`, except that
    h_{t-1} W_hn gets r da_n.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014; with r applied
    after the product, as in PyTorch and cuDNN. The bias_ih of z starts at 1, so that memory lasts.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of x, and of the state h.
    num_layers : int
        The number of layers; each takes the outputs of the one below.
    bias : bool
        Whether the cells have biases.
    bidirectional : bool
        Whether a second set of cells reads each sequence from its end. Then y is (N, T, 2
        hidden_size), the forward direction first.
    dropout : float
        The probability of dropping an output of a layer before the next layer, in training.
    seed : int, optional
        The same seed gives the same weights and masks.

    Attributes
    ----------
    cells : list of Module
        One for each layer and direction: layer l at index l, or with both directions at 2 l and
        (reverse) 2 l + 1. Each has PyTorch's weight_ih, weight_hh (both transposed), bias_ih and
        bias_hh.

    Raises
    ------
    ConfigurationError
        An option makes no sense, such as dropout with a single layer.
    ShapeError, InputError
        In forward: x is not (N, T, input_size), or the further inputs do not fit it.

    Notes
    -----
    `forward` takes further inputs by name. (Here the batch is always the first axis; PyTorch has
    L before N in the states.)

    lengths, (N,) integers from 1 to T
        How long each sequence is; what comes after its end is not read. There the output is 0. The
        final state is the one at the sequence's own end, where the reverse direction starts.
    h_0, (N, L, hidden_size)
        The initial state, 0 by default, with L = layers · directions, in the order of `cells`. If
        it is given, backward returns (dx, dh_0).
    return_state, bool
        If true, forward returns (y, h_n): also the final state (N, L, hidden_size).

    `backward` takes a second argument, `dstate`: the gradient of the loss with respect to the final
    state (N, L, hidden_size), arranged like it, if the loss depends on it.

    Examples
    --------
    >>> layer = GRU(4, 8, bidirectional=True, seed=0)
    >>> layer(np.zeros((2, 5, 4))).shape
    (2, 5, 16)
    """

    def make_cell(self, input_size: int, rng: np.random.Generator) -> Cell:
        return GRUCell(input_size, self.hidden_size, rng, self.with_bias)


class LastStep(Module):
    """y = x[:, -1]: the features at the last step of each sequence (N, T, features).

    It belongs between a recurrent layer and a Linear:
    ``Network([LSTM(4, 32), LastStep(), Linear(32, 2)])``. In a bidirectional layer the reverse half
    has read only the last element by then; use the final state there, or the mean over time.

    Backward: dx is dy at the last step, and 0 elsewhere.

    Raises
    ------
    ShapeError, InputError
        In forward: x is not (N, T, features), or the lengths do not fit it.

    Notes
    -----
    `forward` takes a further input by name:

    lengths, (N,) integers from 1 to T
        How long each sequence is; then y is its features at its own last step.

    Examples
    --------
    >>> x = np.array([[[1.0], [2.0], [3.0]]])
    >>> LastStep()(x)
    array([[3.]])
    >>> LastStep().forward(x, lengths=[2])
    array([[2.]])
    """

    def forward(
        self, x: Array, training: bool = True, *, lengths: ArrayLike | None = None
    ) -> Array:
        check_sequences(self, x)
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
        1 before the end of a sequence and 0 after it; None if all have T steps.
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
        """Return x with zeros after the ends, whatever was there."""
        return x if self.running is None else np.where(self.running, x, 0)

    def reversed(self, x: Array) -> Array:
        """Return each sequence reversed; applied twice, it is as it was."""
        return x[::-1] if self.running is None else x[self.mirrored, self.samples]

    def at_the_end(self, state: Array) -> Array:
        """Return a state (T + 1, N, H) at each sequence's own end, (N, H)."""
        return state[self.ends, self.samples]

    def gradients(self, dy: Array, dfinal: Sequence[Array]) -> States:
        """Return the gradient at every state, (T + 1, N, H) each, except what later steps add.

        `dy` (T, N, H) is the gradient at h after each step, `dfinal` (N, H) that at each final
        state.
        """
        steps = len(dy)
        dstates = tuple(np.zeros((steps + 1, *last.shape), dy.dtype) for last in dfinal)
        dstates[0][1:] = dy
        for dstate, last in zip(dstates, dfinal, strict=True):
            dstate[self.ends, self.samples] += last  # no place comes twice
        return dstates


def as_it_is(x: Array) -> Array:
    """Return x as it is: the forward direction."""
    return x


def checked_lengths(lengths: ArrayLike | None, batch: int, steps: int) -> Array:
    """Return the lengths (N,) as integers, T for all by default; refuse impossible ones."""
    if lengths is None:
        return np.full(batch, steps)
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu" or array.shape != (batch,):
        raise InputError(
            f"lengths must be one whole number for each of the {batch} sequences, got "
            f"{array.dtype} of shape {array.shape}."
        )
    if batch and (array.min() < 1 or array.max() > steps):
        raise InputError(
            f"lengths must lie from 1 to {steps}, the number of steps; got lengths from "
            f"{array.min()} to {array.max()}. Drop empty sequences first."
        )
    return array.astype(np.intp)
