"""The errors that chainrule raises.

ChainruleError
├── ModuleError                  raised by a module; says where in the network
│   ├── ShapeError               an array of the wrong shape (also a ValueError)
│   └── BackwardError            backward without the forward that it belongs to
├── InputError                   data that cannot be used (also a ValueError)
├── ConfigurationError           an option that makes no sense (also a ValueError)
├── StateError                   saved values that do not fit the network (also a ValueError)
│   └── FileFormatError          a file that is truncated, damaged or something else
├── NotFiniteError               training produced NaN or infinity (also an ArithmeticError)
├── RankError                    another rank of this training failed (also a RuntimeError)
└── MissingExtraError            an optional package is not installed (also an ImportError)

Every message says what happened, what was expected and what to do about it.
"""

from __future__ import annotations

import typing

__all__ = [
    "BackwardError",
    "ChainruleError",
    "ConfigurationError",
    "FileFormatError",
    "InputError",
    "MissingExtraError",
    "ModuleError",
    "NotFiniteError",
    "RankError",
    "ShapeError",
    "StateError",
]


class ChainruleError(Exception):
    """Base class of every error that chainrule raises on purpose."""


class ModuleError(ChainruleError):
    """An error inside a module, with the path to that module.

    Parameters
    ----------
    detail : str
        What happened, what was expected, what to do.
    module : object, optional
        The module that raised it. The network around it fills in `path`.
    """

    def __init__(self, detail: str, module: object = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.module = module
        self.path = ""

    def __str__(self) -> str:
        if self.module is None:
            return self.detail
        name = type(self.module).__name__
        where = f"{name} ({self.path})" if self.path else name
        return f"{where}: {self.detail}"


class ShapeError(ModuleError, ValueError):
    """An array has a shape that the module cannot take."""


class BackwardError(ModuleError, RuntimeError):
    """Backward was called without a forward pass in training before it."""


class InputError(ChainruleError, ValueError):
    """The data cannot be used: empty, not finite, of different lengths, or an unknown class."""


class ConfigurationError(ChainruleError, ValueError):
    """An option makes no sense: an unknown name, an impossible size."""


class StateError(ChainruleError, ValueError):
    """Saved values do not fit the network they are loaded into."""


class FileFormatError(StateError):
    """A file is truncated, damaged, or not of the kind that was asked for."""


class NotFiniteError(ChainruleError, ArithmeticError):
    """Training produced NaN or infinity, and stopped at once.

    Parameters
    ----------
    message : str
        The whole post-mortem, for people.
    origin : NonFiniteArray, optional
        The first array that was not finite; see `chainrule.diagnosis.post_mortem`.
    file : str
        Where the batch was saved for replay, or ``""``.
    """

    def __init__(self, message: str, origin: typing.Any = None, file: str = "") -> None:
        super().__init__(message)
        self.origin = origin
        self.file = file


class RankError(ChainruleError, RuntimeError):
    """Another rank of a training over MPI failed, so this one stopped too.

    Parameters
    ----------
    message : str
        Which rank it was, and its traceback.
    ranks : tuple of int
        The ranks that failed.
    """

    def __init__(self, message: str, ranks: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.ranks = ranks


class MissingExtraError(ChainruleError, ImportError):
    """A feature needs an optional package that is not installed."""
