"""Member: the hyperparameters that each network of an ensemble has of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from chainrule.checks import check_range, check_seed, check_whole, is_whole
from chainrule.errors import ConfigurationError

LARGEST_SEED = 2**32


@dataclass(frozen=True)
class Member:
    """One network's own hyperparameters.

    Parameters
    ----------
    learning_rate : float
        Above 0; a schedule shared by all members multiplies it.
    weight_decay : float
        At least 0.
    dropout : float
        The probability of dropping behind each hidden layer, 0 <= dropout < 1.
    seed : int
        First weights, order of the samples and dropout masks follow from it.
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.0
    dropout: float = 0.0
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return them by name."""
        return asdict(self)


NAMES = tuple(field.name for field in fields(Member))


def members_from(
    members: int | Sequence[Mapping[str, Any] | Member], seed: int | np.random.Generator | None
) -> tuple[Member, ...]:
    """Return the members, checked; a seed is drawn for each, and used where it has none."""
    if is_whole(members):
        members = [{}] * check_whole("members", members)  # type: ignore[arg-type]
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ConfigurationError(
            "members must be their number, or a list with a dict for each, such as "
            f"[{{'learning_rate': 0.01}}, {{'learning_rate': 0.001}}]; got {members!r}."
        )
    if not members:
        raise ConfigurationError("An ensemble needs at least one member, got none.")
    seeds = check_seed(seed).integers(LARGEST_SEED, size=len(members)).tolist()
    return tuple(
        member_from(place, given, drawn)
        for place, (given, drawn) in enumerate(zip(members, seeds, strict=True))
    )


def member_from(place: int, given: Mapping[str, Any] | Member, seed: int) -> Member:
    """Return one member, checked; `seed` is used where it brings none."""
    options = given.as_dict() if isinstance(given, Member) else given
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"members[{place}] must be a dict, got {given!r}.")
    unknown = [name for name in options if name not in NAMES]
    if unknown:
        raise ConfigurationError(
            f"members[{place}] has {unknown}; what a member has of its own is {list(NAMES)}."
        )

    def named(name: str) -> str:
        return f"members[{place}]: {name}"

    default = Member()
    own_seed = options.get("seed")
    return Member(
        check_range(
            named("learning_rate"),
            options.get("learning_rate", default.learning_rate),
            inclusive=False,
        ),
        check_range(named("weight_decay"), options.get("weight_decay", default.weight_decay)),
        check_range(named("dropout"), options.get("dropout", default.dropout), high=1),
        check_whole(named("seed"), seed if own_seed is None else own_seed, least=0),
    )
