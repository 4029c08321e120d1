"""What is compared: each file in this folder with a tuple METHODS of `Method`."""

import importlib
import pkgutil
from functools import cache

from benchmarks.tables.methods.method import Method

__all__ = ["Method", "methods"]


@cache
def methods() -> dict[str, Method]:
    """Return every method by name, the cheapest first."""
    found: list[Method] = []
    for module in pkgutil.iter_modules(__path__):
        found += getattr(importlib.import_module(f"{__name__}.{module.name}"), "METHODS", ())
    return {method.name: method for method in sorted(found, key=lambda m: (m.cost, m.name))}
