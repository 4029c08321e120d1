"""What learns behind an estimator: an ensemble built from its options, or a ready network.

Both learn in the type that was asked for. What predicts is a copy in float64: so the prediction
for a row does not depend on the rows beside it, by which a product in float32 is rounded now this
way and now that.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from chainrule.checks import check_choice
from chainrule.ensemble import Ensemble
from chainrule.ensemble.folds import Fold
from chainrule.errors import ConfigurationError
from chainrule.estimators import defaults, options
from chainrule.estimators.targets import Numbers, OneClass
from chainrule.layers import Graph, Linear, Sequential, Sigmoid, Softmax
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.loss_functions.cross_entropy import BinaryLoss
from chainrule.module import Module, named_generators
from chainrule.network import Network, in_a_row
from chainrule.parameter import Array
from chainrule.training import Callback, EarlyStopping, StopOnInterrupt, Trainer


@dataclass(frozen=True)
class Rows:
    """Prepared rows, what is to come out, and how much each counts."""

    X: Array
    y: Array
    weight: Array | None = None

    def at(self, rows: Array) -> Rows:
        """Return some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.X[rows], self.y[rows], weight)


@dataclass(frozen=True)
class Plan:
    """How to train. Without patience it goes to the last epoch."""

    epochs: int
    batch_size: int
    patience: int | None
    optimizer: options.MakeOptimizer
    learning_rate: float
    weight_decay: float
    verbose: bool
    on_epoch_end: Callable[[int, Mapping[str, Array]], Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a training tells.

    Attributes
    ----------
    loss_curve : list of float
        The loss of each epoch.
    scores : list of float or None
        That on rows that were held out, greater being better.
    out_of_fold : ndarray, shape (N, outputs), or None
        Where parts of the rows were held out: what is predicted for each row without having
        learned from it, as the network puts it out; NaN for rows that all have learned from.
    """

    history: Any
    loss_curve: list[float]
    scores: list[float] | None
    kept_epoch: int
    interrupted: bool
    out_of_fold: Array | None


class Learner(Protocol):
    """What `NetworkEstimator` asks of it."""

    def first_network(self) -> tuple[Network, Loss]:
        """Return a single network as it is before it learns, and its loss."""

    def train(
        self, rows: Rows, held_out: Rows | list[Fold] | None, plan: Plan, *, go_on: bool
    ) -> Outcome:
        """Train and return what happened; with `go_on` the optimizer keeps its state.

        What training is measured on is other rows, or for each member a part of these, or nothing.
        """

    def finished(self) -> Ensemble | Network:
        """Return a copy of what has been learned, which predicts in float64."""


def make_learner(
    estimator: Any,
    features: tuple[int, ...],
    targets: Any,
    rng: np.random.Generator,
    *,
    batch_norm: bool,
    categories: tuple[int, ...],
) -> Learner:
    """Return what the estimator's options ask for, for rows of so many features.

    The last of them hold codes of `categories`, of which a ready network has to know itself.
    """
    if estimator.network is not None:
        return NetworkLearner(estimator, features, targets, rng)
    return EnsembleLearner(estimator, features, targets, rng, batch_norm, categories)


# ---------------------------------------------------------------- an ensemble


class EnsembleLearner:
    """Networks built from the estimator's options; one of them is an ensemble of one."""

    def __init__(
        self,
        estimator: Any,
        features: tuple[int, ...],
        targets: Any,
        rng: np.random.Generator,
        batch_norm: bool,
        categories: tuple[int, ...],
    ) -> None:
        if isinstance(targets, Numbers):
            output, self.loss = "linear", options.regression_loss(estimator.loss)
        else:
            output = "softmax" if isinstance(targets, OneClass) else "sigmoid"
            self.loss = options.class_loss(estimator.loss, output)
        self.metric = "loss" if defaults.METRIC == "loss" else targets.score
        self.rates = estimator.learning_rate, estimator.weight_decay
        members = defaults.members(estimator, rng)
        self.ensemble = Ensemble(
            [*features, *options.sizes_of(estimator.hidden_layers), targets.outputs],
            members,
            activation=options.ACTIVATIONS[estimator.activation],
            batch_norm=batch_norm,
            output=output,
            categories=categories,
            embedding_dim=defaults.EMBEDDING_DIM,
            seed=rng,
            dtype=estimator.dtype,
        )

    def first_network(self) -> tuple[Network, Loss]:
        network = self.ensemble.networks()[0]
        if getattr(self.loss, "from_logits", False):  # an ensemble learns without its last layer
            network = Network(network.layers[:-1], dtype=network.dtype)
        # Apart from the others a member has new dropout masks; the same seed is to give the same.
        rng = np.random.default_rng(self.ensemble.members[0].seed)
        for generator in named_generators(network).values():
            generator.bit_generator.state = rng.spawn(1)[0].bit_generator.state
        return network, self.loss

    def train(
        self, rows: Rows, held_out: Rows | list[Fold] | None, plan: Plan, *, go_on: bool
    ) -> Outcome:
        arguments: dict[str, Any] = {
            "batch_size": plan.batch_size,
            "loss": self.loss,
            "sample_weight": rows.weight,
            "optimizer": plan.optimizer,
        }
        epoch_end = EpochEnd(plan)
        self._follow(plan.learning_rate, plan.weight_decay)
        if go_on:
            self.ensemble.partial_fit(rows.X, rows.y, **arguments)
        else:
            with epoch_end.stopping_on_interrupt():
                self.ensemble.fit(
                    rows.X,
                    rows.y,
                    epochs=plan.epochs,
                    validation_data=as_tuple(held_out) if isinstance(held_out, Rows) else None,
                    cv=held_out if isinstance(held_out, list) else None,
                    metric=self.metric,
                    mode="min" if self.metric == "loss" else "max",
                    patience=None if held_out is None else plan.patience,
                    on_epoch_end=epoch_end,
                    **arguments,
                )
        history = self.ensemble.history
        losses = [mean_of_running(row) for row in history["loss"][-1 if go_on else 0 :]]
        watched = [column for name, column in history.items() if name.startswith("val_")]
        sign = -1 if self.metric == "loss" else 1
        scores = [sign * mean_of_running(row) for row in watched[0]] if watched else None
        return Outcome(
            *(history, losses, scores, len(losses) - 1, epoch_end.interrupted),
            self.ensemble.out_of_fold,
        )

    def _follow(self, learning_rate: float, weight_decay: float) -> None:
        """Let the members' own rates follow the estimator's, where they were changed meanwhile."""
        faster = learning_rate / self.rates[0]
        before = self.rates[1]
        self.rates = learning_rate, weight_decay
        self.ensemble.members = tuple(
            dataclasses.replace(
                member,
                learning_rate=member.learning_rate * faster,
                weight_decay=member.weight_decay * (weight_decay / before)
                if before
                else weight_decay,
            )
            for member in self.ensemble.members
        )

    def finished(self) -> Ensemble:
        return self.ensemble.astype("float64")


class EpochEnd:
    """Tells of each epoch on standard error, as `Trainer` does, and ends training on Ctrl-C."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.interrupted = False

    def __call__(self, epoch: int, row: Mapping[str, Array]) -> bool:
        if self.plan.on_epoch_end is not None:
            self.plan.on_epoch_end(epoch, row)
        elif self.plan.verbose:
            numbers = "  ".join(f"{name} {mean_of_running(of):.4f}" for name, of in row.items())
            running = int(np.isfinite(row["loss"]).sum())
            members = "" if len(row["loss"]) == 1 else f"  {running} members"
            print(f"epoch {epoch + 1}/{self.plan.epochs}  {numbers}{members}", file=sys.stderr)
        return self.interrupted

    def stop(self, reason: str) -> None:
        """Let the present epoch be the last."""
        self.interrupted = True

    @contextlib.contextmanager
    def stopping_on_interrupt(self) -> Iterator[None]:
        """Let Ctrl-C stop training after the epoch, for the length of a `with` block."""
        handler = StopOnInterrupt()
        run: Any = self  # all that is asked of it is `stop`
        handler.on_fit_begin(run)
        try:
            yield
        finally:
            handler.on_fit_end(run)


def mean_of_running(row: Array) -> float:
    """Return the mean over the members that still learn; those that do not are NaN."""
    running = row[~np.isnan(row)]
    return float(running.mean()) if len(running) else math.nan


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
        self.network = own_network(estimator.network, features, targets.outputs)
        check_outputs(self.network, features, targets)
        self.loss, self.ending = loss_and_ending(self.network, estimator.loss, targets)
        self.targets = targets
        self.rng = rng
        self.trainer: Trainer | None = None

    def first_network(self) -> tuple[Network, Loss]:
        return copy.deepcopy(self.network), self.loss

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Return the score of the network's outputs: of probabilities, where it gives logits."""
        return self.targets.score(
            y_true, y_pred if self.ending is None else self.ending.predict(y_pred)
        )

    def train(
        self, rows: Rows, held_out: Rows | list[Fold] | None, plan: Plan, *, go_on: bool
    ) -> Outcome:
        everything, unseen = rows, None
        if isinstance(held_out, list):  # there is one network, so one fold
            learning, unseen = held_out[0]
            rows, held_out = everything.at(learning), everything.at(unseen)
        if self.trainer is None or not go_on:
            self.trainer = Trainer(
                self.network,
                self.loss,
                plan.optimizer(plan.learning_rate, weight_decay=plan.weight_decay),
                metrics={"score": self.score},
                seed=self.rng,
                post_mortem_file=None,
            )
        by_loss = defaults.METRIC == "loss"
        watched = "val_loss" if by_loss else "val_score"
        stopping: list[Callback] = []
        if plan.patience is not None and held_out is not None:
            stopping = [
                EarlyStopping(watched, patience=plan.patience, mode="min" if by_loss else "max")
            ]
        history = self.trainer.fit(
            rows.X,
            rows.y,
            sample_weight=rows.weight,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation_data=None if held_out is None else as_tuple(held_out),
            callbacks=stopping,
            progress="auto" if plan.verbose else False,
        )
        sign = -1 if by_loss else 1
        scores = None if held_out is None else [sign * v for v in history.epochs[watched]]
        interrupted = history.stop_reason == "Ctrl-C"
        losses = list(history.epochs["loss"])
        out_of_fold = None if unseen is None else self._out_of_fold(everything, unseen)
        return Outcome(history, losses, scores, history.kept_epoch, interrupted, out_of_fold)

    def _out_of_fold(self, rows: Rows, unseen: Array) -> Array:
        outputs = self.finished().predict(rows.X[unseen])
        full = np.full((len(rows.X), *outputs.shape[1:]), np.nan)
        full[unseen] = outputs
        return full

    def finished(self) -> Network:
        body = copy.deepcopy(self.network.body)
        layers = list(body.layers) if isinstance(body, Sequential) else [body]
        if self.ending is not None:
            layers.append(self.ending)
        network = Network(layers, dtype=np.float64)
        network.metadata = dict(self.network.metadata)
        return network


def own_network(given: Any, features: tuple[int, ...], outputs: int) -> Network:
    """Return a network of one's own: a copy of the one given, or what the function builds."""
    if isinstance(given, Network):
        return copy.deepcopy(given)
    built = given(features[0] if len(features) == 1 else features, outputs)
    if not isinstance(built, Network):
        raise ConfigurationError(
            f"The function given as network must return a Network, got {built!r:.100}."
        )
    return built


def check_outputs(network: Network, features: tuple[int, ...], targets: Any) -> None:
    """Refuse a network that puts out something else than there is to learn."""
    found = getattr(network.predict(np.zeros((2, *features))), "shape", None)
    wanted = targets.outputs
    answers = isinstance(targets, OneClass) and wanted == 2 and found == (2, 1)
    if found != (2, wanted) and not answers:
        told = f"{found[1]} numbers" if found is not None and len(found) == 2 else repr(found)
        raise ConfigurationError(
            f"The network puts out {told} for a row, and there are {wanted} "
            f"{'numbers' if isinstance(targets, Numbers) else 'classes or labels'} to learn."
        )


def loss_and_ending(network: Network, loss: Any, targets: Any) -> tuple[Loss, Module | None]:
    """Return what to train by, and what makes probabilities of the network's outputs, if needed."""
    if isinstance(targets, Numbers):
        return options.regression_loss(loss), None
    last = last_layer(network)
    if isinstance(loss, Loss):
        ends = not getattr(loss, "from_logits", False)
        yes_or_no = isinstance(loss, BinaryLoss)
    else:
        ends = isinstance(last, Softmax | Sigmoid)
        yes_or_no = isinstance(last, Sigmoid) or getattr(last, "out_features", None) == 1
        yes_or_no = yes_or_no or not isinstance(targets, OneClass)
        kind = BinaryCrossEntropy if yes_or_no else CategoricalCrossEntropy
        check_choice("loss", loss, {"log_loss": kind}, ", or a loss on probabilities")
        loss = kind(from_logits=not ends)
    ending = None if ends else Sigmoid() if yes_or_no else Softmax()
    return loss, ending


def last_layer(module: Module) -> Module:
    """Return the module that puts out what a chain of modules, or a graph, does."""
    last = in_a_row(module)[-1]
    if not isinstance(last, Graph):
        return last
    name = last.outputs if isinstance(last.outputs, str) else last.outputs[0]
    return last_layer(last.nodes[name].module)


# ---------------------------------------------------------------- both


def as_tuple(rows: Rows) -> tuple[Array, ...]:
    """Return rows the way `validation_data` takes them."""
    return (rows.X, rows.y) if rows.weight is None else (rows.X, rows.y, rows.weight)


def member_outputs(model: Ensemble | Network, x: Array) -> Array:
    """Return what each usable member puts out, (K, N, outputs); of a network, what it does."""
    if isinstance(model, Ensemble):
        return np.moveaxis(model.predict_members(x), 1, 0)[usable(model)]
    return model.predict(x)[np.newaxis]


def member_weights(model: Ensemble | Network) -> Array:
    """Return how much each of these members counts, (K,), summing to 1; some may not at all."""
    return model.weights[usable(model)] if isinstance(model, Ensemble) else np.ones(1)


def usable(ensemble: Ensemble) -> Array:
    """Return which members have learned something, whether they were chosen to predict or not."""
    measured = ensemble.best_epochs >= 0
    return np.flatnonzero(measured if measured.any() else ensemble.weights)


def cool(model: Ensemble | Network, temperature: float) -> None:
    """Divide what goes into the last Softmax or Sigmoid by the temperature.

    It is the values of the linear layer before it that are divided, so that the saved network is
    calibrated as it stands.
    """
    if isinstance(model, Ensemble):
        model.apply_temperature(temperature)
        return
    for parameter in in_a_row(model)[-2].parameters():
        parameter.value = parameter.value / temperature


def can_cool(model: Ensemble | Network) -> bool:
    """Whether there is a linear layer before a last Softmax or Sigmoid."""
    if isinstance(model, Ensemble):
        return True
    chain = in_a_row(model)
    return (
        len(chain) > 1
        and isinstance(chain[-1], Softmax | Sigmoid)
        and isinstance(chain[-2], Linear)
    )
