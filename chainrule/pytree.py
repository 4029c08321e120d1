"""Pytrees: one array, or a tuple or a dict of arrays, as networks take and return.

Everything that handles batches uses these functions, so that several inputs or outputs are no
special case anywhere else. (JAX and PyTorch call such structures pytrees, too.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from chainrule.errors import FileFormatError, InputError
from chainrule.parameter import Array

PyTree = Any
"""An array, a tuple of arrays, or a mapping of names to arrays."""


def is_tuple(data: Any) -> bool:
    """Whether this is a tuple of arrays, not one array that is written as a tuple."""
    return (
        isinstance(data, tuple)
        and bool(data)
        and all(getattr(item, "shape", ()) != () for item in data)
    )


def tree_map(function: Callable[..., Any], data: PyTree, *others: PyTree) -> Any:
    """Return `function` of each array, in the same arrangement; `others` are arranged alike.

    A tuple of arrays is several arrays; a list is the rows of one.

    >>> tree_map(len, {"image": [1, 2], "text": [3]})
    {'image': 2, 'text': 1}
    """
    if isinstance(data, Mapping):
        return {name: function(data[name], *(o[name] for o in others)) for name in data}
    if is_tuple(data):
        return tuple(function(*items) for items in zip(data, *others, strict=True))
    return function(data, *others)


def copied(data: Any, order: Literal["C", "K"] = "K") -> Any:
    """Return the same with a copy of every array; what is no array stays what it is.

    Tuples may lie in tuples, as the states of an LSTM do. `order` is NumPy's: "C" is contiguous.
    """
    if isinstance(data, np.ndarray):
        return np.array(data, order=order)
    if isinstance(data, Mapping):
        return {name: copied(part, order) for name, part in data.items()}
    return tuple(copied(part, order) for part in data) if isinstance(data, tuple) else data


def read_only(data: Any) -> Any:
    """Return the same with a view of every array through which nothing can be written."""
    if isinstance(data, np.ndarray):
        view = data.view()
        view.flags.writeable = False
        return view
    if isinstance(data, Mapping):
        return {name: read_only(part) for name, part in data.items()}
    return tuple(map(read_only, data)) if isinstance(data, tuple) else data


def named_arrays(data: PyTree, name: str) -> dict[str, Any]:
    """Return every array by a name for people: ``X``, ``X[0]``, ``X['image']``."""
    if isinstance(data, Mapping):
        return {f"{name}[{key!r}]": array for key, array in data.items()}
    if is_tuple(data):
        return {f"{name}[{index}]": array for index, array in enumerate(data)}
    return {name: data}


def tree_leaves(data: PyTree) -> list[Any]:
    """Return the arrays, in their order."""
    return list(named_arrays(data, "").values())


def first_array(data: PyTree) -> Any:
    """Return the first array; they all have as many samples."""
    if isinstance(data, Mapping):
        return next(iter(data.values()))
    return data[0] if is_tuple(data) else data


def take(data: PyTree, rows: Any) -> Any:
    """Return these samples of each array: a slice as views, row numbers as copies."""
    if isinstance(rows, slice):
        return tree_map(lambda array: array[rows], data)
    return tree_map(lambda array: array.take(rows, axis=0), data)


def concatenate(parts: Sequence[PyTree]) -> Any:
    """Return batches one behind the other, in the arrangement of the first."""
    return tree_map(lambda *arrays: np.concatenate(arrays), parts[0], *parts[1:])


def by_name(data: PyTree, names: Sequence[str], what: str) -> dict[str, Any]:
    """Return the arrays as a dict with exactly these names.

    A dict is taken by its names, a tuple in their order, and one array where there is one name.
    """
    if isinstance(data, Mapping):
        unknown = [name for name in data if name not in names]
        missing = [name for name in names if name not in data]
        if unknown or missing:
            raise InputError(
                f"{what} are {list(names)}; "
                + (f"{missing} is missing. " if missing else "")
                + (f"{unknown} is not one of them. " if unknown else "")
                + f"Got {list(data)}."
            )
        return {name: data[name] for name in names}
    arrays = data if isinstance(data, tuple) else (data,)
    if len(arrays) != len(names):
        raise InputError(
            f"{what} are {list(names)}; got {len(arrays)} of them. Give a dict with these names, "
            "or a tuple in this order."
        )
    return dict(zip(names, arrays, strict=True))


def as_dict(data: PyTree) -> dict[str, Array]:
    """Return the arrays by names for a file: the key, or the number in a tuple."""
    if isinstance(data, Mapping):
        return {f"dict/{name}": array for name, array in data.items()}
    if is_tuple(data):
        return {f"tuple/{index}": array for index, array in enumerate(data)}
    return {"array": data}


def from_dict(arrays: Mapping[str, Array], where: str) -> PyTree:
    """Return what `as_dict` was given; refuse anything else with a FileFormatError."""
    if set(arrays) == {"array"}:
        return arrays["array"]
    kinds = {name.partition("/")[0] for name in arrays}
    values = {name.partition("/")[2]: array for name, array in arrays.items()}
    if kinds == {"dict"}:
        return values
    if kinds == {"tuple"} and list(values) == [str(place) for place in range(len(values))]:
        return tuple(values.values())
    raise FileFormatError(f"{where} should be one array, a tuple or a dict, got {sorted(arrays)}.")
