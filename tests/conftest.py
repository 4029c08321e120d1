"""What tests of several parts need."""

import os
import signal

import pytest

# The tests run in two processes: BLAS would start a thread for each processor in both. It reads
# these variables as NumPy is loaded, which is after this file; processes that tests start inherit
# them.
for library in ("OPENBLAS", "OMP", "MKL", "VECLIB"):
    os.environ[f"{library}_NUM_THREADS"] = "1"


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C arrive: a job in the background is started with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
