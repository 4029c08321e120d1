"""The loop that trains all members at once.

A member is in the stack while it learns. One that has stopped, because it no longer improves or
because it met NaN, is taken out and costs nothing any more. The stack is rebuilt for that, which
takes as long as several steps of small networks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import all_finite, check_function, check_range, check_whole
from chainrule.data.samples import Samples, batch_bounds
from chainrule.ensemble.folds import Fold, as_columns
from chainrule.ensemble.members import Member
from chainrule.ensemble.objective import losses_and_gradient
from chainrule.ensemble.optimizer import MemberOptimizer, OptimizerFactory
from chainrule.ensemble.scorer import Scorer
from chainrule.ensemble.stack import Stack, named_tensors
from chainrule.errors import ConfigurationError
from chainrule.layers import Module
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import AdamW, Optimizer
from chainrule.parameter import Array
from chainrule.training.monitor import Monitor

ROWS_AT_ONCE = 256
"""Rows that are predicted at a time, so that memory stays bounded."""

EpochEnd = Callable[[int, Mapping[str, Array]], Any]


@dataclass
class FitOptions:
    """The options of `Ensemble.fit` that the loop needs, checked; one epoch by default."""

    loss: Loss
    scorer: Scorer
    optimizer: OptimizerFactory = AdamW
    schedule: Callable[[int], float] | None = None
    epochs: int = 1
    batch_size: int = 32
    patience: int | None = None
    min_delta: float = 0.0
    selection_rounds: int = 0
    on_epoch_end: EpochEnd | None = None

    def __post_init__(self) -> None:
        if isinstance(self.optimizer, Optimizer) or not callable(self.optimizer):
            raise ConfigurationError(
                "optimizer must be the class of an optimizer, such as AdamW, or a function that "
                "makes one, since each member has a learning rate and a weight decay of its own. "
                f"Got {self.optimizer!r}."
            )
        if self.schedule is not None:
            check_function(
                self.schedule, "schedule must be a function, such as CosineDecay(1.0, steps)"
            )
        check_whole("epochs", self.epochs)
        check_whole("batch_size", self.batch_size)
        if self.patience is not None:
            check_whole("patience", self.patience)
        check_range("min_delta", self.min_delta)
        check_whole("selection_rounds", self.selection_rounds, least=0)


def take_step(
    stack: Network,
    loss: Loss,
    optimizer: MemberOptimizer,
    x: Array,
    y_true: Array,
    weight: Array | None = None,
) -> Array:
    """Move every member once, by the gradient of its own batch; return the losses, (K,).

    A member whose numbers are no longer finite does not affect the others.

    Parameters
    ----------
    stack : Network
        The members, without the activation of their output.
    x : ndarray, shape (N, K, features)
        A batch of N samples for each of the K members.
    y_true : ndarray, shape (N, K, outputs)
        Their targets.
    weight : ndarray, shape (N, K), optional
        How much each of them counts.
    """
    with np.errstate(all="ignore"):
        losses, gradient = losses_and_gradient(loss, y_true, stack.forward(x), weight)
        stack.backward_parameters(gradient)
        optimizer.step(stack)
    return losses


class EnsembleTrainer:
    """Trains all members, and holds the state of this training.

    Parameters
    ----------
    whole : Stack
        All members. After `run` it has the best values of each.
    orders : sequence of Generator
        What draws the order of each member's samples.
    options : FitOptions
        How to train.

    Attributes
    ----------
    stack : Stack
        The members that still learn, without the activation of their output.
    running : list of int
        Their numbers, in their order there.
    diverged : dict of int to int
        Members that met NaN or infinity, and the epoch in which they did.
    history : dict of str to list of ndarray
        The losses and scores of each epoch, (K,), NaN for a member that no longer learned.
    """

    def __init__(
        self, whole: Stack, orders: Sequence[np.random.Generator], options: FitOptions
    ) -> None:
        self.whole, self.orders, self.options = whole, orders, options
        self.running = list(range(len(orders)))
        self.diverged: dict[int, int] = {}
        scorer = options.scorer
        self.monitors = [
            Monitor(scorer.name, mode=scorer.mode, min_delta=options.min_delta) for _ in orders
        ]
        self.history: dict[str, list[Array]] = {"loss": []}
        self.best = whole.network.state()
        self._use_stack(whole.select(self.running))
        self.optimizer = self._make_optimizer()

    def change_options(self, options: FitOptions, members: Sequence[Member]) -> None:
        """Go on with other options, and with other learning rates and weight decays.

        The optimizer keeps its state if it is still of the same class; another one starts afresh.
        """
        self.options, before = options, self.optimizer
        self.stack.members = [members[k] for k in self.running]
        self.optimizer = self._make_optimizer()
        if type(self.optimizer.optimizer) is type(before.optimizer):
            self.optimizer.load_state(before.optimizer.state())

    # ------------------------------------------------------------ the loop

    def run(
        self,
        samples: Samples,
        validation: Samples | None = None,
        folds: Sequence[Fold] | None = None,
    ) -> None:
        """Train until all epochs are done, or until no member learns any more.

        Each member is validated on `validation`, or on the part of `samples` that its fold leaves
        out. The `y` of both is a pair: the targets as they were given, and as rows for the loss.
        """
        everything = np.arange(len(samples))
        rows = [everything] * len(self.orders) if folds is None else [train for train, _ in folds]
        validated = validation is not None or folds is not None
        try:
            for epoch in range(self.options.epochs):
                row = {"loss": self._epoch(samples, rows, epoch)}
                if self.running:
                    self._drop_diverged(self._finite_members(), epoch)
                if validated:
                    scores = self._scores(samples, validation, folds)
                    row["val_" + self.options.scorer.name] = scores
                    self._judge(scores, epoch)
                for name, values in row.items():
                    self.history.setdefault(name, []).append(values)
                hook = self.options.on_epoch_end
                if (hook is not None and hook(epoch, row)) or not self.running:
                    break
        finally:  # after Ctrl-C, too, the network has the best values so far
            if not validated and self.running:
                finite = zip(self.running, self._finite_members(), strict=True)
                self._save_best([k for k, is_finite in finite if is_finite])
            self.whole.network.load_state(self.best)

    def _epoch(self, samples: Samples, rows_of: Sequence[Array], epoch: int) -> Array:
        """Go once through each member's rows, in its own order; return the mean losses, (K,).

        If one member has fewer rows than another, all take as many as that one has.
        """
        count = min(len(rows_of[k]) for k in self.running)
        orders = [self.orders[k].permutation(rows_of[k])[:count] for k in self.running]
        order = np.stack(orders, axis=1)
        targets = np.ascontiguousarray(samples.y[1].T)  # (outputs, N), as `as_rows` wants them
        total, seen = np.full(len(self.orders), np.nan), np.zeros(len(self.orders))
        total[self.running] = 0
        bounds = batch_bounds(count, self.options.batch_size).tolist()
        for start, stop in itertools.pairwise(bounds):
            rows = order[start:stop]  # (batch, members)
            weight = None if samples.weight is None else samples.weight.take(rows)
            losses = take_step(
                self.stack.network,
                self.options.loss,
                self.optimizer,
                samples.X.take(rows, axis=0),
                targets.take(rows, axis=1).transpose(1, 2, 0),
                weight,
            )
            counts = stop - start if weight is None else weight.sum(axis=0)
            total[self.running] += losses * counts
            seen[self.running] += counts
            if not all_finite(losses):
                order = order[:, self._drop_diverged(np.isfinite(losses), epoch)]
                if not self.running:
                    break
        return total / seen

    def _scores(
        self, samples: Samples, validation: Samples | None, folds: Sequence[Fold] | None
    ) -> Array:
        """Return each member's score on its validation samples, (K,); NaN outside the stack."""
        scores = np.full(len(self.orders), np.nan)
        if not self.running:
            return scores
        score, network = self.options.scorer, self.stack.network
        output = self.stack.architecture.output_layers()
        if validation is not None:
            outputs = predict_in_batches(network, validation.X, output)
            given = validation.weight, validation.class_weight
            scores[self.running] = score(validation.y, outputs, *given)
        elif folds is not None:
            left_out = [folds[k][1] for k in self.running]
            x = samples.X.take(as_columns(left_out), axis=0)  # (n, members, features)
            outputs = predict_in_batches(network, x, output)
            for place, (k, rows) in enumerate(zip(self.running, left_out, strict=True)):
                _, y, weight = samples.take(rows)
                own = outputs[: len(rows), [place]]
                scores[k] = score(y, own, weight, samples.class_weight)[0]
        return scores

    def _judge(self, scores: Array, epoch: int) -> None:
        """Save the members that improved, and stop those that are out of patience."""
        self._drop_diverged(np.isfinite(scores[self.running]), epoch)
        monitors, patience = self.monitors, self.options.patience
        self._save_best([k for k in self.running if monitors[k].update(float(scores[k]), epoch)])
        if patience is not None:
            self._keep(np.array([monitors[k].waited < patience for k in self.running], bool))

    # ------------------------------------------------------------ members that stop

    def _save_best(self, members: Sequence[int]) -> None:
        """Save the present values of these members as their best."""
        places = [self.running.index(k) for k in members]
        for name, tensor in self.tensors.items():
            self.best[name][members] = tensor.value[places]

    def _finite_members(self) -> Array:
        """Return whether all values of each member in the stack are finite."""
        values = [tensor.value for tensor in self.tensors.values()]
        each = [np.isfinite(value).reshape(len(value), -1).all(axis=1) for value in values]
        return np.logical_and.reduce(each)

    def _drop_diverged(self, finite: Array, epoch: int) -> Array:
        """Take out the members that are not finite; return the old places of the others."""
        diverged = (k for k, is_finite in zip(self.running, finite, strict=True) if not is_finite)
        self.diverged |= dict.fromkeys(diverged, epoch)
        return self._keep(finite)

    def _keep(self, kept: Array) -> Array:
        """Rebuild the stack with these members only; return their places in the old one."""
        places = np.flatnonzero(kept)
        if len(places) < len(self.running):
            self.running = [self.running[place] for place in places]
            if self.running:
                network, optimizer = self.stack.network, self.optimizer
                self._use_stack(self.stack.select(places.tolist()))
                self.optimizer = self._make_optimizer()
                self.optimizer.load_state(optimizer.state_of(network, places))
        return places

    def _use_stack(self, stack: Stack) -> None:
        """Train this stack from now on."""
        self.stack = stack
        self.tensors = named_tensors(stack.network)  # found once: a search takes as long as a step

    def _make_optimizer(self) -> MemberOptimizer:
        """Return an optimizer with the learning rate and weight decay of each running member."""
        return MemberOptimizer(self.options.optimizer, self.stack.members, self.options.schedule)


def predict_in_batches(network: Network, X: Array, output: Sequence[Module] = ()) -> Array:
    """Return a stack's predictions (N, K, outputs) for X (N, features) or (N, K, features).

    `output` is applied to what the stack returns: a stack that learns ends before these layers.
    """
    parts = []
    with np.errstate(all="ignore"):
        for start in range(0, len(X), ROWS_AT_ONCE):
            y = network.predict(X[start : start + ROWS_AT_ONCE])
            for layer in output:
                y = layer.predict(y)
            parts.append(y)
    return np.concatenate(parts)
