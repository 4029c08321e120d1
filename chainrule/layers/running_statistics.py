"""Running statistics: the mean and variance of each channel, over the batches of training.

After each batch, r ← (1 - m) r + m · batch, with the momentum m. With momentum=None, m is 1 / (the
number of batches so far), which makes r the mean over all of them.
"""

from __future__ import annotations

import numpy as np

from chainrule.checks import check_bool, check_range
from chainrule.parameter import Array, Buffer, filled


class RunningStatistics:
    """What BatchNorm and InstanceNorm have in common: running statistics, if they are tracked.

    Attributes
    ----------
    running_mean, running_var : Buffer or None
        The running statistics; None if they are not tracked.
    num_batches_tracked : Buffer or None
        The number of batches so far, if `momentum` is None.
    """

    def track(self, shape: tuple[int, ...], momentum: float | None, tracked: bool) -> None:
        """Begin with a mean of 0 and a variance of 1, in this shape."""
        if momentum is not None:
            momentum = check_range("momentum", momentum, high=1, high_inclusive=True)
        self.momentum = momentum
        self.track_running_stats = check_bool("track_running_stats", tracked)
        self.running_mean = Buffer(filled(shape, 0.0)) if tracked else None
        self.running_var = Buffer(filled(shape, 1.0), least=0) if tracked else None
        counts = tracked and momentum is None
        self.num_batches_tracked = Buffer(np.zeros((), np.int64), least=0) if counts else None

    def update(self, mean: Array, variance: Array) -> None:
        """Move the running statistics towards those of a batch, if they are tracked."""
        count, momentum = self.num_batches_tracked, self.momentum
        if count is not None:
            count.value = count.value + 1
            momentum = 1 / int(count.value) if momentum is None else momentum
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and momentum is not None:
                kept = (1 - momentum) * running.value
                running.value = kept + momentum * new.reshape(running.shape)


def standardize_by(
    channels: Array, mean: Buffer, variance: Buffer, epsilon: float
) -> tuple[Array, Array]:
    """Return x̂ = (x - μ) / sqrt(σ² + ε) and 1 / sqrt(σ² + ε), (C, 1), for x (N, C, L)."""
    inverse_std = 1 / np.sqrt(variance.value.reshape(-1, 1) + epsilon)
    x_hat = channels - mean.value.reshape(-1, 1)
    x_hat *= inverse_std
    return x_hat, inverse_std
