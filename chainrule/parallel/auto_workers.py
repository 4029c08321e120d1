"""AutoWorkers: ``workers="auto"``. The first steps are taken both ways, and the faster one is kept.

They are steps of the training like all others. The time per sample is compared, since batches may
differ in size.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from chainrule.data.samples import Batch
from chainrule.data.sources import Source
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers.base import Spread
from chainrule.parallel.data_parallel import DataParallel
from chainrule.parallel.strategy import (
    BatchShare,
    Evaluated,
    PassResult,
    Result,
    State,
    Strategy,
    Whole,
)
from chainrule.pytree import first_array

WARM_UP_STEPS, WARM_UP_SECONDS = 2, 0.05
"""What is not counted of each way: caches fill, and BLAS's own threads keep a processor busy for
about 30 ms after their last work. A network that is trained within that time always has one
worker."""

STEPS = 8
"""How many steps are timed each way; the median counts."""


class AutoWorkers(Strategy):
    """Choose between one worker and several by measuring.

    Parameters
    ----------
    single : Strategy
        With one worker.
    parallel : DataParallel
        With several.

    Attributes
    ----------
    current : Strategy
        How the next step is taken.
    """

    def __init__(self, single: Strategy, parallel: DataParallel) -> None:
        self.single, self.parallel = single, parallel
        self.current: Strategy = single
        self._most = parallel.workers
        self._state: State | None = None

    @contextmanager
    def running(self, network: Network, state: State | None = None) -> Iterator[Self]:
        chosen = None if state is None else state.chosen_workers
        if chosen == 1:
            self.current = self.single
            yield self
            return
        self.parallel.workers = chosen or self._most
        with self.parallel.running(network, state):
            self.decided = chosen is not None
            self.seconds: list[float] = []  # per sample: with one worker, with several
            self._state = state
            self._use(self.parallel if self.decided else self.single)
            try:
                yield self
            finally:
                self._state = None
                if not self.decided:
                    self.current = self.single

    def _use(self, strategy: Strategy) -> None:
        self.current = strategy
        self._steps, self._elapsed = 0, 0.0
        self._timed: list[float] = []
        threads = self.parallel.threads
        if threads is not None:
            threads.fit_blas_to(self.workers)

    @property
    def workers(self) -> int:
        """How many workers the current strategy has."""
        return self.parallel.workers if self.current is self.parallel else 1

    @contextmanager
    def step(self, share: BatchShare) -> Iterator[None]:
        if self._state is None or self.decided:
            yield
            return
        start = time.perf_counter()
        yield
        self.record(time.perf_counter() - start, len(first_array(share.batch[0])))

    def record(self, seconds: float, samples: int) -> None:
        """Record how long a step took; the next one may be taken the other way."""
        self._steps += 1
        self._elapsed += seconds
        if self._steps <= WARM_UP_STEPS or self._elapsed - seconds < WARM_UP_SECONDS:
            return
        self._timed.append(seconds / samples)
        if len(self._timed) < STEPS:
            return
        self.seconds.append(statistics.median(self._timed))
        if self.current is self.single:
            self._use(self.parallel)
            return
        if self.seconds[0] <= self.seconds[1]:
            self._use(self.single)
        self.decided = True
        if self._state is not None:
            self._state.notes.append(self.in_words(samples))
            self._state.chosen_workers = self._state.settings["workers"] = self.workers

    def in_words(self, batch_size: int) -> str:
        """Return what was measured, for a batch size."""
        one, several = (1000 * seconds * batch_size for seconds in self.seconds)
        return (
            f"a step took {several:.3g} ms with {self.parallel.workers} workers and {one:.3g} ms "
            f"with one; going on with {self.workers}"
        )

    # ------------------------------------------------------------ as the current strategy does

    def set_gradients(
        self, network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
    ) -> PassResult:
        return self.current.set_gradients(network, loss, batch, whole)

    @property
    def spread(self) -> Spread | None:
        return self.current.spread

    def map_batches(
        self, compute: Callable[[Batch], Result], source: Source, network: Network
    ) -> Iterator[Evaluated[Result]]:
        return self.current.map_batches(compute, source, network)
