"""A module's architecture as plain data (class names and arguments), and back.

Only chainrule's own modules and the classes that the caller passes are built, with plain values as
arguments. So a file can never cause an import, nor a call of anything but these constructors.

A module used in several places is described once, and referred to by its number elsewhere. Modules
are numbered in the order in which their descriptions end.

`check` reads a description from end to end before anything is built from it, and before it is
written: whatever cannot be loaded is not saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from chainrule.checks.constructor import arguments, constructor_arguments
from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.layers.graph import Node
from chainrule.module import Module
from chainrule.parameter import limited_memory
from chainrule.storage.schema import anything, dict_of, list_of, record, shortly, text, truth

DEEPEST = 100
"""How deep modules and values may be nested."""

LARGEST_NUMBER = 10_000_000
"""An integer in an architecture may be this large, or as large as the file's arrays in bytes."""

MOST_USES = 50_000
"""How many uses of modules there may be, and `USES_OF_AN_ARRAY` more for each array in the file."""

USES_OF_AN_ARRAY = 20

LONGEST_REASON = 300
"""Characters of a constructor's error message, which may quote all that it was given."""

Classes = Mapping[str, type[Module]]

MODULE = record(**{"class": text, "custom": truth, "arguments": dict_of(anything)})

NODE = record(
    module=record(module=anything), inputs=list_of(anything), further=record(dict=dict_of(anything))
)

# ---------------------------------------------------------------- to plain data


def describe(module: Module, arrays: int, held: int) -> dict[str, Any]:
    """Return a module as plain data, for `build`.

    `arrays` and `held` are as in `build`.

    Raises
    ------
    ConfigurationError
        An argument is not kept as an attribute, is not plain data, or could not be loaded.
    """
    describer = _Describer()
    name = type(module).__name__
    try:
        description = describer.module(module)
        check(description, describer.custom, arrays, held)
    except RecursionError as error:
        raise ConfigurationError(
            f"{name} cannot be saved: modules or values are nested more than {DEEPEST} deep."
        ) from error
    except FileFormatError as error:
        raise ConfigurationError(f"{name} cannot be saved: {error}") from error
    return description


class _Describer:
    """Turns modules and values into plain data."""

    def __init__(self) -> None:
        self.custom: dict[str, type[Module]] = {}  # the user's classes
        self.numbers: dict[int, int] = {}  # of a module, by its id

    def module(self, module: Module) -> dict[str, Any]:
        if id(module) in self.numbers:
            return {"same": self.numbers[id(module)]}
        kind = type(module)
        description: dict[str, Any] = {"class": kind.__name__}
        if Module.library_classes.get(kind.__name__) is not kind:
            description["custom"] = True
            self.custom[kind.__name__] = kind
        values = arguments(module)
        for name, argument in constructor_arguments(kind).items():
            if argument.default is argument.empty and name not in values:
                raise ConfigurationError(
                    f"{kind.__name__} cannot be saved: it has no attribute {name!r}. Keep every "
                    "argument of the constructor as an attribute of the same name."
                )
        description["arguments"] = {
            name: self.value(value, f"{kind.__name__}'s {name}") for name, value in values.items()
        }
        self.numbers[id(module)] = len(self.numbers)
        return description

    def value(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return self.value(value.item(), where)
        if isinstance(value, Module):
            return {"module": self.module(value)}
        if isinstance(value, Node):
            parts = {"module": value.module, "inputs": list(value.inputs), "further": value.further}
            return {"node": {name: self.value(part, where) for name, part in parts.items()}}
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        if isinstance(value, list):
            return [self.value(item, where) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.value(item, where) for item in value]}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"dict": {key: self.value(item, where) for key, item in value.items()}}
        raise ConfigurationError(
            f"{where} is a {type(value).__name__}, which cannot be saved. Modules, numbers, text, "
            "lists, tuples and dicts with text as keys can."
        )


# ---------------------------------------------------------------- checked


def check(description: Any, custom: Classes, arrays: int, held: int) -> None:
    """Raise FileFormatError unless `build` may use this description; see there."""
    _Checker(custom, arrays, max(held, LARGEST_NUMBER)).module(description, 0)


class _Checker:
    """Checks a description's structure, classes, names of arguments, and its size.

    Whether the values make sense is left to the constructors.

    Each method returns how many modules it found, with each use of a module counted. The sum of
    these counts over all modules, which is what building takes, is limited. Without a limit, a few
    hundred bytes, each module holding the one before it twice, would ask for 2^40 modules.
    """

    def __init__(self, custom: Classes, arrays: int, largest: int) -> None:
        self.custom, self.largest = custom, largest
        self.uses_left = MOST_USES + USES_OF_AN_ARRAY * arrays
        self.sizes: list[int] = []  # of each module by its number: itself and all below it

    def module(self, description: Any, depth: int) -> int:
        if isinstance(description, dict) and set(description) == {"same"}:
            size = self._size_of(description["same"])
        else:
            size = self._new(description, depth)
        self.uses_left -= size
        if self.uses_left < 0:
            raise FileFormatError(
                "The architecture has more modules within modules, or used in several places, "
                "than belong to so few arrays."
            )
        return size

    def _size_of(self, number: Any) -> int:
        if type(number) is not int or not 0 <= number < len(self.sizes):
            raise FileFormatError("The architecture refers to a module that is not there.")
        return self.sizes[number]

    def _new(self, description: Any, depth: int) -> int:
        if isinstance(description, dict):
            description = {"custom": False, **description}  # written only where it is true
        MODULE(description, "A module in the architecture")
        kind = class_of(description, self.custom)
        values = description["arguments"]
        unknown = sorted(set(values) - set(constructor_arguments(kind)))
        if unknown:
            raise FileFormatError(f"{kind.__name__} has no arguments {unknown[:5]}.")
        below = [self.value(value, depth + 1) for value in values.values()]
        self.sizes.append(1 + sum(below))
        return self.sizes[-1]

    def value(self, value: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise FileFormatError(f"Modules or values are nested more than {DEEPEST} deep.")
        if isinstance(value, list):
            return sum([self.value(item, depth + 1) for item in value])
        if isinstance(value, dict):
            return self._tagged(value, depth)
        if isinstance(value, int) and abs(value) > self.largest:
            raise FileFormatError(f"The architecture holds an integer beyond {self.largest:,}.")
        return 0

    def _tagged(self, value: dict[str, Any], depth: int) -> int:
        if len(value) != 1:
            _refuse(value)
        ((tag, content),) = value.items()
        if tag == "module":
            return self.module(content, depth)
        if tag == "node":
            NODE(content, "A node in the architecture")
            return sum([self.value(part, depth + 1) for part in content.values()])
        if tag == "tuple" and isinstance(content, list):
            return self.value(content, depth)
        if tag == "dict" and isinstance(content, dict):
            return sum([self.value(item, depth + 1) for item in content.values()])
        if tag != "dtype" or content not in ("float32", "float64"):
            _refuse(value)
        return 0


def _refuse(value: Any) -> NoReturn:
    raise FileFormatError(f"The architecture holds {shortly(value)}, which chainrule never writes.")


def class_of(description: dict[str, Any], custom: Classes) -> type[Module]:
    """Return the class that a module's description names, if it is one that may be built."""
    name, is_custom = description["class"], description.get("custom", False)
    kind = (custom if is_custom else Module.library_classes).get(name)
    if kind is None or not issubclass(kind, Module):
        raise FileFormatError(
            f"The file needs the module class {shortly(name)}. "
            + (
                f"If you trust it, pass the class: load(path, modules=[{name}])."
                if is_custom
                else "This version of chainrule has no layer of that name; a newer one may."
            )
        )
    return kind


# ---------------------------------------------------------------- built


def build(description: Any, custom: Classes, arrays: int, held: int) -> Module:
    """Return the module that `describe` described.

    Parameters
    ----------
    description : dict
        What `describe` returned.
    custom : mapping of str to class
        The user's classes by name, which may be built beside chainrule's own.
    arrays : int
        How many arrays the file holds.
    held : int
        How much memory they take, as `limited_memory` counts it. A module that would take more is
        refused before it does.

    Raises
    ------
    FileFormatError
        The description is not what `describe` returns, or a constructor refuses it.
    """
    check(description, custom, arrays, held)
    with limited_memory(held):
        return _Builder(custom).module(description)


class _Builder:
    """Builds what was checked."""

    def __init__(self, custom: Classes) -> None:
        self.custom = custom
        self.built: list[Module] = []

    def module(self, description: dict[str, Any]) -> Module:
        if "same" in description:
            return self.built[description["same"]]
        values = {name: self.value(value) for name, value in description["arguments"].items()}
        self.built.append(_construct(class_of(description, self.custom), (), values))
        return self.built[-1]

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((tag, content),) = value.items()
        if tag == "module":
            return self.module(content)
        if tag == "node":
            parts = {name: self.value(part) for name, part in content.items()}
            return _construct(Node, (parts["module"], *parts["inputs"]), parts["further"])
        if tag == "dtype":
            return np.dtype(content)
        if tag == "tuple":
            return tuple(self.value(item) for item in content)
        return {name: self.value(item) for name, item in content.items()}


def _construct(kind: type[Any], inputs: tuple[Any, ...], values: dict[str, Any]) -> Any:
    """Return an object of this class; whatever its constructor raises is the file's fault."""
    try:
        return kind(*inputs, **values)
    except MemoryError as error:
        raise FileFormatError(
            f"{kind.__name__} in the file needs more memory than there is."
        ) from error
    except Exception as error:
        raise FileFormatError(
            f"{kind.__name__} cannot be built with the arguments in the file: "
            f"{str(error)[:LONGEST_REASON]}"
        ) from error
