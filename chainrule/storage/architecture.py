"""A module's architecture as data: class names and arguments, to JSON and back.

Only classes that stand in a table given by the caller are built, with arguments that are plain
values. So a file can never cause an import, nor a call of anything but these constructors.

A module that stands at several places is described once, and referred to by its number at the
others: modules are numbered in the order in which their descriptions end.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, ConfigurationError, FileFormatError
from chainrule.parameter import limited_size

DEEPEST = 100
"""How deep modules and values may be nested in a file."""

LARGEST_NUMBER = 10_000_000
"""A whole number in an architecture may be this large, or as large as the file has values."""

Classes = Mapping[str, type[Any]]


def arguments(module: Any) -> dict[str, Any]:
    """Return the constructor arguments that differ from their defaults, read from the attributes.

    `seed` and `initialization` are left out: they chose the first values, which are not
    part of the architecture. A parameter stands for the ``True`` that asked for it, or for
    the ``False`` where it is None.
    """
    shown = {}
    for name, argument in inspect.signature(type(module)).parameters.items():
        if name in ("seed", "initialization") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if argument.default is True or argument.default is False:
            value = value is not None and value is not False
        if isinstance(value, np.ndarray) or value != argument.default:
            shown[name] = value
    return shown


def is_module(value: Any) -> bool:
    """Whether this is a module; told by its methods, since Module itself stands below this file."""
    return hasattr(type(value), "forward") and hasattr(type(value), "backward_parameters")


# ---------------------------------------------------------------- to JSON


def describe(module: Any, own: Classes) -> dict[str, Any]:
    """Return the module as plain data: its class's name, and its arguments.

    `own` are chainrule's classes by name; any other class is marked as the user's.
    """
    return _Describer(own).module(module, 0)


class _Describer:
    def __init__(self, own: Classes) -> None:
        self.own = own
        self.numbers: dict[int, int] = {}  # of a module, by its id

    def module(self, module: Any, depth: int) -> dict[str, Any]:
        if id(module) in self.numbers:
            return {"same": self.numbers[id(module)]}
        kind = type(module)
        description: dict[str, Any] = {"class": kind.__name__}
        if self.own.get(kind.__name__) is not kind:
            description["custom"] = True
        values = arguments(module)
        for name, argument in inspect.signature(kind).parameters.items():
            if argument.default is argument.empty and name not in values:
                raise ConfigurationError(
                    f"{kind.__name__} cannot be saved: it keeps no attribute {name!r}. Keep every "
                    "argument of the constructor as an attribute of the same name."
                )
        description["arguments"] = {
            name: self.plain(value, depth + 1, f"{kind.__name__}'s {name}")
            for name, value in values.items()
        }
        self.numbers[id(module)] = len(self.numbers)
        return description

    def plain(self, value: Any, depth: int, where: str) -> Any:
        if depth > DEEPEST:
            raise ConfigurationError(
                f"{where} is nested more than {DEEPEST} deep; it cannot be saved."
            )
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return self.plain(value.item(), depth, where)
        if is_module(value):
            return {"module": self.module(value, depth)}
        if type(value) is self.own.get("Node"):
            node = {"module": value.module, "inputs": list(value.inputs), "further": value.further}
            return {"node": {k: self.plain(v, depth + 1, where) for k, v in node.items()}}
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        if isinstance(value, list):
            return [self.plain(item, depth + 1, where) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.plain(item, depth + 1, where) for item in value]}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"dict": {k: self.plain(item, depth + 1, where) for k, item in value.items()}}
        raise ConfigurationError(
            f"{where} is a {type(value).__name__}, which cannot be saved; modules, numbers, text, "
            "lists, tuples and dicts can."
        )


# ---------------------------------------------------------------- and back


def build(description: Any, own: Classes, custom: Classes, values: int) -> Any:
    """Return the module that `describe` described.

    Parameters
    ----------
    description : dict
        What `describe` returned.
    own, custom : mapping of names to classes
        The classes that may be built: chainrule's own, and the user's.
    values : int
        How many numbers the file holds: a module that would need more is refused before it
        takes the memory.
    """
    builder = _Builder(own, custom, max(values, LARGEST_NUMBER))
    try:
        with limited_size(values):
            return builder.module(description, 0)
    except (MemoryError, OverflowError) as error:
        raise FileFormatError(
            "The architecture in the file asks for more memory than there is."
        ) from error


class _Builder:
    def __init__(self, own: Classes, custom: Classes, largest: int) -> None:
        self.own, self.custom, self.largest = own, custom, largest
        self.built: list[Any] = []

    def module(self, description: Any, depth: int) -> Any:
        if isinstance(description, dict) and "same" in description:
            return self.again(description["same"])
        if not isinstance(description, dict) or not isinstance(description.get("arguments"), dict):
            raise FileFormatError("The file's architecture is not what chainrule writes.")
        kind = self._class(description.get("class"), description.get("custom") is True)
        values = {k: self.value(v, depth + 1) for k, v in description["arguments"].items()}
        unknown = sorted(set(values) - set(inspect.signature(kind).parameters))
        if unknown:
            raise FileFormatError(
                f"The file gives {kind.__name__} the arguments {unknown}, which it does not have."
            )
        try:
            self.built.append(kind(**values))
        except (ChainruleError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise FileFormatError(
                f"{kind.__name__} cannot be built with the arguments in the file: {error}"
            ) from error
        return self.built[-1]

    def node(self, parts: dict[str, Any]) -> Any:
        """Return a graph's node."""
        try:
            return self.own["Node"](parts["module"], *parts["inputs"], **parts["further"])
        except (ChainruleError, TypeError, KeyError) as error:
            raise FileFormatError(f"A node cannot be built from the file: {error}") from error

    def again(self, number: Any) -> Any:
        """Return a module that was built before."""
        if type(number) is not int or not 0 <= number < len(self.built):
            raise FileFormatError("The file's architecture refers to a module that is not there.")
        return self.built[number]

    def _class(self, name: Any, custom: bool) -> type[Any]:
        table = self.custom if custom else self.own
        if isinstance(name, str) and hasattr(table.get(name), "backward_parameters"):
            return table[name]
        raise FileFormatError(
            f"The file needs the module class {name!r}. "
            + (
                f"If you trust it, pass the class: load(path, modules=[{name}])."
                if custom
                else "This chainrule has no layer of that name; a newer one may."
            )
        )

    def value(self, plain: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise FileFormatError(f"The file nests modules or values more than {DEEPEST} deep.")
        if isinstance(plain, list):
            return [self.value(item, depth + 1) for item in plain]
        if isinstance(plain, dict):
            return self._tagged(plain, depth)
        if isinstance(plain, int) and abs(plain) > self.largest:
            raise FileFormatError(f"The file's architecture holds the number {plain}: too large.")
        return plain

    def _tagged(self, plain: dict[str, Any], depth: int) -> Any:
        if len(plain) == 1:
            ((tag, content),) = plain.items()
            if tag == "module":
                return self.module(content, depth)
            if tag == "node" and isinstance(content, dict):
                return self.node({k: self.value(v, depth + 1) for k, v in content.items()})
            if tag == "dtype" and content in ("float32", "float64"):
                return np.dtype(content)
            if tag == "tuple" and isinstance(content, list):
                return tuple(self.value(item, depth + 1) for item in content)
            if tag == "dict" and isinstance(content, dict):
                return {key: self.value(item, depth + 1) for key, item in content.items()}
        raise FileFormatError("The file's architecture is not what chainrule writes.")
