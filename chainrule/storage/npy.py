"""One array as a ``.npy`` file has it: a line that tells type, order and shape, then the numbers.

The line looks like a Python dict, and `numpy.load` reads it as one. Here a pattern reads it:
nothing out of a file is evaluated, and what does not fit is refused in one way. What the line
claims is compared with the bytes that there are before memory is taken.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.storage.schema import shortly

if TYPE_CHECKING:
    from zipfile import ZipFile

MAGIC = b"\x93NUMPY"

LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4}
"""How long the number is that tells the line's length, by the version of the format."""

LONGEST_LINE = 10_000

MOST_AXES = 64
"""As many as NumPy's arrays can have."""

LINE = re.compile(
    r"""\s*\{ (?: \s* (?:
            'descr': \s* '(?P<type>[^']*)'
          | 'fortran_order': \s* (?P<columns>True|False)
          | 'shape': \s* \((?P<shape>[0-9,\ -]*)\)
        ) \s* ,? ){3} \s* \} \s*""",
    re.VERBOSE,
)

NUMBERS = re.compile(r"[<>|=]?(?:[iu][1248]|f(?:2|4|8|16)|b1)")


def read_npy(data: bytes) -> Array:
    """Return the array of numbers, in C order and in this machine's byte order.

    Raises
    ------
    FileFormatError
        It is no such file, holds something else than numbers, or more or less than it claims.
    """
    size = LENGTH_BYTES.get(data[6:8])
    if data[:6] != MAGIC or size is None:
        raise FileFormatError("it does not begin as an array of a version known here does.")
    begin = 8 + size
    end = begin + int.from_bytes(data[8:begin], "little")
    if end - begin > LONGEST_LINE or end > len(data):
        raise FileFormatError("its first line is longer than it can be.")
    line = LINE.fullmatch(data[begin:end].decode("latin-1"))
    if line is None or None in line.groups():
        raise FileFormatError("its first line does not tell type, order and shape.")
    dtype = _number_type(line["type"])
    shape = _shape(line["shape"])
    held = len(data) - end
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
        raise FileFormatError(f"it claims the shape {shape} of {dtype} and has {held} bytes.")
    try:
        values = np.frombuffer(data, dtype, offset=end) if held else np.empty(0, dtype)
        values = values.reshape(shape, order="F" if line["columns"] == "True" else "C")
    except (ValueError, OverflowError) as error:  # no numbers, and an axis beyond all memory
        raise FileFormatError(f"it claims the impossible shape {shape}.") from error
    return values.astype(dtype.newbyteorder("="), order="C")


def read_member(archive: ZipFile, name: str) -> Array:
    """Return the array that a zip archive holds under this name; its CRC is checked by reading."""
    data = archive.read(name)
    try:
        return read_npy(data)
    except FileFormatError as error:
        raise FileFormatError(f"{shortly(name)} cannot be read: {error}") from error


def _number_type(told: str) -> np.dtype[np.generic]:
    if NUMBERS.fullmatch(told):
        try:
            return np.dtype(told)
        except TypeError:  # not every machine has f16
            pass
    what = "pickled objects" if told.endswith("O") else told[:20]
    raise FileFormatError(f"it holds {what}; numbers are expected.")


def _shape(told: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(length) for length in told.split(",") if length.strip())
    except ValueError:
        raise FileFormatError("its first line tells no shape.") from None
    if len(shape) > MOST_AXES:
        raise FileFormatError(f"it claims {len(shape)} axes; {MOST_AXES} are the most.")
    return shape
