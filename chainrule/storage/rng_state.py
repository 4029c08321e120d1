"""The state of a random generator as JSON can say it, and back."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_plain_state(state: Any) -> Any:
    """Return a bit generator's state as JSON can say it."""
    if isinstance(state, dict):
        return {name: to_plain_state(value) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.name}
    return int(state) if isinstance(state, np.integer) else state


def from_plain_state(state: Any) -> Any:
    """Return what `to_plain_state` was given."""
    if isinstance(state, dict):
        if set(state) == {"array", "dtype"}:
            return np.array(state["array"], state["dtype"])
        return {name: from_plain_state(value) for name, value in state.items()}
    return state
