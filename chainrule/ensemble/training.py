"""The loop that trains all members at once.

A member is in the stack while it learns. One that has stopped, because it gets no better or
because it met NaN, is taken out of the stack and costs nothing any more. Building the stack anew
takes as long as some steps (1.6 ms, beside 0.2 ms for a step of 32 networks 4-10-3); so those that
get no better wait in it, idle, until they are an eighth of it.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.sources import batch_bounds
from chainrule.ensemble.folds import Fold, side_by_side
from chainrule.ensemble.members import Member
from chainrule.ensemble.objective import Score, losses_and_gradient
from chainrule.ensemble.shape import Shape, holders_of, part_of
from chainrule.layers import StackedDropout
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.training.allocator import keep_freed_memory
from chainrule.training.monitor import Monitor

IDLE = 1 / 8
"""The share of the stack from which on idle members are taken out."""

MakeOptimizer = Callable[..., Optimizer]


@dataclass(frozen=True)
class Data:
    """Samples, as the loop wants them."""

    X: Array  # (N, features)
    y: Array  # as it was given
    targets: Array  # (N, outputs), as the loss takes rows
    weight: Array | None  # (N,)

    def __len__(self) -> int:
        return len(self.X)

    def part(self, rows: Array) -> Data:
        """Return some of the samples."""
        weight = None if self.weight is None else self.weight[rows]
        return Data(self.X[rows], self.y[rows], self.targets[rows], weight)


@dataclass(frozen=True)
class Plan:
    """How to train; one epoch, unless more is said."""

    loss: Loss
    make_optimizer: MakeOptimizer
    score: Score
    schedule: Any = None  # or step -> factor
    epochs: int = 1
    batch_size: int = 1
    patience: int | None = None
    min_delta: float = 0.0
    on_epoch_end: Callable[[int, Mapping[str, Array]], Any] | None = None


def take_step(
    learner: Network,
    loss: Loss,
    optimizer: Optimizer,
    x: Array,
    y_true: Array,
    weight: Array | None = None,
) -> Array:
    """Move every member once, by the gradient of its own batch; return the losses, (K,).

    `learner` is a stack without its output layer, x (N, K, features), y_true (N, K, outputs) and
    `weight` (N, K). A member whose numbers are not finite any more does not touch another one.
    """
    with np.errstate(all="ignore"):
        losses, gradient = losses_and_gradient(loss, y_true, learner.forward(x), weight)
        learner.backward_parameters(gradient)
        optimizer.step(learner)
    return losses


class Training:
    """The state of one training of all members.

    Parameters
    ----------
    network : Network
        The whole stack. At the end it has the best values of each member.
    shape, members
        What it is made of.
    orders : sequence of Generator
        Where each member's order of the samples comes from.
    plan : Plan
        How to train.

    Attributes
    ----------
    running : list of int
        The members in the stack, in their order there.
    idle : set of int
        Those of them that do not learn any more, though what is computed for them moves them.
    lost : dict of int to int
        The epoch in which a member met NaN.
    history : dict of str to list of ndarray
        The losses and scores of each epoch, (K,), NaN where a member did not learn any more.
    """

    def __init__(
        self,
        network: Network,
        shape: Shape,
        members: Sequence[Member],
        orders: Sequence[np.random.Generator],
        plan: Plan,
    ) -> None:
        keep_freed_memory()
        self.network, self.shape, self.members = network, shape, members
        self.orders, self.plan = list(orders), plan
        self.running = list(range(len(members)))
        self.idle: set[int] = set()
        self.lost: dict[int, int] = {}
        self.monitors = [
            Monitor(plan.score.name, mode=plan.score.mode, min_delta=plan.min_delta)
            for _ in members
        ]
        self.history: dict[str, list[Array]] = {"loss": []}
        self.best = network.state()
        self._learn(part_of(network, shape, members, self.running, output=False))
        self.optimizer = self._optimizer()

    # ------------------------------------------------------------ the loop

    def run(self, data: Data, validation: Data | None, folds: Sequence[Fold] | None = None) -> None:
        """Train until all epochs are done, or no member learns any more.

        Each member is measured on `validation`, or on the part of `data` that its fold holds out.
        """
        everything = np.arange(len(data))
        rows = [everything] * len(self.members) if folds is None else [train for train, _ in folds]
        try:
            for epoch in range(self.plan.epochs):
                row = {"loss": self._epoch(data, rows, epoch)}
                if self.running:
                    self._lose(self._finite(), epoch)
                if validation is not None or folds is not None:
                    scores = np.full(len(self.members), np.nan)
                    if self.running:
                        scores[self.running] = (
                            self._scores(validation)
                            if validation is not None
                            else self._scores_of_folds(data, folds or ())
                        )
                    row["val_" + self.plan.score.name] = self._judge(scores, epoch)
                for name, values in row.items():
                    self.history.setdefault(name, []).append(values)
                hook = self.plan.on_epoch_end
                if (hook is not None and hook(epoch, row)) or not self.running:
                    break
        finally:  # Ctrl-C, too, leaves the best values that there are
            if validation is None and folds is None and self.running:
                finite = zip(self.running, self._finite(), strict=True)
                self._keep([k for k, fine in finite if fine])
            self.network.load_state(self.best)

    def _epoch(self, data: Data, rows_of: Sequence[Array], epoch: int) -> Array:
        """Go once through each member's rows, in its own order; return the mean losses.

        Where one has fewer rows than another, all take as many as that one has.
        """
        count = min(len(rows_of[k]) for k in self.running)
        orders = [self.orders[k].permutation(rows_of[k])[:count] for k in self.running]
        order = np.stack(orders, axis=1)
        outputs_first = np.ascontiguousarray(data.targets.T)  # as rows_of wants them
        total, seen = np.full(len(self.members), np.nan), 0
        total[self.running] = 0
        bounds = batch_bounds(count, self.plan.batch_size).tolist()
        for start, stop in itertools.pairwise(bounds):
            rows = order[start:stop]  # (batch, members)
            losses = take_step(
                self.learner,
                self.plan.loss,
                self.optimizer,
                data.X.take(rows, axis=0),
                outputs_first.take(rows, axis=1).transpose(1, 2, 0),
                None if data.weight is None else data.weight.take(rows),
            )
            total[self.running] += losses * (stop - start)
            seen += stop - start
            if not all_finite(losses):
                order = order[:, self._lose(np.isfinite(losses), epoch)]
                if not self.running:
                    break
        total[list(self.idle)] = np.nan
        return total / seen

    def _scores(self, validation: Data) -> Array:
        """Return how good each member in the stack is on the validation part."""
        outputs = outputs_of(self.learner, self.shape.output_layer(), validation.X)
        return self.plan.score(validation.y, validation.targets, outputs, validation.weight)

    def _scores_of_folds(self, data: Data, folds: Sequence[Fold]) -> Array:
        """Return how good each member in the stack is on the rows that its own fold holds out."""
        held_out = [folds[k][1] for k in self.running]
        x = data.X.take(side_by_side(held_out), axis=0)  # (n, members in the stack, features)
        outputs = outputs_of(self.learner, self.shape.output_layer(), x)
        scores = []
        for place, rows in enumerate(held_out):
            own = data.part(rows)
            its_outputs = outputs[: len(rows), [place]]
            scores.append(self.plan.score(own.y, own.targets, its_outputs, own.weight)[0])
        return np.array(scores)

    def _judge(self, scores: Array, epoch: int) -> Array:
        """Keep what got better, stop what has not for too long; return the scores, (K,)."""
        finite = np.isfinite(scores[self.running])
        scores[list(self.idle)] = np.nan
        self._lose(finite, epoch)
        learning = [k for k in self.running if k not in self.idle]
        self._keep([k for k in learning if self.monitors[k].update(float(scores[k]), epoch)])
        if self.plan.patience is not None:
            self._stop([k for k in learning if self.monitors[k].waited >= self.plan.patience])
        return scores

    # ------------------------------------------------------------ members that stop

    def _keep(self, members: Sequence[int]) -> None:
        """Take the present values of these members as their best."""
        places = [self.running.index(k) for k in members]
        for name, holder in self.holders.items():
            self.best[name][members] = holder.value[places]

    def _finite(self) -> Array:
        """Return whether all values of each member that learns are finite."""
        values = [holder.value for holder in self.holders.values()]
        each = [np.isfinite(value).reshape(len(value), -1).all(axis=1) for value in values]
        return np.logical_and.reduce(each)

    def _stop(self, members: Sequence[int]) -> None:
        """Let these members learn no more; take out the idle ones if there are many."""
        for k in members:
            self.idle.add(k)
            # What is drawn for it from now on is nobody's: its own generators stay where they are.
            self.orders[k] = copy.deepcopy(self.orders[k])
            for layer in self.learner:
                if isinstance(layer, StackedDropout):
                    place = self.running.index(k)
                    layer.rngs[place] = copy.deepcopy(layer.rngs[place])
        if len(self.idle) >= IDLE * len(self.running):
            self._go_on_with(np.array([k not in self.idle for k in self.running]))

    def _lose(self, finite: Array, epoch: int) -> Array:
        """Take out the members whose numbers are not finite; return where those left stood."""
        lost = [k for k, fine in zip(self.running, finite, strict=True) if not fine]
        self.lost |= {k: epoch for k in lost if k not in self.idle}
        return self._go_on_with(finite)

    def _go_on_with(self, wanted: Array) -> Array:
        """Build the stack anew with these members alone; return where they stood in the old one."""
        places = np.flatnonzero(wanted)
        if len(places) == len(self.running):
            return places
        before, optimizer = self.learner, self.optimizer
        own = [self.members[k] for k in self.running]
        self.running = [self.running[place] for place in places]
        self.idle &= set(self.running)
        if self.running:
            self._learn(part_of(before, self.shape, own, places.tolist(), output=False))
            self.optimizer = self._optimizer()
            self.optimizer.load_state(state_of_members(optimizer, before, places))
        return places

    def _learn(self, stack: Network) -> None:
        """Take this stack as the one that learns."""
        self.learner = stack
        self.holders = holders_of(stack)  # found once: the walk takes as long as a step

    def _optimizer(self) -> Optimizer:
        """Return an optimizer with the rate and the decay of each member that learns."""
        members = [self.members[k] for k in self.running]
        decays = [member.weight_decay for member in members]
        return self.plan.make_optimizer(
            1.0 if self.plan.schedule is None else self.plan.schedule,
            weight_decay=decays if any(decays) else 0.0,
            lr_multipliers={"*": [member.learning_rate for member in members]},
        )


def state_of_members(optimizer: Optimizer, network: Network, places: Array) -> dict[str, Array]:
    """Return an optimizer's state as it is for some members of its network."""

    def part(vector: Array) -> Array:
        parameters = network.named_parameters()
        return np.concatenate(
            [
                vector[where].reshape(parameters[name].shape)[places].reshape(-1)
                for name, where in network.flat.slices.items()
            ]
        )

    return {
        name: vector if name == "steps" else part(vector)
        for name, vector in optimizer.state().items()
    }


def outputs_of(learner: Network, last: Any, X: Array, batch_size: int = 256) -> Array:
    """Return the outputs of a stack for samples (N, features) or (N, K, features).

    They are (N, K, outputs). `last` is the output layer, which a learner goes without; where it is
    none, it is left out.
    """
    parts = []
    with np.errstate(all="ignore"):
        for start in range(0, len(X), batch_size):
            y = learner.predict(X[start : start + batch_size])
            parts.append(y if last is None else last.predict(y))
    return np.concatenate(parts)
