"""A network's architecture as data: class names and arguments, to JSON and back.

Only classes that stand in a table given by the caller are built, with arguments that are plain
values. So a file can never cause an import, nor a call of anything but these constructors.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule import layers
from chainrule.errors import ChainruleError, ConfigurationError, FileFormatError
from chainrule.module import Module, arguments
from chainrule.parameter import limited_size

DEEPEST = 100
"""How deep modules and values may be nested in a file."""

LARGEST_NUMBER = 10_000_000
"""A whole number in an architecture may be this large, or as large as the file has values."""


# ---------------------------------------------------------------- to JSON


def describe(module: Module, own: Mapping[str, type[Module]], depth: int = 0) -> dict[str, Any]:
    """Return the module as plain data: its class's name, and its arguments.

    `own` are chainrule's classes by name; any other class is marked as the user's.
    """
    kind = type(module)
    description: dict[str, Any] = {"class": kind.__name__}
    if own.get(kind.__name__) is not kind:
        description["custom"] = True
    values = arguments(module)
    for name, argument in inspect.signature(kind).parameters.items():
        if argument.default is argument.empty and name not in values:
            raise ConfigurationError(
                f"{kind.__name__} cannot be saved: it keeps no attribute {name!r}. Keep every "
                "argument of the constructor as an attribute of the same name."
            )
    description["arguments"] = {
        name: _plain(value, own, depth + 1, f"{kind.__name__}'s {name}")
        for name, value in values.items()
    }
    return description


def _plain(value: Any, own: Mapping[str, type[Module]], depth: int, where: str) -> Any:
    if depth > DEEPEST:
        raise ConfigurationError(f"{where} is nested more than {DEEPEST} deep; it cannot be saved.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item(), own, depth, where)
    if isinstance(value, Module):
        return {"module": describe(value, own, depth)}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, list):
        return [_plain(item, own, depth + 1, where) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, own, depth + 1, where) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {k: _plain(item, own, depth + 1, where) for k, item in value.items()}}
    raise ConfigurationError(
        f"{where} is a {type(value).__name__}, which cannot be saved; modules, numbers, text, "
        "lists, tuples and dicts can."
    )


# ---------------------------------------------------------------- and back


def build(
    description: Any,
    classes: Mapping[str, type[Module]],
    custom: Mapping[str, type[Module]],
    values: int,
) -> Module:
    """Return the module that `describe` described.

    Parameters
    ----------
    description : dict
        What `describe` returned.
    classes, custom : mapping of names to classes
        The classes that may be built: chainrule's own, and the user's.
    values : int
        How many numbers the file holds: a module that would need more is refused before it
        takes the memory.
    """
    builder = _Builder(classes, custom, max(values, LARGEST_NUMBER))
    try:
        with limited_size(values):
            return builder.module(description, 0)
    except (MemoryError, OverflowError) as error:
        raise FileFormatError(
            "The architecture in the file asks for more memory than there is."
        ) from error


class _Builder:
    def __init__(
        self,
        classes: Mapping[str, type[Module]],
        custom: Mapping[str, type[Module]],
        largest: int,
    ) -> None:
        self.classes, self.custom, self.largest = classes, custom, largest

    def module(self, description: Any, depth: int) -> Module:
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
            return kind(**values)
        except (ChainruleError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(
                f"{kind.__name__} cannot be built with the arguments in the file: {error}"
            ) from error

    def _class(self, name: Any, custom: bool) -> type[Module]:
        table = self.custom if custom else self.classes
        if isinstance(name, str) and name in table:
            return table[name]
        raise FileFormatError(
            f"The file needs the module class {name!r}. "
            + (
                f"If you trust it, pass the class: Network.load(path, modules=[{name}])."
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
            if tag == "dtype" and content in ("float32", "float64"):
                return np.dtype(content)
            if tag == "tuple" and isinstance(content, list):
                return tuple(self.value(item, depth + 1) for item in content)
            if tag == "dict" and isinstance(content, dict):
                return {key: self.value(item, depth + 1) for key, item in content.items()}
        raise FileFormatError("The file's architecture is not what chainrule writes.")


def own_classes(*more: type[Module]) -> dict[str, type[Module]]:
    """Return chainrule's layers by name, and the classes given."""
    return classes_by_name([*(getattr(layers, name) for name in layers.__all__), *more])


def classes_by_name(classes: Iterable[Any]) -> dict[str, type[Module]]:
    """Return the module classes among these, by the names that files use."""
    return {
        kind.__name__: kind
        for kind in classes
        if isinstance(kind, type) and issubclass(kind, Module) and kind is not Module
    }


# ---------------------------------------------------------------- what it was trained with


def split_metadata(metadata: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the metadata's arrays by name, and the rest, which has to be what JSON can say."""
    import json

    arrays, rest = {}, {}
    for name, value in metadata.items():
        if name == "standardizer" and value is not None:
            arrays["standardizer/mean"] = np.asarray(value["mean"], np.float64)
            arrays["standardizer/std"] = np.asarray(value["std"], np.float64)
            continue
        try:
            rest[name] = json.loads(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"metadata[{name!r}] cannot be saved ({error}); numbers, text, lists and dicts can."
            ) from error
    return arrays, rest


def join_metadata(arrays: Mapping[str, np.ndarray], rest: Any) -> dict[str, Any]:
    """Return what `split_metadata` took apart."""
    if not isinstance(rest, dict):
        raise FileFormatError("The file's metadata is not what chainrule writes.")
    names = {"mean": "standardizer/mean", "std": "standardizer/std"}
    if not all(name in arrays for name in names.values()):
        return dict(rest)
    return {**rest, "standardizer": {part: arrays[name] for part, name in names.items()}}
