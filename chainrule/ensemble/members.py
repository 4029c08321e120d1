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
    """The hyperparameters of one network in an `Ensemble`.

    Parameters
    ----------
    learning_rate : float
        Greater than 0. A schedule, which all members share, multiplies it.
    weight_decay : float
        At least 0.
    dropout : float
        The probability of dropping a unit after each hidden layer, 0 <= dropout < 1.
    seed : int
        Determines the initial weights, the order of the samples and the dropout masks.

    Raises
    ------
    ConfigurationError
        A value is outside its range.

    Examples
    --------
    >>> from chainrule import Ensemble, Member
    >>> ensemble = Ensemble([4, 8, 3], [Member(learning_rate=0.01), Member(dropout=0.2)])
    >>> ensemble.members[1]
    Member(learning_rate=0.001, weight_decay=0.0, dropout=0.2, seed=0)
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.0
    dropout: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        checked = {
            "learning_rate": check_range("learning_rate", self.learning_rate, inclusive=False),
            "weight_decay": check_range("weight_decay", self.weight_decay),
            "dropout": check_range("dropout", self.dropout, high=1),
            "seed": check_whole("seed", self.seed, least=0),
        }
        for name, value in checked.items():  # as plain Python numbers, which a file can hold
            object.__setattr__(self, name, value)


NAMES = tuple(field.name for field in fields(Member))


def members_from(
    members: int | Sequence[Mapping[str, Any] | Member], rng: int | np.random.Generator | None
) -> tuple[Member, ...]:
    """Return the members, checked. A seed is drawn for each, and used if it has none."""
    if is_whole(members):
        members = [{}] * check_whole("members", members)  # type: ignore[arg-type]
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ConfigurationError(
            "members must be a number, or a list with a dict for each member, such as "
            f"[{{'learning_rate': 0.01}}, {{'learning_rate': 0.001}}]; got {members!r}."
        )
    if not members:
        raise ConfigurationError("An ensemble needs at least one member, got none.")
    seeds = check_seed(rng).integers(LARGEST_SEED, size=len(members)).tolist()
    return tuple(
        member_from(f"members[{place}]", given, seed)
        for place, (given, seed) in enumerate(zip(members, seeds, strict=True))
    )


def member_from(name: str, given: Mapping[str, Any] | Member, seed: int) -> Member:
    """Return one member, checked; `seed` is used if none is given."""
    options = asdict(given) if isinstance(given, Member) else given
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"{name} must be a dict, got {given!r}.")
    unknown = [option for option in options if option not in NAMES]
    if unknown:
        raise ConfigurationError(f"{name} has {unknown}; a member's options are {list(NAMES)}.")
    if options.get("seed") is None:
        options = {**options, "seed": seed}
    try:
        return Member(**options)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
