"""The cases of the battery: how to build each module, what to feed it, what must come out.

One file a family, each with a list CASES. tests/test_every_module.py runs all of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.module import Module
from chainrule.network import code_columns

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One module, one input, and an independent account of the output.

    name       unique, begins with the class's name: "Linear-one_output"
    build      returns the module, built with a fixed seed
    shape      of the input, drawn from a standard normal distribution
    reference  (module, x, training) -> y in float64, written as the definition says, with loops
               where that is plainer; never by calling the code under test
    x          rng -> input, where a normal distribution of `shape` is not what is wanted
    bad_shape  an input shape that must be refused with a ShapeError; None where any shape fits
    arguments  further arguments of forward, such as a mask
    random     True where a training pass draws random numbers: `reference` then is asked for
               training=False alone
    """

    name: str
    build: Callable[[], Module]
    shape: tuple[int, ...] = ()
    reference: Callable[[Any, Array, bool], Array] = field(kw_only=True)
    x: Callable[[np.random.Generator], Array] | None = None
    bad_shape: tuple[int, ...] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False

    def input(self) -> Array:
        """Return the same input at every call, in float64 (or whole numbers)."""
        rng = np.random.default_rng(sum(map(ord, self.name)))
        return self.x(rng) if self.x is not None else rng.standard_normal(self.shape)

    def input_with(self, change: Callable[[Array], Array]) -> Array:
        """Return the input with its numbers changed; codes of categories stay what they are."""
        x = self.input()
        changed, codes = change(x), code_columns(self.build())
        if codes:
            changed[..., -codes:] = x[..., -codes:]
        return changed


def all_cases() -> list[Case]:
    """Return the cases of every file in this folder."""
    modules = [importlib.import_module(f"cases.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return [case for module in modules for case in module.CASES]
