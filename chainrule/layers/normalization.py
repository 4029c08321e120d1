"""Layers that give numbers mean 0 and variance 1; they differ in which numbers belong together.

    BatchNorm      all of one channel, over the whole batch
    LayerNorm      all features of one position
    GroupNorm      some channels of one sample
    InstanceNorm   one channel of one sample
    RMSNorm        as LayerNorm, but only the size is set, and the mean stays

The gradient, once for all. Let μ, σ² be mean and variance of the n numbers that belong together,
σ with ε under the root, x̂ = (x - μ) / σ, and g the loss's gradient at x̂. Moving x_i moves x̂_i
itself by 1 / σ; it moves μ by 1 / n, and so every x̂_j by -1 / (n σ); and it moves σ by x̂_i / n,
and so every x̂_j by -x̂_j x̂_i / (n σ). The sum over all of it is

    dx_i = (g_i - mean(g) - x̂_i mean(g x̂)) / σ

which takes out of g what would shift x̂ or stretch it: x̂ cannot change that way. RMSNorm has no μ
and so no mean(g).

Inside, x is seen as (N, K, L), with statistics for each of the K over N and L; einsum adds up
products without making an array of them. Where workers share a batch, and BatchNorm's statistics
shall be those of all of it, N is that of all parts, and `part.sum` adds up what each of them has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.checks import (
    all_finite,
    check_range,
    check_sizes,
    check_whole,
    check_whole_numbers,
)
from chainrule.errors import ConfigurationError, InputError, ShapeError
from chainrule.initializers import Constant
from chainrule.layers.memory_format import contiguous, in_format, is_batch_last
from chainrule.layers.micro_batch import WHOLE, MicroBatch, current_micro_batch
from chainrule.module import Module
from chainrule.parameter import Array, Buffer, Parameter, filled, refuse_huge_shape

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]

# ---------------------------------------------------------------- the mathematics, x (N, K, L)


def total(x: Array) -> Array:
    """Σ x over N and L: (N, K, L) -> (K, 1)."""
    return np.einsum("nkl->k", x)[:, np.newaxis]


def total_product(x: Array, z: Array) -> Array:
    """Σ x z over N and L: twice (N, K, L) -> (K, 1)."""
    return np.einsum("nkl,nkl->k", x, z)[:, np.newaxis]


def standardize(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Return x̂ (N, K, L), and μ, σ² and 1 / sqrt(σ² + ε), each (K, 1)."""
    found = standardize_plainly(x, epsilon, part)
    return found if all_finite(found[2]) else standardize_huge(x, epsilon, part)


def standardize_plainly(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Return what `standardize` does; where squares overflow, σ² is infinite or NaN."""
    with np.errstate(over="ignore", invalid="ignore"):  # whoever calls looks at the variance
        sum_, count = part.sum(total(x), x.shape[0] * x.shape[2])
        mean = sum_ / count
        x_hat = x - mean
        (squares,) = part.sum(total_product(x_hat, x_hat))
        variance = squares / count  # of what the mean is taken off: exact
        inverse_std = 1 / np.sqrt(variance + epsilon)
        x_hat *= inverse_std
    return x_hat, mean, variance, inverse_std


def standardize_huge(
    x: Array, epsilon: float, part: MicroBatch = WHOLE
) -> tuple[Array, Array, Array, Array]:
    """Return what `standardize` does, for x whose squares the type cannot hold (1e19 in float32).

    With s the largest |x| and z = x / s,  x̂ = (z - mean(z)) / sqrt(var(z) + ε / s²). Only σ² = s²
    var(z) itself may still be infinite.
    """
    scale = power_of_two(part.largest(np.abs(x).max(axis=(0, 2))[:, np.newaxis]))
    with np.errstate(all="ignore"):
        # Numbers that differ by less than the type resolves count as equal: z_hat is 0 there.
        epsilon_of_z = np.maximum(epsilon / scale / scale, np.finfo(x.dtype).eps ** 2)
        z_hat = x / scale
        sum_, count = part.sum(total(z_hat), x.shape[0] * x.shape[2])
        mean = sum_ / count
        z_hat -= mean
        (left,) = part.sum(total(z_hat))  # what rounding left of the mean
        z_hat -= left / count
        (squares,) = part.sum(total_product(z_hat, z_hat))
        variance = squares / count
        inverse_std = 1 / np.sqrt(variance + epsilon_of_z)
        z_hat *= inverse_std
        return z_hat, mean * scale, variance * scale * scale, inverse_std / scale


def power_of_two(x: Array) -> Array:
    """Return the power of two at or next below |x|: dividing by it rounds nothing."""
    return np.ldexp(np.ones_like(x), np.frexp(x)[1] - 1)


def standardize_backward(
    g: Array, x_hat: Array, inverse_std: Array, sums: tuple[Array, Array], part: MicroBatch = WHOLE
) -> Array:
    """Return (g - mean(g) - x̂ mean(g x̂)) / σ, given `sums`: Σ g and Σ g x̂, each (K, 1)."""
    sum_g, sum_product, count = part.sum(*sums, x_hat.shape[0] * x_hat.shape[2])
    dx = x_hat * (-sum_product / count)
    dx += g
    dx -= sum_g / count
    dx *= inverse_std
    return dx


def divide_by_root_mean_square(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return x̂ = x / r and 1 / r with r = sqrt(mean(x²) + ε) for each row of x (P, D).

    Where squares overflow it is x̂ = z / sqrt(mean(z²) + ε / s²), with s the largest |x|, z = x / s.
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
    """Return y = γ x̂ + β, with γ and β for each of the K."""
    if weight is None or bias is None:
        return x_hat
    y = x_hat * weight.value.reshape(-1, 1)
    y += bias.value.reshape(-1, 1)
    return y


def gain_and_bias(
    shape: tuple[int, ...], affine: bool
) -> tuple[Parameter | None, Parameter | None]:
    """Return γ = 1 and β = 0, which weight decay leaves alone; or None for both."""
    refuse_huge_shape(shape)
    if not affine:
        return None, None
    return (
        Parameter(filled(shape, 1.0), decay=False, initializer=Constant(1.0)),
        Parameter(filled(shape, 0.0), decay=False, initializer=Constant(0.0)),
    )


# ---------------------------------------------------------------- over the batch


class BatchNorm(Module):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² of each channel over the batch.

    For x (N, C), (N, C, T) or (N, C, H, W); over everything but C. Training uses the batch's own
    μ and σ² and keeps running ones; `predict` uses the running ones, so there a sample's output
    does not depend on the others. Gradient: at the top of normalization.py.

    Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    epsilon : float
        Keeps the root from 0 where all numbers are equal.
    momentum : float
        How far each batch pulls the running statistics: r ← (1 - momentum) r + momentum · batch.
        The running variance is the unbiased one, Σ (x - μ)² / (n - 1).
    affine : bool
        Whether to learn γ and β.
    """

    def __init__(
        self,
        num_features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
    ) -> None:
        (num_features,) = check_sizes(num_features=num_features)
        self.num_features = num_features
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)
        self.momentum = check_range("momentum", momentum, high=1, high_inclusive=True)
        self.affine = affine
        self.weight, self.bias = gain_and_bias(self.channels, affine)
        self.running_mean = Buffer(filled(self.channels, 0.0))
        self.running_var = Buffer(filled(self.channels, 1.0))

    @property
    def channels(self) -> tuple[int, ...]:
        """The shape of γ and β, and of the statistics."""
        return (self.num_features,)

    def check(self, x: Array) -> None:
        """Raise ShapeError unless `x` has these channels."""
        check_channels(self, x, self.num_features)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.check(x)
        channels = x.reshape(len(x), math.prod(self.channels), -1)  # (N, C, L)
        if training:
            x_hat = self._by_the_batch(channels, x.shape)
        else:
            x_hat = channels - self.running_mean.value.reshape(-1, 1)
            x_hat *= 1 / np.sqrt(self.running_var.value.reshape(-1, 1) + self.epsilon)
        return scale_and_shift(x_hat, self.weight, self.bias).reshape(x.shape)

    def _by_the_batch(self, channels: Array, shape: tuple[int, ...]) -> Array:
        """Return x̂ from the batch's own statistics, and let the running ones follow."""
        part = current_micro_batch.get()
        (count,) = part.sum(channels.shape[0] * channels.shape[2])
        if count == 1:
            raise ShapeError(
                "expected more than one value per channel in training, got an input of shape "
                f"{shape}: one value has no variance. Train on more than one sample at once "
                "(a larger batch_size or micro_batch_size), or use LayerNorm or GroupNorm.",
                self,
            )
        x_hat, mean, variance, inverse_std = self.statistics(channels, part)
        if all_finite(variance):  # a batch with NaN must not spoil what all others left
            self._follow(mean, variance * (count / (count - 1)))
        else:
            refuse_huge(channels, variance)
        self.save_for_backward(x_hat, inverse_std, training=True)
        return x_hat

    def statistics(self, channels: Array, part: MicroBatch) -> tuple[Array, Array, Array, Array]:
        """Return x̂ (N, C, L), and μ, σ² and 1 / sqrt(σ² + ε), each (C, 1)."""
        return standardize(channels, self.epsilon, part)

    def _follow(self, mean: Array, variance: Array) -> None:
        """Pull the running statistics towards the batch's."""
        pull = self.momentum
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            running.value = (1 - pull) * running.value + pull * new.reshape(self.channels)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_std = self.saved_values()
        channels = dy.reshape(x_hat.shape)
        sums = total(channels), total_product(channels, x_hat)  # of dy and of dy x̂
        if self.weight is not None and self.bias is not None:
            self.bias.grad, self.weight.grad = (of.reshape(self.channels) for of in sums)
            # g = γ dy, and γ is the same for the whole channel, so it goes in front.
            inverse_std = inverse_std * self.weight.value.reshape(-1, 1)
        part = current_micro_batch.get()
        return standardize_backward(channels, x_hat, inverse_std, sums, part).reshape(dy.shape)


# ---------------------------------------------------------------- within a sample


class LayerNorm(Module):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² over the last axes, for each position alone.

    For x (N, ..., *normalized_shape); the same in training and in `predict`. Gradient: at the top
    of normalization.py. Ba, Kiros, Hinton, "Layer Normalization", 2016.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The size of the last axis, or the sizes of the last few: that of γ and β too.
    epsilon : float
        Keeps the root from 0 where all numbers are equal.
    affine : bool
        Whether to learn γ and β.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)
        self.affine = affine
        self.weight, self.bias = gain_and_bias(self.normalized_shape, affine)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_last_axes(self, x, self.normalized_shape)
        rows = contiguous(x).reshape(1, -1, math.prod(self.normalized_shape))  # (1, positions, D)
        x_hat, _, _, inverse_std = standardize(rows, self.epsilon)
        self.save_for_backward(x_hat, inverse_std, is_batch_last(x), training=training)
        by_feature = x_hat.reshape(*x_hat.shape[1:], 1)  # (positions, D, 1)
        return scale_and_shift(by_feature, self.weight, self.bias).reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_std, with_batch_last = self.saved_values()
        g = dy.reshape(x_hat.shape)
        if self.weight is not None and self.bias is not None:
            self.bias.grad = np.einsum("pd->d", g[0]).reshape(self.normalized_shape)
            self.weight.grad = np.einsum("pd,pd->d", g[0], x_hat[0]).reshape(self.normalized_shape)
            g = g * self.weight.value.reshape(-1)
        sums = total(g), total_product(g, x_hat)
        dx = standardize_backward(g, x_hat, inverse_std, sums).reshape(dy.shape)
        return in_format(dx, with_batch_last)


class GroupNorm(Module):
    """y = γ (x - μ) / sqrt(σ² + ε) + β, with μ and σ² over each group of channels of each sample.

    For x (N, C, ...); γ and β belong to the C channels. The same in training and in `predict`, and
    for a batch of any size. Gradient: at the top of normalization.py.
    Wu, He, "Group Normalization", 2018.

    Parameters
    ----------
    num_groups : int
        How many groups; it divides num_channels. With 1 all channels belong together.
    num_channels : int
        C, the number of channels.
    epsilon : float
        Keeps the root from 0 where all numbers are equal.
    affine : bool
        Whether to learn γ and β.
    """

    def __init__(
        self, num_groups: int, num_channels: int, *, epsilon: float = 1e-5, affine: bool = True
    ) -> None:
        num_groups, num_channels = check_sizes(num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ConfigurationError(
                f"{num_channels} channels cannot be split into {num_groups} groups of equal size."
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)
        self.affine = affine
        self.weight, self.bias = gain_and_bias((num_channels,), affine)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_channels(self, x, self.num_channels)
        # (1, N groups, numbers of a group)
        groups = contiguous(x).reshape(1, len(x) * self.num_groups, -1)
        x_hat, _, _, inverse_std = standardize(groups, self.epsilon)
        self.save_for_backward(x_hat, inverse_std, is_batch_last(x), training=training)
        channels = x_hat.reshape(len(x), self.num_channels, -1)  # (N, C, L)
        return scale_and_shift(channels, self.weight, self.bias).reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_std, with_batch_last = self.saved_values()
        g = dy.reshape(len(dy), self.num_channels, -1)  # (N, C, L)
        if self.weight is not None and self.bias is not None:
            self.bias.grad = total(g)[:, 0]
            self.weight.grad = total_product(g, x_hat.reshape(g.shape))[:, 0]
            g = g * self.weight.value[:, np.newaxis]
        g = g.reshape(x_hat.shape)
        sums = total(g), total_product(g, x_hat)
        dx = standardize_backward(g, x_hat, inverse_std, sums).reshape(dy.shape)
        return in_format(dx, with_batch_last)


class InstanceNorm(GroupNorm):
    """y = (x - μ) / sqrt(σ² + ε), with μ and σ² of each channel of each sample alone.

    For x (N, C, T) or (N, C, H, W): GroupNorm with every channel a group of its own. The same in
    training and in `predict`.
    Ulyanov, Vedaldi, Lempitsky, "Instance Normalization: The Missing Ingredient for Fast
    Stylization", 2016.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    epsilon : float
        Keeps the root from 0 where all numbers are equal.
    affine : bool
        Whether to learn a factor and an offset for each channel.
    """

    def __init__(self, num_features: int, *, epsilon: float = 1e-5, affine: bool = False) -> None:
        num_features = check_whole("num_features", num_features)
        super().__init__(num_features, num_features, epsilon=epsilon, affine=affine)
        self.num_features = num_features

    def forward(self, x: Array, training: bool = True) -> Array:
        check_channels(self, x, self.num_features)
        if math.prod(x.shape[2:]) == 1:
            raise ShapeError(
                "expected more than one value per channel of a sample, got an input of shape "
                f"{x.shape}: every output would be 0.",
                self,
            )
        return super().forward(x, training)


class RMSNorm(Module):
    """y = γ x / sqrt(mean(x²) + ε), with the mean over the last axes, for each position alone.

    dx = (g - x̂ mean(g x̂)) / r, with r the root, x̂ = x / r and g = γ dy.
    For x (N, ..., *normalized_shape); the same in training and in `predict`.
    Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The size of the last axis, or the sizes of the last few: that of γ too.
    epsilon : float
        Keeps the root from 0 where all numbers are 0.
    affine : bool
        Whether to learn γ.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.epsilon = check_range("epsilon", epsilon, inclusive=False)
        self.affine = affine
        self.weight, _ = gain_and_bias(self.normalized_shape, affine)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_last_axes(self, x, self.normalized_shape)
        rows = contiguous(x).reshape(-1, math.prod(self.normalized_shape))  # (positions, D)
        x_hat, inverse_root = divide_by_root_mean_square(rows, self.epsilon)
        self.save_for_backward(x_hat, inverse_root, is_batch_last(x), training=training)
        y = x_hat if self.weight is None else x_hat * self.weight.value.reshape(-1)
        return y.reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        x_hat, inverse_root, with_batch_last = self.saved_values()
        g = dy.reshape(x_hat.shape)
        if self.weight is not None:
            self.weight.grad = np.einsum("pd,pd->d", g, x_hat).reshape(self.normalized_shape)
            g = g * self.weight.value.reshape(-1)
        mean_product = np.einsum("pd,pd->p", g, x_hat)[:, np.newaxis] / x_hat.shape[1]
        dx = x_hat * -mean_product
        dx += g
        dx *= inverse_root
        return in_format(dx.reshape(dy.shape), with_batch_last)


# ---------------------------------------------------------------- checks at the door


def as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return sizes as a tuple of at least one whole number, each at least 1."""
    if not isinstance(normalized_shape, Sequence):
        return (check_whole("normalized_shape", normalized_shape),)
    if not normalized_shape:
        raise ConfigurationError("normalized_shape must hold at least one size, got none.")
    return check_whole_numbers("normalized_shape", normalized_shape)


def check_channels(module: Module, x: Array, channels: int) -> None:
    """Raise ShapeError unless x is (N, channels, ...)."""
    if x.ndim < 2 or x.shape[1] != channels or x.size == 0:
        raise ShapeError(
            f"expected {channels} channels (N, {channels}, ...), got an input of shape {x.shape}.",
            module,
        )


def refuse_huge(x: Array, variance: Array) -> None:
    """Raise InputError where finite numbers x (N, C, L) have a variance beyond their type.

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


def check_last_axes(module: Module, x: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless x is (N, ..., *shape)."""
    if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"expected (N, ..., {', '.join(map(str, shape))}), got an input of shape {x.shape}.",
            module,
        )
