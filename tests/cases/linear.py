"""Neuron and Linear."""

import numpy as np

from cases import Case
from chainrule.layers import Linear, Neuron


def linear(module, x, training):
    y = np.zeros((*x.shape[:-1], module.out_features))
    for place in np.ndindex(x.shape[:-1]):
        for j in range(module.out_features):
            y[place][j] = sum(x[place][i] * module.weight.value[i, j] for i in range(x.shape[-1]))
            if module.bias is not None:
                y[place][j] += module.bias.value[j]
    return y


def neuron(module, x, training):
    y = np.zeros((*x.shape[:-1], 1))
    for place in np.ndindex(x.shape[:-1]):
        y[place] = sum(x[place] * module.weight.value) + module.bias.value[0]
    return y


def with_bias(layer):
    """Give the bias values that are not zero, so that a forgotten bias shows."""
    layer.bias.value = np.linspace(-1, 1, layer.bias.size)
    return layer


CASES = [
    Case(
        "Linear",
        lambda: with_bias(Linear(5, 3, seed=0)),
        (7, 5),
        reference=linear,
        bad_shape=(7, 4),
    ),
    Case("Linear-one_sample", lambda: with_bias(Linear(4, 3, seed=1)), (1, 4), reference=linear),
    Case("Linear-one_feature", lambda: with_bias(Linear(1, 3, seed=1)), (6, 1), reference=linear),
    Case("Linear-one_output", lambda: with_bias(Linear(4, 1, seed=2)), (6, 4), reference=linear),
    Case("Linear-square", lambda: with_bias(Linear(4, 4, seed=2)), (4, 4), reference=linear),
    Case("Linear-no_bias", lambda: Linear(4, 2, bias=False, seed=3), (5, 4), reference=linear),
    Case("Linear-sequence", lambda: with_bias(Linear(3, 2, seed=4)), (2, 5, 3), reference=linear),
    Case(
        "Neuron", lambda: with_bias(Neuron(5, seed=0)), (7, 5), reference=neuron, bad_shape=(7, 6)
    ),
    Case("Neuron-one_sample", lambda: with_bias(Neuron(3, seed=1)), (1, 3), reference=neuron),
    Case("Neuron-one_feature", lambda: with_bias(Neuron(1, seed=1)), (6, 1), reference=neuron),
    Case("Neuron-sequence", lambda: with_bias(Neuron(3, seed=1)), (2, 5, 3), reference=neuron),
]
