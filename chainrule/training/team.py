"""A team: a network and its replicas, each in a thread with a part of the batch.

Replicas share the network's values. Gradients, buffers and what a pass keeps are their own, and
are brought together after the pass: gradients in the network's flat vector, weighed by what the
parts count; buffers that hold floating-point numbers, such as the running statistics of BatchNorm,
to their mean, weighed by the samples. The caller's thread works on the network itself, so whoever
watches that sees the first part of each batch.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from chainrule.data.samples import Batch, rows_of
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.module import Module, named_generators, walk
from chainrule.network import Network
from chainrule.optimizers.base import BLOCK, Spread
from chainrule.parameter import Array, Buffer, replica_of, share_values
from chainrule.pytree import first_array
from chainrule.training.draws import drawing_for_the_batch, let_draw_for_the_batch
from chainrule.training.parts import (
    Mean,
    Passed,
    follow,
    in_turn,
    passed_through,
)
from chainrule.training.threads import Meeting, Threads

LEAST = 2
"""Samples in a part: a single one has no statistics of its own."""

WORTH_SHARING = 4 * BLOCK
"""Numbers in a flat vector that is worked on by all threads; a shorter one is done sooner alone.

Adam's step took 0.12 ms for 34,000 numbers and 0.77 ms for 235,000; to hand work to a thread and
wait for it, 0.04 ms.
"""

PLAIN = (bool, int, float, str, type(None))


class Team:
    """The way to send a batch through a network in parts, side by side.

    Parameters
    ----------
    network : Network
        What learns.
    threads : Threads
        Where the work is done, one part in each.
    micro_batch_size : int, optional
        The most samples that one of them takes at a time.
    together : bool
        Whether statistics over the batch (BatchNorm) are over all parts.
    """

    def __init__(
        self,
        network: Network,
        threads: Threads,
        micro_batch_size: int | None = None,
        together: bool = False,
    ) -> None:
        self.threads = threads
        self.least = least_part_of(network)
        self.micro_batch_size = micro_batch_size
        self.together = together
        self.replicas = [Replica(network) for _ in range(threads.count - 1)]
        self.networks = [network, *(replica.network for replica in self.replicas)]
        self._buffers = [list(buffers_of(each)) for each in self.networks]
        self._generators = [list(named_generators(each).values()) for each in self.networks]

    # ------------------------------------------------------------ forward and back

    def set_gradients(self, network: Network, loss: Loss, batch: Batch) -> Passed:
        """Set the gradients of the batch's mean loss."""
        samples = len(first_array(batch[0]))
        outer = current_micro_batch.get()  # a rank's rows, of a batch that others share
        shares = shared_out(samples, self.threads.count, self.least)
        self.threads.fit_blas_to(len(shares))
        for replica in self.replicas[: len(shares) - 1]:
            replica.follow(network)
        step = Step(
            loss,
            batch,
            outer if outer is not WHOLE else MicroBatch(0, samples, samples),
            [generator.bit_generator.state for generator in self._generators[0]],
            Meeting(len(shares)) if self.together else None,
        )
        places = range(len(shares))
        passed = self.threads.map(
            lambda place: self._pass(step, place, shares[place]),
            places,
            None if step.meeting is None else step.meeting.call_off,
        )
        self._bring_buffers_together(shares)
        return self._summed(network, passed)

    def in_words(self) -> str | None:
        """Return which batches are not shared out, where a user may wonder; else None."""
        if self.least == LEAST or self.threads.count == 1:
            return None
        return (
            f"batches of fewer than {2 * self.least} samples are not shared out to workers: the "
            "steps of recurrent layers are too short for it (processes of MPI would share them)"
        )

    def _pass(self, step: Step, place: int, share: slice) -> Passed:
        """Send one thread's share through its network; in micro-batches, where that is wanted."""
        network = self.networks[place]
        loss = own_copy(step.loss) if place else step.loss

        def send(rows: slice) -> Passed:
            for generator, state in zip(self._generators[place], step.states, strict=True):
                generator.bit_generator.state = state  # whatever the part, the whole is drawn
            with on_its_way(step.part(rows, place)):
                return passed_through(network, loss, rows_of(step.batch, rows))

        return in_turn(network, share, self.micro_batch_size, send)

    # ------------------------------------------------------------ what the parts become together

    def _summed(self, network: Network, passed: Sequence[Passed]) -> Passed:
        """Sum the gradients in the network's flat vector."""
        mean = Mean()
        shares = [mean.take_in(part) for part in passed]
        gradients = [each.flat.grads for each in self.networks[: len(passed)]]

        def add(places: slice) -> None:
            for start in range(places.start, places.stop, BLOCK):
                block = slice(start, min(start + BLOCK, places.stop))
                own = gradients[0][block]
                for share, gradient in zip(shares[1:], gradients[1:], strict=True):
                    if self.together:  # they were weighed before the way back
                        own += gradient[block]
                    else:
                        follow(own, gradient[block], share)

        threads = self.threads.count if len(network.flat) >= WORTH_SHARING else 1
        self.threads.map(add, shared_out(len(network.flat), threads))
        network.set_gradients(gradients[0])
        return Passed(mean.counts, mean.loss, [y for part in passed for y in part.predictions])

    def _bring_buffers_together(self, shares: Sequence[slice]) -> None:
        """Let the network's own buffers be the mean over all parts; whole numbers stay its own."""
        for own, *others in zip(*self._buffers[: len(shares)], strict=True):
            if own.value.dtype.kind == "f":
                for share, other in zip(shares[1:], others, strict=True):
                    weight = (share.stop - share.start) / share.stop
                    if not np.array_equal(own.value, other.value):
                        follow(own.value, other.value, weight)

    @property
    def spread(self) -> Spread | None:
        """What shares out the optimizer's step; None where it is too short for that."""
        return self._spread if len(self.networks[0].flat) >= WORTH_SHARING else None

    def _spread(self, function: Callable[[Sequence[Any]], None], items: Sequence[Any]) -> None:
        shares = shared_out(len(items), self.threads.count)
        self.threads.map(function, [items[share] for share in shares])


def least_part_of(network: Network) -> int:
    """Return how many samples a part has to have for all of the network's layers."""
    return max(LEAST, *(getattr(module, "least_part", 1) for module in modules_of(network)))


def shared_out(count: int, parts: int, least: int = 1) -> list[slice]:
    """Return where parts of nearly the same length lie; each has at least so many, if it can be.

    >>> shared_out(7, 2), shared_out(3, 2, least=2)
    ([slice(0, 3, None), slice(3, 7, None)], [slice(0, 3, None)])
    """
    parts = max(1, min(parts, count // least))
    return [slice(count * k // parts, count * (k + 1) // parts) for k in range(parts)]


def own_copy(loss: Loss) -> Loss:
    """Return a copy for one thread: a loss of the user's may keep something between two calls."""
    twin = copy.copy(loss)
    if isinstance(twin, LossPerOutput):
        twin.losses_by_output = {k: own_copy(v) for k, v in twin.losses_by_output.items()}
    return twin


@contextmanager
def team_of(
    network: Network,
    workers: int,
    micro_batch_size: int | None = None,
    together: bool = False,
    hold_blas: bool = False,
) -> Iterator[Team]:
    """Give a team for the length of a with block; its threads are gone afterwards.

    A team of one is for ranks: the same rules for a part, with others elsewhere.
    """
    with Threads(workers, hold_blas) as threads, drawing_for_the_batch(network):
        yield Team(network, threads, micro_batch_size, together)


# ---------------------------------------------------------------- what each part is given


@dataclass(frozen=True)
class Step:
    """What all parts of a step have in common."""

    loss: Loss
    batch: Batch
    of: MicroBatch
    """Which rows of the whole batch these are."""
    states: Sequence[Any]
    """Where the network's random generators stood before it."""
    meeting: Meeting | None

    def part(self, rows: slice, place: int) -> MicroBatch:
        """Return what the layers are to know of a part."""
        first, count = self.of.first + rows.start, rows.stop - rows.start
        if self.meeting is None:
            return MicroBatch(first, count, self.of.batch)
        return MeetingPart(first, count, self.of, self.meeting, place)


class MeetingPart(MicroBatch):
    """A part that has its sums over the batch in common with all others, in threads beside it.

    What they are a part of may itself have its sums in common with others, on other ranks: the
    first thread fetches these.
    """

    together = True

    def __init__(
        self, first: int, count: int, of: MicroBatch, meeting: Meeting, place: int
    ) -> None:
        super().__init__(first, count, of.batch)
        self.of, self.meeting, self.place = of, meeting, place

    def sum(self, *numbers: Any) -> tuple[Any, ...]:
        brought = self.meeting.meet(self.place, numbers)
        ours = tuple(reduce(operator.add, each) for each in zip(*brought, strict=True))
        return self._over_all(lambda: self.of.sum(*ours), ours)

    def largest(self, array: Array) -> Array:
        ours = reduce(np.maximum, self.meeting.meet(self.place, array))
        return self._over_all(lambda: self.of.largest(ours), ours)

    def _over_all(self, fetch: Callable[[], Any], ours: Any) -> Any:
        if not self.of.together:
            return ours
        return self.meeting.meet(self.place, None if self.place else fetch())[0]


@contextmanager
def on_its_way(part: MicroBatch) -> Iterator[None]:
    """Tell the layers which part is on its way through them in this thread."""
    token = current_micro_batch.set(part)
    try:
        yield
    finally:
        current_micro_batch.reset(token)


class Replica:
    """A copy of the network that follows it.

    Values are shared. What may change besides, between two steps, is taken over before each:
    buffers, and options that a callback has changed, such as a Dropout's p.
    """

    def __init__(self, network: Network) -> None:
        try:
            self.network = replica_of(network)
        except Exception as error:
            error.add_note("Each worker needs a copy of the network, made by copy.deepcopy.")
            raise
        let_draw_for_the_batch(self.network)
        self.modules = list(zip(modules_of(network), modules_of(self.network), strict=True))
        self.buffers = list(zip(buffers_of(network), buffers_of(self.network), strict=True))

    def follow(self, network: Network) -> None:
        """Be as the network is now."""
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
