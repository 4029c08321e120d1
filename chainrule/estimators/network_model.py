"""NetworkModel: a network of the user's own behind an estimator, trained by `Trainer`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from chainrule.checks import check_choice
from chainrule.errors import ConfigurationError
from chainrule.estimators import options
from chainrule.estimators.model import HeldOut, TrainingResult
from chainrule.estimators.samples import LabeledRows
from chainrule.estimators.targets import MulticlassTargets, RegressionTargets
from chainrule.layers import Graph, Sequential, Sigmoid, Softmax
from chainrule.loss_functions import BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from chainrule.loss_functions.cross_entropy import BinaryLoss
from chainrule.module import Module
from chainrule.network import Network, in_a_row
from chainrule.optimizers import Optimizer
from chainrule.parameter import Array
from chainrule.training import EarlyStopping, Trainer


class NetworkModel:
    """A copy of the user's network, or what the user's function builds.

    Attributes
    ----------
    network : Network
        What is trained.
    activation : Module or None
        What turns its outputs into probabilities, if it returns logits.
    """

    def __init__(self, estimator: Any, x: Array, targets: Any, rng: np.random.Generator) -> None:
        self.network = build_network(estimator.network, x.shape[1:], targets.n_outputs)
        check_outputs(self.network, x, targets)
        self.loss, self.activation = loss_and_activation(self.network, estimator.loss, targets)
        self.targets, self.rng = targets, rng
        self.optimizer: Optimizer | None = None

    def first_network(self) -> tuple[Network, Loss]:
        """Return the network before training, and its loss."""
        return copy.deepcopy(self.network), self.loss

    def score(self, y_true: Array, y_pred: Array, *, sample_weight: Array | None = None) -> float:
        """Return the score of the network's outputs."""
        if self.activation is not None:
            y_pred = self.activation.predict(y_pred)
        return self.targets.score(y_true, y_pred, sample_weight)

    def train(
        self, estimator: Any, rows: LabeledRows, held_out: HeldOut, incremental: bool
    ) -> TrainingResult:
        """Train by the estimator's options, and return what happened.

        Parameters
        ----------
        estimator : NetworkEstimator
            Whose options count.
        rows : LabeledRows
            Prepared rows and encoded targets.
        held_out : HeldOut
            What training is validated on.
        incremental : bool
            Whether this is one more epoch of a longer training: the optimizer keeps its state.
        """
        everything, left_out = rows, None
        if isinstance(held_out, list):  # of the only member
            learned, left_out = held_out[0]
            rows, held_out = everything.take(learned), everything.take(left_out)
        patience = options.patience(estimator)
        stopping = []
        if patience is not None and held_out is not None:
            stopping = [EarlyStopping("val_loss", patience=patience)]
        self.optimizer = self._make_optimizer(estimator, incremental)
        trainer = Trainer(
            self.network,
            self.loss,
            self.optimizer,
            metrics={"score": self.score},
            seed=self.rng,
            post_mortem_file=None,
        )
        history = trainer.fit(
            rows.X,
            rows.y,
            sample_weight=rows.sample_weight,
            epochs=1 if incremental else estimator.epochs,
            batch_size=options.batch_size(estimator, len(everything.y)),
            validation_data=None if held_out is None else held_out[:3],
            callbacks=stopping,
            progress="auto" if estimator.verbose else False,
        )
        return TrainingResult(
            history,
            list(history.epochs["loss"]),
            None if held_out is None else [-loss for loss in history.epochs["val_loss"]],
            history.kept_epoch,
            history.stop_reason == "Ctrl-C",
            None if left_out is None else self._predict_out_of_fold(everything, left_out),
        )

    def _make_optimizer(self, estimator: Any, incremental: bool) -> Optimizer:
        """Return the optimizer; `partial_fit` keeps its state unless it is of another class."""
        make = options.optimizer_factory(estimator.optimizer)
        optimizer = make(estimator.learning_rate, weight_decay=estimator.weight_decay)
        before = self.optimizer
        if incremental and before is not None and type(before) is type(optimizer):
            optimizer.load_state(before.state())
        return optimizer

    def _predict_out_of_fold(self, rows: LabeledRows, left_out: Array) -> Array:
        outputs = self.predictor().predict(rows.X[left_out])
        full = np.full((len(rows.X), *outputs.shape[1:]), np.nan)
        full[left_out] = outputs
        return full

    def predictor(self) -> Network:
        """Return a copy of what was learned, which predicts in float64."""
        body = copy.deepcopy(self.network.body)
        layers = list(body.layers) if isinstance(body, Sequential) else [body]
        if self.activation is not None:
            layers.append(self.activation)
        network = Network(layers, dtype=np.float64)
        network.metadata = dict(self.network.metadata)
        return network


def build_network(given: Any, features: tuple[int, ...], outputs: int) -> Network:
    """Return a copy of the user's network, or what the user's function builds."""
    if isinstance(given, Network):
        return copy.deepcopy(given)
    built = given(features[0] if len(features) == 1 else features, outputs)
    if not isinstance(built, Network):
        raise ConfigurationError(
            f"The function given as network must return a Network, got {built!r:.100}."
        )
    return built


def check_outputs(network: Network, x: Array, targets: Any) -> None:
    """Refuse a network with another number of outputs than there are to learn."""
    found = getattr(network.predict(np.zeros_like(x, shape=(2, *x.shape[1:]))), "shape", None)
    wanted = targets.n_outputs
    single = isinstance(targets, MulticlassTargets) and wanted == 2 and found == (2, 1)
    if found != (2, wanted) and not single:
        told = f"{found[1]} numbers" if found is not None and len(found) == 2 else repr(found)
        raise ConfigurationError(
            f"The network returns {told} for a row, and there are {wanted} "
            f"{'numbers' if isinstance(targets, RegressionTargets) else 'classes or labels'} to "
            "learn."
        )


def loss_and_activation(network: Network, loss: Any, targets: Any) -> tuple[Loss, Module | None]:
    """Return the loss of a network, and what makes probabilities of its outputs, if needed."""
    if isinstance(targets, RegressionTargets):
        return options.make_loss(loss, "linear"), None
    last = last_layer(network)
    if isinstance(loss, Loss):
        from_logits = getattr(loss, "from_logits", False)
        binary = isinstance(loss, BinaryLoss)
    else:
        from_logits = not isinstance(last, Softmax | Sigmoid)
        binary = isinstance(last, Sigmoid) or getattr(last, "out_features", None) == 1
        binary = binary or not isinstance(targets, MulticlassTargets)
        kind = BinaryCrossEntropy if binary else CategoricalCrossEntropy
        check_choice("loss", loss, {"log_loss": kind}, ", or a loss that takes probabilities")
        loss = kind(from_logits=from_logits)
    if not from_logits:
        return loss, None
    return loss, Sigmoid() if binary else Softmax()


def last_layer(module: Module) -> Module:
    """Return the last layer of a chain of modules, or the one that makes a graph's output."""
    last = in_a_row(module)[-1]
    if not isinstance(last, Graph):
        return last
    name = last.outputs if isinstance(last.outputs, str) else last.outputs[0]
    return last_layer(last.nodes[name].module)
