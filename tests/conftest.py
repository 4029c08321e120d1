"""What tests of several parts need."""

import signal

import pytest


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C arrive: a job in the background is started with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
