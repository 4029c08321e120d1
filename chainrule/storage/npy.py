"""Arrays in files: ``.npy`` holds one, ``.npz`` is a zip archive of several.

A ``.npy`` file is a header with type, order and shape, then the numbers.

NumPy reads the header; it parses it as a literal and evaluates nothing. What the header claims is
compared with the bytes that follow before memory is taken, and only numbers are read.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.storage.schema import shortly

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

MAGIC: bytes = npy_format.MAGIC_PREFIX

MOST_AXES = 64
"""As many as NumPy's arrays can have."""

HEADER_READERS: dict[tuple[int, int], Any] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
"""By the version of the format; version 3 is for names of fields only."""


def read_npy(data: bytes) -> Array:
    """Return the array in a ``.npy`` file's content, in C order and native byte order.

    Raises
    ------
    FileFormatError
        The content is no array of numbers, or not as long as its header claims.
    """
    file = io.BytesIO(data)
    try:
        shape, fortran_order, dtype = HEADER_READERS[npy_format.read_magic(file)](file)
    except Exception as error:  # whatever parsing raises for what somebody wrote
        raise FileFormatError(f"its header cannot be read ({str(error)[:100]}).") from error
    if dtype.kind not in "fiub":
        held = "pickled objects" if dtype.hasobject else f"{dtype.str:.60}"
        raise FileFormatError(f"it holds {held}; numbers are expected.")
    start = file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise FileFormatError(
            f"it claims the shape {shortly(shape)} of {dtype} and has {len(data) - start} bytes."
        )
    try:
        values: Array = np.ndarray(shape, dtype, data, start, order="F" if fortran_order else "C")
    except (ValueError, TypeError, OverflowError) as error:  # too many axes, or too long ones
        raise FileFormatError(f"it claims the impossible shape {shortly(shape)}.") from error
    return values.astype(dtype.newbyteorder("="), order="C")


def read_npz(
    file: BinaryIO,
    path: str | os.PathLike[str],
    check: Callable[[list[ZipInfo]], None],
    expected: str = "an .npz file",
) -> dict[str, Array]:
    """Return the arrays in a zip archive by name.

    Parameters
    ----------
    file : binary file
        The archive.
    path : path
        Its path, for messages.
    check : callable
        ``check(members)`` is called with the table of contents, and raises FileFormatError if it
        refuses it.
    expected : str
        What the file should be, for messages.

    Raises
    ------
    FileFormatError
        The archive is truncated or damaged, or holds something else than arrays of numbers.
    """
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            check(archive.infolist())
            return {n.removesuffix(".npy"): _read_member(archive, n) for n in archive.namelist()}
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None
    except Exception as error:  # zipfile and what decompresses raise errors of many kinds
        raise FileFormatError(
            f"{path} is truncated, damaged or not {expected} "
            f"({type(error).__name__}: {str(error)[:200]})."
        ) from error


def _read_member(archive: ZipFile, name: str) -> Array:
    data = archive.read(name)  # this checks its CRC
    try:
        return read_npy(data)
    except FileFormatError as error:
        raise FileFormatError(f"{shortly(name)} cannot be read: {error}") from error
