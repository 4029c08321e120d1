"""One array in the ``.npy`` format: a header with type, order and shape, then the numbers.

NumPy reads the header; it parses it as a literal and evaluates nothing. What the header claims is
compared with the bytes that follow before memory is taken, and only numbers are read.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.storage.schema import shortly

if TYPE_CHECKING:
    from zipfile import ZipFile

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
        held = "pickled objects" if dtype.hasobject else shortly(dtype.str)
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


def read_member(archive: ZipFile, name: str) -> Array:
    """Return the array of this name in a zip archive; reading checks its CRC."""
    data = archive.read(name)
    try:
        return read_npy(data)
    except FileFormatError as error:
        raise FileFormatError(f"{shortly(name)} cannot be read: {error}") from error
