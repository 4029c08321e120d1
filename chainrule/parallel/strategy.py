"""Strategy: how a training step is run. The base class runs it in one go, in this process.

The training loop (`training/trainer.py`) calls the methods of a `Strategy` and does not know which
one it is. A batch may be split: the mean over it is the mean of the parts' means, each weighted by
its share of what the whole batch counts, and so is its gradient. Each part goes through a network,
wherever that is (`forward_backward`). Its gradient is weighted at the output, before the backward
pass: a loss that is a sum of several means has a share for each of them. So what the parts add to
the gradient is summed in the network's flat vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from chainrule.data.samples import Batch, rows_of
from chainrule.data.sources import Source
from chainrule.errors import InputError
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.loss_functions import Loss
from chainrule.loss_functions.base import Weights
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.optimizers.base import Spread
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, tree_map

Result = TypeVar("Result")

Whole = Callable[[PyTree], Weights]
"""What a whole batch counts, given the predictions of a part; see `weight_of_whole`."""

Evaluated = tuple[int, Callable[[], Batch], Result]
"""The number of a batch, a function that returns the batch, and what was computed from it."""


class StepFailed(ArithmeticError):
    """A step met NaN or infinity and was not completed.

    Attributes
    ----------
    stage : str
        Where it was met first: ``"forward"``, ``"loss"``, ``"backward"`` or ``"update"``.
    network, batch : Network and tuple, or None
        The replica and the part of the batch in which it was met.
    """

    def __init__(
        self, stage: str, network: Network | None = None, batch: Batch | None = None
    ) -> None:
        super().__init__(f"NaN or infinity in the stage {stage!r} of a training step.")
        self.stage = stage
        self.network, self.batch = network, batch


@dataclass(frozen=True)
class PassResult:
    """The result of a forward and a backward pass; the mean gradient is in the flat vector.

    Attributes
    ----------
    weight : float, or ndarray
        What the mean was divided by: how much these samples count. An array, with the weight of
        each mean, for a loss that is a sum of several.
    means : float, or ndarray
        The mean loss, or each of its means.
    predictions : sequence of arrays, or of dicts of arrays
        The predictions of each part, in the order of the samples.
    """

    weight: Weights
    means: Weights
    predictions: Sequence[PyTree]

    @property
    def counts(self) -> bool:
        """Whether any of the samples counts."""
        return bool(self.weight if isinstance(self.weight, float) else np.any(self.weight))

    @property
    def loss(self) -> float:
        """The loss: the mean, or the sum of the means."""
        return self.means if isinstance(self.means, float) else float(np.sum(self.means))


@dataclass(frozen=True)
class BatchShare:
    """The rows of a batch that this process takes: all of them, unless processes share it.

    Attributes
    ----------
    batch : tuple
        These rows.
    whole : callable
        Returns the whole batch.
    part : MicroBatch
        Which rows these are; `WHOLE` where the batch is not shared.
    """

    batch: Batch
    whole: Callable[[], Batch]
    part: MicroBatch = WHOLE


class State(Protocol):
    """What a strategy sees of a training; see `TrainingState`."""

    network: Network
    optimizer: Optimizer
    rng: np.random.Generator
    settings: dict[str, Any]
    epoch: int
    epochs: int
    stop_requested: str
    stop_reason: str
    chosen_workers: int | None

    @property
    def generators(self) -> dict[str, np.random.Generator]:
        """The random generators of the layers."""
        ...

    @property
    def notes(self) -> list[str]:
        """What there is to say about the training."""
        ...


class Strategy:
    """Run each step in one go, in one process.

    Attributes
    ----------
    rank, world_size : int
        Which process this is, and how many train together: 0 of 1.
    """

    rank, world_size = 0, 1

    # ------------------------------------------------------------ around a training

    def session(self) -> AbstractContextManager[None]:
        """Return a context in which an error is reported to all processes."""
        return nullcontext()

    @contextmanager
    def running(self, network: Network, state: State | None = None) -> Iterator[Self]:
        """Start what lasts as long as a training, such as threads."""
        yield self

    def begin(self, state: State) -> None:
        """Note what there is to say, and let all processes draw the same random numbers."""

    def refuse_differences(self, settings: Mapping[str, Any]) -> None:
        """Raise ConfigurationError unless all processes have these settings."""

    def broadcast_state(self, state: State) -> None:
        """Give all processes the first one's parameters, optimizer and random generators."""

    def broadcast(self, compute: Callable[[], Result]) -> Result:
        """Return what the first process computes, on all processes."""
        return compute()

    # ------------------------------------------------------------ a step

    def batches(
        self,
        source: Source,
        order: Array,
        start: int,
        epoch: int,
        augment: Callable[[PyTree], PyTree] | None = None,
    ) -> Iterator[BatchShare]:
        """Yield this process's share of each batch of an epoch, beginning with batch `start`."""
        for batch in source.batches(order, start, epoch):
            if augment is not None:
                x, y, weight = batch
                batch = augment(x), y, weight
            yield BatchShare(batch, partial(rows_of, batch, slice(None)))

    def step(self, share: BatchShare) -> AbstractContextManager[Any]:
        """Return the context in which the step on this batch is taken."""
        return nullcontext()

    def set_gradients(
        self, network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
    ) -> PassResult:
        """Set the gradients of the batch's mean loss.

        With `whole` the batch is a part of a larger one, and they are what it adds to that one's.
        """
        return forward_backward(network, loss, batch, whole)

    @property
    def spread(self) -> Spread | None:
        """What distributes work on the flat vectors; None where one thread does it."""
        return None

    def gather(
        self, share: BatchShare, predictions: Sequence[PyTree], wanted: bool
    ) -> tuple[PyTree, Sequence[PyTree], Array | None] | None:
        """Return the whole batch's targets, predictions and weights, on the first process.

        They are `wanted` only if there are metrics. The other processes get None.
        """
        return share.batch[1], predictions, share.batch[2]

    def synchronize(self, state: State) -> None:
        """Let all processes agree after a step: whether to stop, and where the generators are."""
        if state.stop_requested and not state.stop_reason:
            state.stop_reason = state.stop_requested

    def synchronize_epoch(self, state: State) -> None:
        """Let all processes agree after an epoch."""
        self.synchronize(state)

    # ------------------------------------------------------------ evaluation

    @property
    def local(self) -> Strategy:
        """The strategy of this process alone, for what the processes do not do together."""
        return self

    def map_batches(
        self, compute: Callable[[Batch], Result], source: Source, network: Network
    ) -> Iterator[Evaluated[Result]]:
        """Yield the result for each batch of a source, in order."""
        for number, batch in enumerate(source.batches(source.order(None))):
            yield number, partial(rows_of, batch, slice(None)), compute(batch)


# ------------------------------------------------------------ one part, and the mean over parts


@contextmanager
def using_micro_batch(part: MicroBatch) -> Iterator[None]:
    """Tell the layers, in this thread, which part of a batch passes through them."""
    token = current_micro_batch.set(part)
    try:
        yield
    finally:
        current_micro_batch.reset(token)


def weight_of_whole(loss: Loss, batch: Batch) -> Whole:
    """Return a function that returns what a whole batch counts, given the predictions of a part.

    Only their shape matters: how many rows there are for each sample, and how many outputs.
    """
    x, y, sample_weight = batch
    count = len(first_array(x))
    found: list[Weights] = []

    def weight(y_pred: PyTree) -> Weights:
        if not found:
            all_rows = tree_map(lambda p: np.broadcast_to(p[:1], (count, *p.shape[1:])), y_pred)
            found.append(loss.total_weight(y, all_rows, sample_weight))
        return found[0]

    return weight


def forward_backward(
    network: Network, loss: Loss, batch: Batch, whole: Whole | None = None
) -> PassResult:
    """Send a batch forward and backward: set the gradients of its mean loss.

    With `whole` it is a part, and its gradients are what it adds to those of the whole batch. A
    part of weight 0 leaves them as they are.
    """
    x, y, sample_weight = batch
    y_pred = network.forward(x)
    try:
        weight, means, dy = loss.mean_and_gradient_of_part(y, y_pred, sample_weight)
        total = None if whole is None or dy is None else whole(y_pred)
    except InputError:
        if not loss.takes(y_pred):
            raise StepFailed("forward", network, batch) from None
        raise
    if not math.isfinite(means if isinstance(means, float) else np.sum(means)):
        raise StepFailed("loss", network, batch)
    part = current_micro_batch.get()
    if part.together:  # gradients flow between parts, also to one of weight 0
        (total,) = part.sum(weight)
        dy = tree_map(np.zeros_like, y_pred) if dy is None else dy
    if dy is not None:
        if total is not None:
            dy = loss.share_of_gradient(dy, share_of(weight, total))
        network.backward_parameters(dy)
    return PassResult(weight, means, [y_pred])


def share_of(weight: Weights, total: Weights) -> Weights:
    """Return weight / total; 0 where nothing counts."""
    if isinstance(total, float):  # of one mean, as most losses are: NumPy would take longer
        return weight / total if total else 0.0
    return np.divide(weight, total, out=np.zeros(np.shape(total)), where=np.asarray(total) > 0)[()]


class WeightedMean:
    """A running mean of losses: there is no sum that large weights could make overflow.

    Attributes
    ----------
    weight, means : float, or ndarray
        The total weight so far, and the mean loss; or those of each mean that the loss is a sum of.
    """

    def __init__(self) -> None:
        self.weight: Weights = 0.0
        self.means: Weights = 0.0

    def add(self, weight: Weights, means: Weights) -> None:
        """Include a part."""
        self.weight = self.weight + weight
        self.means = self.means + share_of(weight, self.weight) * (means - self.means)


def move_towards(mean: Array, value: Array, share: float) -> None:
    """Update a running mean in place: mean ← mean + share · (value - mean)."""
    if share == 1:  # nothing has counted before; what is in `mean` may be anything
        mean[...] = value
    elif share:
        mean += share * (value - mean)
