"""Loss: what all losses share. Checks at the door, weights, the mean over the batch."""

from __future__ import annotations

import inspect
import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.checks import all_finite, check_array, check_numbers, check_sizes
from chainrule.checks.habits import LOSS_ATTRIBUTES, GivesAdvice
from chainrule.errors import InputError
from chainrule.layers.activations import tiny
from chainrule.parameter import Array

Weights = float | Array

LARGEST_WEIGHT = 1e200
"""What the weights of a batch may sum to: 10¹⁰⁸ such batches still have a sum."""


class Loss(GivesAdvice):
    """The parent of all losses: checks the input, weighs the samples, takes the mean.

    A subclass writes two methods, next to each other, about single rows: `losses` and
    `gradients`. A row is the last axis of the predictions; each place along the other axes is
    one: N rows for (N, C), N · T for sequences (N, T, C). Predictions (N,) are rows of one.

    The loss is the mean over the rows, and the gradient is that of this mean. With weights w it
    is Σ w_n loss_n / Σ w_n, so a weight of two is the same as giving the sample twice.
    """

    attribute_advice = LOSS_ATTRIBUTES
    positional_advice = "takes its options by name: {names}."

    def __init_subclass__(cls) -> None:
        """Let who writes one of `losses` and `gradients` anew be asked for both of them.

        What a parent writes as `losses_and_gradients` is its own two in one.
        """
        super().__init_subclass__()
        if vars(cls).keys() & {"losses", "gradients"} and "losses_and_gradients" not in vars(cls):
            cls.losses_and_gradients = Loss.losses_and_gradients  # type: ignore[method-assign]

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Do what `forward` does: ``loss(y_true, y_pred)``."""
        return self.forward(y_true, y_pred, sample_weight)

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
        sample_weight : array_like, shape (N,) or (N, T), optional
            How much each sample counts, or each place of a sequence: with 0 at the padding,
            that is left out.
        """
        true, pred, weights = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):  # what overflows becomes infinity, as in any formula
            return _mean(self.losses(true, pred), weights)

    def backward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        """Return the gradient of the loss at `y_pred`, shaped and typed like it."""
        true, pred, weights = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):
            return _of_mean(self.gradients(true, pred), weights).reshape(np.shape(y_pred))

    def value_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Return what `forward` and `backward` return, after checking the input only once."""
        true, pred, weights = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):
            losses, gradients = self.losses_and_gradients(true, pred)
            return _mean(losses, weights), _of_mean(gradients, weights).reshape(np.shape(y_pred))

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        """Return each row's loss, (N,), for y_true and y_pred of shape (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no losses(y_true, y_pred).")

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        """Return each row's gradient at its own predictions, (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients(y_true, y_pred).")

    def losses_and_gradients(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Return both; a subclass may write this too, where the two share most of their work."""
        return self.losses(y_true, y_pred), self.gradients(y_true, y_pred)

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        """Check both arrays and return them as (N, outputs), in the predictions' type."""
        true, pred = as_numbers(y_true), as_floats(y_pred)
        check_finite(pred)
        return same_rows(true, pred)

    def target_weights(self, y_true: Array) -> Array | None:
        """Return what each row adds to what the mean is divided by, (N,); None for one each."""
        return None

    @property
    def has_target_weights(self) -> bool:
        """Whether `target_weights` is there to ask, for the losses whose options decide that."""
        return type(self).target_weights is not Loss.target_weights

    def total_weight(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return what the mean is divided by: how much this batch counts among others.

        The mean over several batches is the mean of theirs, each weighed with this.
        """
        shape = np.shape(y_pred)
        if not self.has_target_weights:  # nothing depends on the rows themselves
            if sample_weight is None:
                return float(math.prod(shape[:-1]) if len(shape) > 1 else shape[0])
            return float(weight_of_rows(sample_weight, shape).sum())
        true, pred = self.rows(y_true, y_pred)
        return self._weights(true, pred, shape, sample_weight)[1]

    def _weights(
        self,
        true: Array,
        pred: Array,
        shape: tuple[int, ...],
        sample_weight: ArrayLike | None,
    ) -> tuple[Array | None, float]:
        """Return the weight of each row, (N,), None for one each; and what they sum to."""
        target_weights = self.target_weights(true)
        if sample_weight is None and target_weights is None:
            return None, float(len(pred))
        weight = np.ones(len(pred))
        if sample_weight is not None:
            weight = weight_of_rows(sample_weight, shape)
        return weight, float(weight.sum() if target_weights is None else weight @ target_weights)

    def _validate(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Weights]:
        """Return the rows and the share of each in the mean: (N,), or one number for all."""
        true, pred = self.rows(y_true, y_pred)
        weight, total = self._weights(true, pred, np.shape(y_pred), sample_weight)
        if weight is None:
            return true, pred, 1.0 / total
        if total == 0:
            raise InputError("All weights of this batch are 0; at least one row has to count.")
        return true, pred, weight / total

    def __repr__(self) -> str:
        options = inspect.signature(type(self)).parameters
        shown = ((name, getattr(self, name), option) for name, option in options.items())
        chosen = (f"{name}={value!r}" for name, value, option in shown if value != option.default)
        return f"{type(self).__name__}({', '.join(chosen)})"


def _mean(losses: Array, weights: Weights) -> float:
    """Return Σ share · loss, added up in float64."""
    if isinstance(weights, float):
        return float(np.add.reduce(losses, dtype=np.float64)) * weights
    return float(weights @ losses)


def _of_mean(gradients: Array, weights: Weights) -> Array:
    """Return the mean's gradient: each row's own, times its share."""
    if isinstance(weights, float):
        return gradients * weights
    return gradients * weights[:, np.newaxis].astype(gradients.dtype)


def dot_of_rows(x: Array, z: Array) -> Array:
    """Return Σ_c x_nc z_nc for each row, (N,), for two arrays (N, C).

    vecdot is the fastest where rows lie together in memory (1.4 µs instead of 2.7 for 32 rows of
    3), einsum where only columns do, as in an ensemble (4.5 µs instead of 34 for 1,024 rows of 10).
    """
    return np.einsum("nc,nc->n", x, z) if x.flags.fnc else np.vecdot(x, z)


# ---------------------------------------------------------------- arrays, as they come


def as_numbers(y_true: ArrayLike) -> Array:
    """Return `y_true` as an array; refuse it unless it holds finite numbers."""
    true = check_numbers("y_true", y_true, "number the classes from 0")
    if true.dtype.kind == "f" and not all_finite(true):
        raise InputError("y_true holds NaN or infinity; drop those samples first.")
    return true


def as_floats(y_pred: ArrayLike) -> Array:
    """Return `y_pred` as an array of floats; refuse it if it is empty."""
    pred = check_array("y_pred", y_pred)
    if pred.dtype.kind in "iub":
        pred = pred.astype(np.float64)
    if pred.dtype.kind != "f":
        raise InputError(f"y_pred must hold real numbers, got {pred.dtype}.")
    if pred.ndim == 0 or pred.size == 0:
        raise InputError(f"y_pred must be a batch of predictions, got the shape {pred.shape}.")
    return pred


def check_finite(y_pred: Array) -> None:
    """Refuse predictions that are NaN or infinite."""
    if not all_finite(y_pred):
        raise InputError(
            "y_pred holds NaN or infinity: training has diverged. "
            "A smaller learning rate and standardised inputs are the usual cures."
        )


def refuse_swapped(y_true: Array, y_pred: Array) -> None:
    """Raise InputError where the predictions are one-hot and the truth is not: it is the other way.

    Softmax and Sigmoid never give an exact 0, and who knows classes for sure has no doubts.
    """
    sure = [bool(((y == 0) | (y == 1)).all()) for y in (y_true, y_pred)]
    if sure == [False, True]:
        raise InputError(
            "y_pred holds only zeros and ones, and y_true numbers between: the two seem to be "
            "swapped. The truth comes first: loss.forward(y_true, y_pred)."
        )


def as_probabilities(y_true: Array, y_pred: Array, last_layer: str) -> Array:
    """Return predictions kept from vanishing (see Softmax); refuse all but probabilities.

    A little rounding below 0 or above 1 is let through.
    """
    low, high = y_pred.min(), y_pred.max()
    if low == 0 and high == 1:
        refuse_swapped(y_true, y_pred)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # nor is it where there is a NaN
        check_finite(y_pred)
        raise InputError(
            f"y_pred must hold probabilities, got values from {low:g} to {high:g}. End the network "
            f"with a {last_layer}, or give the loss from_logits=True."
        )
    floor = tiny(y_pred)
    return np.maximum(y_pred, floor) if low < floor else y_pred


# ---------------------------------------------------------------- arrays, as rows


def same_rows(true: Array, pred: Array) -> tuple[Array, Array]:
    """Return both as (N, outputs), in the predictions' type; refuse shapes that differ."""
    one_output = true.shape + (1,) == pred.shape or pred.shape + (1,) == true.shape
    if true.shape != pred.shape and not one_output:  # (N,) and (N, 1) are the same thing
        classes = true.ndim == 1 and pred.ndim == 2 and true.dtype.kind in "iub"
        raise InputError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}; they must be equal."
            + (" Class numbers go with CategoricalCrossEntropy." if classes else "")
        )
    outputs = pred.shape[-1] if pred.ndim > 1 else 1
    true = true.astype(pred.dtype, copy=False)
    return true.reshape(-1, outputs), pred.reshape(-1, outputs)


def class_rows(true: Array, pred: Array) -> tuple[Array, Array]:
    """Return both as (N, classes), in the predictions' type; labels become one-hot rows."""
    if pred.ndim < 2:
        swapped = true.ndim == 2 and pred.shape == true.shape[:1]
        raise InputError(
            f"y_pred must be (N, classes), got the shape {pred.shape}"
            + (", and y_true (N, classes): the truth comes first, " if swapped else ".")
            + ("loss.forward(y_true, y_pred)." if swapped else "")
        )
    classes = pred.shape[-1]
    if classes == 1:
        raise InputError(
            "One output is no choice between classes. For yes or no take BinaryCrossEntropy, with "
            "a Sigmoid in the end (Network([4, 8, 1]) has one); or give the network an output for "
            "each class."
        )
    if true.shape == pred.shape[:-1]:
        true = one_hot(true, classes, pred.dtype)
    elif true.shape != pred.shape:
        column = true.shape == (*pred.shape[:-1], 1)
        raise InputError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}. Give the class of "
            f"each sample, {pred.shape[:-1]}, or one row a sample, {pred.shape}."
            + (" y.reshape(-1) makes the first of a column." if column else "")
        )
    elif true.min() < 0 or np.abs(true.sum(axis=-1) - 1).max() > 1e-3:
        raise InputError(
            "Each row of y_true must be a distribution over the classes: not negative, sum 1."
        )
    true = true.astype(pred.dtype, copy=False)
    return true.reshape(-1, classes), pred.reshape(-1, classes)


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike = np.float32) -> Array:
    """Return rows of zeros with a one at each label: (...,) whole numbers to (..., classes)."""
    labels = check_array("labels", labels)
    (classes,) = check_sizes(classes=classes)
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"Class labels are whole numbers from 0 to {classes - 1}, got {labels.dtype}."
        )
    # As an unsigned number a negative label is huge, so that one comparison does for both ends.
    if labels.size and labels.astype(np.uintp, copy=False).max() >= classes:
        raise InputError(
            f"There are {classes} classes, so labels run from 0 to {classes - 1}; "
            f"got labels from {labels.min()} to {labels.max()}."
        )
    rows = np.zeros((labels.size, classes), dtype)
    rows[np.arange(labels.size), labels.reshape(-1)] = 1
    return rows.reshape(*labels.shape, classes)


def weight_of_rows(sample_weight: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return the weight of each row, (N,) in float64, for predictions of this shape."""
    weight = check_numbers("sample_weight", sample_weight, "give one for each sample")
    places = shape[:-1] if len(shape) > 1 else shape
    if weight.ndim == 0 or weight.shape != places[: weight.ndim]:
        one_each = " or ".join(str(places[:axes]) for axes in range(1, len(places) + 1))
        raise InputError(
            f"Sample weights of the shape {weight.shape} do not fit predictions {shape}; "
            f"give {one_each}."
        )
    weight = weight.astype(np.float64)
    if not np.isfinite(weight).all() or weight.min() < 0:
        raise InputError("Sample weights must be finite and not negative.")
    missing_axes = (1,) * (len(places) - weight.ndim)
    of_rows = np.broadcast_to(weight.reshape(weight.shape + missing_axes), places).reshape(-1)
    refuse_huge_weights(of_rows)
    return of_rows


def refuse_huge_weights(weight: Array) -> None:
    """Raise InputError where the sum of the weights of many batches may overflow."""
    with np.errstate(over="ignore"):
        if not weight.sum() < LARGEST_WEIGHT:
            raise InputError(
                "The sample weights sum to more than a number can hold, over many batches; only "
                "how they compare matters, so divide them by the largest."
            )
