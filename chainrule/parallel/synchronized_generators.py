"""Random numbers while a batch is split: the same as for the whole batch together.

The rule: whatever a layer draws for a batch is drawn for the whole batch, by every worker alike,
and each worker takes the rows of its part. So a sample gets the same dropout mask however many
workers there are, and after the step all generators are in the same state as without workers.
Drawing is the one thing that is not shared between workers. Layers need no code for this: they
draw arrays whose first axis is the batch's, with a generator of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.layers.micro_batch import WHOLE, current_micro_batch
from chainrule.module import Module, walk, with_generators
from chainrule.parameter import Array


class SynchronizedGenerator(np.random.Generator):
    """A generator that draws for the whole batch and returns the rows of the current part.

    An array as long as the part along its first axis is for samples. Anything else, such as one
    number or a mask over weights, is the same for all parts. A draw without a `size`, whose shape
    follows from arrays, is not extended: give it a `size`.
    """

    def random(self, size: Any = None, dtype: Any = np.float64, out: Array | None = None) -> Any:
        draw = super().random
        return self._rows(lambda shape: draw(shape, dtype), size, out)

    def standard_normal(
        self, size: Any = None, dtype: Any = np.float64, out: Array | None = None
    ) -> Any:
        draw: Any = super().standard_normal
        return self._rows(lambda shape: draw(shape, dtype), size, out)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        draw = super().normal
        return self._rows(lambda shape: draw(loc, scale, shape), size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        draw = super().uniform
        return self._rows(lambda shape: draw(low, high, shape), size)

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        draw = super().binomial
        return self._rows(lambda shape: draw(n, p, shape), size)

    def integers(self, low: Any, high: Any = None, size: Any = None, *a: Any, **k: Any) -> Any:
        draw: Any = super().integers
        return self._rows(lambda shape: draw(low, high, shape, *a, **k), size)

    def _rows(self, draw: Callable[[Any], Any], size: Any, out: Array | None = None) -> Any:
        """Return the part's rows of what `draw` returns for the whole batch."""
        part = current_micro_batch.get()
        shape = out.shape if out is not None else (size,) if isinstance(size, int) else size
        split = part is not WHOLE and shape and shape[0] == part.count
        drawn = draw((part.batch, *shape[1:]))[part.rows] if split else draw(shape)
        if out is None:
            return drawn
        out[...] = drawn
        return out


def synchronize_generators(root: Module) -> list[tuple[Module, str, Any]]:
    """Replace each generator by a synchronized one with the same state; return what was there."""
    before = []
    for _, module in list(walk(root)):
        if isinstance(module, Module):
            for name, value in list(vars(module).items()):
                new = with_generators(value, lambda rng: SynchronizedGenerator(rng.bit_generator))
                if new is not value:
                    before.append((module, name, value))
                    setattr(module, name, new)
    return before


@contextmanager
def synchronized_generators(root: Module) -> Iterator[None]:
    """Let the layers of a network draw for whole batches within the block."""
    before = synchronize_generators(root)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
