"""Losses: how wrong the predictions are, and the gradient of that at the predictions.

Every loss is the mean over the batch, and its gradient is that of this mean. A subclass of
`Loss` writes two methods, next to each other, about single samples: `losses` and `gradients`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_range
from chainrule.errors import InputError
from chainrule.layers.activations import log_softmax, sigmoid, softmax, tiny
from chainrule.parameter import Array

__all__ = [
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
]


class Loss:
    """The parent of all losses: checks the input, weighs the samples, takes the mean.

    With weights w the mean is Σ w_n loss_n / Σ w_n, so a weight of two is the same as giving the
    sample twice.
    """

    def forward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, a mean over the batch.

        Parameters
        ----------
        y_true : array_like
            What should have come out.
        y_pred : array_like
            What the network put out.
        sample_weight : array_like, shape (N,), optional
            How much each sample counts.
        """
        true, pred = self.rows(y_true, y_pred)
        shares = self.shares(true, sample_weight)
        return float(np.dot(shares, self.losses(true, pred).astype(np.float64)))

    def backward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        """Return the gradient of the loss at `y_pred`, shaped and typed like it."""
        true, pred = self.rows(y_true, y_pred)
        shares = self.shares(true, sample_weight).astype(pred.dtype)
        return (self.gradients(true, pred) * shares[:, np.newaxis]).reshape(np.shape(y_pred))

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        """Return each sample's loss, (N,), for y_true and y_pred of shape (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no losses(y_true, y_pred).")

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        """Return each sample's gradient at its own predictions, (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients(y_true, y_pred).")

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        """Check both arrays and return them as (N, outputs), in the predictions' type."""
        pred = checked_predictions(y_pred)
        true = numbers(y_true)
        same_samples = true.shape[:1] == pred.shape[:1] and true.size == pred.size
        if same_samples and 1 in (true.ndim, pred.ndim):
            true = true.reshape(pred.shape)  # (N,) and (N, 1) are the same thing
        if true.shape != pred.shape:
            raise InputError(
                f"y_true has the shape {true.shape} and y_pred {pred.shape}; they must be equal."
            )
        return one_row_a_sample(true.astype(pred.dtype, copy=False)), one_row_a_sample(pred)

    def shares(self, y_true: Array, sample_weight: ArrayLike | None) -> Array:
        """Return each sample's share of the mean, (N,); they sum to one."""
        count = len(y_true)
        if sample_weight is None:
            return np.full(count, 1.0 / count)
        weight = np.asarray(sample_weight, np.float64).reshape(-1)
        if len(weight) != count:
            raise InputError(f"Got {len(weight)} sample weights for {count} samples.")
        if not np.isfinite(weight).all() or weight.min() < 0 or weight.sum() == 0:
            raise InputError("Sample weights must be finite, not negative, and not all zero.")
        return weight / weight.sum()

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


# ---------------------------------------------------------------- classification


class CategoricalCrossEntropy(Loss):
    """loss_n = -Σ_c y_nc log p_nc, for one class out of several.

    `y_true` holds class indices (N,) or rows of probabilities (N, C), such as one-hot rows;
    `y_pred` holds probabilities (N, C), from a Softmax. Sequences, (N, T) with (N, T, C), count
    each position as a sample.

    Parameters
    ----------
    from_logits : bool
        True where the network ends without Softmax. The loss is then exact for logits of any
        size; on probabilities it is capped where they underflow (at about 87 in float32).
        The gradient is p - y either way.
    """

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        pred = checked_predictions(y_pred)
        if pred.ndim < 2:
            raise InputError(f"y_pred must be (N, classes), got the shape {pred.shape}.")
        true = numbers(y_true)
        if true.shape not in (pred.shape, pred.shape[:-1]):
            raise InputError(
                f"y_true has the shape {true.shape} and y_pred {pred.shape}. Give the class of "
                f"each sample, {pred.shape[:-1]}, or one row a sample, {pred.shape}."
            )
        classes = pred.shape[-1]
        if true.ndim < pred.ndim:
            true = one_hot(true, classes)
        elif true.min() < 0 or np.abs(true.sum(axis=-1) - 1).max() > 1e-3:
            raise InputError(
                "Each row of y_true must be a distribution over the classes: not negative, sum 1."
            )
        if not self.from_logits:
            check_probabilities(pred, "Softmax")
        true = true.astype(pred.dtype, copy=False)
        return true.reshape(-1, classes), pred.reshape(-1, classes)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        if self.from_logits:
            return -(y_true * log_softmax(y_pred)).sum(axis=1)
        return -(y_true * np.log(np.maximum(y_pred, tiny(y_pred)))).sum(axis=1)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        if self.from_logits:
            return softmax(y_pred) * y_true.sum(axis=1, keepdims=True) - y_true
        return -y_true / np.maximum(y_pred, tiny(y_pred))


class BinaryCrossEntropy(Loss):
    """loss_n = mean over outputs of -y log p - (1 - y) log(1 - p), for yes or no.

    `y_true` lies in [0, 1]; `y_pred` holds probabilities, from a Sigmoid, of the same shape
    ((N,) goes with (N, 1)). Several outputs are several independent questions.

    Parameters
    ----------
    from_logits : bool
        True where the network ends without Sigmoid; the loss is then exact for logits of any
        size. It is max(z, 0) - z y + log(1 + exp(-|z|)).
    """

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        true, pred = super().rows(y_true, y_pred)
        if true.min() < 0 or true.max() > 1:
            raise InputError(
                f"y_true must lie in [0, 1], got values from {true.min():g} to {true.max():g}; "
                "name the two classes 0 and 1."
            )
        if not self.from_logits:
            check_probabilities(pred, "Sigmoid")
        return true, pred

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        if self.from_logits:
            z = y_pred
            loss = np.maximum(z, 0) - z * y_true + np.log1p(np.exp(-np.abs(z)))
        else:
            floor = tiny(y_pred)
            yes, no = np.maximum(y_pred, floor), np.maximum(1 - y_pred, floor)
            loss = -y_true * np.log(yes) - (1 - y_true) * np.log(no)
        return loss.mean(axis=1)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        outputs = y_pred.shape[1]
        if self.from_logits:
            return (sigmoid(y_pred) - y_true) / outputs
        floor = tiny(y_pred)
        yes, no = np.maximum(y_pred, floor), np.maximum(1 - y_pred, floor)
        return ((1 - y_true) / no - y_true / yes) / outputs


# ---------------------------------------------------------------- regression


class MeanSquaredError(Loss):
    """loss_n = mean over outputs of (p - y)²."""

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return ((y_pred - y_true) ** 2).mean(axis=1)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return 2 * (y_pred - y_true) / y_pred.shape[1]


class MeanAbsoluteError(Loss):
    """loss_n = mean over outputs of |p - y|; where p = y the gradient is 0."""

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return np.abs(y_pred - y_true).mean(axis=1)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return np.sign(y_pred - y_true) / y_pred.shape[1]


class Huber(Loss):
    """Squared for small errors, absolute for large: outliers pull with a bounded force.

    With e = p - y: e² / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere; the mean over
    outputs. Huber, "Robust Estimation of a Location Parameter", 1964.
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = check_range("delta", delta, inclusive=False)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        size = np.abs(y_pred - y_true)
        inside = np.minimum(size, self.delta)  # the part of the error that counts squared
        return (inside * (size - inside / 2)).mean(axis=1)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return np.clip(y_pred - y_true, -self.delta, self.delta) / y_pred.shape[1]


# ---------------------------------------------------------------- checks at the door


def checked_predictions(y_pred: ArrayLike) -> Array:
    """Return `y_pred` as an array of floats; refuse it if it is empty or not finite."""
    pred = as_array("y_pred", y_pred)
    if pred.dtype.kind in "iub":
        pred = pred.astype(np.float64)
    if pred.dtype.kind != "f":
        raise InputError(f"y_pred must hold real numbers, got {pred.dtype}.")
    if pred.ndim == 0 or pred.size == 0:
        raise InputError(f"y_pred must be a batch of predictions, got the shape {pred.shape}.")
    if not np.isfinite(pred).all():
        raise InputError(
            "y_pred holds NaN or infinity: training has diverged. "
            "A smaller learning rate and standardised inputs are the usual cures."
        )
    return pred


def as_array(name: str, y: ArrayLike) -> Array:
    """Return `y` as an array; refuse rows of different lengths."""
    try:
        return np.asarray(y)
    except ValueError as error:
        raise InputError(f"{name}'s rows differ in length ({error}).") from error


def check_probabilities(y_pred: Array, last_layer: str) -> None:
    """Refuse predictions below 0 or above 1, a little rounding apart."""
    low, high = y_pred.min(), y_pred.max()
    if low < -1e-3 or high > 1 + 1e-3:
        raise InputError(
            f"y_pred must hold probabilities, got values from {low:g} to {high:g}. End the network "
            f"with a {last_layer}, or give the loss from_logits=True."
        )


def numbers(y_true: ArrayLike) -> Array:
    """Return `y_true` as an array; refuse it unless it holds finite numbers."""
    true = as_array("y_true", y_true)
    if true.dtype.kind not in "fiub":
        raise InputError(f"y_true must hold numbers, got {true.dtype}; number the classes from 0.")
    if not np.isfinite(true).all():
        raise InputError("y_true holds NaN or infinity; drop those samples first.")
    return true


def one_row_a_sample(y: Array) -> Array:
    """Return y as (N, outputs)."""
    return y.reshape(len(y), -1)


def one_hot(labels: ArrayLike, classes: int) -> Array:
    """Return rows of zeros with a one at each label: (...,) whole numbers to (..., classes)."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"Class labels are whole numbers from 0 to {classes - 1}, got {labels.dtype}."
        )
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise InputError(
            f"There are {classes} classes, so labels run from 0 to {classes - 1}; "
            f"got labels from {labels.min()} to {labels.max()}."
        )
    rows = np.zeros((labels.size, classes), np.float32)
    rows[np.arange(labels.size), labels.reshape(-1)] = 1
    return rows.reshape(*labels.shape, classes)
