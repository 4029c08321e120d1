"""Optimizer: what all optimizers share. The step, block by block; weight decay, learning rates."""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_function, check_instance, check_range
from chainrule.checks.habits import OPTIMIZER_ATTRIBUTES, GivesAdvice
from chainrule.errors import ConfigurationError, StateError
from chainrule.network import Network
from chainrule.parameter import Array, FlatParameters, Parameter
from chainrule.storage.schema import array, whole

BLOCK = 32_768
"""How many values are updated at a time.

Measured with Adam over 1.9 million float32 values: a training step of 784-1024-1024-10 took
14.5 ms with blocks of this size and 17.0 ms with the whole vector at once.
"""

NO_PARAMETERS = (
    "an optimizer is not given the parameters: Adam(0.01), and then optimizer.step(network), or "
    "Trainer(network, loss, optimizer)."
)

Block = tuple[slice, Any]
"""A part of the flat vectors, and its multiplier of the learning rate."""

Spread = Callable[[Callable[[Sequence[Any]], None], Sequence[Any]], None]
"""Calls a function on shares of a sequence, side by side."""

LearningRate = float | Callable[[int], float]

PerEntry = float | Sequence[float]
"""One number for all, or one for each entry along the first axis of every parameter.

In a stack of networks that axis is the members'. Inside, the latter is a tuple until the network is
known, and then a vector as long as its values.
"""

WeightDecay = PerEntry
Multipliers = Mapping[str, PerEntry]


class Optimizer(GivesAdvice):
    """The parent of all optimizers.

    Parameters
    ----------
    learning_rate : float or callable
        A number, or a schedule: a function from the step's number, counted from 0, to a number.
    weight_decay : float, or sequence of float
        How strongly weights are pulled to zero; biases and normalisation gains are not. Here
        it is the gradient of weight_decay / 2 · Σ w² (L2), added to the loss's; where the
        optimizer is `decoupled` it acts on the weights themselves. A sequence has one number for
        each entry along the first axis of the parameters: for each member of a stack.
    lr_multipliers : mapping of str to float, or to sequence of float, optional
        What the learning rate is multiplied with, by the pattern of the parameters' names: with
        ``{"layers.0.*": 0, "*.bias": 2}`` the first layer is frozen and biases are twice as fast.
        Where several patterns fit, the multipliers are multiplied. One of 0 leaves the
        values as they are to the last bit, and no state is kept of them. A sequence, as above,
        has a multiplier above 0 for each entry along the first axis. The attribute may be changed
        between two steps: ``optimizer.lr_multipliers = {}`` lets all layers learn.

    Attributes
    ----------
    steps : int
        How many steps have been taken.
    state_vectors : dict of str to ndarray
        A vector as long as the network's for each name in `state_names`.
    """

    attribute_advice = OPTIMIZER_ATTRIBUTES
    positional_advice = f"takes options by name; {NO_PARAMETERS}"

    state_names: tuple[str, ...] = ()

    decoupled = False
    """True where weight decay is w ← (1 - lr · weight_decay) w, apart from the gradient."""

    def __init__(
        self,
        learning_rate: LearningRate,
        *,
        weight_decay: WeightDecay = 0.0,
        lr_multipliers: Multipliers | None = None,
    ) -> None:
        self.learning_rate = check_learning_rate("learning_rate", learning_rate)
        self.weight_decay = check_per_entry("weight_decay", weight_decay)
        self.lr_multipliers = {
            pattern: check_per_entry(f"the multiplier of {pattern!r}", multiplier, above_0=True)
            for pattern, multiplier in (lr_multipliers or {}).items()
        }
        self.steps = 0
        self.state_vectors: dict[str, Array] = {}
        self._network: Network | None = None
        self._blocks: list[Block] = []
        self._multipliers: Multipliers = {}  # those that the blocks were made with
        self._decays: Array | None = None  # where weight decay differs from entry to entry

    def step(self, network: Network, *, spread: Spread | None = None) -> None:
        """Move the network's parameters once, by the gradients of the last backward pass.

        They stay until the next backward pass sets them: a second step without one moves the
        parameters again by the same gradients.

        Parameters
        ----------
        network : Network
            What moves.
        spread : callable, optional
            ``spread(function, blocks)`` calls the function on shares of the blocks, in threads of
            its own; how it shares them out changes no bit. `Trainer` gives it, with workers.
        """
        check_instance(network, Network, "step takes the network: optimizer.step(network)")
        network.require_gradient()
        self._bind(network)
        flat = network.flat
        learning_rate = self.current_learning_rate()
        self.steps += 1
        if spread is None:
            self._move(self._blocks, flat, learning_rate)
        else:
            spread(lambda blocks: self._move(blocks, flat, learning_rate), self._blocks)

    def _move(self, blocks: Sequence[Block], flat: FlatParameters, learning_rate: float) -> None:
        """Take the step on these parts of the flat vectors."""
        for block, multiplier in blocks:
            w, g, rate = flat.values[block], flat.grads[block], learning_rate * multiplier
            if self.weight_decay:
                g = self.decayed(w, g, self._pull(block, flat, rate if self.decoupled else 1.0))
            self.update_rule(
                w, g, rate, *[self.state_vectors[name][block] for name in self.state_names]
            )

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        """Move `w` and the state, in place; `g` is left as it is.

        The learning rate is a number, or a vector like `w`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_rule(w, g, learning_rate).")

    def decayed(self, w: Array, g: Array, pull: Array) -> Array:
        """Return the gradient with the weight decay in it; or, decoupled, apply that to `w`.

        `pull` is what each value is multiplied with for that, 0 where nothing decays.
        """
        if self.decoupled:
            w -= pull * w
            return g
        return g + pull * w

    def _pull(self, block: slice, flat: FlatParameters, factor: Any) -> Array:
        """Return the weight decay of each value in a block, times `factor`."""
        if self._decays is not None:
            return factor * self._decays[block]
        return (factor * self.weight_decay) * flat.decay[block].astype(flat.values.dtype)

    def current_learning_rate(self) -> float:
        """Return the learning rate of the coming step."""
        if not callable(self.learning_rate):
            return self.learning_rate
        rate = self.learning_rate(self.steps)
        return check_range(f"the schedule's learning rate at step {self.steps}", rate)

    def state(self) -> dict[str, Array]:
        """Return a copy of the state vectors and of the number of steps, by name."""
        return {
            "steps": np.array(self.steps),
            **{k: v.copy() for k, v in self.state_vectors.items()},
        }

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Take over what `state` returned, to go on exactly where it was.

        Raises
        ------
        StateError
            The names are not this optimizer's, or a vector does not fit its network.
        """
        steps = checked_steps(state)
        begun = len(state) > 1 or steps > 0
        expected = {"steps", *self.state_names} if begun else {"steps"}
        if set(state) != expected:
            raise StateError(
                f"{type(self).__name__} remembers {sorted(expected)}, got {sorted(state)}."
            )
        vectors = {name: np.array(state[name]) for name in self.state_names if name in state}
        for name, vector in vectors.items():
            array("f", axes=1)(vector, f"The optimizer's {name}")
        if self._network is not None:
            vectors = self._fitting(vectors, self._network)
        self.state_vectors = vectors
        self.steps = steps

    def check_network(self, network: Network) -> None:
        """Raise ConfigurationError where a step of this network would be refused."""
        if self._network is not None and self._network is not network:
            raise ConfigurationError(
                f"This {type(self).__name__} has the state of another network; build one for each."
            )
        check_patterns(network, self.lr_multipliers)

    def _bind(self, network: Network) -> None:
        """Begin the state at the first step; from then on it belongs to that network."""
        if self._network is network and self._multipliers == self.lr_multipliers:
            return
        self.check_network(network)
        blocks = list(blocks_of(network, self.lr_multipliers))
        if isinstance(self.weight_decay, tuple):
            of_all = dict.fromkeys(network.flat.slices, self.weight_decay)
            self._decays = along_first_axis("weight_decay", of_all, network)
            self._decays *= network.flat.decay
        self.state_vectors = self._fitting(self.state_vectors, network)
        self._network, self._blocks = network, blocks
        self._multipliers = dict(self.lr_multipliers)

    def _fitting(self, vectors: Mapping[str, Array], network: Network) -> dict[str, Array]:
        """Return the state vectors for a network: zeros where there is none yet."""
        values = network.flat.values
        for name, vector in vectors.items():
            if vector.shape != values.shape:
                raise StateError(
                    f"The loaded {name} has {vector.size} values, the network {values.size}."
                )
        zeros = {name: np.zeros_like(values) for name in self.state_names if name not in vectors}
        return {**zeros, **{k: v.astype(values.dtype, copy=False) for k, v in vectors.items()}}

    def __repr__(self) -> str:
        hidden = (
            ("steps", "state_vectors")
            if self.lr_multipliers
            else ("steps", "state_vectors", "lr_multipliers")
        )
        shown = {k: v for k, v in vars(self).items() if k not in hidden and not k.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def checked_steps(state: Mapping[str, Array]) -> int:
    """Return how many steps a saved state is of."""
    steps = np.asarray(state.get("steps", 0))
    array("iu", axes=0)(steps, "The number of steps")
    whole()(steps.item(), "The number of steps")
    return int(steps)


def check_learning_rate(name: str, value: LearningRate) -> LearningRate:
    """Return a positive number as a float, and a schedule as it is; refuse anything else."""
    if isinstance(value, Network | Parameter | list | tuple | Iterator):
        raise ConfigurationError(f"{name} comes first; {NO_PARAMETERS}")
    if not callable(value):
        return check_range(name, value, inclusive=False)
    check_function(value, f"{name} must be a number or a schedule such as CosineDecay(0.01, 1000)")
    return value


def check_patterns(network: Network, lr_multipliers: Multipliers) -> None:
    """Raise ConfigurationError for a pattern that no parameter's name fits."""
    names = list(network.named_parameters())
    for pattern in lr_multipliers:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise ConfigurationError(
                f"No parameter's name fits the pattern {pattern!r}; there are {names}."
            )


def check_per_entry(name: str, value: PerEntry, above_0: bool = False) -> float | tuple[float, ...]:
    """Return a number of at least 0 as a float, or several of them as a tuple.

    With `above_0` each of several has to be larger than 0.
    """
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        return check_range(name, value)
    if not len(value):
        raise ConfigurationError(f"{name} must be a number or a sequence of them, got none.")
    return tuple(
        check_range(f"{name} [{entry}]", number, inclusive=not above_0)
        for entry, number in enumerate(value)
    )


def along_first_axis(
    name: str, numbers: Mapping[str, float | tuple[float, ...]], network: Network
) -> Array:
    """Return a vector like these parameters' values: a number for each of their entries.

    `numbers` are a parameter's, by its path: one for all, or one for each entry along the first
    axis.
    """
    parameters = network.named_parameters()
    spread = []
    for path, of_entries in numbers.items():
        shape = parameters[path].shape
        if isinstance(of_entries, tuple) and len(of_entries) != shape[0]:
            raise ConfigurationError(
                f"{name} has {len(of_entries)} numbers, and {path} of shape {shape} needs one for "
                "each entry along its first axis."
            )
        of_axis = np.broadcast_to(np.asarray(of_entries, network.dtype), shape[:1])
        spread.append(np.repeat(of_axis, parameters[path].size // shape[0]))
    return np.concatenate(spread)


def blocks_of(network: Network, lr_multipliers: Multipliers) -> Iterator[Block]:
    """Yield the parts of the flat vectors that an optimizer moves at a time, and their multipliers.

    A part is at most BLOCK long and has one multiplier, or a vector of them; what is frozen is in
    none of them.
    """
    places = network.flat.slices

    def multiplier_of(name: str) -> float | tuple[float, ...]:
        fitting = [m for pattern, m in lr_multipliers.items() if fnmatch.fnmatchcase(name, pattern)]
        one = math.prod((m for m in fitting if not isinstance(m, Sequence)), start=1.0)
        several = [m for m in fitting if isinstance(m, Sequence)]
        if not several or one == 0:
            return one
        if len(set(map(len, several))) > 1:
            raise ConfigurationError(f"lr_multipliers of different lengths are for {name}.")
        return tuple(one * math.prod(entry) for entry in zip(*several, strict=True))

    for multiplier, run in itertools.groupby(places, multiplier_of):
        names = list(run)
        if multiplier == 0:
            continue
        first, stop = places[names[0]].start, places[names[-1]].stop
        vector = None
        if isinstance(multiplier, tuple):
            vector = along_first_axis("lr_multipliers", dict.fromkeys(names, multiplier), network)
        for start in range(first, stop, BLOCK):
            end = min(start + BLOCK, stop)
            part = multiplier if vector is None else vector[start - first : end - first]
            yield slice(start, end), part
