"""Loss: what all losses share. Input validation, sample weights, the mean over the batch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import all_finite
from chainrule.checks.constructor import constructor_call
from chainrule.checks.habits import LOSS_ATTRIBUTES, GivesAdvice
from chainrule.checks.own_code import check_call, described, fits, named, refuse_swapped
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.class_weight import ClassWeight, weight_of_classes
from chainrule.loss_functions.inputs import (
    lowest_for_masked,
    refuse_infinite_loss,
    same_rows,
    weight_of_rows,
)
from chainrule.parameter import Array
from chainrule.pytree import PyTree, tree_leaves, tree_map

Weights = float | Array


class Loss(GivesAdvice):
    """The base class of all losses: checks the input, weights the samples, takes the mean.

    A subclass writes two methods, next to each other, for single rows: `losses` and `gradients`.
    A row is the last axis of the predictions, and each position along the other axes is one row:
    N rows for predictions (N, C), N · T for sequences (N, T, C). Predictions (N,) are rows of one.

    The loss is the mean over the rows, and the gradient is that of this mean. With weights w the
    loss is Σ w_n loss_n / Σ w_n, so a weight of two is the same as giving the sample twice.

    A subclass that needs other rules writes `forward` and `backward` instead, both with the
    arguments ``(self, y_true, y_pred, sample_weight=None)``. `check_loss` shows whether a loss of
    your own is right.

    Examples
    --------
    >>> import numpy as np
    >>> class FourthPower(Loss):
    ...     def losses(self, y_true, y_pred):
    ...         return ((y_pred - y_true) ** 4).sum(axis=1)
    ...
    ...     def gradients(self, y_true, y_pred):
    ...         return 4 * (y_pred - y_true) ** 3
    >>> loss = FourthPower()
    >>> loss([1.0, 2.0], [1.0, 4.0])
    8.0
    >>> loss.backward([1.0, 2.0], [1.0, 4.0])
    array([ 0., 16.])
    """

    attribute_advice = LOSS_ATTRIBUTES
    positional_advice = "takes its options by name: {names}."

    class_weight: ClassWeight | None = None
    """How much each class counts, in the losses that take it; see `CategoricalCrossEntropy`."""

    ignore_index: int | None = None
    """The class number of targets that do not count, in the losses that take it; see there."""

    def __init_subclass__(cls) -> None:
        """Check a subclass's methods; undo what is inherited where they make it wrong.

        That is `losses_and_gradients` where one of the two is overridden, and `value_and_gradient`
        where `forward` or `backward` is.
        """
        super().__init_subclass__()
        own = vars(cls)
        for name in ("losses", "gradients", "losses_and_gradients", "forward", "backward"):
            if inspect.isfunction(own.get(name)):
                weight = ", sample_weight=None" if name in ("forward", "backward") else ""
                write = f"def {name}(self, y_true, y_pred{weight})"
                check_call(own[name], ("self", "y_true", "y_pred"), write)
                refuse_swapped(own[name], write)
        if own.keys() & {"losses", "gradients"} and "losses_and_gradients" not in own:
            cls.losses_and_gradients = Loss.losses_and_gradients  # type: ignore[method-assign]
        both = cls.value_and_gradient is Loss.value_and_gradient
        if both and own.keys() & {"forward", "backward"}:
            cls.value_and_gradient = Loss._forward_and_backward  # type: ignore[method-assign]

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, as `forward` does: ``loss(y_true, y_pred)``."""
        if sample_weight is None:
            return self.forward(y_true, y_pred)
        return self.forward(y_true, y_pred, sample_weight)

    def forward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, a mean over the batch.

        Parameters
        ----------
        y_true : array_like
            The targets.
        y_pred : array_like
            The network's output.
        sample_weight : array_like, shape (N,) or (N, T), optional
            How much each sample counts, or each position of a sequence. Padding with weight 0 is
            left out.

        Raises
        ------
        InputError
            The arrays do not match, hold NaN, or are not what the loss is defined for.
        """
        true, pred, share = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):  # what overflows becomes infinity, as in any formula
            value = self._mean(self.losses(true, pred), share, pred)
            return value if math.isfinite(value) else self._mean_of_wide(true, pred, share)

    def backward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        """Return the gradient of the loss at `y_pred`, with its shape and type.

        The parameters are those of `forward`.
        """
        true, pred, share = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):
            gradient = self._gradient_of_mean(self.gradients(true, pred), share, pred)
        return gradient if pred is y_pred else gradient.reshape(np.shape(y_pred))

    def value_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Return what `forward` and `backward` return, after checking the input only once."""
        true, pred, share = self._validate(y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):
            losses, gradients = self.losses_and_gradients(true, pred)
            value = self._mean(losses, share, pred)
            if not math.isfinite(value):
                value = self._mean_of_wide(true, pred, share)
            gradient = self._gradient_of_mean(gradients, share, pred)
        return value, gradient if pred is y_pred else gradient.reshape(np.shape(y_pred))

    def _forward_and_backward(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Return what a subclass's own forward and backward return: its `value_and_gradient`."""
        value = self.forward(y_true, y_pred, sample_weight)
        gradient = self.backward(y_true, y_pred, sample_weight)
        name = type(self).__name__
        if np.ndim(value) or not isinstance(value, int | float | np.number | np.ndarray):
            raise ConfigurationError(
                f"{name}.forward returned {described(value)}; it must return one number, the mean "
                "over the batch."
            )
        if not isinstance(y_pred, Mapping) and np.shape(gradient) != np.shape(y_pred):
            raise ConfigurationError(
                f"{name}.backward returned {described(gradient)}; it must return the gradient at "
                f"y_pred, an array of its shape {np.shape(y_pred)}."
            )
        return float(value), gradient

    # ------------------------------------------------------------ what a subclass writes

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        """Return the loss of each row, (N,), for y_true and y_pred of shape (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no losses(y_true, y_pred).")

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        """Return the gradient of each row's loss at its own predictions, (N, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients(y_true, y_pred).")

    def losses_and_gradients(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Return both. A subclass may override this too, where the two share most of their work."""
        return self.losses(y_true, y_pred), self.gradients(y_true, y_pred)

    def rows(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        """Check both arrays and return them as (N, outputs), in the predictions' type."""
        if are_rows(y_true, y_pred) and all_finite(y_true) and all_finite(y_pred):
            return y_true, y_pred  # as most calls give them: there is nothing to convert
        return same_rows(y_true, y_pred)

    def named(self, y_true: Array) -> Array:
        """Return how much each output counts as one that is true, (N, outputs).

        Where it counts at all, a logit of -inf makes the loss infinite.
        """
        return y_true

    def takes(self, y_pred: PyTree) -> bool:
        """Whether the loss is defined for these predictions: finite ones, and logits of -inf."""
        masked = getattr(self, "from_logits", False)
        return all(
            all_finite(array) or (masked and all_finite(lowest_for_masked(array)))
            for array in tree_leaves(y_pred)
        )

    # ------------------------------------------------------------ a part of a batch

    means = 1
    """How many means the loss is a sum of: each has a weight of its own to be divided by."""

    def mean_of_part(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[Weights, Weights]:
        """Return how much a part of a batch counts, and its mean loss; a part may count nothing.

        Both are arrays (means,) where the loss is a sum of several means.
        """
        weight = self.total_weight(y_true, y_pred, sample_weight)
        return weight, self.forward(y_true, y_pred, sample_weight) if weight else 0.0

    def mean_and_gradient_of_part(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[Weights, Weights, Any]:
        """Return the same and the gradient at `y_pred`; None if the part counts nothing."""
        weight = self.total_weight(y_true, y_pred, sample_weight)
        if not weight:
            return 0.0, 0.0, None
        return weight, *self.value_and_gradient(y_true, y_pred, sample_weight)

    def share_of_gradient(self, gradient: Any, share: Weights) -> Any:
        """Return what a part's gradient adds to that of the whole batch, of which it is a share."""
        if isinstance(gradient, np.ndarray):
            return gradient * gradient.dtype.type(share)
        return tree_map(lambda array: array * array.dtype.type(share), gradient)

    # ------------------------------------------------------------ weights

    def total_weight(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Return what the mean is divided by: how much this batch counts among others.

        The mean over several batches is the mean of their losses, weighted with this. A loss that
        is a sum of several means returns an array, with the weight of each.
        """
        shape = np.shape(y_pred)
        if self.class_weight is not None or self.ignore_index is not None:
            true, _ = self.rows(y_true, y_pred)
            return self._weights(true, shape, sample_weight)[1]
        if sample_weight is not None:
            return float(weight_of_rows(sample_weight, shape).sum())
        return float(math.prod(shape[:-1]) if len(shape) > 1 else shape[0])

    def _weights(
        self, true: Array, shape: tuple[int, ...], sample_weight: ArrayLike | None
    ) -> tuple[Array, float]:
        """Return the weight of each row, (N,), and what the mean is divided by."""
        weight = np.ones(len(true))
        if sample_weight is not None:
            weight = weight_of_rows(sample_weight, shape)
        if self.ignore_index is not None:
            weight = weight * true.any(axis=1)  # the row of an ignored target is all 0
        if self.class_weight is None:
            return weight, float(weight.sum())
        return weight, float(weight @ (true @ weight_of_classes(self.class_weight, true.shape[1])))

    def _validate(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Weights]:
        """Return the rows and the share of each in the mean: (N,), or one number for all."""
        true, pred = self.rows(y_true, y_pred)
        share: Weights = 1.0 / len(pred)
        if not (sample_weight is None and self.class_weight is None and self.ignore_index is None):
            weight, total = self._weights(true, np.shape(y_pred), sample_weight)
            if total == 0:
                raise InputError("All weights of this batch are 0; at least one row has to count.")
            share = weight / total
        if pred is not y_pred and getattr(self, "from_logits", False):
            refuse_infinite_loss(self.named(true), y_pred, share)
        return true, pred, share

    def _mean(self, losses: Array, share: Weights, pred: Any) -> float:
        """Return Σ share · loss, summed in float64."""
        shape = getattr(losses, "shape", None)
        if isinstance(share, float):
            if shape != pred.shape[:1]:
                self.refuse_losses(losses, len(pred))
            return float(np.add.reduce(losses, dtype=np.float64)) * share
        if shape != share.shape:
            self.refuse_losses(losses, len(share))
        return float(share @ losses)

    def _mean_of_wide(self, true: Any, pred: Any, share: Weights) -> float:
        """Return the loss computed in float64, where the squares of large errors do not overflow.

        What overflows there, too, is infinite, as in any formula.
        """
        true, pred = (tree_map(_in_float64, array) for array in (true, pred))
        return self._mean(self.losses(true, pred), share, pred)

    def _gradient_of_mean(self, gradients: Any, share: Weights, pred: Any) -> Any:
        """Return the gradient of the mean: each row's own, times its share."""
        if getattr(gradients, "shape", None) != pred.shape:
            self.refuse_gradients(gradients, pred.shape)
        if isinstance(share, float):
            return gradients * share
        return gradients * share[:, np.newaxis].astype(gradients.dtype)

    # ------------------------------------------------------------ what a subclass got wrong

    def refuse_losses(self, losses: Any, rows: int) -> NoReturn:
        """Raise ConfigurationError: this is not the loss of each row."""
        advice = ""
        if np.ndim(losses) > 1:
            advice = " Add up the outputs of each row: .sum(axis=1)."
        elif losses is not None and np.ndim(losses) == 0:
            advice = " Loss takes the mean over the rows: leave your own .mean() or .sum() out."
        raise ConfigurationError(
            f"{type(self).__name__}.losses returned {described(losses)} for {rows} rows; it must "
            f"return the loss of each row, an array of shape ({rows},).{advice}"
        )

    def refuse_gradients(self, gradients: Any, shape: tuple[int, ...], of: str = "") -> NoReturn:
        """Raise ConfigurationError: this is not the gradient of each row's loss."""
        raise ConfigurationError(
            f"{type(self).__name__}.gradients returned {described(gradients)}{of}; it must return "
            "the gradient of each row's loss at its own predictions, an array of their shape "
            f"{shape}."
        )

    def check_usable(self) -> None:
        """Raise ConfigurationError where a subclass lacks what training needs.

        `Trainer` and `check_loss` ask before they use a loss.
        """
        kind, name = type(self), type(self).__name__
        rows = [m for m in ("losses", "gradients") if getattr(kind, m) is getattr(Loss, m)]
        of_its_own = {"forward": "losses" not in rows, "backward": "gradients" not in rows}
        for method, written in of_its_own.items():
            if getattr(kind, method) is not getattr(Loss, method):
                if not fits(getattr(self, method), None, None, None):
                    raise ConfigurationError(
                        f"{named(getattr(self, method))} takes no sample_weight, which training "
                        f"gives it. Write def {method}(self, y_true, y_pred, sample_weight=None). "
                        "Or write losses and gradients instead, for single rows: then Loss takes "
                        "the mean, with weights or without."
                    )
            elif not written:
                raise ConfigurationError(
                    f"{name} has no {' and no '.join(rows)}. A loss writes losses(self, y_true, "
                    "y_pred), which returns the loss of each row, (N,), and gradients(self, "
                    "y_true, y_pred), their gradients, (N, outputs); Loss takes the mean."
                )

    def __repr__(self) -> str:
        return constructor_call(self)


def _in_float64(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def dot_of_rows(x: Array, z: Array) -> Array:
    """Return Σ_c x_nc z_nc for each row, (N,), for two arrays (N, C).

    vecdot is the fastest where rows are contiguous (1.4 µs instead of 2.7 for 32 rows of 3), einsum
    where columns are, as in an ensemble (4.5 µs instead of 34 for 1,024 rows of 10).
    """
    return np.einsum("nc,nc->n", x, z) if x.flags.fnc else np.vecdot(x, z)


# ---------------------------------------------------------------- validation of the usual case


def are_rows(y_true: Any, y_pred: Any) -> bool:
    """Whether both are contiguous (N, outputs) of one floating type, as a network returns them."""
    return (
        type(y_true) is type(y_pred) is np.ndarray
        and y_true.dtype == y_pred.dtype
        and y_pred.dtype.char in "fd"
        and y_true.shape == y_pred.shape
        and y_pred.ndim == 2
        and y_pred.size > 0
        and y_true.flags.c_contiguous
        and y_pred.flags.c_contiguous
    )


def within(array: Array, low: float, high: float) -> bool:
    """Whether all numbers are between two bounds; NaN is not.

    argmin takes a third of the time of min for 32 rows of 3 (0.3 instead of 1.0 µs), and finds NaN.
    """
    return bool(low <= array.item(array.argmin()) and array.item(array.argmax()) <= high)
