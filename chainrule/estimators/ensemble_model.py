"""EnsembleModel: networks built from an estimator's options; one of them is an ensemble of one.

It learns in the type that was asked for. What predicts is a copy in float64: a product in float32
is rounded differently beside other rows, so that a row's prediction would depend on them.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chainrule.ensemble import Ensemble
from chainrule.estimators import defaults, options
from chainrule.estimators.model import HeldOut, TrainingResult
from chainrule.estimators.samples import LabeledRows
from chainrule.loss_functions import Loss
from chainrule.module import named_generators
from chainrule.network import Network
from chainrule.parameter import Array
from chainrule.training import StopOnInterrupt


class EnsembleModel:
    """An `Ensemble`, whose members' learning rates and weight decays follow the estimator's."""

    def __init__(
        self,
        estimator: Any,
        x: Array,
        targets: Any,
        rng: np.random.Generator,
        count: int,
        categories: tuple[int, ...],
    ) -> None:
        self.loss = options.make_loss(estimator.loss, targets.output)
        self.rates = estimator.learning_rate, estimator.weight_decay
        self.ensemble = Ensemble(
            [x.shape[1], *options.layer_sizes(estimator.hidden_layers), targets.n_outputs],
            defaults.draw_members(estimator, rng),
            activation=options.ACTIVATIONS[estimator.activation],
            batch_norm=options.batch_norm(estimator, count),
            output=targets.output,
            categories=categories,
            embedding_dim=defaults.EMBEDDING_DIM,
            seed=rng,
            dtype=estimator.dtype,
        )
        self.drawn = self.ensemble.members

    def first_network(self) -> tuple[Network, Loss]:
        """Return the first member before training, and its loss."""
        network = self.ensemble.networks()[0]
        if getattr(self.loss, "from_logits", False):  # an ensemble learns without its last layer
            network = Network(network.layers[:-1], dtype=network.dtype)
        # Apart from the others a member draws new dropout masks: the same for the same seed.
        rng = np.random.default_rng(self.ensemble.members[0].seed)
        for generator in named_generators(network).values():
            generator.bit_generator.state = rng.spawn(1)[0].bit_generator.state
        return network, self.loss

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
        arguments: dict[str, Any] = {
            "batch_size": options.batch_size(estimator, len(rows.y)),
            "loss": self.loss,
            "sample_weight": rows.sample_weight,
            "optimizer": options.optimizer_factory(estimator.optimizer),
        }
        self._set_rates(estimator.learning_rate, estimator.weight_decay)
        ensemble, reporter = self.ensemble, Reporter(estimator.verbose, estimator.epochs)
        if incremental:
            epochs = ensemble.partial_fit(rows.X, rows.y, **arguments).history["loss"]
            reporter(len(epochs) - 1, {"loss": epochs[-1]})
        else:
            if held_out is not None:
                folds = isinstance(held_out, list)
                data = {"cv": held_out} if folds else {"validation_data": tuple(held_out)[:3]}
                arguments |= {**data, "patience": options.patience(estimator)}
            arguments |= {"epochs": estimator.epochs, "on_epoch_end": reporter}
            with reporter:
                ensemble.fit(rows.X, rows.y, **arguments)
        history = ensemble.history
        losses = [mean_of_running(row) for row in history["loss"][-1 if incremental else 0 :]]
        scores = [-mean_of_running(row) for row in history["val_loss"]] if held_out else None
        interrupted, out_of_fold = reporter.interrupted, ensemble.out_of_fold
        return TrainingResult(history, losses, scores, len(losses) - 1, interrupted, out_of_fold)

    def _set_rates(self, learning_rate: float, weight_decay: float) -> None:
        """Let the members' rates follow the estimator's, around which they were drawn."""
        faster, decay = learning_rate / self.rates[0], self.rates[1]
        decays = [
            m.weight_decay * (weight_decay / decay) if decay else weight_decay for m in self.drawn
        ]
        self.ensemble.members = tuple(
            dataclasses.replace(m, learning_rate=m.learning_rate * faster, weight_decay=own)
            for m, own in zip(self.drawn, decays, strict=True)
        )

    def predictor(self) -> Ensemble:
        """Return a copy of what was learned, which predicts in float64."""
        return self.ensemble.astype("float64")


class Reporter(StopOnInterrupt):
    """Reports each epoch, as `Trainer` does, and ends training on Ctrl-C.

    Parameters
    ----------
    verbose : bool, or callable
        Whether to write to standard error; or a function (epoch, row) to call instead.
    epochs : int
        How many epochs there will be.
    """

    def __init__(self, verbose: Any, epochs: int) -> None:
        super().__init__()
        self.verbose, self.epochs, self.interrupted = verbose, epochs, False

    def __call__(self, epoch: int, row: Mapping[str, Array]) -> bool:
        if callable(self.verbose):
            self.verbose(epoch, row)
        elif self.verbose:
            numbers = "  ".join(f"{name} {mean_of_running(of):.4f}" for name, of in row.items())
            running = int(np.isfinite(row["loss"]).sum())
            members = "" if len(row["loss"]) == 1 else f"  {running} members"
            print(f"epoch {epoch + 1}/{self.epochs}  {numbers}{members}", file=sys.stderr)
        return self.interrupted

    def stop(self, reason: str) -> None:
        """Let the present epoch be the last."""
        self.interrupted = True

    def __enter__(self) -> None:
        """Let Ctrl-C stop training after the epoch, for the length of a `with` block."""
        self.on_fit_begin(cast(Any, self))  # all that is asked of it is `stop`

    def __exit__(self, *error: object) -> None:
        self.on_fit_end(cast(Any, self))


def mean_of_running(row: Array) -> float:
    """Return the mean over the members that still learn; for the others there is NaN."""
    running = row[~np.isnan(row)]
    return float(running.mean()) if len(running) else math.nan
