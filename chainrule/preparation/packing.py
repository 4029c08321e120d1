"""Text and lists of various lengths as arrays, for a file, and back.

A file's description stays short, however many names and categories there are. Nothing in a file is
trusted: `expect` refuses whatever is never written.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.preparation.frames import Name

Items = TypeVar("Items", bound=Sequence[Any])


def expect(right: bool) -> None:
    """Refuse a file that holds what chainrule never writes."""
    if not right:
        raise FileFormatError("it is not what chainrule writes.")


def split(items: Items, counts: Array) -> list[Items]:
    """Return consecutive pieces of a sequence: as many items in each as `counts` says.

    >>> split("abcdef", np.array([2, 0, 4]))
    ['ab', '', 'cdef']
    """
    expect(counts.dtype == np.int64 and counts.ndim == 1 and not (counts < 0).any())
    ends = list(itertools.accumulate(counts.tolist()))  # Python's integers do not overflow
    expect((ends[-1] if ends else 0) == len(items))
    return [items[start:end] for start, end in itertools.pairwise([0, *ends])]  # type: ignore[misc]


def pack(name: str, texts: Sequence[str]) -> dict[str, Array]:
    """Return texts as two arrays: all their bytes in UTF-8, and how many each text has."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return {
        f"{name}/bytes": np.frombuffer(b"".join(encoded), np.uint8),
        f"{name}/lengths": np.array([len(part) for part in encoded], np.int64),
    }


def unpack(name: str, arrays: Mapping[str, Array]) -> list[str]:
    """Return the texts that `pack` packed."""
    data = arrays[f"{name}/bytes"]
    expect(data.dtype == np.uint8 and data.ndim == 1)
    pieces = split(data.tobytes(), arrays[f"{name}/lengths"])
    return [piece.decode("utf-8", "surrogatepass") for piece in pieces]


NAMES = {"names/bytes", "names/lengths", "names/whole"}
"""What `pack_names` calls its arrays."""


def pack_names(names: Sequence[Name] | None) -> dict[str, Array]:
    """Return the names of columns, text or integers, as arrays; none if there are no names."""
    if names is None:
        return {}
    whole = np.array([isinstance(name, int) for name in names], np.bool_)
    return {**pack("names", [str(name) for name in names]), "names/whole": whole}


def unpack_names(arrays: Mapping[str, Array], count: int) -> list[Name] | None:
    """Return the names of `count` columns, or None if the arrays hold none."""
    if NAMES.isdisjoint(arrays):
        return None
    texts, whole = unpack("names", arrays), arrays["names/whole"]
    expect(whole.dtype == np.bool_ and whole.shape == (count,) and len(texts) == count)
    names = [int(text) if is_whole else text for text, is_whole in zip(texts, whole, strict=True)]
    expect(len(set(names)) == count)
    return names
