"""What learns behind an estimator: an ensemble built from its options, or a ready network.

Both learn in the type that was asked for. What predicts is a copy in float64: so the prediction
for a row does not depend on the rows beside it, by which a product in float32 is rounded now this
way and now that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from chainrule.errors import ConfigurationError, ShapeError
from chainrule.estimators import options
from chainrule.estimators.targets import Numbers, OneClass
from chainrule.layers import Linear, Module, Sequential, Sigmoid, Softmax
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.module import cast
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.training import Callback, EarlyStopping, Trainer


@dataclass(frozen=True)
class Rows:
    """Prepared rows, what is to come out, and how much each counts."""

    X: Array
    y: Array
    weight: Array | None = None


@dataclass(frozen=True)
class Plan:
    """How long to train, and on how much at a time; without patience, to the last epoch."""

    epochs: int
    batch_size: int
    patience: int | None
    progress: bool | str


@dataclass(frozen=True)
class Outcome:
    """What a training tells: the loss of each epoch, the scores on held-out rows, and the rest."""

    history: Any
    loss_curve: list[float]
    scores: list[float] | None
    kept_epoch: int


class Learner(Protocol):
    """What `NetworkEstimator` asks of it."""

    def train(self, rows: Rows, held_out: Rows | None, plan: Plan, *, go_on: bool) -> Outcome:
        """Train and return what happened; with `go_on` the optimizer keeps its state."""

    def finished(self) -> Any:
        """Return a copy of what has been learned, which predicts in float64."""


def make_learner(
    estimator: Any, features: tuple[int, ...], targets: Any, rng: np.random.Generator
) -> Learner:
    """Return what the estimator's options ask for, for rows of so many features."""
    return NetworkLearner(estimator, features, targets, rng)


# ---------------------------------------------------------------- a ready network


class NetworkLearner:
    """A ready network, trained by `Trainer`.

    Attributes
    ----------
    network : Network
        A copy of the user's, or what the user's function built.
    ending : Module or None
        What turns its outputs into probabilities, where it puts out logits.
    """

    def __init__(
        self, estimator: Any, features: tuple[int, ...], targets: Any, rng: np.random.Generator
    ) -> None:
        self.network = own_network(estimator.network, features, targets.outputs, estimator.dtype)
        self.ending, self.loss = ending_and_loss(self.network, estimator.loss, targets)
        self.score = _ScoreOfOutputs(targets, self.ending)
        self.rng = rng
        self.trainer: Trainer | None = None

    def train(
        self, rows: Rows, held_out: Rows | None, plan: Plan, optimizer: Optimizer, *, go_on: bool
    ) -> Outcome:
        if self.trainer is None or not go_on:
            self.trainer = Trainer(
                self.network,
                self.loss,
                optimizer,
                metrics={"score": self.score},
                seed=self.rng,
                post_mortem_file=None,
            )
        stopping: list[Callback] = []
        if plan.patience is not None and held_out is not None:
            stopping = [EarlyStopping(patience=plan.patience)]
        history = self.trainer.fit(
            rows.X,
            rows.y,
            sample_weight=rows.weight,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation_data=None if held_out is None else (held_out.X, held_out.y, held_out.weight),
            callbacks=stopping,
            progress=plan.progress,
        )
        scores = None if held_out is None else list(history.epochs["val_score"])
        return Outcome(history, list(history.epochs["loss"]), scores, history.kept_epoch)

    def finished(self) -> Network:
        learned = copy.deepcopy(self.network.body)
        body = list(learned.layers) if isinstance(learned, Sequential) else [learned]
        return Network([*body, *([] if self.ending is None else [self.ending])], dtype=np.float64)
