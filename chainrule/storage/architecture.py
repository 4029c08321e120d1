"""A module's architecture as data: class names and arguments, to JSON and back.

Only classes that stand in a table given by the caller are built, with arguments that are plain
values. So a file can never cause an import, nor a call of anything but these constructors.

A module that stands at several places is described once, and referred to by its number at the
others: modules are numbered in the order in which their descriptions end.

A description out of a file is looked at from end to end before anything is built of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NoReturn, TypeGuard

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import limited_memory
from chainrule.storage.schema import shortly

DEEPEST = 100
"""How deep modules and values may be nested in a file."""

LARGEST_NUMBER = 10_000_000
"""A whole number in an architecture may be this large, or as large as the file has values."""

MOST_USES = 50_000
"""How many uses of modules there may be in a file, and `USES_OF_AN_ARRAY` more for each array."""

USES_OF_AN_ARRAY = 20

LONGEST_REASON = 300
"""Characters of why something cannot be built: a constructor may show all that it was given."""

Classes = Mapping[str, type[Any]]


def arguments(module: Any) -> dict[str, Any]:
    """Return the constructor arguments that differ from their defaults, read from the attributes.

    `seed` and `initialization` are left out: they chose the first values, which are not
    part of the architecture. A parameter stands for the ``True`` that asked for it, or for
    the ``False`` where it is None.
    """
    shown = {}
    for name, argument in constructor_arguments(type(module)).items():
        if name in ("seed", "initialization") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if argument.default is True or argument.default is False:
            value = value is not None and value is not False
        if isinstance(value, np.ndarray) or value != argument.default:
            shown[name] = value
    return shown


def constructor_arguments(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the constructor's arguments by their names; looked up once for each class."""
    return _parameters(kind)


@cache
def _parameters(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def is_module(value: Any) -> bool:
    """Whether this is a module; told by its methods, since Module itself stands below this file."""
    return hasattr(type(value), "forward") and hasattr(type(value), "backward_parameters")


class Uses:
    """Counts the uses of modules: each counts for itself, and for each module that it is a part of.

    One that stands at several places counts at each of them with all that is in it. This is what
    building takes, since every container looks through what is below it; and without it some
    hundred bytes, each module holding the one before it twice, would ask for 2^40 of them.
    """

    def __init__(self, arrays: int) -> None:
        self.left = MOST_USES + USES_OF_AN_ARRAY * arrays
        self.of: list[int] = []  # by the module's number
        self._below = [0]

    def begin(self) -> None:
        """Begin a module; those in it follow."""
        self._below.append(1)

    def end(self) -> int:
        """End the module that was begun last; return its number."""
        self.of.append(self._below.pop())
        self._add(self.of[-1])
        return len(self.of) - 1

    def again(self, number: int) -> None:
        """Use a module once more."""
        self._add(self.of[number])

    def _add(self, uses: int) -> None:
        self._below[-1] += uses
        self.left -= uses

    @property
    def too_many(self) -> bool:
        """Whether there are more than are built."""
        return self.left < 0


TOO_MANY_USES = "more modules in modules, and at several places, than belong to so few arrays"

# ---------------------------------------------------------------- to JSON


def describe(module: Any, own: Classes, arrays: int) -> dict[str, Any]:
    """Return the module as plain data: its class's name, and its arguments.

    `own` are chainrule's classes by name; any other class is marked as the user's. `arrays` is how
    many the file will hold.
    """
    return _Describer(own, arrays).module(module, 0)


class _Describer:
    def __init__(self, own: Classes, arrays: int) -> None:
        self.own = own
        self.uses = Uses(arrays)
        self.numbers: dict[int, int] = {}  # of a module, by its id

    def module(self, module: Any, depth: int) -> dict[str, Any]:
        if id(module) in self.numbers:
            self.uses.again(self.numbers[id(module)])
            return {"same": self.numbers[id(module)]}
        self.uses.begin()
        kind = type(module)
        description: dict[str, Any] = {"class": kind.__name__}
        if self.own.get(kind.__name__) is not kind:
            description["custom"] = True
        values = arguments(module)
        for name, argument in constructor_arguments(kind).items():
            if argument.default is argument.empty and name not in values:
                raise ConfigurationError(
                    f"{kind.__name__} cannot be saved: it keeps no attribute {name!r}. Keep every "
                    "argument of the constructor as an attribute of the same name."
                )
        description["arguments"] = {
            name: self.plain(value, depth + 1, f"{kind.__name__}'s {name}")
            for name, value in values.items()
        }
        self.numbers[id(module)] = self.uses.end()
        if self.uses.too_many:
            raise ConfigurationError(f"{kind.__name__} cannot be saved: it has {TOO_MANY_USES}.")
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


def build(description: Any, own: Classes, custom: Classes, arrays: int, held: int) -> Any:
    """Return the module that `describe` described.

    Parameters
    ----------
    description : dict
        What `describe` returned.
    own, custom : mapping of names to classes
        The classes that may be built: chainrule's own, and the user's.
    arrays : int
        How many arrays the file holds.
    held : int
        What they count for in memory: a module that would need more is refused before it takes
        it. See `limited_memory`.
    """
    classes = _Classes(own, custom)
    _Checker(classes, arrays, max(held, LARGEST_NUMBER)).module(description, 0)
    with limited_memory(held):
        return _Builder(classes).module(description)


class _Classes:
    """The classes that a file may name."""

    def __init__(self, own: Classes, custom: Classes) -> None:
        self.own, self.custom = own, custom

    def find(self, description: dict[str, Any]) -> type[Any]:
        name, custom = description["class"], "custom" in description
        kind = (self.custom if custom else self.own).get(name)
        if kind is None or not hasattr(kind, "backward_parameters"):
            raise FileFormatError(
                f"The file needs the module class {shortly(name)}. "
                + (
                    f"If you trust it, pass the class: load(path, modules=[{name}])."
                    if custom
                    else "This chainrule has no layer of that name; a newer one may."
                )
            )
        return kind


class _Checker:
    """Looks at a whole description: its form, its classes, their arguments' names, how much it is.

    What is left to the constructors is whether the values make sense to them.
    """

    def __init__(self, classes: _Classes, arrays: int, largest: int) -> None:
        self.classes, self.largest = classes, largest
        self.uses = Uses(arrays)

    def module(self, description: Any, depth: int) -> None:
        if not isinstance(description, dict):
            _refuse()
        if set(description) == {"same"}:
            return self._again(description["same"])
        if set(description) - {"custom"} != {"class", "arguments"}:
            _refuse()
        name, arguments = description["class"], description["arguments"]
        right = isinstance(name, str) and isinstance(arguments, dict)
        if not right or description.get("custom", True) is not True:
            _refuse()
        kind = self.classes.find(description)
        unknown = sorted(set(arguments) - set(constructor_arguments(kind)))
        if unknown:
            raise FileFormatError(
                f"The file gives {kind.__name__} the arguments {unknown[:5]}, which it does not "
                "have."
            )
        self.uses.begin()
        for value in arguments.values():
            self.value(value, depth + 1)
        self.uses.end()
        return self._refuse_too_many()

    def _again(self, number: Any) -> None:
        if type(number) is not int or not 0 <= number < len(self.uses.of):
            raise FileFormatError("The file's architecture refers to a module that is not there.")
        self.uses.again(number)
        self._refuse_too_many()

    def _refuse_too_many(self) -> None:
        if self.uses.too_many:
            raise FileFormatError(f"The file's architecture has {TOO_MANY_USES}.")

    def value(self, plain: Any, depth: int) -> None:
        if depth > DEEPEST:
            raise FileFormatError(f"The file nests modules or values more than {DEEPEST} deep.")
        if isinstance(plain, list):
            for item in plain:
                self.value(item, depth + 1)
        elif isinstance(plain, dict):
            self._tagged(plain, depth)
        elif isinstance(plain, int) and abs(plain) > self.largest:
            raise FileFormatError(
                f"The file's architecture holds a number beyond {self.largest:,}: too large."
            )

    def _tagged(self, plain: dict[str, Any], depth: int) -> None:
        (tag, content), *more = plain.items() if plain else [("", None)]
        if tag == "module" and not more:
            self.module(content, depth)
        elif tag == "node" and not more and _is_node(content):
            for part in content.values():
                self.value(part, depth + 1)
        elif tag == "tuple" and not more and isinstance(content, list):
            self.value(content, depth)
        elif tag == "dict" and not more and isinstance(content, dict):
            for item in content.values():
                self.value(item, depth + 1)
        elif tag != "dtype" or more or content not in ("float32", "float64"):
            _refuse()


def _is_node(content: Any) -> TypeGuard[dict[str, Any]]:
    """Whether these are the parts of a graph's node: a module and names."""
    if not isinstance(content, dict) or set(content) != {"module", "inputs", "further"}:
        return False
    further = content["further"]
    return (
        isinstance(content["module"], dict)
        and set(content["module"]) == {"module"}
        and isinstance(content["inputs"], list)
        and isinstance(further, dict)
        and set(further) == {"dict"}
    )


def _refuse() -> NoReturn:
    raise FileFormatError("The file's architecture is not what chainrule writes.")


class _Builder:
    """Builds what a `_Checker` has looked at."""

    def __init__(self, classes: _Classes) -> None:
        self.classes = classes
        self.built: list[Any] = []

    def module(self, description: dict[str, Any]) -> Any:
        if "same" in description:
            return self.built[description["same"]]
        kind = self.classes.find(description)
        values = {name: self.value(value) for name, value in description["arguments"].items()}
        self.built.append(_construct(kind, (), values))
        return self.built[-1]

    def value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self.value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        ((tag, content),) = plain.items()
        if tag == "module":
            return self.module(content)
        if tag == "node":
            parts = {name: self.value(part) for name, part in content.items()}
            return _construct(
                self.classes.own["Node"], (parts["module"], *parts["inputs"]), parts["further"]
            )
        if tag == "dtype":
            return np.dtype(content)
        if tag == "tuple":
            return tuple(self.value(item) for item in content)
        return {name: self.value(item) for name, item in content.items()}


def _construct(kind: type[Any], inputs: tuple[Any, ...], values: dict[str, Any]) -> Any:
    """Return an object of this class.

    Whatever a constructor raises, given what somebody wrote into a file, the file does not fit it.
    """
    try:
        return kind(*inputs, **values)
    except MemoryError as error:
        raise FileFormatError(
            f"The architecture in the file asks for more memory than there is ({kind.__name__})."
        ) from error
    except Exception as error:
        raise FileFormatError(
            f"{kind.__name__} cannot be built with the arguments in the file: "
            f"{str(error)[:LONGEST_REASON]}"
        ) from error
