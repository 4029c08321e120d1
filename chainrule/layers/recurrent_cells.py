"""The mathematics of RNN, LSTM and GRU: one direction of one layer, step by step through time.

Arrays lie time first here, (T, N, features), so that a step is one block of memory. What does
not depend on the step before, x W_ih, is one product for all steps. `states` (S, T + 1, N, H)
holds the S states (h, and c in an LSTM) after t steps at place t, the first ones at place 0, and
`dstates` the loss's gradient at each of them: going back, step t reads place t + 1 and adds what
it finds to place t.

In each backward pass the loop does only what has to wait for the step after: the gates' slopes,
which forward's values give, are worked out before it, for all steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.initializers import KaimingNormal, Zero
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter

__all__ = ["Cell", "GRUCell", "LSTMCell", "RNNCell"]


class Cell(Module):
    """What the three have in common: weights, the product for all steps, and its gradient.

    The gates stand side by side: weight_ih (in, G H), weight_hh (H, G H), bias_ih and bias_hh
    (G H,), in PyTorch's names and order and transposed against it.
    """

    gates: int
    states: int
    bias_begins: Initializer = Zero()

    def __init__(self, input_size: int, hidden_size: int, rng: np.random.Generator) -> None:
        width = self.gates * hidden_size
        keeping_variance = KaimingNormal(gain=1.0)
        self.hidden_size = hidden_size
        self.weight_ih = Parameter.drawn((input_size, width), keeping_variance, rng)
        self.weight_hh = Parameter.drawn((hidden_size, width), keeping_variance, rng)
        self.bias_ih = Parameter.drawn((width,), type(self).bias_begins, rng, decay=False)
        self.bias_hh = Parameter.drawn((width,), Zero(), rng, decay=False)

    def run(self, x: Array, first: Array, running: Array | None, training: bool) -> Array:
        """Return `states` (S, T + 1, N, H) for x (T, N, in), from the `first` ones (S, N, H).

        `running` (T, N, 1) is 1 before each sequence's end and 0 behind it, where h becomes 0.
        """
        steps, batch, _ = x.shape
        states = np.empty((self.states, steps + 1, batch, self.hidden_size), x.dtype)
        states[:, 0] = first
        a = rows(x) @ self.weight_ih.value
        a += self.bias_ih.value
        a = a.reshape(steps, batch, -1)  # (T, N, G H), what the input adds to every gate
        kept = self.steps(a, states, running)
        self.save(x, states, a, kept, training=training)
        return states

    def backward(self, dstates: Array) -> Array:
        """Return dx (T, N, in); `dstates` is completed in place, at 0 for the first states."""
        x, states, a, kept = self.saved()
        dinput, dhidden = self.steps_back(a, states, kept, dstates)  # (T, N, G H) each
        np.matmul(rows(x).T, rows(dinput), out=self.weight_ih.grad)
        np.matmul(rows(states[0, :-1]).T, rows(dhidden), out=self.weight_hh.grad)
        np.sum(rows(dinput), axis=0, out=self.bias_ih.grad)
        np.sum(rows(dhidden), axis=0, out=self.bias_hh.grad)
        return (rows(dinput) @ self.weight_ih.value.T).reshape(x.shape)

    def steps(self, a: Array, states: Array, running: Array | None) -> Any:
        """Fill `states`, turn `a` into the gates' values, and return what else backward needs."""
        raise NotImplementedError

    def steps_back(self, a: Array, states: Array, kept: Any, dstates: Array) -> tuple[Array, Array]:
        """Complete `dstates`; return the gradient at the gates, as the input and as h see it."""
        raise NotImplementedError


class RNNCell(Cell):
    """h' = tanh(x W_ih + b_ih + h W_hh + b_hh), or relu of it."""

    gates, states = 1, 1

    def __init__(
        self, input_size: int, hidden_size: int, rng: np.random.Generator, nonlinearity: str
    ) -> None:
        super().__init__(input_size, hidden_size, rng)
        self.nonlinearity = nonlinearity

    def steps(self, a: Array, states: Array, running: Array | None) -> None:
        (h,) = states
        a += self.bias_hh.value
        for t, total in enumerate(a):
            total += h[t] @ self.weight_hh.value
            if self.nonlinearity == "tanh":
                np.tanh(total, out=h[t + 1])
            else:
                np.maximum(total, 0, out=h[t + 1])
            stop_ended(h[t + 1], running, t)

    def steps_back(self, a: Array, states: Array, kept: Any, dstates: Array) -> tuple[Array, Array]:
        (h,), (dh,) = states, dstates
        da = 1 - h[1:] ** 2 if self.nonlinearity == "tanh" else (h[1:] > 0).astype(a.dtype)
        weight = np.ascontiguousarray(self.weight_hh.value.T)  # (H, H)
        for t in reversed(range(len(a))):
            da[t] *= dh[t + 1]
            dh[t] += da[t] @ weight
        return da, da


def forget_nothing_yet(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return an LSTM's first bias: 1 for the forget gate, so that memory lasts; 0 elsewhere."""
    bias = np.zeros((4, shape[0] // 4))
    bias[1] = 1
    return bias.reshape(shape)


class LSTMCell(Cell):
    """i, f, o = σ(...), g = tanh(...), each of x W_ih + b_ih + h W_hh + b_hh, in the order i f g o.

    c' = f c + i g, and h' = o tanh(c').
    """

    gates, states = 4, 2
    bias_begins = staticmethod(forget_nothing_yet)

    def steps(self, a: Array, states: Array, running: Array | None) -> Array:
        h, c = states
        i, f, g, o = side_by_side(a, 4)  # views: (T, N, H) each
        # σ(v) = 1/2 + 1/2 tanh(v / 2): with the halves in `scale`, one tanh makes all four gates.
        scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], a.dtype), self.hidden_size)
        a += self.bias_hh.value
        a *= scale
        weight = self.weight_hh.value * scale
        tanh_c = np.empty_like(c[1:])
        for t, gates in enumerate(a):
            gates += h[t] @ weight
            np.tanh(gates, out=gates)
            gates *= scale
            gates += 1 - scale
            np.multiply(f[t], c[t], out=c[t + 1])
            c[t + 1] += i[t] * g[t]
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o[t], tanh_c[t], out=h[t + 1])
            stop_ended(h[t + 1], running, t)
        return tanh_c

    def steps_back(self, a: Array, states: Array, kept: Any, dstates: Array) -> tuple[Array, Array]:
        (_, c), (dh, dc), tanh_c = states, dstates, kept
        i, f, g, o = side_by_side(a, 4)
        da = a * (1 - a)  # the slope of σ
        di, df, dg, do = side_by_side(da, 4)
        di *= g
        df *= c[:-1]
        np.multiply(i, 1 - g * g, out=dg)  # the slope of tanh
        do *= tanh_c
        h_by_c = o * (1 - tanh_c * tanh_c)
        weight = np.ascontiguousarray(self.weight_hh.value.T)  # (4 H, H)
        for t in reversed(range(len(a))):
            dc[t + 1] += dh[t + 1] * h_by_c[t]
            di[t] *= dc[t + 1]
            df[t] *= dc[t + 1]
            dg[t] *= dc[t + 1]
            do[t] *= dh[t + 1]
            dc[t] += dc[t + 1] * f[t]
            dh[t] += da[t] @ weight
        return da, da


class GRUCell(Cell):
    """r, z = σ(x W_ih + b_ih + h W_hh + b_hh), in the order r z n.

    n = tanh(x W_in + b_in + r (h W_hn + b_hn)), and h' = (1 - z) n + z h.
    """

    gates, states = 3, 1

    def steps(self, a: Array, states: Array, running: Array | None) -> Array:
        (h,) = states
        r, z, n = side_by_side(a, 3)  # views: (T, N, H) each
        r_and_z = a[:, :, : 2 * self.hidden_size]
        hidden_n = np.empty_like(h[1:])  # h W_hn + b_hn
        for t in range(len(a)):
            hidden = h[t] @ self.weight_hh.value
            hidden += self.bias_hh.value
            gates = r_and_z[t]
            gates += hidden[:, : 2 * self.hidden_size]
            gates *= 0.5  # σ(v) = 1/2 + 1/2 tanh(v / 2)
            np.tanh(gates, out=gates)
            gates *= 0.5
            gates += 0.5
            hidden_n[t] = hidden[:, 2 * self.hidden_size :]
            n[t] += r[t] * hidden_n[t]
            np.tanh(n[t], out=n[t])
            np.subtract(h[t], n[t], out=h[t + 1])
            h[t + 1] *= z[t]
            h[t + 1] += n[t]  # n + z (h - n)
            stop_ended(h[t + 1], running, t)
        return hidden_n

    def steps_back(self, a: Array, states: Array, kept: Any, dstates: Array) -> tuple[Array, Array]:
        (h,), (dh,), hidden_n = states, dstates, kept
        r, z, n = side_by_side(a, 3)
        n_slope = (1 - z) * (1 - n * n)
        dhidden = a * (1 - a)  # the slope of σ
        dr, dz, dn_hidden = side_by_side(dhidden, 3)
        dr *= n_slope * hidden_n
        dz *= h[:-1] - n
        np.multiply(n_slope, r, out=dn_hidden)
        weight = np.ascontiguousarray(self.weight_hh.value.T)  # (3 H, H)
        for t in reversed(range(len(a))):
            dr[t] *= dh[t + 1]
            dz[t] *= dh[t + 1]
            dn_hidden[t] *= dh[t + 1]
            dh[t] += dh[t + 1] * z[t]
            dh[t] += dhidden[t] @ weight
        dinput = dhidden.copy()  # the same, but that n sees its input without r
        np.multiply(n_slope, dh[1:], out=side_by_side(dinput, 3)[2])
        return dinput, dhidden


# ---------------------------------------------------------------- small words


def rows(x: Array) -> Array:
    """Return (T, N, features) as (T N, features)."""
    return x.reshape(-1, x.shape[-1])


def side_by_side(a: Array, gates: int) -> list[Array]:
    """Return each gate's part of the last axis, as views."""
    return np.split(a, gates, axis=-1)


def stop_ended(h: Array, running: Array | None, t: int) -> None:
    """Set h to 0 where the sequence has ended before step t."""
    if running is not None:
        h *= running[t]
