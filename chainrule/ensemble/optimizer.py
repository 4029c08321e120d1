"""MemberOptimizer: one optimizer for a stack, with a learning rate and a weight decay per member.

The formula and its state are those of any optimizer. Only the two factors differ, from value to
value: they become vectors as long as the stack's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.ensemble.members import Member
from chainrule.errors import ConfigurationError
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.optimizers.base import Block
from chainrule.parameter import Array, FlatParameters

OptimizerFactory = Callable[..., Optimizer]
"""The class of an optimizer, or a function ``(learning_rate, *, weight_decay)`` that makes one."""


class MemberOptimizer:
    """Updates every member of a stack by the same formula, with factors of its own.

    Parameters
    ----------
    factory : callable
        The class of an optimizer, or a function ``(learning_rate, *, weight_decay)`` that makes
        one. It is called with 1, or the schedule, and with 1 or 0: each member's own numbers are
        factors of these. Values must move one by one (`Optimizer.elementwise`).
    members : sequence of Member
        Those in the stack, in their order there.
    schedule : callable, optional
        A function of the step that multiplies every member's learning rate.
    """

    def __init__(
        self,
        factory: OptimizerFactory,
        members: Sequence[Member],
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        self.rates = [member.learning_rate for member in members]
        self.decays = [member.weight_decay for member in members]
        self.optimizer = factory(
            1.0 if schedule is None else schedule, weight_decay=1.0 if any(self.decays) else 0.0
        )
        if not self.optimizer.elementwise:
            raise ConfigurationError(
                f"{type(self.optimizer).__name__} moves a network as a whole, and members of an "
                "ensemble have learning rates of their own. Train a single network by a Trainer, "
                "or take another optimizer, such as AdamW."
            )
        self._flat: FlatParameters | None = None
        self._blocks: list[Block] = []

    def step(self, stack: Network) -> None:
        """Update the stack's parameters once, by the gradients of its last backward pass."""
        if stack.flat is not self._flat:
            self._bind(stack)
        learning_rate = self.optimizer.current_learning_rate()
        self.optimizer.steps += 1
        self.optimizer.update_blocks(self._blocks, learning_rate)

    def _bind(self, stack: Network) -> None:
        """Give the blocks of the flat vectors each member's factors."""
        rates = vector_of_members(self.rates, stack)
        decays = vector_of_members(self.decays, stack) * stack.flat.decay
        self._blocks = [
            block._replace(
                multiplier=block.multiplier * rates[block.place], decay=decays[block.place]
            )
            for block in self.optimizer.bind(stack)
        ]
        self._flat = stack.flat

    def state_of(self, stack: Network, places: Array) -> dict[str, Array]:
        """Return the optimizer's state for some of the members in the stack."""
        return {
            name: vector if name in ("steps", "starts") else part_of_members(vector, stack, places)
            for name, vector in self.optimizer.state().items()
        }

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Continue from what `state_of` returned."""
        self.optimizer.load_state(state)
        self._flat = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the views behind: a copy makes its own at its next step."""
        return {**vars(self), "_flat": None, "_blocks": []}


def vector_of_members(numbers: Sequence[float], stack: Network) -> Array:
    """Return a vector like the stack's parameters, with each member's number at its values."""
    of_members = np.asarray(numbers, stack.dtype)
    sizes = [p.size // len(numbers) for p in stack.named_parameters().values()]
    return np.concatenate([np.repeat(of_members, size) for size in sizes])


def part_of_members(vector: Array, stack: Network, places: Array) -> Array:
    """Return the part of a vector like the stack's parameters that belongs to some members."""
    parameters = stack.named_parameters()
    parts = [
        vector[where].reshape(parameters[name].shape)[places].reshape(-1)
        for name, where in stack.flat.slices.items()
    ]
    return np.concatenate(parts)
