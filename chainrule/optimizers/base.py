"""Optimizer: the step that all optimizers share, weight decay, frozen layers, the saved state."""

from __future__ import annotations

import copy
import fnmatch
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from chainrule.checks import check_function, check_instance, check_range, is_own
from chainrule.checks.habits import OPTIMIZER_ATTRIBUTES, OPTIMIZER_OPTIONS, GivesAdvice
from chainrule.checks.own_code import SetByInit, check_call, described, fits, named
from chainrule.errors import ConfigurationError, StateError
from chainrule.network import Network
from chainrule.parameter import Array, FlatParameters, Parameter
from chainrule.storage.schema import array, whole

BLOCK = 32_768
"""How many values are updated at a time.

Measured with Adam over 1.9 million float32 values: a training step of 784-1024-1024-10 took
14.5 ms with blocks of this size and 17.0 ms with the whole vector at once.
"""

MEMORY = ("steps", "state_vectors", "state_names")
"""Attributes of an optimizer that are no options."""

NO_PARAMETERS = (
    "an optimizer is not given the parameters: Adam(0.01), and then optimizer.step(network), or "
    "Trainer(network, loss, optimizer)."
)

LearningRate = float | Callable[[int], float]
Multipliers = Mapping[str, float]


class Block(NamedTuple):
    """A part of the flat vectors that is updated at once: views of them, and its own factors."""

    place: slice
    w: Array
    g: Array
    state: tuple[Array, ...]
    multiplier: Any
    """The factor of the learning rate: a number, or a vector like `w`."""
    decay: Array
    """The factor of the weight decay for each value: True for weights, False for biases."""
    start: int = 0
    """How many steps were taken before these values began to learn."""


Spread = Callable[[Callable[[Sequence[Block]], None], Sequence[Block]], None]
"""Calls a function on shares of a sequence, in several threads."""


@dataclass(eq=False, repr=False)
class Optimizer(GivesAdvice):
    """The base class of all optimizers.

    A subclass writes `update_rule`, and names the vectors that it needs in `state_names`;
    `check_optimizer` shows whether it is right.

    Parameters
    ----------
    learning_rate : float or callable
        A number, or a schedule: a function from the step's number, counted from 0, to a number.
    weight_decay : float
        λ, how strongly weights are pulled towards zero; biases and the gains of normalisation
        layers are not. The gradient of λ / 2 · Σ w² is added to the loss's (L2 regularisation);
        in an optimizer that is `decoupled`, w ← (1 - lr · λ) w instead.
    lr_multipliers : mapping of str to float, optional
        Factors of the learning rate by patterns of the parameters' names: with
        ``{"layers.0.*": 0, "*.bias": 2}`` the first layer is frozen and biases learn twice as
        fast. Where several patterns match, their factors are multiplied. A factor of 0 leaves the
        values unchanged to the last bit, and no state is kept for them. The attribute may be
        changed between two steps: ``optimizer.lr_multipliers = {}`` lets all layers learn that are
        not frozen themselves (`Module.freeze`). What begins to learn later begins like a new
        parameter: its state is zero, and its own steps are counted from there.

    Attributes
    ----------
    steps : int
        How many steps have been taken.
    state_vectors : dict of str to ndarray
        A vector as long as the network's parameters for each name in `state_names`.
    state_names : tuple of str
        The names of the vectors that `update_rule` is given as its state.
    decoupled : bool
        Of the class: whether weight decay acts on the weights themselves.
    elementwise : bool
        Of the class: whether a value moves by its own gradients alone. Only then can members of an
        ensemble have rates of their own.
    finds_step_lengths : bool
        Of the class: whether `learning_rate` only begins what the optimizer goes on with itself.
        Then it takes no schedule.
    needs_closure : bool
        Of the class: whether a step evaluates the loss again, at other values; see `LBFGS`.

    Raises
    ------
    ConfigurationError
        An option is out of its range. A pattern that no parameter's name matches is refused at
        the first step.

    Examples
    --------
    >>> import numpy as np
    >>> class SignDescent(Optimizer):
    ...     def update_rule(self, w, g, learning_rate, *state):
    ...         w -= learning_rate * np.sign(g)
    >>> network = Network([2, 1], seed=0)
    >>> before = network.flat.values.copy()
    >>> _ = network.backward(network.forward([[1.0, 1.0]]))
    >>> SignDescent(0.5).step(network)
    >>> network.flat.values - before
    array([-0.5, -0.5, -0.5], dtype=float32)
    """

    attribute_advice = OPTIMIZER_ATTRIBUTES
    option_advice = OPTIMIZER_OPTIONS
    positional_advice = f"takes options by name; {NO_PARAMETERS}"

    learning_rate: LearningRate
    _: KW_ONLY
    weight_decay: float = 0.0
    lr_multipliers: Multipliers = None  # type: ignore[assignment]  # always a dict from then on

    state_names: ClassVar[tuple[str, ...]] = ()
    decoupled: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True
    finds_step_lengths: ClassVar[bool] = False
    needs_closure: ClassVar[bool] = False

    if not TYPE_CHECKING:
        _network = SetByInit("super().__init__(learning_rate), or make it a @dataclass")

    def __post_init__(self) -> None:
        self.learning_rate = check_learning_rate("learning_rate", self.learning_rate)
        if self.finds_step_lengths and callable(self.learning_rate):
            raise ConfigurationError(
                f"{type(self).__name__} finds the lengths of its steps itself; learning_rate is a "
                "number from which it starts, and a schedule would do nothing."
            )
        self.weight_decay = check_range("weight_decay", self.weight_decay)
        self.lr_multipliers = {
            pattern: check_range(f"the multiplier of {pattern!r}", factor)
            for pattern, factor in (self.lr_multipliers or {}).items()
        }
        self.reset()

    def reset(self) -> None:
        """Forget the state and the network: the next step is the first one."""
        self.steps = 0
        self.state_vectors: dict[str, Array] = {}
        self._network: Network | None = None
        self._flat: FlatParameters | None = None
        self._blocks: list[Block] = []
        self._multipliers: Multipliers = {}  # those that the blocks were made with
        self._starts: Array | None = None  # of each parameter, see Block; -1 while it is frozen
        self._late: dict[int, Optimizer] = {}

    def remember(self, *names: str) -> None:
        """Add vectors to the state that an option needs; to be called in `__post_init__`."""
        self.state_names = (*self.state_names, *names)  # type: ignore[misc]  # of this one alone

    # ------------------------------------------------------------ the step

    def step(self, network: Network, *, spread: Spread | None = None) -> None:
        """Update the network's parameters once, by the gradients of the last backward pass.

        The gradients stay until the next backward pass sets them: a second step without one moves
        the parameters again by the same gradients.

        Parameters
        ----------
        network : Network
            What is trained.
        spread : callable, optional
            ``spread(function, blocks)`` calls the function on shares of the blocks, in several
            threads; how they are shared changes no bit. `Trainer` passes it if it has workers.

        Raises
        ------
        BackwardError
            No backward pass has set the gradients yet.
        ConfigurationError
            The optimizer has the state of another network.
        """
        current = network is self._network and self._flat is not None and self._flat.current
        if not current or self.lr_multipliers != self._multipliers:
            self.bind(network)
        learning_rate = self.learning_rate
        if callable(learning_rate):
            learning_rate = self.current_learning_rate()
        self.steps += 1
        if network._output:
            network.end_pass()
        if spread is None:
            self.update_blocks(self._blocks, learning_rate)
        else:
            spread(lambda blocks: self.update_blocks(blocks, learning_rate), self._blocks)

    def update_blocks(self, blocks: Sequence[Block], learning_rate: float) -> None:
        """Apply weight decay and the update rule to these parts of the parameters."""
        for _, w, g, state, multiplier, decay, start in blocks:
            rate = learning_rate * multiplier
            if self.weight_decay:
                factor = rate * self.weight_decay if self.decoupled else self.weight_decay
                pull = np.multiply(decay, factor, dtype=w.dtype) * w
                if self.decoupled:
                    w -= pull
                else:
                    g = g + pull
            subject = self if start == 0 else self._begun_at(start)
            returned: Any = subject.update_rule(w, g, rate, *state)  # type: ignore[func-returns-value]
            if returned is not None:
                raise ConfigurationError(
                    f"{type(self).__name__}.update_rule returned {described(returned)}; it returns "
                    "nothing, but writes into w: w -= ... instead of return w - ..."
                )

    def _begun_at(self, start: int) -> Optimizer:
        """Return a copy that counts the steps from this one, for parameters that began there."""
        copied = self._late[start]
        options = {k: v for k, v in vars(self).items() if k != "steps" and not k.startswith("_")}
        vars(copied).update(options, steps=self.steps - start)
        return copied

    def update_rule(self, w: Array, g: Array, learning_rate: Any, *state: Array) -> None:
        """Update `w` and the state in place; `g` must stay as it is.

        Parameters
        ----------
        w, g : ndarray, shape (n,)
            Values, and their gradients; of `matrices`, of shape (inputs, outputs).
        learning_rate : float or ndarray, shape (n,)
            One for all values; in an ensemble, one for each.
        *state : ndarray, shape (n,)
            The optimizer's own vectors, in the order of `state_names`. They start as zeros.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_rule(w, g, learning_rate).")

    def current_learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        if not callable(self.learning_rate):
            return self.learning_rate
        rate = self.learning_rate(self.steps)
        try:
            return check_range(f"the schedule's learning rate at step {self.steps}", rate)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{error} {named(self.learning_rate)} must return the learning rate of each step."
            ) from None

    # ------------------------------------------------------------ the network it belongs to

    def bind(self, network: Network) -> list[Block]:
        """Prepare for steps of this network, which owns the state from then on; return its blocks.

        `step` does this by itself, at its first call and whenever the parameters have moved to
        other arrays.
        """
        check_instance(network, Network, "step takes the network: optimizer.step(network)")
        network.require_gradient()
        self.check_network(network)
        flat = network.flat
        self.state_vectors = self._fitting(self.state_vectors, flat.values)
        factors = factors_of(flat, self.lr_multipliers)
        starts = self._begin(factors, flat)
        self._late, self._blocks = {}, []
        for start in set(starts.values()):
            if start > 0:
                self._late[start] = copy.copy(self)
        matrices = {} if self.elementwise else self.matrices(network)
        states = [self.state_vectors[name] for name in self.state_names]
        for name, place in places_of(flat, factors, starts, matrices):
            shaped = matrices.get(name, np.asarray)
            w, g, decay, *state = [
                shaped(vector[place]) for vector in (flat.values, flat.grads, flat.decay, *states)
            ]
            block = Block(place, w, g, tuple(state), factors[name], decay, starts[name])
            self._blocks.append(block)
        self._network, self._flat = network, flat
        self._multipliers = dict(self.lr_multipliers)
        return self._blocks

    def matrices(self, network: Network) -> Mapping[str, Callable[[Array], Array]]:
        """Return which parameters `update_rule` takes as matrices: the view of each, by its name.

        There are none where values move one by one.
        """
        return {}

    def _begin(self, factors: Mapping[str, float], flat: FlatParameters) -> dict[str, int]:
        """Return when each parameter began to learn; forget the state of those that do not."""
        learns = np.array(list(factors.values())) != 0
        before = np.zeros(len(learns), int) if self._starts is None else self._starts
        if len(before) != len(learns):
            raise StateError(
                f"The optimizer has the state of {len(before)} parameters, the network has "
                f"{len(learns)}: build another optimizer for it."
            )
        self._starts = np.where(learns, np.where(before < 0, self.steps, before), -1)
        for name in factors:
            if factors[name] == 0:
                for vector in self.state_vectors.values():
                    vector[flat.slices[name]] = 0
        return dict(zip(factors, self._starts.tolist(), strict=True))

    def check_network(self, network: Network) -> None:
        """Raise ConfigurationError where a step of this network would be refused."""
        if is_own(self):
            self._check_rule()
        if self._network is not None and self._network is not network:
            raise ConfigurationError(
                f"This {type(self).__name__} has the state of another network; build one for each."
            )
        names = list(network.named_parameters()) if self.lr_multipliers else []
        for pattern in self.lr_multipliers:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                raise ConfigurationError(
                    f"No parameter's name fits the pattern {pattern!r}; there are {names}."
                )

    def _check_rule(self) -> None:
        """Raise ConfigurationError where `state_names` or `update_rule` cannot be used."""
        name, state_names = type(self).__name__, self.state_names
        letters = isinstance(state_names, str)
        if letters or "steps" in state_names or not all(isinstance(n, str) for n in state_names):
            raise ConfigurationError(
                f"{name}.state_names must be a tuple of names other than 'steps', got "
                f"{state_names!r}." + (f" Write ({state_names!r},)." if letters else "")
            )
        arguments = ["w", "g", "learning_rate", *state_names]
        if not fits(self.update_rule, *arguments):
            vectors = f"a vector for each of {state_names}" if state_names else "no state"
            raise ConfigurationError(
                f"{named(self.update_rule)} is called with w, g, learning_rate and {vectors}. "
                f"Write def update_rule(self, {', '.join(arguments)}), or name the vectors that "
                "it remembers: state_names = ('velocity',)."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the views behind: a copy makes its own at its first step."""
        return {**vars(self), "_flat": None, "_blocks": [], "_late": {}}

    # ------------------------------------------------------------ the state

    def state(self) -> dict[str, Array]:
        """Return a copy of the state vectors and of the number of steps, by name."""
        vectors = {name: vector.copy() for name, vector in self.state_vectors.items()}
        if self._starts is not None and self._starts.any():
            vectors["starts"] = self._starts.copy()
        return {"steps": np.array(self.steps), **vectors}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Take over what `state` returned, to continue exactly from there.

        Raises
        ------
        StateError
            The names are not this optimizer's, or a vector does not fit its network.
        """
        steps = checked_steps(state)
        started = len(state) > 1 or steps > 0
        expected = {"steps", *self.state_names} if started else {"steps"}
        if set(state) - {"starts"} != expected:
            raise StateError(
                f"{type(self).__name__} remembers {sorted(expected)}, got {sorted(state)}."
            )
        starts = checked_starts(state, steps)
        vectors = {name: np.array(state[name]) for name in self.state_names if name in state}
        for name, vector in vectors.items():
            array("f", axes=1)(vector, f"The optimizer's {name}")
        if self._network is not None:
            vectors = self._fitting(vectors, self._network.flat.values)
        self.state_vectors = vectors
        self.steps, self._starts = steps, starts
        self._flat = None  # the blocks have views of the vectors from before

    def _fitting(self, vectors: Mapping[str, Array], values: Array) -> dict[str, Array]:
        """Return the state vectors for these parameters: zeros where there is none yet."""
        for name, vector in vectors.items():
            if vector.shape != values.shape:
                raise StateError(
                    f"The loaded {name} has {vector.size} values, the network {values.size}."
                )
        zeros = {name: np.zeros_like(values) for name in self.state_names if name not in vectors}
        return {**zeros, **{k: v.astype(values.dtype, copy=False) for k, v in vectors.items()}}

    def __repr__(self) -> str:
        hidden = [*MEMORY, *([] if self.lr_multipliers else ["lr_multipliers"])]
        shown = {k: v for k, v in vars(self).items() if k not in hidden and not k.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def factors_of(flat: FlatParameters, lr_multipliers: Multipliers) -> dict[str, float]:
    """Return the learning rate's factor of each parameter, by its name: 0 where it is frozen."""
    factors = {}
    for name in flat.slices:
        matching = (k for k in lr_multipliers if fnmatch.fnmatchcase(name, k))
        factor = math.prod((lr_multipliers[pattern] for pattern in matching), start=1.0)
        factors[name] = 0.0 if name in flat.frozen else factor
    return factors


def places_of(
    flat: FlatParameters,
    factors: Mapping[str, float],
    starts: Mapping[str, int],
    alone: Collection[str] = (),
) -> Iterator[tuple[str, slice]]:
    """Yield parts of the flat vectors, each with the name of its first parameter.

    Parameters next to each other with the same factor and start are one part, cut into parts of
    BLOCK values; each of `alone` is a part by itself, whatever its size. Frozen ones are left out.
    """

    def group_of(name: str) -> tuple[float, int, str]:
        return factors[name], starts[name], name if name in alone else ""

    for (factor, _, single), group in itertools.groupby(flat.slices, group_of):
        names = list(group)
        whole = slice(flat.slices[names[0]].start, flat.slices[names[-1]].stop)
        length = max(whole.stop - whole.start, 1) if single else BLOCK
        if factor != 0:
            for start in range(whole.start, whole.stop, length):
                yield names[0], slice(start, min(start + length, whole.stop))


def checked_steps(state: Mapping[str, Array]) -> int:
    """Return the number of steps in a saved state."""
    steps = np.asarray(state.get("steps", 0))
    array("iu", axes=0)(steps, "The number of steps")
    whole()(steps.item(), "The number of steps")
    return int(steps)


def checked_starts(state: Mapping[str, Array], steps: int) -> Array | None:
    """Return when each parameter began to learn, as a saved state has it; None if all at once."""
    if "starts" not in state:
        return None
    starts = np.asarray(state["starts"])
    array("iu", axes=1)(starts, "The steps at which parameters began to learn")
    if ((starts < -1) | (starts > steps)).any():
        raise StateError(f"Parameters began to learn at {starts}, of {steps} steps.")
    return starts.astype(int)


def check_learning_rate(name: str, value: LearningRate) -> LearningRate:
    """Return a positive number as a float, and a schedule as it is; refuse anything else."""
    if isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value):
        raise ConfigurationError(
            f"{name} must be one number or a schedule, got {value!r}; lr_multipliers gives "
            "parameters rates of their own."
        )
    if isinstance(value, Network | Parameter | list | tuple | Iterator):
        raise ConfigurationError(f"{name} comes first; {NO_PARAMETERS}")
    if not callable(value):
        return check_range(name, value, inclusive=False)
    check_function(value, f"{name} must be a number or a schedule such as CosineDecay(0.01, 1000)")
    if is_own(value):
        check_call(value, ("step",), "def schedule(step)")
    return value
