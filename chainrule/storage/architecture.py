"""A module's architecture as plain data (class names and arguments), and back.

Only chainrule's own modules and the classes that the caller passes are built, with plain values as
arguments. So a file can never cause an import, nor a call of anything but these constructors.

A module used in several places is described once, and referred to by its number elsewhere. Modules
are numbered in the order in which their descriptions end.

A description is read from end to end, as a list of constructor calls, before the first of them is
made. It is read before it is written, too: what could not be loaded is not saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks.constructor import arguments, constructor_arguments
from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.layers.graph import Node
from chainrule.module import Module
from chainrule.parameter import limited_memory
from chainrule.storage.schema import (
    anything,
    boolean,
    dict_of,
    kind,
    list_of,
    record,
    shortly,
    text,
)

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

SCALARS = {
    kind.__name__: kind
    for kind in (
        *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64),
    )
}
"""NumPy's numbers among arguments. np.bool_ is written as True or False."""

SCALAR = record(
    dtype=kind("a type of numbers", lambda name: isinstance(name, str) and name in SCALARS),
    value=kind("a number", lambda value: type(value) in (int, float)),
)

MODULE = record(**{"class": text, "custom": boolean, "arguments": dict_of(anything)})

NODE = record(
    module=record(module=anything), inputs=list_of(anything), further=record(dict=dict_of(anything))
)

# ---------------------------------------------------------------- to plain data


def describe(module: Module, arrays: int, held: int) -> tuple[dict[str, Any], Module]:
    """Return a module as plain data, for `build`, and the module that is built from them.

    `arrays` and `held` are as in `build`.

    Raises
    ------
    ConfigurationError
        An argument is not kept as an attribute, is not plain data, or could not be loaded; or a
        constructor refuses what it would be given.
    """
    describer = _Describer()
    name = type(module).__name__
    try:
        description = describer.module(module)
        with numpys_random_state_kept() if describer.custom else contextlib.nullcontext():
            built = build(description, describer.custom, arrays, held)
    except RecursionError as error:
        raise ConfigurationError(
            f"{name} cannot be saved: modules or values are nested more than {DEEPEST} deep."
        ) from error
    except FileFormatError as error:
        raise ConfigurationError(f"{name} cannot be saved: {error}") from error
    return description, built


@contextlib.contextmanager
def numpys_random_state_kept() -> Iterator[None]:
    """Undo what constructors of the user's classes draw from NumPy's global generator."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


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
            if self.custom.setdefault(kind.__name__, kind) is not kind:
                raise ConfigurationError(
                    f"Two classes are called {kind.__name__}, and a file knows classes by name: "
                    "rename one of them."
                )
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
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.bool_ | np.str_):
            return value.item()
        if isinstance(value, np.generic) and value.dtype.name in SCALARS:
            return {"scalar": {"dtype": value.dtype.name, "value": value.item()}}
        if isinstance(value, Module):
            return {"module": self.module(value)}
        if isinstance(value, Node):
            parts = {"module": value.module, "inputs": list(value.inputs), "further": value.further}
            return {"node": {name: self.value(part, where) for name, part in parts.items()}}
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        if isinstance(value, list):
            return [self.value(item, where) for item in value]
        if type(value) is tuple:
            return {"tuple": [self.value(item, where) for item in value]}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"dict": {key: self.value(item, where) for key, item in value.items()}}
        raise ConfigurationError(
            f"{where} is a {type(value).__name__}, which cannot be saved. Modules, numbers, text, "
            "lists, tuples and dicts with text as keys can."
        )


# ---------------------------------------------------------------- and back


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
    with limited_memory(held):
        calls = constructor_calls(description, custom, arrays, held)
        for call in calls:
            call.result = _construct(call)
    return calls[-1].result


@dataclass
class Call:
    """A call of a constructor: its class, its arguments by position and by name, what it returned.

    Among the arguments of a call, an earlier call stands for what it returned.
    """

    kind: type[Any]
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    result: Any = None


def constructor_calls(description: Any, custom: Classes, arrays: int, held: int) -> list[Call]:
    """Return the calls that build a module, the module's own last; nothing is called yet.

    The parameters are those of `build`. Whether values make sense is left to the constructors.

    Raises
    ------
    FileFormatError
        The description is not what `describe` returns, anywhere in it.
    """
    reader = _Reader(custom, arrays, max(held, LARGEST_NUMBER))
    reader.module(description, 0)
    return reader.calls


class _Reader:
    """Reads a description from end to end.

    The number of uses of modules is limited. A module counts once for itself and once for each
    module that it is a part of, and again wherever it is used again, with all that is in it; this
    is the work that building takes. Without a limit, a few hundred bytes, each module holding the
    one before it twice, would ask for 2^40 modules.
    """

    def __init__(self, custom: Classes, arrays: int, largest: int) -> None:
        self.custom, self.largest = custom, largest
        self.calls: list[Call] = []
        self.modules: list[tuple[Call, int]] = []  # by number: itself, and modules in it
        self.modules_seen = 0
        self.uses_left = MOST_USES + USES_OF_AN_ARRAY * arrays

    def module(self, description: Any, depth: int) -> Call:
        if isinstance(description, dict) and set(description) == {"same"}:
            number = description["same"]
            if type(number) is not int or not 0 <= number < len(self.modules):
                raise FileFormatError("The architecture refers to a module that is not there.")
            result, size = self.modules[number]
            self.modules_seen += size
        else:
            before = self.modules_seen
            result = self._new_module(description, depth)
            self.modules_seen += 1
            size = self.modules_seen - before
            self.modules.append((result, size))
        self.uses_left -= size
        if self.uses_left < 0:
            raise FileFormatError(
                "The architecture has more modules within modules, or used in several places, "
                "than belong to so few arrays."
            )
        return result

    def _new_module(self, description: Any, depth: int) -> Call:
        if isinstance(description, dict):
            description = {"custom": False, **description}  # written only where it is true
        MODULE(description, "A module in the architecture")
        kind = self._class_of(description["class"], description["custom"])
        arguments = description["arguments"]
        unknown = sorted(set(arguments) - set(constructor_arguments(kind)))
        if unknown:
            raise FileFormatError(f"{kind.__name__} has no arguments {unknown[:5]!r:.200}.")
        options = {name: self.value(value, depth + 1) for name, value in arguments.items()}
        return self._call(kind, (), options)

    def _class_of(self, name: str, is_custom: bool) -> type[Module]:
        kind = (self.custom if is_custom else Module.library_classes).get(name)
        if kind is None or not issubclass(kind, Module):
            advice = "This version of chainrule has no layer of that name; a newer one may."
            if is_custom:
                advice = f"If you trust it, pass the class: load(path, modules=[{name:.60}])."
            raise FileFormatError(f"The file needs the module class {shortly(name)}. {advice}")
        return kind

    def _call(self, kind: type[Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Call:
        self.calls.append(Call(kind, inputs, options))
        return self.calls[-1]

    def value(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise FileFormatError(f"Modules or values are nested more than {DEEPEST} deep.")
        if isinstance(value, list):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, int) and abs(value) > self.largest:
            raise FileFormatError(f"The architecture holds an integer beyond {self.largest:,}.")
        return self._tagged(value, depth) if isinstance(value, dict) else value

    def _tagged(self, value: dict[str, Any], depth: int) -> Any:
        """Return the value that a dict such as ``{"tuple": [1, 2]}`` stands for."""
        if len(value) == 1:
            ((tag, content),) = value.items()
            if tag == "module":
                return self.module(content, depth)
            if tag == "node":
                NODE(content, "A node in the architecture")
                parts = {name: self.value(part, depth + 1) for name, part in content.items()}
                return self._call(Node, (parts["module"], *parts["inputs"]), parts["further"])
            if tag == "tuple" and isinstance(content, list):
                return tuple(self.value(content, depth))
            if tag == "dict" and isinstance(content, dict):
                return {name: self.value(item, depth + 1) for name, item in content.items()}
            if tag == "scalar":
                return _scalar(content)
            if tag == "dtype" and content in ("float32", "float64"):
                return np.dtype(content)
        raise FileFormatError(
            f"The architecture holds {shortly(value)}, which chainrule never writes."
        )


def _scalar(content: Any) -> Any:
    """Return one of NumPy's numbers."""
    SCALAR(content, "A number in the architecture")
    try:
        return SCALARS[content["dtype"]](content["value"])
    except OverflowError as error:
        raise FileFormatError(f"The architecture holds a number out of range: {error}.") from error


def _construct(call: Call) -> Any:
    """Make a call; whatever the constructor raises is the file's fault."""
    name = call.kind.__name__
    try:
        return call.kind(*_resolved(call.inputs), **_resolved(call.options))
    except MemoryError as error:
        raise FileFormatError(f"{name} in the file needs more memory than there is.") from error
    except Exception as error:
        raise FileFormatError(
            f"{name} cannot be built with the arguments in the file: {error!s:.{LONGEST_REASON}}"
        ) from error


def _resolved(value: Any) -> Any:
    """Return a value with the results of earlier calls in their places."""
    if isinstance(value, Call):
        return value.result
    if isinstance(value, list | tuple):
        return type(value)([_resolved(item) for item in value])
    if isinstance(value, dict):
        return {name: _resolved(item) for name, item in value.items()}
    return value
