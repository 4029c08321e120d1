"""What tests let other processes do; these import it from here."""

import os
import signal
import time


def begin(*given):
    """Keep nothing."""


def square(number):
    return number, number**2, os.getpid()


def end_or_square(number):
    """End this process where the number is odd, as a system that runs out of memory would."""
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return square(number)


def refuse():
    """Let a process not even begin."""
    os._exit(1)
