"""What training tells an estimator, and what predicts after it: an ensemble or a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.ensemble import Ensemble
from chainrule.ensemble.folds import Fold
from chainrule.estimators.samples import LabeledRows
from chainrule.layers import Linear, Sigmoid, Softmax
from chainrule.network import Network, in_a_row
from chainrule.parameter import Array

Predictor = Ensemble | Network
"""What predicts once training has ended."""


HeldOut = LabeledRows | list[Fold] | None
"""What training is validated on: other rows, or for each member a part of its own; or nothing."""


@dataclass(frozen=True)
class TrainingResult:
    """What happened in a training.

    Attributes
    ----------
    history : dict or History
        Everything that was recorded.
    losses : list of float
        The loss of each epoch.
    scores : list of float or None
        The score of each epoch on held-out rows, greater being better.
    kept_epoch : int
        The epoch whose weights were kept.
    interrupted : bool
        Whether Ctrl-C ended it.
    out_of_fold : ndarray, shape (N, outputs), or None
        What was predicted for each row without having learned from it, as the network returns it;
        NaN for rows from which all members have learned.
    """

    history: Any
    losses: list[float]
    scores: list[float] | None
    kept_epoch: int
    interrupted: bool
    out_of_fold: Array | None


# ---------------------------------------------------------------- what predicts


def member_outputs(predictor: Predictor, x: Array) -> Array:
    """Return the outputs of each trained member, (K, N, outputs); K is 1 for a network."""
    if isinstance(predictor, Ensemble):
        return np.moveaxis(predictor.predict_members(x), 1, 0)[trained_members(predictor)]
    return predictor.predict(x)[np.newaxis]


def member_weights(predictor: Predictor) -> Array:
    """Return the weight of each trained member in the prediction, (K,); some may be 0."""
    if isinstance(predictor, Ensemble):
        return predictor.weights[trained_members(predictor)]
    return np.ones(1)


def trained_members(ensemble: Ensemble) -> Array:
    """Return which members have learned something, whether they were chosen to predict or not."""
    validated = ensemble.best_epochs >= 0
    return np.flatnonzero(validated if validated.any() else ensemble.weights)


def has_logits(predictor: Predictor) -> bool:
    """Whether a linear layer comes before a last Softmax or Sigmoid."""
    if isinstance(predictor, Ensemble):
        return True
    before, last = [None, *in_a_row(predictor)][-2:]
    return isinstance(last, Softmax | Sigmoid) and isinstance(before, Linear)


def apply_temperature(predictor: Predictor, temperature: float) -> None:
    """Divide the logits by the temperature.

    The values of the last linear layer are divided, so that a saved network is calibrated, too.
    """
    if isinstance(predictor, Ensemble):
        predictor.apply_temperature(temperature)
        return
    for parameter in in_a_row(predictor)[-2].parameters():
        parameter.value = parameter.value / temperature
