"""How a set-up is changed, or asked, by more than one disease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.clinic.architectures import Layers, drawn
from benchmarks.clinic.setup import Setup
from chainrule import Module, Network, Parameter


def changed(setup: Setup, change: Callable[[list[Module]], list[Module]]) -> Setup:
    """Return the set-up with other layers."""
    return replace(setup, layers=lambda seed: change(list(setup.layers(seed))))


def has(setup: Setup, kind: type[Module]) -> bool:
    return any(isinstance(layer, kind) for layer in setup.layers(0))


def with_architecture(setup: Setup, build: Layers) -> Setup:
    """Return the set-up with layers of its own, for its samples and classes."""
    return replace(setup, layers=drawn(build, setup.X.shape[1:], setup.classes))


def with_weights(
    setup: Setup, change: Callable[[str, Parameter], None], hidden: bool = False
) -> Setup:
    """Return the set-up with something done to each weight matrix (but the last)."""

    def make_ill(network: Network) -> None:
        weights = [(p, w) for p, w in network.named_parameters().items() if w.decay]
        for path, weight in weights[:-1] if hidden else weights:
            change(path, weight)

    return replace(setup, after_drawing=[*setup.after_drawing, make_ill])
