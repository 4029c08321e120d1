"""Layers that normalise numbers to mean 0 and variance 1; they differ in which numbers.

    BatchNorm      all values of a channel, over the whole batch
    LayerNorm      all features of one position
    GroupNorm      a group of channels of one sample
    InstanceNorm   one channel of one sample
    RMSNorm        as LayerNorm, but only the scale is normalised, not the mean

The gradient, once for all of them. Let μ and σ² be the mean and variance of n numbers (with ε added
to σ²), x̂ = (x - μ) / σ, and g the gradient of the loss with respect to x̂. A change of x_i changes
x̂_i itself by 1 / σ. It changes μ by 1 / n, and so every x̂_j by -1 / (n σ). And it changes σ by
x̂_i / n, and so every x̂_j by -x̂_j x̂_i / (n σ). Altogether

    dx_i = (g_i - mean(g) - x̂_i mean(g x̂)) / σ

which removes from g the directions in which x̂ cannot change: a shift and a stretch. RMSNorm has
no μ, and so no mean(g).

Inside, x is viewed as (N, K, L), with statistics for each of the K over N and L; einsum sums
products without building an array of them. If workers share a batch, and BatchNorm's statistics
are to be those of the whole batch, `part.sum` adds up what all of them have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.checks import (
    all_finite,
    check_bool,
    check_epsilon,
    check_sizes,
    check_whole_numbers,
    is_whole,
)
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.initializers import Constant
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.layers.running_statistics import RunningStatistics, standardize_by
from chainrule.layers.shape_checks import check_channels, check_shape
from chainrule.layers.sums import MANY, VERY_MANY, power_of_two, sum_of_channels, sum_of_rows
from chainrule.module import Module
from chainrule.parameter import Array, Parameter, filled, refuse_huge_shape

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]

# ---------------------------------------------------------------- the mathematics, x (N, K, L)


def total(x: Array) -> Array:
    """Σ x over N and L: (N, K, L) -> (K, 1)."""
    if len(x) < MANY and x.shape[2] < VERY_MANY:
        return np.einsum("nkl->k", x)[:, np.newaxis]
    return sum_of_channels(x)[:, np.newaxis]


def total_product(x: Array, z: Array) -> Array:
    """Σ x z over N and L: twice (N, K, L) -> (K, 1)."""
    if len(x) < MANY and x.shape[2] < VERY_MANY:
        return np.einsum("nkl,nkl->k", x, z)[:, np.newaxis]
    return sum_of_channels(x * z)[:, np.newaxis]


def standardize(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Return x̂ (N, K, L), and μ, σ² and 1 / sqrt(σ² + ε), each (K, 1)."""
    found = standardize_unchecked(x, epsilon, part)
    return found if all_finite(found[2]) else standardize_scaled(x, epsilon, part)


def standardize_unchecked(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Do the same, but if squares overflow, σ² is infinite or NaN."""
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks the variance
        sum_, count = part.sum(total(x), x.shape[0] * x.shape[2])
        mean = sum_ / count
        x_hat = x - mean
        (squares,) = part.sum(total_product(x_hat, x_hat))
        variance = squares / count  # computed after subtracting the mean: accurate
        inverse_std = 1 / np.sqrt(variance + epsilon)
        x_hat *= inverse_std
    return x_hat, mean, variance, inverse_std


def standardize_scaled(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Do the same for x whose squares overflow (from 1e19 in float32).

    With s the largest |x| and z = x / s,  x̂ = (z - mean(z)) / sqrt(var(z) + ε / s²). Only
    σ² = s² var(z) itself may still be infinite.
    """
    scale = power_of_two(part.largest(np.abs(x).max(axis=(0, 2))[:, np.newaxis]))
    with np.errstate(all="ignore"):
        # Numbers that differ by less than the precision of the type count as equal: z_hat is 0.
        epsilon_of_z = np.maximum(epsilon / scale / scale, np.finfo(x.dtype).eps ** 2)
        z_hat = x / scale
        sum_, count = part.sum(total(z_hat), x.shape[0] * x.shape[2])
        mean = sum_ / count
        z_hat -= mean
        (left,) = part.sum(total(z_hat))  # what rounding has left of the mean
        z_hat -= left / count
        (squares,) = part.sum(total_product(z_hat, z_hat))
        variance = squares / count
        inverse_std = 1 / np.sqrt(variance + epsilon_of_z)
        z_hat *= inverse_std
        return z_hat, mean * scale, variance * scale * scale, inverse_std / scale


def standardize_backward(
    g: Array, x_hat: Array, inverse_std: Array, sums: tuple[Array, Array], part: MicroBatch = WHOLE
) -> Array:
    """Return dx = (g - mean(g) - x̂ mean(g x̂)) / σ; `sums` are Σ g and Σ g x̂, each (K, 1)."""
    sum_g, sum_product, count = part.sum(*sums, x_hat.shape[0] * x_hat.shape[2])
    dx = x_hat * (-sum_product / count)
    dx += g
    dx -= sum_g / count
    dx *= inverse_std
    return dx


def divide_by_root_mean_square(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return x̂ = x / r and 1 / r with r = sqrt(mean(x²) + ε) for each row of x (P, D).

    If squares overflow: x̂ = z / sqrt(mean(z²) + ε / s²), with s the largest |x| and z = x / s.
    """
    scale: Any = 1.0
    with np.errstate(all="ignore"):
        mean_square = np.einsum("pd,pd->p", x, x) / x.shape[1]
        if not all_finite(mean_square):
            scale = power_of_two(np.abs(x).max(axis=1, keepdims=True))
            x = x / scale
            mean_square = np.einsum("pd,pd->p", x, x) / x.shape[1]
            epsilon = np.maximum(epsilon / scale / scale, np.finfo(x.dtype).tiny)
    inverse_root = 1 / np.sqrt(mean_square[:, np.newaxis] + epsilon)
    return x * inverse_root, inverse_root / scale


def scale_and_shift(x_hat: Array, weight: Parameter | None, bias: Parameter | None) -> Array:
    """Return y = γ x̂ + β, for x̂ (N, K, L) with a γ and a β for each of the K, if there are any."""
    if weight is None:
        return x_hat
    y = x_hat * weight.value.reshape(-1, 1)
    if bias is not None:
        y += bias.value.reshape(-1, 1)
    return y


# ---------------------------------------------------------------- γ and β


class Normalization(Module):
    """Base class of all layers here: ε, and γ = 1 and β = 0, which weight decay leaves alone."""

    def __init__(
        self, shape: tuple[int, ...], epsilon: float, affine: bool, bias: bool = True
    ) -> None:
        refuse_huge_shape(shape)
        self.epsilon = check_epsilon(epsilon)
        self.affine = check_bool("affine", affine)
        self.weight = self._filled(shape, 1.0) if affine else None
        self.bias = self._filled(shape, 0.0) if check_bool("bias", bias) and affine else None

    @staticmethod
    def _filled(shape: tuple[int, ...], value: float) -> Parameter:
        return Parameter(filled(shape, value), decay=False, initializer=Constant(value))


# ---------------------------------------------------------------- over the batch


class BatchNorm(RunningStatistics, Normalization):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² of each channel over the batch.

    For x (N, C), (N, C, T) or (N, C, H, W); μ and σ² are over all axes but C. Training uses the μ
    and σ² of the batch and updates the running ones; `predict` uses the running ones, so there the
    output for a sample does not depend on the others. ``layer(x)`` is a pass in training. Frozen
    (`Module.freeze`), it uses the running ones in training too, and leaves them as they are.

    Backward: dx = γ (dy - mean(dy) - x̂ mean(dy x̂)) / sqrt(σ² + ε), which is derived at the top of
    normalization.py; dγ = Σ dy x̂, dβ = Σ dy.

    Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are equal.
    momentum : float or None
        How far each batch moves the running statistics: r ← (1 - momentum) r + momentum · batch.
        The running variance is the unbiased one, Σ (x - μ)² / (n - 1). None makes r the mean over
        all batches so far.
    affine : bool
        Whether to learn γ and β.
    track_running_stats : bool
        If False, there are no running statistics: `predict`, too, uses those of its batch. Then
        what comes out for a sample depends on the samples that it is predicted with.

    Attributes
    ----------
    running_mean, running_var : Buffer
        The running statistics, (C,); None without them.
    num_batches_tracked : Buffer
        The number of batches so far, if `momentum` is None; otherwise None.

    Raises
    ------
    ShapeError
        In forward: x does not have C channels, or a channel has a single value in training, or
        wherever the statistics of the batch are used.
    InputError
        In forward: the variance of a channel is too large for the type of x.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> layer = BatchNorm(2)
    >>> layer.forward(x).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean.value
    array([0.2, 2. ], dtype=float32)
    """

    def __init__(
        self,
        num_features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        (self.num_features,) = check_sizes(num_features=num_features)
        super().__init__(self.channels, epsilon, affine)
        self.track(self.channels, momentum, track_running_stats)

    @property
    def channels(self) -> tuple[int, ...]:
        """The shape of γ and β, and of the statistics."""
        return (self.num_features,)

    def check(self, x: Array) -> None:
        """Raise ShapeError unless `x` has these channels."""
        check_channels(self, x, self.num_features)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.check(x)
        size = math.prod(x.shape[1 + len(self.channels) :])
        channels = x.reshape(len(x), math.prod(self.channels), size)  # (N, C, L)
        mean, variance = self.running_mean, self.running_var
        if (training and self.trainable) or mean is None or variance is None:
            x_hat = self._by_the_batch(channels, x.shape, training)
        else:
            x_hat, inverse_std = standardize_by(channels, mean, variance, self.epsilon)
            self.save_output(x_hat, inverse_std, True, training=training)
        return scale_and_shift(x_hat, self.weight, self.bias).reshape(x.shape)

    def _by_the_batch(self, channels: Array, shape: tuple[int, ...], training: bool) -> Array:
        """Return x̂ from the statistics of the batch; in training, update the running ones."""
        part = current_micro_batch.get() if training else WHOLE
        (count,) = part.sum(channels.shape[0] * channels.shape[2])
        if count <= 1:
            raise ShapeError(
                "expected more than one value per channel"
                f"{' in training' if training else ''}, got an input of shape {shape}: one value "
                f"has no variance. {'Train on' if training else 'Predict'} more than one sample "
                "at once (a larger batch_size or micro_batch_size), or use LayerNorm or GroupNorm.",
                self,
            )
        x_hat, mean, variance, inverse_std = self.statistics(channels, part)
        if self.running_var is None:
            pass  # nothing has to hold them
        elif not all_finite(variance):
            refuse_huge(channels, variance)
        elif training:  # a batch with NaN must not spoil the running statistics
            self.update(mean, variance * (count / (count - 1)))
        self.save_output(x_hat, inverse_std, False, training=training)
        return x_hat

    def statistics(self, channels: Array, part: MicroBatch) -> tuple[Array, Array, Array, Array]:
        """Return x̂ (N, C, L), and μ, σ² and 1 / sqrt(σ² + ε), each (C, 1)."""
        return standardize(channels, self.epsilon, part)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_std, are_constants = self.saved_values()  # are μ and σ²?
        channels = dy.reshape(x_hat.shape)
        sums = total(channels), total_product(channels, x_hat)  # of dy and of dy x̂
        if self.weight is not None and self.bias is not None:
            self.bias.grad, self.weight.grad = (of.reshape(self.channels) for of in sums)
            # g = γ dy, and γ is the same for the whole channel, so it is factored out
            inverse_std = inverse_std * self.weight.value.reshape(-1, 1)
        if are_constants:
            return (channels * inverse_std).reshape(dy.shape)
        part = current_micro_batch.get()
        return standardize_backward(channels, x_hat, inverse_std, sums, part).reshape(dy.shape)


def refuse_huge(x: Array, variance: Array) -> None:
    """Raise InputError if finite numbers x (N, C, L) have a variance too large for their type.

    The running variance could not hold it, and `predict` would not do what training did.
    """
    if all_finite(x):
        channel = int(np.argmax(~np.isfinite(variance)))
        row = int(np.abs(x[:, channel]).max(axis=1).argmax())
        raise InputError(
            f"The variance of channel {channel} over the batch is too large for {x.dtype}: row "
            f"{row} holds {x[row, channel].flat[np.abs(x[row, channel]).argmax()]:g}. Standardise "
            "the inputs, or compute in float64."
        )


# ---------------------------------------------------------------- within a sample


class SampleNorm(Normalization):
    """What LayerNorm and GroupNorm have in common: the two passes.

    A subclass says which numbers are normalised together (`together`), and which of them share
    γ and β (`by_channel`).
    """

    def check(self, x: Array) -> None:
        """Raise ShapeError unless this layer can take `x`."""
        raise NotImplementedError(f"{type(self).__name__} has no check(x).")

    def together(self, x: Array) -> Array:
        """Return x as (1, K, L): each of the K rows is normalised by itself."""
        raise NotImplementedError(f"{type(self).__name__} has no together(x).")

    def by_channel(self, x: Array) -> Array:
        """Return x as (N, C, L), with a γ and a β for each of the C."""
        raise NotImplementedError(f"{type(self).__name__} has no by_channel(x).")

    def seen(self, x: Array, mean: Array, variance: Array) -> None:
        """Note the statistics of a batch of training, (K, 1) each; here they are not kept."""

    def forward(self, x: Array, training: bool = True) -> Array:
        self.check(x)
        x_hat, mean, variance, inverse_std = standardize(self.together(x), self.epsilon)
        if training:
            self.seen(x, mean, variance)
        self.save_output(x_hat, inverse_std, False, training=training)
        channels = self.by_channel(x_hat.reshape(x.shape))
        return scale_and_shift(channels, self.weight, self.bias).reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_std, are_constants = self.saved_values()  # are μ and σ²?
        g = self.by_channel(dy)
        if self.bias is not None:
            self.bias.grad = total(g).reshape(self.bias.shape)
        if self.weight is not None:
            dweight = total_product(g, x_hat.reshape(g.shape))
            self.weight.grad = dweight.reshape(self.weight.shape)
            g = g * self.weight.value.reshape(-1, 1)
        if are_constants:
            return (g * inverse_std).reshape(dy.shape)
        g = g.reshape(x_hat.shape)
        sums = total(g), total_product(g, x_hat)
        return standardize_backward(g, x_hat, inverse_std, sums).reshape(dy.shape)


class LayerNorm(SampleNorm):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² over the last axes, for each position alone.

    For x (N, ..., *normalized_shape); the same in training and in `predict`.

    Backward: dx = (g - mean(g) - x̂ mean(g x̂)) / sqrt(σ² + ε) with g = γ dy, which is derived at the
    top of normalization.py; dγ = Σ dy x̂, dβ = Σ dy, over all positions.
    Ba, Kiros, Hinton, "Layer Normalization", 2016.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The size of the last axis, or the sizes of the last few; also the shape of γ and β.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are equal.
    affine : bool
        Whether to learn γ and β.
    bias : bool
        Whether to learn β, if affine; without it, γ alone.

    Raises
    ------
    ShapeError
        In forward: the last axes of x do not have these sizes.

    Examples
    --------
    >>> LayerNorm(4)(np.array([[1.0, 1.0, 3.0, 3.0]])).round(3)
    array([[-1., -1.,  1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        super().__init__(self.normalized_shape, epsilon, affine, bias)

    def check(self, x: Array) -> None:
        check_last_axes(self, x, self.normalized_shape)

    def together(self, x: Array) -> Array:
        return x.reshape(1, -1, math.prod(self.normalized_shape))  # (1, positions, D)

    def by_channel(self, x: Array) -> Array:
        return x.reshape(-1, math.prod(self.normalized_shape), 1)  # (positions, D, 1)


class GroupNorm(SampleNorm):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² over each group of channels of each sample.

    For x (N, C, ...), with a γ and a β for each of the C channels. The same in training and in
    `predict`, and for a batch of any size.

    Backward: dx = (g - mean(g) - x̂ mean(g x̂)) / sqrt(σ² + ε) with g = γ dy, which is derived at the
    top of normalization.py; dγ = Σ dy x̂, dβ = Σ dy, over everything in a channel.
    Wu, He, "Group Normalization", 2018.

    Parameters
    ----------
    num_groups : int
        The number of groups; it divides num_channels. With 1, all channels are normalised together.
    num_channels : int
        C, the number of channels.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are equal.
    affine : bool
        Whether to learn γ and β.

    Raises
    ------
    ConfigurationError
        `num_groups` does not divide `num_channels`.
    ShapeError
        In forward: x does not have C channels.

    Examples
    --------
    >>> GroupNorm(2, 4)(np.array([[1.0, 3.0, 10.0, 30.0]])).round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self, num_groups: int, num_channels: int, *, epsilon: float = 1e-5, affine: bool = True
    ) -> None:
        sizes = check_sizes(num_groups=num_groups, num_channels=num_channels)
        self.num_groups, self.num_channels = sizes
        if num_channels % num_groups:
            raise ConfigurationError(
                f"{num_channels} channels cannot be split into {num_groups} groups of equal size."
            )
        super().__init__((self.num_channels,), epsilon, affine)

    def check(self, x: Array) -> None:
        check_channels(self, x, self.num_channels)

    def together(self, x: Array) -> Array:
        return x.reshape(1, len(x) * self.num_groups, math.prod(x.shape[1:]) // self.num_groups)

    def by_channel(self, x: Array) -> Array:
        return x.reshape(len(x), self.num_channels, math.prod(x.shape[2:]))  # (N, C, L)


class InstanceNorm(RunningStatistics, GroupNorm):
    """y = (x - μ) / sqrt(σ² + ε), with μ and σ² of each channel of each sample alone.

    For x (N, C, T) or (N, C, H, W): GroupNorm in which every channel is a group of its own. The
    same in training and in `predict`, unless running statistics are tracked. Frozen, it then uses
    them in training too, as `BatchNorm` does.

    Backward: dx = (dy - mean(dy) - x̂ mean(dy x̂)) / sqrt(σ² + ε), as in `GroupNorm`.
    Ulyanov, Vedaldi, Lempitsky, "Instance Normalization: The Missing Ingredient for Fast
    Stylization", 2016.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are equal.
    momentum : float or None
        How far each batch moves the running statistics, if they are tracked: r ← (1 - momentum) r +
        momentum · batch, where that is the mean over the samples of their μ, or of their unbiased
        variance, Σ (x - μ)² / (n - 1). None makes r the mean over all batches so far.
    affine : bool
        Whether to learn a factor γ and an offset β for each channel.
    track_running_stats : bool
        Whether `predict` uses running statistics, as in `BatchNorm`, instead of the sample's own.

    Attributes
    ----------
    running_mean, running_var : Buffer
        The running statistics, (C,); None without them.
    num_batches_tracked : Buffer
        The number of batches so far, if they are tracked and `momentum` is None; otherwise None.

    Raises
    ------
    ShapeError
        In forward: x does not have C channels, or a channel has a single value.
    InputError
        In forward, if statistics are tracked: a variance is too large for the type of x.

    Examples
    --------
    >>> InstanceNorm(1)(np.array([[[1.0, 1.0, 3.0, 3.0]]])).round(3)
    array([[[-1., -1.,  1.,  1.]]])
    """

    def __init__(
        self,
        num_features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        (self.num_features,) = check_sizes(num_features=num_features)
        super().__init__(num_features, num_features, epsilon=epsilon, affine=affine)
        self.track((self.num_features,), momentum, track_running_stats)

    def check(self, x: Array) -> None:
        super().check(x)
        if math.prod(x.shape[2:]) == 1:
            raise ShapeError(
                "expected more than one value per channel of a sample, got an input of shape "
                f"{x.shape}: every output would be 0.",
                self,
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        mean, variance = self.running_mean, self.running_var
        if (training and self.trainable) or mean is None or variance is None:
            return super().forward(x, training)
        check_channels(self, x, self.num_features)
        x_hat, inverse_std = standardize_by(self.by_channel(x), mean, variance, self.epsilon)
        self.save_output(x_hat, inverse_std, True, training=training)
        return scale_and_shift(x_hat, self.weight, self.bias).reshape(x.shape)

    def seen(self, x: Array, mean: Array, variance: Array) -> None:
        if self.running_var is None or not len(x):
            return
        count = math.prod(x.shape[2:])
        each = (of.reshape(len(x), self.num_features) for of in (mean, variance))
        mean, variance = (sum_of_rows(of) / len(x) for of in each)  # (C,)
        if not all_finite(variance):
            refuse_huge(self.by_channel(x), variance)
        else:
            self.update(mean, variance * (count / (count - 1)))


class RMSNorm(Normalization):
    """y = γ x / sqrt(mean(x²) + ε), with the mean over the last axes, for each position alone.

    For x (N, ..., *normalized_shape); the same in training and in `predict`.

    Backward: dx = (g - x̂ mean(g x̂)) / r, with r the root, x̂ = x / r and g = γ dy; dγ = Σ dy x̂.
    Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The size of the last axis, or the sizes of the last few; also the shape of γ.
    epsilon : float
        ε, which keeps the root from being 0 if all numbers are 0.
    affine : bool
        Whether to learn γ.

    Raises
    ------
    ShapeError
        In forward: the last axes of x do not have these sizes.

    Examples
    --------
    >>> RMSNorm(2)(np.array([[3.0, 4.0]])).round(3)
    array([[0.849, 1.131]])
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], *, epsilon: float = 1e-5, affine: bool = True
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        super().__init__(self.normalized_shape, epsilon, affine, bias=False)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_last_axes(self, x, self.normalized_shape)
        rows = x.reshape(-1, math.prod(self.normalized_shape))  # (positions, D)
        x_hat, inverse_root = divide_by_root_mean_square(rows, self.epsilon)
        self.save_output(x_hat, inverse_root, training=training)
        y = x_hat if self.weight is None else x_hat * self.weight.value.reshape(-1)
        return y.reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_root = self.saved_values()
        g = dy.reshape(x_hat.shape)
        if self.weight is not None:
            dweight = total_product(g[:, :, np.newaxis], x_hat[:, :, np.newaxis])
            self.weight.grad = dweight.reshape(self.normalized_shape)
            g = g * self.weight.value.reshape(-1)
        mean_product = np.einsum("pd,pd->p", g, x_hat)[:, np.newaxis] / x_hat.shape[1]
        dx = x_hat * -mean_product
        dx += g
        dx *= inverse_root
        return dx.reshape(dy.shape)


def as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return sizes as a tuple of at least one whole number, each at least 1."""
    sizes: Any = [normalized_shape] if is_whole(normalized_shape) else normalized_shape
    if isinstance(sizes, Sequence) and not sizes:
        raise ConfigurationError("normalized_shape must hold at least one size, got none.")
    return check_whole_numbers("normalized_shape", sizes)


def check_last_axes(module: Module, x: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless x is (N, ..., *shape)."""
    fits = x.ndim > len(shape) and x.shape[-len(shape) :] == shape
    check_shape(module, x, fits, f"(N, ..., {', '.join(map(str, shape))})")
