"""ExponentialMovingAverage: the mean of the weights over the last steps, often a better network.

Use it as a callback, or by hand in your own loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.checks import check_bool, check_range
from chainrule.errors import ConfigurationError, StateError
from chainrule.module import unusable
from chainrule.network import Network
from chainrule.optimizers.base import checked_steps
from chainrule.parameter import Array, Buffer
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.schema import array
from chainrule.training.callback import Callback
from chainrule.training.state import TrainingState


class ExponentialMovingAverage(Callback):
    """a ← decay · a + (1 - decay) · w after every step; the first step sets a = w.

    Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with
    exponential weights.

    Given to `Trainer.fit`, the average is what is validated, what `EarlyStopping` and
    `Checkpoint` keep as the best, and what the network has at the end, however training ended.
    Steps are still taken from the network's own weights; so the training loss in the history is
    theirs, and other callbacks see them. A `Checkpoint` holds both, and a resumed training ends
    with the same bits.

    Floating-point buffers, such as the running statistics of `BatchNorm`, are averaged like the
    weights, because those of the last step do not fit the average (Wightman's timm does the same,
    PyTorch's `AveragedModel` on request). Other buffers are copied.

    Parameters
    ----------
    decay : float
        How much of the average is kept at each step; 0.999 averages over about a thousand steps.
        A training of a few hundred steps needs less, or `warmup`.
    warmup : bool
        Whether to start with less: step n, counted from 0, keeps min(decay, n / (9 + n)), so that
        the initial weights are soon forgotten.
    apply : bool
        Whether a training uses the average as described above. Otherwise it is only computed, for
        `applied` and `copy_to`.

    Attributes
    ----------
    steps : int
        How many weights have been averaged.

    Examples
    --------
    In `Trainer.fit`, ``callbacks=[ExponentialMovingAverage(0.999), EarlyStopping()]``. In your own
    loop, after each step of the optimizer:

    >>> from chainrule import ExponentialMovingAverage, Network
    >>> network = Network([4, 3], seed=0)
    >>> average = ExponentialMovingAverage(0.9)
    >>> average.update(network)
    >>> with average.applied(network):
    ...     y = network.predict([[1, 2, 3, 4]])
    """

    def __init__(self, decay: float = 0.999, *, warmup: bool = False, apply: bool = True) -> None:
        self.decay = check_range("decay", decay, high=1)
        self.warmup = check_bool("warmup", warmup)
        self.apply = check_bool("apply", apply)
        self._applied = False
        self._network: Network | None = None  # whose buffers these are
        self._of_network: dict[str, Buffer] = {}
        self._forget()

    def _forget(self) -> None:
        self.steps = 0
        self._average: Array | None = None
        self._buffers: dict[str, Array] = {}

    # ------------------------------------------------------------ the average

    def update(self, network: Network) -> None:
        """Include the network's present weights in the average."""
        if self._applied:
            raise ConfigurationError(
                "The network has the averaged weights now; call update after the with block."
            )
        values = network.flat.values
        buffers = {name: b.value for name, b in self._buffers_of(network).items()}
        if self._average is None:
            self._average = values.copy()
            self._buffers = {name: value.copy() for name, value in buffers.items()}
        else:
            self._check(network)
            moves = 1 - self._kept()
            self._average += moves * (values - self._average)
            for name, value in buffers.items():
                average = self._buffers[name]
                if value.dtype.kind == "f":
                    average += moves * (value - average)
                else:
                    average[...] = value
        self.steps += 1

    def _kept(self) -> float:
        """Return how much of the average is kept at the next step."""
        return min(self.decay, self.steps / (9 + self.steps)) if self.warmup else self.decay

    def copy_to(self, network: Network) -> None:
        """Give the network the averaged weights and buffers, for good."""
        self._check(network)
        network.flat.values[...] = self._average
        for name, buffer in self._buffers_of(network).items():
            buffer.value = self._buffers[name]

    @contextmanager
    def applied(self, network: Network) -> Iterator[Network]:
        """Give the network the averaged weights inside a with block, then its own again."""
        own = network.flat.values.copy()
        buffers = {name: b.value.copy() for name, b in self._buffers_of(network).items()}
        self.copy_to(network)
        self._applied = True
        try:
            yield network
        finally:
            network.flat.values[...] = own
            for name, buffer in self._buffers_of(network).items():
                buffer.value = buffers[name]
            self._applied = False

    def _check(self, network: Network) -> None:
        """Raise unless there is an average, of a network like this one."""
        if self._average is None:
            raise ConfigurationError("There is no average yet: call update after a step.")
        size = network.flat.values.size
        if self._average.size != size:
            raise StateError(f"The average has {self._average.size} values, the network {size}.")
        own = {name: buffer.value for name, buffer in self._buffers_of(network).items()}
        shapes, averaged = (
            {name: (value.shape, value.dtype.kind) for name, value in buffers.items()}
            for buffers in (own, self._buffers)
        )
        if averaged != shapes:
            raise StateError(f"The average has the buffers {averaged}, the network {shapes}.")

    def _buffers_of(self, network: Network) -> dict[str, Buffer]:
        """Return the network's buffers; found once, because a walk can take as long as a step."""
        if self._network is not network:
            self._network, self._of_network = network, network.named_buffers()
        return self._of_network

    # ------------------------------------------------------------ in a training

    def on_fit_begin(self, state: TrainingState) -> None:
        self._forget()
        if self.apply:
            state.average_weights_with(self)

    def on_step_end(self, state: TrainingState) -> None:
        self.update(state.network)

    # ------------------------------------------------------------ saving and restoring

    def state(self) -> dict[str, Array]:
        """Return a copy of the average and the number of steps, by name, for `load_state`."""
        if self._average is None:
            return {"steps": np.array(0)}
        buffers = {name: value.copy() for name, value in self._buffers.items()}
        average = {"average": self._average.copy(), **with_prefix("buffers", buffers)}
        return {"steps": np.array(self.steps), **average}

    def load_state(self, state: Mapping[str, Any], training: TrainingState | None = None) -> None:
        """Restore what `state` returned, to continue exactly from there."""
        steps = checked_steps(state)
        found = {name for name in state if not name.startswith("buffers/")}
        expected = {"steps", "average"} if steps else {"steps"}
        if found != expected:
            raise StateError(
                f"An average holds {sorted(expected)}, got {sorted(state)}; nothing was loaded."
            )
        held = {name: np.array(state[name]) for name in state if name != "steps"}
        for name, value in held.items():
            kinds, axes = ("f", 1) if name == "average" else ("fiu", value.ndim)
            array(kinds, axes)(value, f"The average: {name}")
            if not np.isfinite(value).all():
                raise StateError(f"The average holds NaN or infinity in {name}.")
        before = self.steps, self._average, self._buffers
        self.steps, self._average = steps, held.get("average")
        self._buffers = without_prefix("buffers", held)
        if training is not None and self.steps:
            try:
                self._check(training.network)
                for name, buffer in self._buffers_of(training.network).items():
                    problem = unusable(self._buffers[name], buffer)
                    if problem:
                        raise StateError(f"The average's buffer {name} {problem}.")
                values = training.network.flat.values
                self._average = self._average.astype(values.dtype)  # type: ignore[union-attr]
            except StateError:
                self.steps, self._average, self._buffers = before
                raise

    def __repr__(self) -> str:
        options = "".join(
            f", {name}={value}"
            for name, value, usual in (
                ("warmup", self.warmup, False),
                ("apply", self.apply, True),
            )
            if value != usual
        )
        return f"ExponentialMovingAverage(decay={self.decay}{options})"
