"""What layers draw at random while a batch is split: the same as with the whole batch together.

The rule: whatever a layer draws for a batch is drawn for the whole of it, by every worker alike,
and each worker takes the rows of its part. So a sample meets the same dropout mask however many
workers there are; all generators stand at the same place after the step, as without workers; and
drawing is the one thing that workers do not share. Layers need no code for it: they draw, with
their generator, an array whose first axis is the batch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.layers.micro_batch import WHOLE, current_micro_batch
from chainrule.module import Module, walk, with_generators
from chainrule.parameter import Array


class BatchGenerator(np.random.Generator):
    """A generator that draws for the whole batch and hands out the rows of the part on its way.

    What is drawn into an array as long as the part, along the first axis, is for samples. Anything
    else, such as one number, or a mask over weights, is the same for all parts. A draw whose size
    is not given but follows from arrays is not extended: give it `size`.
    """

    def random(self, size: Any = None, dtype: Any = np.float64, out: Array | None = None) -> Any:
        return self._rows(lambda n: super(BatchGenerator, self).random(n, dtype), size, out)

    def standard_normal(
        self, size: Any = None, dtype: Any = np.float64, out: Array | None = None
    ) -> Any:
        def draw(shape: Any) -> Any:
            return super(BatchGenerator, self).standard_normal(shape, dtype)

        return self._rows(draw, size, out)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return self._rows(lambda n: super(BatchGenerator, self).normal(loc, scale, n), size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._rows(lambda n: super(BatchGenerator, self).uniform(low, high, n), size)

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        return self._rows(lambda shape: super(BatchGenerator, self).binomial(n, p, shape), size)

    def integers(self, low: Any, high: Any = None, size: Any = None, *a: Any, **k: Any) -> Any:
        def draw(shape: Any) -> Any:
            return super(BatchGenerator, self).integers(low, high, shape, *a, **k)

        return self._rows(draw, size)

    def _rows(self, draw: Callable[[Any], Any], size: Any, out: Array | None = None) -> Any:
        """Return what `draw` gives for the whole batch, and of that this part's rows."""
        part = current_micro_batch.get()
        shape = out.shape if out is not None else (size,) if isinstance(size, int) else size
        split = part is not WHOLE and shape and shape[0] == part.count
        drawn = draw((part.batch, *shape[1:]))[part.rows] if split else draw(shape)
        if out is None:
            return drawn
        out[...] = drawn
        return out


def let_draw_for_the_batch(root: Module) -> list[tuple[Module, str, Any]]:
    """Put a BatchGenerator in the place of each generator; return what stood there.

    It goes on from where that one is, and moves it: the two have one state.
    """
    before = []
    for _, module in list(walk(root)):
        if isinstance(module, Module):
            for name, value in list(vars(module).items()):
                new = with_generators(value, lambda rng: BatchGenerator(rng.bit_generator))
                if new is not value:
                    before.append((module, name, value))
                    setattr(module, name, new)
    return before


@contextmanager
def drawing_for_the_batch(root: Module) -> Iterator[None]:
    """Let a network's layers draw for whole batches within the block."""
    before = let_draw_for_the_batch(root)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
