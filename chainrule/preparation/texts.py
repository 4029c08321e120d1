"""Text as arrays of bytes: a file's description stays short, however many names there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.preparation.frames import Name


def pack(name: str, texts: Sequence[str]) -> dict[str, Array]:
    """Return texts as two arrays: all their bytes, and how many each has."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return {
        f"{name}/bytes": np.frombuffer(b"".join(encoded), np.uint8),
        f"{name}/lengths": np.array([len(part) for part in encoded], np.int64),
    }


def unpack(name: str, arrays: Mapping[str, Array]) -> list[str]:
    """Return the texts that `pack` packed."""
    data, lengths = arrays[f"{name}/bytes"], arrays[f"{name}/lengths"]
    expect(data.dtype == np.uint8 and data.ndim == 1)
    expect(are_counts(lengths, data.size))
    ends = np.cumsum(lengths).tolist()
    whole = data.tobytes()
    return [
        whole[end - length : end].decode("utf-8", "surrogatepass")
        for end, length in zip(ends, lengths.tolist(), strict=True)
    ]


def pack_names(names: Sequence[Name] | None) -> dict[str, Array]:
    """Return the names of columns as arrays; none where there are no names."""
    if names is None:
        return {}
    whole = np.array([isinstance(name, int) for name in names], np.bool_)
    return {**pack("names", [str(name) for name in names]), "names/whole": whole}


def unpack_names(arrays: Mapping[str, Array], count: int) -> list[Name] | None:
    """Return the names of so many columns, or None where the arrays hold none."""
    if not any(name.startswith("names/") for name in arrays):
        return None
    texts, whole = unpack("names", arrays), arrays["names/whole"]
    expect(whole.dtype == np.bool_ and whole.shape == (count,) and len(texts) == count)
    names = [int(text) if is_whole else text for text, is_whole in zip(texts, whole, strict=True)]
    expect(len(set(names)) == count)
    return names


def are_counts(counts: Array, total: int) -> bool:
    """Whether these are whole numbers of at least 0 that add up to `total`."""
    if counts.dtype != np.int64 or counts.ndim != 1 or (counts < 0).any():
        return False
    # As Python's whole numbers, which do not overflow.
    return sum(counts.tolist()) == total


def expect(right: bool) -> None:
    """Refuse a file that holds what chainrule never writes."""
    if not right:
        raise FileFormatError("it is not what chainrule writes.")
