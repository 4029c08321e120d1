"""The range test: which learning rate to begin with.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017: raise the learning rate from
far too small to far too large, a step at a time, and watch the loss. It falls fastest a little
below the rate at which it begins to rise.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_range, check_whole
from chainrule.data.sources import Batch, Source, make_source
from chainrule.errors import InputError, NotFiniteError
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.plots.figures import new_figure
from chainrule.training.callback import Callback
from chainrule.training.run import Run
from chainrule.training.trainer import Trainer

SMOOTHING = 0.9
DIVERGED = 4.0
"""The test ends where the smoothed loss is this many times the smallest one."""


@dataclass
class RangeTest:
    """What the range test saw.

    Attributes
    ----------
    learning_rates, losses : ndarray, shape (steps,)
        The rate of each step, and the loss before it.
    smoothed : ndarray, shape (steps,)
        The losses' exponential moving average.
    suggestion : float
        Where the smoothed loss falls fastest over the logarithm of the rate.
    """

    learning_rates: Array
    losses: Array
    smoothed: Array
    suggestion: float

    def plot(self) -> Any:
        """Draw the loss over the learning rate, with the suggestion marked; return the figure."""
        figure = new_figure("Drawing a range test", 6, 3.8)
        panel = figure.subplots()
        panel.plot(self.learning_rates, self.losses, color="0.8", label="loss")
        panel.plot(self.learning_rates, self.smoothed, label="smoothed")
        label = f"suggestion: {self.suggestion:.2g}"
        panel.axvline(self.suggestion, color="tab:red", linestyle=":", label=label)
        low, high = min(self.losses.min(), self.smoothed.min()), self.smoothed[0]
        panel.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)
        panel.set(xscale="log", xlabel="learning rate", ylabel="loss", title="Range test")
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
        return figure


def find_learning_rate(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    loss: Loss,
    optimizer: Optimizer | None = None,
    batch_size: int = 32,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    seed: int | np.random.Generator | None = None,
) -> RangeTest:
    """Try learning rates on a copy of the network, and suggest one.

    Parameters
    ----------
    network : Network
        What is to be trained; it is not changed.
    X, y : array_like, or an iterable of batches
        The training data, as `Trainer.fit` takes it.
    loss, optimizer : Loss and Optimizer
        What it is to be trained with. A copy of the optimizer is used; without one, Adam.
    batch_size : int
        The batch size to train with: the best rate depends on it.
    lowest, highest : float
        The first and the last rate; each step multiplies it by the same factor. The test ends
        earlier where the loss explodes.
    steps : int
        How many rates to try.
    seed : int or Generator, optional
        Where the order of the samples comes from.

    Examples
    --------
    >>> test = find_learning_rate(network, X, y, loss=loss)  # doctest: +SKIP
    >>> test.plot().savefig("range_test.png")  # doctest: +SKIP
    >>> optimizer = Adam(test.suggestion)  # doctest: +SKIP
    """
    lowest = check_range("lowest", lowest, inclusive=False)
    highest = check_range("highest", highest, low=lowest, inclusive=False)
    steps = check_whole("steps", steps, least=10)
    rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
    trial, mover = copy.deepcopy((network, Adam() if optimizer is None else optimizer))
    first = mover.steps
    mover.learning_rate = lambda step: float(rates[min(step - first, steps - 1)])
    trainer = Trainer(trial, loss, mover, seed=seed, post_mortem_file=None)
    source = make_source(X, y, batch_size)
    batches = _endless(source, trainer.rng, steps)
    with contextlib.suppress(NotFiniteError):  # ends the test as a large loss does
        trainer.fit(batches, epochs=1, progress=False, callbacks=[_StopWhenDiverged()])
    losses = np.array(trainer.history.steps["loss"])
    if len(losses) < 3:
        raise InputError(
            f"The loss exploded within {len(losses)} steps; begin with a lowest rate far below "
            f"{lowest:g}, and look at the data."
        )
    rates = rates[: len(losses)]
    smoothed = _smooth(losses)
    return RangeTest(rates, losses, smoothed, _steepest(rates, smoothed))


class _StopWhenDiverged(Callback):
    def on_step_end(self, trainer: Run) -> None:
        smoothed = _smooth(np.array(trainer.history.steps["loss"]))
        if smoothed[-1] > DIVERGED * smoothed.min() + 1e-12:
            trainer.stop("the loss explodes")


def _endless(source: Source, rng: np.random.Generator, steps: int) -> Iterator[Batch]:
    """Yield so many batches, epoch after epoch."""
    done = 0
    while done < steps:
        for batch in source.batches(source.order(rng)):
            yield batch
            done += 1
            if done == steps:
                return


def _smooth(losses: Array) -> Array:
    """Return the moving average m_t = 0.9 m_{t-1} + 0.1 loss_t, divided by 1 - 0.9ᵗ."""
    smoothed, average = [], 0.0
    for step, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed.append(average / (1 - SMOOTHING**step))
    return np.array(smoothed)


def _steepest(rates: Array, smoothed: Array) -> float:
    """Return the rate at which the loss falls fastest, before its minimum."""
    count = len(rates)
    wide = max(1, count // 20)  # a slope over a tenth of the test: single steps are mostly noise
    first = min(count // 10, count - 2 * wide - 1)  # where the average is over few losses yet
    last = max(int(smoothed.argmin()), first + 2 * wide)
    fall = smoothed[first + 2 * wide : last + 1] - smoothed[first : last + 1 - 2 * wide]
    return float(rates[first + wide + fall.argmin()])
