"""The training objective: one loss, computed for each member separately.

The mathematics is in `chainrule.loss_functions`, whose losses take rows of predictions: here a row
is one sample of one member.
"""

from __future__ import annotations

import copy

import numpy as np

from chainrule.checks import check_instance
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    JointLoss,
    Loss,
    LossPerOutput,
    MeanSquaredError,
)
from chainrule.parameter import Array


def make_loss(output: str, loss: Loss | None, label_smoothing: float) -> Loss:
    """Return the loss that takes what goes into the output's activation: the usual one, or `loss`.

    `output` is "softmax", "sigmoid" or "linear".
    """
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
        raise ConfigurationError(
            f"An ensemble has one output; {loss!r} is for networks with several."
        )
    loss.check_usable()
    if type(loss).losses is Loss.losses or type(loss).gradients is Loss.gradients:
        raise ConfigurationError(
            f"{type(loss).__name__} needs losses and gradients, for single rows: an ensemble takes "
            "the mean over each member's rows itself."
        )
    if label_smoothing:
        raise ConfigurationError("Give label_smoothing to the loss or to fit, not to both.")
    if output != "linear" and not getattr(loss, "from_logits", False):
        raise ConfigurationError(
            f"With output={output!r} the loss is computed from logits; give it from_logits=True, "
            f"got {loss!r}."
        )
    if loss.class_weight is not None:
        raise ConfigurationError("Give class_weight to fit, not to the loss.")
    return loss


def without_logits(loss: Loss) -> Loss:
    """Return the same loss, computed from what comes out of the output's activation."""
    loss = copy.copy(loss)
    if getattr(loss, "from_logits", False):
        loss.from_logits = False  # type: ignore[attr-defined]
    return loss


def losses_and_gradient(
    loss: Loss, y_true: Array, y_pred: Array, weight: Array | None = None
) -> tuple[Array, Array]:
    """Return each member's mean loss, (K,), and the gradient at y_pred, (N, K, outputs).

    A member's loss and gradient are what they would be if it were alone: Σ w_n loss_n / Σ w_n over
    its own samples. Nothing is checked.

    Parameters
    ----------
    y_true, y_pred : ndarray, shape (N, K, outputs)
        The targets and the outputs of K members.
    weight : ndarray, shape (N, K), optional
        How much each sample counts.
    """
    rows = as_rows(y_pred)
    losses, gradients = loss.losses_and_gradients(as_rows(y_true), rows)
    if getattr(losses, "shape", None) != rows.shape[:1]:
        loss.refuse_losses(losses, len(rows))
    if getattr(gradients, "shape", None) != rows.shape:
        loss.refuse_gradients(gradients, rows.shape)
    share = sample_shares(weight, y_pred.shape)
    scale = share if isinstance(share, float) else share.astype(y_pred.dtype)[:, :, np.newaxis]
    gradient = np.empty(y_pred.shape, y_pred.dtype)
    np.multiply(gradients.reshape(y_pred.shape), scale, out=gradient)
    return mean_losses(losses, share, y_pred.shape), gradient


def losses_of_members(
    loss: Loss, y_true: Array, y_pred: Array, weight: Array | None = None
) -> Array:
    """Return each member's mean loss, (K,), for the same targets (N, outputs) and weights (N,)."""
    y_true = np.broadcast_to(y_true[:, np.newaxis], y_pred.shape)
    losses = loss.losses(as_rows(y_true), as_rows(y_pred))
    share = sample_shares(None if weight is None else weight[:, np.newaxis], y_pred.shape)
    return mean_losses(losses, share, y_pred.shape)


def as_rows(x: Array) -> Array:
    """Return (N, K, outputs) as rows (N K, outputs), column by column in memory.

    NumPy then reduces long columns rather than short rows: the largest of three numbers takes 6
    instead of 51 µs for 1,024 rows.
    """
    return np.asfortranarray(x.reshape(-1, x.shape[-1]))


def sample_shares(weight: Array | None, shape: tuple[int, ...]) -> float | Array:
    """Return the share of each sample in its member's mean: one number, or (N, K).

    If all of a member's weights are 0, its shares are 0: it has nothing to learn from.
    """
    if weight is None:
        return 1.0 / shape[0]
    total = weight.sum(axis=0)
    return weight / np.where(total == 0, 1.0, total)


def mean_losses(losses: Array, share: float | Array, shape: tuple[int, ...]) -> Array:
    """Return Σ_n share_n loss_n of each member, (K,), summed in float64."""
    losses = losses.reshape(shape[:2])
    if isinstance(share, float):
        return np.add.reduce(losses, axis=0, dtype=np.float64) * share
    return (share * losses).sum(axis=0)
