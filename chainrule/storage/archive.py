"""One file of named arrays and a description, which is read whole or refused.

The file is an ordinary ``.npz``: an uncompressed zip archive with one ``.npy`` file for each
array, so ``numpy.load(path)`` opens it too. The description, and a SHA-256 of everything, are JSON
in the array ``chainrule``. Nothing is pickled, reading runs no code from the file, and writing is
atomic.

A checksum shows that a file is as somebody wrote it, not that chainrule wrote it: what is read has
to be checked against a schema before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import Array
from chainrule.storage import schema
from chainrule.storage.atomic import open_ordinary, write_atomically
from chainrule.storage.npy import read_npz

if TYPE_CHECKING:
    from zipfile import ZipInfo

# zipfile, json and hashlib are imported where they are used: together they would add
# a fifth to the time that `import chainrule` takes.

DESCRIPTION = "chainrule"
FORMAT = 1

HEAD = schema.record(
    format=schema.whole(FORMAT, FORMAT),
    kind=schema.text,
    sha256=schema.text,
    description=schema.text,
)


def write_archive(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, Array],
    description: Mapping[str, Any],
) -> None:
    """Write arrays and a description into one file, atomically.

    Parameters
    ----------
    path : path
        Where to; an existing file is replaced.
    kind : str
        What the file is, such as ``"module"``; `read_archive` has to be asked for the same.
    arrays : mapping of str to ndarray
        Arrays of numbers.
    description : mapping of str to Any
        What JSON can represent.

    Raises
    ------
    ConfigurationError
        An array does not hold numbers, or the description is too large to be read back.
    """
    import json
    import zipfile

    arrays = {name: _little_endian(name, array) for name, array in arrays.items()}
    text = json.dumps(dict(description))
    head = json.dumps(
        {"format": FORMAT, "kind": kind, "sha256": checksum(arrays, text), "description": text}
    )
    if containers(head) > most_containers(len(arrays)):
        raise ConfigurationError(
            f"{path} would hold more lists and dicts ({containers(head):,}) than can be read back; "
            f"the limit beside {len(arrays)} arrays is {most_containers(len(arrays)):,}."
        )
    arrays[DESCRIPTION] = np.frombuffer(head.encode(), np.uint8)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    write_atomically(path, write)


def _little_endian(name: str, array: Array) -> Array:
    """Return an array of numbers in C order, little-endian on every machine."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise ConfigurationError(f"{name} holds {array.dtype}; only numbers can be saved.")
    # ascontiguousarray would turn a single number, shape (), into shape (1,)
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def checksum(arrays: Mapping[str, Array], text: str) -> str:
    """Return the SHA-256 of the description and of every array's name, type, shape and bytes."""
    import hashlib

    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = _little_endian(name, arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def containers(text: str) -> int:
    """Return roughly how many lists and dicts JSON text holds; it counts brackets in strings too.

    Two characters may stand for one, which takes about 200 bytes once it is read.
    """
    return text.count("[") + text.count("{")


def most_containers(arrays: int) -> int:
    """Return how many lists and dicts are read from a file with so many arrays.

    A network's description has about four for each array. The limit leaves room for any metadata,
    and is read in a fraction of a second.
    """
    return 20_000 + 10 * arrays


# ---------------------------------------------------------------- reading


def read_archive(
    path: str | os.PathLike[str], kind: str
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description in a file that `write_archive` wrote.

    Parameters
    ----------
    path : path
        The file.
    kind : str
        What it must be.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileFormatError
        The file is truncated or damaged, comes from elsewhere, or is of another kind.
    """
    import json

    with open_ordinary(path) as file:
        size = os.fstat(file.fileno()).st_size
        check = partial(_check_members, size=size)
        arrays = read_npz(file, path, check, "a chainrule file")
    if DESCRIPTION not in arrays:
        raise FileFormatError(f"{path} is not a chainrule file: it holds no {DESCRIPTION!r}.")
    try:
        head = arrays.pop(DESCRIPTION).tobytes().decode()
        if containers(head) > most_containers(len(arrays)):
            raise FileFormatError(
                f"{path} holds more lists and dicts ({containers(head):,}) than chainrule writes "
                f"beside {len(arrays)} arrays."
            )
        parts = json.loads(head)
        if isinstance(parts, dict) and parts.get("format", FORMAT) != FORMAT:
            raise FileFormatError(
                f"{path} has the format {schema.shortly(parts['format'])}; this version of "
                f"chainrule reads {FORMAT}. A newer one may read it."
            )
        HEAD(parts, f"{path}: the description")
        description = json.loads(parts["description"])
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"The description in {path} cannot be read ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(description, dict):
        schema.refuse(f"{path}: the description", "a dict", description)
    if parts["sha256"] != checksum(arrays, parts["description"]):
        raise FileFormatError(f"{path} is damaged: its content does not match its checksum.")
    if parts["kind"] != kind:
        raise FileFormatError(
            f"{path} is a {parts['kind']!r:.60} file; a {kind!r} file was expected."
        )
    return arrays, description


def _check_members(members: list[ZipInfo], size: int) -> None:
    """Refuse names that are not arrays, and what would unpack to more than the file's size."""
    if len({member.filename for member in members}) < len(members):
        raise FileFormatError("it holds the same name twice.")
    for member in members:
        name = schema.shortly(member.filename)
        if not member.filename.endswith(".npy"):
            raise FileFormatError(f"it holds {name}, which is not an array.")
        if member.compress_type != 0 or member.file_size != member.compress_size:
            raise FileFormatError(f"{name} is compressed; chainrule never does that.")
    if sum([member.file_size for member in members]) > size:
        raise FileFormatError("its members claim to be larger than the file.")
