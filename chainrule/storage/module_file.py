"""A module in one file: its architecture, its values, what is shared in it, and notes about it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import Array, Buffer, Parameter
from chainrule.storage.architecture import Classes, build, describe
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.names import with_prefix, without_prefix

KIND = "module"

Modules = Mapping[str, Any]
"""A module and all below it by their paths, its own being empty."""

Described = tuple[Any, dict[str, Array]]
"""What JSON can say of something, and its arrays."""


def write_module(
    path: str | os.PathLike[str],
    modules: Modules,
    values: Mapping[str, Array],
    own: Classes,
    metadata: Mapping[str, Any] | None = None,
    preparations: Mapping[str, Described] | None = None,
) -> None:
    """Write a module, the first of `modules`, and its values, named as `Module.state` names them.

    `modules` are it and all below it, by their paths. `metadata` holds what JSON can say, and
    `preparations` what a network's rows and targets are prepared with, by their names.
    """
    arrays, described = split_preparations(preparations or {})
    arrays |= with_prefix("values", values)
    description = {
        "module": describe(modules[""], own),
        "shared": shared(modules),
        "metadata": as_json(metadata or {}),
    }
    if described:
        description["preparations"] = described
    write_archive(path, KIND, arrays, description)


def read_module(
    path: str | os.PathLike[str],
    own: Classes,
    custom: Classes,
    modules_of: Callable[[Any], Modules],
) -> tuple[Any, dict[str, Array], dict[str, Any], dict[str, Described]]:
    """Return the module with values that are yet to be loaded, those values, and the notes.

    The notes are the metadata, and the descriptions of preparations by their names.
    """
    arrays, description = read_archive(path, KIND)
    values = without_prefix("values", arrays)
    size = sum(array.size for array in values.values())
    module = build(description.get("module"), own, custom, size)
    share(modules_of(module), description.get("shared"))
    metadata = description.get("metadata")
    if not isinstance(metadata, dict):
        raise FileFormatError("The file's metadata is not what chainrule writes.")
    return module, values, metadata, join_preparations(arrays, description.get("preparations", {}))


# ---------------------------------------------------------------- what is shared


def shared(modules: Modules) -> list[list[str]]:
    """Return the paths of every parameter and buffer that several modules have, the first in front.

    A file's architecture says which modules stand at several places; this says it of parameters.
    """
    places: dict[int, list[str]] = defaultdict(list)
    for path, owner in modules.items():
        for name, value in owner.children():
            if isinstance(value, Parameter | Buffer):
                places[id(value)].append(f"{path}.{name}" if path else name)
    return [paths for paths in places.values() if len(paths) > 1]


def share(modules: Modules, groups: Any) -> None:
    """Let modules have the same parameter again, as `shared` told it."""
    if not isinstance(groups, list):
        raise FileFormatError("The file does not say what is shared as chainrule writes it.")
    for paths in groups:
        places = [_place(path, modules) for path in paths] if isinstance(paths, list) else []
        kinds = {(type(getattr(*place)), getattr(*place).shape) for place in places}
        if len(places) < 2 or len(kinds) > 1:
            raise FileFormatError(f"The file shares {paths}, which cannot be the same parameter.")
        for owner, name in places[1:]:
            setattr(owner, name, getattr(*places[0]))


def _place(path: Any, modules: Modules) -> tuple[Any, str]:
    """Return the module and the name of the attribute that hold the parameter at this path."""
    owner, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    if isinstance(vars(modules.get(owner, object)).get(name), Parameter | Buffer):
        return modules[owner], name
    raise FileFormatError(f"The file shares a parameter at {path!r}, where there is none.")


# ---------------------------------------------------------------- what it was trained with


def as_json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata as JSON will give it back; refuse what it cannot say."""
    import json

    plain = {}
    for name, value in metadata.items():
        try:
            plain[name] = json.loads(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"metadata[{name!r}] cannot be saved ({error}); numbers, text, lists and dicts can."
            ) from error
    return plain


def split_preparations(
    preparations: Mapping[str, Described],
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays, each named ``preparations/<whose>/<array>``, and all descriptions."""
    arrays: dict[str, Array] = {}
    for name, (_, own) in preparations.items():
        arrays |= with_prefix(f"preparations/{name}", own)
    return arrays, {name: description for name, (description, _) in preparations.items()}


def join_preparations(arrays: Mapping[str, Array], described: Any) -> dict[str, Described]:
    """Return what `split_preparations` took apart."""
    if not isinstance(described, dict):
        raise FileFormatError("The file's preparations are not what chainrule writes.")
    return {
        name: (description, without_prefix(f"preparations/{name}", arrays))
        for name, description in described.items()
    }
