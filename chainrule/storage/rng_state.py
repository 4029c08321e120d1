"""The state of a random generator as JSON can represent it, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.storage.schema import anything, list_of, record, refuse, text, whole

LARGEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
"""The largest values of the parts of a state that are indices, or small numbers."""


def to_plain_state(state: Any) -> Any:
    """Return a bit generator's state as JSON can represent it."""
    if isinstance(state, dict):
        return {name: to_plain_state(value) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.name}
    return int(state) if isinstance(state, np.integer) else state


def from_plain_state(state: Any, like: Any, where: str, largest: int = 2**128 - 1) -> Any:
    """Return the state that `to_plain_state` was given, from a file that is not trusted.

    Parameters
    ----------
    state : dict
        What the file holds.
    like : dict
        A current state of the generator that it is for. The file's state must have the same parts
        of the same kind: NumPy would believe any index, also one beyond a table's end.
    where : str
        What the message of an error starts with.
    largest : int
        The largest integer that it may hold.

    Raises
    ------
    FileFormatError
        It is not a state of such a generator.
    """
    if isinstance(like, dict):
        record(**dict.fromkeys(like, anything))(state, where)
        return {
            name: from_plain_state(
                state[name], part, f"{where}: {name}", LARGEST.get(name, largest)
            )
            for name, part in like.items()
        }
    if isinstance(like, np.ndarray):
        limits = np.iinfo(like.dtype)
        record(array=list_of(whole(limits.min, limits.max)), dtype=text)(state, where)
        if state["dtype"] != like.dtype.name or len(state["array"]) != like.size:
            refuse(where, f"{like.size} numbers of {like.dtype.name}", state["array"])
        return np.array(state["array"], like.dtype)
    if isinstance(like, str):
        if state != like:
            refuse(where, repr(like), state)
        return state
    whole(0, largest)(state, where)
    return state
