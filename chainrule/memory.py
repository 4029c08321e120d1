"""Memory that one array gave back, kept for the next.

Every batch makes arrays of some megabytes and drops them again. By default the C library of Linux,
glibc, hands memory of that size back to the system at once, so that the next array begins with
pages that the system has to clear and map anew, a few thousand of them a step: without that a
step of a small convolutional network took 0.8 of the time here, one of an LSTM 0.75.

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
