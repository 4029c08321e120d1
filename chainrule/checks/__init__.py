"""Checks at the door, each an error in the user's words.

options.py   options of the right kind, in their range
arrays.py    arrays as users give them: numbers, finite, without ragged rows
extras.py    optional packages, asked for by name
"""

from chainrule.checks.arrays import all_finite, check_array, check_finite, check_numbers
from chainrule.checks.options import (
    check_bool,
    check_choice,
    check_function,
    check_instance,
    check_number,
    check_range,
    check_seed,
    check_sizes,
    check_whole,
    check_whole_numbers,
    is_finite_number,
    is_whole,
    network_dtype,
)

__all__ = [
    "all_finite",
    "check_array",
    "check_bool",
    "check_choice",
    "check_finite",
    "check_function",
    "check_instance",
    "check_number",
    "check_numbers",
    "check_range",
    "check_seed",
    "check_sizes",
    "check_whole",
    "check_whole_numbers",
    "is_finite_number",
    "is_whole",
    "network_dtype",
]
