"""The average of the weights over the last steps: often a better network than the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from chainrule.checks import check_range
from chainrule.errors import ConfigurationError, StateError
from chainrule.network import Network
from chainrule.parameter import Array

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage:
    """a ← decay · a + (1 - decay) · w after every step; the first step sets a = w.

    Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with
    exponential weights. Parameters are averaged; buffers, such as running means, are not.

    Parameters
    ----------
    decay : float
        How much of the average stays; 0.999 looks back about a thousand steps.

    Attributes
    ----------
    steps : int
        How many weights have been averaged.

    Examples
    --------
    >>> average = ExponentialMovingAverage(0.999)       # doctest: +SKIP
    >>> optimizer.step(network)                         # doctest: +SKIP
    >>> average.update(network)                         # doctest: +SKIP
    >>> with average.applied(network):                  # doctest: +SKIP
    ...     accuracy(y_test, network.predict(X_test))
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = check_range("decay", decay, high=1)
        self.steps = 0
        self._average: Array | None = None
        self._applied = False

    def update(self, network: Network) -> None:
        """Take the network's present weights into the average."""
        if self._applied:
            raise ConfigurationError(
                "The network has the average's weights now; update belongs after the with block."
            )
        values = network.flat.values
        if self._average is None:
            self._average = values.copy()
        else:
            self._checked(values)
            self._average += (1 - self.decay) * (values - self._average)
        self.steps += 1

    def copy_to(self, network: Network) -> None:
        """Give the network the average's weights, for good."""
        values = network.flat.values
        values[...] = self._checked(values)

    @contextmanager
    def applied(self, network: Network) -> Iterator[Network]:
        """Give the network the average's weights inside a with block, then its own again."""
        own = network.flat.values.copy()
        self.copy_to(network)
        self._applied = True
        try:
            yield network
        finally:
            network.flat.values[...] = own
            self._applied = False

    def state(self) -> dict[str, Array]:
        """Return a copy of the average and the number of steps, by name."""
        average = {} if self._average is None else {"average": self._average.copy()}
        return {"steps": np.array(self.steps), **average}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Take over what `state` returned, to go on exactly where it was."""
        expected = {"steps", "average"} if int(state.get("steps", 0)) else {"steps"}
        if set(state) != expected:
            raise StateError(
                f"An average remembers {sorted(expected)}, got {sorted(state)}; nothing was loaded."
            )
        self.steps = int(state["steps"])
        self._average = np.array(state["average"]) if "average" in state else None

    def _checked(self, values: Array) -> Array:
        """Return the average, if there is one for that many values."""
        if self._average is None:
            raise ConfigurationError("There is no average yet: call update after a step.")
        if self._average.shape != values.shape:
            raise StateError(
                f"The average has {self._average.size} values, the network {values.size}."
            )
        return self._average

    def __repr__(self) -> str:
        return f"ExponentialMovingAverage(decay={self.decay})"
