"""A module in one file: its architecture, its values, and what a network was trained with."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError, StateError
from chainrule.module import CONTAINERS, Module, cast, freeze_only, frozen_names, walk
from chainrule.parameter import SPARE, Array, Buffer, Parameter, bytes_of
from chainrule.preparation.base import (
    Preparation,
    check_preparations,
    read_preparation,
    write_preparation,
)
from chainrule.storage.architecture import build, describe
from chainrule.storage.archive import read_archive, write_archive
from chainrule.storage.comparison import refuse_differences
from chainrule.storage.names import with_prefix, without_prefix
from chainrule.storage.schema import anything, dict_of, list_of, record, shortly, text

KIND = "module"

DESCRIPTION = record(
    module=anything,
    shared=list_of(list_of(text)),
    metadata=dict_of(anything),
    preparations=dict_of(anything),
    frozen=list_of(text),
)
"""`build` checks the module, and `read_preparation` each preparation."""

PREPARATIONS = ("preparation", "target_preparation")
"""A network's attributes that hold them; a file uses the same names."""

AnyModule = TypeVar("AnyModule", bound=Module)

# ---------------------------------------------------------------- any module


def save_module(
    module: Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    preparations: Mapping[str, Preparation] | None = None,
) -> None:
    """Write a module into a file: its architecture, its values, and notes.

    Parameters
    ----------
    module : Module
        What is saved.
    path : path
        Where to; an existing file is replaced.
    metadata : mapping of str to Any, optional
        Notes that JSON can represent.
    preparations : mapping of str to Preparation, optional
        What a network's rows and targets are prepared with.

    Raises
    ------
    StateError
        A value is NaN or infinity, which could not be loaded. Nothing is written.
    ConfigurationError
        The architecture, the metadata or a preparation cannot be saved. Nothing is written.
    """
    things = list(walk(module))
    values = {name: thing.value for name, thing in things if not isinstance(thing, Module)}
    _refuse_not_finite(values)
    _check_json(metadata or {})
    shared = shared_names(things)
    if shared:
        _refuse_too_large_copies(values, shared)
    architecture, built = describe(module, len(values), memory_of(values, shared))
    share(built, shared)
    refuse_differences(module, built, things)
    description: dict[str, Any] = {
        "module": architecture,
        "shared": shared,
        "metadata": dict(metadata or {}),
    }
    frozen = frozen_names(things)
    if frozen:
        description["frozen"] = frozen
    arrays: dict[str, Array] = {}
    for name, preparation in (preparations or {}).items():
        written, own = write_preparation(preparation)
        description.setdefault("preparations", {})[name] = written
        arrays |= with_prefix(f"preparations/{name}", own)
    write_archive(path, KIND, arrays | with_prefix("values", values), description)


def load_module(
    kind: type[AnyModule], path: str | os.PathLike[str], classes: Sequence[type[Module]]
) -> tuple[AnyModule, dict[str, Any], dict[str, Preparation]]:
    """Return the module in a file, its metadata and its preparations.

    Parameters
    ----------
    kind : class
        What the module has to be an instance of.
    path : path
        The file.
    classes : sequence of classes
        The user's own module classes that may be built.

    Raises
    ------
    FileFormatError
        The file is damaged, comes from elsewhere, or needs a class that was not passed.
    StateError
        Values and architecture in the file do not fit together.
    """
    arrays, description = read_archive(path, KIND)
    description = {"preparations": {}, "frozen": [], **description}  # where there are any
    DESCRIPTION(description, os.fspath(path))
    _refuse_unknown(arrays, description["preparations"], os.fspath(path))
    values = without_prefix("values", arrays)
    shared = description["shared"]
    custom = {custom.__name__: custom for custom in classes}
    if len(custom) < len(set(classes)):
        raise ConfigurationError(
            f"modules={[each.__name__ for each in classes]} has two classes of one name; a file "
            "knows classes by name."
        )
    module = build(description["module"], custom, len(values), memory_of(values, shared))
    if not isinstance(module, kind):
        raise FileFormatError(f"{path} holds a {type(module).__name__}, not a {kind.__name__}.")
    share(module, shared)
    _cast_as(module, values)
    module.load_state(values)
    if description["frozen"]:
        freeze_only(module, description["frozen"], os.fspath(path))
    preparations = {
        name: read_preparation(described, without_prefix(f"preparations/{name}", arrays))
        for name, described in description["preparations"].items()
    }
    return module, description["metadata"], preparations


def _cast_as(module: Module, values: Mapping[str, Array]) -> None:
    """Give parameters and buffers the types that they were saved in: float32, float64 or both."""
    floats = {name: array.dtype for name, array in values.items() if array.dtype.kind == "f"}
    types = set(floats.values())
    if not types <= {np.dtype(np.float32), np.dtype(np.float64)}:
        return
    if len(types) == 1:
        cast(module, types.pop())
        return
    for name, thing in walk(module):
        if name in floats and not isinstance(thing, Module):
            thing.cast(floats[name])


def _refuse_not_finite(values: Mapping[str, Array]) -> None:
    bad = [name for name, array in values.items() if not np.isfinite(array).all()]
    if bad:
        raise StateError(
            f"There is NaN or infinity in {', '.join(bad)}; nothing was saved, since it could not "
            "be loaded. To find the layer and the row it came from, train with Trainer."
        )


def _refuse_unknown(
    arrays: Mapping[str, Array], preparations: Mapping[str, Any], where: str
) -> None:
    """Raise FileFormatError for what nothing here reads: what was saved must not get lost."""
    unknown = [name for name in arrays if not name.startswith(("values/", "preparations/"))]
    unknown += [name for name in preparations if name not in PREPARATIONS]
    if unknown:
        raise FileFormatError(
            f"{where} holds {shortly(unknown[0])}, which this version of chainrule does not know. "
            "A file that was saved with standardizer= has to be saved again with preparation=."
        )


def memory_of(values: Mapping[str, Array], shared: list[list[str]]) -> int:
    """Return the memory that a file's values justify while the module is built.

    Each module makes its own copy of a shared parameter before it is shared again. At most as much
    again as is in the file is allowed for these copies.
    """
    held = sum([bytes_of(array) for array in values.values()])
    return held + min(held, _copies(values, shared)) if shared else held


def _copies(values: Mapping[str, Array], shared: list[list[str]]) -> int:
    groups = [names for names in shared if names and names[0] in values]
    return sum([(len(set(names)) - 1) * bytes_of(values[names[0]]) for names in groups])


def _refuse_too_large_copies(values: Mapping[str, Array], shared: list[list[str]]) -> None:
    needed = memory_of(values, []) + _copies(values, shared)
    if needed > 2 * memory_of(values, shared) + SPARE:
        names = max(shared, key=len)
        raise ConfigurationError(
            f"{names[0]} is shared by {len(names)} modules, and each of them would make its own "
            "copy while the file is loaded, which is more memory than a file may ask for. Use one "
            "module in several places instead of several modules with one parameter."
        )


def _check_json(metadata: Mapping[str, Any]) -> None:
    """Raise ConfigurationError, with the name, for what JSON cannot represent.

    Tuples become lists. Keys that are no text would become text.
    """
    import json

    for name, value in metadata.items():
        try:
            _check_keys({name: value})
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"metadata[{name!r}] cannot be saved ({error}); numbers, text, lists and dicts can."
            ) from error


def _check_keys(value: Any) -> None:
    parts: Any = value if isinstance(value, list | tuple) else ()
    if isinstance(value, dict):
        parts = value.values()
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is no text")
    for part in parts:
        if isinstance(part, dict | list | tuple):
            _check_keys(part)


# ---------------------------------------------------------------- parameters of several modules


Places = dict[str, tuple[Any, dict[str, Any], tuple[Any, ...]]]
"""Each parameter and buffer by name: itself, its module's attributes, and the keys from there."""


def shared_names(things: Sequence[tuple[str, Any]]) -> list[list[str]]:
    """Return all names of each parameter and buffer that stands in several places.

    The architecture says which modules are used in several places; this says it of parameters.
    """
    names: dict[int, list[str]] = defaultdict(list)
    for name, (thing, _, _) in _places(things).items():
        names[id(thing)].append(name)
    return [group for group in names.values() if len(group) > 1]


def share(module: Module, groups: list[list[str]]) -> None:
    """Share parameters and buffers again, as `shared_names` listed them."""
    places = _places(list(walk(module))) if groups else {}
    for names in groups:
        missing = [name for name in names if name not in places]
        if missing:
            raise FileFormatError(
                f"The file shares a parameter at {shortly(missing[0])}, where there is none."
            )
        things = [places[name][0] for name in names]
        if len(names) < 2 or len({(type(thing), thing.shape) for thing in things}) > 1:
            raise FileFormatError(
                f"The file shares {names[:5]!r:.200}, which cannot be the same parameter."
            )
        for name in names[1:]:
            _, attributes, keys = places[name]
            _put(attributes, keys, things[0])


def _put(holder: Any, keys: Sequence[Any], thing: Any) -> Any:
    """Put a thing to where these keys lead, and return the holder; a tuple is built anew."""
    key, *rest = keys
    item = _put(holder[key], rest, thing) if rest else thing
    if isinstance(holder, tuple):
        return (*holder[:key], item, *holder[key + 1 :])
    holder[key] = item
    return holder


def _places(things: Sequence[tuple[str, Any]]) -> Places:
    """Return every place where the modules among `things` hold a parameter or buffer, by name."""
    places: Places = {}
    for path, module in things:
        if isinstance(module, Module):
            _add_places(places, path, vars(module), vars(module), (), [])
    return places


def _add_places(
    places: Places,
    path: str,
    attributes: dict[str, Any],
    holder: Any,
    keys: tuple[Any, ...],
    outer: list[Any],
) -> None:
    """Add the places in `holder`, to which these keys lead from a module's attributes."""
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Parameter | Buffer):
            places[name] = value, attributes, (*keys, key)
        elif isinstance(value, CONTAINERS) and not any(value is above for above in outer):
            _add_places(places, name, attributes, value, (*keys, key), [*outer, value])


# ---------------------------------------------------------------- a network


def save_network(
    network: Any,
    path: str | os.PathLike[str],
    class_names: Sequence[str] | None,
    metrics: Mapping[str, float] | None,
    **preparations: Preparation | None,
) -> None:
    """Write a network with its metadata and preparations; see `Network.save`."""
    given = {name: value for name, value in preparations.items() if value is not None}
    found = {name: given.get(name, getattr(network, name)) for name in PREPARATIONS}
    check_preparations(**found)
    vars(network).update(found)
    if class_names is not None:
        network.metadata["class_names"] = [str(name) for name in class_names]
    if metrics is not None:
        network.metadata["metrics"] = metrics
    network.metadata["version"] = sys.modules["chainrule"].__version__
    kept = {name: value for name, value in found.items() if value is not None}
    save_module(network, path, network.metadata, kept)


def load_network(
    kind: type[AnyModule], path: str | os.PathLike[str], classes: Sequence[type[Module]]
) -> AnyModule:
    """Return the network in a file, with its metadata and preparations; see `Network.load`."""
    network, metadata, preparations = load_module(kind, path, classes)
    vars(network).update(metadata=metadata, **preparations)
    return network
