"""DataParallel: each batch is shared between threads, each with a replica of the network.

Replicas share the network's parameter values. Gradients, buffers and what a pass saves are their
own, and are combined after the pass: gradients are summed in the network's flat vector (they were
weighted with what the parts count before the backward pass); floating-point buffers, such as the
running statistics of BatchNorm, go to their mean, weighted by the samples. The caller's thread
works on the network itself, so whoever watches that sees the first part of each batch.
"""

from __future__ import annotations

import copy
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Self

import numpy as np

from chainrule.data.samples import Batch, rows_of
from chainrule.data.sources import Source
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.module import Module, named_generators, walk
from chainrule.network import Network
from chainrule.optimizers.base import BLOCK, Spread
from chainrule.parallel.micro_batches import accumulate, parts_of
from chainrule.parallel.strategy import (
    Evaluated,
    PassResult,
    Result,
    State,
    Strategy,
    WeightedMean,
    Whole,
    forward_backward,
    move_towards,
    using_micro_batch,
    weight_of_whole,
)
from chainrule.parallel.synchronized_generators import (
    synchronize_generators,
    synchronized_generators,
)
from chainrule.parallel.threads import ThreadExchange, WorkerThreads
from chainrule.parameter import Array, Buffer, replica_of, share_values
from chainrule.pytree import first_array
from chainrule.watching import watched

SMALLEST_PART = 2
"""Samples in a part: a single sample has no batch statistics."""

WORTH_SHARING = 4 * BLOCK
"""From this many values on, all threads work on a flat vector; a shorter one is faster in one.

Adam's step took 0.12 ms for 34,000 values and 0.77 ms for 235,000; handing work to a thread and
waiting for it takes 0.04 ms.
"""

PLAIN = (bool, int, float, str, type(None))


class DataParallel(Strategy):
    """Send the parts of each batch through replicas of the network, one in each thread.

    Parameters
    ----------
    workers : int
        How many threads.
    micro_batch_size : int, optional
        The most samples that a thread sends through its replica at a time.
    sync_batch_norm : bool
        Whether batch statistics (BatchNorm) are taken over all parts.
    hold_blas : bool
        Whether BLAS has one thread even if there is one worker.
    """

    def __init__(
        self,
        workers: int,
        micro_batch_size: int | None = None,
        sync_batch_norm: bool = False,
        hold_blas: bool = False,
    ) -> None:
        self.workers = workers
        self.micro_batch_size = micro_batch_size
        self.sync_batch_norm = sync_batch_norm
        self.hold_blas = hold_blas
        self.threads: WorkerThreads | None = None  # while a training runs

    @contextmanager
    def running(self, network: Network, state: State | None = None) -> Iterator[Self]:
        with (
            WorkerThreads(self.workers, self.hold_blas) as threads,
            synchronized_generators(network),
        ):
            self.threads = threads
            self.smallest_part = smallest_part_of(network)
            self.replicas = [Replica(network) for _ in range(self.workers - 1)]
            self.networks = [network, *(replica.network for replica in self.replicas)]
            self._buffers = [list(buffers_of(each)) for each in self.networks]
            self._generators = [list(named_generators(each).values()) for each in self.networks]
            if state is not None and self.workers > 1 and self.smallest_part > SMALLEST_PART:
                note = (
                    f"batches of fewer than {2 * self.smallest_part} samples are not shared "
                    "between workers: the steps of recurrent layers are too short for threads "
                    "(processes over MPI would share them)"
                )
                if note not in state.notes:
                    state.notes.append(note)
            try:
                yield self
            finally:
                self.threads = None
                self.replicas, self.networks, self._buffers, self._generators = [], [], [], []

    def _running_threads(self) -> WorkerThreads:
        if self.threads is None:
            raise RuntimeError("DataParallel takes steps only within its running() context.")
        return self.threads

    # ------------------------------------------------------------ forward and backward

    def set_gradients(
        self, network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
    ) -> PassResult:
        threads = self._running_threads()
        samples = len(first_array(batch[0]))
        outer = current_micro_batch.get()  # this process's rows, where processes share the batch
        shares = split_evenly(samples, self.workers, self.smallest_part)
        threads.fit_blas_to(len(shares))
        for replica in self.replicas[: len(shares) - 1]:
            replica.follow(network)
        parts = [parts_of(share, self.micro_batch_size) for share in shares]
        if whole is None and not self.sync_batch_norm and sum(map(len, parts)) > 1:
            whole = weight_of_whole(loss, batch)
        step = _Step(
            loss,
            batch,
            whole,
            outer if outer is not WHOLE else MicroBatch(0, samples, samples),
            [generator.bit_generator.state for generator in self._generators[0]],
            ThreadExchange(len(shares)) if self.sync_batch_norm else None,
        )
        results = threads.map(
            lambda place: self._send(step, place, parts[place]),
            range(len(shares)),
            None if step.exchange is None else step.exchange.abort,
        )
        self._average_buffers(shares)
        return self._sum_gradients(network, results)

    def _send(self, step: _Step, place: int, parts: Sequence[slice]) -> PassResult:
        """Send one thread's share through its replica, in micro-batches if a size is given."""
        network = self.networks[place]
        loss = copy_of_loss(step.loss) if place else step.loss

        def send(rows: slice) -> PassResult:
            for generator, state in zip(self._generators[place], step.states, strict=True):
                generator.bit_generator.state = state  # whatever the part, the whole is drawn
            with using_micro_batch(step.part(rows, place)):
                return forward_backward(network, loss, rows_of(step.batch, rows), step.whole)

        return accumulate(network, parts, send)

    def _sum_gradients(self, network: Network, results: Sequence[PassResult]) -> PassResult:
        """Sum the gradients in the network's flat vector; those of a part of weight 0 are old."""
        mean = WeightedMean()
        for result in results:
            mean.add(result.weight, result.means)
        gradients = [each.flat.grads for each in self.networks[: len(results)]]
        counts = [self.sync_batch_norm or result.counts for result in results]

        def add(places: slice) -> None:
            for start in range(places.start, places.stop, BLOCK):
                block = slice(start, min(start + BLOCK, places.stop))
                own = gradients[0][block]
                if not counts[0]:
                    own[...] = 0
                for gradient in itertools.compress(gradients[1:], counts[1:]):
                    own += gradient[block]

        count = self.workers if len(network.flat) >= WORTH_SHARING else 1
        self._running_threads().map(add, split_evenly(len(network.flat), count))
        network.set_gradients(gradients[0])
        predictions = [y for result in results for y in result.predictions]
        return PassResult(mean.weight, mean.means, predictions)

    def _average_buffers(self, shares: Sequence[slice]) -> None:
        """Set the network's floating-point buffers to the mean over all parts."""
        for own, *others in zip(*self._buffers[: len(shares)], strict=True):
            if own.value.dtype.kind == "f":
                for share, other in zip(shares[1:], others, strict=True):
                    weight = (share.stop - share.start) / share.stop
                    if not np.array_equal(own.value, other.value):
                        move_towards(own.value, other.value, weight)

    @property
    def spread(self) -> Spread | None:
        return self._spread if len(self.networks[0].flat) >= WORTH_SHARING else None

    def _spread(self, function: Callable[[Sequence[Any]], None], items: Sequence[Any]) -> None:
        shares = split_evenly(len(items), self.workers)
        self._running_threads().map(function, [items[share] for share in shares])

    # ------------------------------------------------------------ evaluation

    def map_batches(
        self, compute: Callable[[Batch], Result], source: Source, network: Network
    ) -> Iterator[Evaluated[Result]]:
        """Yield the result for each batch, in order; each thread takes a batch."""
        with self.prediction_threads(len(source), network) as threads:
            numbered = enumerate(source.batches(source.order(None)))
            while group := list(itertools.islice(numbered, threads.count)):
                results = threads.map(compute, [batch for _, batch in group])
                for (number, batch), result in zip(group, results, strict=True):
                    yield number, partial(rows_of, batch, slice(None)), result

    @contextmanager
    def prediction_threads(self, batches: int, network: Network) -> Iterator[WorkerThreads]:
        """Yield the threads that share this many batches: those of the training, or new ones.

        A network that is watched has one thread at a time.
        """
        if self.threads is not None and self.workers > 1 and not watched(network):
            self.threads.hold_blas()  # a step that was not shared had released it
            yield self.threads
            return
        single = self.threads is not None or batches == 1 or watched(network)
        with WorkerThreads(1 if single else self.workers) as threads:
            yield threads


def smallest_part_of(network: Network) -> int:
    """Return the fewest samples that are worth a thread of their own, for all layers."""
    return max(SMALLEST_PART, *(getattr(module, "least_part", 1) for module in modules_of(network)))


def split_evenly(count: int, parts: int, least: int = 1) -> list[slice]:
    """Return slices of nearly equal length; each has at least `least`, if possible.

    >>> split_evenly(7, 2), split_evenly(3, 2, least=2)
    ([slice(0, 3, None), slice(3, 7, None)], [slice(0, 3, None)])
    """
    parts = max(1, min(parts, count // least))
    return [slice(count * k // parts, count * (k + 1) // parts) for k in range(parts)]


def copy_of_loss(loss: Loss) -> Loss:
    """Return a copy for one thread: a user's loss may keep something between two calls."""
    twin = copy.copy(loss)
    if isinstance(twin, LossPerOutput):
        twin.losses_by_output = {k: copy_of_loss(v) for k, v in twin.losses_by_output.items()}
    return twin


# ---------------------------------------------------------------- what each part is given


@dataclass(frozen=True)
class _Step:
    """What all parts of a step have in common."""

    loss: Loss
    batch: Batch
    whole: Whole | None
    """What the whole batch counts; None where there are no parts."""
    of: MicroBatch
    """Which rows of the whole batch these are."""
    states: Sequence[Any]
    """The states of the network's random generators before the step."""
    exchange: ThreadExchange | None

    def part(self, rows: slice, place: int) -> MicroBatch:
        """Return what the layers have to know about a part."""
        first, count = self.of.first + rows.start, rows.stop - rows.start
        if self.exchange is None:
            return MicroBatch(first, count, self.of.batch)
        return ThreadMicroBatch(first, count, self.of, self.exchange, place)


class ThreadMicroBatch(MicroBatch):
    """A part whose sums over the batch are taken over all threads, and over all processes.

    The first thread fetches the sums of the other processes.
    """

    together = True

    def __init__(
        self, first: int, count: int, of: MicroBatch, exchange: ThreadExchange, place: int
    ) -> None:
        super().__init__(first, count, of.batch)
        self.of, self.exchange, self.place = of, exchange, place

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        values = self.exchange.allgather(self.place, numbers)
        ours = tuple(reduce(operator.add, each) for each in zip(*values, strict=True))
        return self._over_processes(lambda: self.of.sum(*ours), ours)

    def largest(self, array: Array) -> Array:
        ours = reduce(np.maximum, self.exchange.allgather(self.place, array))
        return self._over_processes(lambda: self.of.largest(ours), ours)

    def _over_processes(self, fetch: Callable[[], Any], ours: Any) -> Any:
        if not self.of.together:
            return ours
        return self.exchange.allgather(self.place, None if self.place else fetch())[0]


class Replica:
    """A copy of the network that follows it.

    Parameter values are shared. What else may change between two steps is copied before each:
    buffers, and options that a callback has changed, such as the p of a Dropout.
    """

    def __init__(self, network: Network) -> None:
        try:
            self.network: Network = replica_of(network)
        except Exception as error:
            error.add_note("Each worker needs a copy of the network, made by copy.deepcopy.")
            raise
        synchronize_generators(self.network)
        self.modules = list(zip(modules_of(network), modules_of(self.network), strict=True))
        self.buffers = list(zip(buffers_of(network), buffers_of(self.network), strict=True))

    def follow(self, network: Network) -> None:
        """Take over the network's present buffers and options."""
        share_values(network, self.network)
        for original, own in self.modules:
            for name, value in vars(original).items():
                if type(value) in PLAIN and not name.startswith("_"):
                    vars(own)[name] = value
        for source, target in self.buffers:
            target.value = source.value


def modules_of(root: Module) -> Iterator[Module]:
    """Yield every module, in the order in which they are found."""
    return (thing for _, thing in walk(root) if isinstance(thing, Module))


def buffers_of(root: Module) -> Iterator[Buffer]:
    """Yield every buffer, in the order in which they are found."""
    return (thing for _, thing in walk(root) if isinstance(thing, Buffer))
