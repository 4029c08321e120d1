"""Distributed: each process (rank) takes its own rows of each batch, over MPI.

What the threads of a rank make of its rows is a mean gradient in the flat vector, and the weight it
counts with. One allreduce makes the batch's gradient of them: the same bits on all ranks, so all
take the same step.
"""

from __future__ import annotations

import itertools
import operator
import platform
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, reduce
from typing import Any, Self

import numpy as np

from chainrule.data.samples import Batch, rows_of
from chainrule.data.sources import CHANGING, Source
from chainrule.errors import ConfigurationError, InputError
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers.base import Spread
from chainrule.parallel.communicator import (
    AFTER_STEP,
    EPOCH,
    LAYER,
    START,
    STEP,
    VALIDATION,
    Communicator,
)
from chainrule.parallel.data_parallel import SMALLEST_PART, DataParallel, buffers_of, split_evenly
from chainrule.parallel.strategy import (
    BatchShare,
    Evaluated,
    PassResult,
    Result,
    State,
    StepFailed,
    Strategy,
    WeightedMean,
    Whole,
    move_towards,
    share_of,
    using_micro_batch,
    weight_of_whole,
)
from chainrule.parameter import Array
from chainrule.pytree import PyTree, concatenate, first_array, take


class Distributed(Strategy):
    """Share each batch between the processes of a communicator.

    A batch that is too small to be shared goes through every rank as a whole.

    Parameters
    ----------
    communicator : Communicator
        Which processes take part.
    threads : DataParallel
        How a rank's own rows are sent through its network; by one thread or several.
    """

    def __init__(self, communicator: Communicator, threads: DataParallel) -> None:
        self.communicator = communicator
        self.threads = threads
        self.rank, self.world_size = communicator.rank, communicator.world_size

    @property
    def local(self) -> Strategy:
        return self.threads

    # ------------------------------------------------------------ around a training

    def session(self) -> AbstractContextManager[None]:
        return self.communicator.session()

    @contextmanager
    def running(self, network: Network, state: State | None = None) -> Iterator[Self]:
        with self.threads.running(network, state):
            buffers = buffers_of(network)
            self._buffers = [buffer for buffer in buffers if buffer.value.dtype.kind == "f"]
            yield self

    def begin(self, state: State) -> None:
        state.notes.append(self.communicator.processes())
        generator = state.rng.bit_generator
        generator.state = self.communicator.broadcast(START, lambda: generator.state)

    def refuse_differences(self, settings: Mapping[str, Any]) -> None:
        if CHANGING in settings.values():
            raise ConfigurationError(
                "The iterable yields other batches each time, and so others on each rank. Give it "
                "a method set_epoch(epoch), from which its order follows."
            )
        versions = {
            "the version of chainrule": sys.modules["chainrule"].__version__,
            "the version of numpy": np.__version__,
            "the version of python": platform.python_version(),
        }
        self.communicator.refuse_differences({**versions, **settings})

    def broadcast_state(self, state: State) -> None:
        def present() -> Any:
            return state.network.state(), state.optimizer.state(), generator_states(state)

        network, optimizer, states = self.communicator.broadcast(START, present)
        if self.rank:
            state.network.load_state(network)
            state.optimizer.load_state(optimizer)
            set_generator_states(state, states)

    def broadcast(self, compute: Callable[[], Result]) -> Result:
        return self.communicator.broadcast(EPOCH, compute)

    # ------------------------------------------------------------ a step

    def batches(
        self,
        source: Source,
        order: Array,
        start: int,
        epoch: int,
        augment: Callable[[PyTree], PyTree] | None = None,
    ) -> Iterator[BatchShare]:
        """Yield this rank's rows of each batch. Of arrays only these are read.

        Augmentation may draw random numbers, so all ranks augment the whole batch.
        """
        part = WHOLE

        def rows(samples: int) -> slice:
            nonlocal part
            part = self.part_of(samples)
            return slice(None) if part is WHOLE else part.rows

        if augment is None:
            for batch, whole in source.shares(order, start, epoch, rows):
                yield BatchShare(batch, whole, part)
            return
        for x, y, weight in source.batches(order, start, epoch):
            augmented = augment(x), y, weight
            own = rows_of(augmented, rows(len(first_array(y))))
            yield BatchShare(own, partial(rows_of, augmented, slice(None)), part)

    def part_of(self, samples: int) -> MicroBatch:
        """Return which rows of a batch are this rank's; `WHOLE` if the batch is not shared."""
        shares = split_evenly(samples, self.world_size, SMALLEST_PART)
        if len(shares) < self.world_size:
            return WHOLE
        rows = shares[self.rank]
        count = rows.stop - rows.start
        if self.threads.sync_batch_norm:
            return RankMicroBatch(rows.start, count, samples, self.communicator)
        return MicroBatch(rows.start, count, samples)

    def step(self, share: BatchShare) -> AbstractContextManager[Any]:
        return using_micro_batch(share.part)

    def set_gradients(
        self, network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
    ) -> PassResult:
        """Set the gradients of the whole batch's mean loss; the predictions are this rank's."""
        part = current_micro_batch.get()
        before = [buffer.value.copy() for buffer in self._buffers]
        try:
            if loss.means > 1 and part is not WHOLE and not part.together:
                whole = self._weight_of_whole(network, loss, batch)
            result = self.threads.set_gradients(network, loss, batch, whole)
        except (InputError, StepFailed) as error:
            self.communicator.report(error)
            raise
        alike = part is WHOLE  # all ranks have taken the whole batch
        rows = len(first_array(batch[0])) if alike else part.batch
        numbers: Any = result.weight, result.means, rows
        if loss.means == 1:
            of_each = self.communicator.exchange(STEP, *numbers)[:, : len(numbers)].tolist()
        else:
            of_each = self.communicator.allgather(STEP, numbers)
        refuse_other_lengths(np.array([rows for *_, rows in of_each]))
        mean = WeightedMean()
        for weight, means, _ in of_each:
            mean.add(weight, means)
        if np.any(mean.weight):
            if alike:
                share = 1 / self.world_size
            elif part.together or whole is not None:  # weighted before the backward pass
                share = 1.0 if part.together or np.any(result.weight) else 0.0
            else:
                share = float(share_of(result.weight, mean.weight))
            self._sum_gradients(network, share)
        self._average_buffers(before, part)
        return PassResult(result.weight if alike else mean.weight, mean.means, result.predictions)

    def _weight_of_whole(self, network: Network, loss: Loss, batch: Batch) -> Whole:
        """Return what each mean's rows count on all ranks, before the backward pass needs it.

        That depends on the outputs' shapes, which the prediction of a single row shows.
        """
        y_pred = network.predict(take(batch[0], slice(0, 1)))
        own = weight_of_whole(loss, batch)(y_pred)
        total = sum(self.communicator.allgather(LAYER, own))
        return lambda y_pred: total

    def _sum_gradients(self, network: Network, share: float) -> None:
        """Set the flat vector to the mean gradient over all ranks, of which this is a share."""
        gradient = network.flat.grads
        if share:
            gradient *= gradient.dtype.type(share)
        else:  # it may hold anything
            gradient[...] = 0
        self.communicator.allreduce(STEP, gradient)
        network.set_gradients(gradient)

    def _average_buffers(self, before: Sequence[Array], part: MicroBatch) -> None:
        """Set buffers that the step has changed to their mean over the ranks, by samples."""
        if not self._buffers:
            return
        changed = {
            place: buffer.value
            for place, (buffer, old) in enumerate(zip(self._buffers, before, strict=True))
            if not np.array_equal(buffer.value, old)
        }
        of_each = self.communicator.allgather(AFTER_STEP, (part.count, changed))
        for place in sorted({place for _, changed in of_each for place in changed}):
            values = [changed.get(place, before[place]) for _, changed in of_each]
            mean, samples = values[0], of_each[0][0]
            for (count, _), value in zip(of_each[1:], values[1:], strict=True):
                samples += count
                if part is not WHOLE and not np.array_equal(mean, value):
                    move_towards(mean, value, count / samples)
            self._buffers[place].value = mean

    @property
    def spread(self) -> Spread | None:
        return self.threads.spread

    def gather(
        self, share: BatchShare, predictions: Sequence[PyTree], wanted: bool
    ) -> tuple[PyTree, Sequence[PyTree], Array | None] | None:
        own = share.batch[1], predictions, share.batch[2]
        if share.part is WHOLE or not wanted:
            return None if self.rank else own
        of_each = self.communicator.gather(AFTER_STEP, own)
        if not of_each:
            return None
        targets, parts, weights = zip(*of_each, strict=True)
        weight = None if weights[0] is None else np.concatenate(weights)
        return concatenate(targets), list(itertools.chain(*parts)), weight

    # ------------------------------------------------------------ what all ranks agree on

    def synchronize(self, state: State) -> None:
        """Stop all ranks if one wants to, and give their generators the same state.

        These may differ: a user's layer may draw in a way that depends on its part's length.
        """
        drawn = zlib.crc32(repr(generator_states(state)).encode())
        heads = self.communicator.exchange(AFTER_STEP, bool(state.stop_requested), drawn)
        if heads[:, 0].any():
            reasons = self.communicator.allgather(AFTER_STEP, state.stop_requested)
            state.stop_reason = state.stop_reason or next(filter(None, reasons))
        if (heads[:, 1] != heads[0, 1]).any():
            states = self.communicator.broadcast(AFTER_STEP, lambda: generator_states(state))
            set_generator_states(state, states)

    def synchronize_epoch(self, state: State) -> None:
        """Do the same, and refuse to go on if the ranks have different parameters."""
        self.synchronize(state)
        heads = self.communicator.exchange(EPOCH, zlib.crc32(state.network.flat.values.data))
        others = np.flatnonzero(heads[:, 0] != heads[0, 0]).tolist()
        if others:
            raise ConfigurationError(
                f"After epoch {state.epoch} the parameters on rank(s) {others} are not those of "
                "rank 0. A callback that changes the network must do so on all ranks alike."
            )

    # ------------------------------------------------------------ evaluation

    def map_batches(
        self, compute: Callable[[Batch], Result], source: Source, network: Network
    ) -> Iterator[Evaluated[Result]]:
        """Yield the result for each batch, on all ranks; the ranks take batches in turn."""
        with self.threads.prediction_threads(len(source), network) as threads:
            at_a_time, numbers = threads.count, itertools.count()
            own = slice(self.rank * at_a_time, (self.rank + 1) * at_a_time)
            group = range(at_a_time * self.world_size)

            def rows(samples: int) -> slice:
                return slice(None) if next(numbers) % len(group) in group[own] else slice(0, 0)

            shares = enumerate(source.shares(source.order(None), 0, 0, rows))
            while taken := list(itertools.islice(shares, len(group))):
                results = threads.map(compute, [batch for _, (batch, _) in taken[own]])
                of_each = self.communicator.allgather(VALIDATION, results)
                for (number, (_, whole)), result in zip(
                    taken, itertools.chain(*of_each), strict=True
                ):
                    yield number, whole, result


class RankMicroBatch(MicroBatch):
    """The rows of a rank, where layers take batch statistics over all ranks."""

    together = True

    def __init__(self, first: int, count: int, batch: int, communicator: Communicator) -> None:
        super().__init__(first, count, batch)
        self.communicator = communicator

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        values = self.communicator.allgather(LAYER, numbers)
        return tuple(reduce(operator.add, each) for each in zip(*values, strict=True))

    def largest(self, array: Array) -> Array:
        return reduce(np.maximum, self.communicator.allgather(LAYER, array))


def refuse_other_lengths(lengths: Array) -> None:
    """Raise InputError, on all ranks, unless all are at a batch of the same length."""
    if len(set(lengths.tolist())) > 1:
        words = ", ".join(f"{int(n)} samples on rank {rank}" for rank, n in enumerate(lengths))
        raise InputError(
            f"The ranks are at different batches: {words}. An iterable of batches must yield the "
            "same ones, in the same order, on all ranks; each takes its own rows of them."
        )


def generator_states(state: State) -> list[Any]:
    """Return the states of all random generators, the trainer's and the layers'."""
    return [rng.bit_generator.state for rng in (state.rng, *state.generators.values())]


def set_generator_states(state: State, states: Sequence[Any]) -> None:
    """Give all random generators these states."""
    for rng, value in zip((state.rng, *state.generators.values()), states, strict=True):
        rng.bit_generator.state = value
