"""What every member is to make small, and what is watched for getting better, each alone.

The mathematics is that of the losses, which take rows: here a row is one sample of one member.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_function, check_instance
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    JointLoss,
    Loss,
    LossPerOutput,
    MeanSquaredError,
)
from chainrule.metrics import accuracy
from chainrule.parameter import Array
from chainrule.training.monitor import better_is

MetricFunction = Callable[[Any, Any], float]


def loss_for(output: str, loss: Loss | None, label_smoothing: float) -> Loss:
    """Return the loss on what goes into the output layer: the usual one, or the one given."""
    if loss is None:
        if output == "softmax":
            return CategoricalCrossEntropy(from_logits=True, label_smoothing=label_smoothing)
        if output == "sigmoid":
            return BinaryCrossEntropy(from_logits=True, label_smoothing=label_smoothing)
        if label_smoothing:
            raise ConfigurationError("label_smoothing is for classes, and output is 'linear'.")
        return MeanSquaredError()
    check_instance(loss, Loss, "loss must be a Loss, such as MeanSquaredError()")
    if isinstance(loss, LossPerOutput | JointLoss):
        raise ConfigurationError(f"An ensemble has one output, and {loss!r} is for several.")
    if label_smoothing:
        raise ConfigurationError("Give label_smoothing to the loss or to fit, not to both.")
    if output != "linear" and not getattr(loss, "from_logits", False):
        raise ConfigurationError(
            f"With output={output!r} the loss is taken before the output layer; give it "
            f"from_logits=True, got {loss!r}."
        )
    if loss.has_target_weights:
        raise ConfigurationError("Give class_weight to fit, not to the loss.")
    return loss


def loss_of_outputs(loss: Loss) -> Loss:
    """Return the same loss, taken behind the output layer."""
    behind = copy.copy(loss)
    if getattr(behind, "from_logits", False):
        behind.from_logits = False  # type: ignore[attr-defined]
    return behind


# ---------------------------------------------------------------- a loss of every member


def losses_and_gradient(
    loss: Loss, y_true: Array, y_pred: Array, weight: Array | None = None
) -> tuple[Array, Array]:
    """Return the mean loss of each member, (K,), and its gradient at y_pred, (N, K, outputs).

    Both arrays are (N, K, outputs), `weight` is (N, K): as in a loss, what is divided by is the
    sum of the weights, here of each member's own samples. Nothing is checked. A member's gradient
    is what it would be alone.
    """
    true, pred = rows_of(y_true), rows_of(y_pred)
    losses, gradients = loss.losses_and_gradients(true, pred)
    share = shares(weight, y_pred.shape)
    gradient = np.empty(y_pred.shape, y_pred.dtype)
    if isinstance(share, float):
        np.multiply(gradients.reshape(y_pred.shape), share, out=gradient)
    else:
        scale = share.astype(y_pred.dtype)[:, :, np.newaxis]
        np.multiply(gradients.reshape(y_pred.shape), scale, out=gradient)
    return mean_of(losses, share, y_pred.shape), gradient


def mean_losses(loss: Loss, y_true: Array, y_pred: Array, weight: Array | None = None) -> Array:
    """Return the mean loss of each member, (K,); `y_true` is (N, outputs), `weight` (N,)."""
    true = np.broadcast_to(y_true[:, np.newaxis], y_pred.shape)
    losses = loss.losses(rows_of(true), rows_of(y_pred))
    share = shares(None if weight is None else weight[:, np.newaxis], y_pred.shape)
    return mean_of(losses, share, y_pred.shape)


def rows_of(x: Array) -> Array:
    """Return (N, K, outputs) as rows (N K, outputs), output by output in memory.

    What is taken along a row, such as the largest of three, NumPy then takes of long columns: 6
    instead of 51 µs for 1,024 rows.
    """
    return np.asfortranarray(x.reshape(-1, x.shape[-1]))


def shares(weight: Array | None, shape: tuple[int, ...]) -> float | Array:
    """Return the share of each sample in its member's mean: one number, or (N, K).

    Where a member's weights are all 0 its share is 0: there is nothing to learn from.
    """
    if weight is None:
        return 1.0 / shape[0]
    total = weight.sum(axis=0)
    return weight / np.where(total == 0, 1.0, total)


def mean_of(losses: Array, share: float | Array, shape: tuple[int, ...]) -> Array:
    """Return Σ share · loss of each member, (K,), added up in float64."""
    of_members = losses.reshape(shape[:2])
    if isinstance(share, float):
        return np.add.reduce(of_members, axis=0, dtype=np.float64) * share
    return (share * of_members).sum(axis=0)


# ---------------------------------------------------------------- what is watched


class Score:
    """How good each member is on the validation part.

    Parameters
    ----------
    metric : str or callable
        ``"loss"``, ``"accuracy"``, ``"rmse"``, or a function (y_true, y_pred) -> float.
    mode : {"min", "max"}, optional
        Which way is better, where a function's name does not tell.
    loss : Loss
        The loss on the network's outputs.
    several_answers : bool
        Whether each output is a question of its own, so that an accuracy is that of all answers.
    """

    def __init__(
        self, metric: str | MetricFunction, mode: str | None, loss: Loss, several_answers: bool
    ) -> None:
        known: dict[str, MetricFunction] = {"accuracy": accuracy, "rmse": root_mean_squared_error}
        if isinstance(metric, str) and metric not in ("loss", *known):
            raise ConfigurationError(
                f"metric must be 'loss', 'accuracy', 'rmse' or a function; got {metric!r}."
            )
        if not isinstance(metric, str):
            check_function(metric, "metric must be a name or a function (y_true, y_pred)")
        self.name = metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")
        self.mode = better_is(self.name, "min" if self.name == "rmse" and mode is None else mode)
        self.loss = loss
        self.function = known.get(self.name) if isinstance(metric, str) else metric
        self.flat = several_answers and metric == "accuracy"

    def __call__(self, y: Array, y_true: Array, y_pred: Array, weight: Array | None) -> Array:
        """Return each member's score, (K,).

        `y` are the targets as they were given, `y_true` as rows (N, outputs); y_pred (N, K,
        outputs) and `weight` (N,).
        """
        if self.function is None:
            return mean_losses(self.loss, y_true, y_pred, weight)
        scores = []
        for k in range(y_pred.shape[1]):
            own = y_pred[:, k]
            if not np.isfinite(own).all():
                scores.append(math.nan)
            elif self.flat:
                scores.append(self.function(y.reshape(-1), own.reshape(-1)))
            else:
                scores.append(self.function(y, own))
        return np.array(scores, np.float64)

    def best(self, scores: Array) -> int:
        """Return the place of the best score; NaN is worse than every number."""
        sign = 1 if self.mode == "min" else -1
        return int(np.argmin(np.where(np.isnan(scores), np.inf, sign * scores)))

    def better(self, one: float, other: float) -> bool:
        """Whether a score is better than another one."""
        return one < other if self.mode == "min" else one > other


def root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the root of the mean of (prediction - truth)²."""
    return math.sqrt(MeanSquaredError().forward(y_true, y_pred))
