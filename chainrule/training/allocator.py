"""Memory that one array gave back, kept for the next.

Every batch makes arrays of some megabytes and drops them again. By default the C library of Linux,
glibc, hands memory of that size back to the system at once, so that the next array begins with
pages that the system has to clear and map anew, a few thousand of them a step. Without that a
step of the benchmark's LSTM took 0.69 of the processor's time, one of its transformer block 0.88
and one of its convolutional network 0.92 (one thread, median of three runs each).

glibc learns from the sizes that a program frees ("dynamic mmap threshold", mallopt(3)): after an
array of nearly 32 MB has come and gone, it keeps as much for what comes next. So such an array
comes and goes, once, and untouched: it takes no memory. Where the allocator is another one, or
has been told its thresholds, nothing changes.
"""

from __future__ import annotations

import functools

import numpy as np

LARGEST_LEARNED = 32 * 2**20
"""Bytes; from a larger one glibc does not learn."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the allocator see, once in a process, that large arrays come and go."""
    np.empty(LARGEST_LEARNED - 2**16, np.uint8)
