"""Optimizers: ONNX's training operators, one step each from a memory that is given.

R is the learning rate, T the number of steps before, X a parameter, G its gradient, and the
rest the memory; several parameters come group by group: X1, X2, G1, G2, V1, V2. The node's
`norm_coefficient` is our weight decay.
"""

from __future__ import annotations

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible


def rate(case: NodeCase) -> float:
    return float(case.input(0))


class Held(chainrule.Module):
    """Parameters of these values, whose gradients are known beforehand."""

    def __init__(self, values: list[Array], gradients: list[Array]) -> None:
        self.kept = [chainrule.Parameter(value) for value in values]
        self.gradients = gradients

    def forward(self, x: Array, training: bool = True) -> Array:
        return x

    def backward(self, dy: Array) -> Array:
        for parameter, gradient in zip(self.kept, self.gradients, strict=True):
            parameter.grad = gradient
        return dy


def one_step(
    case: NodeCase, optimizer: chainrule.Optimizer, state_names: tuple[str, ...]
) -> Expression:
    """Say the step: `state_names` are ours, for each group of inputs behind X and G."""
    groups = np.split(np.arange(2, len(case.inputs)), 2 + len(state_names))
    values, gradients, *vectors = [[case.inputs[i] for i in group] for group in groups]
    held = Held(values, gradients)
    network = chainrule.Network([held])
    network.forward(np.zeros((1, 1)))
    network.backward(np.zeros((1, 1)))
    given = {name: np.concatenate(m) for name, m in zip(state_names, vectors, strict=True)}
    optimizer.load_state({"steps": case.input(1), **given})

    def read(_: None) -> list[Array]:
        ends = np.cumsum([x.size for x in values])[:-1]
        after = [p.value for p in held.kept]
        for name in state_names:
            after += np.split(optimizer.state_vectors[name], ends)
        return after

    return Expression(optimizer, optimizer.step, (network,), read)


def momentum(case: NodeCase) -> Expression:
    if int(case.input(1)) > 0 and case.get("beta") != 1.0:
        raise NotExpressible("a factor (beta) on the gradient")
    kind = {"standard": chainrule.Momentum, "nesterov": chainrule.Nesterov}[case.get("mode")]
    decay = case.get("norm_coefficient")
    optimizer = kind(rate(case), momentum=case.get("alpha"), weight_decay=decay)
    return one_step(case, optimizer, ("velocity",))


def adagrad(case: NodeCase) -> Expression:
    epsilon, decay = case.get("epsilon"), case.get("norm_coefficient")
    optimizer = chainrule.AdaGrad(rate(case), epsilon=epsilon, weight_decay=decay)
    if int(case.input(1)) > 0 and case.get("decay_factor", 0.0) > 0:
        raise NotExpressible("a learning rate that decays by the operator's own rule")
    return one_step(case, optimizer, ("square_sum",))


def adam(case: NodeCase) -> Expression:
    raise NotExpressible("a first step (T = 0) without bias correction")


COUNTERPARTS = {
    "Adagrad": Counterpart(("AdaGrad",), adagrad),
    "Adam": Counterpart(("Adam",), adam),
    "Momentum": Counterpart(("Momentum", "Nesterov"), momentum),
}
