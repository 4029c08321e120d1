"""Optional packages: imported when they are needed, and named with their extra when missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from chainrule.errors import MissingExtraError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Return the module; where it is not installed, say which extra to install.

    >>> require("math", "none", "Counting").sqrt(4)
    2.0
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {package}: pip install 'chainrule[{extra}]'."
        ) from error
