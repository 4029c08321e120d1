"""What belongs together: faults, and the tests beside the code that they are in."""

from typing import NamedTuple

from benchmarks.planted_faults.fault import Fault


class Room(NamedTuple):
    """Faults in a part of the package, and the test files and folders that mirror it."""

    tests: tuple[str, ...]
    faults: tuple[Fault, ...]
