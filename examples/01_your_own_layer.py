"""Write a layer of your own, and let check_module check its backward pass.

    python examples/01_your_own_layer.py

A layer has two methods: forward, and backward for its gradient. Getting the gradient right is the
hard part, and a wrong one does not crash: the network just learns badly. So check it.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import Linear, Module, Network, Parameter, check_module


class Swish(Module):
    """y = x · s with s = 1 / (1 + exp(-b x)), for x (N, features); b (features,) is learned."""

    def __init__(self, features):
        self.features = features
        self.b = Parameter(np.ones(features))

    def forward(self, x, training=True):
        s = 1 / (1 + np.exp(-self.b.value * x))  # (N, features)
        self.save_for_backward(x, s, training=training)
        return x * s

    def backward(self, dy):
        x, s = self.saved_values()
        ds = s * (1 - s)  # the derivative of s with respect to b x
        self.b.grad = (dy * x * x * ds).sum(axis=0)  # (features,): every sample used the same b
        return dy * (s + x * self.b.value * ds)  # (N, features)


class WrongSwish(Swish):
    """The same layer with two mistakes that everybody makes sooner or later."""

    def backward(self, dy):
        x, s = self.saved_values()
        ds = s * (1 - s)
        self.b.grad = (dy * x * x * ds).mean(axis=0)
        return dy * s


def main():
    """Check the correct layer, the wrong one, and the wrong one inside a network."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 3))

    print("A layer of your own, checked in one call:\n")
    print(check_module(Swish(3), x))

    print("\nThe same layer with two mistakes:\n")
    print(check_module(WrongSwish(3), x))

    print("\nInside a network:\n")
    print(check_module(Network([Linear(3, 4, seed=0), WrongSwish(4), Linear(4, 2, seed=1)]), x))

    print("\nA report is true if all gradients are right, so a test is one line:")
    print("    assert check_module(Swish(3), x)")


if __name__ == "__main__":
    main()
