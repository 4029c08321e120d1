"""Memory-mapped arrays: pages that were read are released.

A page of a mapped file counts as the process's memory from when it is read until the system takes
it back; and with each page come those around it, 64 KB in Linux. So a process that reads rows from
all over a file would seem to grow as large as the file, and be killed where memory is limited.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from chainrule.pytree import PyTree, tree_leaves

WORTH_IT = 1 << 27
"""Bytes: a smaller file may stay in memory."""


class Mappings:
    """The files that arrays are mapped from; none if they are in memory.

    Parameters
    ----------
    data : array, or a tuple or dict of arrays
        What may be mapped. The pages of a copy-on-write mapping (``mmap_mode="c"``) are never
        released, since that would undo what was written to it.
    """

    def __init__(self, *data: PyTree) -> None:
        found = (mapping_of(array) for nested in data for array in tree_leaves(nested))
        self._mappings = [each for each in found if each is not None]

    def release(self) -> None:
        """Release all pages that are in memory; the file keeps what was written to them."""
        for each in self._mappings:
            each.madvise(mmap.MADV_DONTNEED)


def mapping_of(array: Any) -> Any:
    """Return the large mapping, shared with its file, that an array is part of, or None."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.mode == "c":
            return None
        array = array.base
    shared = isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
    return array if shared and len(array) >= WORTH_IT else None
