"""Memory freed by one array, kept for the next.

Every batch makes arrays of some megabytes and frees them again. By default glibc, the C library of
Linux, returns memory of that size to the system at once, so the next array begins with pages that
the system has to clear and map anew, a few thousand of them per step. If it keeps that memory, a
step of the benchmark's LSTM took 0.69 of the processor's time, one of its transformer block 0.88
and one of its convolutional network 0.92 (one thread, median of three runs each).

glibc learns from the sizes that a program frees ("dynamic mmap threshold", mallopt(3)): after an
array of nearly 32 MB has been freed, it keeps that much for later. So such an array is allocated
and freed, once, and not written to: it takes no memory. With another allocator, or if its
thresholds are set, nothing changes.
"""

from __future__ import annotations

import functools

import numpy as np

LARGEST_LEARNED = 32 * 2**20
"""Bytes; glibc does not learn from larger ones."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the allocator see, once per process, that large arrays are freed."""
    np.empty(LARGEST_LEARNED - 2**16, np.uint8)
