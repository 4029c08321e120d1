"""A module in one file: its architecture, its values, what is shared in it, and notes about it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import Array, Buffer, Parameter
from chainrule.storage.architecture import Classes, build, describe
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.names import with_prefix, without_prefix

KIND = "module"

Modules = Mapping[str, Any]
"""A module and all below it by their paths, its own being empty."""


def write_module(
    path: str | os.PathLike[str],
    modules: Modules,
    values: Mapping[str, Array],
    own: Classes,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a module, the first of `modules`, and its values, named as `Module.state` names them.

    `modules` are it and all below it, by their paths. `metadata` holds what JSON can say, and a
    standardizer's arrays.
    """
    arrays, notes = split_metadata(metadata or {})
    arrays |= with_prefix("values", values)
    description = {
        "module": describe(modules[""], own),
        "shared": shared(modules),
        "metadata": notes,
    }
    write_archive(path, KIND, arrays, description)


def read_module(
    path: str | os.PathLike[str],
    own: Classes,
    custom: Classes,
    modules_of: Callable[[Any], Modules],
) -> tuple[Any, dict[str, Array], dict[str, Any]]:
    """Return the module with values that are yet to be loaded, those values, and the metadata."""
    arrays, description = read_archive(path, KIND)
    values = without_prefix("values", arrays)
    size = sum(array.size for array in values.values())
    module = build(description.get("module"), own, custom, size)
    share(modules_of(module), description.get("shared"))
    return module, values, join_metadata(arrays, description.get("metadata"))


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


def split_metadata(metadata: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
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


def join_metadata(arrays: Mapping[str, Array], rest: Any) -> dict[str, Any]:
    """Return what `split_metadata` took apart."""
    if not isinstance(rest, dict):
        raise FileFormatError("The file's metadata is not what chainrule writes.")
    names = {"mean": "standardizer/mean", "std": "standardizer/std"}
    if not all(name in arrays for name in names.values()):
        return dict(rest)
    return {**rest, "standardizer": {part: arrays[name] for part, name in names.items()}}
