"""One file that holds named arrays and a description, and is either whole or refused.

The file is an ordinary ``.npz``: a zip archive, uncompressed, of one ``.npy`` a name, so that
``numpy.load(path)`` opens it too. The description, and a SHA-256 of everything, stand as JSON in
the array ``chainrule``. Nothing in it is pickled, and reading runs nothing that stands in it.

Writing is atomic: the bytes go to a temporary file in the same folder, are flushed to the disk,
and only then take the name. Whenever the program is killed, the name stands for the old file or
for the new one.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import Array
from chainrule.storage import schema
from chainrule.storage.npy import read_member

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

LONGEST_NAME = 255
"""Bytes that a file's name may have on the file systems in use."""


def write_archive(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, Array],
    description: Mapping[str, Any],
) -> None:
    """Write the arrays and the description (what JSON can say) into one file, atomically.

    Parameters
    ----------
    path : path
        Where to; an existing file is replaced.
    kind : str
        What the file is, such as ``"network"``; reading asks for it again.
    """
    import json
    import zipfile

    arrays = {name: _plain(name, array) for name, array in arrays.items()}
    text = json.dumps(dict(description))
    head = json.dumps(
        {"format": FORMAT, "kind": kind, "sha256": checksum(arrays, text), "description": text}
    )
    if containers(head) > most_containers(len(arrays)):
        raise ConfigurationError(
            f"{path} would hold more lists and dicts ({containers(head):,}) than can be read back; "
            f"{most_containers(len(arrays)):,} are the most beside {len(arrays)} arrays."
        )
    arrays[DESCRIPTION] = np.frombuffer(head.encode(), np.uint8)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    write_atomically(path, write)


def _plain(name: str, array: Array) -> Array:
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
        array = _plain(name, arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def containers(text: str) -> int:
    """Return about how many lists and dicts a description in JSON has; brackets in words count too.

    Each takes some 200 bytes once it is read, though two characters may stand for it.
    """
    return text.count("[") + text.count("{")


def most_containers(arrays: int) -> int:
    """Return how many of them are read in a file of so many arrays.

    A network's description has about four for each array. Enough for any metadata, and read in a
    fraction of a second.
    """
    return 20_000 + 10 * arrays


# ---------------------------------------------------------------- writing, all or nothing


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it the name in one step.

    A file that is replaced leaves its mode to the new one; where there is none, the umask says
    what it is. A symbolic link stays, and what it points to is replaced.
    """
    import secrets

    path = _target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.tmp")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    try:
        with open(temporary, "xb", opener=None if mode is None else _open_privately) as file:
            write(file)
            file.flush()
            if mode is not None:
                os.chmod(temporary, mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _open_privately(path: str, flags: int) -> int:
    """Open a new file that nobody else can read, until it has the mode of the old one."""
    return os.open(path, flags, 0o600)


def _target(path: str | os.PathLike[str]) -> Path:
    """Return where a path leads, through symbolic links."""
    return Path(os.path.realpath(path))


def _short(name: str) -> str:
    """Return the name, or another one of its own where it leaves no room for the temporary one."""
    import hashlib

    encoded = os.fsencode(name)
    fits = len(encoded) + len("..0123abcd.tmp") <= LONGEST_NAME
    return name if fits else hashlib.sha256(encoded).hexdigest()


def _flush_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut. Windows cannot open folders, and needs not."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that a killed program left while it was writing `path`."""
    path = _target(path)
    pattern = f".{glob.escape(_short(path.name))}.{'[0-9a-f]' * 8}.tmp"
    for leftover in path.parent.glob(pattern):
        leftover.unlink(missing_ok=True)


# ---------------------------------------------------------------- reading, trusting nothing


def read_archive(
    path: str | os.PathLike[str], kind: str
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description of a file that `write_archive` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileFormatError
        The file is truncated or damaged, comes from elsewhere, or is of another kind.
    """
    import json

    with open(path, "rb") as file:
        arrays = _members(file, path)
    if DESCRIPTION not in arrays:
        raise FileFormatError(f"{path} is not a chainrule file: it has no {DESCRIPTION!r} in it.")
    try:
        head = arrays.pop(DESCRIPTION).tobytes().decode()
        if containers(head) > most_containers(len(arrays)):
            raise FileFormatError(
                f"{path} holds more lists and dicts ({containers(head):,}) than chainrule writes "
                f"beside {len(arrays)} arrays."
            )
        parts = json.loads(head)
        _refuse_other_format(parts, path)
        HEAD(parts, f"{path}: the description")
        found, text = parts["kind"], parts["description"]
        intact = parts["sha256"] == checksum(arrays, text)
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"The description in {path} cannot be read ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(description, dict):
        schema.refuse(f"{path}: the description", "a dict", description)
    if not intact:
        raise FileFormatError(f"{path} is damaged: its content does not match its checksum.")
    if found != kind:
        raise FileFormatError(f"{path} is a {found!r} file; a {kind!r} file was expected.")
    return arrays, description


def _refuse_other_format(parts: Any, path: str | os.PathLike[str]) -> None:
    version = parts.get("format", FORMAT) if isinstance(parts, dict) else FORMAT
    if version != FORMAT:
        raise FileFormatError(
            f"{path} has the format {schema.shortly(version)}; this chainrule reads {FORMAT}. A "
            "newer one may read it."
        )


def _members(file: BinaryIO, path: str | os.PathLike[str]) -> dict[str, Array]:
    import struct
    import zipfile
    import zlib

    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_members(infos, size)
            return {info.filename[:-4]: read_member(archive, info.filename) for info in infos}
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise FileFormatError(f"{path}: {error}") from None
        raise FileFormatError(
            f"{path} is truncated, damaged, or not a chainrule file "
            f"({type(error).__name__}: {str(error)[:200]})."
        ) from error
    except (NotImplementedError, RuntimeError) as error:  # compression and encryption unknown here
        raise FileFormatError(f"{path} is not a file that chainrule writes ({error}).") from error


def _check_members(infos: list[ZipInfo], size: int) -> None:
    """Refuse what would unpack to more than the file holds, and names that are not arrays."""
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise FileFormatError("a name stands in it twice.")
    for info in infos:
        if not info.filename.endswith(".npy"):
            raise FileFormatError(
                f"it holds {schema.shortly(info.filename)}, which is not an array."
            )
        if info.compress_type != 0 or info.file_size != info.compress_size:
            raise FileFormatError(
                f"{schema.shortly(info.filename)} is compressed; chainrule never does that."
            )
    if sum(info.file_size for info in infos) > size:
        raise FileFormatError("its members claim to be larger than the file.")
