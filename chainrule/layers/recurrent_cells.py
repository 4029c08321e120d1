"""The mathematics of RNN, LSTM and GRU: one direction of one layer, step by step through time.

Axes: T steps, N sequences, G gates, H hidden features. Time comes first, and the gates before the
batch, so that one gate at one step, (N, H), is one block of memory.

`states` holds h, and c in an LSTM, (T + 1, N, H) each: after t steps at index t, the initial one at
index 0. `dstates` is the gradient of the loss with respect to each of them. In the backward pass,
step t reads index t + 1 and adds its contribution to index t.

The loop over time does only what depends on the previous step. What x contributes to the gates, and
the gradients of x and of the weights, are products over all steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.initializers import LecunNormal, Zero
from chainrule.layers.sums import sum_of_products, sum_of_rows
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter, refuse_huge_shape

States = tuple[Array, ...]

SIGMOID = 0.5
TANH = 1.0
"""The scale s of a gate s tanh(s v) + 1 - s, which is σ(v) for 1/2: one tanh computes all gates."""


class Cell(Module):
    """Base class of the cells: the weights, the products over all steps, and their gradients.

    The gates are side by side in weight_ih (in, G H), weight_hh (H, G H), bias_ih and bias_hh
    (G H,): PyTorch's names and order, with the matrices transposed. Without biases, these are None.
    """

    gates: tuple[float, ...]  # the scale of each
    states: int
    first_bias: Initializer = Zero()

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        bias: bool = True,
        output_size: int = 0,
    ) -> None:
        width = len(self.gates) * hidden_size
        output_size = output_size or hidden_size
        refuse_huge_shape((output_size, width))
        self.hidden_size = hidden_size
        self.sizes = (output_size, hidden_size)[: self.states]  # of each state
        self.weight_ih = Parameter.from_initializer((input_size, width), LecunNormal(), rng)
        self.weight_hh = Parameter.from_initializer((output_size, width), LecunNormal(), rng)
        self.bias_ih = self.bias_hh = None
        if bias:
            self.bias_ih = Parameter.from_initializer((width,), self.first_bias, rng, decay=False)
            self.bias_hh = Parameter.from_initializer((width,), Zero(), rng, decay=False)

    def run(
        self, x: Array, first: Sequence[Array], running: Array | None, training: bool
    ) -> States:
        """Return `states`, (T + 1, N, H) each, for x (T, N, in), from the initial ones (N, H).

        `running` (T, N, 1) is 1 before the end of each sequence and 0 after it, where h becomes 0.
        """
        steps, batch, _ = x.shape
        states = tuple(np.empty((steps + 1, batch, size), x.dtype) for size in self.sizes)
        for state, initial in zip(states, first, strict=True):
            state[0] = initial
        scale = np.array(self.gates, x.dtype)[:, np.newaxis, np.newaxis]
        a = x[:, np.newaxis] @ (self.by_gate(self.weight_ih.value) * scale)  # (T, G, N, H)
        if self.bias_ih is not None and self.bias_hh is not None:
            a += self.by_gate(self.input_bias(self.bias_ih.value, self.bias_hh.value)) * scale
        kept = self.steps(a, self.by_gate(self.weight_hh.value) * scale, states, running)
        self.save_output(states[0], states, x, a, kept, training=training)
        return states

    def backward(self, dstates: States) -> Array:
        """Return dx (T, N, in); complete `dstates` in place, down to index 0."""
        _, states, x, a, kept = self.saved_values()
        weight = np.ascontiguousarray(self.by_gate(self.weight_hh.value).swapaxes(1, 2))
        dinput, dhidden = self.steps_backward(a, weight, states, kept, dstates)  # (T, G, N, H)
        da_h = side_by_side(dhidden)  # (T N, G H)
        da = da_h if dinput is dhidden else side_by_side(dinput)
        h = states[0][:-1].reshape(len(da), states[0].shape[-1])  # (T N, H), before each step
        sum_of_products(x.reshape(len(da), x.shape[-1]), da, out=self.weight_ih.grad)
        sum_of_products(h, da_h, out=self.weight_hh.grad)
        if self.bias_ih is not None and self.bias_hh is not None:
            sum_of_rows(da, out=self.bias_ih.grad)
            sum_of_rows(da_h, out=self.bias_hh.grad)
        return (da @ self.weight_ih.value.T).reshape(x.shape)

    def by_gate(self, array: Array) -> Array:
        """Return (rows, G H) as (G, rows, H), and (G H,) as (G, 1, H): a view."""
        rows = 1 if array.ndim == 1 else len(array)
        return array.reshape(rows, len(self.gates), self.hidden_size).swapaxes(0, 1)

    def input_bias(self, bias_ih: Array, bias_hh: Array) -> Array:
        """Return the bias that is added to all steps at once."""
        return bias_ih + bias_hh

    def steps(self, a: Array, weight: Array, states: States, running: Array | None) -> Any:
        """Fill `states`; turn `a` (T, G, N, H), the contribution of x, into the gates.

        `weight` (G, H, H) is W_hh; it and `a` are scaled by `gates`. What is returned is given to
        `steps_backward` as `kept`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no steps(a, weight, ...).")

    def steps_backward(
        self, a: Array, weight: Array, states: States, kept: Any, dstates: States
    ) -> tuple[Array, Array]:
        """Complete `dstates`; return the gradients at x W_ih and at h W_hh, (T, G, N, H) each.

        `weight` (G, H, H) is W_hh, transposed and not scaled. `a` may be overwritten.
        """
        raise NotImplementedError(f"{type(self).__name__} has no steps_backward(a, weight, ...).")


class RNNCell(Cell):
    """h' = tanh(x W_ih + b_ih + h W_hh + b_hh), or with relu in place of tanh."""

    gates, states = (TANH,), 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        bias: bool,
        nonlinearity: str,
    ) -> None:
        super().__init__(input_size, hidden_size, rng, bias)
        self.nonlinearity = nonlinearity

    def steps(self, a: Array, weight: Array, states: States, running: Array | None) -> None:
        (h,) = states
        for t, (total,) in enumerate(a):
            total += h[t] @ weight[0]
            if self.nonlinearity == "tanh":
                np.tanh(total, out=h[t + 1])
            else:
                np.maximum(total, 0, out=h[t + 1])
            stop_ended(h[t + 1], running, t)

    def steps_backward(
        self, a: Array, weight: Array, states: States, kept: Any, dstates: States
    ) -> tuple[Array, Array]:
        (h,), (dh,) = states, dstates
        for t in reversed(range(len(a))):
            slope = 1 - h[t + 1] ** 2 if self.nonlinearity == "tanh" else h[t + 1] > 0
            np.multiply(dh[t + 1], slope, out=a[t, 0])
            dh[t] += a[t, 0] @ weight[0]
        return a, a


@dataclass(frozen=True)
class OpenGate:
    """An initial bias of 1 for the gate that keeps the memory, and of 0 for the others.

    Then memory lasts long enough for gradients to reach far back: Jozefowicz, Zaremba, Sutskever,
    "An Empirical Exploration of Recurrent Network Architectures", 2015, for LSTM; Tallec, Ollivier,
    "Can Recurrent Neural Networks Warp Time?", 2018, for both.
    """

    gate: int
    gates: int

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        bias = np.zeros((self.gates, shape[0] // self.gates))
        bias[self.gate] = 1
        return bias.reshape(shape)


class LSTMCell(Cell):
    """i, f, o = σ(...), g = tanh(...), each of x W_ih + b_ih + h W_hh + b_hh, in the order i f g o.

    c' = f c + i g, and h' = m = o tanh(c'), or with a projection h' = m W_hr, (N, P).
    """

    gates, states = (SIGMOID, SIGMOID, TANH, SIGMOID), 2
    first_bias = OpenGate(1, gates=4)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        bias: bool,
        proj_size: int,
    ) -> None:
        super().__init__(input_size, hidden_size, rng, bias, proj_size)
        self.weight_hr = None
        if proj_size:
            shape = (hidden_size, proj_size)
            self.weight_hr = Parameter.from_initializer(shape, LecunNormal(), rng)

    def steps(
        self, a: Array, weight: Array, states: States, running: Array | None
    ) -> tuple[Array, Array]:
        h, c = states
        tanh_c = np.empty_like(c[1:])
        m = h[1:] if self.weight_hr is None else np.empty_like(tanh_c)
        for t, gates in enumerate(a):
            i, f, g, o = gates  # (N, H) each
            gates += h[t] @ weight
            np.tanh(gates, out=gates)
            for sigmoids in (gates[:2], o):
                sigmoids *= SIGMOID
                sigmoids += 1 - SIGMOID
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += i * g
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=m[t])
            if self.weight_hr is not None:
                np.matmul(m[t], self.weight_hr.value, out=h[t + 1])
            stop_ended(h[t + 1], running, t)
        return tanh_c, m

    def steps_backward(
        self, a: Array, weight: Array, states: States, kept: Any, dstates: States
    ) -> tuple[Array, Array]:
        (_, c), (dh, dc), (tanh_c, m) = states, dstates, kept
        for t in reversed(range(len(a))):
            i, f, g, o = a[t]
            dm = dh[t + 1] if self.weight_hr is None else dh[t + 1] @ self.weight_hr.value.T
            do = dm * tanh_c[t]
            dc_t = dm * o
            dc_t *= 1 - tanh_c[t] * tanh_c[t]
            dc_t += dc[t + 1]
            dc[t] += dc_t * f
            di, df, dg = dc_t * g, dc_t * c[t], dc_t * i
            do *= o * (1 - o)
            di *= i * (1 - i)
            df *= f * (1 - f)
            dg *= 1 - g * g
            i[...], f[...], g[...], o[...] = di, df, dg, do
            dh[t] += np.add.reduce(a[t] @ weight)
        if self.weight_hr is not None:  # after the end of a sequence dh is 0
            rows = m.reshape(-1, self.hidden_size), dh[1:].reshape(-1, self.sizes[0])
            np.matmul(rows[0].T, rows[1], out=self.weight_hr.grad)
        return a, a


class GRUCell(Cell):
    """r, z = σ(x W_ih + b_ih + h W_hh + b_hh), in the order r z n.

    n = tanh(x W_in + b_in + r (h W_hn + b_hn)), and h' = (1 - z) n + z h.
    """

    gates, states = (SIGMOID, SIGMOID, TANH), 1
    first_bias = OpenGate(1, gates=3)

    def input_bias(self, bias_ih: Array, bias_hh: Array) -> Array:
        """Return the sum of both biases, except b_hn, which is multiplied by r."""
        bias = bias_ih + bias_hh
        bias[2 * self.hidden_size :] = bias_ih[2 * self.hidden_size :]
        return bias

    def steps(self, a: Array, weight: Array, states: States, running: Array | None) -> Array:
        (h,) = states
        bias = 0.0 if self.bias_hh is None else self.bias_hh.value[2 * self.hidden_size :]
        hidden_n = np.empty_like(h[1:])  # h W_hn + b_hn
        for t, gates in enumerate(a):
            r, z, n = gates  # (N, H) each
            hidden = h[t] @ weight  # (3, N, H)
            np.add(hidden[2], bias, out=hidden_n[t])
            sigmoids = gates[:2]
            sigmoids += hidden[:2]
            np.tanh(sigmoids, out=sigmoids)
            sigmoids *= SIGMOID
            sigmoids += 1 - SIGMOID
            n += r * hidden_n[t]
            np.tanh(n, out=n)
            np.subtract(h[t], n, out=h[t + 1])
            h[t + 1] *= z
            h[t + 1] += n  # n + z (h - n)
            stop_ended(h[t + 1], running, t)
        return hidden_n

    def steps_backward(
        self, a: Array, weight: Array, states: States, kept: Any, dstates: States
    ) -> tuple[Array, Array]:
        (h,), (dh,), hidden_n = states, dstates, kept
        dhidden = np.empty_like(a)
        for t in reversed(range(len(a))):
            r, z, n = a[t]
            dz = dh[t + 1] * (h[t] - n)
            dz *= z * (1 - z)
            dn = dh[t + 1] * (1 - z)
            dn *= 1 - n * n
            dr = dn * hidden_n[t]
            dr *= r * (1 - r)
            np.multiply(dn, r, out=dhidden[t, 2])  # h W_hn is multiplied by r, x W_in is not
            dh[t] += dh[t + 1] * z
            r[...], z[...], n[...] = dr, dz, dn
            dhidden[t, :2] = a[t, :2]
            dh[t] += np.add.reduce(dhidden[t] @ weight)
        return a, dhidden


# ---------------------------------------------------------------- helpers


def side_by_side(a: Array) -> Array:
    """Return (T, G, N, H) as (T N, G H), the layout of the weights."""
    _, gates, _, hidden = a.shape
    return a.swapaxes(1, 2).reshape(-1, gates * hidden)


def stop_ended(h: Array, running: Array | None, t: int) -> None:
    """Set h to 0 where the sequence ended before step t."""
    if running is not None:
        h *= running[t]
