"""Memory is kept from array to array, where the C library is one that learns to."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

FAULTS = """
import resource
import numpy as np
from chainrule.layers.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        x = np.ones(500_000, np.float32)  # 2 MB, about 500 pages
        y = x + 1
        z = y * x
        del x, y, z
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
if {keep}:
    keep_freed_memory()
    faults()
print(faults())
"""


def faults(keep: bool) -> int:
    code = FAULTS.format(keep=keep)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_arrays_that_come_and_go_cost_no_new_pages():
    assert faults(keep=True) < 500  # 20 times 3 arrays of 500 pages without it
    assert faults(keep=True) <= faults(keep=False)
