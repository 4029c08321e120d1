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
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from chainrule.errors import ConfigurationError, FileFormatError
from chainrule.parameter import Array

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

# zipfile, json and hashlib are imported where they are used: together they would add
# a fifth to the time that `import chainrule` takes.

DESCRIPTION = "chainrule"
FORMAT = 1


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


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it the name in one step."""
    import secrets

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut. Windows cannot open folders, and needs not."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that a killed program left while it was writing `path`."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
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
        head = json.loads(arrays.pop(DESCRIPTION).tobytes())
        version, found, text = head["format"], head["kind"], head["description"]
        intact = head["sha256"] == checksum(arrays, text)
        description = dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            f"The description in {path} cannot be read ({type(error).__name__}: {error})."
        ) from error
    if version != FORMAT:
        raise FileFormatError(
            f"{path} has the format {version!r}; this chainrule reads {FORMAT}. A newer one may "
            "read it."
        )
    if not intact:
        raise FileFormatError(f"{path} is damaged: its content does not match its checksum.")
    if found != kind:
        raise FileFormatError(f"{path} is a {found!r} file; a {kind!r} file was expected.")
    return arrays, description


def _members(file: BinaryIO, path: str | os.PathLike[str]) -> dict[str, Array]:
    import zipfile
    import zlib

    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_members(infos, size)
            return {info.filename[:-4]: _array(archive, info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise FileFormatError(f"{path}: {error}") from None
        raise FileFormatError(
            f"{path} is truncated, damaged, or not a chainrule file "
            f"({type(error).__name__}: {error})."
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
            raise FileFormatError(f"it holds {info.filename!r}, which is not an array.")
        if info.compress_type != 0 or info.file_size != info.compress_size:
            raise FileFormatError(f"{info.filename!r} is compressed; chainrule never does that.")
    if sum(info.file_size for info in infos) > size:
        raise FileFormatError("its members claim to be larger than the file.")


def _array(archive: ZipFile, info: ZipInfo) -> Array:
    """Return one member as an array, after a look at what its header claims."""
    data = io.BytesIO(archive.read(info))  # checks the CRC
    version = np.lib.format.read_magic(data)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise FileFormatError(f"{info.filename!r} has the unknown npy version {version}.")
    shape, fortran, dtype = read_header(data)
    if dtype.kind not in "fiub":
        raise FileFormatError(f"{info.filename!r} holds {dtype}; only numbers are loaded.")
    count = 1
    for length in shape:
        count *= max(length, -1)
    held = info.file_size - data.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != held:
        raise FileFormatError(
            f"{info.filename!r} claims the shape {shape} of {dtype} and has {held} bytes."
        )
    values = np.frombuffer(data.getbuffer()[data.tell() :], dtype, count)
    values = values.reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="), order="C")
