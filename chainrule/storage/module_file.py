"""A module in one file: its architecture, its values, what is shared in it, and notes about it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError, StateError
from chainrule.parameter import Array, Buffer, Parameter, bytes_of
from chainrule.storage.architecture import Classes, build, describe
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.schema import anything, dict_of, list_of, record, shortly, text

KIND = "module"

DESCRIPTION = record(
    module=anything,
    shared=list_of(list_of(text)),
    metadata=dict_of(anything),
    preparations=dict_of(anything),
)
"""`build` looks at the module itself, as a whole too, and a preparation at its own description."""

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

    Raises
    ------
    StateError
        A value is NaN or infinity, which `Module.load_state` would refuse. Nothing is written.
    ConfigurationError
        The architecture or the metadata cannot be written.
    """
    _refuse_not_finite(values)
    arrays, described = split_preparations(preparations or {})
    arrays |= with_prefix("values", values)
    description = {
        "module": describe(modules[""], own, len(values)),
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
    description = {"preparations": {}, **description}  # written only where there are any
    DESCRIPTION(description, os.fspath(path))
    refuse_unknown_arrays(arrays, os.fspath(path))
    values = without_prefix("values", arrays)
    held = memory_of(values, description["shared"])
    module = build(description["module"], own, custom, len(values), held)
    share(modules_of(module), description["shared"])
    described = join_preparations(arrays, description["preparations"])
    return module, values, description["metadata"], described


def refuse_unknown_arrays(arrays: Mapping[str, Array], where: str) -> None:
    """Raise FileFormatError for arrays that nothing takes: what was saved must not be lost."""
    unknown = [n for n in arrays if not n.startswith(("values/", "preparations/"))]
    if unknown:
        raise FileFormatError(
            f"{where} holds {shortly(unknown[0])}, which this chainrule does not know. Files that "
            "were saved with standardizer= have to be saved anew, with preparation=."
        )


def memory_of(values: Mapping[str, Array], shared: list[list[str]]) -> int:
    """Return what the file's values count for in memory, while a module is built.

    What several modules share is in the file once, and made for each of them before it is shared;
    at most as much again as there is in the file.
    """
    held = sum(bytes_of(array) for array in values.values())
    again = sum(
        (len(set(paths)) - 1) * bytes_of(values[paths[0]])
        for paths in shared
        if paths and paths[0] in values
    )
    return held + min(again, held)


def _refuse_not_finite(values: Mapping[str, Array]) -> None:
    bad = [name for name, array in values.items() if not np.isfinite(array).all()]
    if bad:
        raise StateError(
            f"NaN or infinity stands in {', '.join(bad)}; nothing was saved, since it could not be "
            "loaded. To look for where it came from, train with Trainer: it tells layer and row."
        )


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


def share(modules: Modules, groups: list[list[str]]) -> None:
    """Let modules have the same parameter again, as `shared` told it."""
    for paths in groups:
        places = [_place(path, modules) for path in paths]
        kinds = {(type(getattr(*place)), getattr(*place).shape) for place in places}
        if len(places) < 2 or len(kinds) > 1:
            raise FileFormatError(
                f"The file shares {paths[:5]}, which cannot be the same parameter."
            )
        for owner, name in places[1:]:
            setattr(owner, name, getattr(*places[0]))


def _place(path: str, modules: Modules) -> tuple[Any, str]:
    """Return the module and the name of the attribute that hold the parameter at this path."""
    owner, _, name = path.rpartition(".")
    if isinstance(vars(modules.get(owner, object)).get(name), Parameter | Buffer):
        return modules[owner], name
    raise FileFormatError(f"The file shares a parameter at {shortly(path)}, where there is none.")


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


def join_preparations(
    arrays: Mapping[str, Array], described: Mapping[str, Any]
) -> dict[str, Described]:
    """Return what `split_preparations` took apart."""
    return {
        name: (description, without_prefix(f"preparations/{name}", arrays))
        for name, description in described.items()
    }
