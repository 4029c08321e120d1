"""The learning-rate range test: which learning rate to start with.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017: increase the learning rate from
far too small to far too large, one step at a time, and watch the loss. It falls fastest a little
below the rate at which it starts to rise.
"""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_range, check_whole
from chainrule.data.sources import make_source, training_batches
from chainrule.errors import ConfigurationError, InputError, NotFiniteError
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.plots.figures import new_figure
from chainrule.training.callback import Callback
from chainrule.training.state import TrainingState
from chainrule.training.trainer import Trainer

SMOOTHING = 0.9
DIVERGED = 4.0
"""The test ends when the smoothed loss is this many times the smallest one so far."""


@dataclass
class RangeTest:
    """The result of a learning-rate range test.

    Attributes
    ----------
    learning_rates, losses : ndarray, shape (steps,)
        The learning rate of each step, and the loss before it.
    smoothed : ndarray, shape (steps,)
        The exponential moving average of the losses.
    suggestion : float
        The rate at which the smoothed loss falls fastest, over the logarithm of the rate.
    """

    learning_rates: Array
    losses: Array
    smoothed: Array
    suggestion: float

    def plot(self) -> Any:
        """Draw the loss over the learning rate, with the suggestion marked; return the figure.

        Needs matplotlib (the extra ``plots``).
        """
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
        The training data, as in `Trainer.fit`.
    loss, optimizer : Loss and Optimizer
        What the network is to be trained with. A copy of the optimizer is used; the default is
        Adam.
    batch_size : int
        The batch size of the training: the best learning rate depends on it.
    lowest, highest : float
        The first and the last rate; each step multiplies it by the same factor. The test ends
        earlier if the loss diverges.
    steps : int
        How many rates to try, at least 10.
    seed : int or Generator, optional
        Determines the order of the samples.

    Returns
    -------
    RangeTest
        The losses and a suggestion.

    Raises
    ------
    InputError
        The loss diverged within the first steps.
    ConfigurationError
        The optimizer finds the lengths of its steps itself, as `LBFGS` does.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import CategoricalCrossEntropy, Network, find_learning_rate
    >>> X = np.random.default_rng(0).standard_normal((200, 4))
    >>> y = (X > 0).sum(axis=1) // 2
    >>> network = Network([4, 8, 3], seed=0)
    >>> test = find_learning_rate(network, X, y, loss=CategoricalCrossEntropy(), seed=0)
    >>> 1e-3 < test.suggestion < 1
    True
    >>> test.plot().savefig("range_test.png")  # doctest: +SKIP
    """
    lowest = check_range("lowest", lowest, inclusive=False)
    highest = check_range("highest", highest, low=lowest, inclusive=False)
    steps = check_whole("steps", steps, least=10)
    rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
    trial, mover = copy.deepcopy((network, Adam() if optimizer is None else optimizer))
    if mover.finds_step_lengths:
        raise ConfigurationError(
            f"{type(mover).__name__} finds the lengths of its steps itself: there is no learning "
            "rate to look for."
        )
    first = mover.steps
    mover.learning_rate = lambda step: float(rates[min(step - first, steps - 1)])
    trainer = Trainer(trial, loss, mover, seed=seed, post_mortem_file=None)
    batches = training_batches(make_source(X, y, batch_size), steps, trainer.rng)
    smoothing = _StopWhenDiverged()
    with contextlib.suppress(NotFiniteError):  # ends the test as a large loss does
        trainer.fit(batches, epochs=1, progress=False, callbacks=[smoothing])
    losses, smoothed = np.array(trainer.history.steps["loss"]), np.array(smoothing.smoothed)
    if len(losses) < 3:
        raise InputError(
            f"The loss diverged within {len(losses)} steps. Start with a lowest rate far below "
            f"{lowest:g}, and check the data."
        )
    rates = rates[: len(losses)]
    return RangeTest(rates, losses, smoothed, _steepest(rates, smoothed))


class _StopWhenDiverged(Callback):
    """Smooths the loss: m_t = 0.9 m_{t-1} + 0.1 loss_t, divided by 1 - 0.9ᵗ."""

    def __init__(self) -> None:
        self.smoothed: list[float] = []
        self._average, self._lowest = 0.0, np.inf

    def on_step_end(self, state: TrainingState) -> None:
        loss = state.history.steps["loss"][-1]
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        smoothed = self._average / (1 - SMOOTHING ** (len(self.smoothed) + 1))
        self.smoothed.append(smoothed)
        self._lowest = min(self._lowest, smoothed)
        if smoothed > DIVERGED * self._lowest + 1e-12:
            state.stop("the loss diverges")


def _steepest(rates: Array, smoothed: Array) -> float:
    """Return the rate at which the loss falls fastest, before its minimum."""
    count = len(rates)
    wide = max(1, count // 20)  # the slope over a tenth of the test: single steps are mostly noise
    first = min(count // 10, count - 2 * wide - 1)  # before it the average is over few losses
    last = max(int(smoothed.argmin()), first + 2 * wide)
    fall = smoothed[first + 2 * wide : last + 1] - smoothed[first : last + 1 - 2 * wide]
    return float(rates[first + wide + fall.argmin()])
