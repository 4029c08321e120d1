"""Modules made of modules: one after the other, or around one another."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chainrule.errors import ConfigurationError, ShapeError
from chainrule.module import Module, arguments
from chainrule.parameter import Array

__all__ = ["Residual", "Sequential"]


class Sequential(Module):
    """One module after the other: y = f_n(... f_2(f_1(x))).

    By the chain rule, backward goes through them in the opposite order.

    Parameters
    ----------
    layers : sequence of Module
        At least one. They become a tuple: the architecture does not change under an optimizer.
    """

    def __init__(self, layers: Sequence[Module]) -> None:
        self.layers = tuple(listed(self, layers))
        if not self.layers:
            raise ConfigurationError(f"{type(self).__name__} needs at least one layer, got none.")
        for layer in self.layers:
            if not isinstance(layer, Module):
                raise ConfigurationError(
                    f"{type(self).__name__} takes modules, such as Linear(4, 8) or ReLU(); "
                    f"got {layer!r}."
                    + (" Did you forget the ()?" if isinstance(layer, type) else "")
                )

        self.takes_indices = self.layers[0].takes_indices

    def forward(self, x: Array, training: bool = True) -> Array:
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, dy: Array) -> Any:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __repr__(self) -> str:
        layers = "".join(textwrap.indent(f"{layer!r},\n", "    ") for layer in self.layers)
        options = (f", {k}={v!r}" for k, v in arguments(self).items() if k != "layers")
        return f"{type(self).__name__}([\n{layers}]{''.join(options)})"


class Residual(Module):
    """y = x + body(x): the body learns what to add to its input.

    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.
    """

    def __init__(self, body: Module) -> None:
        self.body = body

    def forward(self, x: Array, training: bool = True) -> Array:
        y = self.body.forward(x, training)
        if y.shape != x.shape:
            raise ShapeError(
                f"the body must keep the shape of its input, it made {y.shape} of {x.shape}.", self
            )
        return x + y

    def backward(self, dy: Array) -> Array:
        return dy + self.body.backward(dy)


def listed(owner: Module, layers: Iterable[Any]) -> list[Any]:
    """Return `layers` as a list; raise ConfigurationError, in the owner's name, for no list."""
    if not isinstance(layers, Iterable):
        raise ConfigurationError(
            f"{type(owner).__name__} takes a list, such as [Linear(4, 8), ReLU()]; got {layers!r}."
        )
    return list(layers)
