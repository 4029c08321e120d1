"""Names with a prefix, for arrays of several kinds in one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_prefix(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the names ``prefix/name``."""
    return {f"{prefix}/{name}": value for name, value in values.items()}


def without_prefix(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values whose names start with ``prefix/``, under their names without it."""
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}
