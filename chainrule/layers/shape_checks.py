"""What layers check of their inputs: the shape, in a sentence that names the one expected."""

from __future__ import annotations

from chainrule.errors import ShapeError
from chainrule.module import Module
from chainrule.parameter import Array


def check_shape(module: Module, x: Array, fits: bool, expected: str, hint: str = "") -> None:
    """Raise ShapeError unless `x` fits: "expected (N, T, 4), got an input of shape (2, 3)."."""
    if not fits:
        raise ShapeError(f"expected {expected}, got an input of shape {x.shape}.{hint}", module)


def check_sequences(module: Module, x: Array, features: int | None = None) -> None:
    """Raise ShapeError unless `x` is a batch of sequences, (N, T, features), none of them empty."""
    fits = x.ndim == 3 and 0 not in x.shape[1:] and features in (None, x.shape[2])
    check_shape(module, x, fits, f"sequences (N, T, {features or 'features'})")


def check_channels(module: Module, x: Array, channels: int) -> None:
    """Raise ShapeError unless `x` is (N, channels, ...), and no channel is empty."""
    fits = x.ndim >= 2 and x.shape[1] == channels and 0 not in x.shape[2:]
    check_shape(module, x, fits, f"{channels} channels (N, {channels}, ...)")
